//! A loss given as closures, audited like a layer.

use super::Subject;
use super::dual::Dual;
use super::subjects::NoParameters;
use crate::matrix::Matrix;
use crate::scalar::Scalar;
use std::any::Any;

/// A scalar function of the logits and its gradient, written by hand, as a [`Subject`]: the input is the logits, the output
/// the loss, `[1,1]`. Made by [`loss!`](macro@crate::loss).
pub struct LossFunction<'a> {
    shape: [usize; 2],
    value: InEveryType<'a>,
    gradient: InEveryType<'a>,
}

/// A function of the logits `[N,K]`: to the loss `[1,1]`, or to its gradient `[N,K]`.
type OfLogits<'a, S> = Box<dyn Fn(&Matrix<S>) -> Matrix<S> + Sync + 'a>;

/// One function of the logits in the audit's three number types. A closure has one type only, so [`loss!`](macro@crate::loss)
/// writes it three times.
pub struct InEveryType<'a> {
    single: OfLogits<'a, f32>,
    double: OfLogits<'a, f64>,
    dual: OfLogits<'a, Dual>,
}

impl<'a> InEveryType<'a> {
    /// The same function three times.
    pub fn new(
        single: impl Fn(&Matrix<f32>) -> Matrix<f32> + Sync + 'a,
        double: impl Fn(&Matrix<f64>) -> Matrix<f64> + Sync + 'a,
        dual: impl Fn(&Matrix<Dual>) -> Matrix<Dual> + Sync + 'a,
    ) -> Self {
        InEveryType { single: Box::new(single), double: Box::new(double), dual: Box::new(dual) }
    }

    /// Calls the one for the number type of the logits.
    fn call<S: Scalar>(&self, logits: &Matrix<S>) -> Matrix<S> {
        let logits: &dyn Any = logits;
        let result: Box<dyn Any> = if let Some(logits) = logits.downcast_ref() {
            Box::new((self.single)(logits))
        } else if let Some(logits) = logits.downcast_ref() {
            Box::new((self.double)(logits))
        } else {
            Box::new((self.dual)(logits.downcast_ref().expect("an audit computes in f32, f64 and dual numbers")))
        };
        *result.downcast().expect("the result has the number type of the logits")
    }
}

impl<'a> LossFunction<'a> {
    /// A loss of logits of shape `[N,K]`.
    pub fn new(shape: [usize; 2], value: InEveryType<'a>, gradient: InEveryType<'a>) -> Self {
        LossFunction { shape, value, gradient }
    }
}

impl Subject for LossFunction<'_> {
    type Layer<S: Scalar> = NoParameters;

    fn zeros<S: Scalar>(&self) -> NoParameters {
        NoParameters
    }
    fn input_shape(&self) -> [usize; 2] {
        self.shape
    }
    fn forward<S: Scalar>(&self, _: &NoParameters, logits: &Matrix<S>) -> Matrix<S> {
        self.value.call(logits)
    }
    fn backward<S: Scalar>(
        &self,
        _: &NoParameters,
        logits: &Matrix<S>,
        dy: &Matrix<S>,
        _: &mut NoParameters,
    ) -> Matrix<S> {
        let mut dlogits = self.gradient.call(logits);
        assert_eq!(dlogits.shape(), self.shape, "the gradient of a loss has the shape of the logits");
        dlogits.as_mut_slice().iter_mut().for_each(|dlogit| *dlogit = *dlogit * dy[(0, 0)]);
        dlogits
    }
}

/// A loss to audit: the shape `[N,K]` of the logits, a closure that computes the loss, and one that computes its gradient.
///
/// Both closures are written for a number type `S`, any [`Scalar`], and borrow the variables around them that they use. The
/// result is a [`LossFunction`]: whatever audits a layer audits it.
///
/// ```
/// use reslstm::audit::{assert_gradients, loss};
/// use reslstm::matrix::Matrix;
/// use reslstm::scalar::Scalar;
///
/// // The squared error, L = Σ (z − y)², and its gradient, 2·(z − y).
/// let y = [0.5, -1.0, 2.0];
/// let squared_error = loss!(
///     [1, 3],
///     |z: &Matrix<S>| (0..3).fold(S::ZERO, |sum, k| sum + (z[(0, k)] - S::from_f64(y[k])).powi(2)),
///     |z: &Matrix<S>| {
///         let dz = |k| S::from_f64(2.0) * (z[(0, k)] - S::from_f64(y[k]));
///         Matrix::from_rows(&[[dz(0), dz(1), dz(2)]])
///     },
/// );
/// assert_gradients(&squared_error);
/// ```
/// `examples/audit_your_loss.rs` audits the focal loss, label smoothing and the concordance correlation coefficient.
#[macro_export]
macro_rules! loss {
    ($shape:expr, |$z:ident: &Matrix<$S:ident>| $value:expr, |$x:ident: &Matrix<$T:ident>| $gradient:expr $(,)?) => {
        $crate::audit::LossFunction::new(
            $shape,
            $crate::loss!(in every type |$z: $S| $crate::matrix::Matrix::from_rows(&[[$value]])),
            $crate::loss!(in every type |$x: $T| $gradient),
        )
    };
    (in every type |$z:ident: $S:ident| $result:expr) => {
        $crate::audit::InEveryType::new(
            $crate::loss!(in f32 |$z: $S| $result),
            $crate::loss!(in f64 |$z: $S| $result),
            $crate::loss!(in $crate::audit::dual::Dual |$z: $S| $result),
        )
    };
    (in $number:path |$z:ident: $S:ident| $result:expr) => {{
        type $S = $number;
        |$z: &$crate::matrix::Matrix<$S>| -> $crate::matrix::Matrix<$S> { $result }
    }};
}
#[doc(inline)]
pub use loss;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Along, assert_gradients, audit, in_order, random_point};

    /// `L = Σ w·z·|z|` of captured weights; its gradient `2·w·|z|`, times `factor`.
    fn weighted<'a>(weights: &'a [f64], factor: &'a f64) -> LossFunction<'a> {
        loss!(
            [2, 3],
            |z: &Matrix<S>| {
                let terms = z.as_slice().iter().zip(weights.iter());
                terms.fold(S::ZERO, |sum, (&z, &w)| sum + S::from_f64(w) * z * z.abs())
            },
            |z: &Matrix<S>| {
                let dz = z.as_slice().iter().zip(weights.iter()).map(|(z, w)| S::from_f64(2.0 * w * *factor) * z.abs());
                Matrix::from_vec(2, 3, dz.collect())
            },
        )
    }

    #[test]
    fn closures_are_audited_like_a_layer() {
        let weights = [1.0, -2.0, 0.5, 3.0, -0.25, 1.5];
        assert_gradients(&weighted(&weights, &1.0));
        let wrong = weighted(&weights, &1.001);
        for along in [Along::Elements, Along::Directions(1)] {
            let audits = audit(&wrong, &random_point(&wrong, 0), along, in_order);
            assert!(audits.len() == 1 && audits[0].name == "input" && !audits[0].passes(), "{audits:?}");
        }
    }

    #[test]
    #[should_panic(expected = "the shape of the logits")]
    fn a_gradient_of_another_shape_is_refused() {
        let loss = loss!([2, 3], |z: &Matrix<S>| z[(0, 0)], |_z: &Matrix<S>| Matrix::<S>::zeros(3, 2));
        assert_gradients(&loss);
    }
}
