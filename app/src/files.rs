//! Files: reading and writing whole ones, so that every error names its path and no reader ever meets half a file.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use reslstm::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use serde_json::ser::Formatter;

/// What to do about an output that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone, and say so.
    Refuse,
    /// Write over it when the time comes.
    Replace,
}

/// How the names of files begin that are about to become others.
const BESIDE: &str = ".reslstm-";

/// Whether a write that returned has to survive a loss of power.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    OnDisk,
    WhenConvenient,
}

/// All bytes of a file.
///
/// # Errors
/// [`Kind::Io`], naming the file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Error::io(path.display(), error))
}

/// Puts `bytes` into the file at `path`, new or old, in one step: whoever reads it, now or after a crash, finds all of the
/// old bytes or all of the new ones. They are on the disk when this returns, and what a killed process left half written
/// in the folder is gone.
///
/// What is neither a file nor missing, such as a pipe or a terminal, cannot be exchanged and is written to.
///
/// # Errors
/// [`Kind::Io`], naming the file, which is then what it was before.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, bytes, Durability::OnDisk)
}

/// [`write_atomically`] without waiting for the disk: for what can be computed again. A loss of power may leave other
/// bytes behind, which the reader must be able to tell.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_replaceable(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, bytes, Durability::WhenConvenient)
}

/// The value that a JSON file holds.
///
/// # Errors
/// [`Kind::Io`] if it cannot be read; [`Kind::Data`] if it holds anything else, naming file and line.
pub fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    serde_json::from_slice(&read(path)?).map_err(|error| {
        let advice = "it was changed or damaged: delete it to have it made again";
        Error::new(Kind::Data, error.to_string()).at(path.display()).advice(advice)
    })
}

/// Writes a value as JSON, atomically: a line for each member of an object, a single one for an array of numbers.
///
/// # Errors
/// As [`write_atomically`].
///
/// # Panics
/// If the value is none of JSON's: a map whose keys are no text.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Members::default());
    value.serialize(&mut serializer).expect("plain values become JSON");
    bytes.push(b'\n');
    write_atomically(path, &bytes)
}

/// JSON's layout in files: as easy to read and to compare as an indented one, and a quarter of its size where most of it
/// are numbers in arrays.
#[derive(Default)]
struct Members {
    /// Objects around this place.
    depth: usize,
    /// Whether the object at hand has a member yet.
    any: bool,
}

impl Members {
    fn new_line<W: Write + ?Sized>(&self, out: &mut W) -> std::io::Result<()> {
        write!(out, "\n{:width$}", "", width = 2 * self.depth)
    }
}

impl Formatter for Members {
    fn begin_object<W: Write + ?Sized>(&mut self, out: &mut W) -> std::io::Result<()> {
        (self.depth, self.any) = (self.depth + 1, false);
        out.write_all(b"{")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> std::io::Result<()> {
        out.write_all(if first { b"" } else { b"," })?;
        self.new_line(out)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> std::io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, _: &mut W) -> std::io::Result<()> {
        self.any = true;
        Ok(())
    }

    fn end_object<W: Write + ?Sized>(&mut self, out: &mut W) -> std::io::Result<()> {
        self.depth -= 1;
        if self.any {
            self.new_line(out)?;
        }
        out.write_all(b"}")
    }
}

/// Removes a file, if there is one.
///
/// # Errors
/// [`Kind::Io`], naming the file.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path.display(), error)),
        _ => Ok(()),
    }
}

/// Proves, before long work starts, that its result can be written to `path` afterwards. Folders on the way are created;
/// nothing else is left behind, and a file that is there already stays untouched.
///
/// # Errors
/// [`Kind::Settings`] if there is a file and `existing` says to refuse, or `path` is a folder or names no file;
/// [`Kind::Io`] if no file can be made there.
pub fn check_writable(path: &Path, existing: Existing) -> Result<()> {
    let target = Target::of(path)?;
    let Target::File(file) = &target else { return Ok(()) };
    if existing == Existing::Refuse && file.exists() {
        return Err(Error::new(Kind::Settings, "expected a name that is free, found a file")
            .at(path.display())
            .advice("choose another name, or remove the file first"));
    }
    let failed = |error| Error::io(path.display(), error);
    fs::create_dir_all(folder_of(file)).map_err(failed)?;
    Beside::create(file).map_err(failed)?;
    Ok(())
}

