//! WAV: bytes to one channel of samples, and back.
//!
//! `hound` writes the files. It does not read them: it does not skip the byte of padding after a chunk of odd length, it takes
//! the length in the header of a stream for real, and its iterator fetches sample by sample. (A clip of RAVDESS, 3.7 s at
//! 48 kHz, from memory: 2.2 ms by that iterator, 0.04 ms here, and 0.8 ms for all its features. One core of Zen 4.) The tests
//! compare the two on every format that both read.

#[cfg(feature = "std")]
use std::io::Read;

use super::{check_sample_rate, check_samples};
use crate::error::{Error, Kind, Result};

/// A header that claims more channels than this is damaged.
const MOST_CHANNELS: u16 = 16;
/// From here on the length of the samples is a placeholder, written by a program that cannot come back to fill it in because
/// it writes to a pipe: ffmpeg 0xFFFFFFFF, SoX 0x7FFFF000 rounded down to whole frames, others 0x7FFFFFFF or 0x80000000.
const OPEN_END: usize = 0x7fff_0000;

/// Format tag: integers.
const PCM: u16 = 1;
/// Format tag: floats.
const IEEE_FLOAT: u16 = 3;
/// Format tag: the real tag follows in an extension, as the first two bytes of a GUID that ends in [`GUID_END`].
const EXTENSIBLE: u16 = 0xfffe;
const GUID_END: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

const CONVERT: &str = "convert it first, for example with: ffmpeg -i INPUT -c:a pcm_s16le OUTPUT.wav";
const CUT_OFF: &str = "the file was cut off, or written by a program that never came back to fill in the length: \
                       copy or convert it again";

/// One channel of sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Samples per second, Hz.
    pub sample_rate: u32,
    /// The samples, full scale −1 to 1.
    pub samples: Vec<f32>,
}

impl Recording {
    /// Reads a WAV file to its end and decodes it: see [`from_wav`](Self::from_wav). Needs the feature `std`.
    ///
    /// # Errors
    /// [`Kind::Io`] when reading fails, otherwise those of [`from_wav`](Self::from_wav).
    #[cfg(feature = "std")]
    pub fn read_wav(mut reader: impl Read) -> Result<Self> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(|error| Error::io("reading a WAV file", error))?;
        Self::from_wav(&bytes)
    }

    /// Decodes a WAV file; several channels become their mean.
    ///
    /// The header of a file that was written to a pipe has a placeholder for the length: 0, or some two or four GiB. Such a file
    /// is read to its end. Otherwise the file must have the length that its header states.
    ///
    /// Integers are divided by 2^(bits − 1), so full scale is −1 to 1 (8-bit files are unsigned, 128 is 0); 32-bit floats
    /// are not scaled. That is what `librosa.load(path, sr=None)` gives.
    ///
    /// ```
    /// use reslstm::audio::{Recording, write_wav16};
    ///
    /// let recording = Recording::from_wav(&write_wav16(&[0.0, 0.5, -1.0], 48_000)).unwrap();
    /// assert_eq!(recording, Recording { sample_rate: 48_000, samples: vec![0.0, 0.5, -1.0] });
    /// ```
    ///
    /// # Errors
    /// [`Kind::Audio`]: not a WAV file; cut off; a format other than 8, 16, 24, 32-bit integers and 32-bit floats; no
    /// channels or more than 16; a sample rate outside 1,000 to 1,000,000 Hz; no samples; float samples
    /// that are NaN, infinite or beyond 2³¹ in size.
    pub fn from_wav(bytes: &[u8]) -> Result<Self> {
        let (format, data) = find_format_and_data(bytes)?;
        let (chunk, format) = (format, Format::parse(format)?);
        let frame = format.channels * format.width;
        if data.is_empty() {
            return Err(Error::new(Kind::Audio, "expected at least one sample, got none").advice("leave the file out"));
        }
        if !data.len().is_multiple_of(frame) {
            let problem = format!("expected samples in whole frames of {frame} bytes, got {} bytes", data.len());
            return Err(Error::new(Kind::Audio, problem).advice(CONVERT));
        }
        check_sample_rate(format.sample_rate)?;
        let samples = match (format.encoding, format.width) {
            (PCM, 1) => mono(data, format.channels, |[a]| (f32::from(a) - 128.0) / 128.0),
            (PCM, 2) => mono(data, format.channels, |bytes| f32::from(i16::from_le_bytes(bytes)) / 32_768.0),
            // The upper three bytes of a 32-bit integer.
            (PCM, 3) => mono(data, format.channels, |[a, b, c]| full_scale([0, a, b, c])),
            (PCM, 4) => mono(data, format.channels, full_scale),
            (IEEE_FLOAT, 4) => mono(data, format.channels, f32::from_le_bytes),
            _ => return Err(unsupported(chunk, "samples of this type and width")),
        };
        if format.encoding == IEEE_FLOAT {
            check_samples(&samples)?;
        }
        Ok(Recording { sample_rate: format.sample_rate, samples })
    }
}

