//! Resampling to another sample rate, and playback at another speed. The features of most models are of recordings that rubato
//! resampled, as are recording conditions; those of prepared recordings, of what the engine's own resampler makes, which runs
//! wherever the model does.

use super::sound::{SoundReader, check_length};
use reslstm::audio::{FeatureSettings, Recording, SampleSink, check_samples};
use reslstm::error::{Error, Kind, Result};
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

/// Samples per call of the resampler.
const PORTION: usize = 1024;

/// The recording at `rate` Hz, by rubato; unchanged if it has that rate already.
///
/// # Errors
/// [`Kind::Audio`] if rubato cannot resample between these rates, or the result is longer than 2²⁹ samples.
pub fn to_rate(recording: Recording, rate: u32) -> Result<Recording> {
    resample(recording, rate, |from| Ok(Resampler::Fft(Box::new(FftResampler::new(from, rate)?))))
}

/// The recording at `rate` Hz, for these features; unchanged if it has that rate already.
///
/// # Errors
/// [`Kind::Audio`] if rubato cannot resample between these rates.
pub fn to_feature_rate(recording: Recording, rate: u32, features: &FeatureSettings) -> Result<Recording> {
    resample(recording, rate, |from| Resampler::new(from, rate, features))
}

fn resample(recording: Recording, rate: u32, resampler: impl Fn(u32) -> Result<Resampler>) -> Result<Recording> {
    if recording.sample_rate == rate {
        return Ok(recording);
    }
    let length = recording.samples.len() as u64 * u64::from(rate) / u64::from(recording.sample_rate);
    check_length(usize::try_from(length).unwrap_or(usize::MAX), rate)?;
    let mut resampler = resampler(recording.sample_rate)?;
    let mut samples = Vec::with_capacity(length as usize + PORTION);
    for block in recording.samples.chunks(64 * PORTION) {
        samples.extend(resampler.push(block)?);
    }
    samples.extend(resampler.finish()?);
    Ok(Recording { sample_rate: rate, samples })
}

/// Hands all samples of a sound file to `sink`, at `rate` Hz: those of [`to_feature_rate`], to the bit.
///
/// # Errors
/// Those of the file and of `sink`; [`Kind::Audio`] if rubato cannot resample between these rates.
pub fn read_at_rate(
    sound: &mut SoundReader,
    rate: u32,
    features: &FeatureSettings,
    sink: &mut SampleSink,
) -> Result<()> {
    let from = sound.sample_rate();
    let mut resampler = if from == rate { None } else { Some(Resampler::new(from, rate, features)?) };
    while let Some(samples) = sound.next_block()? {
        match &mut resampler {
            Some(resampler) => sink(&resampler.push(&samples)?)?,
            None => sink(&samples)?,
        }
    }
    match &mut resampler {
        Some(resampler) => sink(&resampler.finish()?),
        None => Ok(()),
    }
}

/// The recording played at `speed` times its own speed. Above 1 it is shorter and higher, below 1 longer and lower: pitch,
/// formants and tempo change together, as if another person spoke. The sample rate stays the same.
///
/// # Errors
/// [`Kind::Audio`] if rubato cannot resample between these rates.
pub fn at_speed(recording: &Recording, speed: f64) -> Result<Recording> {
    let rate = recording.sample_rate;
    let samples = recording.samples.clone();
    to_rate(Recording { sample_rate: (f64::from(rate) * speed).round() as u32, samples }, rate)
}

/// A streaming resampler: takes samples in portions of any size.
pub enum Resampler {
    /// Rubato's.
    Fft(Box<FftResampler>),
    /// The engine's.
    Sinc(reslstm::audio::Resampler),
}

impl Resampler {
    /// The resampler for these features from one rate to another, both in Hz.
    ///
    /// # Errors
    /// [`Kind::Audio`] if rubato cannot resample between these rates.
    pub fn new(from: u32, to: u32, features: &FeatureSettings) -> Result<Self> {
        match features.prepare {
            true => Ok(Resampler::Sinc(reslstm::audio::Resampler::new(from, to))),
            false => Ok(Resampler::Fft(Box::new(FftResampler::new(from, to)?))),
        }
    }

