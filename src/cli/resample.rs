//! Recordings at another rate than a model's.

use reslstm::audio::Recording;
use reslstm::error::{Error, Kind, Result};
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler};

/// The recording at `rate` Hz: itself where it has that rate already.
pub fn to_rate(recording: Recording, rate: u32) -> Result<Recording> {
    if recording.sample_rate == rate {
        return Ok(recording);
    }
    let failed = |problem: String| {
        let conversion = format!("resampling from {} to {rate} Hz", recording.sample_rate);
        Error::new(Kind::Audio, problem).at(conversion)
    };
    let frames = recording.samples.len();
    let input = SequentialSlice::new(&recording.samples, 1, frames).map_err(|e| failed(e.to_string()))?;
    let (from, to) = (recording.sample_rate as usize, rate as usize);
    let mut resampler = Fft::<f32>::new(from, to, 1024, 1, FixedSync::Input).map_err(|e| failed(e.to_string()))?;
    let output = resampler.process_all(&input, frames, None).map_err(|e| failed(e.to_string()))?;
    let mut samples = output.take_data();
    // The library counts in floating point, and may give one sample more than there is time for.
    samples.truncate((frames * to).div_ceil(from));
    Ok(Recording { sample_rate: rate, samples })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch_length_and_loudness() {
        let tone = |rate: u32| {
            let sample = |n: u32| (std::f64::consts::TAU * 440.0 * n as f64 / rate as f64).sin() as f32;
            Recording { sample_rate: rate, samples: (0..rate).map(sample).collect() }
        };
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
}
