//! Lesson 2. Softmax and cross-entropy: from class scores to probabilities, and to the loss they are trained by.
//!
//! | symbol | shape   | meaning                                    |
//! |--------|---------|--------------------------------------------|
//! | `z`    | `[N,K]` | scores (logits)                            |
//! | `p`    | `[N,K]` | probabilities, each row adds up to 1       |
//! | `y`    | `[N]`   | the right class of every clip              |
//! | `L`    |         | mean loss over the batch, in nats          |
//!
//! # Why it exists
//!
//! Scores may be anything; probabilities must be positive and add up to 1. The exponential makes them positive, the
//! division makes them add up, and only differences of scores count: ln 2 more is twice as probable. The loss is the
//! surprise at the right answer, −ln p: 0 when it was certain, ln K when it was a guess. Every gradient of the network
//! begins here.
//!
//! # Formula
//!
//! `p = softmax(z)` at [`softmax`], `L = −(1/N) Σ_n ln p[n, y[n]]` (Eq. 5) at [`forward`]. The paper writes the sum
//! over classes with a one-hot `y`; all its terms but one are zero.
//!
//! With a weight `w[k]` per class, as for rare classes, the mean is a weighted one:
//! `L = Σ_n w[y[n]]·(−ln p[n, y[n]]) / Σ_n w[y[n]]` at [`forward_weighted`]. PyTorch's `CrossEntropyLoss(weight=w)` divides by
//! the same sum of weights, not by `N`: equal weights of any size change nothing.
//!
//! With label smoothing `ε`, the target of a clip is not its class alone: it has `1 − ε` of the whole there, and `ε` is spread
//! evenly over all classes (Szegedy and others, 2016). At [`forward_smoothed`]; PyTorch's
//! `CrossEntropyLoss(weight=w, label_smoothing=ε)`.
//!
//! # Derivation
//!
//! One clip first; the class index of `p` is `j`, of `z` it is `k`. Softmax alone, by the quotient rule, with
//! `s = Σ_j e^z[j]`:
//! ```text
//! ∂p[j]/∂z[k] = ([j = k]·e^z[j]·s − e^z[j]·e^z[k]) / s² = p[j]·([j = k] − p[k])
//!
//! so for any dp:   dz[k] = Σ_j dp[j]·p[j]·([j = k] − p[k])
//!                        = p[k]·(dp[k] − Σ_j p[j]·dp[j])         the sum: mean of dp under p
//! ```
//! Raising one score lowers all other probabilities: that is the mean that is subtracted. Keep this line, it returns in
//! [lesson 4](super::attention). With the loss on top, `dp[j] = −[j = y]/p[y]`, its mean is −1, and the division by `p`
//! cancels:
//! ```text
//! one clip:                 dz[k]   = p[k]·(−[k = y]/p[y] + 1) = p[k] − [k = y]
//! N clips, L their mean:    dz[n,k] = (p[n,k] − [k = y[n]]) / N
//! ```
//! Prediction minus truth. [`backward`] derives the same from ln p directly, which is how it should be
//! computed: no division by a `p` that may be 0. With weights, clip `n` has the share `w[y[n]] / Σ_m w[y[m]]` of the loss in
//! place of `1/N`, and so has its gradient, at [`backward_weighted`]. With smoothing, the truth that is subtracted is the spread
//! target, at [`backward_smoothed`]: a score that is right already is pulled back once `p` exceeds it, so no score grows without
//! end.
//!
//! # Worked by hand
//!
//! Scores that are logarithms make probabilities that are fractions.
//! ```
//! use reslstm::layers::softmax_cross_entropy::{backward, forward};
//! use reslstm::matrix::Matrix;
//!
//! let close = |got: &[f64], by_hand: &[f64]| {
//!     approx::assert_abs_diff_eq!(got, by_hand, epsilon = 1e-15);
//! };
//! let (ln2, ln3) = (2f64.ln(), 3f64.ln());
//!
//! // One clip: e^z = 1, 2, 3, their sum 6. The right class is the last: L = −ln 3/6 = ln 2.
//! let (mut p, mut dz) = (Matrix::default(), Matrix::default());
//! let loss = forward(&Matrix::from_rows(&[[0.0, ln2, ln3]]), &[2], &mut p);
//! close(p.as_slice(), &[1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0]);
//! close(&[loss], &[ln2]);
//! // p minus (0, 0, 1); a row adds up to 0, as adding the same to all scores changes nothing.
//! backward(&p, &[2], &mut dz);
//! close(dz.as_slice(), &[1.0 / 6.0, 1.0 / 3.0, -1.0 / 2.0]);
//!
//! // With a second clip, all scores 0 and the first class right, L = (ln 2 + ln 3)/2.
//! // The mean over two clips halves the first one's dz.
//! let loss = forward(&Matrix::from_rows(&[[0.0, ln2, ln3], [0.0; 3]]), &[2, 0], &mut p);
//! backward(&p, &[2, 0], &mut dz);
//! close(&[loss], &[(ln2 + ln3) / 2.0]);
//! close(dz.row(0), &[1.0 / 12.0, 1.0 / 6.0, -1.0 / 4.0]);
//! close(dz.row(1), &[-1.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0]); // (1/3 − 1)/2, 1/3/2, 1/3/2
//!
//! // Weights 3, 1, 1: the second clip, of the first class, counts 3/4 and the first one 1/4.
//! use reslstm::layers::softmax_cross_entropy::{backward_weighted, forward_weighted};
//! let weights = [3.0, 1.0, 1.0];
//! let loss = forward_weighted(&Matrix::from_rows(&[[0.0, ln2, ln3], [0.0; 3]]), &[2, 0], &weights, &mut p);
//! backward_weighted(&p, &[2, 0], &weights, &mut dz);
//! close(&[loss], &[(1.0 * ln2 + 3.0 * ln3) / 4.0]);
//! close(dz.row(0), &[1.0 / 24.0, 1.0 / 12.0, -1.0 / 8.0]); // (1/6, 1/3, −1/2)·1/4
//! close(dz.row(1), &[-1.0 / 2.0, 1.0 / 4.0, 1.0 / 4.0]); // (−2/3, 1/3, 1/3)·3/4
//!
//! // Smoothing 0.3 of the first clip alone: its target is 0.1, 0.1, 0.8, and the surprises are ln 6, ln 3, ln 2.
//! use reslstm::layers::softmax_cross_entropy::{backward_smoothed, forward_smoothed};
//! let loss = forward_smoothed(&Matrix::from_rows(&[[0.0, ln2, ln3]]), &[2], &[1.0; 3], 0.3, &mut p);
//! close(&[loss], &[0.1 * 6f64.ln() + 0.1 * ln3 + 0.8 * ln2]);
//! backward_smoothed(&p, &[2], &[1.0; 3], 0.3, &mut dz);
//! close(dz.as_slice(), &[1.0 / 6.0 - 0.1, 1.0 / 3.0 - 0.1, 1.0 / 2.0 - 0.8]);
//! ```
//!
//! # Mistakes worth knowing
//!
//! - The 1/N dropped. Plain gradient descent then steps further the larger the batch; Adam, which divides by the
//!   gradient's size, hides the mistake. (`MeanOverClipsDropped`)
//! - The mean term of softmax forgotten: `dz[k] = p[k]·dp[k]`. Then the right score is pushed up by 1, however sure the
//!   model is, and no other down.
//! - `ln(softmax(z))` in two steps. A score 800 below the largest has p = 0 and the loss is infinite;
//!   `z − m − ln Σ e^(z − m)` gives ln p = −800.
//! - The weighted sum divided by `N`. A batch of rare clips then has a larger gradient than one of common clips for being
//!   rare twice: once by its weights, once by their sum.
//! - Smoothing over the `K − 1` wrong classes, as some papers write it. PyTorch's `ε` reaches the right class too: its target
//!   is `1 − ε + ε/K`.
//!
//! Tests: [how the gradients are verified](super#how-the-gradients-are-verified).
//! Next: [lesson 3](super::batch_norm).

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
/// If there is not one label per row, or a label is not below `K`.
pub fn forward<S: Scalar>(z: &Matrix<S>, labels: &[usize], p: &mut Matrix<S>) -> S {
    assert_eq!(z.rows(), labels.len(), "one label per row of scores");
    softmax(z, p);
    let mut loss = S::ZERO;
    for (n, &label) in labels.iter().enumerate() {
        loss += surprise(z.row(n), label);
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

/// [`forward`] with the weight of every class, `[K]`: a clip counts by the weight of its class. As PyTorch's
/// `CrossEntropyLoss(weight=w)`, in nats.
///
/// # Formula
/// ```text
/// L = Σ_n w[y[n]]·(−ln p[n, y[n]]) / W,   W = Σ_n w[y[n]]
/// ```
/// # Panics
/// If there is not one label per row, or a label is not below `K` and the number of weights.
pub fn forward_weighted<S: Scalar>(z: &Matrix<S>, labels: &[usize], weights: &[S], p: &mut Matrix<S>) -> S {
    assert_eq!(z.rows(), labels.len(), "one label per row of scores");
    softmax(z, p);
    let mut loss = S::ZERO;
    for (n, &label) in labels.iter().enumerate() {
        loss += weights[label] * surprise(z.row(n), label);
    }
    loss / sum_of_weights(labels, weights)
}

/// ∂L/∂z from the probabilities `forward_weighted` wrote.
///
/// # Derivation
/// The weights are constants, so each clip's term keeps its derivative `p[k] − [k = y]`, times its share of the loss:
/// ```text
/// dz[n,k] = w[y[n]]/W · (p[n,k] − [k = y[n]])
/// ```
pub fn backward_weighted<S: Scalar>(p: &Matrix<S>, labels: &[usize], weights: &[S], dz: &mut Matrix<S>) {
    let total = sum_of_weights(labels, weights);
    dz.resize(p.rows(), p.cols());
    for (n, &label) in labels.iter().enumerate() {
        // forward: L = sum of −w[label]·ln p[label], divided by W
        let share = weights[label] / total;
        for (k, (dz, &p)) in dz.row_mut(n).iter_mut().zip(p.row(n)).enumerate() {
            let target = if k == label { S::ONE } else { S::ZERO };
            *dz = share * (p - target);
        }
    }
}

/// [`forward_weighted`] with label smoothing `smoothing`, 0 to 1. As PyTorch's
/// `CrossEntropyLoss(weight=w, label_smoothing=ε)`: the class weights scale each class's part of the target, the sum is still
/// divided by the weights of the right classes alone. All weights 1: without class weights.
///
/// # Formula
/// ```text
/// t[n,k] = w[k]·((1 − ε)·[k = y[n]] + ε/K)
/// L = Σ_n Σ_k t[n,k]·(−ln p[n,k]) / W,   W = Σ_n w[y[n]]
/// ```
/// # Panics
/// If there is not one label per row, or a label is not below `K` and the number of weights.
pub fn forward_smoothed<S: Scalar>(
    z: &Matrix<S>,
    labels: &[usize],
    weights: &[S],
    smoothing: f64,
    p: &mut Matrix<S>,
) -> S {
    assert_eq!(z.rows(), labels.len(), "one label per row of scores");
    softmax(z, p);
    let mut loss = S::ZERO;
    for (n, &label) in labels.iter().enumerate() {
        let max = row_max(z.row(n));
        let log_sum = log_sum_exp(z.row(n), max);
        for (k, &z) in z.row(n).iter().enumerate() {
            // As in `surprise`: −ln p[k].
            loss += target(k, label, weights, smoothing) * (log_sum - (z - max));
        }
    }
    loss / sum_of_weights(labels, weights)
}

/// ∂L/∂z from the probabilities `forward_smoothed` wrote.
///
/// # Derivation
/// The targets are constants. Each term has the derivative `t[j]·(p[k] − [k = j])`; over all classes `j` the first part adds
/// up to the whole target times `p[k]`, and of the second one term is left:
/// ```text
/// dz[n,k] = (p[n,k]·Σ_j t[n,j] − t[n,k]) / W
/// ```
/// Without smoothing, `t[n,k] = w[y[n]]·[k = y[n]]`: the gradient of [`backward_weighted`].
pub fn backward_smoothed<S: Scalar>(
    p: &Matrix<S>,
    labels: &[usize],
    weights: &[S],
    smoothing: f64,
    dz: &mut Matrix<S>,
) {
    let total = sum_of_weights(labels, weights);
    dz.resize(p.rows(), p.cols());
    for (n, &label) in labels.iter().enumerate() {
        // forward: L = sum of −target[k]·ln p[k] over clips and classes, divided by W
        let target = |k| target(k, label, weights, smoothing);
        let whole = (0..p.cols()).fold(S::ZERO, |sum, k| sum + target(k));
        for (k, (dz, &p)) in dz.row_mut(n).iter_mut().zip(p.row(n)).enumerate() {
            *dz = (p * whole - target(k)) / total;
        }
    }
}

/// `t[k]` of a clip of class `label`.
fn target<S: Scalar>(k: usize, label: usize, weights: &[S], smoothing: f64) -> S {
    let right = if k == label { 1.0 - smoothing } else { 0.0 };
    weights[k] * S::from_f64(right + smoothing / weights.len() as f64)
}

/// `W`: the weights of all clips of a batch.
fn sum_of_weights<S: Scalar>(labels: &[usize], weights: &[S]) -> S {
    labels.iter().fold(S::ZERO, |sum, &label| sum + weights[label])
}

/// `−ln p[label]` of one row of scores `[K]`: `ln Σ_j e^(z[j] − m) − (z[label] − m)`.
fn surprise<S: Scalar>(z: &[S], label: usize) -> S {
    let max = row_max(z);
    log_sum_exp(z, max) - (z[label] - max)
}

/// `ln Σ_j e^(z[j] − max)` of one row of scores `[K]`.
fn log_sum_exp<S: Scalar>(z: &[S], max: S) -> S {
    let mut sum = S::ZERO;
    for &z in z {
        sum += (z - max).exp();
    }
    sum.ln()
}

fn row_max<S: Scalar>(row: &[S]) -> S {
    row.iter().copied().fold(row[0], |max, z| if z > max { z } else { max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::subjects::{CrossEntropySubject, SmoothedCrossEntropySubject, WeightedCrossEntropySubject};
    use crate::audit::{Along, assert_gradients, audit, in_order, loss, random_point};

    #[test]
    fn the_backward_is_the_derivative_of_the_forward() {
        assert_gradients(&CrossEntropySubject { labels: vec![4, 0, 2], classes: 5 });
        assert_gradients(&WeightedCrossEntropySubject {
            labels: vec![4, 0, 2, 4],
            weights: vec![0.25, 9.0, 1.5, 0.0, 3.0],
        });
        for weights in [vec![1.0; 5], vec![0.25, 9.0, 1.5, 0.0, 3.0]] {
            assert_gradients(&SmoothedCrossEntropySubject { labels: vec![4, 0, 2, 4], weights, smoothing: 0.1 });
        }
    }

    #[test]
    fn a_smoothed_gradient_with_the_target_of_another_definition_is_caught() {
        let (labels, weights) = ([1, 0, 1], [0.5, 2.0, 1.0]);
        // ε spread over the two wrong classes only: the right class has 1 − ε.
        let over_wrong_classes = loss!(
            [3, 3],
            |z: &Matrix<S>| forward_smoothed(z, &labels, &weights.map(S::from_f64), 0.03, &mut Matrix::default()),
            |z: &Matrix<S>| {
                let (mut p, mut dz) = (Matrix::default(), Matrix::default());
                softmax(z, &mut p);
                backward_smoothed(&p, &labels, &weights.map(S::from_f64), 0.03 * 1.5, &mut dz);
                dz
            },
        );
        let audits = audit(&over_wrong_classes, &random_point(&over_wrong_classes, 0), Along::Elements, in_order);
        assert!(!audits[0].passes(), "{audits:?}");
    }

    #[test]
    fn no_smoothing_is_the_weighted_loss() {
        let z = Matrix::from_rows(&[[0.3, -1.2, 2.0], [1.0, 0.5, -0.7]]);
        let (mut p, mut dz, mut weighted) = (Matrix::default(), Matrix::default(), Matrix::default());
        let weights = [0.5, 3.0, 1.0];
        let loss = forward_smoothed(&z, &[1, 2], &weights, 0.0, &mut p);
        approx::assert_abs_diff_eq!(loss, forward_weighted(&z, &[1, 2], &weights, &mut p), epsilon = 1e-15);
        backward_smoothed(&p, &[1, 2], &weights, 0.0, &mut dz);
        backward_weighted(&p, &[1, 2], &weights, &mut weighted);
        approx::assert_abs_diff_eq!(dz.as_slice(), weighted.as_slice(), epsilon = 1e-15);
    }

    #[test]
    fn a_weighted_gradient_divided_by_the_number_of_clips_is_caught() {
        let (labels, weights) = ([1, 0, 1], [0.5, 2.0]);
        let by_clips = loss!(
            [3, 2],
            |z: &Matrix<S>| forward_weighted(z, &labels, &weights.map(S::from_f64), &mut Matrix::default()),
            |z: &Matrix<S>| {
                let (mut p, mut dz) = (Matrix::default(), Matrix::default());
                softmax(z, &mut p);
                backward_weighted(&p, &labels, &weights.map(S::from_f64), &mut dz);
                let right = 4.5 / 3.0; // W/N
                let scaled = dz.as_slice().iter().map(|&dz| dz * S::from_f64(right)).collect();
                Matrix::from_vec(3, 2, scaled)
            },
        );
        let audits = audit(&by_clips, &random_point(&by_clips, 0), Along::Elements, in_order);
        assert!(!audits[0].passes(), "{audits:?}");
    }

    #[test]
    fn equal_weights_of_any_size_change_nothing() {
        let z = Matrix::from_rows(&[[0.3, -1.2, 2.0], [1.0, 0.5, -0.7]]);
        let (mut p, mut dz, mut weighted) = (Matrix::default(), Matrix::default(), Matrix::default());
        let loss = forward(&z, &[1, 2], &mut p);
        backward(&p, &[1, 2], &mut dz);
        let equal = forward_weighted(&z, &[1, 2], &[7.5; 3], &mut p);
        backward_weighted(&p, &[1, 2], &[7.5; 3], &mut weighted);
        approx::assert_abs_diff_eq!(loss, equal, epsilon = 1e-15);
        approx::assert_abs_diff_eq!(dz.as_slice(), weighted.as_slice(), epsilon = 1e-15);
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
