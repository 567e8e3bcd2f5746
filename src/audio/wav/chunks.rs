//! Where a WAV file keeps its format and its samples: RIFF, and its variants for big-endian numbers and for long files.

use super::{CONVERT, CUT_OFF};
use crate::error::{Error, Kind, Result};
use crate::prelude::*;

/// From here on the length of the samples is a placeholder, written by a program that cannot come back to fill it in because
/// it writes to a pipe: ffmpeg 0xFFFFFFFF, SoX 0x7FFFF000 rounded down to whole frames, others 0x7FFFFFFF or 0x80000000.
pub(super) const OPEN_END: u64 = 0x7fff_0000;

/// First chunk of a Wave64 file, whose names are GUIDs that begin with the names of RIFF.
const WAVE64: [u8; 16] = *b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0";
/// End of the GUID of every other chunk of Wave64.
const WAVE64_END: [u8; 12] = [0xf3, 0xac, 0xd3, 0x11, 0x8c, 0xd1, 0, 0xc0, 0x4f, 0x8e, 0xdb, 0x8a];

/// The content of the `fmt ` chunk, and where that of the `data` chunk is.
pub(super) struct Chunks<'a> {
    pub format: Numbers<'a>,
    /// Place of the first sample.
    pub start: usize,
    /// Bytes of samples; none where the header leaves it open, so that they extend to the end of the file.
    pub length: Option<u64>,
}

/// Bytes that hold numbers of two and four bytes.
#[derive(Clone, Copy)]
pub(super) struct Numbers<'a> {
    pub bytes: &'a [u8],
    pub big_endian: bool,
}

impl Numbers<'_> {
    /// The two-byte number at `at`; 0 beyond the end.
    pub fn short(&self, at: usize) -> u16 {
        let bytes = self.bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    /// The four-byte number at `at`.
    pub fn long(&self, at: usize) -> u32 {
        let (low, high) = if self.big_endian { (at + 2, at) } else { (at, at + 2) };
        u32::from(self.short(low)) | u32::from(self.short(high)) << 16
    }
}

/// How chunks are laid out.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    /// A name and a length of four bytes each, then the content; chunks begin at even places.
    Riff,
    /// RIFF with big-endian numbers.
    Rifx,
    /// RIFF with the lengths beyond 4 GiB in a chunk `ds64`. Its other name is BW64.
    Rf64,
    /// Wave64: a GUID of 16 bytes and a length of eight, which includes these 24; chunks begin at multiples of eight.
    Wave64,
}

impl Layout {
    fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&WAVE64) && bytes.get(24..28) == Some(b"wave") && bytes.get(28..40) == Some(&WAVE64_END) {
            return Some(Layout::Wave64);
        }
        match (bytes.get(..4)?, bytes.get(8..12)?) {
            (b"RIFF", b"WAVE") => Some(Layout::Riff),
            (b"RIFX", b"WAVE") => Some(Layout::Rifx),
            (b"RF64" | b"BW64", b"WAVE") => Some(Layout::Rf64),
            _ => None,
        }
    }

    /// Where the first chunk begins.
    fn first_chunk(self) -> usize {
        if self == Layout::Wave64 { 40 } else { 12 }
    }

    /// Chunks begin at multiples of this from there on.
    fn padded_to(self) -> usize {
        if self == Layout::Wave64 { 8 } else { 2 }
    }

    /// Name, length of the content, and all bytes that follow the header of a chunk.
    fn split_header(self, rest: &[u8]) -> Option<([u8; 4], u64, &[u8])> {
        let name = *rest.first_chunk()?;
        if self == Layout::Wave64 {
            let (header, body) = rest.split_first_chunk::<24>()?;
            // Names of other programs' own chunks end in other bytes.
            let name = if header[4..16] == WAVE64_END { name } else { *b"GUID" };
            return Some((name, u64_at(header, 16).saturating_sub(24), body));
        }
        let (header, body) = rest.split_first_chunk::<8>()?;
        Some((name, self.numbers(header).long(4).into(), body))
    }

    fn numbers(self, bytes: &[u8]) -> Numbers<'_> {
        Numbers { bytes, big_endian: self == Layout::Rifx }
    }

    /// Whether `length` is a placeholder, so that the samples, which begin at `start`, extend to the end of the file. `left` is how
    /// many bytes of the file there are from there on, if that is known.
    fn is_open_ended(self, bytes: &[u8], start: usize, left: Option<u64>, length: u64) -> bool {
        if length > 0 {
            let least = if matches!(self, Layout::Riff | Layout::Rifx) { OPEN_END } else { i64::MAX as u64 - 24 };
            return length >= least && left.is_none_or(|left| length > left);
        }
        // No samples, or a length never filled in? Then neither was that of the whole file, which ends before the samples.
        let whole = match self {
            Layout::Wave64 => u64_at(bytes, 16).saturating_sub(8),
            _ => self.numbers(bytes).long(4).into(),
        };
        whole >= OPEN_END || whole + 8 <= start as u64
    }
}

