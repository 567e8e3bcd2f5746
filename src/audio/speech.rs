//! Level of a sound, and whether somebody speaks in it. A classifier of emotions has an answer for everything, a pause and a
//! humming refrigerator included; only a voice has an emotion.
//!
//! ```text
//!  samples ──low-pass, every M-th──▶ about 8 kHz ──difference──▶ frames of 30 ms, every 20 ms ──▶ period, spectrum ──▶ voice?
//!     └──mean of squares──▶ level
//! ```
//!
//! Whatever hums, hisses or ticks stays the same; a voice changes its pitch and its vowels several times a second. So every frame
//! is compared with the one 40 ms earlier, by its autocorrelation, which holds both: the period at long lags, the spectrum at
//! short ones. Dividing by the energy makes it independent of the level.
//!
//! | cue      | a frame is voice if, since 40 ms before,                                                          |
//! |----------|---------------------------------------------------------------------------------------------------|
//! | voicing  | all frames were periodic, with a pitch that moves smoothly, and pitch or spectrum changed             |
//! | spectrum | the spectrum changed so much that no noise does it by chance: consonants, whispering                  |
//!
//! Both count only in frames that are loud: above the noise floor, and not far below the loudest. Somebody speaks where at least
//! 3 % of the frames, and 0.1 s of them, are voice ([`Sound::has_speech`]); while the
//! sound still goes on, of its latest three seconds ([`SpeechDetector::sound_now`]).
//!
//! Not told apart from a voice: music, birds, sirens, the tones of telephone keys, whatever else sings. Not noticed: a voice well
//! below other noise.
//!
//! The constants were chosen on the odd actors of RAVDESS, half of the speakers of EMOVO, and URDU; `tests/README.md` names the
//! tests on the others. The detector needs no Fourier transform, and its memory does not grow: about 20 kB. A second of
//! speech at 48 kHz takes 1.3 million instructions (callgrind, AVX2), its features about 3 million.

// Loops over the indices of small arrays are what the compiler keeps in registers.
#![allow(clippy::needless_range_loop)]

use core::f64::consts::PI;
use core::fmt;
use core::ops::Range;

mod levels;

use super::check_sample_rate;
use crate::error::Result;
use crate::kernels::lanes::{LANES, Lanes};
use crate::kernels::{dot, simd};
use crate::prelude::*;
use levels::Levels;

/// The sample rate aimed at, Hz: telephone quality, which is all that pitch and vowels need.
const TARGET_HZ: f64 = 8_000.0;
/// Cutoff of the low-pass, as a share of the lower rate; 0.5 is half of it, where its mirror images begin.
const CUTOFF: f64 = 0.4;
/// Length of the low-pass on either side of its middle, in samples at the lower rate: 0.5 ms.
const HALF_LOW_PASS: usize = 4;
/// Time between the two samples of a difference, s. It removes a constant and weakens hum (−28 dB at 50 Hz against 2 kHz).
const DIFFERENCE: f64 = 0.000_25;
/// Part of a frame that is compared with later parts, s: at least two periods of the lowest pitch.
const WINDOW: f64 = 0.030;
/// Time between frames, s: 50 frames per second.
const HOP: f64 = 0.020;
/// Range of pitch, Hz: from low voices of men to shouts. Above it, two periods count as one.
const PITCH: (f64, f64) = (70.0, 500.0);
/// Least height of the autocorrelation's peak at the period; white noise stays below it.
const PERIODIC: f32 = 0.5;
/// By how much the autocorrelation must fall below the peak on the way to it; otherwise it is a slope, not a period.
const DIP: f32 = 0.3;
/// A single sinusoid falls to minus its peak half a period before it. A voice has overtones and stays above this share.
const SINUSOID: f32 = 0.9;
/// The first peak of at least this share of the highest is the period (McLeod and Wyvill call it k).
const FIRST_PEAK: f32 = 0.9;
/// Most by which the period may change from one frame to the next, as a ratio.
const SMOOTH: f32 = 1.3;
/// Frames between the two that are compared: 40 ms, about half a sound of speech.
const SPAN: usize = 2;
/// Most by which their levels may differ, dB. At the beginning of any sound everything changes.
const SAME_LEVEL: f64 = 6.0;
/// Mean change of the autocorrelation over all lags that is no hum: noise 6 dB below a hum causes less.
const CHANGE: f32 = 0.14;
/// Frames before and after such a change that belong to the same voice: 0.1 s.
const SAME_VOICE: usize = 5;
/// The lags that tell the spectrum, s: from the first to this one.
const SPECTRUM: f64 = 0.002;
/// Mean change of the autocorrelation over these lags that no noise causes by chance.
const SPECTRUM_CHANGE: f32 = 0.25;
/// The autocorrelation at `BRIGHTNESS_LAG` of a sound that is not all below 1 kHz. The spectrum of low rumble changes by chance.
const BRIGHT: f32 = 0.7;
/// The lag that tells brightness, s.
const BRIGHTNESS_LAG: f64 = 0.000_125;
/// How far below the loudest frame a voiced frame may lie, dB …
const VOICED_RANGE: f64 = 40.0;
/// … and one with no pitch.
const UNVOICED_RANGE: f64 = 30.0;
/// Frames that [`SpeechDetector::sound_now`] looks back on: 3 s.
const RECENT: usize = 150;
/// Least share of voice, and least number of frames, where somebody speaks. The clips of RAVDESS have at least 8 % and 0.26 s.
const LEAST_SHARE: f64 = 0.03;
const LEAST_FRAMES: usize = 5;

