//! Opening files by their kind: reading a named pipe may wait for ever, and a device may never end.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use reslstm::error::{Error, Result};

/// Opens a file to read it.
///
/// # Errors
/// Those of the system; [`ErrorKind::InvalidInput`] at once for a folder, named pipe, socket or device.
pub fn open(path: &Path) -> io::Result<File> {
    check_is_file(&fs::metadata(path)?)?;
    File::open(path)
}

/// All bytes of a file, as [`open`] opens it.
///
/// # Errors
/// Those of [`open`], and of reading.
pub fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file, as [`open`] opens it.
///
/// # Errors
/// Those of [`open`], and of reading; [`ErrorKind::InvalidData`] if it is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    io::read_to_string(open(path)?)
}

/// Opens a file to append to it, or to lock it, and creates it if there is none.
///
/// # Errors
/// As [`open`]; also for a link to a file that does not exist, which would be created wherever the link leads.
pub fn open_or_create(path: &Path) -> io::Result<File> {
    match fs::metadata(path) {
        Ok(found) => check_is_file(&found)?,
        Err(_) if path.is_symlink() => return Err(wrong_kind("a link to a file that does not exist")),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    File::options().create(true).append(true).open(path)
}

/// [`open_or_create`] for a lock of this program, which is no link.
///
/// # Errors
/// Those of [`open_or_create`] and [`refuse_link`].
pub fn open_lock_file(path: &Path) -> io::Result<File> {
    refuse_link(path)?;
    open_or_create(path)
}

/// Whether there is a file to [`open`].
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if it is anything else than a file.
pub fn is_there(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(found) => check_is_file(&found).map(|()| true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Refuses a link: of files in a folder of this program, it would lead out of the folder.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if there is a link at `path`.
pub fn refuse_link(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => Err(wrong_kind("a link")),
        _ => Ok(()),
    }
}

/// Refuses links, named pipes, sockets and devices anywhere in a folder of this program: what is written there would go elsewhere,
/// or wait for ever. No folder holds none.
///
/// # Errors
/// [`Kind::Io`](reslstm::error::Kind::Io), naming the first one, or a folder that cannot be read.
pub fn refuse_links_in(folder: &Path) -> Result<()> {
    let failed = |error| Error::io(folder.display(), error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        // Another process may have removed it.
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        let kind = if found.is_symlink() { "a link" } else { kind_of(&found) };
        if found.is_dir() {
            refuse_links_in(&path)?;
        } else if !found.is_file() {
            let advice = "remove it: only this program writes files here";
            return Err(Error::io(path.display(), wrong_kind(kind)).advice(advice));
        }
    }
    Ok(())
}

fn check_is_file(found: &Metadata) -> io::Result<()> {
    if found.is_file() { Ok(()) } else { Err(wrong_kind(kind_of(found))) }
}

fn wrong_kind(kind: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, format!("expected a file, found {kind}"))
}

/// The kind of what is no regular file, in words.
pub fn kind_of(found: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = found.file_type();
        if kind.is_fifo() {
            return "a named pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    if found.is_dir() { "a folder" } else { "a device" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{read, write_atomically};

    #[cfg(unix)]
    #[test]
    fn only_regular_files_are_opened_and_what_else_there_is_is_named_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let [pipe, socket] = ["pipe", "socket"].map(|name| folder.path().join(name));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let zero = Path::new("/dev/zero");
        for (path, kind) in
            [(pipe.as_path(), "a named pipe"), (&socket, "a socket"), (folder.path(), "a folder"), (zero, "a device")]
        {
            let expected = format!("expected a file, found {kind}");
            assert_eq!(open(path).unwrap_err().to_string(), expected);
            assert_eq!(open_or_create(path).unwrap_err().to_string(), expected);
            assert!(read(path).unwrap_err().to_string().contains(&expected));
        }
        // What an output path may name.
        let error = write_atomically(&socket, b"x").unwrap_err().to_string();
        assert!(error.contains("expected a file to write, found a socket"), "{error}");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
        assert_eq!(
            open_or_create(&link).unwrap_err().to_string(),
            "expected a file, found a link to a file that does not exist"
        );
        assert!(!folder.path().join("nowhere").exists());
        // A pipe with the name of an abandoned file does not stop a write.
        fs::rename(&pipe, folder.path().join(".reslstm-1.tmp")).unwrap();
        write_atomically(&folder.path().join("file"), b"x").unwrap();
    }
}
