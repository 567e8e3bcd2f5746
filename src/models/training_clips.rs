//! How unlike the clips of its training a model finds a clip: the Mahalanobis distance of the clip's statistics.
//!
//! # Formula
//! ```text
//! m                             mean and standard deviation of every column over the clip, normalised as for the networks, [2D]
//! μ, Σ                          mean and covariance of m over the training clips
//! S = (1 − s)·Σ + s·diag(Σ)     s = 0.1: shrunk, so that fewer clips than numbers are enough
//! d = √( (m − μ)ᵀ S⁻¹ (m − μ) / 2D )
//! ```
//! With the Cholesky factor `S = L·Lᵀ`, `d = ‖W·(m − μ)‖` where `W = L⁻¹/√2D` is lower triangular, and is what a file holds. Over the
//! training clips themselves the mean of `d²` is near 1, whatever their number of columns. What is the same in all of them says
//! nothing of other clips: it is left out, and `2D` counts the rest.
//!
//! A model is less often right on clips unlike its training, but as sure. A temperature that grows with the distance says so:
//! ```text
//! p ← p^(1/T(d)) / Σ p^(1/T(d)),   T(d) = T·d^B
//! ```
//! of the mean `p` over the branches, so that the most probable class stays what it is. `T` and `B` are fitted on clips that were not
//! trained on, in several recording conditions: `robustness` prints them, `train --temperature T,B` keeps them.
//!
//! Mahalanobis, *On the generalised distance in statistics*, 1936. Guo, Pleiss, Sun and Weinberger, *On Calibration of Modern
//! Neural Networks*, 2017, for a constant temperature.

use super::stored;
use super::tensors::Tensors;
use super::{Metadata, file};
use crate::error::{Error, Kind, Result};
use crate::matrix::Matrix;
use crate::normalise::ColumnSums;
use crate::prelude::*;

/// `s`: how far the covariance is moved towards its diagonal.
const SHRINKAGE: f64 = 0.1;
/// Names of the tensors of `μ` and `W`.
const NAMES: [&str; 2] = ["training.mean", "training.whitening"];

/// Where the training clips lie, and how they scatter.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingClips {
    /// `μ`, `[2D]`
    mean: Vec<f32>,
    /// The rows of `W` up to the diagonal, one after the other, `[D·(2D+1)]`.
    whitening: Vec<f32>,
}

impl TrainingClips {
    /// Of clips `[T,D]`, normalised as the networks are given them. `None` for fewer than two clips, or if all are alike.
    ///
    /// # Panics
    /// If clips have different numbers of columns, or one has no frame.
    pub fn fit<'a>(clips: impl IntoIterator<Item = &'a Matrix<f32>>) -> Option<Self> {
        let clips: Vec<Vec<f64>> = clips.into_iter().map(|clip| statistics(&ColumnSums::of(clip))).collect();
        let (n, width) = (clips.len() as f64, clips.first()?.len());
        let mean_over = |value: &dyn Fn(&[f64]) -> f64| clips.iter().map(|clip| value(clip)).sum::<f64>() / n;
        let mean: Vec<f64> = (0..width).map(|place| mean_over(&|clip| clip[place])).collect();
        let covariance = |r: usize, c: usize| mean_over(&|clip| (clip[r] - mean[r]) * (clip[c] - mean[c]));
        let shrunk = |r, c| if r == c { covariance(r, c) } else { (1.0 - SHRINKAGE) * covariance(r, c) };
        let lower = (0..width).flat_map(|r| (0..width).map(move |c| (r, c)));
        let lower = lower.map(|(r, c)| if c <= r { shrunk(r, c) } else { 0.0 });
        let whitening = inverse(&cholesky(&Matrix::from_vec(width, width, lower.collect())));
        let counted = (0..width).filter(|&place| whitening[(place, place)] > 0.0).count();
        let scale = 1.0 / (counted as f64).sqrt();
        let rows = (0..width).flat_map(|r| whitening.row(r)[..=r].iter().map(|w| (scale * w) as f32));
        (counted > 0)
            .then(|| TrainingClips { whitening: rows.collect(), mean: mean.iter().map(|&mean| mean as f32).collect() })
    }

    /// `μ`, `[2D]`.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// `W`, `[2D,2D]`, lower triangular.
    pub fn whitening(&self) -> Matrix<f32> {
        let mut whitening = Matrix::zeros(self.mean.len(), self.mean.len());
        self.rows().enumerate().for_each(|(r, row)| whitening.row_mut(r)[..=r].copy_from_slice(row));
        whitening
    }

    /// The rows of `W` up to the diagonal.
    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        (0..self.mean.len()).map(|r| &self.whitening[triangle(r)..triangle(r + 1)])
    }

    /// `d` of a clip whose normalised frames have these sums.
    pub fn distance(&self, sums: &ColumnSums) -> f32 {
        let offset = |(m, &mean): (f64, &f32)| (m - f64::from(mean)) as f32;
        let offsets: Vec<f32> = statistics(sums).into_iter().zip(&self.mean).map(offset).collect();
        let z = |row: &[f32]| row.iter().zip(&offsets).map(|(w, offset)| w * offset).sum::<f32>();
        self.rows().map(|row| z(row).powi(2)).sum::<f32>().sqrt()
    }

    /// Its tensors by their names, with their shapes.
    pub(super) fn tensors(&self) -> [(&'static str, [usize; 1], &[f32]); 2] {
        let [mean, whitening] = [&self.mean[..], &self.whitening];
        [(NAMES[0], [mean.len()], mean), (NAMES[1], [whitening.len()], whitening)]
    }

    /// Takes its tensors out of those of a file; `None` if there are none.
    ///
    /// # Errors
    /// [`Kind::Model`] if one is missing, has another shape, or values that are not finite.
    pub(super) fn take(tensors: &mut Tensors) -> Result<Option<Self>> {
        let own: Tensors = NAMES.iter().filter_map(|&name| tensors.remove_entry(name)).collect();
        if own.is_empty() {
            return Ok(None);
        }
        let width = stored::find(&own, NAMES[0])?.shape.iter().product::<usize>();
        let values = |name: &str, shape: &[usize]| {
            let mut values = vec![0.0; shape.iter().product()];
            file::fill(&own, name, shape, &mut values).map(|()| values)
        };
        let mean = values(NAMES[0], &[width])?;
        Ok(Some(TrainingClips { mean, whitening: values(NAMES[1], &[triangle(width)])? }))
    }

    /// Checks that it is of features of this many columns.
    pub(super) fn check(&self, width: usize) -> Result<()> {
        if self.mean.len() != 2 * width {
            let problem = format!("expected two values for each of the {width} columns, got {}", self.mean.len());
            return Err(Error::new(Kind::Model, problem).at(format!("tensor {}", NAMES[0])));
        }
        for (name, shape, values) in self.tensors() {
            file::check_values(name, &shape, 0, values)?;
        }
        if self.whitening.len() != triangle(2 * width) {
            let problem = format!("expected {} values, got {}", triangle(2 * width), self.whitening.len());
            return Err(Error::new(Kind::Model, problem).at(format!("tensor {}", NAMES[1])));
        }
        Ok(())
    }
}

