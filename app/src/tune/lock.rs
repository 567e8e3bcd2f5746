//! The lock of an Optuna journal: one writer at a time, across processes and machines, shared with Optuna in Python.
//!
//! `JOURNAL.lock` is a symbolic link to the journal; creating it is atomic even on network file systems. Its target is absolute,
//! because Optuna reads the journal's modification time through the link, to tell a lock in use from one whose owner was killed.
//!
//! Optuna waits 30 seconds before it removes a dead owner's lock. Processes of this program need not wait: each also holds the
//! system's lock on the journal, which ends with the process. A process that has the system's lock and finds a link of this
//! program knows that the owner is dead. Links of this program have a `.` in their target: `/folder/./JOURNAL`.

use crate::files;
use reslstm::error::{Error, Kind, Result};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time without a change of lock or journal after which the lock counts as left by a killed process: Optuna's default.
pub const GRACE_PERIOD: Duration = Duration::from_secs(30);

/// The same for a lock of this program. Zero would do where system locks work across machines; elsewhere this is far longer than
/// writing a line takes.
const OUR_GRACE_PERIOD: Duration = Duration::from_millis(200);

/// Time after which a process that waits says for whom.
const SAY_AFTER: Duration = Duration::from_secs(2);

/// Time after which it gives up. Writing a line takes milliseconds, so this is enough for hundreds of workers.
const GIVE_UP_AFTER: Duration = Duration::from_secs(300);

/// The lock of a journal.
#[derive(Clone, Debug)]
pub struct Lock {
    /// Absolute path of the journal, with the `.` that marks links of this program.
    target: PathBuf,
    link: PathBuf,
    grace_period: Duration,
    give_up_after: Duration,
    /// When set, waiting ends.
    stop: &'static AtomicBool,
}

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    lock: &'a Lock,
    link: LinkIdentity,
    /// The journal, under the system's lock.
    _journal: File,
}

/// Identity of a link: a later link of the same name has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LinkIdentity {
    inode: u64,
    modified: Option<std::time::SystemTime>,
}

impl LinkIdentity {
    /// Reads the identity of the link at `path`; `None` if there is no link any more.
    fn read(path: &Path) -> Option<Self> {
        let link = std::fs::symlink_metadata(path).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&link);
        #[cfg(not(unix))]
        let inode = 0;
        Some(LinkIdentity { inode, modified: link.modified().ok() })
    }
}

impl Lock {
    /// The lock of the journal at path `journal`.
    ///
    /// # Errors
    /// [`Kind::Io`] if the current folder is gone.
    pub fn new(journal: &Path, grace_period: Duration) -> Result<Self> {
        let absolute = std::path::absolute(journal).map_err(|error| Error::io(journal.display(), error))?;
        let target = match (absolute.parent(), absolute.file_name()) {
            (Some(folder), Some(name)) => folder.join(".").join(name),
            _ => absolute.clone(),
        };
        let mut link = absolute.into_os_string();
        link.push(".lock");
        static NEVER: AtomicBool = AtomicBool::new(false);
        Ok(Lock { target, link: link.into(), grace_period, give_up_after: GIVE_UP_AFTER, stop: &NEVER })
    }

    /// This lock, for which nobody waits once `stop` is set.
    pub fn stopped_by(self, stop: &'static AtomicBool) -> Self {
        Lock { stop, ..self }
    }