/// Whether `path` is what a killed process leaves of a file that it was writing.
pub fn is_half_written(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(BESIDE.as_bytes()) && name.ends_with(b".tmp")
}

fn write(path: &Path, bytes: &[u8], durability: Durability) -> Result<()> {
    let written = match Target::of(path)? {
        Target::File(file) => Beside::create(&file).and_then(|beside| beside.become_target(&file, bytes, durability)),
        Target::Device(device) => File::options().write(true).open(device).and_then(|mut out| out.write_all(bytes)),
    };
    written.map_err(|error| Error::io(path.display(), error))
}

/// What an output path leads to.
enum Target {
    /// A file that is there, or is not yet.
    File(PathBuf),
    /// Something that takes bytes and keeps none: exchanging it for a file would take it away from everybody else.
    Device(PathBuf),
}

impl Target {
    fn of(path: &Path) -> Result<Self> {
        let wrong = |problem: &str| Err(Error::new(Kind::Settings, problem).at(path.display()));
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => wrong("expected a file to write, found a folder"),
            Ok(found) if !found.is_file() => Ok(Target::Device(path.into())),
            // A link stays one, and the file it leads to is exchanged.
            Ok(_) => fs::canonicalize(path).map(Target::File).map_err(|error| Error::io(path.display(), error)),
            Err(_) if path.file_name().is_none() => wrong("expected a path that ends in the name of a file"),
            Err(_) => Ok(Target::File(path.into())),
        }
    }
}

/// The folder a file is in; the current one has no name in a relative path.
fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// A hidden file in the folder of the one it is about to become. It is removed if that does not happen.
struct Beside {
    path: PathBuf,
    file: File,
    renamed: bool,
}

impl Beside {
    fn create(target: &Path) -> std::io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            // Without the target's own name, which may be as long as names can be.
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = folder_of(target).join(format!("{BESIDE}{}-{number}.tmp", std::process::id()));
            match File::create_new(&path) {
                Ok(file) => {
                    // Says that somebody is at it. Where a file system has no locks, nobody takes it for abandoned either.
                    let _ = file.lock();
                    let beside = Beside { path, file, renamed: false };
                    // Between the two lines above, another process may have taken it for abandoned.
                    if beside.path.exists() {
                        return Ok(beside);
                    }
                }
                // Another machine that shares the folder has a process of our number, or one was killed here.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn become_target(mut self, target: &Path, bytes: &[u8], durability: Durability) -> std::io::Result<()> {
        self.file.write_all(bytes)?;
        if durability == Durability::OnDisk {
            self.file.sync_all()?;
        }
        fs::rename(&self.path, target)?;
        self.renamed = true;
        if durability == Durability::OnDisk {
            let folder = folder_of(target);
            remove_abandoned(folder);
            // The new name is an entry of the folder. Not every system lets a folder be opened or synchronised; the bytes
            // are on the disk in any case.
            if let Ok(folder) = File::open(folder) {
                let _ = folder.sync_all();
            }
        }
        Ok(())
    }
}

