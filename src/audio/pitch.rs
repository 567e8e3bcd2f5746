//! Voicing and pitch of a frame (Boersma 1993, "Accurate short-term analysis of the fundamental frequency
//! and the harmonics-to-noise ratio of a sampled sound").
//!
//! A sound of period τ looks like itself τ later: its autocorrelation has a peak there, the higher the less noise there is.
//! A window makes it fall with the lag; dividing by the autocorrelation of the window undoes that. Two columns:
//!
//! | column    | meaning                                                                                              |
//! |-----------|------------------------------------------------------------------------------------------------------|
//! | `voicing` | height of the best peak, from 0 (noise, silence) to 1 (periodic)                                       |
//! | `pitch`   | `voicing · log₂(F0 / 200 Hz)`, octaves: pitch weighted by voicing, so no threshold is needed      |
//!
//! Boersma then takes the best path through the peaks of all frames. Here frames are independent: the same for a whole clip
//! and live.

use core::f64::consts::PI;

use super::FeatureSettings;
use super::fft::{Complex, Direction, Fft, Roots};
use crate::matrix::Matrix;
use crate::prelude::*;

/// The columns: voicing and pitch.
pub(super) const COLUMNS: usize = 2;
/// The lowest pitch looked for, Hz: below the lowest voices …
const LOWEST_HZ: f64 = 60.0;
/// … and the highest, above shouts and children.
const HIGHEST_HZ: f64 = 600.0;
/// The pitch that counts as 0 octaves, Hz: between the voices of men and women.
const MIDDLE_HZ: f64 = 200.0;
/// Boersma's octave cost: by how much a peak must be higher than one an octave above to be chosen. A periodic sound has equal
/// peaks at all multiples of its period; the shortest is to be chosen.
const OCTAVE_COST: f32 = 0.01;
/// Periods that a window must hold, as Boersma has it.
const LEAST_PERIODS: usize = 3;
/// Bins below two cycles per window do not count. A Hann window smears the mean of a frame over them and hardly further, and
/// leaves in them little of a tone with three periods in the window (and nothing where no zeros surround the window).
const FIRST_CYCLES: usize = 2;

/// A planned transform, the window's autocorrelation, and scratch.
#[derive(Clone)]
pub(super) struct PitchEstimator {
    /// Hz
    sample_rate: f64,
    /// Lags that may be a period, samples; none where the window is too short for the highest pitch.
    lags: core::ops::RangeInclusive<usize>,
    /// The first bin that counts.
    first_bin: usize,
    /// Inverse of the window's normalised autocorrelation at every lag, `[longest + 2]`.
    window_correction: Vec<f32>,
    /// Complex inverse transform of `N/2` points.
    half: Fft,
    /// Of the length `N`.
    roots: Roots,
    /// `[N/2]`
    folded: Vec<Complex<f32>>,
    /// ρ of the current frame, `[longest + 2]`
    correlation: Vec<f32>,
}

impl PitchEstimator {
    /// `roots` are those of the length `N`.
    pub(super) fn new(settings: &FeatureSettings, sample_rate: u32, roots: &Roots) -> Self {
        let (n, window, sample_rate) = (settings.n_fft, settings.window(), f64::from(sample_rate));
        let shortest = (sample_rate / HIGHEST_HZ).ceil() as usize;
        let longest = ((sample_rate / LOWEST_HZ).floor() as usize).min(window / LEAST_PERIODS);
        PitchEstimator {
            sample_rate,
            lags: shortest..=longest,
            first_bin: (FIRST_CYCLES * n).div_ceil(window),
            // A peak needs a neighbour on either side.
            window_correction: window_correction(window, n, longest + 2),
            roots: roots.clone(),
            folded: vec![Complex::default(); n / 2],
            correlation: vec![0.0; longest + 2],
            half: Fft::new(roots, Direction::Inverse),
        }
    }

