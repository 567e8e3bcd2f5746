//! Resampling to another rate: a windowed sinc, one set of weights for each position between two samples (Smith 2002, "Digital
//! audio resampling home page"; Crochiere and Rabiner 1983, a polyphase filter).
//!
//! | symbol | meaning                                                                                       |
//! |--------|-----------------------------------------------------------------------------------------------|
//! | `L/M`  | new rate over old rate, in lowest terms, or the nearest fraction with few weights             |
//! | `H`    | half the length of the filter, in samples of the old rate                                     |
//! | `c`    | cutoff, in cycles per sample of the old rate                                                  |
//!
//! Below 0.95 of half the lower of the two rates, tones keep their level within 0.01 dB; from 1.05 of it on they are at least 70 dB
//! down. From any rate to 16 kHz, that is 7.6 kHz, and what is folded back lies above. Output sample 0 has the time of input
//! sample 0, so the sound is not delayed, only known `H` samples later: 2 ms from 48 to 16 kHz.

use core::f64::consts::PI;

use super::SampleSink;
use crate::error::Result;
use crate::kernels::{dot, simd};
use crate::prelude::*;

/// Where the filter begins to fall, and where it has fallen, in units of half the lower rate.
const PASS: f64 = 0.95;
const STOP: f64 = 1.05;
/// Attenuation that Kaiser's formulas are for, dB.
const ATTENUATION: f64 = 80.0;
/// The most sets of weights. Of two rates with a common divisor, such as 44,100 and 16,000, far fewer are needed.
const MOST_PHASES: u64 = 1_024;
/// The most weights of all phases, 2 MB: a header that states an odd rate costs no more. Far fewer are needed, as above.
const MOST_WEIGHTS: usize = 1 << 19;
/// Samples that are taken together.
const PORTION: usize = 1_024;

/// A streaming resampler: takes the samples of a recording in portions of any size. Its memory is that of its construction.
///
/// ```
/// use reslstm::audio::Resampler;
///
/// let mut resampler = Resampler::new(48_000, 16_000);
/// let mut speech = Vec::new();
/// let mut keep = |samples: &[f32]| Ok(speech.extend_from_slice(samples));
/// for portion in vec![0.1; 48_000].chunks(480) {
///     resampler.push(portion, &mut keep)?;
/// }
/// resampler.finish(&mut keep)?;
/// assert_eq!(speech.len(), 16_000);
/// # Ok::<(), reslstm::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Resampler {
    from: u64,
    to: u64,
    /// `L` and `M`
    phases: usize,
    step: usize,
    /// Weights of every phase, `[L,2H]`; none where the rates are equal.
    weights: Vec<f32>,
    /// `2H`
    length: usize,
    /// The samples from which the next output samples are computed, `[≤ 2H + PORTION]`.
    window: Vec<f32>,
    /// Where in `window` the filter of the next output sample begins, and its phase.
    first: usize,
    phase: usize,
    /// Samples in and out so far.
    taken: u64,
    given: u64,
    output: Vec<f32>,
}

/// All `samples` of a recording at another rate: what a [`Resampler`] makes of them.
///
/// # Panics
/// If a rate is 0.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    let (mut resampler, mut output) = (Resampler::new(from, to), Vec::new());
    let mut keep = |samples: &[f32]| {
        output.extend_from_slice(samples);
        Ok(())
    };
    let done = resampler.push(samples, &mut keep).and_then(|()| resampler.finish(&mut keep));
    done.expect("keeping samples never fails");
    output
}

impl Resampler {
    /// A resampler between two rates, in Hz, before the first sample. Between equal rates, samples are handed on as they are.
    ///
    /// # Panics
    /// If a rate is 0.
    pub fn new(from: u32, to: u32) -> Self {
        assert!(from > 0 && to > 0, "a sample rate is not 0");
        let (from, to) = (u64::from(from), u64::from(to));
        let half = half_length(from as f64, to as f64);
        let most = (MOST_WEIGHTS / (2 * half)).max(1) as u64;
        let (phases, step) = nearest_fraction(to, from, most.min(MOST_PHASES));
        let (length, is_copy) = (2 * half, from == to);
        let mut resampler = Resampler {
            from,
            to,
            phases: phases as usize,
            step: step as usize,
            weights: if is_copy { Vec::new() } else { weights(from as f64, to as f64, phases as usize, half) },
            length,
            window: Vec::with_capacity(length + PORTION),
            first: 0,
            phase: 0,
            taken: 0,
            given: 0,
            output: Vec::with_capacity(PORTION * phases as usize / step as usize + 2),
        };
        resampler.reset();
        resampler
    }

