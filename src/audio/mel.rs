//! Mel filter bank: from many frequency bins to a few bands, equally spaced on the mel scale.
//!
//! Slaney's scale (`librosa.filters.mel`, `htk=False`, `norm="slaney"`): linear up to 1000 Hz, logarithmic above. Each band
//! is a triangle over its two neighbours' peaks, divided by half its width in hertz so that white noise fills all alike.

use core::ops::Range;

use super::FeatureSettings;
use crate::kernels::lanes::LANES;
use crate::kernels::{dot, simd};
use crate::matrix::Matrix;
use crate::prelude::*;

/// Hertz in one mel below the corner.
const HZ_PER_MEL: f64 = 200.0 / 3.0;
/// Where the scale turns from linear to logarithmic, Hz.
const CORNER_HZ: f64 = 1000.0;
/// The corner in mel: 15.
const CORNER_MEL: f64 = CORNER_HZ / HZ_PER_MEL;
/// Above the corner 27 mel are a factor of 6.4 in frequency.
const MELS_PER_E_FOLD: f64 = 27.0 / 1.856_297_990_365_626_3;

fn mel_of_hz(hz: f64) -> f64 {
    if hz < CORNER_HZ { hz / HZ_PER_MEL } else { CORNER_MEL + (hz / CORNER_HZ).ln() * MELS_PER_E_FOLD }
}

fn hz_of_mel(mel: f64) -> f64 {
    if mel < CORNER_MEL { mel * HZ_PER_MEL } else { CORNER_HZ * ((mel - CORNER_MEL) / MELS_PER_E_FOLD).exp() }
}

/// All bands from 0 Hz to half the sample rate, or to `high_hz` (librosa's `fmax`).
#[derive(Clone, Debug)]
pub(super) struct MelBank {
    bands: Vec<Band>,
}

/// One triangle, without most of the zeros around it: 128 bands touch a bin a few times, not 128 times.
#[derive(Clone, Debug, PartialEq)]
struct Band {
    /// Whole vectors of bins, as long as the spectrum has them: what is no whole vector costs [`dot`] most of its time.
    bins: Range<usize>,
    weights: Vec<f32>,
}

impl MelBank {
    /// # Formula
    /// With band edges `f[0] … f[bands + 1]` in Hz, equally spaced in mel, band `m` weighs the frequency `f` with
    /// ```text
    /// max(0, min((f − f[m]) / (f[m+1] − f[m]), (f[m+2] − f) / (f[m+2] − f[m+1]))) · 2 / (f[m+2] − f[m])
    /// ```
    pub(super) fn new(settings: &FeatureSettings, sample_rate: u32) -> Self {
        let highest = mel_of_hz(settings.high_hz.map_or(f64::from(sample_rate) / 2.0, f64::from));
        let edge = |m: usize| hz_of_mel(highest * m as f64 / (settings.mel_bands + 1) as f64);
        let hz_per_bin = f64::from(sample_rate) / settings.n_fft as f64;
        let band = |m| Band::triangle([edge(m), edge(m + 1), edge(m + 2)], hz_per_bin, settings.bins());
        MelBank { bands: (0..settings.mel_bands).map(band).collect() }
    }

    /// Mel bands of every frame: `power` `[T,B]` into `mel` `[T,bands]`.
    pub(super) fn apply(&self, power: &Matrix<f32>, mel: &mut Matrix<f32>) {
        mel.resize(power.rows(), self.bands.len());
        simd!(|level| {
            for t in 0..power.rows() {
                let frame = power.row(t);
                for (value, band) in mel.row_mut(t).iter_mut().zip(&self.bands) {
                    *value = dot(level, &frame[band.bins.clone()], &band.weights);
                }
            }
        });
    }
}

