//! Runs the jobs of a shard, each once, whichever other processes run jobs of the same plan.

use super::plan::{Folder, Job, Work};
use super::shard::Shard;
use crate::files;
use reslstm::error::{Error, Kind, Result};
use serde::Serialize;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Time between two checks of jobs that other processes run.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// How a shard is run; nothing here changes a result.
#[derive(Clone, Copy)]
pub struct Execution<'a, W, R> {
    /// The shard.
    pub shard: Shard,
    /// Number of jobs at a time, at least 1.
    pub threads: usize,
    /// When set, work stops.
    pub stop: &'a AtomicBool,
    /// Called for each event of a job of the shard.
    pub observe: &'a (dyn Fn(&Job<W>, Event<'_, R>) + Sync),
}

/// Event of a job.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a, R> {
    /// This process starts or continues it.
    Begun,
    /// It is done now, and its result written.
    Finished(&'a R),
    /// It was done before, or by another process.
    FoundFinished,
    /// It failed; the others continue.
    Failed(&'a Error),
}

/// Runs every unfinished job of a shard by `work(job, checkpoint)`. `work` keeps its state in the file `checkpoint`, which may
/// hold that of an earlier process. Jobs that another process runs are waited for, and taken over if it ends without a result.
///
/// Returns the number of jobs that failed in this call; the next call tries them again.
///
/// # Errors
/// [`Kind::Interrupted`] when stopped, after `work` has saved what it had; [`Kind::Io`] if the folder cannot be used.
pub fn run<W, R>(
    folder: &Folder<W>,
    execution: &Execution<'_, W, R>,
    work: &(dyn Fn(&Job<W>, &Path) -> Result<R> + Sync),
) -> Result<usize>
where
    W: Work + Sync,
    R: Serialize,
{
    let mut left: Vec<&Job<W>> = execution.shard.select(&folder.plan().jobs).collect();
    let mut failed = 0;
    loop {
        let pass = Pass { folder, execution, work, next: AtomicUsize::new(0), outcome: Mutex::default() };
        std::thread::scope(|scope| {
            for _ in 0..execution.threads.clamp(1, left.len().max(1)) {
                scope.spawn(|| pass.worker(&left));
            }
        });
        let PassOutcome { busy, failures, error } = pass.outcome.into_inner().expect("no worker panics");
        failed += failures;
        if let Some(error) = error {
            return Err(error);
        }
        if busy.is_empty() {
            return Ok(failed);
        }
        left.retain(|job| busy.contains(&job.id));
        std::thread::sleep(CHECK_INTERVAL);
    }
}

/// One pass over a list of jobs, on all threads.
struct Pass<'a, W, R> {
    folder: &'a Folder<W>,
    execution: &'a Execution<'a, W, R>,
    work: &'a (dyn Fn(&Job<W>, &Path) -> Result<R> + Sync),
    next: AtomicUsize,
    outcome: Mutex<PassOutcome>,
}

/// Outcome of a pass.
#[derive(Default)]
struct PassOutcome {
    /// Ids of the jobs that other processes run.
    busy: Vec<String>,
    /// Number of failed jobs.
    failures: usize,
    /// Error that stopped the pass.
    error: Option<Error>,
}

impl<W, R> Pass<'_, W, R>
where
    W: Work,
    R: Serialize,
{
    fn worker(&self, jobs: &[&Job<W>]) {
        while let Some(job) = jobs.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let attempt = self.attempt(job);
            let mut outcome = self.outcome.lock().expect("no worker panics");
            match attempt {
                Ok(Attempt::Done) => {}
                Ok(Attempt::Busy) => outcome.busy.push(job.id.clone()),
                Ok(Attempt::Failed) => outcome.failures += 1,
                Err(error) => {
                    outcome.error.get_or_insert(error);
                    self.execution.stop.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    /// Runs one job, unless it is done or another process runs it.
    fn attempt(&self, job: &Job<W>) -> Result<Attempt> {
        let Pass { folder, execution, .. } = self;
        if execution.stop.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Interrupted, format!("stopped before {}", job.id)));
        }
        let observe = |event| (execution.observe)(job, event);
        folder.refuse_links(job)?;
        if folder.is_done(job)? {
            observe(Event::FoundFinished);
            return Ok(Attempt::Done);
        }
        let Some(_lock) = lock(&folder.unfinished(job, "lock"))? else { return Ok(Attempt::Busy) };
        // Checked again: the process that had the lock may have finished meanwhile.
        if folder.is_done(job)? {
            observe(Event::FoundFinished);
            return Ok(Attempt::Done);
        }
        observe(Event::Begun);
        match (self.work)(job, &folder.unfinished(job, "checkpoint")) {
            Ok(result) => {
                folder.finish(job, &result)?;
                // The lock file is removed last: a process that opened it before and locks it after finds the result.
                ["checkpoint", "error", "lock"]
                    .iter()
                    .try_for_each(|name| files::remove(&folder.unfinished(job, name)))?;
                observe(Event::Finished(&result));
                Ok(Attempt::Done)
            }
            Err(error) if error.kind() == Kind::Interrupted => Err(error.at(&job.id)),
            Err(error) => {
                files::write_atomically(&folder.unfinished(job, "error"), format!("{error}\n").as_bytes())?;
                observe(Event::Failed(&error));
                Ok(Attempt::Failed)
            }
        }
    }
}

/// Outcome of one attempt at a job.
enum Attempt {
    Done,
    Busy,
    Failed,
}

