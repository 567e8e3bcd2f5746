//! Dropout: in training, features are switched off at random; in evaluation nothing happens.
//!
//! *Inverted* dropout, as PyTorch's `nn.Dropout`: what stays is scaled up in training, so that evaluation needs no correction.

use crate::matrix::Matrix;
use crate::rng::Stream;
use crate::scalar::Scalar;

/// Draws a mask, `[rows, cols]`: 0 with probability `rate`, else `1 / (1 − rate)`.
///
/// # Panics
/// If `rate` is not in `[0, 1)`.
pub fn draw_mask<S: Scalar>(rate: f64, rows: usize, cols: usize, stream: &mut Stream, mask: &mut Matrix<S>) {
    assert!((0.0..1.0).contains(&rate), "dropout rate {rate} is not in [0, 1)");
    let kept = S::from_f64(1.0 / (1.0 - rate));
    mask.resize(rows, cols);
    mask.as_mut_slice().fill_with(|| if stream.uniform() < rate { S::ZERO } else { kept });
}

/// `y = x ⊙ mask`
pub fn forward<S: Scalar>(x: &Matrix<S>, mask: &Matrix<S>, y: &mut Matrix<S>) {
    assert_eq!(x.shape(), mask.shape(), "a mask has a value per feature");
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
        draw_mask(0.4, 3, 7, &mut Stream::new(1, "dropout", 0), &mut mask);
        assert_gradients(&DropoutSubject { mask });
    }

    #[test]
    fn a_mask_keeps_the_mean() {
        let mut mask = Matrix::<f64>::default();
        draw_mask(0.2, 100, 100, &mut Stream::new(3, "dropout", 0), &mut mask);
        let zeros = mask.as_slice().iter().filter(|&&m| m == 0.0).count();
        assert!(mask.as_slice().iter().all(|&m| m == 0.0 || m == 1.25));
        assert!((1850..2150).contains(&zeros), "{zeros} of 10,000, expected 2,000 ± 40");
    }
}