    /// Voicing and pitch of every frame: `power` `[T,B]` into two columns of `features` `[T,width]` from `first` on.
    pub(super) fn apply(&mut self, power: &Matrix<f32>, features: &mut Matrix<f32>, first: usize) {
        for t in 0..features.rows() {
            let columns = self.voicing_and_pitch(power.row(t));
            features.row_mut(t)[first..first + COLUMNS].copy_from_slice(&columns);
        }
    }

    /// Voicing, and voicing times octaves above 200 Hz, of one frame with power `[B]`.
    fn voicing_and_pitch(&mut self, power: &[f32]) -> [f32; COLUMNS] {
        match self.best_peak(power) {
            Some(Peak { lag, height }) if height > 0.0 => {
                let voicing = height.min(1.0);
                [voicing, voicing * (self.sample_rate / lag / MIDDLE_HZ).log2() as f32]
            }
            _ => [0.0; COLUMNS],
        }
    }

    /// The peak of the frame's autocorrelation that is highest, octave cost paid; none in silence, or where it only falls.
    ///
    /// # Formula
    /// ```text
    /// strength = ρ − 0.01·log₂(τ)        at the peaks of ρ with 60 Hz ≤ sample_rate/τ ≤ 600 Hz,  τ ≤ L/3
    /// ```
    /// (Boersma's equation 24, which counts octaves from the lowest pitch: the same for all peaks.)
    fn best_peak(&mut self, power: &[f32]) -> Option<Peak> {
        if self.lags.is_empty() || !self.correlate(power) {
            return None;
        }
        let peaks = self.lags.clone().filter_map(|lag| {
            let around = [self.correlation[lag - 1], self.correlation[lag], self.correlation[lag + 1]];
            Peak::between(lag, around)
        });
        let octaves = |lag: f64| lag.log2() as f32;
        // Less than any peak pays. Most peaks are too low even so, which spares their logarithms.
        let least_cost = OCTAVE_COST * (octaves(*self.lags.start() as f64 - 1.0) - 0.01);
        let mut strongest: Option<(f32, Peak)> = None;
        for peak in peaks {
            if strongest.as_ref().is_some_and(|(most, _)| peak.height - least_cost < *most) {
                continue;
            }
            let strength = peak.height - OCTAVE_COST * octaves(peak.lag);
            // Of several equal ones the last.
            if strongest.as_ref().is_none_or(|(most, _)| strength >= *most) {
                strongest = Some((strength, peak));
            }
        }
        strongest.map(|(_, peak)| peak)
    }

    /// Normalised autocorrelation of the frame with power `[B]`, into `self.correlation`; false in silence.
    ///
    /// # Formula
    /// With `r_x` that of the windowed frame and `r_w` that of the Hann window (Boersma's equation 9),
    /// ```text
    /// ρ[τ] = (r_x[τ] / r_x[0]) / (r_w[τ] / r_w[0])
    /// r_x[τ] = Σ_k P[k]·cos(2πkτ/N)                   k = 0 … N−1, but for the bins that the mean of the frame is in
    /// r_w[τ] = Σ_j w[j]·w[(j + τ) mod N]
    /// ```
    /// Both are circular: the end of the frame meets its beginning again. Boersma puts silence between the two and doubles
    /// the transform; but a Hann window is small at both ends, so that of `r_w[τ]` the products across the end are 0.3 % at
    /// 60 Hz with the paper's window at 48 kHz, and 6 % at the longest lag there can be, `N/3`; less where the window has zeros
    /// around it. As frame and window are treated alike, a constant keeps its ρ of 1.
    ///
    /// # Derivation
    /// The inverse of the unfolding in `stft.rs`. `r` is real, so even lags are folded into the real part of `M = N/2` complex
    /// numbers, odd lags into the imaginary part. Those have the spectrum `Z = E + i·O`, and as `P[k+M] = P[M−k]`,
    /// ```text
    /// 2·E[k] = P[k] + P[M−k]        2·O[k] = (P[k] − P[M−k])·e^(2πi·k/N)
    /// ```
    fn correlate(&mut self, power: &[f32]) -> bool {
        let m = self.folded.len();
        let first = self.first_bin;
        let without_mean = |k: usize| if k < first { 0.0 } else { power[k] };
        for (k, (z, root)) in self.folded.iter_mut().zip(&self.roots[..]).enumerate() {
            let w = Complex::new(root.im, root.re); // i·e^(2πi·k/N)
            let (p, mirrored) = (without_mean(k), without_mean(m - k));
            *z = w * (p - mirrored) + (p + mirrored);
        }
        self.half.process(&mut self.folded);
        let loudness = self.folded[0].re;
        if loudness < f32::MIN_POSITIVE {
            return false;
        }
        let lags = self.folded.iter().flat_map(|z| [z.re, z.im]);
        for ((rho, r), correction) in self.correlation.iter_mut().zip(lags).zip(&self.window_correction) {
            *rho = r / loudness * correction;
        }
        true
    }
}