    /// Hands the output samples that the next `samples` complete to `sink`.
    ///
    /// # Errors
    /// Those of `sink`.
    pub fn push(&mut self, samples: &[f32], sink: &mut SampleSink) -> Result<()> {
        if self.from == self.to {
            return sink(samples);
        }
        for samples in samples.chunks(PORTION) {
            self.taken += samples.len() as u64;
            self.filter(samples, u64::MAX);
            sink(&self.output)?;
        }
        Ok(())
    }

    /// Hands the last output samples to `sink`: of `n` samples, `⌈n · to / from⌉` are made in all. The next [`push`](Self::push)
    /// begins a new recording.
    ///
    /// # Errors
    /// Those of `sink`.
    pub fn finish(&mut self, sink: &mut SampleSink) -> Result<()> {
        let total = (self.taken * self.to).div_ceil(self.from);
        while self.given < total {
            self.filter(&[0.0; PORTION], total - self.given);
            sink(&self.output)?;
        }
        self.reset();
        Ok(())
    }

    /// Begins a new recording: silence lies before its first sample.
    fn reset(&mut self) {
        (self.first, self.phase, self.taken, self.given) = (0, 0, 0, 0);
        self.window.clear();
        self.window.resize(self.length / 2 - 1, 0.0);
    }

    /// The output samples, `most` at most, that the next `samples`, a portion at most, complete: into `output`.
    fn filter(&mut self, samples: &[f32], most: u64) {
        let Resampler { phases, step, weights, length, window, first, phase, output, .. } = self;
        window.extend_from_slice(samples);
        output.clear();
        simd!(|level| {
            while window.len() >= *first + *length && (output.len() as u64) < most {
                let of_phase = &weights[*phase * *length..][..*length];
                output.push(dot(level, &window[*first..*first + *length], of_phase));
                *phase += *step;
                *first += *phase / *phases;
                *phase %= *phases;
            }
        });
        let done = (*first).min(window.len());
        window.drain(..done);
        *first -= done;
        self.given += self.output.len() as u64;
    }
}

/// `to / from` in lowest terms if its numerator is at most `most`; otherwise the nearest fraction that has such a one. It is off by
/// less than one in two thousand: less than a cent, a hundredth of a semitone. Where [`MOST_WEIGHTS`] limits the numerator, the
/// denominator is about 5,000 or more.
fn nearest_fraction(to: u64, from: u64, most: u64) -> (u64, u64) {
    let step = |phases: u64| ((phases * from + to / 2) / to).max(1);
    // |L/M − to/from|, relative and times a constant
    let error = |phases: u64| (phases * from).abs_diff(step(phases) * to) as f64 / step(phases) as f64;
    let nearest = (1..=most).min_by(|&a, &b| error(a).total_cmp(&error(b))).expect("there are some");
    (nearest, step(nearest))
}

/// `H`, by Kaiser's formula for the length of a filter: `(A − 7.95) / (14.36·Δ)` with `Δ` the width of the fall in cycles per sample.
fn half_length(from: f64, to: f64) -> usize {
    let width = (STOP - PASS) / 2.0 * (to / from).min(1.0);
    ((ATTENUATION - 7.95) / (14.36 * width) / 2.0).ceil() as usize
}

/// Weights of all phases, one after another, `[L,2H]`.
///
/// # Formula
/// The output sample at time `t`, in samples of the old rate, is `Σ_j h(j − t)·x[j]`, `|j − t| < H`, with
/// ```text
/// h(u) = sin(2πc·u)/(πu) · I₀(β·√(1 − (u/H)²)) / I₀(β)           β = 0.1102·(A − 8.7)
/// ```
/// In phase `p`, `t` lies `p/L` behind a sample, and the filter begins `H − 1` samples before that one.
fn weights(from: f64, to: f64, phases: usize, half: usize) -> Vec<f32> {
    let cutoff = (STOP + PASS) / 4.0 * (to / from).min(1.0);
    let beta = 0.1102 * (ATTENUATION - 8.7);
    let middle = bessel_i0(beta);
    let at = |u: f64| {
        let sinc = if u == 0.0 { 2.0 * cutoff } else { (2.0 * PI * cutoff * u).sin() / (PI * u) };
        let inside = 1.0 - (u / half as f64).powi(2);
        if inside > 0.0 { (sinc * bessel_i0(beta * inside.sqrt()) / middle) as f32 } else { 0.0 }
    };
    let tap = |phase: usize, j: usize| at(j as f64 - (half - 1) as f64 - phase as f64 / phases as f64);
    (0..phases).flat_map(|phase| (0..2 * half).map(move |j| tap(phase, j))).collect()
}

