//! Central differences: move a little both ways along a direction, and compare the outputs.

use super::probe::{Direction, Probe};
use super::{Gradient, Point, Subject, analytic, cast, dual};
use crate::matrix::Matrix;
use crate::scalar::Scalar;

/// The step, for values of about 1: differences lose digits when it is smaller, and include curvature when it is larger.
pub const STEP: f64 = 1e-3;

/// The derivative of `L = ⟨dy, forward(x)⟩` along each of `directions` of tensor number `tensor`: four forwards each.
///
/// # Formula
/// ```text
/// D(ε) = (L(θ + ε·v) − L(θ − ε·v)) / 2ε = L' + O(ε²)
/// (4·D(ε/2) − D(ε)) / 3                 = L' + O(ε⁴)          Richardson's extrapolation
/// ```
pub(super) fn derivatives<A: Subject>(
    subject: &A,
    point: &Point<A::Layer<f64>>,
    tensor: usize,
    directions: &[Direction],
) -> Vec<f64> {
    let mut probe = Probe::<_, f64>::new(subject, point, tensor);
    directions.iter().map(|direction| extrapolated(subject, &mut probe, &point.dy, direction)).collect()
}

/// Richardson's extrapolation of steps [`STEP`] and half of it.
fn extrapolated<A: Subject>(
    subject: &A,
    probe: &mut Probe<A::Layer<f64>, f64>,
    dy: &Matrix<f64>,
    direction: &Direction,
) -> f64 {
    let mut central = |step| central(subject, probe, dy, direction, step);
    (4.0 * central(STEP / 2.0) - central(STEP)) / 3.0
}

/// `D(ε)`, the forward in number type `S`. The probe is left as it was.
fn central<A: Subject, S: Scalar>(
    subject: &A,
    probe: &mut Probe<A::Layer<S>, S>,
    dy: &Matrix<S>,
    direction: &Direction,
    step: f64,
) -> f64 {
    let mut start = Vec::with_capacity(direction.len());
    probe.change(|values| start.extend(direction.iter().map(|&(index, _)| values[index])));
    let mut objective = |step: f64| {
        probe.change(|values| {
            for (&(index, component), start) in direction.iter().zip(&start) {
                values[index] = S::from_f64(start.value() + step * component);
            }
        });
        objective(subject, &probe.layer, &probe.x, dy)
    };
    let derivative = (objective(step) - objective(-step)) / (2.0 * step);
    probe.change(|values| direction.iter().zip(start).for_each(|(&(index, _), start)| values[index] = start));
    derivative
}

/// `L = ⟨dy, forward(x)⟩`
fn objective<A: Subject, S: Scalar>(subject: &A, layer: &A::Layer<S>, x: &Matrix<S>, dy: &Matrix<S>) -> f64 {
    let y = subject.forward(layer, x);
    let terms = y.as_slice().iter().zip(dy.as_slice()).map(|(&y, &dy)| y * dy);
    terms.fold(S::ZERO, |sum, term| sum + term).value()
}

/// Error of plain central differences of one element by step: truncation falls with the square of the step, rounding grows
/// with its inverse.
#[derive(Clone, Debug, PartialEq)]
pub struct StepCurve {
    /// The tensor's name.
    pub name: String,
    /// Flat index of the element: the one with the tensor's largest derivative.
    pub element: usize,
    /// Its derivative, by dual numbers.
    pub derivative: f64,
    /// Relative error `|D(ε) − L'| / |L'|` for each step, the forward in `f64`.
    pub f64_errors: Vec<f64>,
    /// The same, the forward in `f32`.
    pub f32_errors: Vec<f64>,
    /// Relative error of the extrapolated difference, which the audit uses.
    pub extrapolated: f64,
}

/// The [`StepCurve`] of every learned tensor and the input, for `steps`. Tensors without a derivative are left out.
pub fn step_curves<A: Subject>(subject: &A, point: &Point<A::Layer<f64>>, steps: &[f64]) -> Vec<StepCurve> {
    let gradients = analytic(subject, point).into_iter().enumerate();
    gradients.filter_map(|(tensor, gradient)| step_curve(subject, point, tensor, gradient, steps)).collect()
}

fn step_curve<A: Subject>(
    subject: &A,
    point: &Point<A::Layer<f64>>,
    tensor: usize,
    gradient: Gradient,
    steps: &[f64],
) -> Option<StepCurve> {
    let sizes = gradient.values.iter().map(|value| value.abs()).enumerate();
    let (element, _) = sizes.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let ElementDerivatives { dual, in_f64, in_f32 } = element_derivatives(subject, point, tensor, element, steps);
    if dual == 0.0 {
        return None;
    }
    let relative = |difference: f64| (difference - dual).abs() / dual.abs();
    let mut probe = Probe::new(subject, point, tensor);
    Some(StepCurve {
        name: gradient.name,
        element,
        derivative: dual,
        f64_errors: in_f64.into_iter().map(relative).collect(),
        f32_errors: in_f32.into_iter().map(relative).collect(),
        extrapolated: relative(extrapolated(subject, &mut probe, &point.dy, &vec![(element, 1.0)])),
    })
}

