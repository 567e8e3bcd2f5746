//! Optuna's journal file: one JSON object per line and operation; lines are only appended.
//!
//! Any number of processes, of this program and of Optuna in Python, append in turn under a [`lock`](super::lock). A process
//! killed while it writes leaves an incomplete line. Optuna cannot read past such a line, so it is cut off before the next
//! append.

use super::lock::{GRACE_PERIOD, Lock};
use super::replay::Replay;
use reslstm::error::{Error, Kind, Result};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// An open journal, and its content when last read.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    lock: Lock,
    /// Name of this process, written into every line.
    worker: String,
    /// Number of bytes read, up to the end of a line.
    offset: u64,
    /// Number of lines read.
    lines: usize,
    replay: Replay,
}

/// How a journal ends.
#[derive(PartialEq)]
enum Tail {
    Complete,
    /// With the beginning of a line, whose writer is still writing or was killed.
    Incomplete,
}

impl Journal {
    /// Opens and reads the journal at `path`, or creates it. `worker` is the name under which this process writes.
    ///
    /// # Errors
    /// [`Kind::Io`] if it cannot be read or written; [`Kind::Data`] if it is not a journal.
    pub fn open(path: &Path, worker: &str) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::io(folder.display(), error))?;
        }
        let file = File::options().create(true).append(true).open(path);
        file.map_err(|error| Error::io(path.display(), error))?;
        let (lock, replay) = (Lock::new(path, GRACE_PERIOD)?, Replay::default());
        let mut journal = Journal { path: path.into(), lock, worker: worker.into(), offset: 0, lines: 0, replay };
        journal.read_new_lines()?;
        Ok(journal)
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its current content.
    ///
    /// # Errors
    /// [`Kind::Io`] if it cannot be read; [`Kind::Data`] if a line is not one of a journal.
    pub fn replay(&mut self) -> Result<&Replay> {
        self.read_new_lines()?;
        Ok(&self.replay)
    }

    /// Appends the lines that `decide` returns for the current content, under the lock. The lines are on the disk when this
    /// returns.
    ///
    /// # Errors
    /// Those of `decide`, and of reading and writing; then nothing is appended.
    pub fn update<T>(&mut self, decide: impl FnOnce(&Replay) -> Result<(Vec<Value>, T)>) -> Result<T> {
        // A copy, because reading needs the journal mutably.
        let lock = self.lock.clone();
        let _held = lock.acquire()?;
        if self.read_new_lines()? == Tail::Incomplete {
            let file = File::options().write(true).open(&self.path);
            file.and_then(|file| file.set_len(self.offset)).map_err(|error| self.failed(error))?;
        }
        let (lines, result) = decide(&self.replay)?;
        self.append(lines)?;
        self.read_new_lines()?;
        Ok(result)
    }

    fn append(&self, lines: Vec<Value>) -> Result<()> {
        let mut text = String::new();
        for mut line in lines {
            line["worker_id"] = self.worker.as_str().into();
            text.push_str(&line.to_string());
            text.push('\n');
        }
        let mut file = File::options().append(true).open(&self.path).map_err(|error| self.failed(error))?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|error| {
            // For example a full disk. The part that was written is removed; if that fails too, it is an incomplete line.
            let _ = file.set_len(self.offset);
            self.failed(error)
        })
    }

    /// Reads the lines that were appended since the last read.
    fn read_new_lines(&mut self) -> Result<Tail> {
        let mut file = File::open(&self.path).map_err(|error| self.failed(error))?;
        let mut bytes = Vec::new();
        let read = file.seek(SeekFrom::Start(self.offset)).and_then(|_| file.read_to_end(&mut bytes));
        read.map_err(|error| self.failed(error))?;
        if bytes.is_empty() && file.metadata().map_err(|error| self.failed(error))?.len() < self.offset {
            let problem = "the journal became shorter: it was replaced by another file";
            return Err(Error::new(Kind::Data, problem).at(self.path.display()).advice("start the command again"));
        }
        let (read, tail) = apply(&bytes, &mut self.replay, &mut self.lines).map_err(|error| {
            let error = error.at(self.path.display());
            error.advice("give a journal, or a file that does not exist yet")
        })?;
        self.offset += read as u64;
        Ok(tail)
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::io(self.path.display(), error)
    }
}

/// Reads the journal at `path` without a lock; nothing is written or created.
///
/// # Errors
/// [`Kind::Io`] if it cannot be read; [`Kind::Data`] if it is not a journal.
pub fn read(path: &Path) -> Result<Replay> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path.display(), error))?;
    let mut replay = Replay::default();
    apply(&bytes, &mut replay, &mut 0).map_err(|error| error.at(path.display()))?;
    Ok(replay)
}