/// `r_w[0] / r_w[τ]` of a Hann window of `length` samples in a frame of `n`, for `τ < lags`.
fn window_correction(length: usize, n: usize, lags: usize) -> Vec<f32> {
    let w: Vec<f64> = (0..length).map(|j| (PI * j as f64 / length as f64).sin().powi(2)).collect();
    // Products within the window. Those across the end of the frame are n - lag apart.
    let products = |lag: usize| w.iter().zip(w.iter().skip(lag)).map(|(a, b)| a * b).sum::<f64>();
    let circular = |lag: usize| products(lag) + products(n - lag);
    (0..lags).map(|lag| (products(0) / circular(lag)) as f32).collect()
}

/// A peak of the autocorrelation, between lags.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Peak {
    /// Samples.
    lag: f64,
    height: f32,
}

impl Peak {
    /// The vertex of the parabola through ρ at `lag` and its two neighbours, if `lag` is the highest; derived in `tuning.rs`.
    ///
    /// Boersma goes on to interpolate by sin x / x. A voice has little above a quarter of the sample rate, and then the
    /// parabola is as good; of a pulse as sharp as half the sample rate allows it misses the top, and a longer lag may win.
    fn between(lag: usize, [l, c, r]: [f32; 3]) -> Option<Self> {
        if c <= l || c < r {
            return None;
        }
        let slope = (r - l) / 2.0;
        let shift = slope / ((c - l) + (c - r));
        Some(Peak { lag: lag as f64 + f64::from(shift), height: c + 0.5 * slope * shift })
    }
}

#[cfg(test)]
mod tests {
    use super::super::stft::{self, Stft};
    use super::*;
    use crate::audio::fft::roots;
    use crate::rng::RandomStream;
    use core::f64::consts::TAU;

    const PAPER: usize = 4096;

    fn estimator_for(settings: &FeatureSettings, rate: u32) -> PitchEstimator {
        PitchEstimator::new(settings, rate, &roots(settings.n_fft))
    }

    fn settings(n_fft: usize) -> FeatureSettings {
        FeatureSettings { n_fft, hop: n_fft / 2, pitch: COLUMNS, ..FeatureSettings::default() }
    }

    /// Power `[T,B]` of samples.
    fn power(samples: &[f32], n_fft: usize) -> Matrix<f32> {
        stft::power(&settings(n_fft), samples)
    }

    /// An estimator whose scratch held something else before.
    fn estimator(n_fft: usize, rate: u32) -> PitchEstimator {
        let mut estimator = estimator_for(&settings(n_fft), rate);
        estimator.folded.fill(Complex::new(f32::NAN, f32::NAN));
        estimator.correlation.fill(f32::NAN);
        estimator
    }

    /// Voicing and F0, Hz, of the frames that lie within the samples.
    fn voicing_and_f0(samples: &[f32], n_fft: usize, rate: u32) -> Vec<(f64, f64)> {
        let power = power(samples, n_fft);
        let mut features = Matrix::zeros(power.rows(), 3);
        estimator(n_fft, rate).apply(&power, &mut features, 1);
        let f0 = |row: &[f32]| (f64::from(row[1]), MIDDLE_HZ * f64::from(row[2] / row[1]).exp2());
        features.iter_rows().take(power.rows() - 1).skip(1).map(f0).collect()
    }

