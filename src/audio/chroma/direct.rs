//! Chroma without a filter bank: the few weights of a bin are computed where they are needed, in nine bytes per bin. For
//! microcontrollers, whose memory does not hold a bank.

use super::{CENTRE_OCTAVE, FeatureSettings, Formula, MOST_CLASSES, OCTAVE_WIDTH, divide_by_largest};
use crate::elementary::exp;
use crate::matrix::Matrix;
use crate::prelude::*;

/// Classes on either side of the nearest to which a bin of the width 1 gives more than rounding.
const REACH: usize = 3;
/// `exp(−2o²)` for the classes `o` = −3 to 3 above the nearest.
const SHARES: [f32; 2 * REACH + 1] =
    [1.522_998e-8, 3.354_626_3e-4, 0.135_335_28, 1.0, 0.135_335_28, 3.354_626_3e-4, 1.522_998e-8];

/// The filters for one tuning at a time.
///
/// # Derivation
/// Most bins are less than a class wide. Such a bin, `φ` chroma bins above the nearest class, gives to the class `o` above that
/// ```text
/// g[o] = exp(−2·(φ − o)²) = exp(−2φ²) · r^o · exp(−2o²)      r = e^(4φ)
/// ```
/// in [`Formula::column`], whose width is 1. The first factor cancels in `g / √Σg²`, and three classes away `g` is below the
/// rounding of `f32`: one exponential gives all shares of a bin. A tuning `τ` makes `φ − τ` of `φ`.
#[derive(Clone, Debug)]
pub(in super::super) struct DirectFilters {
    formula: Formula,
    /// In chroma bins.
    tuning: f32,
    /// The first bins, which are a class wide or more; at the tuning 0.
    wide: Vec<WideBin>,
    /// φ of the other bins, the nearest class, and the octaves above the one with the largest weight; at the tuning 0.
    offsets: Vec<f32>,
    nearest: Vec<u8>,
    octaves: Vec<f32>,
}

/// A bin that is a class wide or more.
#[derive(Clone, Copy, Debug)]
struct WideBin {
    /// The nearest class, and the chroma bins above it: together they would lose digits.
    nearest: u8,
    offset: f32,
    width: f32,
    /// Octaves above the one with the largest weight.
    octaves: f32,
}

impl DirectFilters {
    pub(in super::super) fn new(settings: &FeatureSettings, sample_rate: u32) -> Self {
        let formula = Formula::new(settings, sample_rate);
        let (classes, origin) = (formula.classes, formula.origin(0.0));
        let pitches: Vec<f64> = (0..=settings.bins()).map(|k| formula.pitch(k, origin)).collect();
        let width = |k: usize| pitches[k + 1] - pitches[k];
        // Among fewer classes, a bin reaches around the octave.
        let narrow = (1..settings.bins()).find(|&k| classes > 2 * REACH && width(k) < 1.0);
        let first_narrow = narrow.unwrap_or(settings.bins());
        let narrow = &pitches[first_narrow..settings.bins()];
        let class = |p: f64| ((p - formula.a_to_c()).round() as i64).rem_euclid(classes as i64);
        let offset = |p: f64| ((p - formula.a_to_c()) - (p - formula.a_to_c()).round()) as f32;
        let octaves = |p: f64| (p / classes as f64 - CENTRE_OCTAVE) as f32;
        let wide = |k: usize| {
            let p = pitches[k];
            let (nearest, offset) = (class(p) as u8, offset(p));
            WideBin { nearest, offset, width: width(k).max(1.0) as f32, octaves: octaves(p) }
        };
        DirectFilters {
            tuning: 0.0,
            wide: (0..first_narrow).map(wide).collect(),
            offsets: narrow.iter().map(|&p| offset(p)).collect(),
            nearest: narrow.iter().map(|&p| class(p) as u8).collect(),
            octaves: narrow.iter().map(|&p| octaves(p)).collect(),
            formula,
        }
    }

    /// Makes the filters those of `tuning`, in chroma bins from −0.5 to 0.5.
    pub(in super::super) fn tune(&mut self, tuning: f64) {
        self.tuning = tuning as f32;
    }

    /// Chroma of every frame: `power` `[T,B]` into the columns of `features` `[T,width]` from `first` on, the largest value
    /// of a frame 1.
    pub(in super::super) fn apply(&self, power: &Matrix<f32>, features: &mut Matrix<f32>, first: usize) {
        for t in 0..features.rows() {
            let chroma = &mut features.row_mut(t)[first..first + self.formula.classes];
            chroma.fill(0.0);
            self.add_frame(power.row(t), chroma);
            divide_by_largest(chroma);
        }
    }

