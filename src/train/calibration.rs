//! Calibration by temperature scaling: a calibrated model that gives 80 % is right in four cases of five.
//!
//! Guo, Pleiss, Sun and Weinberger, *On Calibration of Modern Neural Networks*, 2017.

use crate::matrix::Matrix;
use serde::{Deserialize, Serialize};

/// Bounds of the inverse temperature. Models ten times too confident, or ten times too unsure, lie well within.
const BETAS: (f64, f64) = (0.05, 20.0);
/// Limit on the iterations: far more halvings than a double has binary digits.
const MOST_STEPS: usize = 200;

/// Fits the temperature `T` of `softmax(scores / T)` to `scores` `[N,K]` and `labels` `[N]` of clips that were not trained on.
///
/// # Formula
/// ```text
/// T = 1/β,  β the minimum of  L(β) = −(1/N) Σ_n ln p[n, y[n]],   p = softmax(β·s)
/// ```
/// # Derivation
/// With `ln p[y] = β·s[y] − ln Σ_k e^(β·s[k])`, and the derivative of the logarithm being the mean of `s` under `p`,
/// ```text
/// dL/dβ   = (1/N) Σ_n ( Σ_k p[n,k]·s[n,k] − s[n, y[n]] )
/// d²L/dβ² = (1/N) Σ_n variance of s[n] under p[n]            never negative: L is convex
/// ```
/// Each iteration takes Newton's step if it stays between the current bounds, otherwise their middle. `L` may have no minimum: if
/// every clip is recognised, it falls without end. Returns `None` if `β` is not between 0.05 and 20.
///
/// # Panics
/// If there is no clip, or the number of labels differs from the number of clips.
pub fn fit_temperature(scores: &Matrix<f32>, labels: &[usize]) -> Option<f64> {
    assert!(scores.rows() == labels.len() && !labels.is_empty(), "one label per clip");
    let (mut low, mut high) = BETAS;
    let mut beta = 1.0;
    for _ in 0..MOST_STEPS {
        let (slope, curvature) = slope_and_curvature(scores, labels, beta);
        if slope == 0.0 {
            break;
        }
        if slope > 0.0 {
            high = beta;
        } else {
            low = beta;
        }
        let newton = beta - slope / curvature;
        let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
        let done = (next - beta).abs() <= 1e-12 * beta;
        beta = next;
        if done {
            break;
        }
    }
    // Halving approaches a bound but never quite reaches it.
    let inside = beta > BETAS.0 * (1.0 + 1e-9) && beta < BETAS.1 * (1.0 - 1e-9);
    inside.then(|| 1.0 / beta)
}

/// [`fit_temperature`] for a model whose probabilities are the mean of those of several branches, given the scores `[N,K]` of each: the
/// temperature divides the scores of every branch before the mean is taken.
///
/// # Formula
/// ```text
/// T = 1/β,  β the minimum of  L(β) = −(1/N) Σ_n ln (1/B Σ_b p_b[n, y[n]]),   p_b = softmax(β·s_b)
/// ```
/// This need not be convex: the least of 61 values of `β` (the last of equals), equally spaced by factors, is refined by thirds between its neighbours.
/// Returns `None` if that least is at a bound.
///
/// # Panics
/// If there is no clip, or the number of labels differs from the number of clips.
pub fn fit_mean_temperature(scores: &[Matrix<f32>], labels: &[usize]) -> Option<f64> {
    assert!(!labels.is_empty() && scores.iter().all(|it| it.rows() == labels.len()), "one label per clip");
    let loss = |log_beta: f64| -> f64 {
        let beta = log_beta.exp();
        let of_clip = |(n, &label): (usize, &usize)| {
            let mean = scores.iter().map(|scores| probability(scores.row(n), label, beta)).sum::<f64>();
            -(mean / scores.len() as f64).max(f64::MIN_POSITIVE).ln()
        };
        labels.iter().enumerate().map(of_clip).sum()
    };
    let (low, high, steps) = (BETAS.0.ln(), BETAS.1.ln(), 60);
    let place = |step: usize| low + (high - low) * step as f64 / steps as f64;
    let losses: Vec<f64> = (0..=steps).map(|step| loss(place(step))).collect();
    let least = (0..=steps).fold(0, |best, step| if losses[step] <= losses[best] { step } else { best });
    if least == 0 || least == steps {
        return None;
    }
    // 1e-10 of the first distance is left after 60 rounds.
    Some((-by_thirds(loss, place(least - 1), place(least + 1), 60)).exp())
}

