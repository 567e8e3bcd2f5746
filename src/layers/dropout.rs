//! Between lessons 3 and 4. Dropout: in training, features are switched off at random; in evaluation nothing happens.
//!
//! *Inverted* dropout, as PyTorch's `nn.Dropout`: what stays is scaled up in training, so that evaluation needs no correction.
//!
//! | symbol | shape   | meaning                                                          |
//! |--------|---------|------------------------------------------------------------------|
//! | `x, y` | `[N,H]` | features before and after                                        |
//! | `mask` | `[N,H]` | 0 with probability `rate`, else `1/(1 − rate)`; drawn by the caller |
//!
//! # Why it exists
//!
//! A classifier that may lean on one feature will, and fail on the first speaker who lacks it. Switching features off
//! at random makes every one of them useful without the others. It comes right before the classifier, after batch norm,
//! whose statistics would otherwise see the zeros.
//!
//! # Formula and derivation
//!
//! `y = x⊙mask`. The mask is drawn beforehand and handed in, so to the gradient it is a constant: `dx = dy⊙mask`.
//! Randomness as an argument is also what makes the layer testable: the audit calls forward many times and must get
//! the same mask each time.
//!
//! # Worked by hand
//!
//! Rate ½: what stays is doubled, and on average over masks `½·0 + ½·2x = x`.
//! ```
//! use reslstm::layers::dropout;
//! use reslstm::matrix::Matrix;
//!
//! let mask = Matrix::from_rows(&[[0.0, 2.0]]);
//! let (mut y, mut dx) = (Matrix::default(), Matrix::default());
//! dropout::forward(&Matrix::from_rows(&[[3.0, 5.0]]), &mask, &mut y);
//! assert_eq!(y.row(0), [0.0, 10.0]); // 3·0, 5·2
//! dropout::backward(&Matrix::from_rows(&[[7.0, 1.5]]), &mask, &mut dx);
//! assert_eq!(dx.row(0), [0.0, 3.0]); // 7·0, 1.5·2
//! ```
//!
//! # Mistakes worth knowing
//!
//! - The scale left out on the way back: `dx` is `dy` where the feature stayed. (`MaskNotScaled`)
//! - A second mask drawn for backward.
//!
//! Tests: [how the gradients are verified](super#how-the-gradients-are-verified).
//! Next: [lesson 4](super::attention).

use crate::matrix::Matrix;
use crate::rng::RandomStream;
use crate::scalar::Scalar;

/// Draws a mask, `[rows, cols]`: 0 with probability `rate`, else `1 / (1 − rate)`.
///
/// # Panics
/// If `rate` is not in `[0, 1)`.
pub fn draw_mask<S: Scalar>(rate: f64, rows: usize, cols: usize, stream: &mut RandomStream, mask: &mut Matrix<S>) {
    assert!((0.0..1.0).contains(&rate), "dropout rate {rate} is not in [0, 1)");
    let kept = S::from_f64(1.0 / (1.0 - rate));
    mask.resize(rows, cols);
    mask.as_mut_slice().fill_with(|| if stream.uniform() < rate { S::ZERO } else { kept });
}

/// `y = x ⊙ mask`
pub fn forward<S: Scalar>(x: &Matrix<S>, mask: &Matrix<S>, y: &mut Matrix<S>) {
    assert_eq!(x.shape(), mask.shape(), "a mask has one value per feature");
    y.resize(x.rows(), x.cols());
    for ((y, &x), &mask) in y.as_mut_slice().iter_mut().zip(x.as_slice()).zip(mask.as_slice()) {
        *y = x * mask;
    }
}

/// `dx = dy ⊙ mask`, as the mask does not depend on `x`: the forward applied to the gradient.
pub fn backward<S: Scalar>(dy: &Matrix<S>, mask: &Matrix<S>, dx: &mut Matrix<S>) {
    // forward: y = x ⊙ mask
    forward(dy, mask, dx);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{assert_gradients, subjects::DropoutSubject};

    #[test]
    fn the_backward_is_the_derivative_of_the_forward() {
        let mut mask = Matrix::default();
        draw_mask(0.4, 3, 7, &mut RandomStream::new(1, "dropout", 0), &mut mask);
        assert_gradients(&DropoutSubject { mask });
    }

    #[test]
    fn a_mask_keeps_the_mean() {
        let mut mask = Matrix::<f64>::default();
        draw_mask(0.2, 100, 100, &mut RandomStream::new(3, "dropout", 0), &mut mask);
        let zeros = mask.as_slice().iter().filter(|&&m| m == 0.0).count();
        assert!(mask.as_slice().iter().all(|&m| m == 0.0 || m == 1.25));
        assert!((1850..2150).contains(&zeros), "{zeros} of 10,000, expected 2,000 ± 40");
    }
}
