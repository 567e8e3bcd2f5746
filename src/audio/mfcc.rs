//! MFCC: the shape of the spectrum in a few numbers.
//!
//! Hearing is logarithmic, hence decibels; neighbouring bands are correlated, hence a cosine transform, whose first
//! coefficients describe the broad shape (`librosa.feature.mfcc`, `librosa.power_to_db`).

use core::f64::consts::PI;

use super::FeatureSettings;
use crate::kernels::dense_product;
use crate::matrix::Matrix;
#[cfg(not(feature = "std"))]
use crate::prelude::*;

/// Powers below this count as this: −100 dB.
pub(super) const LEAST_POWER: f32 = 1e-10;
/// The same where the level of a recording must not matter: −300 dB.
pub(super) const LEAST_POWER_AT_ANY_LEVEL: f32 = 1e-30;
/// Values further below the clip's loudest are raised to this distance, dB: they are room noise or digital silence.
const RANGE_DB: f32 = 80.0;
/// The loudest value before the first frame, dB.
pub(super) const BEFORE_FIRST_FRAME: f32 = f32::NEG_INFINITY;

/// Power to decibels, in place; below `least` it counts as `least`. `loudest` is the loudest value of earlier frames, dB, and is
/// updated: for a whole clip it is
/// [`BEFORE_FIRST_FRAME`] before.
///
/// # Formula
/// ```text
/// d = 10·log₁₀(max(least, p))        loudest ← max(loudest, max of all d)        d ← max(d, loudest − 80)
/// ```
pub(super) fn decibels(power: &mut [f32], least: f32, loudest: &mut f32) {
    for value in power.iter_mut() {
        *value = 10.0 * value.max(least).log10();
        *loudest = loudest.max(*value);
    }
    for value in power {
        *value = value.max(*loudest - RANGE_DB);
    }
}

/// The first rows of the orthonormal cosine transform (DCT-II), `[mfcc,bands]`.
#[derive(Clone, Debug)]
pub(super) struct CosineTransform {
    rows: Matrix<f32>,
}

impl CosineTransform {
    /// # Formula
    /// With `M` bands, row `c` is
    /// ```text
    /// √(2/M)·cos(πc(m + ½)/M)     m = 0 … M−1;     row 0 is √(1/M) throughout
    /// ```
    pub(super) fn new(settings: &FeatureSettings) -> Self {
        let bands = settings.mel_bands;
        let mut rows = Matrix::zeros(settings.mfcc, bands);
        for c in 0..settings.mfcc {
            let scale = (if c == 0 { 1.0 } else { 2.0 } / bands as f64).sqrt();
            for m in 0..bands {
                rows[(c, m)] = (scale * (PI * c as f64 * (m as f64 + 0.5) / bands as f64).cos()) as f32;
            }
        }
        CosineTransform { rows }
    }

    /// Adds `gain` dB to all bands of every frame: to its first coefficient, in `features` `[T,width]`, as the sum of a row of the
    /// transform is √M in the first row and 0 in the others. Their mean becomes at least −100 dB, which is digital silence.
    pub(super) fn add_gain(&self, gain: f32, features: &mut Matrix<f32>) {
        let root = (self.rows.cols() as f32).sqrt();
        let least = 10.0 * LEAST_POWER.log10();
        for t in 0..features.rows() {
            let first = &mut features.row_mut(t)[0];
            *first = (*first + root * gain).max(root * least);
        }
    }

    /// Coefficients of every frame: `bands` `[T,bands]` into the first `mfcc` columns of `features` `[T,width]`.
    pub(super) fn apply(&self, bands: &Matrix<f32>, features: &mut Matrix<f32>) {
        dense_product(bands, &self.rows, features, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn decibels_stop_eighty_below_the_loudest() {
        let mut quiet = [1e-3, 1e-30, 0.0, 2e-9];
        let mut loudest = BEFORE_FIRST_FRAME;
        decibels(&mut quiet, LEAST_POWER, &mut loudest);
        // Loudest −30: the floor of −110 lies below that of 1e−10, so the latter holds.
        for (value, expected) in quiet.into_iter().zip([-30.0, -100.0, -100.0, -86.9897]) {
            assert_abs_diff_eq!(value, expected, epsilon = 1e-4);
        }
        let mut loud = [100.0, 1e-3, 1e-7];
        decibels(&mut loud, LEAST_POWER, &mut loudest);
        for (value, expected) in loud.into_iter().zip([20.0, -30.0, -60.0]) {
            assert_abs_diff_eq!(value, expected, epsilon = 1e-4);
        }
        // What was loud before sets the floor of what is quiet now.
        let mut after = [1e-3, 1e-7];
        decibels(&mut after, LEAST_POWER, &mut loudest);
        for (value, expected) in after.into_iter().zip([-30.0, -60.0]) {
            assert_abs_diff_eq!(value, expected, epsilon = 1e-4);
        }
    }

    #[test]
    fn the_transform_keeps_lengths_and_angles() {
        let settings = FeatureSettings { mel_bands: 7, mfcc: 7, ..FeatureSettings::default() };
        let transform = CosineTransform::new(&settings);
        let mut products = Matrix::zeros(7, 7);
        transform.apply(&transform.rows, &mut products);
        for a in 0..7 {
            for b in 0..7 {
                assert_abs_diff_eq!(products[(a, b)], f32::from(u8::from(a == b)), epsilon = 1e-6);
            }
        }
    }

    #[test]
    fn two_coefficients_worked_by_hand() {
        let settings = FeatureSettings { mel_bands: 3, mfcc: 2, ..FeatureSettings::default() };
        let mut features = Matrix::from_vec(2, 2, vec![f32::NAN; 4]);
        CosineTransform::new(&settings).apply(&Matrix::from_rows(&[[0.0; 3], [1.0, 2.0, 4.0]]), &mut features);
        // cos 30° = √3/2, cos 90° = 0, cos 150° = −√3/2, times √(2/3): (1 − 4)·√½
        assert_abs_diff_eq!(features[(1, 0)], 7.0 / 3f32.sqrt(), epsilon = 1e-6);
        assert_abs_diff_eq!(features[(1, 1)], -3.0 * 0.5f32.sqrt(), epsilon = 1e-6);
    }
}
