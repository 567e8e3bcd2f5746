//! Recording conditions applied to samples: telephone, small loudspeaker, noise, babble, rooms, codecs, another sample rate or speed,
//! quieter, trimmed. The result depends on the recording and the [`Condition`] alone: the same bits every time.

mod babble;
mod codec;
mod mp3;
mod room;

use super::resample::{at_speed, to_rate};
use crate::hash::Hash;
use reslstm::audio::{Recording, SpeechDetector, resample};
use reslstm::data::condition::Condition;
use reslstm::error::Result;
use reslstm::rng::RandomStream;
use std::f64::consts::{PI, SQRT_2};

/// Lower cutoff of a telephone, Hz.
const TELEPHONE_LOW_HZ: f64 = 300.0;
/// Sample rate of a telephone, Hz.
const TELEPHONE_RATE: u32 = 8_000;
/// Range of a loudspeaker of a few centimetres, Hz.
const SMALL_SPEAKER_HZ: (f64, f64) = (500.0, 8_000.0);
/// Clipping level as a share of the largest sample: recorded 12 dB too loud.
const CLIPPED_AT: f32 = 0.25;

/// Silence that trimming leaves on either side of the voice, seconds.
const TRIM_SECONDS: f64 = 0.1;

/// The recording in a condition, at its own sample rate.
///
/// # Errors
/// [`Kind::Audio`](reslstm::error::Kind::Audio) if it cannot be resampled.
pub fn apply_condition(condition: Condition, recording: Recording) -> Result<Recording> {
    let Recording { sample_rate, mut samples } = recording;
    match condition {
        Condition::AsRecorded => {}
        Condition::Speed(speed) => return at_speed(&Recording { sample_rate, samples }, speed),
        Condition::Noise { snr } => add_noise(&mut samples, snr),
        Condition::Telephone => {
            let length = samples.len();
            let narrow = to_rate(Recording { sample_rate, samples }, TELEPHONE_RATE)?;
            samples = to_rate(narrow, sample_rate)?.samples;
            // Resampling rounds the length up, there and back.
            samples.truncate(length);
            Biquad::high_pass(TELEPHONE_LOW_HZ, sample_rate).filter(&mut samples);
        }
        Condition::SmallSpeaker => {
            let (low, high) = SMALL_SPEAKER_HZ;
            let high_pass = Biquad::high_pass(low, sample_rate);
            high_pass.filter(&mut samples);
            high_pass.filter(&mut samples);
            if 2.0 * high < f64::from(sample_rate) {
                Biquad::low_pass(high, sample_rate).filter(&mut samples);
            }
        }
        Condition::Clipped => {
            let most = CLIPPED_AT * samples.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            samples.iter_mut().for_each(|x| *x = x.clamp(-most, most));
        }
        Condition::Level { level } => {
            let factor = 10f64.powf(level / 20.0) as f32;
            samples.iter_mut().for_each(|x| *x *= factor);
        }
        Condition::Rate { hz } => samples = through_rate(samples, sample_rate, hz, |_| {}),
        Condition::Room { rt60 } => room::reverberate(&mut samples, sample_rate, rt60),
        Condition::Babble { snr } => {
            let babble = babble::babble(&samples, sample_rate)?;
            let factor = noise_deviation(&samples, snr) / power(&babble).sqrt().max(f64::MIN_POSITIVE);
            samples.iter_mut().zip(babble).for_each(|(x, babble)| *x += (factor * f64::from(babble)) as f32);
        }
        Condition::MuLaw => {
            let code = |samples: &mut [f32]| samples.iter_mut().for_each(|x| *x = codec::mu_law(*x));
            samples = through_rate(samples, sample_rate, codec::SAMPLE_RATE, code);
        }
        Condition::GsmLike => {
            samples = through_rate(samples, sample_rate, codec::SAMPLE_RATE, codec::gsm_like);
        }
        Condition::Mp3 => return mp3::encode_and_decode(Recording { sample_rate, samples }),
        Condition::Trimmed => samples = trim(samples, sample_rate)?,
    }
    Ok(Recording { sample_rate, samples })
}

/// The samples at another rate, changed there, and back, by the engine's resampler: its filter is as steep as those of recorders and
/// converters, while that of [`to_rate`] falls off far below half the lower rate.
fn through_rate(samples: Vec<f32>, sample_rate: u32, rate: u32, change: impl FnOnce(&mut [f32])) -> Vec<f32> {
    let length = samples.len();
    let mut there = resample(&samples, sample_rate, rate);
    change(&mut there);
    let mut samples = resample(&there, rate, sample_rate);
    // Resampling rounds the length up, there and back.
    samples.truncate(length);
    samples
}

