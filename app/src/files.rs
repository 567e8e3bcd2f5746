//! Reading and writing whole files. Every error names its path, and no reader ever sees half a file.

mod device;
mod input;
mod lock;

pub use input::{
    is_there, kind_of, open, open_lock_file, open_or_create, read_bytes, read_text, refuse_link, refuse_links_in,
};
pub use lock::{FolderLock, holder};

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use reslstm::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use serde_json::ser::Formatter;
use tempfile::NamedTempFile;

/// What to do if an output file exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Report an error and leave it unchanged.
    Refuse,
    /// Replace it when the output is written.
    Replace,
}

/// How the names of temporary files begin and end.
const TEMP_PREFIX: &str = ".reslstm-";
const TEMP_SUFFIX: &str = ".tmp";

/// When the bytes of a write reach the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// Before the write returns, so that they survive a loss of power.
    OnDisk,
    /// Whenever the system writes them.
    Deferred,
}

/// All bytes of a file.
///
/// # Errors
/// [`Kind::Io`], and [`Kind::Data`] for a pointer of git-lfs; both name the file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = read_bytes(path).map_err(|error| Error::io(path.display(), error))?;
    refuse_lfs_pointer(&bytes).map_err(|error| error.at(path.display()))?;
    Ok(bytes)
}

/// Refuses the few lines of text that Git leaves in place of a file when its extension for large files is not installed.
///
/// # Errors
/// [`Kind::Data`] if `bytes` are such a text.
pub fn refuse_lfs_pointer(bytes: &[u8]) -> Result<()> {
    if !bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Ok(());
    }
    let problem = "expected the file itself, got a pointer of git-lfs to it";
    Err(Error::new(Kind::Data, problem).advice("fetch the files of this repository with: git lfs pull"))
}

/// Creates or replaces the file at `path` in one step: a reader finds all of the old bytes or all of the new ones, even after
/// a crash. When this returns, the bytes are on disk, and half-written files of killed processes in the folder are removed.
///
/// A pipe, a terminal or another device cannot be replaced and is written to. Nobody need read a named pipe: after some seconds
/// without a reader, it is an error.
///
/// # Errors
/// [`Kind::Io`], naming the file, which is then unchanged.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, bytes, Durability::OnDisk)
}

/// [`write_atomically`] without waiting for the disk, for data that can be computed again. After a loss of power the file may
/// hold other bytes, which the reader must detect.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_replaceable(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, bytes, Durability::Deferred)
}

/// The value that a JSON file holds; `advice` is for a reader whose file holds anything else.
///
/// # Errors
/// [`Kind::Io`] if it cannot be read; [`Kind::Data`] if it holds anything else, naming file and line.
pub fn read_json<T: for<'a> Deserialize<'a>>(path: &Path, advice: &str) -> Result<T> {
    let wrong = |error: serde_json::Error| Error::caused_by(Kind::Data, error).at(path.display()).advice(advice);
    serde_json::from_slice(&read(path)?).map_err(wrong)
}

/// Writes a value as JSON, atomically: one line per member of an object, a single line for an array of numbers.
///
/// # Errors
/// As [`write_atomically`].
///
/// # Panics
/// If JSON cannot express the value: a map whose keys are not text.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Members::default());
    value.serialize(&mut serializer).expect("plain values become JSON");
    bytes.push(b'\n');
    write_atomically(path, &bytes)
}

/// The layout of JSON files: as easy to read and to compare as indented JSON, and a quarter of its size where most values are
/// numbers in arrays.
#[derive(Default)]
struct Members {
    /// Number of enclosing objects.
    depth: usize,
    /// Whether the current object has a member yet.
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

/// Removes a file, if it exists.
///
/// # Errors
/// [`Kind::Io`], naming the file.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path.display(), error)),
        _ => Ok(()),
    }
}

/// Checks, before long work starts, that its result can be written to `path` afterwards. Missing folders are created, nothing
/// else; an existing file stays unchanged.
///
/// # Errors
/// [`Kind::Settings`] if the file exists and `existing` is [`Existing::Refuse`], or `path` is a folder or names no file;
/// [`Kind::Io`] if no file can be created there.
pub fn check_writable(path: &Path, existing: Existing) -> Result<()> {
    let target = Target::new(path)?;
    let Target::File(file) = &target else { return Ok(()) };
    if existing == Existing::Refuse && file.exists() {
        return Err(Error::new(Kind::Settings, "the file exists already")
            .at(path.display())
            .advice("choose another name, or remove the file first"));
    }
    let failed = |error| Error::io(path.display(), error);
    fs::create_dir_all(folder_of(file)).map_err(failed)?;
    temp_file(file).map_err(failed)?;
    Ok(())
}

/// Whether `name` names a file in any folder, and cannot lead out of it.
pub fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(|c: char| "/\\:".contains(c) || c.is_control())
}

/// Whether `path` has the name of a temporary file, which a killed process may leave behind.
pub fn is_half_written(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(TEMP_PREFIX.as_bytes()) && name.ends_with(TEMP_SUFFIX.as_bytes())
}

fn write(path: &Path, bytes: &[u8], durability: Durability) -> Result<()> {
    let written = match Target::new(path)? {
        Target::File(file) => temp_file(&file).and_then(|temp| replace(temp, &file, bytes, durability)),
        Target::Device(device) => device::write_to_device(&device, bytes),
    };
    written.map_err(|error| Error::io(path.display(), error))
}

/// The kind of file at an output path.
enum Target {
    /// A regular file, or one that does not exist yet.
    File(PathBuf),
    /// A pipe, terminal or other device: replacing it by a file would take it away from everybody else.
    Device(PathBuf),
}