/// Samples that are taken together.
const PORTION: usize = 1_024;
/// Samples whose squares are added up in `f32`, so few that no precision is lost.
const SQUARES: u64 = 256;
/// Numbers of a frame that are added up over many lags. Without `std`, an `f64` may be computed in software.
#[cfg(feature = "std")]
type Precise = f64;
#[cfg(not(feature = "std"))]
type Precise = f32;
/// Vectors of lags that are computed together: what the registers hold.
const GROUP: usize = 4;

/// Level of a sound, and how much of it is voice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sound {
    /// Root mean square of all samples, a constant offset included, dB of full scale: `10·log₁₀(mean x²)`. A square wave between
    /// −1 and 1 has 0, a sine 3 dB less. −∞ for digital silence, and before the first sample.
    pub level: f64,
    /// Share of the frames in which a voice is heard, 0 to 1; 0 where the sound is shorter than a frame, 45 ms.
    pub speech: f64,
    /// Whether somebody speaks: voice in at least 3 % of the frames, and in 5 of them (0.1 s).
    pub has_speech: bool,
}

impl Sound {
    /// Level and speech of `samples` `[n]`, full scale −1 to 1, all of them finite.
    ///
    /// ```
    /// use reslstm::audio::Sound;
    ///
    /// let hum: Vec<f32> = (0..48_000).map(|i| 0.5 * (std::f32::consts::TAU * 50.0 * i as f32 / 48e3).sin()).collect();
    /// let sound = Sound::measure(&hum, 48_000)?;
    /// assert!((sound.level - -9.03).abs() < 0.01 && !sound.has_speech);
    /// # Ok::<(), reslstm::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`SpeechDetector::new`].
    pub fn measure(samples: &[f32], sample_rate: u32) -> Result<Self> {
        let mut detector = SpeechDetector::new(sample_rate)?;
        detector.push(samples);
        Ok(detector.sound())
    }
}

impl fmt::Display for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} dBFS, speech {:.0} %", self.level, 100.0 * self.speech)
    }
}

/// The measurement of a [`Sound`] while it arrives. The samples may come in portions of any size, and nothing is allocated after
/// the construction.
#[derive(Clone)]
pub struct SpeechDetector {
    /// Number of samples.
    samples: u64,
    /// The sum of the squares of all whole [`SQUARES`], and those of the current one: sample `n` is in sum `n mod 16`.
    energy: f64,
    squares: Lanes<f32>,
    /// The low-pass, `[2·HALF_LOW_PASS·M]`, and the samples from which the next kept one will be computed.
    low_pass: Vec<f32>,
    window: Vec<f32>,
    /// `M`: every `M`-th sample is kept.
    keep_every: usize,
    lags: Lags,
    /// Kept samples of which differences are still to be taken.
    kept: Vec<f32>,
    /// Differences, up to a frame.
    frame: Vec<f32>,
    /// `Σ x(n)·x(n+τ)` of the current frame, at every lag and a few more, so that they are whole [`GROUP`]s.
    products: Vec<f32>,
    /// The latest `SPAN + 1` frames; frame `t` is at `t mod (SPAN + 1)`.
    frames: [Frame; SPAN + 1],
    /// Frames so far.
    count: usize,
    levels: Levels,
    /// Frames of the voice that is going on: periodic, with a smooth pitch.
    run: usize,
    /// Frames since it last changed.
    unchanged: usize,
    /// Whether frame `t` is voice, at `t mod RECENT`.
    voice: [bool; RECENT],
    /// Frames that are.
    voice_frames: usize,
}

