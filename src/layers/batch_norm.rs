//! Lesson 3. Batch normalisation: every feature gets mean 0 and variance 1 over the rows of a batch, then a learned
//! scale and shift.
//!
//! | symbol | shape   | meaning                                                                        |
//! |--------|---------|--------------------------------------------------------------------------------|
//! | `x`    | `[R,C]` | `R` rows (frames or clips) of `C` features                                      |
//! | `γ, β` | `[C]`   | scale and shift, learned                                                       |
//! | `μ, v` | `[C]`   | mean and *biased* variance of the batch                                         |
//! | `M`    |         | rows that count: `R`, and the padded zeros where those count ([`Padding`])       |
//! | `x̂`    | `[R,C]` | `(x − μ) / √(v + ε)`, ε = 1e-5                                                  |
//!
//! Training uses the batch's statistics, evaluation the running ones: two functions. The running average takes a tenth
//! of the new value, and the *unbiased* variance (`M − 1`), as PyTorch's `BatchNorm1d` does.
//!
//! # Why it exists
//!
//! While the layers below learn, what they send drifts in size, and the layers above chase it. Batch norm takes size
//! and offset out of their hands and gives them to two numbers per feature, γ and β. The price: in training a clip's
//! result depends on its batch, so the gradient must know that every row moved the mean and the variance.
//!
//! # Formula
//!
//! `y = γ·x̂ + β` at [`BatchNorm::forward_train`]; Ioffe and Szegedy (2015), Algorithm 1, the paper gives it no number.
//! `R` is `F` (frames) after the residual connection and `N` (clips) before the classifier.
//!
//! # Derivation
//!
//! One column at a time, with `s = 1/√(v + ε)`, so `x̂ = (x − μ)·s`. One `x[r]` reaches the loss on three paths, straight
//! to its own row, and through the mean and the variance to every row:
//! ```text
//!          ┌──────────── straight ────────────┐
//! x[r] ────┼── μ = Σ x/M ─────────────────────┼──▶ x̂ = (x − μ)·s ──▶ y = γ·x̂ + β
//!          └── v = Σ (x − μ)²/M ──▶ s ────────┘
//! ```
//! From the end to the beginning, sums over the `M` rows (padded rows have `dy = 0`):
//! ```text
//! y = γ·x̂ + β:        dγ = Σ dy·x̂     dβ = Σ dy     dx̂ = γ·dy
//! x̂ = (x − μ)·s:      ds = Σ dx̂·(x − μ)
//! s = (v + ε)^(−1/2): ∂s/∂v = −½·s³,   so  dv = −½·s³·Σ dx̂·(x − μ) = −½·s²·Σ dx̂·x̂
//! v = Σ (x − μ)²/M:   ∂v/∂μ = −2·Σ(x − μ)/M = 0
//! μ = Σ x/M:          dμ = −s·Σ dx̂
//! the three paths:    dx = s·dx̂  +  dμ/M  +  dv·2(x − μ)/M
//!                        = s·dx̂  −  s·Σ dx̂/M  −  s·x̂·Σ(dx̂·x̂)/M
//! ```
//! which is the formula of [`BatchNorm::backward`]. It takes out of `dy` the mean and the part along `x̂`. So
//! `Σ dx = 0` and `Σ dx·x̂ = 0` (up to ε): a shift or a stretch of all rows would be undone anyway.
//!
//! # Worked by hand
//!
//! Half of the values 1 and half 5 have mean 3 and standard deviation 2. ε changes the sixth digit, so the tolerance is wider.
//! ```
//! use reslstm::layers::BatchNorm;
//! use reslstm::matrix::Matrix;
//!
//! let close = |got: &[f64], by_hand: &[f64]| {
//!     approx::assert_abs_diff_eq!(got, by_hand, epsilon = 5e-5);
//! };
//! let mut layer = BatchNorm::init(1); // γ = 1, β = 0
//! let (mut tape, mut y, mut dx) = Default::default();
//!
//! // Two clips, 1 and 5: μ = 3, v = (4 + 4)/2 = 4, x̂ = (∓2)/2 = ∓1.
//! layer.forward_train(&Matrix::from_rows(&[[1.0], [5.0]]), 0, &mut tape, &mut y);
//! close(y.as_slice(), &[-1.0, 1.0]);
//! // Any two clips become ∓1, so no gradient gets through, here for dy = 10 and −2.
//! let mut grads = BatchNorm { weight: vec![0.0], ..BatchNorm::init(1) };
//! layer.backward(&mut tape, &Matrix::from_rows(&[[10.0], [-2.0]]), &mut grads, &mut dx);
//! close(dx.as_slice(), &[0.0, 0.0]);
//! close(&grads.weight, &[-12.0]); // dγ = 10·(−1) − 2·1
//! close(&grads.bias, &[8.0]); // dβ = 10 − 2
//! // The running ones take a tenth of μ = 3, and of the unbiased variance, (4 + 4)/1 = 8.
//! layer.update_running(&tape);
//! close(&layer.running_mean.0, &[0.3]); // 0.9·0 + 0.1·3
//! close(&layer.running_var.0, &[1.7]); // 0.9·1 + 0.1·8
//!
//! // Four clips: μ, v and x̂ as before, −1, −1, 1, 1.
//! let x = Matrix::from_rows(&[[1.0], [1.0], [5.0], [5.0]]);
//! layer.forward_train(&x, 0, &mut tape, &mut y);
//! let mut grads = BatchNorm { weight: vec![0.0], ..BatchNorm::init(1) };
//! let dy = Matrix::from_rows(&[[8.0], [0.0], [2.0], [-2.0]]);
//! layer.backward(&mut tape, &dy, &mut grads, &mut dx);
//! close(&grads.bias, &[8.0]); // dβ = 8 + 0 + 2 − 2, a mean of 2
//! close(&grads.weight, &[-8.0]); // dγ = −8 − 0 + 2 − 2, a mean of −2
//! // dx = (dy − 2 + 2·x̂)/2: (8 − 2 − 2)/2, (0 − 2 − 2)/2, (2 − 2 + 2)/2, (−2 − 2 + 2)/2
//! close(dx.as_slice(), &[2.0, -2.0, 1.0, -1.0]);
//! ```
//!
//! # Mistakes worth knowing
//!
//! - μ and v taken for constants: `dx = γ·s·dy`. Right in evaluation, wrong in training. (`MeanPathMissing`,
//!   `VariancePathMissing`)
//! - One variance for both uses. Normalising takes the biased one (`/M`), the running average the unbiased
//!   (`/(M − 1)`). (`UnbiasedVariance`)
//! - γ missing from `dx`. A test at the initial γ = 1 cannot see it. (`ScaleMissing`)
//! - A batch of one clip: v = 0, y = β for any input. A last batch of one clip therefore joins the one before
//!   ([`data::batch`](crate::data::batch::batches)).
//!
//! Tests: [how the gradients are verified](super#how-the-gradients-are-verified).
//! Next: [dropout](super::dropout), then [lesson 4](super::attention).
//!
//! [`Padding`]: crate::packed::Padding

