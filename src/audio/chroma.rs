//! Chroma: the power of each of the twelve pitch classes, summed over octaves (`librosa.feature.chroma_stft`).

use super::FeatureSettings;
use crate::kernels::lanes::LANES;
use crate::kernels::{Panels, Start, Term, product, simd};
use crate::matrix::Matrix;

/// A = 440 Hz, the concert pitch.
const A4_HZ: f64 = 440.0;
/// The octave with the largest weight, in octaves above 27.5 Hz: 880 Hz.
const CENTRE_OCTAVE: f64 = 5.0;
/// Standard deviation of the weight of octaves, in octaves.
const OCTAVE_WIDTH: f64 = 2.0;

/// The most pitch classes that settings may have.
pub(super) const MOST_CLASSES: usize = 48;
/// Bins that are computed together.
const BLOCK: usize = 8;
/// Distance, in chroma bins, from which on a share is 0 in `f32`, apart from one more that tunings move: e^(−½·(2·8)²).
const FARTHEST: usize = 8;
/// Inverse of 8, 7, … 1, for the series of the exponential.
const SERIES: [f64; 8] = [1.0 / 8.0, 1.0 / 7.0, 1.0 / 6.0, 1.0 / 5.0, 1.0 / 4.0, 1.0 / 3.0, 1.0 / 2.0, 1.0];
/// More than the relative error of [`ChromaBank::tune`] and of [`Formula`] together, which are within 1e-11 for 48 classes.
const UNCERTAINTY: f64 = 2e-11;

/// The filters for one tuning at a time, one column per pitch class, C first, padded with zero columns to a full vector:
/// `[B,≥chroma]`. Another tuning replaces them in place, for a tenth of the instructions that the formula takes, and with the same
/// result to the bit.
#[derive(Clone, Debug)]
pub(super) struct ChromaBank {
    formula: Formula,
    /// None before the first.
    tuning: Option<f64>,
    filters: Panels<f32>,
    /// The first bin that is less than one chroma bin wide.
    first_narrow: usize,
    /// From there on, whole blocks of them.
    narrow: Vec<NarrowBins>,
    /// A block of rows of `filters`.
    rows: Vec<f32>,
}

/// A number of each bin of a block.
type Lane = [f64; BLOCK];

/// What [`ChromaBank::tune`] needs to know of [`BLOCK`] bins, all at the tuning 0.
#[derive(Clone, Debug)]
struct NarrowBins {
    /// The lowest pitch class that counts, [`FARTHEST`] or half an octave below the nearest.
    lowest: [usize; BLOCK],
    /// `e^(4φ)`, where `φ` is the distance from the nearest class, in chroma bins.
    ratio: Lane,
    /// Octaves above the one with the largest weight.
    octaves: Lane,
    /// Weight of the octave.
    weight: Lane,
}

/// What a tuning changes, the same for all bins.
struct Change {
    /// Of `ratio`, a factor.
    ratio: f64,
    /// The tuning, in octaves.
    octaves: f64,
    /// Of `weight`, a factor.
    weight: f64,
    /// `exp(−2o²)` for classes at the distance `o`.
    gaussian: [f64; FARTHEST + 1],
}

impl ChromaBank {
    /// A bank without a tuning.
    pub(super) fn new(settings: &FeatureSettings, sample_rate: u32) -> Self {
        let formula = Formula::new(settings, sample_rate);
        let bins = settings.bins();
        let first_narrow = (1..bins).find(|&k| formula.pitch(k + 1, 0.0) - formula.pitch(k, 0.0) < 1.0).unwrap_or(bins);
        let columns = settings.chroma.next_multiple_of(LANES);
        let mut filters = Panels::default();
        filters.reshape(bins, columns);
        ChromaBank {
            narrow: (first_narrow..bins).step_by(BLOCK).map(|first| NarrowBins::new(&formula, first)).collect(),
            formula,
            tuning: None,
            filters,
            first_narrow,
            rows: vec![0.0; BLOCK * columns],
        }
    }