    /// Harmonics of `hz` up to half the sample rate, each of the amplitude that `amplitude` gives it, at scattered phases.
    fn tone(hz: f64, rate: u32, length: usize, amplitude: impl Fn(usize) -> f64) -> Vec<f32> {
        let harmonics = (1..=(f64::from(rate) / 2.0 / hz) as usize).map(|h| (h as f64, amplitude(h)));
        let harmonics: Vec<_> = harmonics.filter(|&(_, a)| a > 0.0).collect();
        let at = |i: usize| {
            let cycles = hz * i as f64 / f64::from(rate);
            harmonics.iter().map(|&(h, a)| a * (TAU * h * cycles + h * h).sin()).sum::<f64>()
        };
        (0..length).map(|i| 0.1 * at(i) as f32).collect()
    }

    fn noise(length: usize) -> Vec<f32> {
        let mut stream = RandomStream::new(5, "noise", length as u64);
        (0..length).map(|_| (0.1 * stream.normal()) as f32).collect()
    }

    /// ρ of the frame `x` `[N]` as Boersma defines it, O(n²), in f64, nothing circular, at lags `0..lags`.
    fn correlation_by_definition(x: &[f32], lags: usize) -> Vec<f64> {
        let n = x.len();
        let w: Vec<f64> = (0..n).map(|j| 0.5 - 0.5 * (TAU * j as f64 / n as f64).cos()).collect();
        let mean = x.iter().zip(&w).map(|(&x, w)| f64::from(x) * w).sum::<f64>() / w.iter().sum::<f64>();
        let windowed: Vec<f64> = x.iter().zip(&w).map(|(&x, w)| (f64::from(x) - mean) * w).collect();
        let at = |values: &[f64], lag: usize| values[lag..].iter().zip(values).map(|(a, b)| a * b).sum::<f64>();
        let normalised = |values: &[f64], lag: usize| at(values, lag) / at(values, 0);
        (0..lags).map(|lag| normalised(&windowed, lag) / normalised(&w, lag)).collect()
    }

    #[test]
    fn lags_are_the_periods_of_60_to_600_hz_that_fit_the_window_three_times() {
        let lags = |n_fft, rate| estimator_for(&settings(n_fft), rate).lags;
        assert_eq!(lags(4096, 48_000), 80..=800);
        assert_eq!(lags(4096, 44_100), 74..=735);
        assert_eq!(lags(4096, 16_000), 27..=266);
        assert_eq!(lags(512, 16_000), 27..=170);
        assert_eq!(lags(4096, 1_000), 2..=16);
        assert!(lags(256, 96_000).is_empty());
        let mut short = estimator(256, 96_000);
        assert_eq!(short.voicing_and_pitch(power(&noise(1000), 256).row(2)), [0.0; 2], "no pitch fits");
    }

    #[test]
    fn the_correction_of_a_window_without_zeros_has_a_closed_form() {
        // (2 + cos(2πτ/N)) / 3, to the bit: models with pitch were trained with it.
        for (n, lags) in [(PAPER, 1367), (2048, 684), (512, 172), (64, 23)] {
            for (lag, correction) in window_correction(n, n, lags).into_iter().enumerate() {
                let closed = (3.0 / (2.0 + (TAU * lag as f64 / n as f64).cos())) as f32;
                assert_eq!(correction, closed, "lag {lag} of {n}");
            }
        }
    }

