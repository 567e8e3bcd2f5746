//! Audit a loss of your own: a scalar function of the logits, and its gradient, as two closures. Three losses that are often
//! wanted for emotions: focal loss, label smoothing, and the concordance correlation coefficient.
//!
//! ```text
//! cargo run --release --example audit_your_loss
//! ```
//! Symbols: `z` `[N,K]` logits, `p = softmax(z)` row by row, `y` the right class of each clip, `δ` 1 at the right class and 0
//! elsewhere. Every loss is a mean over `N`, so every gradient has the factor `1/N`.

use reslstm::audit::{Along, LossFunction, TensorAudit, audit, in_order, loss, random_point};
use reslstm::matrix::Matrix;
use reslstm::scalar::Scalar;

/// `ln p` of every row: `z − m − ln Σ e^(z − m)`, `m` the row's largest, so that nothing overflows.
fn log_softmax<S: Scalar>(z: &Matrix<S>) -> Matrix<S> {
    let mut log_p = z.clone();
    for n in 0..z.rows() {
        let largest = z.row(n).iter().fold(z[(n, 0)], |largest, &z| largest.max(z));
        let sum = z.row(n).iter().fold(S::ZERO, |sum, &z| sum + (z - largest).exp());
        log_p.row_mut(n).iter_mut().for_each(|z| *z = *z - largest - sum.ln());
    }
    log_p
}

/// A matrix from a function of row and column.
fn matrix<S: Scalar>([rows, cols]: [usize; 2], value: impl Fn(usize, usize) -> S) -> Matrix<S> {
    Matrix::from_vec(rows, cols, (0..rows * cols).map(|i| value(i / cols, i % cols)).collect())
}

/// Focal loss (Lin and others, 2017, equation 4): clips that are right already count less.
///
/// # Formula
/// ```text
/// L = −Σ_n (1 − q)^γ·ln q / N,     q = p[n,y_n]
/// ```
fn focal<S: Scalar>(z: &Matrix<S>, y: &[usize], gamma: i32) -> S {
    let (log_p, clips) = (log_softmax(z), S::from_f64(y.len() as f64));
    y.iter().enumerate().fold(S::ZERO, |sum, (n, &y)| {
        let log_q = log_p[(n, y)];
        sum - (S::ONE - log_q.exp()).powi(gamma) * log_q / clips
    })
}

/// # Derivation
/// ```text
/// L = −(1 − q)^γ·ln q:   dq = γ·(1 − q)^(γ−1)·ln q − (1 − q)^γ/q
/// q = p_y, softmax:      ∂q/∂z_k = q·(δ_k − p_k)
/// together:              dz_k = ((1 − q)^γ − γ·(1 − q)^(γ−1)·q·ln q)·(p_k − δ_k)
/// ```
/// γ = 0 is cross-entropy, `p − δ`.
fn focal_gradient<S: Scalar>(z: &Matrix<S>, y: &[usize], gamma: i32) -> Matrix<S> {
    let (log_p, clips) = (log_softmax(z), S::from_f64(y.len() as f64));
    matrix(z.shape(), |n, k| {
        let log_q = log_p[(n, y[n])];
        let (q, delta) = (log_q.exp(), if k == y[n] { S::ONE } else { S::ZERO });
        // forward: L = −(1 − q)^γ·ln q
        let of_log = (S::ONE - q).powi(gamma);
        let of_weight = S::from_f64(f64::from(gamma)) * (S::ONE - q).powi(gamma - 1) * q * log_q;
        (of_log - of_weight) * (log_p[(n, k)].exp() - delta) / clips
    })
}

/// The mistake to find: the weight `(1 − q)^γ` taken for a constant.
fn focal_gradient_of_constant_weight<S: Scalar>(z: &Matrix<S>, y: &[usize], gamma: i32) -> Matrix<S> {
    let (log_p, clips) = (log_softmax(z), S::from_f64(y.len() as f64));
    matrix(z.shape(), |n, k| {
        let (q, delta) = (log_p[(n, y[n])].exp(), if k == y[n] { S::ONE } else { S::ZERO });
        (S::ONE - q).powi(gamma) * (log_p[(n, k)].exp() - delta) / clips
    })
}

/// What label smoothing wants of class `k`: `1 − ε` of certainty, and `ε` shared by all `K` classes.
fn smooth_target<S: Scalar>(k: usize, y: usize, classes: usize, epsilon: f64) -> S {
    S::from_f64(epsilon / classes as f64 + if k == y { 1.0 - epsilon } else { 0.0 })
}