use crate::kernels::{add_column_sums, simd};
use crate::matrix::Matrix;
use crate::params::{Buffer, parameters};
use crate::prelude::*;
use crate::scalar::Scalar;

/// Added to the variance, so that a constant feature does not divide by zero.
const EPSILON: f64 = 1e-5;
/// Share of the new value in a running average.
const MOMENTUM: f64 = 0.1;

/// `y = γ·(x − μ)/√(v + ε) + β`. Also the shape of its own gradient, whose buffers stay zero.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm<S> {
    /// γ, `[C]`
    pub weight: Vec<S>,
    /// β, `[C]`
    pub bias: Vec<S>,
    /// Running average of μ, `[C]`.
    pub running_mean: Buffer<S>,
    /// Running average of the unbiased variance, `[C]`.
    pub running_var: Buffer<S>,
}

parameters!(BatchNorm {
    "weight" => weight,
    "bias" => bias,
    "running_mean" => running_mean,
    "running_var" => running_var,
});

/// What the forward in training stores for backward.
#[derive(Clone, Debug, Default)]
pub struct BatchNormTape<S> {
    /// M
    count: usize,
    /// μ, `[C]`
    mean: Vec<S>,
    /// v, `[C]`
    var: Vec<S>,
    /// `1/√(v + ε)`, `[C]`
    inv_std: Vec<S>,
    /// `[R,C]`
    x_hat: Matrix<S>,
    /// Σ_r dy, `[C]`, and then that divided by M
    sum_dy: Vec<S>,
    /// Σ_r dy·x̂, `[C]`, and then that divided by M
    sum_dy_x_hat: Vec<S>,
}

