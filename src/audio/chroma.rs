//! Chroma: the power of each of the twelve pitch classes, summed over octaves (`librosa.feature.chroma_stft`).

use super::FeatureSettings;
use crate::kernels::lanes::LANES;
use crate::kernels::{Panels, Start, Term, product};
use crate::matrix::Matrix;

/// A = 440 Hz, the concert pitch.
const A4_HZ: f64 = 440.0;
/// The octave with the largest weight, in octaves above 27.5 Hz: 880 Hz.
const CENTRE_OCTAVE: f64 = 5.0;
/// Standard deviation of the weight of octaves, in octaves.
const OCTAVE_WIDTH: f64 = 2.0;

/// The filters for one tuning, one column per pitch class, C first, padded with zero columns to a full vector: `[B,≥chroma]`,
/// packed once for all clips of that tuning.
#[derive(Clone, Debug)]
pub(super) struct ChromaBank {
    tuning: f64,
    classes: usize,
    filters: Panels<f32>,
}

impl ChromaBank {
    /// The [`filters`] for `tuning`, in chroma bins.
    pub(super) fn new(settings: &FeatureSettings, sample_rate: u32, tuning: f64) -> Self {
        let mut packed = Panels::default();
        let mut rows = filters(settings, sample_rate, tuning).as_slice().to_vec();
        rows.resize(settings.chroma.next_multiple_of(LANES) * settings.bins(), 0.0);
        packed.pack_transposed(&rows, settings.bins());
        ChromaBank { tuning, classes: settings.chroma, filters: packed }
    }

    /// The tuning the bank was built for, in chroma bins.
    pub(super) fn tuning(&self) -> f64 {
        self.tuning
    }

    /// Chroma of every frame: `power` `[T,B]` into the columns of `features` `[T,width]` from `first` on, the largest value
    /// of a frame 1. A silent frame stays 0: where the largest is no normal number, there is nothing to divide by
    /// (as in `librosa.util.normalize`).
    pub(super) fn apply(&self, power: &Matrix<f32>, features: &mut Matrix<f32>, first: usize) {
        let mut sums = Matrix::zeros(power.rows(), self.filters.columns());
        product(Start::Zero, &[Term { a: power.as_slice(), b: &self.filters }], sums.as_mut_slice());
        for t in 0..features.rows() {
            let chroma = &mut features.row_mut(t)[first..first + self.classes];
            chroma.copy_from_slice(&sums.row(t)[..self.classes]);
            let largest = chroma.iter().copied().fold(0.0, f32::max);
            if largest >= f32::MIN_POSITIVE {
                for value in chroma {
                    *value /= largest;
                }
            }
        }
    }
}

/// The filters for one tuning, one row per pitch class, `[chroma,B]`.
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
fn filters(settings: &FeatureSettings, sample_rate: u32, tuning: f64) -> Matrix<f32> {
    let (classes, bins) = (settings.chroma, settings.bins());
    let octave = classes as f64;
    let origin = A4_HZ / 16.0 * (tuning / octave).exp2();
    let hz_per_bin = f64::from(sample_rate) / settings.n_fft as f64;
    let pitch_of = |k: usize| octave * (k as f64 * hz_per_bin / origin).log2();
    let pitch = |k: usize| if k == 0 { pitch_of(1) - 1.5 * octave } else { pitch_of(k) };
    // Pitches count from A, rows from C, a quarter of an octave higher.
    let a_to_c = octave / 4.0;

    let mut filters = Matrix::zeros(classes, bins);
    let mut shares = vec![0.0; classes];
    for k in 0..bins {
        let p = pitch(k);
        let width = (pitch(k + 1) - p).max(1.0);
        for (c, share) in shares.iter_mut().enumerate() {
            let octaves_away = (p - a_to_c - c as f64) / octave;
            let distance = (octaves_away - octaves_away.round()) * octave;
            *share = (-0.5 * (2.0 * distance / width).powi(2)).exp();
        }
        let length = shares.iter().map(|share| share * share).sum::<f64>().sqrt();
        let octaves_off = (p / octave - CENTRE_OCTAVE) / OCTAVE_WIDTH;
        let scale = (-0.5 * octaves_off.powi(2)).exp() / length;
        for (c, share) in shares.iter().enumerate() {
            filters[(c, k)] = (share * scale) as f32;
        }
    }
    filters
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

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
        ChromaBank::new(&FeatureSettings::default(), 44_100, 0.0).apply(
            &Matrix::from_rows(&[&power[..], &[0.0; 2049]]),
            &mut features,
            2,
        );
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
