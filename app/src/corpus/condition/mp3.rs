//! MP3: encoded by `rusty_mp3`, decoded as any other file is.

use crate::corpus::resample::to_rate;
use crate::corpus::sound;
use reslstm::audio::Recording;
use reslstm::error::{Error, Kind, Result};
use rusty_mp3::{Mp3Encoder, Mp3EncoderConfig};

/// Bits per second, thousands.
const KBPS: u32 = 32;
/// The sample rates of MP3, Hz.
const RATES: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

/// The recording after encoding and decoding at 32 kbit/s; at a rate that MP3 does not have, from and to the next higher one.
///
/// # Errors
/// [`Kind::Audio`] if it cannot be encoded or resampled.
pub(super) fn encode_and_decode(recording: Recording) -> Result<Recording> {
    let (length, rate) = (recording.samples.len(), recording.sample_rate);
    let possible = RATES.into_iter().find(|&possible| possible >= rate).unwrap_or(RATES[8]);
    let recording = to_rate(recording, possible)?;
    let decoded = sound::decode(&encode(&recording)?)?.recording;
    let mut samples = to_rate(decoded, rate)?.samples;
    samples.resize(length, 0.0);
    Ok(Recording { sample_rate: rate, samples })
}

fn encode(Recording { sample_rate, samples }: &Recording) -> Result<Vec<u8>> {
    let failed = |error| Error::new(Kind::Audio, format!("encoding as MP3: {error}"));
    let mut encoder = Mp3Encoder::new(Mp3EncoderConfig { bitrate_kbps: KBPS, vbr_quality: None });
    encoder.push_pcm_f32(samples, 1, *sample_rate).map_err(failed)?;
    encoder.finish();
    let mut file = Vec::new();
    while let Ok(packet) = encoder.next_packet() {
        file.extend(packet);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth;

    #[test]
    fn speech_stays_in_time_and_loses_little() {
        for rate in [8_000, 16_000, 44_100, 48_000, 96_000] {
            let synth::Speech { sample_rate, samples } = synth::synthesise(1, &"03-01-03-01-02-01-04".parse().unwrap());
            let clean = to_rate(Recording { sample_rate, samples }, rate).unwrap();
            let coded = encode_and_decode(clean.clone()).unwrap();
            assert_eq!((coded.sample_rate, coded.samples.len()), (rate, clean.samples.len()));
            let power = |samples: &mut dyn Iterator<Item = f64>| samples.map(|x| x * x).sum::<f64>();
            let signal = power(&mut clean.samples.iter().map(|&x| f64::from(x)));
            let error = power(&mut clean.samples.iter().zip(&coded.samples).map(|(&x, &y)| f64::from(x - y)));
            let snr = 10.0 * (signal / error).log10();
            let bytes = encode(&to_rate(clean.clone(), rate.min(48_000)).unwrap()).unwrap().len();
            let kbps = 8e-3 * bytes as f64 / (clean.samples.len() as f64 / f64::from(rate));
            // One sample late, it would be 10 dB. The file has a frame more, that of the encoder's tag.
            assert!(snr > 25.0 && (32.0..38.0).contains(&kbps), "{rate} Hz: SNR {snr}, {kbps} kbit/s");
        }
    }
}
