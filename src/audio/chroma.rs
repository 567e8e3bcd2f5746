//! Chroma: the power of each of the twelve pitch classes, summed over octaves (`librosa.feature.chroma_stft`).

#[cfg(any(test, feature = "std"))]
mod bank;
#[cfg(any(test, not(feature = "std")))]
mod direct;

#[cfg(feature = "std")]
pub(super) use bank::ChromaBank as ChromaFilters;
#[cfg(not(feature = "std"))]
pub(super) use direct::DirectFilters as ChromaFilters;

use super::FeatureSettings;
#[cfg(any(test, feature = "std"))]
use crate::kernels::simd;
#[allow(unused_imports, reason = "what std brings by itself")]
use crate::prelude::*;

/// A = 440 Hz, the concert pitch.
const A4_HZ: f64 = 440.0;
/// The octave with the largest weight, in octaves above 27.5 Hz: 880 Hz.
const CENTRE_OCTAVE: f64 = 5.0;
/// Standard deviation of the weight of octaves, in octaves.
const OCTAVE_WIDTH: f64 = 2.0;

/// The most pitch classes that settings may have.
pub(super) const MOST_CLASSES: usize = 48;
/// Where the filters come from: one bin, one tuning, as librosa computes them.
#[derive(Clone, Debug)]
struct Formula {
    classes: usize,
    hz_per_bin: f64,
}

impl Formula {
    fn new(settings: &FeatureSettings, sample_rate: u32) -> Self {
        Formula { classes: settings.chroma, hz_per_bin: f64::from(sample_rate) / settings.n_fft as f64 }
    }

    /// f₀ of a tuning, Hz: an A.
    fn origin(&self, tuning: f64) -> f64 {
        A4_HZ / 16.0 * (tuning / self.classes as f64).exp2()
    }

    /// Pitch of bin `k`, in chroma bins above `origin`, Hz.
    fn pitch(&self, k: usize, origin: f64) -> f64 {
        let octave = self.classes as f64;
        let pitch_of = |k: usize| octave * (k as f64 * self.hz_per_bin / origin).log2();
        if k == 0 { pitch_of(1) - 1.5 * octave } else { pitch_of(k) }
    }

    /// Pitches count from A, classes from C, a quarter of an octave higher.
    fn a_to_c(&self) -> f64 {
        self.classes as f64 / 4.0
    }

    /// The filters of bin `k` for the tuning with this [`origin`](Self::origin), one per pitch class, into the first numbers of
    /// `filters`.
    ///
    /// # Formula
    /// Bin `k` has the pitch `p[k] = C·log₂(f[k] / f₀)`, in chroma bins above the tuned `f₀ = 27.5 Hz · 2^(tuning/C)`, an A.
    /// It gives to class `c` a Gaussian share of its distance `d` from it, `|d| ≤ C/2`, in units of its own width:
    /// ```text
    /// g[c,k] = exp(−½·(2·d / max(1, p[k+1] − p[k]))²)
    /// filter[c,k] = g[c,k] / √(Σ_c g[c,k]²) · exp(−½·((p[k]/C − 5) / 2)²)
    /// ```
    /// (`librosa.filters.chroma`: `octwidth=2`, `ctroct=5`, `norm=2`, `base_c=True`.) Bin 0 has no pitch: it is taken to be
    /// one and a half octaves below bin 1, which spreads it over all classes.
    #[cfg(any(test, feature = "std"))]
    fn column(&self, k: usize, origin: f64, filters: &mut [f32]) {
        let octave = self.classes as f64;
        let p = self.pitch(k, origin);
        let width = (self.pitch(k + 1, origin) - p).max(1.0);
        let mut shares = [0.0; MOST_CLASSES];
        let shares = &mut shares[..self.classes];
        // The instruction set of the processor rounds without a call.
        simd!(|_| {
            for (c, share) in shares.iter_mut().enumerate() {
                let octaves_away = (p - self.a_to_c() - c as f64) / octave;
                let distance = (octaves_away - octaves_away.round()) * octave;
                *share = -0.5 * (2.0 * distance / width).powi(2);
            }
        });
        shares.iter_mut().for_each(|share| *share = share.exp());
        let length = shares.iter().map(|share| share * share).sum::<f64>().sqrt();
        let octaves_off = (p / octave - CENTRE_OCTAVE) / OCTAVE_WIDTH;
        let scale = (-0.5 * octaves_off.powi(2)).exp() / length;
        for (filter, share) in filters.iter_mut().zip(shares) {
            *filter = (*share * scale) as f32;
        }
    }
}