/// The derivative by one element, found by forward alone.
#[derive(Clone, Debug, PartialEq)]
pub struct ElementDerivatives {
    /// By dual numbers: exact to rounding.
    pub dual: f64,
    /// By plain central differences, for each step, the forward in `f64`.
    pub in_f64: Vec<f64>,
    /// The same, the forward in `f32`.
    pub in_f32: Vec<f64>,
}

/// The derivative by an element of tensor number `tensor`, in the order of [`analytic`], for `steps`.
///
/// # Panics
/// If there is no such element.
pub fn element_derivatives<A: Subject>(
    subject: &A,
    point: &Point<A::Layer<f64>>,
    tensor: usize,
    element: usize,
    steps: &[f64],
) -> ElementDerivatives {
    let direction = vec![(element, 1.0)];
    let (mut double, mut single) = (Probe::new(subject, point, tensor), Probe::new(subject, point, tensor));
    let dy_f32: Matrix<f32> = cast(&point.dy);
    ElementDerivatives {
        dual: dual::derivatives(subject, point, tensor, std::slice::from_ref(&direction))[0],
        in_f64: steps.iter().map(|&e| central(subject, &mut double, &point.dy, &direction, e)).collect(),
        in_f32: steps.iter().map(|&e| central(subject, &mut single, &dy_f32, &direction, e)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::random_point;
    use crate::audit::subjects::LstmSubject;
    use crate::packed::{Packed, Padding};

    /// The slope of the logarithm of the tensors' median error, fitted between the `range` of steps.
    fn slope(curves: &[StepCurve], steps: &[f64], errors: fn(&StepCurve) -> &Vec<f64>, range: [f64; 2]) -> f64 {
        let median = |n: usize| {
            let mut all: Vec<f64> = curves.iter().map(|curve| errors(curve)[n]).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        let within = (0..steps.len()).filter(|&n| range[0] <= steps[n] && steps[n] <= range[1]);
        let points: Vec<(f64, f64)> = within.map(|n| (steps[n].log10(), median(n).log10())).collect();
        let count = points.len() as f64;
        let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
        let products = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>();
        products / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
    }

    #[test]
    fn truncation_falls_with_the_square_of_the_step_and_rounding_grows_with_its_inverse() {
        let subject = LstmSubject { layout: Packed::new(&[5, 3, 2], Padding::Ignored), inputs: 7, hidden: 5 };
        let point = random_point(&subject, 1);
        let steps: Vec<f64> = (4..=48).map(|n| 10f64.powf(-0.25 * f64::from(n))).collect();
        let curves = step_curves(&subject, &point, &steps);
        assert_eq!(curves.len(), 5, "four tensors and the input");
        let f64_slope = |range| slope(&curves, &steps, |curve| &curve.f64_errors, range);
        let f32_slope = |range| slope(&curves, &steps, |curve| &curve.f32_errors, range);
        // Truncation is a smooth curve; rounding scatters by a factor of three about its slope.
        let (truncation, rounding) = (f64_slope([1e-4, 1e-1]), f64_slope([1e-12, 1e-7]));
        assert!((truncation - 2.0).abs() < 0.1, "{truncation}");
        assert!((rounding + 1.0).abs() < 0.25, "{rounding}");
        // f32 has half the digits: its errors grow again far earlier.
        let rounding = f32_slope([1e-6, 1e-3]);
        assert!((rounding + 1.0).abs() < 0.25, "{rounding}");
        for curve in &curves {
            let least = |errors: &[f64]| errors.iter().copied().fold(f64::INFINITY, f64::min);
            let (f64_error, f32_error) = (least(&curve.f64_errors), least(&curve.f32_errors));
            assert!(f64_error < 1e-8 && f32_error > 10.0 * f64_error, "{}: {f64_error} {f32_error}", curve.name);
            assert!(curve.extrapolated < 1e-9, "{}: {}", curve.name, curve.extrapolated);
        }
    }

    #[test]
    fn the_curve_is_of_the_largest_derivative_and_a_constant_has_none() {
        let subject = crate::audit::subjects::LinearSubject { rows: 2, inputs: 3, outputs: 1 };
        let mut point = random_point(&subject, 0);
        point.x = Matrix::from_rows(&[[1.0, -8.0, 2.0], [1.0, -8.0, 2.0]]);
        point.dy = Matrix::from_rows(&[[1.0], [1.0]]);
        let weight = &step_curves(&subject, &point, &[1e-2])[0];
        assert_eq!((weight.name.as_str(), weight.element, weight.derivative), ("weight", 1, -16.0));
        point.dy.fill(0.0);
        assert_eq!(step_curves(&subject, &point, &[1e-2]), []);
    }
}