    /// Makes the filters those of `tuning`, in chroma bins from −0.5 to 0.5.
    ///
    /// # Derivation
    /// A bin less than one chroma bin wide has the width 1, so it gives to the class `o` above the nearest
    /// ```text
    /// g[o] = exp(−2·(φ − o)²) = exp(−2φ²) · r^o · exp(−2o²)      r = e^(4φ)
    /// ```
    /// The first factor is common to all classes and cancels in `g / √Σg²`, so powers of one number do for all. A tuning `τ`
    /// makes `φ − τ` of `φ`, and `r·e^(−4τ)` of `r`. The weight of the octave `a` becomes, with `t = τ/C`,
    /// ```text
    /// exp(−(a − t)²/8) = exp(−a²/8) · exp(a·t/4) · exp(−t²/8)
    /// ```
    /// where `a·t/4` is small: eight terms of the series suffice. That leaves no exponential per bin. As the result is rounded to
    /// `f32`, it is the formula's own, unless a rounding edge lies within [`UNCERTAINTY`]: such a bin is computed by the formula.
    pub(super) fn tune(&mut self, tuning: f64) {
        if self.tuning == Some(tuning) {
            return;
        }
        self.tuning = Some(tuning);
        let (bins, columns) = (self.filters.depth(), self.filters.columns());
        for k in 0..self.first_narrow {
            self.formula.column(k, tuning, &mut self.rows);
            self.filters.set_rows(k, &self.rows[..columns]);
        }
        let change = Change::new(self.formula.classes, tuning);
        for (first, block) in (self.first_narrow..bins).step_by(BLOCK).zip(&self.narrow) {
            let filters =
                if self.formula.classes == 12 { NarrowBins::filters::<6> } else { NarrowBins::filters::<FARTHEST> };
            let uncertain = filters(block, self.formula.classes, &change, &mut self.rows);
            let count = BLOCK.min(bins - first);
            for i in (0..count).filter(|&i| uncertain[i]) {
                self.formula.column(first + i, tuning, &mut self.rows[i * columns..]);
            }
            self.filters.set_rows(first, &self.rows[..count * columns]);
        }
    }

    /// Chroma of every frame: `power` `[T,B]` into the columns of `features` `[T,width]` from `first` on, the largest value
    /// of a frame 1. A silent frame stays 0: where the largest is no normal number, there is nothing to divide by
    /// (as in `librosa.util.normalize`).
    pub(super) fn apply(&self, power: &Matrix<f32>, features: &mut Matrix<f32>, first: usize) {
        let mut sums = Matrix::zeros(power.rows(), self.filters.columns());
        product(Start::Zero, &[Term { a: power.as_slice(), b: &self.filters }], sums.as_mut_slice());
        for t in 0..features.rows() {
            let chroma = &mut features.row_mut(t)[first..first + self.formula.classes];
            chroma.copy_from_slice(&sums.row(t)[..self.formula.classes]);
            let largest = chroma.iter().copied().fold(0.0, f32::max);
            if largest >= f32::MIN_POSITIVE {
                for value in chroma {
                    *value /= largest;
                }
            }
        }
    }
}

impl Change {
    fn new(classes: usize, tuning: f64) -> Self {
        let octaves = tuning / classes as f64;
        Change {
            ratio: (-4.0 * tuning).exp(),
            octaves,
            weight: (-0.5 * (octaves / OCTAVE_WIDTH).powi(2)).exp(),
            gaussian: std::array::from_fn(|o| (-2.0 * (o * o) as f64).exp()),
        }
    }
}

