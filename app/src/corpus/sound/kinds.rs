//! Kinds of sound files, by their first bytes; and the names that sound files have.

use reslstm::error::{Error, Kind, Result};
use std::path::Path;

/// What reads a kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// The engine.
    Wav,
    /// `symphonia`, with the name of the kind for errors.
    Symphonia(&'static str),
}

/// How files of the kinds that are read begin: where, with which bytes. The first that fits counts.
const READ: [(usize, &[u8], Reader); 14] = [
    (8, b"WAVE", Reader::Wav),
    (0, b"riff\x2e\x91\xcf\x11", Reader::Wav),
    (0, b"fLaC", Reader::Symphonia("FLAC")),
    (28, b"\x01vorbis", Reader::Symphonia("Ogg Vorbis")),
    (28, b"OpusHead", Reader::Symphonia("Opus")),
    (28, b"\x7fFLAC", Reader::Symphonia("Ogg FLAC")),
    (8, b"AIFF", Reader::Symphonia("AIFF")),
    (8, b"AIFC", Reader::Symphonia("AIFF-C")),
    (4, b"ftypM4A", Reader::Symphonia("M4A")),
    (4, b"ftyp", Reader::Symphonia("MP4")),
    (0, b"caff", Reader::Symphonia("CAF")),
    (0, b"\x1a\x45\xdf\xa3", Reader::Symphonia("Matroska or WebM")),
    (0, b"ID3", Reader::Symphonia("MP3")),
    (0, b"ADIF", Reader::Symphonia("AAC")),
];

/// How files of kinds that are not read begin.
const NOT_READ: [(usize, &[u8], &str); 22] = [
    (28, b"Speex", "Ogg Speex"),
    (0, b"OggS", "another kind of Ogg"),
    (0, b"#!AMR", "AMR"),
    (0, b".snd", "AU (Sun or NeXT audio)"),
    (0, b"dns.", "AU (Sun or NeXT audio)"),
    (0, b"NIST_1A", "NIST SPHERE"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media Audio"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"wvpk", "WavPack"),
    (0, b"Creative Voice File", "Creative Voice (VOC)"),
    (0, b"TTA1", "True Audio"),
    (0, b"TTA2", "True Audio"),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
    (0, b"ajkg", "Shorten"),
    (0, b".ra\xfd", "RealAudio"),
    (0, b".RMF", "RealAudio"),
    (0, b"DSD ", "DSD"),
    (0, b"FRM8", "DSD"),
    (0, b"\x0b\x77", "AC-3"),
    (0, b"#!SILK", "SILK"),
    (0, b"MThd", "MIDI"),
];

/// Endings of the names of sound files, of kinds that are read and of others.
const ENDINGS: [&str; 44] = [
    "wav", "wave", "bwf", "rf64", "w64", "flac", "mp3", "mpga", "ogg", "oga", "opus", "m4a", "m4b", "mp4", "aac",
    "aif", "aiff", "aifc", "caf", "webm", "weba", "mka", "mkv", "3gp", "ac3", "amr", "ape", "au", "awb", "dsf", "gsm",
    "mp2", "mpc", "ra", "shn", "snd", "sph", "spx", "tta", "voc", "wma", "wv", "nist", "silk",
];

/// Whether the name of a file is that of a sound file, in upper or lower case.
pub fn is_sound_name(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// Bytes that a name of a kind must have, for a stream of raw samples not to begin with them by chance.
const LEAST_OF_STREAM: usize = 3;

/// The kind of file that a stream begins as, which may as well be raw samples; none if it begins as no file does.
pub(super) fn name_of_stream(beginning: &[u8]) -> Option<&'static str> {
    let begins = |at: usize, with: &[u8]| {
        with.len() >= LEAST_OF_STREAM && beginning.get(at..).is_some_and(|rest| rest.starts_with(with))
    };
    let read = READ.iter().find(|(at, with, _)| begins(*at, with)).map(|(.., reader)| match reader {
        Reader::Wav => "WAV",
        Reader::Symphonia(kind) => kind,
    });
    read.or_else(|| NOT_READ.iter().find(|(at, with, _)| begins(*at, with)).map(|(.., name)| *name))
}

/// Bytes at the beginning of a file that [`identify`] looks at.
pub(super) const BEGINNING: usize = 64;

/// What reads a file that begins with these bytes and is `length` bytes long; a stream has no length.
pub(super) fn identify(bytes: &[u8], length: Option<u64>) -> Result<Reader> {
    let begins = |at: usize, with: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(with));
    if let Some(&(.., reader)) = READ.iter().find(|(at, with, _)| begins(*at, with)) {
        return Ok(reader);
    }
    if let Some((.., name)) = NOT_READ.iter().find(|(at, with, _)| begins(*at, with)) {
        let problem = format!("expected a kind of sound file that is read, got {name}");
        return Err(Error::new(Kind::Audio, problem).advice(super::CONVERT));
    }
    match bytes {
        // Frames of MPEG audio begin with eleven bits that are set, then version and layer: AAC has layer 0, MP3 layer 1.
        [0xff, byte, ..] if byte & 0xf6 == 0xf0 => Ok(Reader::Symphonia("AAC")),
        [0xff, byte, ..] if byte & 0xe6 == 0xe2 => Ok(Reader::Symphonia("MP3")),
        _ => {
            let beginning = bytes[..bytes.len().min(12)].escape_ascii();
            let kinds = "WAV, FLAC, MP3, Ogg, Opus, M4A, AIFF";
            let length = length.map_or(String::new(), |length| format!("{length} "));
            let problem = format!("expected a sound file ({kinds}), got {length}bytes beginning \"{beginning}\"");
            Err(Error::new(Kind::Audio, problem).advice(super::CONVERT))
        }
    }
}