/// The samples from [`TRIM_SECONDS`] before the first voice to as much after the last; all of them where there is none.
///
/// # Errors
/// As [`SpeechDetector::voice`].
fn trim(mut samples: Vec<f32>, sample_rate: u32) -> Result<Vec<f32>> {
    if let Some(voice) = SpeechDetector::voice(&samples, sample_rate)? {
        let margin = (TRIM_SECONDS * f64::from(sample_rate)).round() as usize;
        samples.truncate(voice.end + margin);
        samples.drain(..voice.start.saturating_sub(margin));
    }
    Ok(samples)
}

/// Adds white noise, `snr` dB below the recording's mean power.
fn add_noise(samples: &mut [f32], snr: f64) {
    let deviation = noise_deviation(samples, snr);
    let mut stream = random_stream_of(samples, "noise");
    samples.iter_mut().for_each(|x| *x += (deviation * stream.normal()) as f32);
}

/// Standard deviation of noise `snr` dB below the mean power of the samples.
fn noise_deviation(samples: &[f32], snr: f64) -> f64 {
    (power(samples) / 10f64.powf(snr / 10.0)).sqrt()
}

/// Mean power.
fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / samples.len().max(1) as f64
}

/// A random stream that the samples seed: one recording always gets the same noise.
fn random_stream_of(samples: &[f32], name: &str) -> RandomStream {
    let mut hash = Hash::new();
    samples.iter().for_each(|x| {
        hash.bytes(&x.to_bits().to_le_bytes());
    });
    RandomStream::new(hash.finish64(), name, 0)
}

/// A second-order recursive filter.
///
/// # Formula
/// ```text
/// y[n] = b₀·x[n] + b₁·x[n−1] + b₂·x[n−2] − a₁·y[n−1] − a₂·y[n−2]
/// ```
struct Biquad {
    b: [f64; 3],
    a: [f64; 2],
}

impl Biquad {
    /// Butterworth low-pass: maximally flat, and 3 dB down at `cutoff` Hz.
    ///
    /// # Derivation
    /// The analogue low-pass `1/(s² + √2·s + 1)` has its cutoff at 1. The bilinear transform `s = (1 − z⁻¹)/(w·(1 + z⁻¹))` with
    /// `w = tan(π·cutoff/rate)` brings that to `cutoff`; numerator and denominator times `w²·(1 + z⁻¹)²`, over `d = 1 + √2·w + w²`:
    /// ```text
    /// b = w²/d · (1, 2, 1)          a₁ = 2·(w² − 1)/d          a₂ = (1 − √2·w + w²)/d
    /// ```
    fn low_pass(cutoff: f64, sample_rate: u32) -> Self {
        let (w, d, a) = Self::poles(cutoff, sample_rate);
        let gain = w * w / d;
        Biquad { b: [gain, 2.0 * gain, gain], a }
    }

    /// Butterworth high-pass, from the analogue filter `s²/(s² + √2·s + 1)`: `b = 1/d · (1, −2, 1)`.
    fn high_pass(cutoff: f64, sample_rate: u32) -> Self {
        let (_, d, a) = Self::poles(cutoff, sample_rate);
        Biquad { b: [1.0 / d, -2.0 / d, 1.0 / d], a }
    }

    fn poles(cutoff: f64, sample_rate: u32) -> (f64, f64, [f64; 2]) {
        let w = (PI * cutoff / f64::from(sample_rate)).tan();
        let d = 1.0 + SQRT_2 * w + w * w;
        (w, d, [2.0 * (w * w - 1.0) / d, (1.0 - SQRT_2 * w + w * w) / d])
    }

