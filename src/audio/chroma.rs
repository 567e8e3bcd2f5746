//! Chroma: the power of each of the twelve pitch classes, summed over octaves (`librosa.feature.chroma_stft`).

use super::FeatureSettings;
use crate::kernels::lanes::LANES;
use crate::kernels::{Panels, Start, Term, product, simd};
use crate::matrix::Matrix;
use crate::prelude::*;

/// A = 440 Hz, the concert pitch.
const A4_HZ: f64 = 440.0;
/// The octave with the largest weight, in octaves above 27.5 Hz: 880 Hz.
const CENTRE_OCTAVE: f64 = 5.0;
/// Standard deviation of the weight of octaves, in octaves.
const OCTAVE_WIDTH: f64 = 2.0;

/// The most pitch classes that settings may have.
pub(super) const MOST_CLASSES: usize = 48;
/// The number of pitch classes for which a bank is tuned without exponentials.
const TWELVE: usize = 12;
/// Bins that are tuned together.
const BLOCK: usize = 64;
/// 1/8!, 1/7!, … 1/0!: the series of the exponential.
const SERIES: [f64; 9] =
    [1.0 / 40_320.0, 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 1.0 / 2.0, 1.0, 1.0];
/// More than the relative error of [`NarrowBins::tune`] and of [`Formula`] together, which are within 3e-12.
const UNCERTAINTY: f64 = 5e-12;

/// The filters for one tuning at a time, one column per pitch class, C first, padded with zero columns to a full vector:
/// `[B,≥chroma]`. Another tuning replaces them in place.
#[derive(Clone, Debug)]
pub(super) struct ChromaBank {
    formula: Formula,
    /// None before the first.
    tuning: Option<f64>,
    filters: Panels<f32>,
    narrow: NarrowBins,
    /// A row of `filters`, `[≥chroma]`.
    row: Vec<f32>,
    /// Bins whose filters are uncertain in the last bit.
    uncertain: Vec<usize>,
}

impl ChromaBank {
    /// A bank without a tuning.
    pub(super) fn new(settings: &FeatureSettings, sample_rate: u32) -> Self {
        let formula = Formula::new(settings, sample_rate);
        let columns = settings.chroma.next_multiple_of(LANES);
        let mut filters = Panels::default();
        filters.reshape(settings.bins(), columns);
        ChromaBank {
            narrow: NarrowBins::new(&formula, settings.bins()),
            formula,
            tuning: None,
            filters,
            row: vec![0.0; columns],
            uncertain: Vec::with_capacity(settings.bins()),
        }
    }