    /// Waits for the lock and takes it. If neither lock nor journal changes for the grace period, the owner counts as dead and
    /// its lock is removed. After two seconds it says on stderr for whom it waits.
    ///
    /// # Errors
    /// [`Kind::Io`] if there is no journal, no link can be created in its folder, a dead owner's lock cannot be removed, or others
    /// have the lock for five minutes; [`Kind::Interrupted`] when stopped.
    pub fn acquire(&self) -> Result<Held<'_>> {
        let mut wait = Wait::new(self);
        let journal = self.lock_journal(&mut wait)?;
        let mut seen = None;
        let mut since = Instant::now();
        loop {
            match self.make_link() {
                Ok(()) => match LinkIdentity::read(&self.link) {
                    Some(link) => return Ok(Held { lock: self, link, _journal: journal }),
                    None => continue,
                },
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io(self.link.display(), error)),
            }
            if let Ok(found) = std::fs::symlink_metadata(&self.link)
                && !found.is_symlink()
                && !found.is_file()
            {
                let problem = format!("expected the lock of the study, found {}", files::kind_of(&found));
                return Err(Error::new(Kind::Io, problem).at(self.link.display()).advice("move it away"));
            }
            let now = (LinkIdentity::read(&self.link), journal.metadata().and_then(|file| file.modified()).ok());
            // Compared as text: paths that differ in a `.` are equal as paths.
            let ours = std::fs::read_link(&self.link).is_ok_and(|target| target.as_os_str() == self.target.as_os_str());
            let grace_period = if ours { self.grace_period.min(OUR_GRACE_PERIOD) } else { self.grace_period };
            if seen != Some(now) {
                (seen, since) = (Some(now), Instant::now());
            } else if since.elapsed() >= grace_period {
                // Another process may have removed it already.
                files::remove(&self.link).map_err(|error| {
                    let advice = "its owner is gone: remove it, or ask whoever may";
                    error.at(format!("{} has the lock", self.owner())).advice(advice)
                })?;
                seen = None;
                continue;
            }
            wait.pause(&|| self.owner())?;
        }
    }

    /// Whose link it is, in words.
    fn owner(&self) -> String {
        let Ok(link) = std::fs::symlink_metadata(&self.link) else { return "another process".into() };
        #[cfg(unix)]
        let user = format!("user {}", std::os::unix::fs::MetadataExt::uid(&link));
        #[cfg(not(unix))]
        let user = "another process";
        let age = link.modified().ok().and_then(|made| made.elapsed().ok()).unwrap_or_default();
        format!("a process of {user}, since {} s,", age.as_secs())
    }

    /// Waits for the system's lock on the journal. Optuna does not use this lock.
    #[cfg(unix)]
    fn lock_journal(&self, wait: &mut Wait<'_>) -> Result<File> {
        let failed = |error| Error::io(self.target.display(), error);
        let journal = File::options().append(true).open(&self.target).map_err(failed)?;
        loop {
            match journal.try_lock() {
                Ok(()) => return Ok(journal),
                Err(TryLockError::WouldBlock) => wait.pause(&|| files::holder(&journal))?,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }

    /// Here the system's lock would keep Optuna from writing, so it is not used: all processes wait for the link alone.
    #[cfg(not(unix))]
    fn lock_journal(&self, _: &mut Wait<'_>) -> Result<File> {
        files::open(&self.target).map_err(|error| Error::io(self.target.display(), error))
    }

    #[cfg(unix)]
    fn make_link(&self) -> std::io::Result<()> {
        std::os::unix::fs::symlink(&self.target, &self.link)
    }

    /// Here links need privileges: a file instead, as Optuna's `JournalFileOpenLock` creates.
    #[cfg(not(unix))]
    fn make_link(&self) -> std::io::Result<()> {
        File::create_new(&self.link).map(|_| ())
    }
}

/// A wait for a lock: short pauses, then longer ones.
struct Wait<'a> {
    lock: &'a Lock,
    since: Instant,
    pause: Duration,
    said: bool,
}

impl<'a> Wait<'a> {
    fn new(lock: &'a Lock) -> Self {
        Wait { lock, since: Instant::now(), pause: Duration::from_millis(1), said: false }
    }