    fn filter(&self, samples: &mut [f32]) {
        let ([b0, b1, b2], [a1, a2]) = (self.b, self.a);
        let (mut x1, mut x2, mut y1, mut y2) = (0.0, 0.0, 0.0, 0.0);
        for sample in samples {
            let x = f64::from(*sample);
            let y = b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2;
            (x1, x2, y1, y2) = (x, x1, y, y1);
            *sample = y as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    fn tone(hz: f64) -> Recording {
        let sample = |n: u32| (0.5 * (std::f64::consts::TAU * hz * f64::from(n) / f64::from(RATE)).sin()) as f32;
        Recording { sample_rate: RATE, samples: (0..RATE).map(sample).collect() }
    }

    /// Gain of a tone in dB, over its second half, when filters have settled.
    fn gain(condition: Condition, hz: f64) -> f64 {
        let power = |recording: &Recording| {
            let middle = &recording.samples[recording.samples.len() / 2..recording.samples.len() * 9 / 10];
            middle.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / middle.len() as f64
        };
        let conditioned = apply_condition(condition, tone(hz)).unwrap();
        assert_eq!((conditioned.sample_rate, conditioned.samples.len()), (RATE, RATE as usize));
        10.0 * (power(&conditioned) / power(&tone(hz))).log10()
    }

    #[test]
    fn noise_has_the_given_power_and_the_same_bits_every_time() {
        for snr in [20.0, 10.0, 0.0] {
            let once = apply_condition(Condition::Noise { snr }, tone(440.0)).unwrap();
            let noise: Vec<f32> = once.samples.iter().zip(tone(440.0).samples).map(|(got, x)| got - x).collect();
            let power = noise.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / f64::from(RATE);
            // The tone has 1/8; a standard error of the mean of 48,000 squares is 0.028 dB.
            let got = 10.0 * (0.125 / power).log10();
            assert!((got - snr).abs() < 0.14, "{got} {snr}");
            assert_eq!(once, apply_condition(Condition::Noise { snr }, tone(440.0)).unwrap());
        }
        let other = apply_condition(Condition::Noise { snr: 0.0 }, tone(441.0)).unwrap();
        let one = apply_condition(Condition::Noise { snr: 0.0 }, tone(440.0)).unwrap();
        let same = |n: &usize| {
            (one.samples[*n] - tone(440.0).samples[*n] - other.samples[*n] + tone(441.0).samples[*n]).abs() < 1e-3
        };
        assert!((0..1000).filter(same).count() < 20, "another recording has another noise");
    }

    #[test]
    fn a_butterworth_filter_is_3_db_down_at_its_cutoff_and_falls_by_12_db_an_octave() {
        let high_pass = |hz: f64| {
            let (before, mut after) = (tone(hz).samples, tone(hz).samples);
            Biquad::high_pass(500.0, RATE).filter(&mut after);
            let power =
                |samples: &[f32]| samples[RATE as usize / 2..].iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
            10.0 * (power(&after) / power(&before)).log10()
        };
        let expected = |hz: f64| -10.0 * (1.0 + (500.0 / hz).powi(4)).log10();
        for hz in [62.5, 125.0, 250.0, 500.0, 1_000.0, 4_000.0] {
            // The analogue filter's formula; the bilinear transform bends it a little at 4 kHz.
            assert!((high_pass(hz) - expected(hz)).abs() < 0.05, "{hz}: {} {}", high_pass(hz), expected(hz));
        }
    }

    #[test]
    fn babble_has_the_given_power_and_is_the_same_every_time() {
        for (snr, rate) in [(10.0, RATE), (0.0, 16_000)] {
            let clean = to_rate(tone(440.0), rate).unwrap();
            let noisy = apply_condition(Condition::Babble { snr }, clean.clone()).unwrap();
            let babble: Vec<f32> = noisy.samples.iter().zip(&clean.samples).map(|(got, x)| got - x).collect();
            let got = 10.0 * (power(&clean.samples) / power(&babble)).log10();
            assert!((got - snr).abs() < 0.01, "{got} {snr}");
            assert_eq!(noisy, apply_condition(Condition::Babble { snr }, clean).unwrap());
        }
    }

    #[test]
    fn a_rate_takes_out_what_it_cannot_hold_and_nothing_else() {
        for (hz, kept, lost) in [(8_000, 3_600.0, 4_200.0), (11_025, 4_900.0, 5_800.0), (22_050, 9_900.0, 11_600.0)] {
            let (kept, lost) = (gain(Condition::Rate { hz }, kept), gain(Condition::Rate { hz }, lost));
            assert!(kept.abs() < 0.1 && lost < -60.0, "{hz} Hz: {kept} and {lost} dB");
        }
        assert_eq!(apply_condition(Condition::Rate { hz: RATE }, tone(440.0)).unwrap(), tone(440.0));
        assert!(gain(Condition::MuLaw, 1_000.0).abs() < 0.1 && gain(Condition::MuLaw, 6_000.0) < -20.0);
    }

    #[test]
    fn a_room_keeps_the_level_and_sounds_on() {
        let silent_half = |samples: &[f32]| 10.0 * (power(&samples[20_000..24_000]) / power(samples)).log10();
        let mut noise = RandomStream::new(1, "burst", 0);
        let samples = (0..RATE).map(|n| if n < 16_000 { noise.normal() as f32 } else { 0.0 }).collect();
        let burst = Recording { sample_rate: RATE, samples };
        for (rt60, least) in [(0.3, -30.0), (1.0, -12.0)] {
            let heard = apply_condition(Condition::Room { rt60 }, burst.clone()).unwrap();
            assert!((power(&heard.samples) / power(&burst.samples) - 1.0).abs() < 1e-4);
            // 83 to 167 ms after the end.
            let after = silent_half(&heard.samples);
            assert!((least..least + 20.0).contains(&after), "{rt60}: {after} dB");
        }
    }

    #[test]
    fn telephone_and_small_speaker_have_their_frequency_ranges() {
        let near = |got: f64, expected: f64| assert!((got - expected).abs() < 0.3, "{got}, expected {expected}");
        near(gain(Condition::Telephone, 1_000.0), 0.0);
        near(gain(Condition::Telephone, 300.0), -3.0);
        near(gain(Condition::Telephone, 150.0), -12.3);
        assert!(gain(Condition::Telephone, 6_000.0) < -60.0);
        near(gain(Condition::SmallSpeaker, 2_000.0), 0.0);
        near(gain(Condition::SmallSpeaker, 500.0), -6.0);
        near(gain(Condition::SmallSpeaker, 250.0), -24.6);
        near(gain(Condition::SmallSpeaker, 8_000.0), -3.0);
    }

    #[test]
    fn all_but_speed_and_trimmed_keep_the_length() {
        for length in [1, 999, 48_001] {
            let recording = Recording { sample_rate: RATE, samples: tone(440.0).samples.repeat(2)[..length].to_vec() };
            for condition in
                Condition::REPORTED.into_iter().filter(|it| !matches!(it, Condition::Speed(_) | Condition::Trimmed))
            {
                assert_eq!(apply_condition(condition, recording.clone()).unwrap().samples.len(), length, "{condition}");
            }
        }
    }

    #[test]
    fn trimming_leaves_a_tenth_of_a_second_around_the_voice() {
        let voice = crate::synth::synthesise(1, &"03-01-03-01-02-01-04".parse().unwrap()).samples;
        let trim =
            |samples| apply_condition(Condition::Trimmed, Recording { sample_rate: RATE, samples }).unwrap().samples;
        for (before, after) in [(0, 24_000), (48_000, 0), (60_000, 90_000)] {
            let trimmed = trim([&vec![0.0; before][..], &voice, &vec![0.0; after]].concat());
            assert!(trimmed.len() > 48_000 && trimmed.len() < voice.len(), "{} {}", trimmed.len(), voice.len());
            // Frames of the detector are 20 ms, 960 samples, apart.
            let found = SpeechDetector::voice(&trimmed, RATE).unwrap().unwrap();
            let after = trimmed.len() - found.end;
            assert!(found.start.abs_diff(4_800) <= 960 && after.abs_diff(4_800) <= 960, "{found:?}, {after}");
        }
        assert_eq!(apply_condition(Condition::Trimmed, tone(9_000.0)).unwrap(), tone(9_000.0), "no voice");
    }

    #[test]
    fn clipping_cuts_at_a_quarter_and_nothing_else() {
        let clipped = apply_condition(Condition::Clipped, tone(440.0)).unwrap();
        let quarter = 0.25 * tone(440.0).samples.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for (got, x) in clipped.samples.iter().zip(&tone(440.0).samples) {
            assert_eq!(*got, x.clamp(-quarter, quarter));
        }
    }

    #[test]
    fn silence_stays_silence_and_as_recorded_is_as_recorded() {
        let silence = Recording { sample_rate: RATE, samples: vec![0.0; 9_000] };
        for condition in Condition::REPORTED {
            let changed = apply_condition(condition, silence.clone()).unwrap();
            assert!(changed.samples.iter().all(|&x| x == 0.0), "{condition}");
        }
        assert_eq!(apply_condition(Condition::AsRecorded, tone(99.0)).unwrap(), tone(99.0));
        assert_eq!(apply_condition(Condition::Speed(1.25), tone(99.0)).unwrap().samples.len(), 38_400);
    }
}
