//! The lock of a folder: one process works in it at a time.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::input::{open_lock_file, refuse_links_in};
use reslstm::error::{Error, Kind, Result};

/// Has the name of a temporary file: one that a killed process leaves counts as nothing, and is removed by the next write.
const FOLDER_LOCK: &str = ".reslstm-lock.tmp";

/// The lock of a folder, until this is dropped or the process ends in any way.
#[derive(Debug)]
pub struct FolderLock {
    path: PathBuf,
    _file: File,
}

impl FolderLock {
    /// Locks a folder, which is created if there is none. Where the file system has no locks, nothing is locked.
    ///
    /// # Errors
    /// [`Kind::Io`] if another process works in it, naming that if it is known, if nothing can be written there, or if it holds a
    /// link or anything else that is neither a file nor a folder.
    pub fn acquire(folder: &Path) -> Result<Self> {
        let path = folder.join(FOLDER_LOCK);
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder.display(), error))?;
        refuse_links_in(folder)?;
        loop {
            let file = open_lock_file(&path).map_err(|error| Error::io(path.display(), error))?;
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                let problem = format!("{} works in this folder", holder(&file));
                let advice = "wait until it ends, or choose another folder";
                return Err(Error::new(Kind::Io, problem).at(folder.display()).advice(advice));
            }
            // Before it was locked, another process may have removed it.
            if is_at(&file, &path) {
                return Ok(FolderLock { path, _file: file });
            }
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        let _ = super::remove(&self.path);
    }
}

/// Whether an open file is the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let inode = |found: std::io::Result<std::fs::Metadata>| found.map(|found| (found.dev(), found.ino())).ok();
        inode(file.metadata()) == inode(std::fs::metadata(path))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

/// Who holds the system's lock on a file, in words: Linux says it of processes of this machine.
pub fn holder(file: &File) -> String {
    let known = if cfg!(target_os = "linux") { process_of_lock(file) } else { None };
    known.map_or("another process".into(), |process| format!("process {process}"))
}

/// `/proc/locks` has lines `1: FLOCK  ADVISORY  WRITE 4321 08:01:1234567 0 EOF`: process, device and inode.
#[cfg(unix)]
fn process_of_lock(file: &File) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{}", file.metadata().ok()?.ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let mut locks = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let lock =
        locks.find(|fields| fields.get(1) == Some(&"FLOCK") && fields.get(5).is_some_and(|at| at.ends_with(&inode)))?;
    lock[4].parse().ok().filter(|&process| process > 0)
}

#[cfg(not(unix))]
fn process_of_lock(_: &File) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::write_atomically;

    #[test]
    fn a_folder_has_one_lock_and_a_killed_process_leaves_none() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new");
        let held = FolderLock::acquire(&new).unwrap();
        let refused = FolderLock::acquire(&new).unwrap_err().to_string();
        assert!(refused.contains("works in this folder (wait until it ends"), "{refused}");
        if cfg!(target_os = "linux") {
            assert!(refused.contains(&format!(": process {} works", std::process::id())), "{refused}");
        }
        // A write in the folder leaves the lock; the file of a killed process is no lock.
        write_atomically(&new.join("file"), b"x").unwrap();
        assert!(FolderLock::acquire(&new).is_err());
        drop(held);
        assert_eq!(names_in(&new), ["file"]);
        std::fs::write(new.join(".reslstm-lock.tmp"), b"").unwrap();
        drop(FolderLock::acquire(&new).unwrap());
        assert_eq!(names_in(&new), ["file"]);
    }

    fn names_in(folder: &Path) -> Vec<String> {
        let names = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }
}