/// Times as numbers of samples at the lower rate.
#[derive(Clone, Copy)]
struct Lags {
    difference: usize,
    window: usize,
    hop: usize,
    shortest_period: usize,
    longest_period: usize,
    spectrum: usize,
    brightness: usize,
}

/// What is kept of a frame for the comparison with later ones.
#[derive(Clone)]
struct Frame {
    /// Mean square, dB; −∞ of a frame that is too quiet to be looked at.
    level: f64,
    /// Samples; 0 if it has none.
    period: f32,
    /// Autocorrelation at lags 0 to `longest_period + 1`, −1 to 1.
    shape: Vec<f32>,
}

impl SpeechDetector {
    /// A detector for sound of `sample_rate` Hz, before the first sample.
    ///
    /// # Errors
    /// [`Kind::Audio`](crate::error::Kind::Audio) if the sample rate is not 1,000 to 1,000,000 Hz.
    pub fn new(sample_rate: u32) -> Result<Self> {
        check_sample_rate(sample_rate)?;
        let keep_every = ((f64::from(sample_rate) / TARGET_HZ).round() as usize).max(1);
        let rate = f64::from(sample_rate) / keep_every as f64;
        let samples = |seconds: f64| ((seconds * rate).round() as usize).max(1);
        let lags = Lags {
            difference: samples(DIFFERENCE),
            window: samples(WINDOW),
            hop: samples(HOP),
            shortest_period: samples(1.0 / PITCH.1).max(2),
            longest_period: samples(1.0 / PITCH.0),
            spectrum: samples(SPECTRUM),
            brightness: samples(BRIGHTNESS_LAG),
        };
        let low_pass = low_pass(keep_every);
        let all_lags = lags.longest_period + 2;
        let products = all_lags.next_multiple_of(GROUP * LANES);
        Ok(SpeechDetector {
            samples: 0,
            energy: 0.0,
            squares: Lanes::ZERO,
            window: Vec::with_capacity(low_pass.len() + PORTION),
            low_pass,
            keep_every,
            kept: Vec::with_capacity(lags.difference + PORTION),
            frame: Vec::with_capacity(lags.window + products),
            products: vec![0.0; products],
            frames: core::array::from_fn(|_| Frame {
                level: f64::NEG_INFINITY,
                period: 0.0,
                shape: vec![0.0; all_lags],
            }),
            lags,
            count: 0,
            levels: Levels::default(),
            run: 0,
            unchanged: 0,
            voice: [false; RECENT],
            voice_frames: 0,
        })
    }

    /// Takes the next samples `[n]` of the sound, full scale −1 to 1, all of them finite.
    pub fn push(&mut self, samples: &[f32]) {
        for samples in samples.chunks(PORTION) {
            self.add_squares(samples);
            self.window.extend_from_slice(samples);
            self.keep();
            self.take_differences();
        }
    }