    /// Takes the next samples of the recording; returns the output samples that are complete.
    ///
    /// # Errors
    /// [`Kind::Audio`] if rubato cannot resample between these rates.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<f32>> {
        match self {
            Resampler::Fft(resampler) => resampler.push(samples),
            Resampler::Sinc(resampler) => collect(|sink| resampler.push(samples, sink)),
        }
    }

    /// Returns the last output samples of the recording, so that it keeps its duration.
    ///
    /// # Errors
    /// [`Kind::Audio`] if rubato cannot resample between these rates.
    pub fn finish(&mut self) -> Result<Vec<f32>> {
        match self {
            Resampler::Fft(resampler) => resampler.finish(),
            Resampler::Sinc(resampler) => collect(|sink| resampler.finish(sink)),
        }
    }
}

/// All samples that `work` hands to its sink.
fn collect(work: impl FnOnce(&mut SampleSink) -> Result<()>) -> Result<Vec<f32>> {
    let mut all = Vec::new();
    work(&mut |samples| {
        all.extend_from_slice(samples);
        Ok(())
    })?;
    Ok(all)
}

/// Rubato's resampler for portions of any size.
pub struct FftResampler {
    from: u32,
    to: u32,
    inner: Fft<f32>,
    /// Samples not yet resampled, fewer than a portion.
    waiting: Vec<f32>,
    /// Number of output samples still to be dropped: the delay of `inner`.
    delay: usize,
    /// Samples in so far.
    taken: usize,
    /// Samples out so far.
    given: usize,
}

impl FftResampler {
    fn new(from: u32, to: u32) -> Result<Self> {
        let inner = Fft::new(from as usize, to as usize, PORTION, 1, FixedSync::Input);
        let inner = inner.map_err(|error| failed(from, to, &error))?;
        Ok(FftResampler { from, to, delay: inner.output_delay(), inner, waiting: Vec::new(), taken: 0, given: 0 })
    }

    fn push(&mut self, samples: &[f32]) -> Result<Vec<f32>> {
        check_samples(self.taken, samples)?;
        self.taken += samples.len();
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.extend_from_slice(samples);
        let (portions, rest) = waiting.as_chunks::<PORTION>();
        let mut output = Vec::new();
        for portion in portions {
            output.extend(self.resample(portion, PORTION)?);
        }
        self.waiting = rest.to_vec();
        Ok(output)
    }

    fn finish(&mut self) -> Result<Vec<f32>> {
        let mut last = std::mem::take(&mut self.waiting);
        let mut length = last.len();
        last.resize(PORTION, 0.0);
        let before = self.given;
        let total = (self.taken * self.to as usize).div_ceil(self.from as usize);
        let mut output = Vec::new();
        while self.given < total {
            output.extend(self.resample(&last, length)?);
            length = 0;
        }
        output.truncate(total - before);
        Ok(output)
    }

    /// Resamples the first `length` samples of a portion, as if silence followed.
    fn resample(&mut self, portion: &[f32], length: usize) -> Result<Vec<f32>> {
        let input = SequentialSlice::new(portion, 1, PORTION).map_err(|error| failed(self.from, self.to, &error))?;
        let part = Indexing::new().partial_len(length);
        let output = self.inner.process(&input, (length < PORTION).then_some(&part));
        let mut output = output.map_err(|error| failed(self.from, self.to, &error))?.take_data();
        let delay = self.delay.min(output.len());
        output.drain(..delay);
        self.delay -= delay;
        self.given += output.len();
        Ok(output)
    }
}

