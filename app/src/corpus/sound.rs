//! Sound files of every kind that is read, to one channel of samples at their own rate.
//!
//! The content decides which kind a file is, not its name. The header of a WAV file is read by the engine, Opus is decoded by
//! `ruopus`, and everything else by `symphonia`. Integers are scaled, and channels become their mean, as
//! `librosa.load(path, sr=None)` does. [`SoundReader`] reads a file of any length in blocks.

mod decoder;
mod kinds;
mod mp4;
mod signal_check;
mod stream;
mod wav;

use super::segment::Segment;
use crate::files;
use reslstm::audio::{Recording, check_sample_rate, check_samples, mean_of_channels};
use reslstm::error::{Error, Kind, Result};
use std::io::{Cursor, Read};
use std::path::Path;
use symphonia::core::io::MediaSource;

use decoder::PacketReader;
use kinds::Reader;
pub use kinds::is_sound_name;
pub use signal_check::SignalCheck;
pub use stream::StreamDecoder;
use wav::WavReader;

/// Samples beyond this are no loud sound but another unit.
const LOUDEST: f32 = 10.0;

/// Where the mean of the channels has less than this share of their power, they cancel each other: −30 dB. Of unrelated channels
/// it has half.
const CANCELLED: f64 = 1e-3;

/// What to do about a file that cannot be read.
pub(super) const CONVERT: &str = "convert it first, for example with: ffmpeg -i INPUT OUTPUT.flac";

/// Which channels of a recording are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// The mean of all channels.
    #[default]
    Mix,
    /// The first of two or more channels.
    Left,
    /// The second of two or more channels.
    Right,
}

impl Side {
    /// One channel of `samples`, which hold `channels` in turn.
    pub fn of(self, samples: Vec<f32>, channels: usize) -> Vec<f32> {
        match self {
            Side::Mix if channels == 1 => samples,
            Side::Mix => mean_of_channels(&samples, channels),
            Side::Left => samples.into_iter().step_by(channels).collect(),
            Side::Right => samples.into_iter().skip(1).step_by(channels).collect(),
        }
    }

    /// Checks that a recording with so many channels has this side.
    ///
    /// # Errors
    /// [`Kind::Audio`] if it has one channel, and not all are taken.
    pub fn check(self, channels: usize) -> Result<()> {
        if self == Side::Mix || channels >= 2 {
            return Ok(());
        }
        let problem = format!("expected two channels, of which to take the {} one, got {channels}", self.name());
        Err(Error::new(Kind::Audio, problem).advice("leave out --side: a recording with one channel has no sides"))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Side::Mix => "mix",
            Side::Left => "left",
            Side::Right => "right",
        }
    }
}

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
    SoundReader::open(Box::new(files::open(path).ok()?), Side::Mix).ok().map(|reader| reader.sample_rate())
}

/// Decodes the bytes of a sound file.
///
/// # Errors
/// Those of [`SoundReader`]; [`Kind::Audio`] if it is longer than 2²⁹ samples.
pub fn decode(bytes: &[u8]) -> Result<Sound> {
    decode_all(SoundReader::open(Box::new(Cursor::new(bytes)), Side::Mix)?)
}

/// [`decode`] of the sound file at `path`, whose bytes are not held in memory.
///
/// # Errors
/// Those of [`decode`]; [`Kind::Io`] if it cannot be read. The caller adds the path.
pub fn decode_file(path: &Path) -> Result<Sound> {
    let file = files::open(path).map_err(|error| Error::new(Kind::Io, error.to_string()))?;
    decode_all(SoundReader::open(Box::new(file), Side::Mix)?)
}

fn decode_all(mut reader: SoundReader<'_>) -> Result<Sound> {
    let mut samples = Vec::new();
    while let Some(block) = reader.next_block()? {
        samples.extend(block);
        check_length(samples.len(), reader.sample_rate())?;
    }
    Ok(Sound { recording: Recording { sample_rate: reader.sample_rate(), samples }, notes: reader.into_notes() })
}

/// Samples of the longest recording that is held in memory, two gigabytes: three hours at 48 kHz.
const LONGEST: usize = 1 << 29;

/// Refuses a recording that would not be held in memory: `samples` at `rate` Hz.
///
/// # Errors
/// [`Kind::Audio`] if it is longer than that.
pub fn check_length(samples: usize, rate: u32) -> Result<()> {
    if samples <= LONGEST {
        return Ok(());
    }
    let minutes = LONGEST / 60 / rate.max(1) as usize;
    let problem = format!("expected a recording of at most {minutes} minutes at {rate} Hz, got a longer one");
    Err(Error::new(Kind::Audio, problem).advice("cut it into files of clips; predict --window reads it as it is"))
}

/// A sound file of any length, in the middle of being read.
pub struct SoundReader<'a> {
    source: Source<'a>,
    sample_rate: u32,
    channels: usize,
    side: Side,
    /// The part that is read, if it is not the whole.
    segment: Option<Segment>,
    /// A block that was read to know rate and channels.
    first: Option<Vec<f32>>,
    /// Samples of the file so far.
    samples: usize,
    peak: f32,
    /// Sum of squares of the mean of the channels, and mean of the sums of the channels.
    mixed: f64,
    apart: f64,
}

