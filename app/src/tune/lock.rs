//! One writer at a time, across processes and machines: the lock of Optuna's journal, so that both exclude each other.
//!
//! `JOURNAL.lock` is a symbolic link to the journal; making it is atomic even on network file systems. Its target is absolute,
//! as Optuna looks through the link for the journal's time of change, to tell a lock in use from one whose owner was killed.
//!
//! Optuna waits 30 seconds before it takes a dead owner's lock away. Among processes of ours there is no need to: each holds
//! the system's lock on the journal as well, which ends with the process. Whoever has that, and finds a link of ours, knows
//! that its owner is dead. Our links are known by a `.` in their target: `/folder/./JOURNAL`.

use reslstm::error::{Error, Result};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a lock and its journal must rest before the lock counts as left by a killed process: Optuna's default.
pub const GRACE_PERIOD: Duration = Duration::from_secs(30);

/// The same for a lock of ours. Right without any wait where the system's locks hold between machines; where they do not,
/// far longer than a line takes to write.
const OUR_GRACE_PERIOD: Duration = Duration::from_millis(200);

/// Where the lock of a journal is.
#[derive(Clone, Debug)]
pub struct Lock {
    /// The journal, absolute, with the `.` that makes the link ours.
    target: PathBuf,
    link: PathBuf,
    grace_period: Duration,
}

/// The lock, held until dropped.
#[derive(Debug)]
pub struct Held<'a> {
    lock: &'a Lock,
    mark: Mark,
    /// With the system's lock on it.
    _journal: File,
}

/// What tells one link from a later one of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    inode: u64,
    made: Option<std::time::SystemTime>,
}

impl Mark {
    /// Of the link at `path`; `None` where there is none any more.
    fn of(path: &Path) -> Option<Self> {
        let link = std::fs::symlink_metadata(path).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&link);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Mark { inode, made: link.modified().ok() })
    }
}

impl Lock {
    /// Of the journal at `journal`.
    ///
    /// # Errors
    /// [`Kind::Io`](reslstm::error::Kind::Io) if the current folder is gone.
    pub fn new(journal: &Path, grace_period: Duration) -> Result<Self> {
        let absolute = std::path::absolute(journal).map_err(|error| Error::io(journal.display(), error))?;
        let target = match (absolute.parent(), absolute.file_name()) {
            (Some(folder), Some(name)) => folder.join(".").join(name),
            _ => absolute.clone(),
        };
        let mut link = absolute.into_os_string();
        link.push(".lock");
        Ok(Lock { target, link: link.into(), grace_period })
    }

    /// Waits for the lock and takes it. One that nobody has taken anew for the grace period, and in whose shelter nothing was
    /// written, is taken away from its dead owner.
    ///
    /// # Errors
    /// [`Kind::Io`](reslstm::error::Kind::Io) if there is no journal, or no link can be made beside it.
    pub fn acquire(&self) -> Result<Held<'_>> {
        let journal = self.lock_journal().map_err(|error| Error::io(self.target.display(), error))?;
        let mut pause = Duration::from_millis(1);
        let mut seen = None;
        let mut since = Instant::now();
        loop {
            match self.make_link() {
                Ok(()) => match Mark::of(&self.link) {
                    Some(mark) => return Ok(Held { lock: self, mark, _journal: journal }),
                    None => continue,
                },
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io(self.link.display(), error)),
            }
            let now = (Mark::of(&self.link), journal.metadata().and_then(|file| file.modified()).ok());
            // As texts: paths that differ in a `.` are equal.
            let ours = std::fs::read_link(&self.link).is_ok_and(|target| target.as_os_str() == self.target.as_os_str());
            let grace_period = if ours { self.grace_period.min(OUR_GRACE_PERIOD) } else { self.grace_period };
            if seen != Some(now) {
                (seen, since) = (Some(now), Instant::now());
            } else if since.elapsed() >= grace_period {
                // Another may have been faster.
                let _ = std::fs::remove_file(&self.link);
                seen = None;
                continue;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// Waits for the system's lock on the journal, which Optuna does not ask for.
    #[cfg(unix)]
    fn lock_journal(&self) -> std::io::Result<File> {
        let journal = File::options().append(true).open(&self.target)?;
        loop {
            match journal.lock() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                locked => return locked.map(|()| journal),
            }
        }
    }

    /// Where the system's lock would keep Optuna from writing, there is none: all wait for the link alone.
    #[cfg(not(unix))]
    fn lock_journal(&self) -> std::io::Result<File> {
        File::open(&self.target)
    }

    #[cfg(unix)]
    fn make_link(&self) -> std::io::Result<()> {
        std::os::unix::fs::symlink(&self.target, &self.link)
    }

    /// Where links need privileges: a file, as Optuna's `JournalFileOpenLock` makes it.
    #[cfg(not(unix))]
    fn make_link(&self) -> std::io::Result<()> {
        File::create_new(&self.link).map(|_| ())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Somebody may have taken it away from us, asleep for too long; then it is theirs.
        if Mark::of(&self.lock.link) == Some(self.mark) {
            let _ = std::fs::remove_file(&self.lock.link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        std::fs::write(&journal, "0").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let lock = Lock::new(&journal, GRACE_PERIOD).unwrap();
                    for _ in 0..50 {
                        let _held = lock.acquire().unwrap();
                        let count: u32 = std::fs::read_to_string(&journal).unwrap().parse().unwrap();
                        std::fs::write(&journal, (count + 1).to_string()).unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_to_string(&journal).unwrap(), "200");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "the lock is gone");
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_left_behind_is_taken_after_the_grace_period_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        std::fs::write(&journal, "").unwrap();
        let lock = Lock::new(&journal, Duration::from_millis(700)).unwrap();
        std::os::unix::fs::symlink(&journal, &lock.link).unwrap();
        let start = Instant::now();
        drop(lock.acquire().unwrap());
        assert!(start.elapsed() >= Duration::from_millis(700), "it may be Python's, and alive");
        // A process of ours that was killed.
        lock.make_link().unwrap();
        let target = std::fs::read_link(&lock.link).unwrap();
        assert!(target.is_absolute() && target.exists(), "Optuna looks through it");
        let patient = Lock { grace_period: GRACE_PERIOD, ..lock.clone() };
        let start = Instant::now();
        let held = patient.acquire().unwrap();
        assert!(start.elapsed() < Duration::from_secs(10));
        // Taken away from us and made anew, it is not ours to release.
        std::fs::remove_file(&lock.link).unwrap();
        lock.make_link().unwrap();
        drop(held);
        assert!(lock.link.is_symlink());
    }

    #[test]
    fn where_no_lock_can_be_is_said() {
        let error = Lock::new(Path::new("no/such/folder/journal"), GRACE_PERIOD).unwrap().acquire().unwrap_err();
        assert!(error.to_string().contains("no/such/folder/./journal: "), "{error}");
    }
}