    #[test]
    fn pitch_and_voicing_are_the_same_with_zeros_around_the_window() {
        // 85.33 ms at each rate, as the paper's window at 48 kHz, which has none.
        let (window, hop) = (FeatureSettings::PAPER_WINDOW_MS, FeatureSettings::PAPER_HOP_MS);
        for rate in [8_000, 16_000, 22_050, 44_100, 48_000] {
            let settings = FeatureSettings { pitch: COLUMNS, ..Default::default() };
            let settings = settings.with_frames(window, hop, rate).unwrap();
            for hz in [80.0, 120.0, 210.5, 440.0] {
                // A voice on top of a constant, which must not count.
                let sound = tone(hz, rate, 4 * settings.n_fft, |h| 1.0 / (h * h) as f64);
                let sound: Vec<f32> = sound.into_iter().map(|x| x + 0.2).collect();
                let power = stft::power(&settings, &sound);
                let [voicing, pitch] = estimator_for(&settings, rate).voicing_and_pitch(power.row(3));
                let f0 = MIDDLE_HZ * f64::from(pitch / voicing).exp2();
                assert!((f0 / hz - 1.0).abs() < 2e-3 && voicing > 0.98, "{hz} Hz at {rate} Hz: {f0}, {voicing}");
            }
        }
    }

    #[test]
    fn the_transform_agrees_with_the_slow_sum() {
        // N/2 even and odd.
        for n in [64, 50, 4096] {
            let power = power(&noise(2 * n), n);
            let frame = power.row(2);
            let mut estimator = estimator(n, 48_000);
            assert!(estimator.correlate(frame));
            // k and N − k have the same power; N/2 has no partner.
            let weight = |k: usize| f64::from(frame[k]) * if k == n / 2 { 1.0 } else { 2.0 };
            let r = |lag: usize| {
                (2..=n / 2).map(|k| weight(k) * (TAU * ((k * lag) % n) as f64 / n as f64).cos()).sum::<f64>()
            };
            for (lag, &rho) in estimator.correlation.iter().enumerate() {
                let window = (2.0 + (TAU * lag as f64 / n as f64).cos()) / 3.0;
                let error = (f64::from(rho) - r(lag) / r(0) / window).abs();
                assert!(error < 1e-6, "lag {lag} of {n}: off by {error}");
            }
        }
    }

    #[test]
    fn the_wrap_around_is_small() {
        // Of the three sounds it is 0.0027, 0.00014 and 0.043; the last window is so short that N/3 is the longest lag.
        for (n, rate, bound) in [(PAPER, 48_000, 4e-3), (PAPER, 16_000, 4e-4), (512, 16_000, 6e-2)] {
            let falling = |h: usize| 1.0 / h as f64;
            for sound in [tone(80.0, rate, n, falling), tone(147.3, rate, n, falling), noise(n)] {
                let mut power = vec![f32::NAN; n / 2 + 1];
                Stft::new(&settings(n), &roots(n)).frame_power(&sound, n / 2, &mut power);
                let mut estimator = estimator(n, rate);
                assert!(estimator.correlate(&power));
                let slow = correlation_by_definition(&sound, estimator.correlation.len());
                for (lag, (&rho, slow)) in estimator.correlation.iter().zip(slow).enumerate() {
                    let error = (f64::from(rho) - slow).abs();
                    assert!(error < bound, "lag {lag} of {n} at {rate} Hz: off by {error}");
                }
            }
        }
    }

    /// Amplitude of harmonic `h` of a voice at `hz`.
    type Timbre = fn(h: usize, hz: f64, rate: u32) -> f64;

    #[test]
    fn tones_have_their_pitch_in_the_right_octave() {
        let timbres: [(&str, Timbre); 5] = [
            ("sine", |h, _, _| if h == 1 { 1.0 } else { 0.0 }),
            ("falling harmonics", |h, _, _| 1.0 / h as f64),
            ("odd harmonics", |h, _, _| if h % 2 == 1 { 1.0 / h as f64 } else { 0.0 }),
            ("missing fundamental", |h, _, _| if (2..=6).contains(&h) { 1.0 } else { 0.0 }),
            // All harmonics alike. A pulse as sharp as half the sample rate allows is too narrow for a parabola.
            ("pulses", |h, hz, rate| if h as f64 * hz < f64::from(rate) / 8.0 { 1.0 } else { 0.0 }),
        ];
        for rate in [48_000, 16_000] {
            for (name, timbre) in timbres {
                for hz in [80.0, 120.0, 210.5, 440.0] {
                    let sound = tone(hz, rate, 4 * PAPER, |h| timbre(h, hz, rate));
                    for (voicing, f0) in voicing_and_f0(&sound, PAPER, rate) {
                        let figures = format!("{name} of {hz} Hz at {rate} Hz: F0 {f0:.2} Hz, voicing {voicing:.4}");
                        assert!((f0 / hz - 1.0).abs() < 2e-3 && voicing > 0.98, "{figures}");
                    }
                }
            }
        }
    }