/// The place of the minimum of `loss` between two others. Every round leaves two thirds of their distance.
fn by_thirds(loss: impl Fn(f64) -> f64, mut left: f64, mut right: f64, rounds: usize) -> f64 {
    for _ in 0..rounds {
        let third = (right - left) / 3.0;
        if loss(left + third) <= loss(right - third) { right -= third } else { left += third }
    }
    0.5 * (left + right)
}

/// The temperature of a model, given the scores `[N,K]` of each branch, of an ordinary model one: [`fit_temperature`] or
/// [`fit_mean_temperature`].
///
/// # Panics
/// If there is no branch or no clip, or the number of labels differs from the number of clips.
pub fn fit_branches_temperature(scores: &[Matrix<f32>], labels: &[usize]) -> Option<f64> {
    match scores {
        [] => panic!("a model has a branch"),
        [one] => fit_temperature(one, labels),
        several => fit_mean_temperature(several, labels),
    }
}

/// Fits a temperature that grows with the [distance](crate::models::training_clips) of a clip from the training clips: `[T, B]` of
/// `p^(1/T(d))`, normalised, with `T(d) = T·d^B`, to `probabilities` `[N,K]`, `distances` `[N]` and `labels` `[N]` of clips that were
/// not trained on.
///
/// For each `B` the best `T` is that of [`fit_temperature`] on the scores `d^(−B)·ln p`. The least of 41 values of `B` from 0 to 4,
/// equally spaced, is refined by thirds between its neighbours. Returns `None` if no `T` fits there.
///
/// # Panics
/// If there is no clip, or the numbers of clips differ.
pub fn fit_growing_temperature(probabilities: &Matrix<f32>, distances: &[f32], labels: &[usize]) -> Option<[f64; 2]> {
    assert_eq!(distances.len(), labels.len(), "one distance per clip");
    let scores = |growth: f64| {
        let of_clip = |(row, &distance): (&[f32], &f32)| {
            // As far as a temperature is bounded; a probability that is 0 in f32 is no smaller than this.
            let beta = f64::from(distance).powf(-growth).clamp(1e-3, 1e3) as f32;
            row.iter().map(move |&p| beta * p.max(f32::MIN_POSITIVE).ln()).collect::<Vec<_>>()
        };
        let values = probabilities.iter_rows().zip(distances).flat_map(of_clip).collect();
        Matrix::from_vec(probabilities.rows(), probabilities.cols(), values)
    };
    let loss = |growth: f64| {
        let scores = scores(growth);
        let beta = 1.0 / fit_temperature(&scores, labels)?;
        let of_clip = |(row, &label): (&[f32], &usize)| -probability(row, label, beta).max(f64::MIN_POSITIVE).ln();
        Some(scores.iter_rows().zip(labels).map(of_clip).sum::<f64>())
    };
    let loss = |growth: f64| loss(growth).unwrap_or(f64::INFINITY);
    let (steps, largest) = (40, 4.0);
    let place = |step: usize| largest * step as f64 / steps as f64;
    let losses: Vec<f64> = (0..=steps).map(|step| loss(place(step))).collect();
    let least = (0..=steps).fold(0, |best, step| if losses[step] < losses[best] { step } else { best });
    let growth = by_thirds(loss, place(least.saturating_sub(1)), place((least + 1).min(steps)), 20);
    Some([fit_temperature(&scores(growth), labels)?, growth])
}

/// Probability of class `label` of a clip with these scores, times `beta`.
fn probability(scores: &[f32], label: usize, beta: f64) -> f64 {
    let most = scores.iter().fold(f32::NEG_INFINITY, |most, &s| most.max(s));
    let weight = |&s: &f32| (beta * (f64::from(s) - f64::from(most))).exp();
    weight(&scores[label]) / scores.iter().map(weight).sum::<f64>()
}

/// First and second derivative of the loss at `beta`.
fn slope_and_curvature(scores: &Matrix<f32>, labels: &[usize], beta: f64) -> (f64, f64) {
    let (mut slope, mut curvature) = (0.0, 0.0);
    for (row, &label) in scores.iter_rows().zip(labels) {
        let s = |k: usize| f64::from(row[k]);
        let most = row.iter().fold(f32::NEG_INFINITY, |most, &s| most.max(s));
        let weights: Vec<f64> = (0..row.len()).map(|k| (beta * (s(k) - f64::from(most))).exp()).collect();
        let total: f64 = weights.iter().sum();
        let mean = weights.iter().enumerate().map(|(k, w)| w * s(k)).sum::<f64>() / total;
        slope += mean - s(label);
        curvature += weights.iter().enumerate().map(|(k, w)| w * (s(k) - mean).powi(2)).sum::<f64>() / total;
    }
    (slope / labels.len() as f64, curvature / labels.len() as f64)
}

