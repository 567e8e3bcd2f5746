//! One function per kind of file. Each panics if the program does, and if what was accepted does not keep its promises: it
//! survives writing and reading, and what is computed from it is finite. Each returns whether it accepted the bytes.

pub mod model;
mod sound;
mod text;

pub use model::{checkpoint, metadata, model, onnx, profile};
pub use sound::{live, sound, wav};
pub use text::{journal, npy, plan, result, table, toml};

use std::path::{Path, PathBuf};

/// A function of a target; whether it accepted the bytes.
pub type Target = fn(&[u8]) -> bool;

/// Each function with the name of its target, which is that of its folder of seeds.
pub const TARGETS: [(&str, Target); 21] = [
    ("aac", sound),
    ("aiff", sound),
    ("caf", sound),
    ("checkpoint", checkpoint),
    ("flac", sound),
    ("journal", journal),
    ("live", live),
    ("metadata", metadata),
    ("mkv", sound),
    ("model", model),
    ("mp3", sound),
    ("mp4", sound),
    ("npy", npy),
    ("ogg", sound),
    ("onnx", onnx),
    ("plan", plan),
    ("profile", profile),
    ("result", result),
    ("table", table),
    ("toml", toml),
    ("wav", wav),
];

thread_local! {
    static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a folder for files of the targets");
}

/// A folder of this thread.
fn folder() -> PathBuf {
    FOLDER.with(|folder| folder.path().to_path_buf())
}

/// Writes a file of the [`folder`].
fn in_file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// Bytes of a seed.
fn seed(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
