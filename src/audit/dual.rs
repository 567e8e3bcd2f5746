//! Dual numbers: a value and its derivative along one direction, carried through every operation.
//!
//! `Dual` is a [`Scalar`], so the forward code itself, unchanged, computes exact directional derivatives: no step size, no
//! truncation, only rounding. For a direction `v` and an upstream gradient `g`, backward is right if
//!
//! ```text
//! ⟨backward(g), v⟩ = ⟨g, jvp(v)⟩        jvp(v) = d/ds forward(θ + s·v) at s = 0
//! ```
//! With `v` a single element, that is one element of the gradient.

use super::probe::{self, Probe};
use super::{Gradient, Point, Subject};
use crate::matrix::Matrix;
use crate::params::{Parameters, Path};
use crate::scalar::Scalar;
use std::cmp::Ordering;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

/// `value + tangent·ε` with `ε² = 0`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dual {
    /// The number.
    pub value: f64,
    /// Its derivative along the direction.
    pub tangent: f64,
}

impl Dual {
    /// A number that moves at `tangent` along the direction.
    pub fn new(value: f64, tangent: f64) -> Self {
        Dual { value, tangent }
    }

    /// A function of this number with value `value` and derivative `slope` here: the chain rule.
    #[inline(always)]
    fn chain(self, value: f64, slope: f64) -> Self {
        Dual { value, tangent: slope * self.tangent }
    }
}

// Comparisons look at the value: a maximum has the derivative of whichever number is largest.
impl PartialEq for Dual {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialOrd for Dual {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl Add for Dual {
    type Output = Self;
    #[inline(always)]
    fn add(self, b: Self) -> Self {
        Dual { value: self.value + b.value, tangent: self.tangent + b.tangent }
    }
}

impl Sub for Dual {
    type Output = Self;
    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        Dual { value: self.value - b.value, tangent: self.tangent - b.tangent }
    }
}

impl Mul for Dual {
    type Output = Self;
    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        Dual { value: self.value * b.value, tangent: self.tangent * b.value + self.value * b.tangent }
    }
}

impl Div for Dual {
    type Output = Self;
    #[inline(always)]
    fn div(self, b: Self) -> Self {
        let value = self.value / b.value;
        Dual { value, tangent: (self.tangent - value * b.tangent) / b.value }
    }
}

impl Neg for Dual {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Dual { value: -self.value, tangent: -self.tangent }
    }
}

impl AddAssign for Dual {
    #[inline(always)]
    fn add_assign(&mut self, b: Self) {
        *self = *self + b;
    }
}

impl SubAssign for Dual {
    #[inline(always)]
    fn sub_assign(&mut self, b: Self) {
        *self = *self - b;
    }
}

impl Scalar for Dual {
    const ZERO: Self = Dual { value: 0.0, tangent: 0.0 };
    const ONE: Self = Dual { value: 1.0, tangent: 0.0 };

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Dual { value: x, tangent: 0.0 }
    }
    #[inline(always)]
    fn value(self) -> f64 {
        self.value
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let e = self.value.exp();
        self.chain(e, e)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        self.chain(self.value.ln(), 1.0 / self.value)
    }
    #[inline(always)]
    fn log(self, base: Self) -> Self {
        self.ln() / base.ln()
    }
    #[inline(always)]
    fn powi(self, n: i32) -> Self {
        // The slope of x⁰ is 0 at x = 0 too, where 0·x⁻¹ is not a number.
        let slope = if n == 0 { 0.0 } else { f64::from(n) * self.value.powi(n.saturating_sub(1)) };
        self.chain(self.value.powi(n), slope)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        self.chain(root, 0.5 / root)
    }
    #[inline(always)]
    fn sin(self) -> Self {
        self.chain(self.value.sin(), self.value.cos())
    }
    #[inline(always)]
    fn cos(self) -> Self {
        self.chain(self.value.cos(), -self.value.sin())
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        let t = self.value.tanh();
        self.chain(t, 1.0 - t * t)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let s = Scalar::sigmoid(self.value);
        self.chain(s, s * (1.0 - s))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        let slope = if self.value == 0.0 { 0.0 } else { self.value.signum() };
        self.chain(self.value.abs(), slope)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if other.value > self.value || self.value.is_nan() { other } else { self }
    }
}

/// A direction in parameter and input space.
pub struct Direction<L> {
    /// How the parameters move.
    pub layer: L,
    /// How the input moves.
    pub x: Matrix<f64>,
}

