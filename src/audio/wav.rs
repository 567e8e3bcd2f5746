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
        decode_wav(bytes).map(|wav| wav.recording)
    }
}

/// A decoded WAV file, and what of it was left out.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedWav {
    /// The sound.
    pub recording: Recording,
    /// Bytes after the last whole frame, which are no sound: fewer than one frame has. 0 in a sound file that is in order.
    pub rest: usize,
}

/// [`Recording::from_wav`], for those who want to know what was left out.
///
/// # Errors
/// Those of [`Recording::from_wav`].
pub fn decode_wav(bytes: &[u8]) -> Result<DecodedWav> {
    let Chunks { format: chunk, data, streamed } = chunks::find(bytes)?;
    let format = Format::parse(chunk)?;
    // A stream may end anywhere.
    let rest = if streamed { 0 } else { data.len() % format.frame };
    let data = &data[..data.len() - data.len() % format.frame];
    if data.is_empty() {
        return Err(Error::new(Kind::Audio, "expected at least one sample, got none").advice("leave the file out"));
    }
    check_sample_rate(format.sample_rate)?;
    let samples = format.decode(data, chunk.big_endian);
    if format.encoding == IEEE_FLOAT {
        check_samples(&samples)?;
    }
    Ok(DecodedWav { recording: Recording { sample_rate: format.sample_rate, samples }, rest })
}

/// The sample rate of a WAV file, Hz, from its first bytes: as many as the header takes, a few hundred as a rule. `None` where
/// `beginning` ends earlier, or the file is not one that [`decode_wav`] reads.
///
/// ```
/// use reslstm::audio::{wav_sample_rate, write_wav16};
///
/// let file = write_wav16(&[0.0; 1000], 16_000);
/// assert_eq!(wav_sample_rate(&file[..44]), Some(16_000));
/// assert_eq!(wav_sample_rate(&file[..20]), None);
/// ```
pub fn wav_sample_rate(beginning: &[u8]) -> Option<u32> {
    let format = Format::parse(chunks::find_format(beginning)?).ok()?;
    check_sample_rate(format.sample_rate).ok()?;
    Some(format.sample_rate)
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

/// How a file stores its samples.
struct Format {
    /// One of the tags that are decoded.
    encoding: u16,
    /// At least 1.
    channels: usize,
    /// Hz
    sample_rate: u32,
    /// Bytes of one sample; 0 in ADPCM.
    width: usize,
    /// Bytes of one frame, that is one sample of each channel, at least 1. Of one block in ADPCM.
    frame: usize,
}

impl Format {
    /// Reads the content of a `fmt ` chunk, numbers: tag, channels (2 bytes each), sample rate, bytes per second (4 each), bytes
    /// per frame, bits per sample (2 each). Longer chunks are common and mean something in the extensible format alone, which goes
    /// on with 22 (2 bytes), the bits in use (2), the loudspeakers (4), the real tag (2) and [`GUID_END`].
    fn parse(chunk: Numbers) -> Result<Self> {
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
        let encoding = match chunk.short(0) {
            EXTENSIBLE if chunk.bytes.get(26..40) == Some(&GUID_END) => chunk.short(24),
            tag => tag,
        };
        let (channels, block): (usize, usize) = (channels.into(), chunk.short(12).into());
        let (width, frame) = match (encoding, bits) {
            // Narrower samples fill the upper bits of their bytes.
            (PCM, 1..=32) => (bits.div_ceil(8).into(), 0),
            (IEEE_FLOAT, 32 | 64) => ((bits / 8).into(), 0),
            (A_LAW | MU_LAW, _) => (1, 0),
            // A block holds more than its header.
            (IMA_ADPCM, _) if block > 4 * channels && block % (4 * channels) == 0 => (0, block),
            (MICROSOFT_ADPCM, _) if block >= 7 * channels => (0, block),
            _ => return Err(unsupported(encoding, bits)),
        };
        Ok(Format { encoding, channels, sample_rate: chunk.long(4), width, frame: frame.max(width * channels) })
    }

    /// The mean of the channels of `data`, which consists of whole frames.
    fn decode(&self, data: &[u8], big_endian: bool) -> Vec<f32> {
        let channels = self.channels;
        let adpcm = |decode_block: fn(&[u8], usize, &mut Vec<i16>)| {
            let mut samples = Vec::new();
            data.chunks_exact(self.frame).for_each(|block| decode_block(block, channels, &mut samples));
            mean_of_channels(&samples, channels, |&sample| from_16_bits(sample))
        };
        match (self.encoding, self.width) {
            (PCM, 1) => mono(data, channels, big_endian, |[a]| (f32::from(a) - 128.0) / 128.0),
            (PCM, 2) => mono(data, channels, big_endian, |bytes| from_16_bits(i16::from_le_bytes(bytes))),
            // The upper three bytes of a 32-bit integer.
            (PCM, 3) => mono(data, channels, big_endian, |[a, b, c]| full_scale([0, a, b, c])),
            (PCM, 4) => mono(data, channels, big_endian, full_scale),
            (IEEE_FLOAT, 4) => mono(data, channels, big_endian, f32::from_le_bytes),
            (IEEE_FLOAT, 8) => mono(data, channels, big_endian, |bytes| f64::from_le_bytes(bytes) as f32),
            (A_LAW, _) => mono(data, channels, big_endian, companding::a_law),
            (MU_LAW, _) => mono(data, channels, big_endian, companding::mu_law),
            (IMA_ADPCM, _) => adpcm(adpcm::ima),
            (MICROSOFT_ADPCM, _) => adpcm(adpcm::microsoft),
            (encoding, width) => unreachable!("parse lets {encoding} with {width} bytes through"),
        }
    }
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

/// Samples of `W` bytes, interleaved, to the mean of their channels. `decode` takes little-endian bytes.
fn mono<const W: usize>(data: &[u8], channels: usize, big_endian: bool, decode: impl Fn([u8; W]) -> f32) -> Vec<f32> {
    let samples = data.as_chunks::<W>().0;
    if big_endian {
        return mean_of_channels(samples, channels, |&bytes| {
            let mut bytes = bytes;
            bytes.reverse();
            decode(bytes)
        });
    }
    mean_of_channels(samples, channels, |&bytes| decode(bytes))
}

/// The mean of the channels of interleaved samples.
fn mean_of_channels<T>(samples: &[T], channels: usize, decode: impl Fn(&T) -> f32) -> Vec<f32> {
    if channels == 1 {
        return samples.iter().map(decode).collect();
    }
    let mean = |frame: &[T]| frame.iter().map(&decode).sum::<f32>() / channels as f32;
    samples.chunks_exact(channels).map(mean).collect()
}

#[cfg(test)]
mod tests;