    /// Makes the filters those of `tuning`, in chroma bins from −0.5 to 0.5: those of [`Formula`], to the bit.
    pub(super) fn tune(&mut self, tuning: f64) {
        if self.tuning == Some(tuning) {
            return;
        }
        self.tuning = Some(tuning);
        let ChromaBank { formula, filters, narrow, row, uncertain, .. } = self;
        let origin = formula.origin(tuning);
        uncertain.clear();
        narrow.tune(tuning, filters, uncertain);
        for k in (0..narrow.first).chain(uncertain.iter().copied()) {
            formula.column(k, origin, row);
            filters.set_rows(k, row);
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

/// The bins that are less than one of twelve pitch classes wide: nearly all.
///
/// # Derivation
/// Such a bin has the width 1 in [`Formula::column`], so it gives to the class `o` above the nearest, `φ` chroma bins away,
/// ```text
/// g[o] = exp(−2·(φ − o)²) = exp(−2φ²) · r^o · exp(−2o²)      r = e^(4φ)
/// ```
/// Factors common to all classes cancel in `g / √Σg²`, so powers of one number do for all; they may begin at any power. A tuning
/// `τ` makes `φ − τ` of `φ`, and `r^o·e^(−4τo)` of `r^o`. The weight of the octave `a` becomes, with `t = τ/12`,
/// ```text
/// exp(−(a − t)²/8) = exp(−a²/8) · exp(a·t/4) · exp(−t²/8)
/// ```
/// where `a·t/4` is small: nine terms of the series suffice. That leaves no exponential per bin. The result is rounded to `f32`, so
/// it is the formula's own, unless a rounding edge lies within [`UNCERTAINTY`]: such a bin is computed by the formula.
#[derive(Clone, Debug)]
struct NarrowBins {
    /// The first of them; the number of bins where the bank has not twelve classes.
    first: usize,
    bins: Vec<NarrowBin>,
    /// Of each, the octaves above the one with the largest weight, and the weight; at the tuning 0.
    octaves: Vec<f64>,
    weights: Vec<f64>,
}

#[derive(Clone, Debug)]
struct NarrowBin {
    /// 1, r, r², r³ at the tuning 0, for the classes −6 to −3 above the nearest.
    powers: [f64; 4],
    /// r⁴
    fourth: f64,
    /// Where C is among the classes from −6 above the nearest on.
    place_of_c: usize,
}

/// What a tuning changes, the same for all bins.
struct Change {
    /// `exp(−2o²)·e^(−4τo)`, but for a common factor, for the classes `o` = −6 to 5 above the nearest.
    factors: [f64; TWELVE],
    /// For the class 6 above, which is that 6 below; padded to a vector.
    last_factor: [f64; 4],
    /// t/4, for the series.
    octaves: f64,
    /// exp(−t²/8)
    weight: f64,
}

impl Change {
    fn new(tuning: f64) -> Self {
        let factor = |power: usize| (-2.0 * (power as f64 - 6.0).powi(2) - 4.0 * tuning * power as f64).exp();
        let t = tuning / TWELVE as f64;
        Change {
            factors: core::array::from_fn(factor),
            last_factor: [factor(TWELVE), 0.0, 0.0, 0.0],
            octaves: t / (OCTAVE_WIDTH * OCTAVE_WIDTH),
            weight: (-0.5 * (t / OCTAVE_WIDTH).powi(2)).exp(),
        }
    }
}

impl NarrowBins {
    fn new(formula: &Formula, bins: usize) -> Self {
        let origin = formula.origin(0.0);
        let is_narrow = |&k: &usize| formula.pitch(k + 1, origin) - formula.pitch(k, origin) < 1.0;
        let narrow = if formula.classes == TWELVE { (1..bins).find(is_narrow) } else { None };
        let first = narrow.unwrap_or(bins);
        let pitches = || (first..bins).map(|k| formula.pitch(k, origin));
        let octaves: Vec<f64> = pitches().map(|p| p / TWELVE as f64 - CENTRE_OCTAVE).collect();
        let bin = |p: f64| {
            let r = (4.0 * (p - p.round())).exp();
            let place_of_c = 6.0 + formula.a_to_c() - p.round();
            NarrowBin {
                powers: [1.0, r, r * r, r * r * r],
                fourth: (r * r) * (r * r),
                // whole: `narrow` are of twelve classes
                place_of_c: (place_of_c as i64).rem_euclid(TWELVE as i64) as usize,
            }
        };
        NarrowBins {
            first,
            bins: pitches().map(bin).collect(),
            weights: octaves.iter().map(|a| (-0.5 * (a / OCTAVE_WIDTH).powi(2)).exp()).collect(),
            octaves,
        }
    }

    /// Filters of all these bins for `tuning`, into `filters`; the bins that are uncertain in the last bit into `uncertain`.
    ///
    /// Written for the compiler: loops over four numbers become vectors, 76 instructions per bin with AVX2.
    fn tune(&self, tuning: f64, filters: &mut Panels<f32>, uncertain: &mut Vec<usize>) {
        let Change { factors, last_factor, octaves, weight } = Change::new(tuning);
        let rows = filters.strip_mut(0)[self.first..].chunks_mut(BLOCK);
        let known = self.octaves.chunks(BLOCK).zip(self.weights.chunks(BLOCK));
        let mut weights = [0.0; BLOCK];
        // Twice, so that twelve values in a row are an octave from any class on; the rest spares a check.
        let mut classes = [0.0f32; 2 * TWELVE + 4];
        simd!(|level| {
            let sum = |a: f64, b: f64, c: f64| if level.fused() { a.mul_add(b, c) } else { a * b + c };
            let mut k = self.first;
            for ((bins, rows), (known_octaves, known_weights)) in self.bins.chunks(BLOCK).zip(rows).zip(known) {
                for (new, (a, known)) in weights.iter_mut().zip(known_octaves.iter().zip(known_weights)) {
                    let x = a * octaves;
                    *new = known * weight * SERIES.iter().fold(0.0, |series, &term| sum(series, x, term));
                }
                for ((bin, row), weight) in bins.iter().zip(rows).zip(weights) {
                    let NarrowBin { powers, fourth, place_of_c } = bin;
                    let (eighth, twelfth) = (fourth * fourth, fourth * fourth * fourth);
                    let mut shares = [0.0; TWELVE];
                    for l in 0..4 {
                        // Half an octave above and below is one class, at the smaller of the distances.
                        let (below, above) = (powers[l] * factors[l], powers[l] * twelfth * last_factor[l]);
                        shares[l] = if below > above { below } else { above };
                    }
                    for l in 0..4 {
                        shares[4 + l] = powers[l] * fourth * factors[4 + l];
                    }
                    for l in 0..4 {
                        shares[8 + l] = powers[l] * eighth * factors[8 + l];
                    }
                    let mut squares = [0.0f64; 4];
                    for l in 0..4 {
                        let [a, b, c] = [shares[l], shares[4 + l], shares[8 + l]];
                        squares[l] = sum(c, c, sum(b, b, a * a));
                    }
                    let scale = weight / ((squares[0] + squares[2]) + (squares[1] + squares[3])).sqrt();
                    let (mut least, mut most) = ([0.0f32; TWELVE], [0.0f32; TWELVE]);
                    for j in 0..TWELVE {
                        least[j] = (shares[j] * (scale * (1.0 - UNCERTAINTY))) as f32;
                        most[j] = (shares[j] * (scale * (1.0 + UNCERTAINTY))) as f32;
                    }
                    let bits = least.iter().zip(&most).fold(0, |bits, (a, b)| bits | (a.to_bits() ^ b.to_bits()));
                    if bits != 0 {
                        uncertain.push(k);
                    }
                    classes[..TWELVE].copy_from_slice(&most);
                    classes[TWELVE..2 * TWELVE].copy_from_slice(&most);
                    row.0[..TWELVE].copy_from_slice(&classes[place_of_c & 15..][..TWELVE]);
                    k += 1;
                }
            }
        });
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

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    /// The filters by the formula, one row per pitch class, `[chroma,B]`.
    fn filters(settings: &FeatureSettings, sample_rate: u32, tuning: f64) -> Matrix<f32> {
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
            (24, 512, 16_000, 33),
            (48, 1024, 22_050, 50),
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