/// Parameters and input of a point as duals that move along a direction.
pub fn along<A: Subject>(
    subject: &A,
    point: &Point<A::Layer<f64>>,
    direction: &Direction<A::Layer<f64>>,
) -> (A::Layer<Dual>, Matrix<Dual>) {
    let mut tangents = Vec::new();
    direction.layer.visit(&Path::ROOT, &mut |_, _, _, values| tangents.extend_from_slice(values));
    let mut layer = subject.zeros::<Dual>();
    super::recast(&point.layer, &mut layer);
    let mut next = tangents.into_iter();
    layer.visit_mut(&Path::ROOT, &mut |_, _, _, values| {
        values.iter_mut().zip(&mut next).for_each(|(dual, tangent)| dual.tangent = tangent);
    });
    let pairs = point.x.as_slice().iter().zip(direction.x.as_slice());
    let x = Matrix::from_vec(point.x.rows(), point.x.cols(), pairs.map(|(&x, &v)| Dual::new(x, v)).collect());
    (layer, x)
}

/// `H·v`: how the gradient of `L = ⟨dy, forward⟩` moves along a direction, for every learned tensor and the input, in the
/// order of [`analytic`](super::analytic). Dual numbers through the *backward* code: exact second order, without another line.
pub fn hessian_vector_product<A: Subject>(
    subject: &A,
    point: &Point<A::Layer<f64>>,
    direction: &Direction<A::Layer<f64>>,
) -> Vec<Gradient> {
    let (layer, x) = along(subject, point, direction);
    let mut grads = subject.zeros::<Dual>();
    let dx = subject.backward(&layer, &x, &super::cast(&point.dy), &mut grads);
    super::listed(&grads, &dx, |dual| dual.tangent)
}

fn tangent_of_objective<A: Subject>(subject: &A, layer: &A::Layer<Dual>, x: &Matrix<Dual>, dy: &Matrix<f64>) -> f64 {
    let y = subject.forward(layer, x);
    y.as_slice().iter().zip(dy.as_slice()).map(|(y, dy)| y.tangent * dy).sum()
}