/// Divides the chroma of a frame by the largest. A silent frame stays 0: where the largest is no normal number, there is nothing
/// to divide by (as in `librosa.util.normalize`).
fn divide_by_largest(chroma: &mut [f32]) {
    let largest = chroma.iter().copied().fold(0.0, f32::max);
    if largest >= f32::MIN_POSITIVE {
        for value in chroma {
            *value /= largest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::bank::ChromaBank;
    use super::*;
    use crate::matrix::Matrix;
    use approx::assert_abs_diff_eq;

    /// The filters by the formula, one row per pitch class, `[chroma,B]`.
    pub(super) fn filters(settings: &FeatureSettings, sample_rate: u32, tuning: f64) -> Matrix<f32> {
        let mut filters = Matrix::zeros(settings.chroma, settings.bins());
        let mut column = vec![0.0; settings.chroma];
        let formula = Formula::new(settings, sample_rate);
        for k in 0..settings.bins() {
            formula.column(k, formula.origin(tuning), &mut column);
            column.iter().enumerate().for_each(|(c, &filter)| filters[(c, k)] = filter);
        }
        filters
    }

    fn bank(tuning: f64) -> Matrix<f32> {
        filters(&FeatureSettings::default(), 44_100, tuning)
    }

    /// The class that the bin of `hz` gives most to.
    fn class(bank: &Matrix<f32>, hz: f64) -> usize {
        let k = (hz * 4096.0 / 44_100.0).round() as usize;
        (0..12).max_by(|&a, &b| bank[(a, k)].total_cmp(&bank[(b, k)])).unwrap()
    }

    #[test]
    fn every_pitch_class_has_its_row() {
        // C D E F G A B of the octave above 1 kHz, and an A two octaves up.
        for (hz, row) in
            [(1046.5, 0), (1174.7, 2), (1318.5, 4), (1396.9, 5), (1568.0, 7), (1760.0, 9), (1975.5, 11), (7040.0, 9)]
        {
            assert_eq!(class(&bank(0.0), hz), row, "{hz} Hz");
        }
        // 60 cents above A is nearer to A sharp; a clip tuned 40 cents up has its A there.
        let hz = 1760.0 * 2f64.powf(0.6 / 12.0);
        assert_eq!((class(&bank(0.0), hz), class(&bank(0.4), hz)), (10, 9));
    }

    #[test]
    fn columns_have_the_length_their_octave_gives() {
        // L2 norm 1 times the weight of the octave; 880 Hz is the centre, 220 and 3520 Hz one deviation off.
        let bank = bank(0.0);
        for (hz, weight) in [(880.0, 1.0), (220.0, (-0.5f64).exp()), (3520.0, (-0.5f64).exp())] {
            let k = (hz * 4096.0 / 44_100.0f64).round() as usize;
            let length = (0..12).map(|c| bank[(c, k)].powi(2)).sum::<f32>().sqrt();
            // The nearest bin is not exactly that pitch.
            assert_abs_diff_eq!(f64::from(length), weight, epsilon = 0.02);
        }
    }

    #[test]
    fn bin_zero_lies_an_octave_and_a_half_below_bin_one() {
        // So it is 18 semitones wide, and gives nearly the same to all classes: within exp(−½·(12/18)²).
        let column: Vec<f32> = (0..12).map(|c| bank(0.0)[(c, 0)]).collect();
        let (least, most) = column.iter().fold((f32::MAX, 0.0f32), |(a, b), &v| (a.min(v), b.max(v)));
        assert!(least > 0.0 && least / most > 0.79 && least / most < 0.9, "{column:?}");
    }

    #[test]
    fn frames_are_divided_by_their_largest_and_silence_stays_zero() {
        let bank = bank(0.0);
        let power: Vec<f32> = (0..2049).map(|k| ((k * 29) % 83) as f32).collect();
        let mut features = Matrix::from_vec(2, 14, vec![7.0; 28]);
        let mut tuned = ChromaBank::new(&FeatureSettings::default(), 44_100);
        tuned.tune(0.0);
        tuned.apply(&Matrix::from_rows(&[&power[..], &[0.0; 2049]]), &mut features, 2);
        let ([7.0, 7.0, chroma @ ..], [7.0, 7.0, silent @ ..]) = (features.row(0), features.row(1)) else {
            panic!("the first columns are not chroma's: {features:?}");
        };
        assert_eq!(chroma.iter().copied().fold(0.0, f32::max), 1.0);
        let plain = |c: usize| (0..2049).map(|k| f64::from(bank[(c, k)] * power[k])).sum::<f64>();
        let most = (0..12).map(plain).fold(0.0, f64::max);
        for (c, &value) in chroma.iter().enumerate() {
            assert_abs_diff_eq!(f64::from(value), plain(c) / most, epsilon = 1e-5);
        }
        assert_eq!(silent, [0.0; 12]);
    }
}
