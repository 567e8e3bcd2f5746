//! Every layer's backward a second time, in plain loops, with a [`Fault`] that can be planted in it.
//!
//! [`Fault::None`] gives the right gradient: the same numbers as the layers', for any size, slowly. `network` puts the layers
//! together.

mod lstm;
pub(super) mod network;

pub use lstm::lstm;

use super::faults::Fault;
use crate::layers::{Attention, BatchNorm, Linear, softmax_cross_entropy};
use crate::matrix::Matrix;
use crate::packed::Packed;
use crate::scalar::Scalar;

/// The sum of a term over `0..n`.
fn sum<S: Scalar>(n: usize, term: impl Fn(usize) -> S) -> S {
    let mut sum = S::ZERO;
    (0..n).for_each(|i| sum += term(i));
    sum
}

/// Backward of [`Linear`]: `x` `[R,H]`, `dy` `[R,K]`; returns `dx`.
pub fn linear<S: Scalar>(
    layer: &Linear<S>,
    x: &Matrix<S>,
    dy: &Matrix<S>,
    grads: &mut Linear<S>,
    fault: Fault,
) -> Matrix<S> {
    let ([rows, inputs], outputs) = (x.shape(), dy.cols());
    let mut dx = Matrix::zeros(rows, inputs);
    for k in 0..outputs {
        let share = if fault == Fault::BiasGradientAveraged { 1.0 / rows as f64 } else { 1.0 };
        grads.bias[k] += sum(rows, |n| dy[(n, k)]) * S::from_f64(share);
        for h in 0..inputs {
            let first = if fault == Fault::WeightGradientOfLastRowOnly { rows - 1 } else { 0 };
            grads.weight[(k, h)] += sum(rows - first, |n| dy[(first + n, k)] * x[(first + n, h)]);
        }
    }
    // Only a square weight can be taken for its transpose.
    let transposed = fault == Fault::WeightTransposed && inputs == outputs;
    for n in 0..rows {
        for h in 0..inputs {
            dx[(n, h)] =
                sum(outputs, |k| dy[(n, k)] * if transposed { layer.weight[(h, k)] } else { layer.weight[(k, h)] });
        }
    }
    dx
}

/// Backward of [`softmax_cross_entropy`]: scores `z` `[N,K]`; returns `dz`.
pub fn cross_entropy<S: Scalar>(z: &Matrix<S>, labels: &[usize], fault: Fault) -> Matrix<S> {
    let (clips, mut dz) = (labels.len(), Matrix::default());
    softmax_cross_entropy::softmax(z, &mut dz);
    for (n, &label) in labels.iter().enumerate() {
        for k in 0..z.cols() {
            if k == label && fault != Fault::TargetMissing {
                dz[(n, k)] -= S::ONE;
            }
            let share = if fault == Fault::MeanOverClipsDropped { 1.0 } else { 1.0 / clips as f64 };
            dz[(n, k)] = dz[(n, k)] * S::from_f64(share);
        }
    }
    dz
}

/// Statistics of one column of a batch norm's input.
struct Column<S> {
    /// M, rows that count.
    count: S,
    mean: S,
    /// v, biased.
    var: S,
    /// 1/√(v + ε)
    inv_std: S,
}

fn column<S: Scalar>(x: &Matrix<S>, c: usize, padded: usize, unbiased: bool, fault: Fault) -> Column<S> {
    let (rows, padded) = (x.rows(), S::from_f64(padded as f64));
    let count = S::from_f64(rows as f64) + padded;
    let mean = sum(rows, |r| x[(r, c)]) / count;
    let var = (sum(rows, |r| (x[(r, c)] - mean) * (x[(r, c)] - mean)) + padded * mean * mean) / count;
    let used = if unbiased { var * count / (count - S::ONE) } else { var };
    let epsilon = S::from_f64(if fault == Fault::EpsilonOfAThousandth { 1e-3 } else { 1e-5 });
    Column { count, mean, var, inv_std: S::ONE / (used + epsilon).sqrt() }
}

/// [`BatchNorm`] in training, `padded` further rows of zeros counted: returns `y`, and moves the running statistics.
pub fn batch_norm_forward<S: Scalar>(
    layer: &mut BatchNorm<S>,
    x: &Matrix<S>,
    padded: usize,
    fault: Fault,
) -> Matrix<S> {
    let mut y = x.clone();
    let momentum = if fault == Fault::MomentumReversed { 0.9 } else { 0.1 };
    let (keep, take) = (S::from_f64(1.0 - momentum), S::from_f64(momentum));
    for c in 0..x.cols() {
        let Column { count, mean, var, inv_std } =
            column(x, c, padded, fault == Fault::NormalisedByUnbiasedVariance, fault);
        for r in 0..x.rows() {
            y[(r, c)] = layer.weight[c] * ((x[(r, c)] - mean) * inv_std) + layer.bias[c];
        }
        let biased = fault == Fault::BiasedRunningVariance;
        let running = if biased { var } else { var * count / (count - S::ONE) };
        layer.running_mean.0[c] = keep * layer.running_mean.0[c] + take * mean;
        layer.running_var.0[c] = keep * layer.running_var.0[c] + take * running;
    }
    y
}

