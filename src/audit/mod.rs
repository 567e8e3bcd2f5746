//! Proof that a backward is the derivative of its forward.
//!
//! Anything with parameters, an input and an output is a [`Subject`]: it runs a forward and a backward, for any
//! [`Scalar`]. The audit takes a [`Point`] (parameters, an input `x`, an upstream gradient `g`) and compares the
//! gradient of `L = ⟨g, forward(x)⟩` that backward computes with derivatives found by forward alone, tensor by tensor, along
//! every element or a few random directions:
//!
//! | witness | file | precision in `f64` |
//! |---|---|---|
//! | dual numbers through the forward code | [`dual`] | rounding, about 1e-15 |
//! | central differences, Richardson-extrapolated | [`finite_difference`] | about 1e-9 of the largest element |
//!
//! [`audit`] gives the largest error of every tensor, [`derivatives`] every derivative.
//!
//! ```
//! use reslstm::audit::{Along, audit, in_order, random_point, subjects::LinearSubject};
//!
//! let subject = LinearSubject { rows: 3, inputs: 7, outputs: 2 };
//! for tensor in audit(&subject, &random_point(&subject, 0), Along::Elements, in_order) {
//!     println!("{}: {:.1e}", tensor.name, tensor.dual.scaled_error);
//!     assert!(tensor.passes());
//! }
//! ```
//! `examples/audit_your_layer.rs` audits a layer of its own, `examples/audit_gru.rs` a whole GRU. A loss is given as two closures
//! ([`loss!`]); `examples/audit_your_loss.rs` audits three.
//!
//! A whole network that another program computed is compared in [`case`]: its results against this engine's. Where they differ, the
//! known [`faults`] are planted in a [`plain`] computation of the network, to see which of them explains the difference.

pub mod case;
pub mod clip_gradients;
pub mod dual;
pub mod faults;
pub mod finite_difference;
pub mod flow;
mod loss;
mod pass;
pub mod plain;
mod probe;
mod report;
pub mod subjects;

pub use loss::{InEveryType, LossFunction, loss};
pub use probe::Along;
#[cfg(feature = "threads")]
pub use report::in_parallel;
use report::indices;
pub use report::{
    DIFFERENCE_BOUND, DUAL_BOUND, Derivatives, Disagreement, TensorAudit, assert_gradients, audit, derivatives,
    in_order,
};

use crate::matrix::Matrix;
use crate::params::{Parameters, Path, Role};
use crate::rng::RandomStream;
use crate::scalar::Scalar;

/// A forward and its backward, to be audited.
pub trait Subject: Sync {
    /// What holds the parameters, and their gradients.
    type Layer<S: Scalar>: Parameters<S> + Sync;

    /// Parameters all zero.
    fn zeros<S: Scalar>(&self) -> Self::Layer<S>;

    /// `[rows, columns]` of the input.
    fn input_shape(&self) -> [usize; 2];

    /// The output for input `x`.
    fn forward<S: Scalar>(&self, layer: &Self::Layer<S>, x: &Matrix<S>) -> Matrix<S>;

    /// Adds the parameters' gradients to `grads` and returns the input's; `dy` has the shape of the output.
    fn backward<S: Scalar>(
        &self,
        layer: &Self::Layer<S>,
        x: &Matrix<S>,
        dy: &Matrix<S>,
        grads: &mut Self::Layer<S>,
    ) -> Matrix<S>;
}

/// Where a subject is audited: a point in parameter and input space, and an upstream gradient.
pub struct Point<L> {
    /// Parameters.
    pub layer: L,
    /// Input.
    pub x: Matrix<f64>,
    /// Gradient that arrives at the output.
    pub dy: Matrix<f64>,
}