/// Applies the complete lines of `bytes` to `replay`, counting on from `lines`; returns their length in bytes.
fn apply(bytes: &[u8], replay: &mut Replay, lines: &mut usize) -> Result<(usize, Tail)> {
    let mut read = 0;
    let mut rest = bytes.split_inclusive(|&byte| byte == b'\n').peekable();
    while let Some(line) = rest.next() {
        let outcome = match line.strip_suffix(b"\n") {
            Some(whole) => replay.apply(whole),
            None => Err(Error::new(Kind::Data, "not a line of an Optuna journal: it has no end")),
        };
        match outcome {
            Ok(()) => {
                read += line.len();
                *lines += 1;
            }
            // Only the last line can be unfinished.
            Err(_) if rest.peek().is_none() && is_incomplete(line) => return Ok((read, Tail::Incomplete)),
            Err(error) => return Err(error.at(format!("line {}", *lines + 1))),
        }
    }
    Ok((read, Tail::Complete))
}

/// Whether the last line of a file is an incomplete line of a journal; anything else must not be cut off.
fn is_incomplete(line: &[u8]) -> bool {
    match serde_json::from_slice::<Value>(line) {
        Ok(whole) => !line.ends_with(b"\n") && whole.get("op_code").is_some(),
        Err(_) => line.starts_with(b"{"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn create_study(name: &str) -> Value {
        json!({ "op_code": 0, "study_name": name, "directions": [2] })
    }

    fn names(journal: &mut Journal) -> Vec<String> {
        journal.replay().unwrap().studies().map(|(_, study)| study.name.clone()).collect()
    }

    #[test]
    fn two_processes_read_each_others_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/study.journal");
        let (mut a, mut b) = (Journal::open(&path, "a").unwrap(), Journal::open(&path, "b").unwrap());
        a.update(|_| Ok((vec![create_study("one")], ()))).unwrap();
        b.update(|replay| Ok((vec![create_study("two")], assert_eq!(replay.studies().count(), 1)))).unwrap();
        assert_eq!(names(&mut a), ["one", "two"]);
        assert_eq!(names(&mut Journal::open(&path, "c").unwrap()), ["one", "two"]);
        let text = std::fs::read_to_string(&path).unwrap();
        let line = r#"{"directions":[2],"op_code":0,"study_name":"one","worker_id":"a"}"#;
        assert!(text.starts_with(&format!("{line}\n")), "{text}");
    }

    #[test]
    fn an_incomplete_line_is_cut_off_before_the_next_append() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.journal");
        let whole = format!("{}\n", create_study("one"));
        let added = format!("{}\n", json!({ "op_code": 0, "study_name": "two", "directions": [2], "worker_id": "a" }));
        for incomplete in ["{", "{\"op_code\":4,\"wor", "{\"op_code\":4,\"study_id\":0}", "{\"op_code\":4,\"stu\n"] {
            std::fs::write(&path, format!("{whole}{incomplete}")).unwrap();
            let mut journal = Journal::open(&path, "a").unwrap();
            assert_eq!(names(&mut journal), ["one"], "reading stops before it");
            journal.update(|_| Ok((vec![create_study("two")], ()))).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{whole}{added}"), "{incomplete}");
        }
    }

    #[test]
    fn a_file_that_is_not_a_journal_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.wav");
        for bytes in [
            "RIFF without an end",
            "RIFF\nWAVE\n",
            "{\"a\": 1}\n",
            "{\"a\": 1}",
            "{\"op_code\":4,\"wo\n{\"op_code\":4}\n",
        ] {
            std::fs::write(&path, bytes).unwrap();
            let error = Journal::open(&path, "a").unwrap_err();
            assert_eq!(error.kind(), Kind::Data);
            assert!(error.to_string().contains("clip.wav: line 1: not a line of an Optuna journal"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), bytes);
        }
        std::fs::write(&path, "").unwrap();
        let mut journal = Journal::open(&path, "a").unwrap();
        journal.update(|_| Ok((vec![create_study("one")], ()))).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(journal.replay().unwrap_err().to_string().contains("it was replaced by another file"));
    }

    #[test]
    fn a_failed_decision_appends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.journal");
        let mut journal = Journal::open(&path, "a").unwrap();
        let decided: Result<()> = journal.update(|_| Err(Error::new(Kind::Settings, "no")));
        assert_eq!(decided.unwrap_err().to_string(), "no");
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "the lock is gone");
    }
}
