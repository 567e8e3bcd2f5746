//! WAV files and streams in blocks. The engine understands header and samples.

use super::{CONVERT, no_samples};
use reslstm::audio::{WavHeader, read_wav_header};
use reslstm::error::{Error, Kind, Result};
use std::io::{Read, Seek, SeekFrom};
use symphonia::core::io::MediaSource;

/// Bytes of a block, about.
const BLOCK: usize = 1 << 16;

/// Bytes of the longest header, with all chunks before the samples.
const LONGEST_HEADER: usize = 1 << 24;

/// The header of a WAV file that begins with these bytes and has `total`; none if more of them are needed.
///
/// # Errors
/// Those of [`read_wav_header`]; [`Kind::Audio`] if the samples do not begin within 16 MB.
pub(super) fn header(beginning: &[u8], total: Option<u64>) -> Result<Option<WavHeader>> {
    let header = read_wav_header(beginning, total)?;
    if header.as_ref().map_or(beginning.len(), |header| header.start) <= LONGEST_HEADER {
        return Ok(header);
    }
    let problem =
        format!("expected the samples of a WAV file within its first {LONGEST_HEADER} bytes, got other chunks");
    Err(Error::new(Kind::Audio, problem).advice(CONVERT))
}

/// A WAV file in the middle of being read.
pub(super) struct WavReader<'a> {
    file: Box<dyn MediaSource + 'a>,
    header: WavHeader,
    /// Bytes of samples that are not read yet; unlimited where the header leaves the length open.
    left: u64,
    bytes: Vec<u8>,
}

impl<'a> WavReader<'a> {
    /// Reads the header of `file`, which continues after `beginning`.
    pub fn open(mut file: Box<dyn MediaSource + 'a>, mut beginning: Vec<u8>) -> Result<Self> {
        let total = file.byte_len();
        let header = loop {
            // Most headers are 44 bytes long, few are longer than a block. Each time as much again, as all of it is looked at again.
            let block = beginning.len().max(BLOCK) as u64;
            let more = file.by_ref().take(block).read_to_end(&mut beginning).map_err(failed)?;
            // The end of what claims to be longer is its end.
            let total = if more == 0 { Some(beginning.len() as u64) } else { total };
            if let Some(header) = header(&beginning, total)? {
                break header;
            }
        };
        file.seek(SeekFrom::Start(header.start as u64)).map_err(failed)?;
        let left = header.length.unwrap_or(u64::MAX);
        if left < header.format.frame_bytes() as u64 {
            return Err(no_samples());
        }
        Ok(WavReader { file, header, left, bytes: Vec::new() })
    }

    /// Hz
    pub fn sample_rate(&self) -> u32 {
        self.header.sample_rate
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.header.format.channels()
    }

    /// The next samples, of all channels in turn, into `samples`; false at the end.
    pub fn next(&mut self, samples: &mut Vec<f32>) -> Result<bool> {
        let frame = self.header.format.frame_bytes();
        let block = ((BLOCK / frame).max(1) * frame) as u64;
        self.bytes.clear();
        self.file.by_ref().take(block.min(self.left)).read_to_end(&mut self.bytes).map_err(failed)?;
        self.left -= self.bytes.len() as u64;
        let whole = self.bytes.len() - self.bytes.len() % frame;
        samples.clear();
        self.header.format.decode(&self.bytes[..whole], samples);
        Ok(whole > 0)
    }

    /// What a user should know.
    pub fn notes(&self) -> Vec<String> {
        match self.header.rest() {
            0 => Vec::new(),
            1 => vec!["left out 1 byte at the end, which is less than a whole frame".into()],
            rest => vec![format!("left out {rest} bytes at the end, which are less than a whole frame")],
        }
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::new(Kind::Io, error.to_string())
}
