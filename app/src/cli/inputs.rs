//! Input files of a command: files, and folders of recordings.

use super::{Done, Outcome, interrupt};
use crate::corpus::{folders, sound};
use crate::files;
use reslstm::audio::Recording;
use reslstm::error::{Error, Kind, Result};
use std::io::Read;
use std::path::{Path, PathBuf};

/// One file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Path of the file.
    pub path: PathBuf,
    /// Its path relative to the given folder; the file name if the file itself was given.
    pub relative: PathBuf,
}

/// The given files, and the recordings in the given folders.
pub fn recordings(paths: &[PathBuf]) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for path in paths {
        if !path.is_dir() {
            inputs.push(Input { path: path.clone(), relative: path.file_name().unwrap_or(path.as_os_str()).into() });
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
            Input { path: file, relative }
        }));
    }
    Ok(inputs)
}

/// Prints each failure, and how many of `total` inputs failed.
pub fn summarise(failures: Vec<Error>, total: usize) -> Outcome {
    if interrupt::stopped() {
        let done = total - failures.len();
        return Err(Error::new(Kind::Interrupted, format!("stopped; {done} of {total} are done")).into());
    }
    for failure in &failures {
        eprintln!("error: {failure}");
    }
    if failures.is_empty() {
        return Ok(Done::Everything);
    }
    match failures.len() {
        failed if failed < total => eprintln!("{failed} of {total} failed, the rest succeeded"),
        1 => {}
        _ => eprintln!("all {total} failed"),
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

/// Prints a note on a recording.
pub fn print_note(path: &Path, note: &str) {
    eprintln!("note: {}: {note}", if path.as_os_str() == "-" { "stdin".into() } else { path.display().to_string() });
}

/// All bytes of a file, or of stdin for `-`. The caller adds the path to errors.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_end(&mut bytes),
        false => std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    read.map_err(|error| Error::new(Kind::Io, error.to_string()))?;
    files::refuse_lfs_pointer(&bytes)?;
    Ok(bytes)
}