    /// Adds the chroma of a frame with power `[B]`.
    fn add_frame(&self, power: &[f32], chroma: &mut [f32]) {
        let (wide, narrow) = power.split_at(self.wide.len());
        for (&power, &bin) in wide.iter().zip(&self.wide) {
            self.add_wide(power, bin, chroma);
        }
        // Space on both sides instead of a place modulo the number of classes.
        let mut padded = [0.0; MOST_CLASSES + 2 * REACH + 2];
        let tuned_octaves = self.tuning / chroma.len() as f32;
        for ((&power, &offset), (&nearest, octaves)) in
            narrow.iter().zip(&self.offsets).zip(self.nearest.iter().zip(&self.octaves))
        {
            let (mut offset, mut place) = (offset - self.tuning, usize::from(nearest) + 1);
            if offset > 0.5 {
                (offset, place) = (offset - 1.0, place + 1);
            } else if offset < -0.5 {
                (offset, place) = (offset + 1.0, place - 1);
            }
            let r = exp(4.0 * offset);
            let inverse = 1.0 / r;
            let (r2, inverse2) = (r * r, inverse * inverse);
            let powers = [inverse2 * inverse, inverse2, inverse, 1.0, r, r2, r2 * r];
            let shares: [f32; 2 * REACH + 1] = core::array::from_fn(|o| powers[o] * SHARES[o]);
            let square: f32 = shares.iter().map(|share| share * share).sum();
            let scale = power * octave_weight(octaves - tuned_octaves) / square.sqrt();
            for (sum, share) in padded[place..][..2 * REACH + 1].iter_mut().zip(shares) {
                *sum += scale * share;
            }
        }
        for (place, sum) in padded.iter().enumerate() {
            chroma[(place + (REACH + 1) * (chroma.len() - 1)) % chroma.len()] += sum;
        }
    }

    /// Adds the share of a bin that is a class wide or more.
    fn add_wide(&self, power: f32, WideBin { nearest, offset, width, octaves }: WideBin, chroma: &mut [f32]) {
        let octave = chroma.len() as f32;
        let mut shares = [0.0; MOST_CLASSES];
        let shares = &mut shares[..chroma.len()];
        for (c, share) in shares.iter_mut().enumerate() {
            let mut distance = f32::from(nearest) - c as f32 + (offset - self.tuning);
            if distance < -0.5 * octave {
                distance += octave;
            } else if distance > 0.5 * octave {
                distance -= octave;
            }
            *share = exp(-0.5 * (2.0 * distance / width).powi(2));
        }
        let square: f32 = shares.iter().map(|share| share * share).sum();
        let scale = power * octave_weight(octaves - self.tuning / octave) / square.sqrt();
        for (sum, share) in chroma.iter_mut().zip(shares) {
            *sum += scale * *share;
        }
    }
}

/// The weight of an octave, `octaves` above the one with the largest.
fn octave_weight(octaves: f32) -> f32 {
    exp(-0.5 * (octaves / OCTAVE_WIDTH as f32).powi(2))
}

#[cfg(test)]
mod tests {
    use super::super::tests::filters;
    use super::*;
    use crate::rng::RandomStream;

    #[test]
    fn chroma_is_that_of_the_formulas_filters() {
        let mut stream = RandomStream::new(1, "power", 0);
        for (chroma, n_fft, sample_rate) in [
            (12, 4096, 48_000),
            (12, 512, 16_000),
            (12, 64, 8_000),
            (24, 1024, 22_050),
            (48, 4096, 44_100),
            (5, 512, 16_000),
        ] {
            let settings = FeatureSettings { n_fft, chroma, ..Default::default() };
            let mut direct = DirectFilters::new(&settings, sample_rate);
            for tuning in [-0.5, -0.31, 0.0, 0.17, 0.49] {
                // Of all bins, and of one at a time: every class and every width.
                let expected = filters(&settings, sample_rate, tuning);
                direct.tune(tuning);
                let compare = |power: &[f32]| {
                    let mut features = Matrix::zeros(1, 1 + chroma);
                    direct.apply(&Matrix::from_rows(&[power]), &mut features, 1);
                    let sum = |c: usize| {
                        power.iter().zip(expected.row(c)).map(|(&p, &w)| f64::from(p) * f64::from(w)).sum::<f64>()
                    };
                    let most = (0..chroma).map(sum).fold(0.0, f64::max);
                    assert_eq!(features[(0, 0)], 0.0);
                    for c in 0..chroma {
                        let difference = (f64::from(features[(0, 1 + c)]) - sum(c) / most).abs();
                        assert!(
                            difference <= 3e-6,
                            "{chroma}, {n_fft}, {sample_rate} Hz, tuning {tuning}, class {c}: {difference:e}"
                        );
                    }
                };
                let power: Vec<f32> = (0..settings.bins()).map(|_| (3.0 * stream.normal()).exp() as f32).collect();
                compare(&power);
                for k in (0..settings.bins()).step_by(7) {
                    let mut power = vec![0.0; settings.bins()];
                    power[k] = 2.0;
                    compare(&power);
                }
            }
        }
    }

    #[test]
    fn a_silent_frame_stays_zero() {
        let filters = DirectFilters::new(&FeatureSettings::default(), 48_000);
        let mut features = Matrix::zeros(1, 12);
        filters.apply(&Matrix::zeros(1, 2049), &mut features, 0);
        assert_eq!(features.row(0), [0.0; 12]);
    }
}
