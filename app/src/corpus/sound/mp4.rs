//! The edit list of MP4 files: where in a track its sound begins. An AAC encoder adds 1,024 samples or more before the sound, and
//! symphonia leaves them in.

use super::decoder::damaged;
use reslstm::error::Result;
use std::io::{Read, Seek, SeekFrom};

/// Bytes of the longest description of a file, 64 MB: a day of AAC has half of it.
const MOST_BYTES: u64 = 1 << 26;

/// Seconds at the beginning of the track `id` that are no sound; 0 if the file says nothing of them. `movie` is the content of the
/// box that describes it.
pub(super) fn delay(movie: &[u8], id: u32) -> f64 {
    edit(movie, id).unwrap_or(0.0)
}

/// The content of the box `moov`, which describes what the file of this kind holds; none if there is no such box. Leaves the file
/// where it is.
///
/// # Errors
/// [`Kind::Audio`](reslstm::error::Kind::Audio) if it is longer than 64 MB: it would be held in memory.
pub(super) fn movie(kind: &str, file: impl Read + Seek) -> Result<Option<Vec<u8>>> {
    let movie = read_movie(file);
    match &movie {
        Some(movie) if movie.len() as u64 > MOST_BYTES => {
            Err(damaged(kind, &format!("a description of the sound of more than {MOST_BYTES} bytes")))
        }
        _ => Ok(movie),
    }
}

/// The content of the box `moov`, at most one byte more than [`MOST_BYTES`].
fn read_movie(mut file: impl Read + Seek) -> Option<Vec<u8>> {
    file.rewind().ok()?;
    loop {
        let mut header = [0; 16];
        file.read_exact(&mut header[..8]).ok()?;
        let mut length = number(&header, 0, 4)?;
        let mut header_length = 8;
        if length == 1 {
            file.read_exact(&mut header[8..]).ok()?;
            (length, header_length) = (number(&header, 8, 8)?, 16);
        }
        let content = length.checked_sub(header_length);
        if &header[4..8] == b"moov" {
            let mut movie = Vec::new();
            // Without a length, it is the last.
            file.take(content.unwrap_or(u64::MAX).min(MOST_BYTES + 1)).read_to_end(&mut movie).ok()?;
            return Some(movie);
        }
        file.seek(SeekFrom::Current(i64::try_from(content?).ok()?)).ok()?;
    }
}

fn edit(movie: &[u8], id: u32) -> Option<f64> {
    // Track number and time scale follow version and flags (4 bytes) and two dates, of eight bytes in version 1.
    let after_dates = |header: &[u8]| number(header, if header.first() == Some(&1) { 20 } else { 12 }, 4);
    let is_track = |track: &[u8]| child(track, b"tkhd").and_then(after_dates) == Some(id.into());
    let (_, track) = boxes(movie).find(|(name, track)| *name == b"trak" && is_track(track))?;
    let per_second = after_dates(child(child(track, b"mdia")?, b"mdhd")?)?;
    // Version and flags (4 bytes), number of edits (4), then for each its duration, its beginning in the media, its rate (4).
    let edits = child(child(track, b"edts")?, b"elst")?;
    let width = if edits.first() == Some(&1) { 8 } else { 4 };
    // The beginning −1 is a pause.
    let pause = if width == 8 { u64::MAX } else { u32::MAX.into() };
    let mut begins = edits.get(8..)?.chunks_exact(2 * width + 4).filter_map(|edit| number(edit, width, width));
    let begin = begins.find(|&begin| begin != pause)?;
    (per_second > 0).then(|| begin as f64 / per_second as f64)
}

/// The boxes in `bytes`, as name and content. A box begins with its length (four bytes; 1 if eight more follow the name, 0 if it is
/// the last) and its name.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let name = bytes.get(4..)?.first_chunk()?;
        let (header, length) = match number(bytes, 0, 4)? {
            0 => (8, bytes.len() as u64),
            1 => (16, number(bytes, 8, 8)?),
            length => (8, length),
        };
        let content = bytes.get(header..usize::try_from(length).ok()?)?;
        bytes = &bytes[length as usize..];
        Some((name, content))
    })
}

/// The content of the first box of this name.
fn child<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(found, _)| *found == name).map(|(_, content)| content)
}

/// The big-endian number of `width` bytes at `at`.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.get(..width)?;
    Some(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}