impl Target {
    fn new(path: &Path) -> Result<Self> {
        let wrong = |problem: &str| Err(Error::new(Kind::Settings, problem).at(path.display()));
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => match kind_of(&found) {
                kind @ ("a folder" | "a socket") => wrong(&format!("expected a file to write, found {kind}")),
                _ => Ok(Target::Device(path.into())),
            },
            // A link stays a link, and the file it points to is replaced.
            Ok(_) => fs::canonicalize(path).map(Target::File).map_err(|error| Error::io(path.display(), error)),
            Err(_) if path.is_symlink() => {
                let advice = "create that file, or remove the link";
                wrong("expected a file to write, found a link to a file that does not exist")
                    .map_err(|error| error.advice(advice))
            }
            Err(_) if path.file_name().is_none() => wrong("expected a path that ends in the name of a file"),
            Err(_) => Ok(Target::File(path.into())),
        }
    }
}

/// The folder of a file; `.` for a bare file name.
fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// A hidden file in the folder of `target`, locked to show that it is in use. It is removed unless it is renamed.
fn temp_file(target: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // Without the target's own name, which may be as long as names can be.
    builder.prefix(TEMP_PREFIX).suffix(TEMP_SUFFIX);
    // As for any new file, the umask decides who may read it; the default of a temporary file is the owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let temp = builder.tempfile_in(folder_of(target))?;
        // Where a file system has no locks, no process removes it as abandoned either.
        let _ = temp.as_file().lock();
        // Before it was locked, another process may have removed it as abandoned.
        if temp.path().exists() {
            return Ok(temp);
        }
    }
}

/// Fills a temporary file and renames it to `target`.
fn replace(mut temp: NamedTempFile, target: &Path, bytes: &[u8], durability: Durability) -> std::io::Result<()> {
    temp.write_all(bytes)?;
    // A file that others must not read stays so.
    if let Ok(found) = fs::metadata(target) {
        temp.as_file().set_permissions(found.permissions())?;
    }
    if durability == Durability::OnDisk {
        temp.as_file().sync_all()?;
    }
    temp.persist(target).map_err(|failed| failed.error)?;
    if durability == Durability::OnDisk {
        let folder = folder_of(target);
        remove_abandoned(folder);
        // The new name is an entry of the folder. Not every system lets a folder be opened or synchronised; the bytes are on
        // disk in any case.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
    }
    Ok(())
}

/// Removes temporary files of killed processes from a folder: those that no process has locked. Those that cannot be removed
/// stay, as they do no harm.
pub fn remove_abandoned(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in entries.filter(|path| is_half_written(path) && !path.is_symlink()) {
        if let Ok(file) = open(&path)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(&path);
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
    fn a_file_is_written_replaced_and_read_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        write_atomically(&path, b"first, and longer").unwrap();
        write_atomically(&path, b"second").unwrap();
        assert_eq!(read(&path).unwrap(), b"second");
        write_replaceable(&path, b"third").unwrap();
        assert_eq!(read(&path).unwrap(), b"third");
        #[cfg(unix)]
        {
            // The mode that any new file gets.
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
            let plain = folder.path().join("plain");
            fs::write(&plain, b"x").unwrap();
            assert_eq!(mode(&path), mode(&plain));
            fs::remove_file(plain).unwrap();
        }
        assert_eq!(names_in(folder.path()), ["model.safetensors"]);
    }

    #[test]
    fn the_next_write_removes_abandoned_temporary_files_and_keeps_those_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let [path, left] = ["result.json", ".reslstm-1-0.tmp"].map(|name| folder.path().join(name));
        fs::write(&left, b"hal").unwrap();
        write_replaceable(&path, b"1").unwrap();
        assert!(left.exists(), "many files are written like this, and no folder is read for each");
        let in_use = temp_file(&path).unwrap();
        assert!(is_half_written(in_use.path()));
        write_atomically(&path, b"2").unwrap();
        assert!(!left.exists() && in_use.path().exists());
        replace(in_use, &path, b"3", Durability::OnDisk).unwrap();
        assert_eq!(read(&path).unwrap(), b"3");
        assert_eq!(names_in(folder.path()), ["result.json"]);
    }

    #[test]
    fn json_has_one_line_per_member_and_comes_back_exactly() {
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
        assert_eq!(read_json::<serde_json::Value>(&path, "").unwrap(), value);
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
    fn checking_creates_the_folders_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/deep/summary.json");
        check_writable(&path, Existing::Refuse).unwrap();
        assert_eq!(names_in(path.parent().unwrap()), [""; 0]);
        write_atomically(&path, b"{}").unwrap();

        let error = check_writable(&path, Existing::Refuse).unwrap_err();
        assert_eq!(error.kind(), Kind::Settings);
        assert!(error.to_string().contains("summary.json: the file exists already ("), "{error}");
        check_writable(&path, Existing::Replace).unwrap();
        assert_eq!(read(&path).unwrap(), b"{}");
        assert_eq!(names_in(path.parent().unwrap()), ["summary.json"]);
    }

    #[test]
    fn a_path_where_no_file_can_be_is_refused_before_the_work() {
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
    fn a_link_to_nothing_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        for error in [write_atomically(&link, b"x"), check_writable(&link, Existing::Replace)] {
            let message = error.unwrap_err().to_string();
            assert!(message.contains("found a link to a file that does not exist"), "{message}");
        }
        assert_eq!(names_in(folder.path()), ["link"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, b"old").unwrap();
        for mode in [0o600, 0o640] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            write_atomically(&path, b"new").unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_stays() {
        // Replaced by a file, /dev/null would be gone for everybody.
        let null = Path::new("/dev/null");
        check_writable(null, Existing::Refuse).unwrap();
        write_atomically(null, b"gone").unwrap();
        assert!(!fs::metadata(null).unwrap().is_file());
    }
}