/// The derivative of `L` along each of `directions` of tensor number `tensor`: one forward each.
pub(super) fn derivatives<A: Subject>(
    subject: &A,
    point: &Point<A::Layer<f64>>,
    tensor: usize,
    directions: &[probe::Direction],
) -> Vec<f64> {
    let mut probe = Probe::<_, Dual>::new(subject, point, tensor);
    let derivative = |direction: &probe::Direction| {
        probe.change(|values| direction.iter().for_each(|&(index, component)| values[index].tangent = component));
        let derivative = tangent_of_objective(subject, &probe.layer, &probe.x, &point.dy);
        probe.change(|values| direction.iter().for_each(|&(index, _)| values[index].tangent = 0.0));
        derivative
    };
    directions.iter().map(derivative).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::subjects::{AttentionSubject, BatchNormSubject, CrossEntropySubject, LstmSubject, ModelSubject};
    use crate::packed::{Packed, Padding};
    use crate::params::Role;

    /// A direction with normal components; buffers do not move.
    fn random_direction<A: Subject>(subject: &A, seed: u64) -> Direction<A::Layer<f64>> {
        let mut point = crate::audit::random_point(subject, seed);
        point.layer.visit_mut(&Path::ROOT, &mut |_, role, _, values| {
            if role == Role::Buffer {
                values.fill(0.0);
            }
        });
        Direction { layer: point.layer, x: point.x }
    }

    fn inner_product<A: Subject>(u: &Direction<A::Layer<f64>>, gradients: &[Gradient]) -> f64 {
        let mut components = Vec::new();
        u.layer.visit(&Path::ROOT, &mut |_, role, _, values| {
            if role == Role::Parameter {
                components.extend_from_slice(values);
            }
        });
        components.extend_from_slice(u.x.as_slice());
        components.iter().zip(gradients.iter().flat_map(|gradient| &gradient.values)).map(|(u, g)| u * g).sum()
    }

    #[test]
    fn hessians_are_symmetric() {
        fn check<A: Subject>(subject: &A) {
            let point = crate::audit::random_point(subject, 1);
            let (u, v) = (random_direction(subject, 2), random_direction(subject, 3));
            let uhv = inner_product::<A>(&u, &hessian_vector_product(subject, &point, &v));
            let vhu = inner_product::<A>(&v, &hessian_vector_product(subject, &point, &u));
            // Both sum thousands of terms that round at 1e-16 each.
            assert!((uhv - vhu).abs() <= 1e-10 * uhv.abs().max(1.0), "{uhv} {vhu}");
            assert!(uhv != 0.0);
        }
        let layout = || Packed::new(&[5, 3, 2], Padding::Ignored);
        check(&LstmSubject { layout: layout(), inputs: 7, hidden: 3 });
        check(&AttentionSubject { layout: layout(), hidden: 4, vectors: 2 });
        check(&BatchNormSubject { rows: 5, padded: 2, features: 3 });
        check(&CrossEntropySubject { labels: vec![4, 0, 2], classes: 5 });
        for arch in ["lstm-sa-h3", "reslstm-sa-h3"] {
            check(&ModelSubject::new(arch.parse().unwrap(), layout(), 7, 4, 0.3));
        }
    }

    /// A function of two numbers, in any number type.
    trait Function {
        fn at<S: Scalar>(x: S, y: S) -> S;
    }

    /// The derivative along (1, −2) at points on both sides of zero and of x = y, against central differences.
    fn check_derivative<F: Function>(name: &str, positive_only: bool) {
        for (x, y) in [(0.7, 1.9), (1.9, 0.7), (-0.7, 1.3), (1.3, -0.4), (-1.1, -2.3)] {
            if positive_only && (x < 0.0 || y < 0.0) {
                continue;
            }
            let dual = F::at(Dual::new(x, 1.0), Dual::new(y, -2.0));
            assert_eq!(dual.value, F::at(x, y), "{name} at {x}, {y}");
            assert!(
                (F::at(x as f32, y as f32) as f64 - dual.value).abs() <= 1e-5 * dual.value.abs().max(1.0),
                "{name} in f32"
            );
            let central =
                |step: f64| (F::at(x + step, y - 2.0 * step) - F::at(x - step, y + 2.0 * step)) / (2.0 * step);
            let difference = (4.0 * central(5e-4) - central(1e-3)) / 3.0;
            // Richardson's extrapolation of steps of 1e-3 leaves some 1e-10, on derivatives of up to a hundred.
            let error = (dual.tangent - difference).abs() / difference.abs().max(1.0);
            assert!(error < 1e-8, "{name} at {x}, {y}: {} {difference}", dual.tangent);
        }
    }

    macro_rules! check_derivatives {
        ($($positive_only:literal $x:ident $y:ident: $value:expr;)+) => {$({
            struct Case;
            impl Function for Case {
                fn at<S: Scalar>($x: S, $y: S) -> S {
                    $value
                }
            }
            check_derivative::<Case>(stringify!($value), $positive_only);
        })+};
    }

    #[test]
    fn derivatives_agree_with_central_differences() {
        check_derivatives! {
            false x y: x.abs() * y;
            true x y: x.ln() * y;
            true x y: x.log(y + S::ONE);
            false x y: x.powi(3) + y.powi(2);
            false x y: x.powi(-2) * y.powi(1) + x.powi(0);
            false x y: (x * y).sin();
            false x y: (x * y).cos();
            false x y: x.max(y) * x;
            false x y: x.exp() + Scalar::sigmoid(y) + y.tanh();
            true x y: (x / y).sqrt();
        }
    }

    #[test]
    fn derivatives_where_a_function_has_a_corner() {
        let zero = Dual::new(0.0, 1.0);
        assert_eq!((zero.abs().value, zero.abs().tangent), (0.0, 0.0));
        assert_eq!((zero.powi(0).value, zero.powi(0).tangent), (1.0, 0.0));
        assert_eq!((zero.powi(1).value, zero.powi(1).tangent), (0.0, 1.0));
        assert_eq!(zero.max(Dual::new(0.0, 5.0)).tangent, 1.0);
        assert_eq!(Dual::new(f64::NAN, 1.0).max(Dual::new(2.0, 5.0)).value, 2.0);
        assert_eq!(Dual::new(2.0, 1.0).max(Dual::new(f64::NAN, 5.0)).value, 2.0);
    }

    /// f(x) at 0.7 against its derivative worked by hand.
    #[test]
    fn derivatives_of_the_elementary_functions() {
        let x = Dual::new(0.7, 1.0);
        let two = Dual::from_f64(2.0);
        let cases: [(&str, Dual, f64); 10] = [
            ("x·x", x * x, 1.4),
            ("2/x", two / x, -2.0 / 0.49),
            ("x/2 − x", x / two - x, -0.5),
            ("−x", -x, -1.0),
            ("x·2 + x", x.mul_add(two, x), 3.0),
            ("e^x", x.exp(), 0.7f64.exp()),
            ("ln x", x.ln(), 1.0 / 0.7),
            ("√x", x.sqrt(), 0.5 / 0.7f64.sqrt()),
            ("tanh x", x.tanh(), 1.0 / 0.7f64.cosh().powi(2)),
            ("σ(x)", Scalar::sigmoid(x), 0.25 / 0.35f64.cosh().powi(2)),
        ];
        for (name, dual, expected) in cases {
            assert!((dual.tangent - expected).abs() < 1e-15, "{name}: {} {expected}", dual.tangent);
        }
    }
}