impl NarrowBins {
    /// Of the bins from `first` on, some of which may lie beyond the last.
    fn new(formula: &Formula, first: usize) -> Self {
        let classes = formula.classes as f64;
        let pitch: [f64; BLOCK] = std::array::from_fn(|i| formula.pitch(first + i, 0.0));
        let octaves = pitch.map(|p| p / classes - CENTRE_OCTAVE);
        let reach = FARTHEST.min(formula.classes / 2);
        NarrowBins {
            lowest: pitch.map(|p| (p.round() - formula.a_to_c() - reach as f64).rem_euclid(classes) as usize),
            ratio: pitch.map(|p| (4.0 * (p - p.round())).exp()),
            octaves,
            weight: octaves.map(|a| (-0.5 * (a / OCTAVE_WIDTH).powi(2)).exp()),
        }
    }

    /// Filters of these bins, into `rows` `[BLOCK,columns]`; and which of them are uncertain in the last bit. `R` is the distance up
    /// to which classes count.
    fn filters<const R: usize>(&self, classes: usize, change: &Change, rows: &mut [f32]) -> [bool; BLOCK] {
        let columns = rows.len() / BLOCK;
        // Of a class at the distance −R + j, in row j.
        let mut rounded = [[0.0f32; BLOCK]; 2 * FARTHEST + 1];
        let mut uncertain = [false; BLOCK];
        simd!(|_| {
            let ratio: Lane = std::array::from_fn(|i| self.ratio[i] * change.ratio);
            let inverse = ratio.map(|ratio| 1.0 / ratio);
            let mut shares = [[1.0; BLOCK]; 2 * FARTHEST + 1];
            let (mut squares, mut up, mut down) = ([1.0; BLOCK], [1.0; BLOCK], [1.0; BLOCK]);
            for o in 1..=R {
                for i in 0..BLOCK {
                    up[i] *= ratio[i];
                    down[i] *= inverse[i];
                    let (above, below) = (up[i] * change.gaussian[o], down[i] * change.gaussian[o]);
                    // Half an octave above and below is one class, at the smaller of the distances.
                    let is_same = 2 * o == classes;
                    let (above, below) =
                        if is_same { (0.0, if above > below { above } else { below }) } else { (above, below) };
                    squares[i] += above * above + below * below;
                    (shares[R + o][i], shares[R - o][i]) = (above, below);
                }
            }
            let scale: Lane = std::array::from_fn(|i| {
                let x = self.octaves[i] * change.octaves / (OCTAVE_WIDTH * OCTAVE_WIDTH);
                let series = SERIES.iter().fold(1.0, |sum, factor| 1.0 + sum * x * factor);
                self.weight[i] * change.weight * series / squares[i].sqrt()
            });
            let mut differ = [0u32; BLOCK];
            for j in 0..2 * R + 1 {
                for i in 0..BLOCK {
                    let filter = shares[j][i] * scale[i];
                    let least = (filter * (1.0 - UNCERTAINTY)) as f32;
                    rounded[j][i] = (filter * (1.0 + UNCERTAINTY)) as f32;
                    differ[i] |= least.to_bits() ^ rounded[j][i].to_bits();
                }
            }
            uncertain = differ.map(|bits| bits != 0);
            // The octave twice: from the class that comes first, any place in it is the beginning of a whole octave.
            let mut octaves = [0.0f32; 2 * MOST_CLASSES];
            let count = classes.min(2 * R + 1);
            let (rows, octaves) = (&mut rows[..BLOCK * columns], &mut octaves[..2 * classes]);
            for i in 0..BLOCK {
                for j in 0..count {
                    octaves[j] = rounded[j][i];
                    octaves[classes + j] = rounded[j][i];
                }
                let first = classes - self.lowest[i];
                rows[i * columns..][..classes].copy_from_slice(&octaves[first..][..classes]);
            }
        });
        uncertain
    }
}

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

    /// Pitch of bin `k`, in chroma bins above the tuned 27.5 Hz.
    fn pitch(&self, k: usize, tuning: f64) -> f64 {
        let octave = self.classes as f64;
        let origin = A4_HZ / 16.0 * (tuning / octave).exp2();
        let pitch_of = |k: usize| octave * (k as f64 * self.hz_per_bin / origin).log2();
        if k == 0 { pitch_of(1) - 1.5 * octave } else { pitch_of(k) }
    }

    /// Pitches count from A, classes from C, a quarter of an octave higher.
    fn a_to_c(&self) -> f64 {
        self.classes as f64 / 4.0
    }

    /// The filters of bin `k` for one tuning, one per pitch class, into the first numbers of `filters`.
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
    fn column(&self, k: usize, tuning: f64, filters: &mut [f32]) {
        let octave = self.classes as f64;
        let p = self.pitch(k, tuning);
        let width = (self.pitch(k + 1, tuning) - p).max(1.0);
        let mut shares = [0.0; MOST_CLASSES];
        for (c, share) in shares[..self.classes].iter_mut().enumerate() {
            let octaves_away = (p - self.a_to_c() - c as f64) / octave;
            let distance = (octaves_away - octaves_away.round()) * octave;
            *share = (-0.5 * (2.0 * distance / width).powi(2)).exp();
        }
        let length = shares.iter().map(|share| share * share).sum::<f64>().sqrt();
        let octaves_off = (p / octave - CENTRE_OCTAVE) / OCTAVE_WIDTH;
        let scale = (-0.5 * octaves_off.powi(2)).exp() / length;
        for (filter, share) in filters[..self.classes].iter_mut().zip(shares) {
            *filter = (share * scale) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    /// The filters by the formula, one row per pitch class, `[chroma,B]`.
    fn filters(settings: &FeatureSettings, sample_rate: u32, tuning: f64) -> Matrix<f32> {
        let mut filters = Matrix::zeros(settings.chroma, settings.bins());
        let mut column = vec![0.0; settings.chroma];
        for k in 0..settings.bins() {
            Formula::new(settings, sample_rate).column(k, tuning, &mut column);
            column.iter().enumerate().for_each(|(c, &filter)| filters[(c, k)] = filter);
        }
        filters
    }

    fn bank(tuning: f64) -> Matrix<f32> {
        filters(&FeatureSettings::default(), 44_100, tuning)
    }

    #[test]
    fn a_tuned_bank_is_the_formula_to_the_bit() {
        let check = |settings: &FeatureSettings, sample_rate: u32, tunings: &mut dyn Iterator<Item = f64>| {
            let mut bank = ChromaBank::new(settings, sample_rate);
            for tuning in tunings {
                bank.tune(tuning);
                let expected = filters(settings, sample_rate, tuning);
                // The product with the identity is the bank itself, in rows of a bin each.
                let mut unit = vec![0.0; settings.bins()];
                for k in 0..settings.bins() {
                    unit[k] = 1.0;
                    let mut row = vec![0.0; bank.filters.columns()];
                    product(Start::Zero, &[Term { a: &unit, b: &bank.filters }], &mut row);
                    unit[k] = 0.0;
                    for (c, filter) in row.iter().enumerate() {
                        let expected = if c < settings.chroma { expected[(c, k)] } else { 0.0 };
                        assert_eq!(
                            *filter, expected,
                            "{sample_rate} Hz, {settings:?}: tuning {tuning}, bin {k}, class {c}"
                        );
                    }
                }
            }
        };
        let every_nth = |n: usize| (0..100).step_by(n).map(|cell| f64::from(cell as u8) * 0.01 - 0.5);
        for (chroma, n_fft, sample_rate, n) in [
            (12, 512, 16_000, 1),
            (12, 512, 44_100, 7),
            (12, 64, 8_000, 3),
            (24, 512, 16_000, 7),
            (36, 512, 48_000, 9),
            (48, 1024, 22_050, 33),
            (12, 4096, 48_000, 50),
        ] {
            check(&FeatureSettings { n_fft, chroma, ..Default::default() }, sample_rate, &mut every_nth(n));
        }
        let own = [0.5, -0.123_456_789, 1e-300];
        check(&FeatureSettings { n_fft: 512, ..Default::default() }, 16_000, &mut own.into_iter());
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