/// Finds format and samples. Other chunks (names, markers, padding) are skipped. `bytes` are the first of a file of `total` bytes, or
/// of a stream; `None` where they are too few to say.
pub(super) fn find(bytes: &[u8], total: Option<u64>) -> Result<Option<Chunks<'_>>> {
    let is_whole = total == Some(bytes.len() as u64);
    let Some(layout) = Layout::of(bytes) else {
        if bytes.len() < 40 && !is_whole {
            return Ok(None);
        }
        let beginning = bytes[..bytes.len().min(12)].escape_ascii();
        let length = total.map_or(String::new(), |total| format!("{total} "));
        let problem = format!("expected a WAV file (RIFF…WAVE), got {length}bytes beginning \"{beginning}\"");
        return Err(Error::new(Kind::Audio, problem).advice(CONVERT));
    };
    let (mut format, mut long_data) = (None, None);
    let mut rest = &bytes[layout.first_chunk()..];
    while let Some((name, length, body)) = layout.split_header(rest) {
        let is_data = &name == b"data";
        let length = match long_data {
            Some(long) if is_data && length == u64::from(u32::MAX) => long,
            _ => length,
        };
        let start = bytes.len() - body.len();
        let left = total.map(|total| total.saturating_sub(start as u64));
        let streamed = is_data && layout.is_open_ended(bytes, start, left, length);
        if let Some(left) = left.filter(|&left| !streamed && left < length) {
            let name = name.escape_ascii();
            let problem = format!("expected {length} bytes of \"{name}\" as the header says, got {left}");
            return Err(Error::new(Kind::Audio, problem).advice(CUT_OFF));
        }
        if is_data {
            let missing = || missing("a description of the format (fmt) before the samples (data)");
            let format = format.ok_or_else(missing)?;
            return Ok(Some(Chunks { format, start, length: (!streamed).then_some(length) }));
        }
        let content = usize::try_from(length).ok().and_then(|length| body.get(..length));
        let Some(content) = content else { return Ok(None) };
        match &name {
            b"fmt " => format = Some(layout.numbers(content)),
            // The lengths of the whole file, of the samples, and their number, eight bytes each.
            b"ds64" if layout == Layout::Rf64 => long_data = Some(u64_at(content, 8)),
            _ => {}
        }
        // What follows a chunk of another length is padding.
        rest = body.get(content.len().next_multiple_of(layout.padded_to())..).unwrap_or_default();
    }
    if is_whole { Err(missing("samples (a data chunk)")) } else { Ok(None) }
}

/// The little-endian number of eight bytes at `at`; 0 beyond the end.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |&bytes| u64::from_le_bytes(bytes))
}

pub(super) fn missing(what: &str) -> Error {
    Error::new(Kind::Audio, format!("expected a WAV file with {what}, got none")).advice(CUT_OFF)
}