    /// The part of a sound from its first voice to its last, in samples; `None` without a voice.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn voice(samples: &[f32], sample_rate: u32) -> Result<Option<Range<usize>>> {
        let mut detector = Self::new(sample_rate)?;
        let hop = detector.hop();
        let mut voice: Option<Range<usize>> = None;
        for portion in samples.chunks(hop) {
            detector.push(portion);
            for frame in detector.latest_voices() {
                let (start, end) = (frame * hop, ((frame + 1) * hop).min(samples.len()));
                voice = Some(voice.map_or(start..end, |voice| voice.start.min(start)..voice.end.max(end)));
            }
        }
        Ok(voice)
    }

    /// Level and speech of the sound so far, as a whole.
    pub fn sound(&self) -> Sound {
        Sound {
            level: decibels((self.energy + sum(&self.squares)) / self.samples.max(1) as f64),
            speech: self.voice_frames as f64 / self.count.max(1) as f64,
            has_speech: has_speech(self.voice_frames, self.count),
        }
    }

    /// The same of a sound that still goes on: somebody speaks if its latest three seconds say so, or all of it as long as it is
    /// shorter. So a pause between words is speech, and one of three seconds is none. A voice is noticed 0.1 to 0.2 s after it
    /// begins.
    pub fn sound_now(&self) -> Sound {
        let voice = self.voice.iter().filter(|&&voice| voice).count();
        Sound { has_speech: has_speech(voice, self.count.min(RECENT)), ..self.sound() }
    }

    /// Samples from one frame to the next: 20 ms.
    pub(super) fn hop(&self) -> usize {
        self.lags.hop * self.keep_every
    }

    /// Frames so far.
    pub(super) fn frames(&self) -> usize {
        self.count
    }

    /// Whether a frame, one of the latest 150, is voice. The next frames may still say so of the latest
    /// [`LATEST_CHANGE`](Self::LATEST_CHANGE) before them, each time with itself included.
    pub(super) fn is_voice(&self, frame: usize) -> bool {
        self.voice[frame % RECENT]
    }

    /// The frames that are voice, of those about which the latest frame may have decided.
    pub(super) fn latest_voices(&self) -> impl Iterator<Item = usize> {
        (self.count.saturating_sub(Self::LATEST_CHANGE)..self.count).filter(|&frame| self.is_voice(frame))
    }

    /// Least number of frames that somebody speaks in.
    pub(super) const LEAST_FRAMES: usize = LEAST_FRAMES;
    /// Frames about which a frame decides: itself, and those before it that belong to the same voice.
    pub(super) const LATEST_CHANGE: usize = SPAN + SAME_VOICE + 1;

    /// Begins a new sound.
    pub fn reset(&mut self) {
        (self.samples, self.energy, self.squares) = (0, 0.0, Lanes::ZERO);
        (self.count, self.run, self.unchanged) = (0, 0, 0);
        self.window.clear();
        self.kept.clear();
        self.frame.clear();
        self.frames.iter_mut().for_each(|frame| (frame.level, frame.period) = (f64::NEG_INFINITY, 0.0));
        self.levels = Levels::default();
        self.voice = [false; RECENT];
        self.voice_frames = 0;
    }

    /// Adds the squares of `samples`, sixteen at a time wherever they begin.
    fn add_squares(&mut self, mut samples: &[f32]) {
        while !samples.is_empty() {
            let place = (self.samples % SQUARES) as usize;
            let (now, later) = samples.split_at((SQUARES as usize - place).min(samples.len()));
            let lane = place % LANES;
            let (begun, rest) = now.split_at(((LANES - lane) % LANES).min(now.len()));
            let (whole, last) = rest.as_chunks::<LANES>();
            let mut squares = self.squares.0;
            begun.iter().zip(&mut squares[lane..]).for_each(|(x, sum)| *sum += x * x);
            simd!(|_| {
                for samples in whole {
                    for lane in 0..LANES {
                        squares[lane] += samples[lane] * samples[lane];
                    }
                }
            });
            last.iter().zip(&mut squares).for_each(|(x, sum)| *sum += x * x);
            self.squares = Lanes(squares);
            self.samples += now.len() as u64;
            if self.samples.is_multiple_of(SQUARES) {
                self.energy += sum(&self.squares);
                self.squares = Lanes::ZERO;
            }
            samples = later;
        }
    }

    /// Low-pass and decimation: `window` to `kept`.
    fn keep(&mut self) {
        let SpeechDetector { window, low_pass, keep_every, kept, .. } = self;
        let whole = window.len().checked_sub(low_pass.len()).map_or(0, |rest| rest / *keep_every + 1);
        simd!(|level| {
            for first in (0..whole).map(|n| n * *keep_every) {
                kept.push(dot(level, &window[first..first + low_pass.len()], low_pass));
            }
        });
        window.drain(..whole * *keep_every);
    }

    /// Differences of the samples in `kept`, frame by frame.
    fn take_differences(&mut self) {
        let (whole_frame, difference) = (self.lags.window + self.products.len(), self.lags.difference);
        let mut taken = 0;
        while self.kept.len() > taken + difference {
            let kept = &self.kept[taken..];
            let new = (kept.len() - difference).min(whole_frame - self.frame.len());
            self.frame.extend(kept[difference..][..new].iter().zip(kept).map(|(x, before)| x - before));
            taken += new;
            if self.frame.len() == whole_frame {
                self.complete_frame();
                self.frame.drain(..self.lags.hop);
            }
        }
        self.kept.drain(..taken);
    }

    /// Decides about the frame that is complete.
    fn complete_frame(&mut self) {
        let t = self.count;
        self.count += 1;
        self.mark(t, false);
        self.measure_level(t);
        let least = self.levels.least();
        let loudest = self.levels.loudest();
        let frame = &mut self.frames[t % (SPAN + 1)];
        frame.period = 0.0;
        if frame.level < least.max(loudest - VOICED_RANGE) {
            frame.level = f64::NEG_INFINITY;
            self.run = 0;
            return;
        }
        self.correlate(t);

        let [now, previous, before] = [0, 1, SPAN].map(|ago| &self.frames[(t + SPAN + 1 - ago) % (SPAN + 1)]);
        let smooth = (1.0 / SMOOTH..SMOOTH).contains(&(now.period / previous.period));
        self.run = match now.period > 0.0 {
            true if smooth => self.run + 1,
            voiced => usize::from(voiced),
        };
        self.unchanged = if self.run > 1 { self.unchanged + 1 } else { SAME_VOICE + 1 };

        let comparable = (now.level - before.level).abs() <= SAME_LEVEL;
        let changed = comparable && self.run > SPAN && change(&now.shape, &before.shape) >= CHANGE;
        let spectrum = ..=self.lags.spectrum;
        let articulated = comparable
            && now.level.min(before.level) >= loudest - UNVOICED_RANGE
            && now.shape[self.lags.brightness].min(before.shape[self.lags.brightness]) < BRIGHT
            && change(&now.shape[spectrum], &before.shape[spectrum]) >= SPECTRUM_CHANGE;

        if changed {
            self.unchanged = 0;
            let first = t + 1 - self.run.min(Self::LATEST_CHANGE);
            (first..=t).for_each(|frame| self.mark(frame, true));
        } else if self.unchanged <= SAME_VOICE {
            self.mark(t, true);
        }
        if articulated {
            (t - SPAN..=t).for_each(|frame| self.mark(frame, true));
        }
    }

    /// Level of the frame that is complete, number `t`.
    fn measure_level(&mut self, t: usize) {
        let x = &self.frame[..self.lags.window];
        let level = decibels(f64::from(simd!(|level| dot(level, x, x))) / x.len() as f64);
        self.levels.add(level);
        self.frames[t % (SPAN + 1)].level = level;
    }

    /// Autocorrelation and period of the frame that is complete, number `t`.
    ///
    /// # Formula
    /// With `E(τ) = Σ x(n+τ)²` over the window, `n` from 0 to `W − 1` (McLeod and Wyvill 2005, "A smarter way to find pitch"):
    /// ```text
    /// r(τ)     = Σ x(n)·x(n+τ)
    /// nsdf(τ)  = 2·r(τ) / (E(0) + E(τ))                          1 at the period of a periodic sound
    /// shape(τ) = r(τ) / min(E(0), E(τ))                          the same for a sound that begins or ends within the frame
    /// ```
    #[allow(clippy::unnecessary_cast, reason = "a number that is precise has 32 bits or 64")]
    fn correlate(&mut self, t: usize) {
        let (x, window, Frame { period, shape, .. }) =
            (&self.frame, self.lags.window, &mut self.frames[t % (SPAN + 1)]);
        simd!(|level| {
            for (group, products) in self.products.chunks_exact_mut(GROUP * LANES).enumerate() {
                let mut sums = [Lanes::ZERO; GROUP];
                for (n, &now) in x[..window].iter().enumerate() {
                    let later = &x[n + group * GROUP * LANES..][..GROUP * LANES];
                    for (sum, later) in sums.iter_mut().zip(later.as_chunks().0) {
                        sum.add_scaled(level, now, &Lanes(*later));
                    }
                }
                for (products, sum) in products.as_chunks_mut().0.iter_mut().zip(sums) {
                    *products = sum.0;
                }
            }
        });
        let square = |x: f32| Precise::from(x) * Precise::from(x);
        let energy = Precise::from(self.products[0]);
        let mut energy_at_lag = energy;
        // From here on, `products` holds the normalised square difference.
        for (tau, (nsdf, shape)) in self.products.iter_mut().zip(shape).enumerate() {
            let product = Precise::from(*nsdf);
            *nsdf = (2.0 * product / (energy + energy_at_lag)) as f32;
            *shape = (product / energy.min(energy_at_lag).max(Precise::MIN_POSITIVE)).clamp(-1.0, 1.0) as f32;
            energy_at_lag = (energy_at_lag - square(x[tau]) + square(x[tau + window])).max(0.0);
        }
        *period = period_of(&self.products, self.lags.shortest_period, self.lags.longest_period);
    }

    /// Notes whether a frame, one of the latest, is voice.
    fn mark(&mut self, frame: usize, voice: bool) {
        let noted = &mut self.voice[frame % RECENT];
        self.voice_frames += usize::from(voice && !*noted);
        *noted = voice;
    }
}