enum Source<'a> {
    Wav(WavReader<'a>),
    Packets(PacketReader<'a>),
}

impl<'a> SoundReader<'a> {
    /// Reads the header of a file, which begins at the beginning of `file`.
    ///
    /// # Errors
    /// [`Kind::Audio`] if it is not a sound file, of a kind that is not read, damaged, cut off, without sound or without this side.
    /// The error names the kind and says what to do. [`Kind::Io`] if reading fails.
    pub fn open(mut file: Box<dyn MediaSource + 'a>, side: Side) -> Result<Self> {
        let failed = |error: std::io::Error| Error::new(Kind::Io, error.to_string());
        let length = file.byte_len();
        let mut beginning = Vec::new();
        file.by_ref().take(kinds::BEGINNING as u64).read_to_end(&mut beginning).map_err(failed)?;
        crate::files::refuse_lfs_pointer(&beginning)?;
        let mut first = Vec::new();
        let (source, sample_rate, channels) = match kinds::identify(&beginning, length)? {
            Reader::Wav => {
                let reader = WavReader::open(file, beginning)?;
                let (rate, channels) = (reader.sample_rate(), reader.channels());
                (Source::Wav(reader), rate, channels)
            }
            Reader::Symphonia(kind) => {
                let is_movie = beginning.get(4..).is_some_and(|rest| rest.starts_with(b"ftyp"));
                let movie = if is_movie { mp4::movie(kind, &mut file)? } else { None };
                file.rewind().map_err(failed)?;
                let mut reader = PacketReader::open(file, kind, movie)?;
                reader.next(&mut first)?;
                let (rate, channels) = reader.spec().ok_or_else(no_samples)?;
                (Source::Packets(reader), rate, channels)
            }
        };
        check_sample_rate(sample_rate)?;
        side.check(channels)?;
        let first = (!first.is_empty()).then_some(first);
        Ok(SoundReader {
            source,
            sample_rate,
            channels,
            side,
            segment: None,
            first,
            samples: 0,
            peak: 0.0,
            mixed: 0.0,
            apart: 0.0,
        })
    }

    /// Reads a segment alone.
    pub fn with_segment(mut self, segment: Option<Segment>) -> Self {
        self.segment = segment;
        self
    }

    /// Sample rate of the file, Hz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// The next samples, one channel, full scale −1 to 1; none at the end.
    ///
    /// # Errors
    /// [`Kind::Audio`] if the file is damaged, cut off or without sound; [`Kind::Data`] at the end if it has not the segment;
    /// [`Kind::Io`] if reading fails.
    pub fn next_block(&mut self) -> Result<Option<Vec<f32>>> {
        loop {
            let before = self.samples;
            let Some(mut block) = self.next_of_file()? else {
                let check = |segment: Segment| segment.places(self.sample_rate, self.samples).map(|_| None);
                return self.segment.map_or(Ok(None), check);
            };
            if let Some(segment) = self.segment {
                let (first, end) = segment.wanted_places(self.sample_rate);
                block.truncate(end.saturating_sub(before));
                block.drain(..first.saturating_sub(before).min(block.len()));
            }
            if !block.is_empty() {
                return Ok(Some(block));
            }
        }
    }

    /// [`next_block`](Self::next_block) of the whole file.
    fn next_of_file(&mut self) -> Result<Option<Vec<f32>>> {
        let mut samples = self.first.take().unwrap_or_default();
        let more = !samples.is_empty()
            || match &mut self.source {
                Source::Wav(reader) => reader.next(&mut samples)?,
                Source::Packets(reader) => reader.next(&mut samples)?,
            };
        if !more {
            return if self.samples == 0 { Err(no_samples()) } else { Ok(None) };
        }
        let is_mixed = self.channels > 1 && self.side == Side::Mix;
        self.apart += if is_mixed { sum_of_squares(&samples) / self.channels as f64 } else { 0.0 };
        let block = self.side.of(samples, self.channels);
        self.mixed += if is_mixed { sum_of_squares(&block) } else { 0.0 };
        check_samples(self.samples, &block)?;
        self.samples += block.len();
        self.peak = block.iter().fold(self.peak, |peak, sample| peak.max(sample.abs()));
        Ok(Some(block))
    }

    /// What a user should know of the file, when all of it is read. Each is one clause.
    pub fn into_notes(self) -> Vec<String> {
        let mut notes = match self.source {
            Source::Wav(reader) => reader.notes(),
            Source::Packets(reader) => reader.notes,
        };
        if self.mixed < CANCELLED * self.apart {
            notes.push("the channels cancel each other, as with a wrongly wired microphone: try --side left".into());
        }
        if self.peak > LOUDEST {
            notes.push(format!(
                "samples reach {:.0} times full scale and are taken as they are; if they are 16-bit integers stored as floats, \
                 divide them by 32768",
                self.peak
            ));
        }
        notes
    }
}

fn sum_of_squares(samples: &[f32]) -> f64 {
    samples.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum()
}

fn no_samples() -> Error {
    Error::new(Kind::Audio, "expected at least one sample, got none").advice("leave the file out")
}

#[cfg(test)]
mod tests;