/// Locks a file, which is created if needed, until the returned handle is dropped or the process ends in any way. `None` if
/// another process holds the lock.
fn lock(path: &Path) -> Result<Option<File>> {
    let failed = |error: std::io::Error| {
        let advice = "the folder must be writable, on a file system with locks (flock)";
        Error::io(path.display(), error).advice(advice)
    };
    let file = files::open_lock_file(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Existing;
    use crate::sweep::{Copies, Plan, State};

    type Number = Job<u64>;

    fn folder(root: &Path, jobs: u64) -> Folder<u64> {
        let jobs = (0..jobs).map(|number| Job::new("square", number)).collect();
        Folder::create(root, Plan::new("nowhere", jobs).unwrap(), Existing::Refuse).unwrap()
    }

    fn execution<'a>(threads: usize, stop: &'a AtomicBool) -> Execution<'a, u64, u64> {
        Execution { shard: Shard::WHOLE, threads, stop, observe: &|_, _| {} }
    }

    fn square(job: &Number, _: &Path) -> Result<u64> {
        Ok(job.work * job.work)
    }

    fn results(folder: &Folder<u64>) -> Vec<Option<u64>> {
        folder.plan().jobs.iter().map(|job| folder.result(job).unwrap()).collect()
    }

    #[test]
    fn shards_together_run_every_job() {
        let (root, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
        let folder = folder(root.path(), 7);
        for (number, expected) in [(3, "..4..25."), (1, "0.49.2536"), (2, "0149162536")] {
            let execution = Execution { shard: Shard::new(number, 3).unwrap(), ..execution(2, &stop) };
            assert_eq!(run(&folder, &execution, &square).unwrap(), 0);
            let text: String =
                results(&folder).iter().map(|result| result.map_or(".".into(), |number| number.to_string())).collect();
            assert_eq!(text, expected);
        }
        let again = |_: &Number, _: &Path| -> Result<u64> { panic!("everything is done") };
        assert_eq!(run(&folder, &execution(2, &stop), &again).unwrap(), 0);
        assert_eq!(root.path().join("unfinished").read_dir().unwrap().count(), 0);
    }

    #[test]
    fn two_processes_at_once_run_every_job_once() {
        let (root, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
        let folder = folder(root.path(), 40);
        let times = AtomicUsize::new(0);
        let slowly = |job: &Number, path: &Path| {
            times.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(3));
            square(job, path)
        };
        std::thread::scope(|scope| {
            for threads in [1, 3] {
                scope.spawn({
                    let (folder, stop, slowly) = (&folder, &stop, &slowly);
                    move || assert_eq!(run(folder, &execution(threads, stop), slowly).unwrap(), 0)
                });
            }
        });
        assert_eq!(times.into_inner(), 40);
        assert_eq!(results(&folder), (0..40).map(|number| Some(number * number)).collect::<Vec<_>>());
    }

    #[test]
    fn a_job_of_another_process_is_waited_for_and_taken_over() {
        let (root, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
        let folder = folder(root.path(), 3);
        let held = lock(&folder.unfinished(&folder.plan().jobs[1], "lock")).unwrap().unwrap();
        let states = || Copies::new(vec![folder.clone()]).unwrap().states().unwrap();
        std::thread::scope(|scope| {
            let runner = scope.spawn(|| run(&folder, &execution(1, &stop), &square).unwrap());
            while states() != [State::Done, State::Running, State::Done] {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(!runner.is_finished());
            drop(held); // as when its process is killed
            assert_eq!(runner.join().unwrap(), 0);
        });
        assert_eq!(results(&folder), [Some(0), Some(1), Some(4)]);
    }

    #[test]
    fn a_failed_job_stops_no_other_and_is_tried_again() {
        let (root, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
        let folder = folder(root.path(), 3);
        let odd = |job: &Number, path: &Path| match job.work {
            1 => Err(Error::new(Kind::Settings, "the training diverged")),
            _ => square(job, path),
        };
        assert_eq!(run(&folder, &execution(1, &stop), &odd).unwrap(), 1);
        assert_eq!(results(&folder), [Some(0), None, Some(4)]);
        let states = Copies::new(vec![folder.clone()]).unwrap().states().unwrap();
        assert_eq!(states[1], State::Failed("the training diverged".into()));
        assert_eq!(run(&folder, &execution(1, &stop), &square).unwrap(), 0);
        assert_eq!(Copies::new(vec![folder]).unwrap().states().unwrap(), [State::Done, State::Done, State::Done]);
    }

    #[test]
    fn a_stopped_job_continues_from_its_checkpoint() {
        let (root, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
        let folder = folder(root.path(), 4);
        let stops = |job: &Number, checkpoint: &Path| {
            if job.work < 2 {
                return square(job, checkpoint);
            }
            files::write_atomically(checkpoint, b"half").unwrap();
            stop.store(true, Ordering::Relaxed);
            Err(Error::new(Kind::Interrupted, "stopped half-way"))
        };
        let error = run(&folder, &execution(1, &stop), &stops).unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted);
        assert!(error.to_string().ends_with(": stopped half-way"), "{error}");
        let states = Copies::new(vec![folder.clone()]).unwrap().states().unwrap();
        assert_eq!(states, [State::Done, State::Done, State::Begun, State::Waiting]);
        stop.store(false, Ordering::Relaxed);
        let goes_on = |job: &Number, checkpoint: &Path| {
            assert_eq!(checkpoint.exists(), job.work == 2);
            square(job, checkpoint)
        };
        assert_eq!(run(&folder, &execution(1, &stop), &goes_on).unwrap(), 0);
        assert_eq!(results(&folder), [Some(0), Some(1), Some(4), Some(9)]);
    }
}