/// Reliability diagram: predictions in bins by confidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Fifteen bins of equal width, from 0 to 1.
    pub bins: Vec<Bin>,
}

/// Predictions of similar confidence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Number of predictions.
    pub count: u64,
    /// Mean probability of the predicted class; 0 in an empty bin.
    pub confidence: f64,
    /// Share of correct predictions; 0 in an empty bin.
    pub accuracy: f64,
}

impl Reliability {
    /// Number of bins, as in Guo et al.
    pub const BINS: usize = 15;

    /// Bins predictions, each given as the probability of the predicted class and whether it was right.
    pub fn from_predictions(predictions: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let mut sums = vec![(0u64, 0.0, 0u64); Self::BINS];
        for (confidence, right) in predictions {
            // Bins are open below, so that a probability of 1 falls into the last.
            let bin = ((confidence * Self::BINS as f64).ceil() as usize).clamp(1, Self::BINS) - 1;
            let (count, sum, correct) = &mut sums[bin];
            (*count, *sum, *correct) = (*count + 1, *sum + confidence, *correct + u64::from(right));
        }
        let bin = |(count, sum, correct): (u64, f64, u64)| match count {
            0 => Bin::default(),
            n => Bin { count, confidence: sum / n as f64, accuracy: correct as f64 / n as f64 },
        };
        Reliability { bins: sums.into_iter().map(bin).collect() }
    }

