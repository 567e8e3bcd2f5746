//! What a command is given to read: files, and folders of them.

use super::{Done, Outcome, interrupt};
use crate::corpus::folders;
use reslstm::error::{Error, Kind, Result};
use std::path::{Path, PathBuf};

/// One file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Where it is.
    pub path: PathBuf,
    /// Its path below the folder that was named; its name where the file itself was.
    pub relative: PathBuf,
}

/// The recordings named, and those in the folders named.
pub fn recordings(named: &[PathBuf]) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for path in named {
        if !path.is_dir() {
            inputs.push(Input { path: path.clone(), relative: path.file_name().unwrap_or(path.as_os_str()).into() });
            continue;
        }
        let found = folders::find_audio(path)?;
        if found.is_empty() {
            return Err(
                Error::new(Kind::Data, "expected recordings (.wav) in this folder, found none").at(path.display())
            );
        }
        inputs.extend(found.into_iter().map(|file| {
            let relative = file.strip_prefix(path).unwrap_or(Path::new(&file)).to_path_buf();
            Input { path: file, relative }
        }));
    }
    Ok(inputs)
}

/// Names every failure, and says how many of `total` are done.
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
        failed if failed < total => eprintln!("{failed} of {total} failed, the others are done"),
        1 => {}
        _ => eprintln!("all {total} failed"),
    }
    Ok(Done::SomeFailed)
}
