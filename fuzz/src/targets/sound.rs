//! Sound files, and sound on a pipe.

use super::model::{check_probabilities, small_model};
use reslstm::audio::{Encoding, FeatureSettings, FrontEnd, Recording, SampleFormat, write_wav16};
use reslstm::error::Result;
use reslstm::models::{LivePredictor, Moment};
use reslstm_cli::corpus::sound::{Side, SoundReader, StreamDecoder, decode};
use std::io::Cursor;

/// Samples of a file that are decoded, at least: a small file may hold an hour.
const DECODED: usize = 1 << 16;

/// Samples that are written again, and of which features are computed.
const CHECKED: usize = 256;

/// Samples of a stream for which predictions are computed.
const PREDICTED: usize = 2048;

/// A file that the engine reads.
pub fn wav(bytes: &[u8]) -> bool {
    let engine = Recording::from_wav(bytes);
    if let Ok(recording) = &engine {
        check(recording);
    }
    // The application refuses more, and reads other kinds.
    if let (Ok(engine), Ok(application)) = (&engine, decode(bytes)) {
        assert!(*engine == application.recording, "the engine reads another sound than the application");
    }
    engine.is_ok()
}

/// A file of any kind.
pub fn sound(bytes: &[u8]) -> bool {
    let recording = beginning(bytes);
    if let Ok(recording) = &recording {
        check(recording);
    }
    recording.is_ok()
}

/// What [`decode`] gives, without the rest of a recording that is longer than [`DECODED`].
fn beginning(bytes: &[u8]) -> Result<Recording> {
    let mut reader = SoundReader::open(Box::new(Cursor::new(bytes)), Side::Mix)?;
    let mut samples = Vec::new();
    while samples.len() < DECODED
        && let Some(block) = reader.next_block()?
    {
        samples.extend(block);
    }
    Ok(Recording { sample_rate: reader.sample_rate(), samples })
}

thread_local! {
    /// Of short windows: those of long ones would take most of the time.
    static FRONT_END: FrontEnd = {
        let settings = FeatureSettings::default().with(|it| (it.n_fft, it.hop, it.mel_bands) = (128, 64, 40));
        FrontEnd::new(settings.expect("settings in their ranges"), 16_000).expect("a rate in its range")
    };
}

fn check(recording: &Recording) {
    let Recording { sample_rate, samples } = recording;
    assert!((1_000..=1_000_000).contains(sample_rate), "{sample_rate} Hz");
    assert!(!samples.is_empty(), "no samples");
    assert!(samples.iter().all(|sample| sample.is_finite()), "a sample is not finite");

    let samples = &samples[..samples.len().min(CHECKED)];
    let again = Recording::from_wav(&write_wav16(samples, *sample_rate)).expect("what was written is read");
    assert_eq!((again.sample_rate, again.samples.len()), (*sample_rate, samples.len()));
    for (written, read) in samples.iter().zip(&again.samples) {
        let error = written.clamp(-1.0, 32_767.0 / 32_768.0) - read;
        assert!(error.abs() <= 0.5 / 32_768.0, "{written} was read as {read}");
    }

    let features = FRONT_END.with(|it| it.clone().features(samples)).expect("samples that are finite have features");
    assert!(features.as_slice().iter().all(|value| value.is_finite()), "a feature is not finite");
}

/// The first two bytes say the format and the size of the portions, the others arrive.
pub fn live(bytes: &[u8]) -> bool {
    let [format, portion, stream @ ..] = bytes else { return false };
    let encodings = [Encoding::U8, Encoding::S16, Encoding::S24, Encoding::S32, Encoding::F32, Encoding::F64];
    let channels = 1 + usize::from(*format) / encodings.len() % 2;
    let format = SampleFormat::raw(encodings[usize::from(*format) % encodings.len()], channels).expect("few channels");
    let whole = decoded(stream, stream.len().max(1), format);
    let portion = 1 + usize::from(*portion);
    let parts = decoded(stream, portion, format);
    match (whole, parts) {
        (Some((channels, whole)), Some((again, parts))) => {
            let bits = |samples: &[f32]| samples.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
            assert_eq!((channels, bits(&whole)), (again, bits(&parts)), "portions change the samples");
            let samples = Side::Mix.of(whole, channels);
            let moments = |portion| predicted(&samples[..samples.len().min(PREDICTED)], portion);
            let (moments, again) = (moments(PREDICTED), moments(portion));
            assert_eq!(moments, again, "portions change the predictions");
            moments.is_some()
        }
        (whole, parts) => {
            assert_eq!(whole.is_some(), parts.is_some(), "portions decide what is refused");
            false
        }
    }
}

/// Number of channels, and all samples; none if the stream is refused.
fn decoded(stream: &[u8], portion: usize, format: SampleFormat) -> Option<(usize, Vec<f32>)> {
    let mut decoder = StreamDecoder::new(format, 8_000);
    let mut samples = Vec::new();
    for portion in stream.chunks(portion) {
        samples.extend(decoder.push(portion).ok()?);
    }
    samples.extend(decoder.finish().ok()?);
    Some((decoder.spec().map_or(1, |(_, channels)| channels), samples))
}

/// The predictions for samples; none if they are refused.
fn predicted(samples: &[f32], portion: usize) -> Option<Vec<Moment>> {
    thread_local! {
        static LIVE: LivePredictor = LivePredictor::new(&small_model()).expect("a model for recordings");
    }
    let mut live = LIVE.with(Clone::clone);
    let mut moments = Vec::new();
    for samples in samples.chunks(portion) {
        moments.extend(live.push(samples).ok()?);
    }
    moments.extend(live.finish().ok()?);
    moments.iter().for_each(|moment| check_probabilities(&moment.prediction));
    Some(moments)
}
