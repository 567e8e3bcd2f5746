//! Softmax and cross-entropy: from class scores to probabilities, and to the loss they are trained by.
//!
//! | symbol | shape   | meaning                                    |
//! |--------|---------|--------------------------------------------|
//! | `z`    | `[N,K]` | scores (logits)                            |
//! | `p`    | `[N,K]` | probabilities, a row adds up to 1          |
//! | `y`    | `[N]`   | the right class of every clip              |
//! | `L`    |         | mean loss over the batch, in nats          |

use crate::matrix::Matrix;
use crate::scalar::Scalar;

/// Probabilities of every row of scores. The largest score is subtracted first, so that nothing overflows.
///
/// # Formula
/// ```text
/// p[n,k] = e^(z[n,k] − m[n]) / Σ_j e^(z[n,j] − m[n]),   m[n] = max_k z[n,k]
/// ```
pub fn softmax<S: Scalar>(z: &Matrix<S>, p: &mut Matrix<S>) {
    p.resize(z.rows(), z.cols());
    for n in 0..z.rows() {
        let (scores, max) = (z.row(n), row_max(z.row(n)));
        let row = p.row_mut(n);
        let mut sum = S::ZERO;
        for (p, &z) in row.iter_mut().zip(scores) {
            *p = (z - max).exp();
            sum += *p;
        }
        for p in row {
            *p = *p / sum;
        }
    }
}

/// Writes the probabilities to `p` and returns the loss (Eq. 5).
///
/// # Formula
/// ```text
/// L = −(1/N) Σ_n ln p[n, y[n]],   ln p[n,k] = z[n,k] − m[n] − ln Σ_j e^(z[n,j] − m[n])
/// ```
/// # Panics
/// If there is not one label a row, or a label is not below `K`.
pub fn forward<S: Scalar>(z: &Matrix<S>, labels: &[usize], p: &mut Matrix<S>) -> S {
    assert_eq!(z.rows(), labels.len(), "one label a row of scores");
    softmax(z, p);
    let mut loss = S::ZERO;
    for (n, &label) in labels.iter().enumerate() {
        let max = row_max(z.row(n));
        let mut sum = S::ZERO;
        for &z in z.row(n) {
            sum += (z - max).exp();
        }
        loss += sum.ln() - (z[(n, label)] - max);
    }
    loss / S::from_f64(labels.len() as f64)
}

/// ∂L/∂z from the probabilities `forward` wrote.
///
/// # Derivation
/// ```text
/// ∂ ln p[y] / ∂z[k] = [k = y] − e^z[k] / Σ_j e^z[j] = [k = y] − p[k]
/// so dz[n,k] = (p[n,k] − [k = y[n]]) / N
/// ```
pub fn backward<S: Scalar>(p: &Matrix<S>, labels: &[usize], dz: &mut Matrix<S>) {
    let clips = S::from_f64(labels.len() as f64);
    dz.resize(p.rows(), p.cols());
    for (n, &label) in labels.iter().enumerate() {
        // forward: L = mean of −ln p[label]
        for (k, (dz, &p)) in dz.row_mut(n).iter_mut().zip(p.row(n)).enumerate() {
            let target = if k == label { S::ONE } else { S::ZERO };
            *dz = (p - target) / clips;
        }
    }
}

fn row_max<S: Scalar>(row: &[S]) -> S {
    row.iter().copied().fold(row[0], |max, z| if z > max { z } else { max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{assert_gradients, subjects::CrossEntropySubject};

    #[test]
    fn the_backward_is_the_derivative_of_the_forward() {
        assert_gradients(&CrossEntropySubject { labels: vec![4, 0, 2], classes: 5 });
    }

    #[test]
    fn two_classes_worked_by_hand() {
        // Odds 3 : 1, so probabilities 3/4 and 1/4; the loss of the right class is −ln 3/4, of the wrong one −ln 1/4.
        let z = Matrix::from_rows(&[[3f64.ln(), 0.0], [3f64.ln(), 0.0]]);
        let mut p = Matrix::default();
        let loss = forward(&z, &[0, 1], &mut p);
        approx::assert_abs_diff_eq!(p[(0, 0)], 0.75, epsilon = 1e-15);
        approx::assert_abs_diff_eq!(loss, -(0.75f64.ln() + 0.25f64.ln()) / 2.0, epsilon = 1e-15);
    }

    #[test]
    fn huge_scores_do_not_overflow() {
        let mut p = Matrix::default();
        let loss = forward(&Matrix::from_rows(&[[-1000f32, 1000.0, 999.0]]), &[0], &mut p);
        assert_eq!(loss, 2000.0 + (1.0f32 + (-1f32).exp()).ln());
        assert!(p.as_slice().iter().all(|p| p.is_finite()));
    }
}
