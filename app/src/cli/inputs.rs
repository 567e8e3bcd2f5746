//! Input files of a command: files, and folders of recordings.

use super::{Done, Outcome, interrupt};
use crate::corpus::from_table::{self, TableClip};
use crate::corpus::manifest::Required;
use crate::corpus::reading::Columns;
use crate::corpus::segment::Segment;
use crate::corpus::sound::{Side, SoundReader};
use crate::corpus::{ClipSource, folders, sound};
use crate::files;
use reslstm::audio::Recording;
use reslstm::error::{Error, Kind, Result};
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Component, Path, PathBuf};

/// One recording to read.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Path of the file.
    pub path: PathBuf,
    /// The part of the file, if it is not the whole.
    pub segment: Option<Segment>,
    /// Its path relative to the given folder or table; the file name if the file itself was given. Segments have theirs in the name.
    pub relative: PathBuf,
}

impl Input {
    fn of_table(TableClip { path, row }: TableClip) -> Self {
        let name = Path::new(&row.path);
        // A path that leads elsewhere must not lead out of the folder that files of these names are written to.
        let is_below = name.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let mut relative = if is_below { name.to_path_buf() } else { name.file_name().unwrap_or_default().into() };
        if let Some(segment) = row.segment {
            let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
            let (stem, ending) = (part(relative.file_stem()), part(relative.extension()));
            relative.set_file_name(format!("{stem}{segment}.{ending}"));
        }
        Input { path, segment: row.segment, relative }
    }
}

/// As [`ClipSource`], for people.
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ClipSource { path: &self.path, segment: self.segment }.fmt(f)
    }
}

/// The given files, the recordings in the given folders, and those that the given tables list.
pub fn recordings(paths: &[PathBuf]) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for path in paths {
        if from_table::is_table(path) {
            let (clips, notes) = from_table::clips(path, &Columns::default(), Required::Paths)?;
            notes.iter().for_each(|note| message!("{note} ({})", path.display()));
            inputs.extend(clips.into_iter().map(Input::of_table));
            continue;
        }
        if !path.is_dir() {
            let relative = path.file_name().unwrap_or(path.as_os_str()).into();
            inputs.push(Input { path: path.clone(), segment: None, relative });
            continue;
        }
        let found = folders::find_audio(path)?;
        if found.is_empty() {
            let problem =
                "expected recordings in this folder (.wav, .flac, .mp3, .ogg, .opus, .m4a, .aiff), found none";
            return Err(Error::new(Kind::Data, problem).at(path.display()));
        }
        inputs.extend(found.into_iter().map(|file| {
            let relative = file.strip_prefix(path).unwrap_or(Path::new(&file)).to_path_buf();
            Input { path: file, segment: None, relative }
        }));
    }
    Ok(inputs)
}

/// Prints each failure, and how many of `total` inputs failed.
pub fn summarise(failures: Vec<Error>, total: usize) -> Outcome {
    if interrupt::stopped() {
        let done = total - failures.len();
        for failure in failures.iter().filter(|failure| failure.kind() != Kind::Interrupted) {
            message!("error: {failure}");
        }
        return Err(Error::new(Kind::Interrupted, format!("stopped; {done} of {total} are done")).into());
    }
    for failure in &failures {
        message!("error: {failure}");
    }
    if failures.is_empty() {
        return Ok(Done::Everything);
    }
    match failures.len() {
        failed if failed < total => message!("{failed} of {total} failed, the rest succeeded"),
        1 => {}
        _ => message!("all {total} failed"),
    }
    Ok(Done::SomeFailed)
}

/// Whether a file holds features instead of sound.
pub fn is_features(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"))
}

/// Reads a recording, of any kind, and notes on stderr what is odd about it. The caller adds the path to errors.
pub fn recording(path: &Path) -> Result<Recording> {
    let sound = sound::decode(&read(path)?)?;
    for note in sound.notes {
        print_note(path, &note);
    }
    Ok(sound.recording)
}

/// A sound file on disk, which can be read more than once.
pub struct SoundFile(File);

impl SoundFile {
    /// Opens the file at `path`; stdin (`-`) is copied to a temporary file first. The caller adds the path to errors.
    pub fn open(path: &Path) -> Result<Self> {
        if path.as_os_str() != "-" {
            return files::open(path).map(SoundFile).map_err(failed);
        }
        let copied = tempfile::tempfile().and_then(|mut copy| {
            std::io::copy(&mut std::io::stdin().lock(), &mut copy)?;
            Ok(copy)
        });
        copied.map(SoundFile).map_err(failed)
    }

    /// Reads it, or a segment of it, from the beginning, once at a time.
    pub fn reader(&mut self, side: Side, segment: Option<Segment>) -> Result<SoundReader<'static>> {
        self.0.rewind().map_err(failed)?;
        let reader = SoundReader::open(Box::new(self.0.try_clone().map_err(failed)?), side)?;
        Ok(reader.with_segment(segment))
    }
}

fn failed(error: std::io::Error) -> Error {
    let failed = Error::new(Kind::Io, error.to_string());
    match error.kind() {
        std::io::ErrorKind::InvalidInput => failed.advice("a pipe is read from stdin: give - as the file"),
        _ => failed,
    }
}

/// Prints a note on a recording.
pub fn print_note(path: &Path, note: &str) {
    message!("note: {}: {note}", if path.as_os_str() == "-" { "stdin".into() } else { path.display().to_string() });
}

/// All bytes of a file, or of stdin for `-`. The caller adds the path to errors.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_end(&mut bytes),
        false => files::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    read.map_err(failed)?;
    files::refuse_lfs_pointer(&bytes)?;
    Ok(bytes)
}