/// A 16-bit WAV file of one channel. `samples` beyond full scale (−1 to 1) are cut to it.
///
/// # Panics
/// If the file would be longer than the format can say: 4 GiB.
pub fn write_wav16(samples: &[f32], sample_rate: u32) -> Vec<u8> {
    assert!(samples.len() < 1 << 31, "a WAV file holds 4 GiB, {} samples are more", samples.len());
    let spec =
        hound::WavSpec { channels: 1, sample_rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut bytes = std::io::Cursor::new(Vec::with_capacity(44 + 2 * samples.len()));
    let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("memory takes every write");
    for sample in samples {
        // A cast saturates at the ends of i16, and takes NaN to 0.
        writer.write_sample((sample * 32_768.0).round() as i16).expect("memory takes every write");
    }
    writer.finalize().expect("memory takes every write");
    bytes.into_inner()
}

/// The contents of the `fmt ` and the `data` chunk. Other chunks (names, markers, padding) are skipped.
fn find_format_and_data(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    if bytes.len() < 12 || &bytes[..4] != b"RIFF" || &bytes[8..12] != b"WAVE" {
        let beginning = bytes[..bytes.len().min(12)].escape_ascii();
        let problem = format!("expected a WAV file (RIFF…WAVE), got {} bytes beginning \"{beginning}\"", bytes.len());
        return Err(Error::new(Kind::Audio, problem).advice(CONVERT));
    }
    let mut format = None;
    let mut rest = &bytes[12..];
    while let Some((header, body)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, length @ ..] = *header;
        let (name, length) = ([a, b, c, d], u32::from_le_bytes(length) as usize);
        let streamed = &name == b"data" && is_open_ended(bytes, body, length);
        let Some(content) = (if streamed { Some(body) } else { body.get(..length) }) else {
            let name = name.escape_ascii();
            let problem = format!("expected {length} bytes of \"{name}\" as the header says, got {}", body.len());
            return Err(Error::new(Kind::Audio, problem).advice(CUT_OFF));
        };
        match (&name, format) {
            (b"fmt ", _) => format = Some(content),
            (b"data", Some(format)) if streamed => return Ok((format, whole_frames(format, content))),
            (b"data", Some(format)) => return Ok((format, content)),
            (b"data", None) => return Err(missing("a description of the format (fmt) before the samples (data)")),
            _ => {}
        }
        // Chunks begin at even places: one of odd length is followed by a byte of padding.
        rest = body.get(length + length % 2..).unwrap_or_default();
    }
    Err(missing("samples (a data chunk)"))
}

/// Whether `length` is a placeholder, so that the samples, which begin with `body`, extend to the end of the file.
fn is_open_ended(bytes: &[u8], body: &[u8], length: usize) -> bool {
    if length > 0 {
        return length >= OPEN_END && length > body.len();
    }
    // No samples, or a length never filled in? Then neither was that of the whole file, which ends before the samples.
    let whole = bytes[4..].first_chunk().map_or(0, |&length| u32::from_le_bytes(length) as usize);
    whole >= OPEN_END || whole + 8 <= bytes.len() - body.len()
}

