//! WAV: bytes to one channel of samples, and back.
//!
//! [`chunks`] finds format and samples in RIFF and its variants, [`adpcm`] and [`companding`] decode what telephones use, this
//! file the rest.
//!
//! `hound` writes the files. It does not read them: it does not skip the byte of padding after a chunk of odd length, it takes
//! the length in the header of a stream for real, and its iterator fetches sample by sample. (A clip of RAVDESS, 3.7 s at
//! 48 kHz, from memory: 2.2 ms by that iterator, 0.04 ms here, and 0.8 ms for all its features. One core of Zen 4.) The tests
//! compare the two on every format that both read.

mod adpcm;
mod chunks;
mod companding;

#[cfg(feature = "std")]
use std::io::Read;

use super::{check_sample_rate, check_samples};
use crate::error::{Error, Kind, Result};
use crate::prelude::*;
use chunks::{Chunks, Numbers};

/// A header that claims more channels than this is damaged.
const MOST_CHANNELS: u16 = 16;
/// Format tags, of what is decoded.
const PCM: u16 = 1;
const MICROSOFT_ADPCM: u16 = 2;
const IEEE_FLOAT: u16 = 3;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const IMA_ADPCM: u16 = 0x11;
/// Format tag: the real tag follows in an extension, as the first two bytes of a GUID that ends in [`GUID_END`].
const EXTENSIBLE: u16 = 0xfffe;
const GUID_END: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
/// Format tags of what is not decoded, for the error.
const OTHER_FORMATS: [(u16, &str); 14] = [
    (0x14, "G.723 ADPCM"),
    (0x22, "TrueSpeech"),
    (0x31, "GSM 6.10"),
    (0x38, "Natural MicroSystems ADPCM"),
    (0x40, "G.721 ADPCM"),
    (0x42, "G.723.1"),
    (0x45, "G.726 ADPCM"),
    (0x50, "MPEG audio"),
    (0x55, "MP3"),
    (0x64, "G.726 ADPCM"),
    (0x83, "G.729"),
    (0xff, "AAC"),
    (0x161, "Windows Media Audio"),
    (0x2000, "AC-3"),
];

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
    /// The layout is RIFF, RIFX (big-endian numbers), RF64 (also called BW64) or Wave64. The header of a file that was written
    /// to a pipe has a placeholder for the length: 0, or some two or four GiB. Such a file is read to its end. Otherwise the file
    /// must have the length that its header states.
    ///
    /// Integers are divided by 2^(bits − 1), so full scale is −1 to 1 (8-bit files are unsigned, 128 is 0); floats are not
    /// scaled. A-law, µ-law and ADPCM become 16-bit integers first. Format, channels and bits say how wide a sample is: bytes per
    /// frame and per second, which writers get wrong, are not used (apart from ADPCM, whose blocks are as long as they say). A last
    /// frame that is not whole is left out. All that is what `librosa.load(path, sr=None)` does.
    ///
    /// ```
    /// use reslstm::audio::{Recording, write_wav16};
    ///
    /// let recording = Recording::from_wav(&write_wav16(&[0.0, 0.5, -1.0], 48_000)).unwrap();
    /// assert_eq!(recording, Recording { sample_rate: 48_000, samples: vec![0.0, 0.5, -1.0] });
    /// ```
    ///
    /// # Errors
    /// [`Kind::Audio`]: not a WAV file; cut off; a format other than 8, 16, 24, 32-bit integers, 32 and 64-bit floats, A-law,
    /// µ-law, IMA and Microsoft ADPCM; no channels or more than 16; a sample rate outside 1,000 to 1,000,000 Hz; no samples;
    /// float samples that are NaN, infinite or beyond 2³¹ in size.
    pub fn from_wav(bytes: &[u8]) -> Result<Self> {
        let header = read_wav_header(bytes, Some(bytes.len() as u64))?.expect("these are all bytes of the file");
        let WavHeader { format, start, length, .. } = header;
        let data = &bytes[start..];
        let data = length.map_or(data, |length| &data[..length as usize]);
        let whole = data.len() - data.len() % format.frame_bytes();
        if whole == 0 {
            return Err(Error::new(Kind::Audio, "expected at least one sample, got none").advice("leave the file out"));
        }
        let mut samples = Vec::new();
        format.decode(&data[..whole], &mut samples);
        if format.channels > 1 {
            samples = mean_of_channels(&samples, format.channels);
        }
        if format.encoding == Encoding::F32 || format.encoding == Encoding::F64 {
            check_samples(0, &samples)?;
        }
        Ok(Recording { sample_rate: header.sample_rate, samples })
    }
}

/// What the header of a WAV file says.
#[derive(Clone, Debug, PartialEq)]
pub struct WavHeader {
    /// How the samples are stored.
    pub format: SampleFormat,
    /// Samples per second, Hz.
    pub sample_rate: u32,
    /// Place of the first sample in the file, bytes.
    pub start: usize,
    /// Bytes of samples; none where they extend to the end of the file.
    pub length: Option<u64>,
}

