//! Chroma by a filter bank, which is computed once per tuning: 280 kB with the paper's settings.

use super::{CENTRE_OCTAVE, FeatureSettings, Formula, OCTAVE_WIDTH, divide_by_largest};
use crate::kernels::lanes::LANES;
use crate::kernels::{Panels, Start, Term, product, simd};
use crate::matrix::Matrix;
use crate::prelude::*;

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
pub(in super::super) struct ChromaBank {
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
    pub(in super::super) fn new(settings: &FeatureSettings, sample_rate: u32) -> Self {
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
    pub(in super::super) fn tune(&mut self, tuning: f64) {
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
    /// of a frame 1.
    pub(in super::super) fn apply(&self, power: &Matrix<f32>, features: &mut Matrix<f32>, first: usize) {
        let mut sums = Matrix::zeros(power.rows(), self.filters.columns());
        product(Start::Zero, &[Term { a: power.as_slice(), b: &self.filters }], sums.as_mut_slice());
        for t in 0..features.rows() {
            let chroma = &mut features.row_mut(t)[first..first + self.formula.classes];
            chroma.copy_from_slice(&sums.row(t)[..self.formula.classes]);
            divide_by_largest(chroma);
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

#[cfg(test)]
mod tests {
    use super::super::tests::filters;
    use super::*;

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
}