impl<S: Scalar> BatchNorm<S> {
    /// γ = 1, β = 0, running mean 0, running variance 1: how PyTorch begins.
    pub fn init(features: usize) -> Self {
        BatchNorm {
            weight: vec![S::ONE; features],
            bias: vec![S::ZERO; features],
            running_mean: Buffer(vec![S::ZERO; features]),
            running_var: Buffer(vec![S::ONE; features]),
        }
    }

    /// Normalises by the statistics of this batch, of which `padded` further rows of zeros are part.
    ///
    /// # Formula
    /// ```text
    /// M = R + padded
    /// μ[c] = Σ_r x[r,c] / M
    /// v[c] = (Σ_r (x[r,c] − μ[c])² + padded·μ[c]²) / M
    /// y[r,c] = γ[c]·x̂[r,c] + β[c],   x̂[r,c] = (x[r,c] − μ[c]) / √(v[c] + ε)
    /// ```
    /// # Panics
    /// If `x` has not `C` columns, or no row.
    pub fn forward_train(&self, x: &Matrix<S>, padded: usize, tape: &mut BatchNormTape<S>, y: &mut Matrix<S>) {
        let features = self.weight.len();
        assert_eq!(x.cols(), features, "batch norm of {features} features");
        tape.count = x.rows() + padded;
        assert!(tape.count > 0, "batch norm needs a row");
        let count = S::from_f64(tape.count as f64);
        for sums in [&mut tape.mean, &mut tape.var] {
            sums.clear();
            sums.resize(features, S::ZERO);
        }
        add_column_sums(x.as_slice(), &mut tape.mean);
        tape.mean.iter_mut().for_each(|mean| *mean = *mean / count);
        add_squared_deviations(x.as_slice(), &tape.mean, &mut tape.var);
        let padded = S::from_f64(padded as f64);
        for (var, &mean) in tape.var.iter_mut().zip(&tape.mean) {
            *var = (*var + padded * mean * mean) / count;
        }
        tape.inv_std.clear();
        tape.inv_std.extend(tape.var.iter().map(|&var| S::ONE / (var + S::from_f64(EPSILON)).sqrt()));

        tape.x_hat.resize(x.rows(), features);
        y.resize(x.rows(), features);
        // Slices of one length, so that no index is checked and the loop becomes vectors.
        let (mean, inv_std) = (&tape.mean[..features], &tape.inv_std[..features]);
        let (weight, bias) = (&self.weight[..features], &self.bias[..features]);
        let rows = x.as_slice().chunks_exact(features);
        let x_hats = tape.x_hat.as_mut_slice().chunks_exact_mut(features);
        simd!(move |_| {
            for ((x, x_hat), y) in rows.zip(x_hats).zip(y.as_mut_slice().chunks_exact_mut(features)) {
                let (x, x_hat, y) = (&x[..features], &mut x_hat[..features], &mut y[..features]);
                for c in 0..features {
                    x_hat[c] = (x[c] - mean[c]) * inv_std[c];
                    y[c] = weight[c] * x_hat[c] + bias[c];
                }
            }
        });
    }