/// Cross-entropy with label smoothing (Szegedy and others, 2016, section 7).
///
/// # Formula
/// ```text
/// L = −Σ_n Σ_k t[n,k]·ln p[n,k] / N,     t = (1 − ε)·δ + ε/K
/// ```
fn smoothed<S: Scalar>(z: &Matrix<S>, y: &[usize], epsilon: f64) -> S {
    let (log_p, mut sum) = (log_softmax(z), S::ZERO);
    for (n, &y) in y.iter().enumerate() {
        for (k, &log_p) in log_p.row(n).iter().enumerate() {
            sum -= smooth_target::<S>(k, y, z.cols(), epsilon) * log_p;
        }
    }
    sum / S::from_f64(y.len() as f64)
}

/// # Derivation
/// ```text
/// L = −Σ_j t_j·ln p_j, and ∂ ln p_j/∂z_k = [j = k] − p_k:   dz_k = p_k·Σ_j t_j − t_k = p_k − t_k     (Σ t = 1)
/// ```
fn smoothed_gradient<S: Scalar>(z: &Matrix<S>, y: &[usize], epsilon: f64) -> Matrix<S> {
    let (log_p, clips) = (log_softmax(z), S::from_f64(y.len() as f64));
    // forward: L = −Σ t·ln p
    matrix(z.shape(), |n, k| (log_p[(n, k)].exp() - smooth_target(k, y[n], z.cols(), epsilon)) / clips)
}

/// What one column's concordance correlation coefficient is made of.
struct Concordance<S> {
    /// Mean of the ratings.
    target_mean: S,
    /// `v_x + v_t + (μ_x − μ_t)²`
    spread: S,
    /// CCC
    ccc: S,
}

/// Column `k` of predictions `z` and ratings `target`, both `[N,K]`; all moments are divided by `N`.
fn concordance<S: Scalar>(z: &Matrix<S>, target: &Matrix<f64>, k: usize) -> Concordance<S> {
    let clips = S::from_f64(z.rows() as f64);
    let t = |n: usize| S::from_f64(target[(n, k)]);
    let mean = |value: &dyn Fn(usize) -> S| (0..z.rows()).fold(S::ZERO, |sum, n| sum + value(n)) / clips;
    let (mean_z, target_mean) = (mean(&|n| z[(n, k)]), mean(&t));
    let covariance = mean(&|n| (z[(n, k)] - mean_z) * (t(n) - target_mean));
    let variances = mean(&|n| (z[(n, k)] - mean_z).powi(2) + (t(n) - target_mean).powi(2));
    let spread = variances + (mean_z - target_mean).powi(2);
    Concordance { target_mean, spread, ccc: S::from_f64(2.0) * covariance / spread }
}

/// One minus the concordance correlation coefficient (Lin, 1989), a mean over the `K` rated dimensions, such as valence and
/// arousal.
///
/// # Formula
/// ```text
/// L = 1 − Σ_k CCC_k / K,     CCC = 2·cov(x,t) / s,     s = v_x + v_t + (μ_x − μ_t)²
/// ```
fn ccc<S: Scalar>(z: &Matrix<S>, target: &Matrix<f64>) -> S {
    let sum = (0..z.cols()).fold(S::ZERO, |sum, k| sum + concordance(z, target, k).ccc);
    S::ONE - sum / S::from_f64(z.cols() as f64)
}

/// # Derivation
/// ```text
/// cov(x,t):                   ∂cov/∂x_n = (t_n − μ_t)/N
/// s = v_x + v_t + (μ_x − μ_t)²: ∂s/∂x_n = 2·(x_n − μ_x)/N + 2·(μ_x − μ_t)/N = 2·(x_n − μ_t)/N
/// CCC = 2·cov/s:              ∂CCC/∂x_n = 2·(∂cov/∂x_n)/s − CCC·(∂s/∂x_n)/s
///                                       = 2·((t_n − μ_t) − CCC·(x_n − μ_t)) / (N·s)
/// L = 1 − Σ CCC/K:            dx_n = −∂CCC/∂x_n / K
/// ```
fn ccc_gradient<S: Scalar>(z: &Matrix<S>, target: &Matrix<f64>) -> Matrix<S> {
    let columns: Vec<_> = (0..z.cols()).map(|k| concordance(z, target, k)).collect();
    let count = S::from_f64((z.rows() * z.cols()) as f64);
    matrix(z.shape(), |n, k| {
        let Concordance { target_mean, spread, ccc } = columns[k];
        // forward: CCC = 2·cov(x,t) / s
        let slope = (S::from_f64(target[(n, k)]) - target_mean) - ccc * (z[(n, k)] - target_mean);
        -S::from_f64(2.0) * slope / (count * spread)
    })
}

/// The right classes of four clips.
const LABELS: [usize; 4] = [2, 0, 1, 2];
/// Ratings of four clips in two dimensions.
const RATINGS: [[f64; 2]; 4] = [[0.9, -0.2], [-0.4, 0.3], [0.1, 0.8], [-0.7, -0.5]];

