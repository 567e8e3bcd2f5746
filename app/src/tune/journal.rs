//! Optuna's journal file: one JSON object per line and operation; lines are only appended.
//!
//! Any number of processes, of this program and of Optuna in Python, append in turn under a [`lock`](super::lock). A process
//! killed while it writes leaves an incomplete line. Optuna cannot read past such a line, so it is cut off before the next
//! append. So are a blank line and null bytes at the end, which a file system may leave after a crash: Optuna reads up to them.
//! Anywhere else they are refused, as Optuna does.

use super::lock::{GRACE_PERIOD, Lock};
use super::replay::{BYTE_ORDER_MARK, Replay};
use crate::files;
use reslstm::error::{Error, Kind, Result};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

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
        files::open_or_create(path).map_err(|error| Error::io(path.display(), error))?;
        let (lock, replay) = (Lock::new(path, GRACE_PERIOD)?, Replay::default());
        let mut journal = Journal { path: path.into(), lock, worker: worker.into(), offset: 0, lines: 0, replay };
        journal.read_new_lines()?;
        Ok(journal)
    }

    /// This journal, whose waits for its lock end with [`Kind::Interrupted`] when `stop` is set.
    pub fn stopped_by(self, stop: &'static AtomicBool) -> Self {
        Journal { lock: self.lock.stopped_by(stop), ..self }
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
        let mut file = files::open(&self.path).map_err(|error| self.failed(error))?;
        let mut bytes = Vec::new();
        let read = file.seek(SeekFrom::Start(self.offset)).and_then(|_| file.read_to_end(&mut bytes));
        read.map_err(|error| self.failed(error))?;
        if bytes.is_empty() && file.metadata().map_err(|error| self.failed(error))?.len() < self.offset {
            let problem = "the journal became shorter: it was replaced by another file";
            return Err(Error::new(Kind::Data, problem).at(self.path.display()).advice("start the command again"));
        }
        let applied = apply(&bytes, &mut self.replay, &mut self.lines);
        let (read, tail) = applied.map_err(|error| error.at(self.path.display()))?;
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
    let bytes = files::read_bytes(path).map_err(|error| Error::io(path.display(), error))?;
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
            Err(_) if rest.peek().is_none() && is_incomplete(line, *lines) => return Ok((read, Tail::Incomplete)),
            Err(error) => {
                let advice = match *lines {
                    0 => "give a journal, or a file that does not exist yet",
                    _ => "Optuna cannot read past this line either: keep a copy of the journal, then remove the line",
                };
                return Err(error.at(format!("line {}", *lines + 1)).advice(advice));
            }
        }
    }
    Ok((read, Tail::Complete))
}

/// Whether the last line of a file is an incomplete line of a journal, or an empty one after `lines` others. Anything else must
/// not be cut off.
fn is_incomplete(line: &[u8], lines: usize) -> bool {
    let text = String::from_utf8_lossy(line);
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    match serde_json::from_str::<Value>(text) {
        Ok(whole) => !text.ends_with('\n') && whole.get("op_code").is_some(),
        Err(_) if text.trim_matches(['\0', '\n', '\r', '\t', ' ']).is_empty() => lines > 0,
        Err(_) => text.trim_start().starts_with('{'),
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
        let unfinished = ["{", "{\"op_code\":4,\"wor", "{\"op_code\":4,\"study_id\":0}", "{\"op_code\":4,\"stu\n"];
        // What Optuna 5 reads up to, but would not read past.
        let empty = ["\n", "  ", " \r\n", "\0\0\0", "\u{feff}", "\u{feff}{\"op"];
        for incomplete in unfinished.into_iter().chain(empty) {
            std::fs::write(&path, format!("{whole}{incomplete}")).unwrap();
            let mut journal = Journal::open(&path, "a").unwrap();
            assert_eq!(names(&mut journal), ["one"], "reading stops before it");
            journal.update(|_| Ok((vec![create_study("two")], ()))).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{whole}{added}"), "{incomplete}");
        }
    }

    #[test]
    fn a_byte_order_mark_and_blanks_around_a_line_are_passed_over_as_in_python() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.journal");
        let [one, two] = ["one", "two"].map(create_study);
        std::fs::write(&path, format!("\u{feff}{one}\r\n\u{feff} \t{two}\n")).unwrap();
        assert_eq!(names(&mut Journal::open(&path, "a").unwrap()), ["one", "two"]);
        assert_eq!(read(&path).unwrap().studies().count(), 2);
    }

    #[test]
    fn a_damaged_line_before_others_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.journal");
        let [one, two] = ["one", "two"].map(create_study);
        for (damaged, got) in [
            ("", "got \"\": EOF while parsing a value"),
            ("{\"op_code\":4,\"wo", "got \"{\\\"op_code\\\":4,\\\"wo\": EOF while parsing a string at column 16"),
            ("\0\0", "got \"\\x00\\x00\": expected value at column 1"),
            ("[]", "got \"[]\": "),
        ] {
            let text = format!("{one}\n{damaged}\n{two}\n");
            std::fs::write(&path, &text).unwrap();
            for error in [Journal::open(&path, "a").unwrap_err(), read(&path).unwrap_err()] {
                let message = error.to_string();
                for part in ["study.journal: line 2: ", "expected a JSON object, ", got, "then remove the line"] {
                    assert!(message.contains(part), "expected `{part}` in: {message}");
                }
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
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
            "\0\0\0",
            "\n",
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