/// The low-pass before every `m`-th sample is kept, `[2·HALF_LOW_PASS·m]`.
///
/// # Formula
/// ```text
/// h(t) = sin(2πct)/(πt) · (1 + cos(πt/H))/2 / m              t from −H, in kept samples, c the cutoff: Hann window
/// ```
fn low_pass(m: usize) -> Vec<f32> {
    let half = (HALF_LOW_PASS * m) as isize;
    let tap = |i: isize| {
        let t = i as f64 / m as f64;
        let sinc = if i == 0 { 2.0 * CUTOFF } else { (2.0 * PI * CUTOFF * t).sin() / (PI * t) };
        (sinc * (0.5 + 0.5 * (PI * t / HALF_LOW_PASS as f64).cos()) / m as f64) as f32
    };
    (-half..half).map(tap).collect()
}

/// The period, samples, of a frame with this normalised square difference; 0 if it has none. Peaks lie between lags: derived in
/// `tuning.rs`.
fn period_of(nsdf: &[f32], shortest: usize, longest: usize) -> f32 {
    // Place and height of every peak, and the lowest value before it.
    let peaks = || {
        let mut lowest = 1.0f32;
        (1..=longest).filter_map(move |tau| {
            let [l, c, r] = [nsdf[tau - 1], nsdf[tau], nsdf[tau + 1]];
            lowest = lowest.min(l);
            if tau < shortest || c <= l || c < r {
                return None;
            }
            let slope = (r - l) / 2.0;
            let shift = slope / ((c - l) + (c - r));
            let height = c + 0.5 * slope * shift;
            (height - lowest > DIP).then_some((tau as f32 + shift, height, lowest))
        })
    };
    let highest = peaks().fold(0.0f32, |highest, (_, height, _)| highest.max(height));
    match peaks().find(|&(_, height, _)| height >= FIRST_PEAK * highest) {
        Some((period, height, lowest)) if height >= PERIODIC && lowest >= -SINUSOID * height => period,
        _ => 0.0,
    }
}

/// Whether so much voice is speech.
fn has_speech(voice: usize, frames: usize) -> bool {
    voice >= LEAST_FRAMES && voice as f64 >= LEAST_SHARE * frames as f64
}

/// Mean difference of two autocorrelations.
fn change(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.len() as f32
}

/// Sum of all lanes.
fn sum(lanes: &Lanes<f32>) -> f64 {
    lanes.0.iter().copied().map(f64::from).sum()
}

/// Decibels of a mean square; −∞ of 0.
fn decibels(power: f64) -> f64 {
    10.0 * power.log10()
}

#[cfg(test)]
pub(super) mod tests;
