//! Dual numbers: a value and its derivative along one direction, carried through every operation.
//!
//! `Dual` is a [`Scalar`], so the forward code itself, unchanged, computes exact directional derivatives: no step size, no
//! truncation, only rounding. For a direction `v` and an upstream gradient `g`, backward is right if
//!
//! ```text
//! ⟨backward(g), v⟩ = ⟨g, jvp(v)⟩        jvp(v) = d/ds forward(θ + s·v) at s = 0
//! ```
//! With `v` a single element, that is one element of the gradient.

use super::probe::{self, Directions, Probe};
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
    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        self.chain(root, 0.5 / root)
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

/// `⟨dy, jvp(direction)⟩`: the derivative of `L = ⟨dy, forward⟩` along a direction, from the forward code alone.
pub fn directional_derivative<A: Subject>(
    subject: &A,
    point: &Point<A::Layer<f64>>,
    direction: &Direction<A::Layer<f64>>,
) -> f64 {
    let (layer, x) = along(subject, point, direction);
    tangent_of_objective(subject, &layer, &x, &point.dy)
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

/// The derivative of `L` along every one of `directions`, in the order of [`analytic`](super::analytic): one forward each.
pub(super) fn derivatives<A: Subject>(
    subject: &A,
    point: &Point<A::Layer<f64>>,
    directions: &[Directions],
    tick: &(dyn Fn() + Sync),
) -> Vec<Gradient> {
    probe::along_all(subject, point, directions, tick, |probe: &mut Probe<A::Layer<Dual>, Dual>, direction| {
        probe.change(|values| direction.iter().for_each(|&(index, component)| values[index].tangent = component));
        let derivative = tangent_of_objective(subject, &probe.layer, &probe.x, &point.dy);
        probe.change(|values| direction.iter().for_each(|&(index, _)| values[index].tangent = 0.0));
        derivative
    })
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