/// Means, then standard deviations of the columns, `[2D]`.
fn statistics(sums: &ColumnSums) -> Vec<f64> {
    let statistics = sums.statistics().expect("a clip has a frame");
    [statistics.mean(), statistics.std()].concat()
}

/// Number of values of a triangular matrix `[width,width]`, with its diagonal.
fn triangle(width: usize) -> usize {
    width * (width + 1) / 2
}

/// `L`, lower triangular, with `L·Lᵀ = S`, of which the lower triangle is read. Where the diagonal of `S` is zero, so is `L`.
fn cholesky(s: &Matrix<f64>) -> Matrix<f64> {
    let n = s.rows();
    let mut l = Matrix::zeros(n, n);
    for c in 0..n {
        let rest = |l: &Matrix<f64>, r: usize| s[(r, c)] - (0..c).map(|k| l[(r, k)] * l[(c, k)]).sum::<f64>();
        // What those before it explain to within rounding does not vary by itself.
        let pivot = rest(&l, c);
        if s[(c, c)] > 1e-12 && pivot > 1e-12 * s[(c, c)] {
            l[(c, c)] = pivot.sqrt();
            for r in c + 1..n {
                l[(r, c)] = rest(&l, r) / l[(c, c)];
            }
        }
    }
    l
}

/// `L⁻¹` of a lower triangular matrix; its rows are zero where `L` has zero on the diagonal.
fn inverse(l: &Matrix<f64>) -> Matrix<f64> {
    let n = l.rows();
    let mut inverse = Matrix::zeros(n, n);
    for r in (0..n).filter(|&r| l[(r, r)] > 0.0) {
        inverse[(r, r)] = 1.0 / l[(r, r)];
        for c in 0..r {
            let sum: f64 = (c..r).map(|k| l[(r, k)] * inverse[(k, c)]).sum();
            inverse[(r, c)] = -sum / l[(r, r)];
        }
    }
    inverse
}

/// What predictions need of the training clips.
#[derive(Clone, Debug)]
pub struct Likeness {
    clips: TrainingClips,
    /// `T` and `B`; `None` where probabilities stay as they are.
    temperature: Option<[f64; 2]>,
}

impl Likeness {
    /// Of a model file; `None` if it does not hold its training clips.
    pub(super) fn new(clips: Option<TrainingClips>, metadata: Option<&Metadata>) -> Option<Self> {
        let temperature = metadata.and_then(|it| Some([it.temperature?, it.temperature_growth?]));
        Some(Likeness { clips: clips?, temperature })
    }

    /// The distance of a clip whose normalised frames have these sums; divides the logarithms of its `probabilities` `[K]` by the
    /// temperature at that distance.
    pub fn temper(&self, sums: &ColumnSums, probabilities: &mut [f32]) -> f32 {
        let distance = self.clips.distance(sums);
        if let Some(temperature) = self.temperature {
            temper_at(probabilities, temperature, distance);
        }
        distance
    }
}