/// Removes what killed processes left in a folder of files that they were writing: those that nobody has locked. What
/// cannot be removed stays, as it harms nobody.
fn remove_abandoned(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in entries.filter(|path| is_half_written(path)) {
        if let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(&path);
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.renamed {
            // Whatever led here is the error to report.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_written_exchanged_and_read_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        write_atomically(&path, b"first, and longer").unwrap();
        write_atomically(&path, b"second").unwrap();
        assert_eq!(read(&path).unwrap(), b"second");
        write_replaceable(&path, b"third").unwrap();
        assert_eq!(read(&path).unwrap(), b"third");
        assert_eq!(names_in(folder.path()), ["model.safetensors"]);
    }

    #[test]
    fn what_a_killed_process_left_goes_with_the_next_write_and_what_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let [path, left] = ["result.json", ".reslstm-1-0.tmp"].map(|name| folder.path().join(name));
        fs::write(&left, b"hal").unwrap();
        write_replaceable(&path, b"1").unwrap();
        assert!(left.exists(), "many files are written like this, and no folder is read for each");
        let at_work = Beside::create(&path).unwrap();
        write_atomically(&path, b"2").unwrap();
        assert!(!left.exists() && at_work.path.exists());
        at_work.become_target(&path, b"3", Durability::OnDisk).unwrap();
        assert_eq!(read(&path).unwrap(), b"3");
        assert_eq!(names_in(folder.path()), ["result.json"]);
    }

    #[test]
    fn json_has_a_line_a_member_and_comes_back_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value.json");
        let value = serde_json::json!({
            "b": [[1, 2.5], [-0.1, 0.25]], "a": {}, "c": [{ "d": null, "e": "{[\n" }, { "f": [] }]
        });
        write_json(&path, &value).unwrap();
        let text = String::from_utf8(read(&path).unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "{",
                "  \"a\": {},",
                "  \"b\": [[1,2.5],[-0.1,0.25]],",
                "  \"c\": [{",
                "    \"d\": null,",
                "    \"e\": \"{[\\n\"",
                "  },{",
                "    \"f\": []",
                "  }]",
                "}"
            ]
        );
        assert_eq!(read_json::<serde_json::Value>(&path).unwrap(), value);
    }

    #[test]
    fn a_name_as_long_as_the_system_allows_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n".repeat(255));
        write_atomically(&path, b"x").unwrap();
        assert_eq!(read(&path).unwrap(), b"x");
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent.wav");
        let error = read(&path).unwrap_err();
        assert_eq!(error.kind(), Kind::Io);
        assert!(error.to_string().starts_with(&format!("{}: ", path.display())), "{error}");
        let error = write_atomically(&path.join("deeper"), b"x").unwrap_err();
        assert_eq!(error.kind(), Kind::Io);
        assert!(error.to_string().contains("absent.wav"), "{error}");
    }

    #[test]
    fn checking_makes_the_folders_and_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/deep/summary.json");
        check_writable(&path, Existing::Refuse).unwrap();
        assert_eq!(names_in(path.parent().unwrap()), [""; 0]);
        write_atomically(&path, b"{}").unwrap();

        let error = check_writable(&path, Existing::Refuse).unwrap_err();
        assert_eq!(error.kind(), Kind::Settings);
        assert!(error.to_string().contains("summary.json: expected a name that is free, found a file ("), "{error}");
        check_writable(&path, Existing::Replace).unwrap();
        assert_eq!(read(&path).unwrap(), b"{}");
        assert_eq!(names_in(path.parent().unwrap()), ["summary.json"]);
    }

    #[test]
    fn where_no_file_can_be_is_said_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        write_atomically(&file, b"x").unwrap();
        for existing in [Existing::Refuse, Existing::Replace] {
            let error = check_writable(folder.path(), existing).unwrap_err();
            assert_eq!(error.kind(), Kind::Settings);
            assert!(error.to_string().ends_with("expected a file to write, found a folder"), "{error}");
            // A folder on the way is a file.
            assert_eq!(check_writable(&file.join("model"), existing).unwrap_err().kind(), Kind::Io);
            assert_eq!(check_writable(Path::new(""), existing).unwrap_err().kind(), Kind::Settings);
        }
        assert_eq!(write_atomically(folder.path(), b"x").unwrap_err().kind(), Kind::Settings);
        assert_eq!(names_in(folder.path()), ["file"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        write_atomically(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_atomically(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&file).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_stays() {
        // Exchanged for a file, /dev/null would be gone for everybody.
        let null = Path::new("/dev/null");
        check_writable(null, Existing::Refuse).unwrap();
        write_atomically(null, b"gone").unwrap();
        assert!(!fs::metadata(null).unwrap().is_file());
    }
}