    /// Sleeps; says for whom, stops or gives up when it is time to.
    fn pause(&mut self, owner: &dyn Fn() -> String) -> Result<()> {
        let (waited, link) = (self.since.elapsed(), self.lock.link.display());
        if self.lock.stop.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Interrupted, "stopped while waiting for the lock").at(link));
        }
        if waited >= self.lock.give_up_after {
            let problem = format!("waited {} s, but {} has the lock", waited.as_secs(), owner());
            let advice = "end that process, or start again when it has ended";
            return Err(Error::new(Kind::Io, problem).at(link).advice(advice));
        }
        if waited >= SAY_AFTER && !self.said {
            message!("waiting for {link}: {} has the lock", owner());
            self.said = true;
        }
        std::thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(Duration::from_millis(100));
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // If this process slept for too long, another may have removed the lock and taken it.
        if LinkIdentity::read(&self.lock.link) == Some(self.link) {
            let _ = std::fs::remove_file(&self.lock.link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_holds_the_lock() {
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
    fn a_lock_left_behind_is_taken_only_after_the_grace_period() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        std::fs::write(&journal, "").unwrap();
        let lock = Lock::new(&journal, Duration::from_millis(700)).unwrap();
        std::os::unix::fs::symlink(&journal, &lock.link).unwrap();
        let start = Instant::now();
        drop(lock.acquire().unwrap());
        assert!(start.elapsed() >= Duration::from_millis(700), "its owner may be Optuna, and alive");
        // A killed process of this program.
        lock.make_link().unwrap();
        let target = std::fs::read_link(&lock.link).unwrap();
        assert!(target.is_absolute() && target.exists(), "Optuna follows the link");
        let patient = Lock { grace_period: GRACE_PERIOD, ..lock.clone() };
        let start = Instant::now();
        let held = patient.acquire().unwrap();
        assert!(start.elapsed() < Duration::from_secs(10));
        // Removed and taken by another, the lock is not released by its former holder.
        std::fs::remove_file(&lock.link).unwrap();
        lock.make_link().unwrap();
        drop(held);
        assert!(lock.link.is_symlink());
    }

    #[test]
    fn an_impossible_lock_is_refused_with_its_path() {
        let error = Lock::new(Path::new("no/such/folder/journal"), GRACE_PERIOD).unwrap().acquire().unwrap_err();
        assert!(error.to_string().contains("no/such/folder/./journal: "), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_or_a_pipe_in_place_of_the_lock_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        std::fs::write(&journal, "").unwrap();
        let lock = Lock::new(&journal, GRACE_PERIOD).unwrap();
        std::fs::create_dir(&lock.link).unwrap();
        let start = Instant::now();
        let error = lock.acquire().unwrap_err().to_string();
        assert!(error.contains("journal.lock: expected the lock of the study, found a folder"), "{error}");
        std::fs::remove_dir(&lock.link).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&lock.link).status().unwrap().success());
        let error = lock.acquire().unwrap_err().to_string();
        assert!(error.contains("expected the lock of the study, found a named pipe"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(1));
    }

    #[cfg(unix)]
    #[test]
    fn waiting_ends_when_it_is_stopped_and_after_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        std::fs::write(&journal, "").unwrap();
        let lock = Lock::new(&journal, GRACE_PERIOD).unwrap();
        // Once held by the system's lock, once by a link of Optuna.
        let held = File::open(&journal).unwrap();
        held.lock().unwrap();
        let ends = |lock: &Lock, owner: &str| {
            let hasty = Lock { give_up_after: Duration::from_millis(50), ..lock.clone() };
            let error = hasty.acquire().unwrap_err().to_string();
            assert!(error.contains(owner) && error.contains("has the lock (end that process"), "{error}");
            static STOP: AtomicBool = AtomicBool::new(true);
            assert_eq!(lock.clone().stopped_by(&STOP).acquire().unwrap_err().kind(), Kind::Interrupted);
        };
        ends(&lock, "process");
        drop(held);
        std::os::unix::fs::symlink(&journal, &lock.link).unwrap();
        ends(&lock, "a process of user ");
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_that_cannot_be_removed_is_an_error_that_names_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        std::fs::write(&journal, "").unwrap();
        let lock = Lock::new(&journal, Duration::ZERO).unwrap();
        std::os::unix::fs::symlink(&journal, &lock.link).unwrap();
        let mode = |mode| {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(folder.path(), permissions).unwrap();
        };
        mode(0o555);
        // For the system's administrator no folder is closed.
        let outcome = lock.acquire().map(|_| ());
        mode(0o755);
        if let Err(error) = outcome {
            let message = error.to_string();
            assert!(message.contains("a process of user ") && message.contains("has the lock: "), "{message}");
            assert!(message.contains("its owner is gone: remove it"), "{message}");
        }
    }
}