impl Band {
    /// The triangle that rises from `low`, is highest at `peak` and ends at `high` (Hz). A band narrower than a bin may
    /// fall between two and stay empty, as librosa's does: its power is then 0.
    fn triangle([low, peak, high]: [f64; 3], hz_per_bin: f64, bins: usize) -> Self {
        let weight = |k: usize| {
            let hz = k as f64 * hz_per_bin;
            ((hz - low) / (peak - low)).min((high - hz) / (high - peak)) * 2.0 / (high - low)
        };
        let first = (0..bins).find(|&k| weight(k) > 0.0).unwrap_or(bins);
        let end = (first..bins).find(|&k| weight(k) <= 0.0).unwrap_or(bins);
        let length = (end - first).next_multiple_of(LANES).min(bins);
        // At the upper end the zeros stand before the triangle.
        let first = first.min(bins - length);
        let bins = first..first + length;
        Band { weights: bins.clone().map(|k| weight(k).max(0.0) as f32).collect(), bins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn the_scale_is_slaneys() {
        // 1000 Hz is mel 15, and 27 mel above it are 6.4 times the frequency.
        for (hz, mel) in [(0.0, 0.0), (60.0, 0.9), (200.0, 3.0), (1000.0, 15.0), (6400.0, 42.0)] {
            assert_abs_diff_eq!(mel_of_hz(hz), mel, epsilon = 1e-12);
            assert_abs_diff_eq!(hz_of_mel(mel), hz, epsilon = 1e-9);
        }
        assert_abs_diff_eq!(1.0 / MELS_PER_E_FOLD, 6.4f64.ln() / 27.0, epsilon = 1e-15);
    }

    #[test]
    fn a_triangle_worked_by_hand() {
        // Bins at 0, 10, 20, … Hz; the triangle 15–30–70 Hz has area 1, so its peak would be 2/55.
        // With many bins above it, with two, and with fewer bins in all than a vector has lanes.
        for (bins, expected_bins) in [(100, 2..18), (9, 0..9), (17, 1..17)] {
            let band = Band::triangle([15.0, 30.0, 70.0], 10.0, bins);
            assert_eq!(band.bins, expected_bins);
            assert_eq!(band.weights.len(), expected_bins.len());
            for (k, weight) in band.bins.zip(band.weights) {
                let expected = [(2, 1.0 / 3.0), (3, 1.0), (4, 0.75), (5, 0.5), (6, 0.25)];
                let share = expected.iter().find(|(bin, _)| *bin == k).map_or(0.0, |(_, share)| *share);
                assert_abs_diff_eq!(weight, (share * 2.0 / 55.0) as f32, epsilon = 1e-8);
            }
        }
        assert!(Band::triangle([11.0, 12.0, 13.0], 10.0, 100).weights.is_empty());
    }

    #[test]
    fn the_sparse_bank_is_the_dense_one() {
        let settings = FeatureSettings { n_fft: 512, mel_bands: 20, mfcc: 5, ..FeatureSettings::default() };
        let bank = MelBank::new(&settings, 16_000);
        let power = Matrix::from_vec(2, 257, (0..514).map(|i| ((i * 37) % 101) as f32).collect());
        let mut mel = Matrix::from_vec(1, 1, vec![f32::NAN]);
        bank.apply(&power, &mut mel);
        assert_eq!(mel.shape(), [2, 20]);

        let edges: Vec<f64> = (0..22).map(|m| hz_of_mel(mel_of_hz(8000.0) * f64::from(m) / 21.0)).collect();
        for t in 0..2 {
            for m in 0..20 {
                let mut sum = 0.0;
                for k in 0..257 {
                    let hz = k as f64 * 16_000.0 / 512.0;
                    let rising = (hz - edges[m]) / (edges[m + 1] - edges[m]);
                    let falling = (edges[m + 2] - hz) / (edges[m + 2] - edges[m + 1]);
                    let weight = rising.min(falling).max(0.0) * 2.0 / (edges[m + 2] - edges[m]);
                    sum += f64::from(power[(t, k)]) * weight;
                }
                assert_abs_diff_eq!(f64::from(mel[(t, m)]), sum, epsilon = 1e-5 * sum.max(1.0));
            }
        }
    }
}