/// Backward of [`BatchNorm`] in training: `x` and `dy` `[R,C]`, `padded` further rows of zeros counted; returns `dx`.
pub fn batch_norm<S: Scalar>(
    layer: &BatchNorm<S>,
    x: &Matrix<S>,
    padded: usize,
    dy: &Matrix<S>,
    grads: &mut BatchNorm<S>,
    fault: Fault,
) -> Matrix<S> {
    let [rows, features] = x.shape();
    let mut dx = Matrix::zeros(rows, features);
    let padded = if fault == Fault::PaddedRowsNotCounted { 0 } else { padded };
    let normalised_unbiased = fault == Fault::NormalisedByUnbiasedVariance;
    for c in 0..features {
        let unbiased = normalised_unbiased || fault == Fault::UnbiasedVariance;
        let Column { count, mean, inv_std, .. } = column(x, c, padded, unbiased, fault);
        let x_hat = |r: usize| (x[(r, c)] - mean) * inv_std;
        let gamma = if fault == Fault::ScaleMissing { S::ONE } else { layer.weight[c] };
        grads.weight[c] += sum(rows, |r| dy[(r, c)] * x_hat(r));
        grads.bias[c] += sum(rows, |r| dy[(r, c)]);
        let through_mean = sum(rows, |r| dy[(r, c)]) / count;
        let divisor = if normalised_unbiased { count - S::ONE } else { count };
        let through_variance = sum(rows, |r| dy[(r, c)] * x_hat(r)) / divisor;
        for r in 0..rows {
            let mut dx_hat = dy[(r, c)];
            if fault != Fault::MeanPathMissing {
                dx_hat -= through_mean;
            }
            if fault != Fault::VariancePathMissing {
                dx_hat -= x_hat(r) * through_variance;
            }
            dx[(r, c)] = gamma * inv_std * dx_hat;
        }
    }
    dx
}

/// Backward of [`Attention`]: hidden states `h` `[F,H]`, `dcontext` `[N,H]`; returns `dh`.
pub fn attention<S: Scalar>(
    layer: &Attention<S>,
    layout: &Packed,
    h: &Matrix<S>,
    dcontext: &Matrix<S>,
    grads: &mut Attention<S>,
    fault: Fault,
) -> Matrix<S> {
    let u = &layer.vector;
    let [hidden, vectors] = u.shape();
    let mut dh = Matrix::zeros(h.rows(), hidden);
    for n in 0..layout.clips() {
        let frames = layout.length(n);
        let row = |t: usize| layout.row(t, n);
        let dalpha: Vec<S> = (0..frames).map(|t| sum(hidden, |k| dcontext[(n, k)] * h[(row(t), k)])).collect();
        for v in 0..vectors {
            let exp: Vec<S> = (0..frames).map(|t| sum(hidden, |k| h[(row(t), k)] * u[(k, v)]).exp()).collect();
            let padded = if fault == Fault::PaddingOutsideTheSoftmax { 0 } else { layout.padded(n) };
            let total = sum(frames, |t| exp[t]) + S::from_f64(padded as f64);
            let a = |t: usize| exp[t] / total;
            let expected = if fault == Fault::MeanTermMissing { S::ZERO } else { sum(frames, |t| a(t) * dalpha[t]) };
            let mean = if fault == Fault::MeanOverVectorsDropped { 1.0 } else { 1.0 / vectors as f64 };
            let share = S::from_f64(if fault == Fault::AttentionDetached { 0.0 } else { mean });
            for t in 0..frames {
                let de = share * a(t) * (dalpha[t] - expected);
                for k in 0..hidden {
                    grads.vector[(k, v)] += de * h[(row(t), k)];
                    dh[(row(t), k)] += de * u[(k, v)];
                    if fault != Fault::WeightedPathMissing {
                        dh[(row(t), k)] += S::from_f64(1.0 / vectors as f64) * a(t) * dcontext[(n, k)];
                    }
                }
            }
        }
    }
    dh
}

/// Backward of [`dropout`](crate::layers::dropout): `mask` and `dy` of one shape; returns `dx`.
pub fn dropout<S: Scalar>(mask: &Matrix<f64>, dy: &Matrix<S>, fault: Fault) -> Matrix<S> {
    let mut dx = dy.clone();
    for (dx, &mask) in dx.as_mut_slice().iter_mut().zip(mask.as_slice()) {
        *dx = *dx * S::from_f64(if fault == Fault::MaskNotScaled { mask.min(1.0) } else { mask });
    }
    dx
}

/// Backward of [`residual`](crate::layers::residual): adds `dy` to the `dx` of the inner layer.
pub fn residual<S: Scalar>(dy: &Matrix<S>, dx: &mut Matrix<S>, fault: Fault) {
    if fault != Fault::StraightPathMissing {
        dx.as_mut_slice().iter_mut().zip(dy.as_slice()).for_each(|(dx, &dy)| *dx += dy);
    }
}