impl WavHeader {
    /// Bytes after the last whole frame, which are no sound. 0 where the length is open: a stream may end anywhere.
    pub fn rest(&self) -> usize {
        self.length.map_or(0, |length| (length % self.format.frame_bytes() as u64) as usize)
    }
}

/// The header of a WAV file of `total` bytes, or of a stream, whose end is not known, from its first bytes; none where `beginning`
/// ends within the header. It is understood as [`Recording::from_wav`] describes. In a stream, a length of some two or four GiB is
/// a placeholder.
///
/// ```
/// use reslstm::audio::{read_wav_header, write_wav16};
///
/// let file = write_wav16(&[0.0, 0.5], 16_000);
/// let header = read_wav_header(&file[..44], Some(48))?.expect("44 bytes are the header");
/// assert_eq!((header.sample_rate, header.start, header.length), (16_000, 44, Some(4)));
/// let mut samples = Vec::new();
/// header.format.decode(&file[44..], &mut samples);
/// assert_eq!(samples, [0.0, 0.5]);
/// assert_eq!(read_wav_header(&file[..20], None)?, None);
/// # Ok::<(), reslstm::error::Error>(())
/// ```
///
/// # Errors
/// Those of [`Recording::from_wav`], apart from those that the samples cause.
pub fn read_wav_header(beginning: &[u8], total: Option<u64>) -> Result<Option<WavHeader>> {
    let Some(Chunks { format: chunk, start, length }) = chunks::find(beginning, total)? else { return Ok(None) };
    let format = parse_format(chunk)?;
    let sample_rate = chunk.long(4);
    check_sample_rate(sample_rate)?;
    Ok(Some(WavHeader { format, sample_rate, start, length }))
}

/// A 16-bit WAV file of one channel. `samples` beyond full scale (−1 to 1) are cut to it.
///
/// # Panics
/// If the file would be longer than the format can say: 4 GiB.
#[cfg(feature = "std")]
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

/// How one sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 8-bit integers, of which 128 is 0.
    U8,
    /// 16-bit integers.
    S16,
    /// 24-bit integers.
    S24,
    /// 32-bit integers.
    S32,
    /// 32-bit floats.
    F32,
    /// 64-bit floats.
    F64,
    /// A-law, 8 bits (G.711).
    ALaw,
    /// µ-law, 8 bits (G.711).
    MuLaw,
    /// IMA ADPCM in blocks of so many bytes.
    ImaAdpcm(usize),
    /// Microsoft ADPCM in blocks of so many bytes.
    MicrosoftAdpcm(usize),
}

/// How samples are stored: in a WAV file, or raw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleFormat {
    encoding: Encoding,
    channels: usize,
    big_endian: bool,
}