    #[test]
    fn noise_is_hardly_voiced() {
        // The highest of 799 frames are 0.117 and 0.273, the means 0.06 and 0.17: few lags, many bins.
        for (n, rate, bound) in [(PAPER, 48_000, 0.15), (PAPER, 16_000, 0.15), (512, 16_000, 0.35)] {
            for (voicing, _) in voicing_and_f0(&noise(100 * n), n, rate) {
                assert!(voicing < bound, "{voicing} of window {n} at {rate} Hz");
            }
        }
    }

    #[test]
    fn a_tone_in_noise_is_as_voiced_as_it_is_loud() {
        // ρ is the tone's share of the power: as much noise as tone makes it a half.
        let n = 6 * PAPER;
        let tone = tone(210.5, 48_000, n, |h| if h == 1 { 2f64.sqrt() } else { 0.0 });
        let mixed: Vec<f32> = tone.iter().zip(noise(n)).map(|(a, b)| a + b).collect();
        for (voicing, _) in voicing_and_f0(&mixed, PAPER, 48_000) {
            assert!((voicing - 0.5).abs() < 0.1, "{voicing}");
        }
    }

    #[test]
    fn the_columns_are_voicing_and_voiced_octaves_above_200_hz() {
        let power = power(&tone(400.0, 48_000, 4 * PAPER, |h| 1.0 / h as f64), PAPER);
        let mut features = Matrix::from_vec(power.rows(), 4, vec![7.0; power.rows() * 4]);
        estimator(PAPER, 48_000).apply(&power, &mut features, 1);
        let &[before, voicing, pitch, after] = features.row(3) else { panic!("{features:?}") };
        assert_eq!((before, after), (7.0, 7.0));
        assert!((0.99..=1.0).contains(&voicing) && (pitch - voicing).abs() < 1e-3, "{voicing}, {pitch}");
    }

    #[test]
    fn silence_has_no_pitch_and_a_constant_offset_changes_no_pitch() {
        assert_eq!(estimator(PAPER, 48_000).voicing_and_pitch(&[0.0; 2049]), [0.0; 2]);
        let sound = tone(120.0, 48_000, 4 * PAPER, |h| 1.0 / h as f64);
        let lifted: Vec<f32> = sound.iter().map(|x| x + 0.5).collect();
        for (plain, lifted) in
            voicing_and_f0(&sound, PAPER, 48_000).into_iter().zip(voicing_and_f0(&lifted, PAPER, 48_000))
        {
            assert!(
                (plain.0 - lifted.0).abs() < 1e-4 && (plain.1 / lifted.1 - 1.0).abs() < 1e-4,
                "{plain:?}, {lifted:?}"
            );
        }
    }

    #[test]
    fn frames_are_independent() {
        let mut samples = tone(120.0, 48_000, 2 * PAPER, |h| 1.0 / h as f64);
        samples.extend(tone(330.0, 48_000, 2 * PAPER, |h| 1.0 / h as f64));
        samples.extend([0.0; 2 * PAPER]);
        let power = power(&samples, PAPER);
        let mut together = Matrix::zeros(power.rows(), COLUMNS);
        estimator(PAPER, 48_000).apply(&power, &mut together, 0);
        for t in 0..power.rows() {
            let alone = estimator(PAPER, 48_000).voicing_and_pitch(power.row(t));
            assert_eq!(together.row(t), alone, "frame {t}");
        }
        assert!(together[(1, 1)] < -0.5 && together[(5, 1)] > 0.5);
        assert_eq!(together.row(10), [0.0; 2]);
    }
}