/// Every loss by name, for right classes `y` of 3 and for ratings `[N,K]`; the last one's gradient is wrong.
fn losses<'a>(y: &'a [usize], ratings: &'a Matrix<f64>) -> [(&'static str, LossFunction<'a>); 4] {
    let (classes, rated) = ([y.len(), 3], ratings.shape());
    let focal_loss = loss!(classes, |z: &Matrix<S>| focal(z, y, 2), |z: &Matrix<S>| focal_gradient(z, y, 2));
    let smoothing = loss!(classes, |z: &Matrix<S>| smoothed(z, y, 0.1), |z: &Matrix<S>| smoothed_gradient(z, y, 0.1));
    let one_minus_ccc = loss!(rated, |z: &Matrix<S>| ccc(z, ratings), |z: &Matrix<S>| ccc_gradient(z, ratings));
    let wrong =
        loss!(classes, |z: &Matrix<S>| focal(z, y, 2), |z: &Matrix<S>| focal_gradient_of_constant_weight(z, y, 2));
    [
        ("focal loss", focal_loss),
        ("label smoothing", smoothing),
        ("1 − CCC", one_minus_ccc),
        ("focal loss, its weight taken for a constant", wrong),
    ]
}

/// Whether a loss's gradient is right, and if not, where it is wrong.
fn verdict(audits: &[TensorAudit]) -> String {
    let [logits] = audits else { panic!("a loss has no parameters, only logits") };
    let dual = &logits.dual;
    if logits.passes() {
        return format!("right, to {:.0e} of its largest element", dual.scaled_error);
    }
    format!("WRONG at {:?}: by hand {:.6}, by dual numbers {:.6}", dual.at, dual.backward, dual.witness)
}

fn main() {
    for (name, loss) in losses(&LABELS, &Matrix::from_rows(&RATINGS)) {
        println!("{name}: {}", verdict(&audit(&loss, &random_point(&loss, 7), Along::Elements, in_order)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::audit::assert_gradients;
    use reslstm::layers::softmax_cross_entropy;

    #[test]
    fn the_gradients_by_hand_are_the_derivatives() {
        for (_, loss) in losses(&LABELS, &Matrix::from_rows(&RATINGS)).iter().take(3) {
            assert_gradients(loss);
        }
        for gamma in [0, 1, 5] {
            let y = &LABELS;
            assert_gradients(&loss!([4, 3], |z: &Matrix<S>| focal(z, y, gamma), |z: &Matrix<S>| focal_gradient(
                z, y, gamma
            ),));
        }
    }

    #[test]
    fn a_wrong_gradient_is_found() {
        let ratings = Matrix::from_rows(&RATINGS);
        let [.., (_, wrong)] = losses(&LABELS, &ratings);
        for seed in 0..3 {
            let audits = audit(&wrong, &random_point(&wrong, seed), Along::Elements, in_order);
            assert!(!audits[0].passes(), "{audits:?}");
            assert!(verdict(&audits).contains("WRONG at"));
        }
    }

    #[test]
    fn focal_loss_without_focus_and_smoothing_of_nothing_are_cross_entropy() {
        let z = Matrix::from_rows(&[[0.5, -1.0, 2.0], [3.0, 0.0, -0.5], [0.1, 0.2, 0.3], [-4.0, 1.0, 1.5]]);
        let (mut p, mut dz) = (Matrix::default(), Matrix::default());
        let expected: f64 = softmax_cross_entropy::forward(&z, &LABELS, &mut p);
        softmax_cross_entropy::backward(&p, &LABELS, &mut dz);
        for (loss, gradient) in [
            (focal(&z, &LABELS, 0), focal_gradient(&z, &LABELS, 0)),
            (smoothed(&z, &LABELS, 0.0), smoothed_gradient(&z, &LABELS, 0.0)),
        ] {
            approx::assert_abs_diff_eq!(loss, expected, epsilon = 1e-14);
            approx::assert_abs_diff_eq!(gradient.as_slice(), dz.as_slice(), epsilon = 1e-14);
        }
    }

    #[test]
    fn ccc_worked_by_hand() {
        // x = 0, 2 and t = 1, 3: cov = 1, both variances 1, means 1 apart: CCC = 2·1/(1 + 1 + 1) = 2/3.
        let (x, t) = (Matrix::from_rows(&[[0.0], [2.0]]), Matrix::from_rows(&[[1.0], [3.0]]));
        approx::assert_abs_diff_eq!(ccc(&x, &t), 1.0 / 3.0, epsilon = 1e-15);
        // dx_n = −2·((t_n − 2) − 2/3·(x_n − 2))/(2·3): (−1 + 4/3)/−3 and (1 − 0)/−3.
        approx::assert_abs_diff_eq!(ccc_gradient(&x, &t).as_slice(), &[-1.0 / 9.0, -1.0 / 3.0][..], epsilon = 1e-15);
        // Perfect agreement.
        assert_eq!(ccc(&t, &t), 0.0);
    }
}