impl SampleFormat {
    /// Raw little-endian samples, those of all channels in turn.
    ///
    /// # Errors
    /// [`Kind::Settings`] if there are not 1 to 16 channels.
    pub fn raw(encoding: Encoding, channels: usize) -> Result<Self> {
        if !(1..=usize::from(MOST_CHANNELS)).contains(&channels) {
            return Err(Error::new(Kind::Settings, format!("expected 1 to {MOST_CHANNELS} channels, got {channels}")));
        }
        Ok(SampleFormat { encoding, channels, big_endian: false })
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Bytes of one frame, that is one sample of each channel. Of one block in ADPCM.
    pub fn frame_bytes(&self) -> usize {
        match self.encoding {
            Encoding::U8 | Encoding::ALaw | Encoding::MuLaw => self.channels,
            Encoding::S16 => 2 * self.channels,
            Encoding::S24 => 3 * self.channels,
            Encoding::S32 | Encoding::F32 => 4 * self.channels,
            Encoding::F64 => 8 * self.channels,
            Encoding::ImaAdpcm(block) | Encoding::MicrosoftAdpcm(block) => block,
        }
    }

    /// Appends to `samples` those of `frames`, which are whole: full scale −1 to 1, of all channels in turn.
    pub fn decode(&self, frames: &[u8], samples: &mut Vec<f32>) {
        let adpcm = |decode_block: fn(&[u8], usize, &mut Vec<i16>), samples: &mut Vec<f32>| {
            let mut integers = Vec::new();
            for block in frames.chunks_exact(self.frame_bytes()) {
                integers.clear();
                decode_block(block, self.channels, &mut integers);
                samples.extend(integers.iter().map(|&sample| from_16_bits(sample)));
            }
        };
        let big_endian = self.big_endian;
        match self.encoding {
            Encoding::U8 => each(frames, big_endian, samples, |[a]| (f32::from(a) - 128.0) / 128.0),
            Encoding::S16 => each(frames, big_endian, samples, |bytes| from_16_bits(i16::from_le_bytes(bytes))),
            // The upper three bytes of a 32-bit integer.
            Encoding::S24 => each(frames, big_endian, samples, |[a, b, c]| full_scale([0, a, b, c])),
            Encoding::S32 => each(frames, big_endian, samples, full_scale),
            Encoding::F32 => each(frames, big_endian, samples, f32::from_le_bytes),
            Encoding::F64 => each(frames, big_endian, samples, |bytes| f64::from_le_bytes(bytes) as f32),
            Encoding::ALaw => each(frames, big_endian, samples, companding::a_law),
            Encoding::MuLaw => each(frames, big_endian, samples, companding::mu_law),
            Encoding::ImaAdpcm(_) => adpcm(adpcm::ima, samples),
            Encoding::MicrosoftAdpcm(_) => adpcm(adpcm::microsoft, samples),
        }
    }
}

/// Reads the content of a `fmt ` chunk, numbers: tag, channels (2 bytes each), sample rate, bytes per second (4 each), bytes per
/// frame, bits per sample (2 each). Longer chunks are common and mean something in the extensible format alone, which goes on with
/// 22 (2 bytes), the bits in use (2), the loudspeakers (4), the real tag (2) and [`GUID_END`].
fn parse_format(chunk: Numbers) -> Result<SampleFormat> {
    if chunk.bytes.len() < 16 {
        return Err(chunks::missing("a description of the format (fmt) of at least 16 bytes"));
    }
    let (channels, bits) = (chunk.short(2), chunk.short(14));
    if channels == 0 || channels > MOST_CHANNELS {
        let problem = format!("expected 1 to {MOST_CHANNELS} channels, got {channels}");
        return Err(
            Error::new(Kind::Audio, problem).advice("the header is damaged, or the channels must be mixed first")
        );
    }
    let tag = match chunk.short(0) {
        EXTENSIBLE if chunk.bytes.get(26..40) == Some(&GUID_END) => chunk.short(24),
        tag => tag,
    };
    let (channels, block): (usize, usize) = (channels.into(), chunk.short(12).into());
    let encoding = match (tag, bits) {
        // Narrower samples fill the upper bits of their bytes.
        (PCM, 1..=8) => Encoding::U8,
        (PCM, 9..=16) => Encoding::S16,
        (PCM, 17..=24) => Encoding::S24,
        (PCM, 25..=32) => Encoding::S32,
        (IEEE_FLOAT, 32) => Encoding::F32,
        (IEEE_FLOAT, 64) => Encoding::F64,
        (A_LAW, _) => Encoding::ALaw,
        (MU_LAW, _) => Encoding::MuLaw,
        // A block holds more than its header.
        (IMA_ADPCM, _) if block > 4 * channels && block % (4 * channels) == 0 => Encoding::ImaAdpcm(block),
        (MICROSOFT_ADPCM, _) if block >= 7 * channels => Encoding::MicrosoftAdpcm(block),
        _ => return Err(unsupported(tag, bits)),
    };
    Ok(SampleFormat { encoding, channels, big_endian: chunk.big_endian })
}

fn unsupported(encoding: u16, bits: u16) -> Error {
    let read = "8 to 32-bit integers, 32 or 64-bit floats, A-law, µ-law, IMA or Microsoft ADPCM";
    let name = OTHER_FORMATS.iter().find(|(tag, _)| *tag == encoding).map_or("", |(_, name)| name);
    let (open, close) = if name.is_empty() { ("", "") } else { (" (", ")") };
    let problem = format!("expected {read}, got format {encoding:#06x}{open}{name}{close} with {bits} bits");
    Error::new(Kind::Audio, problem).advice(CONVERT)
}

/// −2¹⁵ … 2¹⁵ − 1 to −1 … 1.
fn from_16_bits(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

/// −2³¹ … 2³¹ − 1 to −1 … 1.
fn full_scale(bytes: [u8; 4]) -> f32 {
    i32::from_le_bytes(bytes) as f32 / 2_147_483_648.0
}

/// Appends samples of `W` bytes. `decode` takes little-endian bytes.
fn each<const W: usize>(data: &[u8], big_endian: bool, samples: &mut Vec<f32>, decode: impl Fn([u8; W]) -> f32) {
    let data = data.as_chunks::<W>().0;
    if big_endian {
        samples.extend(data.iter().map(|&bytes| {
            let mut bytes = bytes;
            bytes.reverse();
            decode(bytes)
        }));
    } else {
        samples.extend(data.iter().map(|&bytes| decode(bytes)));
    }
}

/// The mean of the channels of samples in turn.
///
/// # Panics
/// If there are no channels.
pub fn mean_of_channels(samples: &[f32], channels: usize) -> Vec<f32> {
    samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect()
}

#[cfg(test)]
mod tests;