fn failed(from: u32, to: u32, error: &dyn std::error::Error) -> Error {
    Error::new(Kind::Audio, error.to_string()).at(format!("resampling from {from} to {to} Hz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32) -> Recording {
        let sample = |n: u32| (std::f64::consts::TAU * 440.0 * n as f64 / rate as f64).sin() as f32;
        Recording { sample_rate: rate, samples: (0..rate).map(sample).collect() }
    }

    #[test]
    fn a_resampled_tone_keeps_its_pitch_length_and_loudness() {
        for (from, to) in [(16_000, 48_000), (44_100, 48_000), (48_000, 16_000)] {
            let (got, expected) = (to_rate(tone(from), to).unwrap(), tone(to));
            assert_eq!((got.sample_rate, got.samples.len()), (to, expected.samples.len()));
            // The ends ring; in between the tone is the same to a thousandth.
            let middle = to as usize / 4..to as usize * 3 / 4;
            for (got, expected) in got.samples[middle.clone()].iter().zip(&expected.samples[middle]) {
                assert!((got - expected).abs() < 1e-3, "{from} to {to}: {got} {expected}");
            }
        }
    }

    #[test]
    fn a_tone_played_faster_is_higher_and_shorter() {
        let played = at_speed(&tone(48_000), 1.19).unwrap();
        assert_eq!((played.sample_rate, played.samples.len()), (48_000, (48_000.0f64 / 1.19).ceil() as usize));
        // The same tone 1.19 times as high, apart from a shift of less than one sample, over 220 periods.
        let angle = |n: usize| std::f64::consts::TAU * 440.0 * 1.19 * n as f64 / 48e3;
        let middle = || (10_000..10_000 + 20_168).map(|n| (n, f64::from(played.samples[n])));
        let (sine, cosine) = middle()
            .fold((0.0, 0.0), |(sine, cosine), (n, got)| (sine + got * angle(n).sin(), cosine + got * angle(n).cos()));
        let shift = cosine.atan2(sine);
        assert!(shift.abs() < angle(1), "{shift}");
        for (n, got) in middle() {
            let expected = (angle(n) + shift).sin();
            assert!((got - expected).abs() < 1e-3, "{n}: {got} {expected}");
        }
        let same = at_speed(&tone(16_000), 1.0).unwrap();
        assert_eq!(same, tone(16_000));
    }

    #[test]
    fn the_result_does_not_depend_on_the_portions() {
        for features in [FeatureSettings::default(), FeatureSettings::speech()] {
            for (from, to) in [(16_000, 48_000), (44_100, 48_000), (48_000, 16_000)] {
                let samples = &tone(from).samples[..5_003];
                let recording = Recording { sample_rate: from, samples: samples.to_vec() };
                let whole = to_feature_rate(recording, to, &features).unwrap().samples;
                let mut resampler = Resampler::new(from, to, &features).unwrap();
                let mut parts: Vec<f32> =
                    samples.chunks(311).flat_map(|portion| resampler.push(portion).unwrap()).collect();
                parts.extend(resampler.finish().unwrap());
                assert_eq!(parts, whole, "{from} to {to}");
            }
        }
    }

    #[test]
    fn what_is_no_number_and_what_would_not_fit_into_memory_is_refused() {
        let mut resampler = FftResampler::new(16_000, 48_000).unwrap();
        let error = resampler.push(&[0.5, f32::NAN]).unwrap_err();
        assert_eq!(error.kind(), Kind::Audio);
        // An hour of a sample rate that hardly is one: 3 billion samples at 768 kHz.
        let hour = Recording { sample_rate: 1_000, samples: vec![0.0; 3_600_000] };
        let error = to_rate(hour, 768_000).unwrap_err().to_string();
        assert!(error.contains("expected a recording of at most 11 minutes at 768000 Hz"), "{error}");
    }

    #[test]
    fn features_of_prepared_recordings_have_the_engines_resampler_and_others_rubatos() {
        let of = |features: &FeatureSettings| to_feature_rate(tone(48_000), 16_000, features).unwrap();
        assert_eq!(of(&FeatureSettings::default()), to_rate(tone(48_000), 16_000).unwrap());
        let mut engines = reslstm::audio::Resampler::new(48_000, 16_000);
        let mut expected = collect(|sink| engines.push(&tone(48_000).samples, sink)).unwrap();
        expected.extend(collect(|sink| engines.finish(sink)).unwrap());
        assert_eq!(of(&FeatureSettings::speech()).samples, expected);
    }
}
