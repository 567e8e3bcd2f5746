//! The dropout mask that another program drew, found from its results.
//!
//! Dropout multiplies each normalised feature by 0 or `s = 1/(1 − p)`. The results are sums over those that were kept, so a mask is
//! a subset whose sum is right. Two kinds of sums serve, each for one row or column of the mask:
//!
//! ```text
//! scores of clip n:       z[n,k] − b[k] = s · Σ_h kept[n,h] · W[k,h]·y[n,h]
//! gradients of feature h: dW[k,h] = s · Σ_n kept[n,h] · dz[n,k]·y[n,h]
//!                         dβ[h]   = s · Σ_n kept[n,h] · (dz·W)[n,h]
//! ```
//! All subsets of up to [`MOST`] terms are tried. Whether a mask is right is seen when everything is computed with it.

use super::{Case, Mode, Scratch};
use crate::audit::plain::network::top;
use crate::layers::{BatchNorm, BatchNormTape, Linear, softmax_cross_entropy};
use crate::matrix::Matrix;
use std::collections::BTreeSet;

/// Features or clips among which kept ones are searched: 65,536 subsets.
const MOST: usize = 16;

/// The masks `[N,H]` of training and evaluation, where scores are wrong and a mask is found.
pub(super) fn masks(case: &Case, wrong: &BTreeSet<String>) -> [Option<Matrix<f64>>; 2] {
    let top = top(&case.model);
    [("out", "grad", Mode::Training), ("eval", "eval.grad", Mode::Evaluation)].map(|(out, grad, mode)| {
        let key = format!("{out}.logits");
        let classes = case.model.classes();
        let mut logits = Matrix::zeros(case.clips(), classes);
        let theirs = case.theirs(&key).filter(|_| wrong.contains(&key))?;
        for (n, &clip) in case.batch.order.iter().enumerate() {
            logits.row_mut(n).copy_from_slice(&theirs[clip * classes..][..classes]);
        }
        let y = normalised(case, &top.bn, mode);
        let [clips, hidden] = y.shape();
        if hidden <= MOST {
            return by_clip(&top.fc, &y, &logits);
        }
        let weight = case.theirs(&format!("{grad}.fc.weight"))?;
        let bias = case.theirs(&format!("{grad}.bn.bias"))?;
        if clips <= MOST { by_feature(case, &top.fc, &y, &logits, weight, bias) } else { None }
    })
}

/// The features before dropout, `[N,H]`.
fn normalised(case: &Case, bn: &BatchNorm<f64>, mode: Mode) -> Matrix<f64> {
    let context = Scratch::new(&case.batch).pass(&case.model, &case.batch, mode).context;
    let mut y = Matrix::default();
    match mode {
        Mode::Training => bn.forward_train(&context, 0, &mut BatchNormTape::default(), &mut y),
        Mode::Evaluation => bn.forward_eval(&context, &mut y),
    }
    y
}

fn by_clip(fc: &Linear<f64>, y: &Matrix<f64>, logits: &Matrix<f64>) -> Option<Matrix<f64>> {
    let ([clips, hidden], classes) = (y.shape(), logits.cols());
    let rows = (0..clips).map(|n| {
        let target: Vec<f64> = (0..classes).map(|k| logits[(n, k)] - fc.bias[k]).collect();
        let term = |h: usize| (0..classes).map(|k| fc.weight[(k, h)] * y[(n, h)]).collect();
        subset(&(0..hidden).map(term).collect::<Vec<_>>(), &target)
    });
    scaled(rows.collect(), |mask, n, h| mask[n][h], [clips, hidden])
}

fn by_feature(
    case: &Case,
    fc: &Linear<f64>,
    y: &Matrix<f64>,
    logits: &Matrix<f64>,
    dweight: &[f64],
    dbeta: &[f64],
) -> Option<Matrix<f64>> {
    let ([clips, hidden], classes) = (y.shape(), logits.cols());
    let (mut p, mut dz) = (Matrix::default(), Matrix::default());
    softmax_cross_entropy::forward(logits, &case.batch.labels, &mut p);
    softmax_cross_entropy::backward(&p, &case.batch.labels, &mut dz);
    let columns = (0..hidden).map(|h| {
        let target: Vec<f64> = (0..classes).map(|k| dweight[k * hidden + h]).chain([dbeta[h]]).collect();
        let term = |n: usize| {
            let dy: f64 = (0..classes).map(|k| dz[(n, k)] * fc.weight[(k, h)]).sum();
            (0..classes).map(|k| dz[(n, k)] * y[(n, h)]).chain([dy]).collect()
        };
        subset(&(0..clips).map(term).collect::<Vec<_>>(), &target)
    });
    scaled(columns.collect(), |mask, n, h| mask[h][n], [clips, hidden])
}

/// A mask from subsets, which must agree in their scale; none if nothing is dropped.
fn scaled(
    subsets: Vec<(Vec<bool>, Option<f64>)>,
    kept: impl Fn(&[Vec<bool>], usize, usize) -> bool,
    [clips, hidden]: [usize; 2],
) -> Option<Matrix<f64>> {
    let (subsets, mut scales): (Vec<Vec<bool>>, Vec<Option<f64>>) = subsets.into_iter().unzip();
    scales.retain(Option::is_some);
    let mut scales: Vec<f64> = scales.into_iter().flatten().collect();
    scales.sort_by(f64::total_cmp);
    let scale = *scales.get(scales.len() / 2)?;
    let value = |n, h| if kept(&subsets, n, h) { scale } else { 0.0 };
    let mask: Vec<f64> = (0..clips).flat_map(|n| (0..hidden).map(move |h| (n, h))).map(|(n, h)| value(n, h)).collect();
    mask.contains(&0.0).then(|| Matrix::from_vec(clips, hidden, mask))
}

/// The subset of the terms whose sum is nearest to a multiple of `target`'s direction, and the factor between them; no factor if the
/// target is zero and nothing is kept.
fn subset(terms: &[Vec<f64>], target: &[f64]) -> (Vec<bool>, Option<f64>) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let size = terms.iter().map(|term| dot(term, term)).fold(0.0, f64::max);
    let mut best = (0usize, dot(target, target), None);
    if best.1 <= 1e-20 * size {
        return (vec![false; terms.len()], None);
    }
    for kept in 1..1usize << terms.len() {
        let mut sum = vec![0.0; target.len()];
        for term in terms.iter().enumerate().filter(|(n, _)| kept >> n & 1 == 1).map(|(_, term)| term) {
            sum.iter_mut().zip(term).for_each(|(sum, term)| *sum += term);
        }
        let factor = dot(&sum, target) / dot(&sum, &sum);
        let error: f64 = sum.iter().zip(target).map(|(sum, target)| (target - factor * sum).powi(2)).sum();
        // 1/(1 − p) is at least 1.
        if error < best.1 && factor > 0.999 {
            best = (kept, error, Some(factor));
        }
    }
    ((0..terms.len()).map(|n| best.0 >> n & 1 == 1).collect(), best.2)
}
