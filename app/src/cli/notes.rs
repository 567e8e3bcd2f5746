//! Notes on the recordings of a corpus, printed together when all are read.

use super::inputs::print_note;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Number of notes that are printed; the rest are counted.
const MOST_PRINTED: usize = 10;

/// Notes from several threads.
#[derive(Default)]
pub struct Notes(Mutex<Vec<(PathBuf, String)>>);

impl Notes {
    /// Keeps a note on the recording at `path`.
    pub fn add(&self, path: &Path, note: String) {
        self.0.lock().expect("no thread panics with the notes").push((path.to_path_buf(), note));
    }

    /// Prints the first notes by path, and how many more there are.
    pub fn print(&self) {
        let mut notes = std::mem::take(&mut *self.0.lock().expect("no thread panics with the notes"));
        notes.sort();
        for (path, note) in notes.iter().take(MOST_PRINTED) {
            print_note(path, note);
        }
        if notes.len() > MOST_PRINTED {
            message!("note: {} more notes on other recordings", notes.len() - MOST_PRINTED);
        }
    }
}