/// The whole frames of a stream, which may end anywhere. The format states the bytes per frame.
fn whole_frames<'a>(format: &[u8], data: &'a [u8]) -> &'a [u8] {
    &data[..data.len() - data.len().checked_rem(u16_at(format, 12).into()).unwrap_or(0)]
}

fn missing(what: &str) -> Error {
    Error::new(Kind::Audio, format!("expected a WAV file with {what}, got none")).advice(CUT_OFF)
}

/// How a file stores its samples.
struct Format {
    /// [`PCM`], [`IEEE_FLOAT`] or another tag.
    encoding: u16,
    /// At least 1.
    channels: usize,
    /// Hz
    sample_rate: u32,
    /// Bytes of one sample, at least 1.
    width: usize,
}

impl Format {
    /// Reads the content of a `fmt ` chunk, little-endian numbers: tag, channels (2 bytes each), sample rate, bytes per second
    /// (4 each), bytes per frame, bits per sample (2 each). Longer chunks are common and mean something in the extensible
    /// format alone, which goes on with 22 (2 bytes), the bits in use (2), the loudspeakers (4), the real tag (2) and
    /// [`GUID_END`].
    fn parse(chunk: &[u8]) -> Result<Self> {
        if chunk.len() < 16 {
            return Err(missing("a description of the format (fmt) of at least 16 bytes"));
        }
        let short = |at: usize| u16_at(chunk, at);
        let long = |at: usize| u32::from(short(at)) | u32::from(short(at + 2)) << 16;
        let (channels, sample_rate, frame) = (short(2), long(4), short(12));
        if channels == 0 || channels > MOST_CHANNELS {
            let problem = format!("expected 1 to {MOST_CHANNELS} channels, got {channels}");
            return Err(
                Error::new(Kind::Audio, problem).advice("the header is damaged, or the channels must be mixed first")
            );
        }
        let (encoding, bits) = match short(0) {
            EXTENSIBLE if short(16) == 22 && chunk.get(26..40) == Some(&GUID_END[..]) => {
                // Some writers leave the bits in use out.
                (short(24), if short(18) > 0 { short(18) } else { short(14) })
            }
            tag => (tag, short(14)),
        };
        let width = frame / channels;
        if Some(long(8)) != u32::from(frame).checked_mul(sample_rate) || short(14) == 0 || short(14) % 8 != 0 {
            return Err(unsupported(chunk, "a description that contradicts itself"));
        }
        // Some writers put a narrow sample at the upper end of its bytes, some at the lower.
        if width < bits.div_ceil(8) || width < short(14) / 8 {
            return Err(unsupported(chunk, "samples wider than the bytes they take"));
        }
        if width > bits.div_ceil(8) {
            return Err(unsupported(chunk, "samples narrower than the bytes they take"));
        }
        Ok(Format { encoding, channels: channels.into(), sample_rate, width: width.into() })
    }
}

/// The little-endian number at `at`; 0 beyond the end.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |&bytes| u16::from_le_bytes(bytes))
}

fn unsupported(format: &[u8], why: &str) -> Error {
    let (tag, bits) = (u16_at(format, 0), u16_at(format, 14));
    let integers_or_floats = "expected 8, 16, 24 or 32-bit integers or 32-bit floats";
    let problem = format!("{integers_or_floats}, got format {tag:#06x} with {bits} bits ({why})");
    Error::new(Kind::Audio, problem).advice(CONVERT)
}

/// −2³¹ … 2³¹ − 1 to −1 … 1.
fn full_scale(bytes: [u8; 4]) -> f32 {
    i32::from_le_bytes(bytes) as f32 / 2_147_483_648.0
}

/// Samples of `W` bytes, interleaved, to the mean of their channels.
fn mono<const W: usize>(data: &[u8], channels: usize, decode: impl Fn([u8; W]) -> f32) -> Vec<f32> {
    let samples = data.as_chunks::<W>().0;
    if channels == 1 {
        return samples.iter().map(|&bytes| decode(bytes)).collect();
    }
    let mean = |frame: &[[u8; W]]| frame.iter().map(|&bytes| decode(bytes)).sum::<f32>() / channels as f32;
    samples.chunks_exact(channels).map(mean).collect()
}

#[cfg(test)]
mod tests;