/// A random point: input and parameters normal (standard deviation 1/2, less in wide matrices: sums stay of order 1), buffers
/// (running statistics) uniform in [0.5, 1.5).
pub fn random_point<A: Subject>(subject: &A, seed: u64) -> Point<A::Layer<f64>> {
    let mut stream = RandomStream::new(seed, "audit", 0);
    let mut layer = subject.zeros::<f64>();
    layer.visit_mut(&Path::ROOT, &mut |_, role, shape, values| {
        let std = if let [_, columns] = *shape { (columns as f64).sqrt().recip().min(0.5) } else { 0.5 };
        values.fill_with(|| match role {
            Role::Parameter => std * stream.normal(),
            Role::Buffer => stream.between(0.5, 1.5),
        });
    });
    let mut random =
        |[rows, cols]: [usize; 2]| Matrix::from_vec(rows, cols, (0..rows * cols).map(|_| stream.normal()).collect());
    let x = random(subject.input_shape());
    let dy = random(subject.forward(&layer, &x).shape());
    Point { layer, x, dy }
}

/// What backward computes at a point: the gradient of every learned tensor by name, the input's last, as `"input"`.
pub fn analytic<A: Subject>(subject: &A, point: &Point<A::Layer<f64>>) -> Vec<Gradient> {
    let mut grads = subject.zeros::<f64>();
    let dx = subject.backward(&point.layer, &point.x, &point.dy, &mut grads);
    listed(&grads, &dx, |&value| value)
}

/// Every learned tensor by name, in the order of the visit, and then `x` as `"input"`; `number` reads each value.
fn listed<S: Scalar>(layer: &impl Parameters<S>, x: &Matrix<S>, number: impl Fn(&S) -> f64) -> Vec<Gradient> {
    let mut all = Vec::new();
    let mut list = |name: String, shape: &[usize], values: &[S]| {
        all.push(Gradient { name, shape: shape.to_vec(), values: values.iter().map(&number).collect() });
    };
    layer.visit(&Path::ROOT, &mut |path, role, shape, values| {
        if role == Role::Parameter {
            list(path.to_string(), shape, values);
        }
    });
    list("input".into(), &x.shape(), x.as_slice());
    all
}

/// The gradient of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// The tensor's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Row after row.
    pub values: Vec<f64>,
}

/// `|a − b| / max|b|` for every element; equal elements give 0, even where all are zero, and what is no number is infinite.
pub fn scaled_errors(a: &[f64], b: &[f64]) -> Vec<f64> {
    let scale = b.iter().fold(0.0f64, |max, b| max.max(b.abs()));
    let error = |(a, b): (&f64, &f64)| {
        let error = if a == b { 0.0 } else { (a - b).abs() / scale };
        if error.is_nan() { f64::INFINITY } else { error }
    };
    a.iter().zip(b).map(error).collect()
}

/// The first largest of the [`scaled_errors`], with its index; `(0, 0.0)` where there is none.
pub fn scaled_error(a: &[f64], b: &[f64]) -> (usize, f64) {
    let errors = scaled_errors(a, b).into_iter().enumerate();
    errors.fold((0, 0.0), |worst, (index, error)| if error > worst.1 { (index, error) } else { worst })
}

/// Copies values from parameters of one number type to the same parameters of another.
pub fn recast<A: Scalar, B: Scalar>(from: &impl Parameters<A>, to: &mut impl Parameters<B>) {
    let mut values = Vec::new();
    from.visit(&Path::ROOT, &mut |_, _, _, tensor| values.extend(tensor.iter().map(|x| x.value())));
    let mut values = values.into_iter();
    to.visit_mut(&Path::ROOT, &mut |_, _, _, tensor| {
        tensor.fill_with(|| B::from_f64(values.next().expect("both have the same tensors")));
    });
    assert!(values.next().is_none(), "both have the same tensors");
}

/// A matrix in another number type.
pub fn cast<A: Scalar, B: Scalar>(from: &Matrix<A>) -> Matrix<B> {
    let data = from.as_slice().iter().map(|x| B::from_f64(x.value())).collect();
    Matrix::from_vec(from.rows(), from.cols(), data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_that_is_no_number_is_the_worst() {
        assert_eq!(scaled_error(&[1.0, f64::NAN], &[1.0, 2.0]), (1, f64::INFINITY));
        assert_eq!(scaled_error(&[0.0, 0.0], &[0.0, 0.0]), (0, 0.0));
        assert_eq!(scaled_error(&[1.0, 5.0], &[1.0, 4.0]), (1, 0.25));
        assert_eq!(scaled_error(&[1.0], &[0.0]), (0, f64::INFINITY));
    }
}