/// The modified Bessel function of order 0, `Σ_k ((x/2)^k / k!)²`, by its series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > 1e-17 * sum {
        term *= (x / (2.0 * k)).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::RandomStream;
    use std::f64::consts::TAU;

    fn resample(from: u32, to: u32, samples: &[f32], portions: &[usize]) -> Vec<f32> {
        let mut resampler = Resampler::new(from, to);
        let (mut out, mut rest) = (Vec::new(), samples);
        let memory = |it: &Resampler| (it.window.capacity(), it.output.capacity(), it.weights.capacity());
        let before = memory(&resampler);
        let mut keep = |samples: &[f32]| {
            out.extend_from_slice(samples);
            Ok(())
        };
        for &portion in portions.iter().cycle() {
            let (now, later) = rest.split_at(portion.min(rest.len()));
            resampler.push(now, &mut keep).unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        resampler.finish(&mut keep).unwrap();
        assert_eq!(memory(&resampler), before, "memory grows");
        out
    }

    fn tone(rate: u32, hz: f64) -> Vec<f32> {
        (0..rate).map(|n| (TAU * hz * f64::from(n) / f64::from(rate)).sin() as f32).collect()
    }

    /// Power of the middle half, dB, where a sine has 0.
    fn level(samples: &[f32]) -> f64 {
        let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
        let power = middle.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / middle.len() as f64;
        10.0 * (2.0 * power).log10()
    }

    #[test]
    fn tones_keep_their_level_and_what_would_be_folded_back_is_removed() {
        for from in [48_000, 44_100, 32_000, 24_000, 22_050] {
            for hz in [100.0, 1_000.0, 4_000.0, 7_000.0, 7_200.0] {
                let level = level(&resample(from, 16_000, &tone(from, hz), &[777]));
                assert!(level.abs() < 0.01, "{from} Hz, a tone of {hz} Hz: {level} dB");
            }
            for hz in [8_400.0, 9_000.0, 10_500.0, 14_000.0, 20_000.0] {
                if hz < f64::from(from) / 2.0 {
                    let level = level(&resample(from, 16_000, &tone(from, hz), &[777]));
                    assert!(level < -70.0, "{from} Hz, a tone of {hz} Hz: {level} dB");
                }
            }
        }
        // Upwards: the tone stays, its images do not appear.
        for from in [8_000, 11_025] {
            let hz = 0.45 * f64::from(from);
            let (got, wanted) = (resample(from, 16_000, &tone(from, hz), &[777]), tone(16_000, hz));
            let difference: Vec<f32> = got.iter().zip(&wanted).map(|(a, b)| a - b).collect();
            assert!(level(&difference) < -60.0, "{from} Hz: {} dB", level(&difference));
        }
    }

    /// The formula term by term, over all samples and in f64.
    fn by_definition(from: u32, to: u32, x: &[f32], count: usize) -> Vec<f64> {
        let (from, to) = (f64::from(from), f64::from(to));
        let lower = (to / from).min(1.0);
        let (cutoff, beta) = ((0.95 + 1.05) / 4.0 * lower, 0.1102 * (80.0 - 8.7));
        let half = ((80.0 - 7.95) / (14.36 * 0.05 * lower) / 2.0).ceil();
        let h = |u: f64| {
            let sinc = if u == 0.0 { 2.0 * cutoff } else { (TAU * cutoff * u).sin() / (PI * u) };
            let kaiser = bessel_i0(beta * (1.0 - (u / half).powi(2)).sqrt()) / bessel_i0(beta);
            if u.abs() < half { sinc * kaiser } else { 0.0 }
        };
        let sample = |k: usize| {
            let t = k as f64 * from / to;
            x.iter().enumerate().map(|(j, &x)| h(j as f64 - t) * f64::from(x)).sum()
        };
        (0..count).map(sample).collect()
    }

    #[test]
    fn the_polyphase_filter_is_the_sum_over_all_samples() {
        let mut stream = RandomStream::new(3, "noise", 0);
        let x: Vec<f32> = (0..900).map(|_| stream.between(-1.0, 1.0) as f32).collect();
        for (from, to) in [(48_000, 16_000), (44_100, 16_000), (8_000, 16_000), (11_025, 16_000), (16_000, 44_100)] {
            let got = resample(from, to, &x, &[900]);
            assert_eq!(got.len(), (900 * to as usize).div_ceil(from as usize));
            for (k, (got, expected)) in got.iter().zip(by_definition(from, to, &x, got.len())).enumerate() {
                assert!((f64::from(*got) - expected).abs() < 2e-6, "{from} to {to}, {k}: {got} {expected}");
            }
        }
    }

    #[test]
    fn the_result_does_not_depend_on_portions_and_memory_stays() {
        let mut stream = RandomStream::new(4, "noise", 0);
        let x: Vec<f32> = (0..5_003).map(|_| stream.nearly_normal()).collect();
        for (from, to) in [(48_000, 16_000), (44_100, 16_000), (8_000, 16_000), (16_000, 16_000), (192_000, 16_000)] {
            let whole = resample(from, to, &x, &[5_003]);
            assert_eq!(whole.len(), (5_003 * to as usize).div_ceil(from as usize));
            for portions in [&[1][..], &[0, 311, 2], &[1_024], &[4_000, 1]] {
                assert_eq!(resample(from, to, &x, portions), whole, "{from} to {to}, {portions:?}");
            }
        }
        assert_eq!(resample(16_000, 16_000, &x, &[311]), x, "equal rates copy");
        assert!(resample(44_100, 16_000, &[], &[1]).is_empty());
    }

    #[test]
    fn an_impulse_stays_where_it_is() {
        let mut x = vec![0.0; 4_801];
        x[2_400] = 1.0;
        for (from, to, place) in [(48_000, 16_000, 800), (8_000, 16_000, 4_800), (44_100, 16_000, 871)] {
            let y = resample(from, to, &x, &[100]);
            let largest = (0..y.len()).max_by(|&a, &b| y[a].total_cmp(&y[b])).unwrap();
            assert_eq!(largest, place, "{from} to {to}: 2,400 · to / from");
        }
    }

    #[test]
    fn a_second_recording_begins_anew() {
        let mut resampler = Resampler::new(48_000, 16_000);
        let mut once = |samples: &[f32]| {
            let mut out = Vec::new();
            let mut keep = |samples: &[f32]| {
                out.extend_from_slice(samples);
                Ok(())
            };
            resampler.push(samples, &mut keep).unwrap();
            resampler.finish(&mut keep).unwrap();
            out
        };
        let first = once(&tone(48_000, 300.0)[..2_000]);
        once(&[0.7; 1_234]);
        assert_eq!(once(&tone(48_000, 300.0)[..2_000]), first);
    }

    #[test]
    fn odd_rates_have_the_nearest_fraction() {
        assert_eq!(nearest_fraction(16_000, 48_000, MOST_PHASES), (1, 3));
        assert_eq!(nearest_fraction(16_000, 44_100, MOST_PHASES), (160, 441));
        assert_eq!(nearest_fraction(16_000, 8_000, MOST_PHASES), (2, 1));
        assert_eq!(nearest_fraction(16_000, 11_025, MOST_PHASES), (640, 441));
        for from in [44_101, 15_999, 16_008, 999_983] {
            let (phases, step) = nearest_fraction(16_000, from, MOST_PHASES);
            let error = phases as f64 / step as f64 / (16_000.0 / from as f64) - 1.0;
            assert!(phases <= MOST_PHASES && error.abs() < 5e-4, "{from}: {phases}/{step}, {error:e}");
        }
    }

    /// A header may state any rate.
    #[test]
    fn no_rates_need_more_weights_than_the_limit() {
        for (from, to) in [(999_983, 1_000), (999_983, 16_000), (1_000_000, 1_009), (191_999, 16_000), (1_009, 999_983)]
        {
            let Resampler { phases, step, weights, .. } = Resampler::new(from, to);
            let error = phases as f64 / step as f64 / (f64::from(to) / f64::from(from)) - 1.0;
            assert!(weights.len() <= MOST_WEIGHTS && error.abs() < 5e-4, "{from} to {to}: {phases}/{step}, {error:e}");
        }
        let Resampler { phases, step, .. } = Resampler::new(384_000, 11_025);
        assert_eq!((phases, step), (147, 5_120), "rates that are in use have their own fraction");
    }
}