    /// Adds ∂L/∂γ and ∂L/∂β to `grads`, writes ∂L/∂x to `dx`. No gradient comes from padded rows: nothing reads them.
    ///
    /// # Derivation
    /// ```text
    /// dγ = Σ_r dy·x̂,  dβ = Σ_r dy,  dx̂ = γ·dy
    /// x reaches y directly, through μ (∂μ/∂x = 1/M) and through v (∂v/∂x = 2(x − μ)/M); Σ(x − μ) = 0 cancels μ inside v:
    /// dx = (dx̂ − Σ dx̂/M − x̂·Σ(dx̂·x̂)/M) / √(v + ε)
    ///    = γ/√(v + ε) · (dy − dβ/M − x̂·dγ/M)
    /// ```
    pub fn backward(&self, tape: &mut BatchNormTape<S>, dy: &Matrix<S>, grads: &mut Self, dx: &mut Matrix<S>) {
        let features = self.weight.len();
        assert_eq!(dy.shape(), tape.x_hat.shape(), "dy has the shape of y");
        let count = S::from_f64(tape.count as f64);
        for sums in [&mut tape.sum_dy, &mut tape.sum_dy_x_hat] {
            sums.clear();
            sums.resize(features, S::ZERO);
        }
        add_column_sums(dy.as_slice(), &mut tape.sum_dy);
        add_column_products(dy.as_slice(), tape.x_hat.as_slice(), &mut tape.sum_dy_x_hat);
        // forward: y = γ·x̂ + β
        for c in 0..features {
            grads.weight[c] += tape.sum_dy_x_hat[c];
            grads.bias[c] += tape.sum_dy[c];
        }
        // forward: x̂ = (x − μ)/√(v + ε), with μ and v of x
        for sum in tape.sum_dy.iter_mut().chain(&mut tape.sum_dy_x_hat) {
            *sum = *sum / count;
        }
        dx.resize(dy.rows(), features);
        let (mean_dy, mean_dy_x_hat) = (&tape.sum_dy[..features], &tape.sum_dy_x_hat[..features]);
        let (weight, inv_std) = (&self.weight[..features], &tape.inv_std[..features]);
        let rows = dy.as_slice().chunks_exact(features);
        let x_hats = tape.x_hat.as_slice().chunks_exact(features);
        simd!(move |_| {
            for ((dy, x_hat), dx) in rows.zip(x_hats).zip(dx.as_mut_slice().chunks_exact_mut(features)) {
                let (dy, x_hat, dx) = (&dy[..features], &x_hat[..features], &mut dx[..features]);
                for c in 0..features {
                    dx[c] = weight[c] * inv_std[c] * (dy[c] - mean_dy[c] - x_hat[c] * mean_dy_x_hat[c]);
                }
            }
        });
    }

    /// Moves the running statistics a tenth of the way to those of the batch in `tape`.
    ///
    /// # Formula
    /// ```text
    /// running_mean = 0.9·running_mean + 0.1·μ
    /// running_var  = 0.9·running_var  + 0.1·v·M/(M − 1)          (unbiased)
    /// ```
    pub fn update_running(&mut self, tape: &BatchNormTape<S>) {
        let unbiased = S::from_f64(tape.count as f64 / (tape.count as f64 - 1.0));
        let (keep, take) = (S::from_f64(1.0 - MOMENTUM), S::from_f64(MOMENTUM));
        for c in 0..self.weight.len() {
            self.running_mean.0[c] = keep * self.running_mean.0[c] + take * tape.mean[c];
            self.running_var.0[c] = keep * self.running_var.0[c] + take * tape.var[c] * unbiased;
        }
    }

    /// Normalises by the running statistics: every row for itself.
    ///
    /// # Formula
    /// ```text
    /// y[r,c] = γ[c]·(x[r,c] − running_mean[c]) / √(running_var[c] + ε) + β[c]
    /// ```
    pub fn forward_eval(&self, x: &Matrix<S>, y: &mut Matrix<S>) {
        let inv_std = self.running_inv_std();
        y.resize(x.rows(), x.cols());
        for r in 0..x.rows() {
            self.forward_eval_row(&inv_std, x.row(r), y.row_mut(r));
        }
    }

    /// `1/√(running_var + ε)`, `[C]`: the same for every row.
    pub fn running_inv_std(&self) -> Vec<S> {
        self.running_var.0.iter().map(|&var| S::ONE / (var + S::from_f64(EPSILON)).sqrt()).collect()
    }

    /// [`forward_eval`](Self::forward_eval) of one row, `x` `[C]` to `y` `[C]`, with the [`running_inv_std`](Self::running_inv_std).
    ///
    /// # Panics
    /// If one of them has not `C` values.
    pub fn forward_eval_row(&self, inv_std: &[S], x: &[S], y: &mut [S]) {
        let features = self.weight.len();
        assert_eq!([inv_std.len(), x.len(), y.len()], [features; 3], "batch norm of {features} features");
        // Zipped, not indexed: the lengths are not known to be equal where this is compiled, and each check would cost a branch.
        let rows = x.iter().zip(&self.running_mean.0).zip(inv_std).zip(&self.weight).zip(&self.bias);
        simd!(move |_| {
            for (y, ((((&x, &mean), &inv_std), &weight), &bias)) in y.iter_mut().zip(rows) {
                *y = weight * ((x - mean) * inv_std) + bias;
            }
        });
    }