    /// Expected calibration error, `0..=1`: the mean distance of confidence and accuracy over all predictions.
    ///
    /// # Formula
    /// ```text
    /// ECE = Σ_b count[b]/N · |accuracy[b] − confidence[b]|
    /// ```
    pub fn ece(&self) -> f64 {
        let total: u64 = self.bins.iter().map(|bin| bin.count).sum();
        let gap = |bin: &Bin| bin.count as f64 * (bin.accuracy - bin.confidence).abs();
        self.bins.iter().map(gap).sum::<f64>() / total.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::training_clips::temper;

    #[test]
    fn the_temperature_of_a_mean_is_that_of_equal_branches_and_undoes_a_factor() {
        let mut stream = crate::rng::RandomStream::new(7, "scores", 0);
        let labels: Vec<usize> = (0..400).map(|_| stream.below(3)).collect();
        let mut scores = |factor: f64| {
            let value = |n: usize| (factor * (stream.normal() + f64::from(u8::from(n % 3 == labels[n / 3])))) as f32;
            Matrix::from_vec(400, 3, (0..1200).map(value).collect())
        };
        let [a, b] = [scores(2.0), scores(2.0)];
        let one = fit_temperature(&a, &labels).unwrap();
        let mean = fit_mean_temperature(&[a.clone(), a.clone()], &labels).unwrap();
        approx::assert_relative_eq!(mean, one, max_relative = 1e-6);
        let times = |scores: &Matrix<f32>, factor: f32| {
            let values = scores.as_slice().iter().map(|score| factor * score).collect();
            Matrix::from_vec(400, 3, values)
        };
        let apart = fit_mean_temperature(&[a.clone(), b.clone()], &labels).unwrap();
        let larger = fit_mean_temperature(&[times(&a, 4.0), times(&b, 4.0)], &labels).unwrap();
        approx::assert_relative_eq!(larger, 4.0 * apart, max_relative = 1e-5);
        // Always right: the loss falls without end.
        let right = labels.iter().flat_map(|&label| (0..3).map(move |k| if k == label { 9.0 } else { 0.0 })).collect();
        let right = Matrix::from_vec(400, 3, right);
        assert_eq!(fit_mean_temperature(&[right.clone(), right], &labels), None);
    }
    use crate::rng::RandomStream;

    /// Calibrated scores: labels are drawn from their softmax.
    fn calibrated(clips: usize) -> (Matrix<f32>, Vec<usize>) {
        let mut stream = RandomStream::new(4, "scores", 0);
        let scores = Matrix::from_vec(clips, 5, (0..clips * 5).map(|_| (1.5 * stream.normal()) as f32).collect());
        let draw = |row: &[f32]| {
            let weights: Vec<f64> = row.iter().map(|&s| f64::from(s).exp()).collect();
            let mut left = stream.uniform() * weights.iter().sum::<f64>();
            weights.iter().position(|w| {
                left -= w;
                left < 0.0
            })
        };
        let labels = scores.iter_rows().map(draw).map(|label| label.unwrap_or(4)).collect();
        (scores, labels)
    }

    fn loss(scores: &Matrix<f32>, labels: &[usize], temperature: f64) -> f64 {
        let of = |(row, &label): (&[f32], &usize)| {
            let sum: f64 = row.iter().map(|&s| (f64::from(s) / temperature).exp()).sum();
            sum.ln() - f64::from(row[label]) / temperature
        };
        scores.iter_rows().zip(labels).map(of).sum::<f64>() / labels.len() as f64
    }

    #[test]
    fn a_factor_on_calibrated_scores_is_found_again() {
        let (scores, labels) = calibrated(4000);
        let (_, curvature) = slope_and_curvature(&scores, &labels, 1.0);
        let deviation = (1.0 / (4000.0 * curvature)).sqrt();
        for factor in [0.4f32, 1.0, 2.5] {
            let scaled = Matrix::from_vec(4000, 5, scores.as_slice().iter().map(|s| s * factor).collect());
            let temperature = fit_temperature(&scaled, &labels).unwrap() / f64::from(factor);
            assert!((1.0 / temperature - 1.0).abs() < 5.0 * deviation, "{temperature} {deviation}");
        }
    }

    #[test]
    fn the_temperature_minimises_the_loss() {
        let (scores, labels) = calibrated(50);
        let best = fit_temperature(&scores, &labels).unwrap();
        for other in [0.5, 0.9, 0.99, 1.01, 1.1, 2.0] {
            assert!(loss(&scores, &labels, best) < loss(&scores, &labels, best * other), "{best}, times {other}");
        }
    }

    #[test]
    fn a_temperature_that_grew_is_found_again() {
        let (scores, labels) = calibrated(4000);
        let mut stream = RandomStream::new(5, "distances", 0);
        let distances: Vec<f32> = (0..4000).map(|_| (0.3 * stream.normal()).exp() as f32).collect();
        let mut probabilities = Matrix::default();
        crate::layers::softmax_cross_entropy::softmax(&scores, &mut probabilities);
        // Calibrated probabilities whose scores are multiplied by T·d^B need that temperature.
        for (t, b) in [(1.3, 1.5), (0.8, 0.0)] {
            let mut sure = probabilities.clone();
            for (n, &distance) in distances.iter().enumerate() {
                temper(sure.row_mut(n), 1.0 / (t * f64::from(distance).powf(b)));
            }
            let [temperature, growth] = fit_growing_temperature(&sure, &distances, &labels).unwrap();
            assert!((temperature / t - 1.0).abs() < 0.1 && (growth - b).abs() < 0.25, "{temperature} {growth}");
        }
    }

    #[test]
    fn without_a_minimum_of_the_loss_there_is_no_temperature() {
        let scores = Matrix::from_rows(&[[0.1, 0.0], [0.0, 0.1]]);
        assert_eq!([fit_temperature(&scores, &[0, 1]), fit_temperature(&scores, &[1, 0])], [None; 2]);
        // Equal scores fit at any temperature.
        assert_eq!(fit_temperature(&Matrix::from_rows(&[[0.0, 0.0]]), &[0]), Some(1.0));
    }

    #[test]
    fn the_calibration_error_worked_by_hand() {
        // Two in the last bin, one right: 0.95 and 0.5. Three in the bin (0.4, 0.467], all right.
        let predictions = [(0.9375, true), (0.9625, false), (0.45, true), (0.45, true), (0.45, true)];
        let reliability = Reliability::from_predictions(predictions);
        let last = &reliability.bins[14];
        assert_eq!((last.count, last.accuracy), (2, 0.5));
        approx::assert_abs_diff_eq!(last.confidence, 0.95, epsilon = 1e-12);
        assert_eq!((reliability.bins[6].count, reliability.bins[6].accuracy), (3, 1.0));
        approx::assert_abs_diff_eq!(reliability.ece(), (2.0 * 0.45 + 3.0 * 0.55) / 5.0, epsilon = 1e-12);
        assert_eq!(Reliability::from_predictions([(1.0, true), (0.0, false)]).ece(), 0.0);
        assert_eq!(Reliability::from_predictions([]).ece(), 0.0);
    }
}
