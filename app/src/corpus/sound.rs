//! Sound files of every kind that is read, to one channel of samples at their own rate.
//!
//! The content decides which kind a file is, not its name. WAV is read by the engine, Opus is decoded by `ruopus`, and everything
//! else by `symphonia`. Integers are scaled, and channels become their mean, as `librosa.load(path, sr=None)` does.

mod decoder;
mod kinds;
mod mp4;

use reslstm::audio::{Recording, decode_wav, wav_sample_rate};
use reslstm::error::{Error, Kind, Result};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use kinds::Reader;
pub use kinds::is_sound_name;

/// Samples beyond this are no loud sound but another unit.
const LOUDEST: f32 = 10.0;

/// Bytes that hold the header of most files.
const HEADER: u64 = 4096;

/// What to do about a file that cannot be read.
pub(super) const CONVERT: &str = "convert it first, for example with: ffmpeg -i INPUT OUTPUT.flac";

/// A decoded sound file.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// One channel, at the sample rate of the file.
    pub recording: Recording,
    /// What a user should know of it: what was left out, what looks wrong. Each is one clause.
    pub notes: Vec<String>,
}

/// Sample rate of the sound file at `path`, Hz, from its beginning alone. `None` if it cannot be read: [`decode`] says why.
pub fn sample_rate(path: &Path) -> Option<u32> {
    let mut file = File::open(path).ok()?;
    let mut beginning = Vec::new();
    Read::by_ref(&mut file).take(HEADER).read_to_end(&mut beginning).ok()?;
    match kinds::identify(&beginning).ok()? {
        Reader::Wav => wav_sample_rate(&beginning).or_else(|| wav_sample_rate(&std::fs::read(path).ok()?)),
        Reader::Symphonia(_) => {
            file.rewind().ok()?;
            decoder::sample_rate(file)
        }
    }
}

/// Decodes the bytes of a sound file.
///
/// # Errors
/// [`Kind::Audio`] if they are not a sound file, of a kind that is not read, damaged, cut off, or without sound. The error names
/// the kind and says what to do.
pub fn decode(bytes: &[u8]) -> Result<Sound> {
    crate::files::refuse_lfs_pointer(bytes)?;
    let mut sound = match kinds::identify(bytes)? {
        Reader::Wav => {
            let wav = decode_wav(bytes)?;
            let notes = match wav.rest {
                0 => Vec::new(),
                1 => vec!["left out 1 byte at the end, which is less than a whole frame".into()],
                rest => vec![format!("left out {rest} bytes at the end, which are less than a whole frame")],
            };
            Sound { recording: wav.recording, notes }
        }
        Reader::Symphonia(kind) => decoder::decode(bytes, kind)?,
    };
    let Recording { samples, .. } = &sound.recording;
    if samples.is_empty() {
        return Err(Error::new(Kind::Audio, "expected at least one sample, got none").advice("leave the file out"));
    }
    let peak = samples.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    if peak > LOUDEST {
        sound.notes.push(format!(
            "samples reach {peak:.0} times full scale and are taken as they are; if they are 16-bit integers stored as floats, \
             divide them by 32768"
        ));
    }
    Ok(sound)
}

#[cfg(test)]
mod tests;