    /// Undoes [`forward_eval`](Self::forward_eval): adds ∂L/∂γ and ∂L/∂β to `grads`, writes ∂L/∂x to `dx`. `x` is the input of forward.
    ///
    /// # Derivation
    /// ```text
    /// The running statistics are constants, so a row reaches its own y alone, x̂ being (x − running_mean)/√(running_var + ε):
    /// dγ = Σ_r dy·x̂,  dβ = Σ_r dy,  dx = γ·dy/√(running_var + ε)
    /// ```
    pub fn backward_eval(&self, x: &Matrix<S>, dy: &Matrix<S>, grads: &mut Self, dx: &mut Matrix<S>) {
        assert_eq!(dy.shape(), x.shape(), "dy has the shape of y");
        dx.resize(dy.rows(), dy.cols());
        for (c, inv_std) in self.running_inv_std().into_iter().enumerate() {
            for r in 0..x.rows() {
                // forward: y = γ·((x − running_mean)·inv_std) + β
                grads.weight[c] += dy[(r, c)] * ((x[(r, c)] - self.running_mean.0[c]) * inv_std);
                grads.bias[c] += dy[(r, c)];
                dx[(r, c)] = self.weight[c] * dy[(r, c)] * inv_std;
            }
        }
    }
}

/// `sums[c] += Σ_r (rows[r,c] − mean[c])²`
fn add_squared_deviations<S: Scalar>(rows: &[S], mean: &[S], sums: &mut [S]) {
    simd!(|_| {
        for row in rows.chunks_exact(mean.len()) {
            for ((sum, &x), &mean) in sums.iter_mut().zip(row).zip(mean) {
                *sum += (x - mean) * (x - mean);
            }
        }
    });
}

/// `sums[c] += Σ_r a[r,c]·b[r,c]`
fn add_column_products<S: Scalar>(a: &[S], b: &[S], sums: &mut [S]) {
    simd!(|_| {
        for (a, b) in a.chunks_exact(sums.len()).zip(b.chunks_exact(sums.len())) {
            for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{assert_gradients, subjects::BatchNormSubject};

    #[test]
    fn the_backward_is_the_derivative_of_the_forward() {
        assert_gradients(&BatchNormSubject { rows: 5, padded: 0, features: 3 });
        assert_gradients(&BatchNormSubject { rows: 4, padded: 3, features: 18 });
        // Not two rows: they normalise to ±1 whatever they are, so their gradient is all cancellation.
        assert_gradients(&BatchNormSubject { rows: 3, padded: 0, features: 1 });
    }

    #[test]
    fn four_values_worked_by_hand() {
        // 1, 3, 5, 7: mean 4, biased variance 5, unbiased 20/3.
        let mut layer = BatchNorm { weight: vec![2.0], bias: vec![10.0], ..BatchNorm::init(1) };
        layer.running_mean.0[0] = -3.0;
        layer.running_var.0[0] = 2.0;
        let (mut tape, mut y) = (BatchNormTape::default(), Matrix::default());
        layer.forward_train(&Matrix::from_rows(&[[1.0], [3.0], [5.0], [7.0]]), 0, &mut tape, &mut y);
        approx::assert_abs_diff_eq!(y[(3, 0)], 10.0 + 2.0 * 3.0 / (5.0f64 + 1e-5).sqrt(), epsilon = 1e-14);
        layer.update_running(&tape);
        approx::assert_abs_diff_eq!(layer.running_mean.0[0], 0.9 * -3.0 + 0.1 * 4.0, epsilon = 1e-15);
        approx::assert_abs_diff_eq!(layer.running_var.0[0], 0.9 * 2.0 + 0.1 * 20.0 / 3.0, epsilon = 1e-15);
        layer.forward_eval(&Matrix::from_rows(&[[2.0]]), &mut y);
        let expected = 10.0 + 2.0 * (2.0 + 2.3) / (1.8 + 2.0 / 3.0 + 1e-5f64).sqrt();
        approx::assert_abs_diff_eq!(y[(0, 0)], expected, epsilon = 1e-14);
    }

    #[test]
    fn padded_rows_are_rows_of_zeros() {
        let layer = BatchNorm::<f64>::init(2);
        let (mut tape, mut y, mut padded_tape, mut padded_y) = Default::default();
        let rows = [[1.0, -2.0], [4.0, 0.5], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]];
        layer.forward_train(&Matrix::from_rows(&rows), 0, &mut tape, &mut y);
        layer.forward_train(&Matrix::from_rows(&rows[..2]), 3, &mut padded_tape, &mut padded_y);
        for (a, b) in padded_y.as_slice().iter().zip(y.as_slice()) {
            approx::assert_abs_diff_eq!(a, b, epsilon = 1e-15);
        }
    }
}
