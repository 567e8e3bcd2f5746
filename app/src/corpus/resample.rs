//! Sound at another rate than a model's, and sound played faster or slower: both by rubato.

use reslstm::audio::Recording;
use reslstm::error::{Error, Kind, Result};
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

/// Samples that are resampled together.
const PORTION: usize = 1024;

/// The recording at `rate` Hz: itself where it has that rate already.
///
/// # Errors
/// [`Kind::Audio`] if rubato refuses.
pub fn to_rate(recording: Recording, rate: u32) -> Result<Recording> {
    if recording.sample_rate == rate {
        return Ok(recording);
    }
    let mut resampler = Resampler::new(recording.sample_rate, rate)?;
    let mut samples = resampler.push(&recording.samples)?;
    samples.extend(resampler.finish()?);
    Ok(Recording { sample_rate: rate, samples })
}

/// The recording played at `speed` times its own: shorter and higher above 1, longer and lower below, pitch, formants and tempo
/// together, as if somebody else spoke. Its samples are taken for samples at `speed` times their rate, and resampled to it.
///
/// # Errors
/// [`Kind::Audio`] if rubato refuses.
pub fn at_speed(recording: &Recording, speed: f64) -> Result<Recording> {
    let rate = recording.sample_rate;
    let samples = recording.samples.clone();
    to_rate(Recording { sample_rate: (f64::from(rate) * speed).round() as u32, samples }, rate)
}

/// Samples at one rate to samples at another, as they come.
pub struct Resampler {
    from: u32,
    to: u32,
    inner: Fft<f32>,
    /// Samples not yet resampled, fewer than a portion.
    waiting: Vec<f32>,
    /// How many of the next samples out are `inner`'s delay, from before the beginning.
    delay: usize,
    taken: usize,
    given: usize,
}

impl Resampler {
    /// From one rate to another, both in Hz.
    ///
    /// # Errors
    /// [`Kind::Audio`] if rubato refuses.
    pub fn new(from: u32, to: u32) -> Result<Self> {
        let inner = Fft::new(from as usize, to as usize, PORTION, 1, FixedSync::Input);
        let inner = inner.map_err(|error| failed(from, to, &error))?;
        Ok(Resampler { from, to, delay: inner.output_delay(), inner, waiting: Vec::new(), taken: 0, given: 0 })
    }

    /// The samples that these, the next of the recording, complete.
    ///
    /// # Errors
    /// [`Kind::Audio`] if rubato refuses.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<f32>> {
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

    /// What is left at the end of the recording, which then lasts as long as it did before.
    ///
    /// # Errors
    /// [`Kind::Audio`] if rubato refuses.
    pub fn finish(&mut self) -> Result<Vec<f32>> {
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

    /// What the first `length` samples of a portion give; silence follows them.
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
    fn a_tone_keeps_its_pitch_length_and_loudness() {
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
    fn played_faster_a_tone_is_higher_and_shorter() {
        let played = at_speed(&tone(48_000), 1.19).unwrap();
        assert_eq!((played.sample_rate, played.samples.len()), (48_000, (48_000.0f64 / 1.19).ceil() as usize));
        // The same tone 1.19 times as high, but for a shift of less than a sample, which nobody hears: 220 of its periods.
        let angle = |n: usize| std::f64::consts::TAU * 440.0 * 1.19 * n as f64 / 48e3;
        let heard = || (10_000..10_000 + 20_168).map(|n| (n, f64::from(played.samples[n])));
        let (sine, cosine) = heard()
            .fold((0.0, 0.0), |(sine, cosine), (n, got)| (sine + got * angle(n).sin(), cosine + got * angle(n).cos()));
        let shift = cosine.atan2(sine);
        assert!(shift.abs() < angle(1), "{shift}");
        for (n, got) in heard() {
            let expected = (angle(n) + shift).sin();
            assert!((got - expected).abs() < 1e-3, "{n}: {got} {expected}");
        }
        let same = at_speed(&tone(16_000), 1.0).unwrap();
        assert_eq!(same, tone(16_000));
    }

    #[test]
    fn portions_do_not_matter() {
        for (from, to) in [(16_000, 48_000), (44_100, 48_000), (48_000, 16_000)] {
            let samples = &tone(from).samples[..5_003];
            let whole = to_rate(Recording { sample_rate: from, samples: samples.to_vec() }, to).unwrap().samples;
            let mut resampler = Resampler::new(from, to).unwrap();
            let mut parts: Vec<f32> =
                samples.chunks(311).flat_map(|portion| resampler.push(portion).unwrap()).collect();
            parts.extend(resampler.finish().unwrap());
            assert_eq!(parts, whole, "{from} to {to}");
        }
    }
}