/// [`temper`] at the temperature `T·d^B`, given `[T, B]` and `d`.
pub fn temper_at(probabilities: &mut [f32], [temperature, growth]: [f64; 2], distance: f32) {
    temper(probabilities, temperature * f64::from(distance).powf(growth));
}

/// `p ← p^(1/T) / Σ p^(1/T)` of probabilities `[K]`.
pub fn temper(probabilities: &mut [f32], temperature: f64) {
    // Where T is next to nothing, 1/T is still finite.
    let exponent = (1.0 / temperature.clamp(1e-3, 1e3)) as f32;
    let most = probabilities.iter().fold(0.0, |most: f32, &p| most.max(p));
    probabilities.iter_mut().for_each(|p| *p = (exponent * (*p / most).ln()).exp());
    let sum: f32 = probabilities.iter().sum();
    probabilities.iter_mut().for_each(|p| *p /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::RandomStream;

    /// Clips whose columns are correlated: the mean of the third is nearly the sum of the others', the fourth never changes.
    fn clips(count: usize) -> Vec<Matrix<f32>> {
        let mut stream = RandomStream::new(7, "training clips", 0);
        let clip = |_| {
            let (a, b) = (stream.normal(), 3.0 * stream.normal() + 5.0);
            let c = a + b + 0.1 * stream.normal();
            let frames = 20 + stream.below(10);
            let frame = |_| [a, b, c].map(|mean| mean + stream.normal());
            let frames: Vec<[f64; 3]> = (0..frames).map(frame).collect();
            Matrix::from_rows(&frames.iter().map(|&[a, b, c]| [a, b, c, 2.0].map(|x| x as f32)).collect::<Vec<_>>())
        };
        (0..count).map(clip).collect()
    }

    #[test]
    fn over_the_training_clips_the_mean_square_is_near_one_and_correlations_count() {
        let clips = clips(400);
        let fitted = TrainingClips::fit(&clips).unwrap();
        let distance = |clip: &Matrix<f32>| fitted.distance(&ColumnSums::of(clip));
        let mean = clips.iter().map(|clip| distance(clip).powi(2)).sum::<f32>() / 400.0;
        assert!((0.6..1.1).contains(&mean), "{mean}");
        // Frames with these means, which spread by a factor of the usual.
        let around = |means: [f32; 4], spread: f32| {
            let frame = |n: usize| core::array::from_fn(|c| means[c] + spread * f32::from(u8::from((n >> c) & 1 == 1)));
            Matrix::from_rows(&(0..16).map(frame).collect::<Vec<[f32; 4]>>())
        };
        let usual = distance(&around([0.0, 4.0, 4.0, 2.0], 2.0));
        assert!(usual < 1.0, "{usual}");
        assert!(distance(&around([0.0, 4.0, -6.0, 2.0], 2.0)) > 2.0 * usual, "a third column that is not the sum");
        assert!(distance(&around([0.0, 4.0, 4.0, 2.0], 6.0)) > 2.0 * usual, "a spread of three times");
        assert_eq!(distance(&around([0.0, 4.0, 4.0, 90.0], 2.0)), usual, "a column that never changed");
    }

    #[test]
    fn the_factor_is_that_of_the_shrunk_covariance() {
        let s = Matrix::from_rows(&[[4.0, 2.0, 0.6], [2.0, 2.0, 0.5], [0.6, 0.5, 3.0]]);
        let l = cholesky(&s);
        let w = inverse(&l);
        for r in 0..3 {
            for c in 0..3 {
                let product = |x: &dyn Fn(usize) -> f64| (0..3).map(x).sum::<f64>();
                approx::assert_abs_diff_eq!(product(&|k| l[(r, k)] * l[(c, k)]), s[(r, c)], epsilon = 1e-14);
                let identity = f64::from(u8::from(r == c));
                approx::assert_abs_diff_eq!(product(&|k| w[(r, k)] * l[(k, c)]), identity, epsilon = 1e-14);
            }
        }
    }

    #[test]
    fn without_two_different_clips_there_is_no_distance() {
        let clips = clips(1);
        assert_eq!(TrainingClips::fit(&[]), None);
        assert_eq!(TrainingClips::fit(&clips), None);
        assert_eq!(TrainingClips::fit([&clips[0], &clips[0]]), None);
    }

    #[test]
    fn a_temperature_divides_the_logarithms() {
        let mut probabilities = [0.7, 0.2, 0.1, 0.0];
        temper(&mut probabilities, 2.0);
        let roots = [0.7f64, 0.2, 0.1, 0.0].map(f64::sqrt);
        let sum: f64 = roots.iter().sum();
        for (p, root) in probabilities.into_iter().zip(roots) {
            approx::assert_abs_diff_eq!(f64::from(p), root / sum, epsilon = 1e-7);
        }
        for (temperature, expected) in [(0.0, [1.0, 0.0]), (f64::INFINITY, [0.5, 0.5]), (1.0, [0.6, 0.4])] {
            let mut probabilities = [0.6, 0.4];
            temper(&mut probabilities, temperature);
            for (p, expected) in probabilities.iter().zip(expected) {
                approx::assert_abs_diff_eq!(*p, expected, epsilon = 1e-3);
            }
        }
    }
}
