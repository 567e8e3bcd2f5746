//! States and results of jobs, in one folder or in copies of it from several machines.

use super::plan::{Folder, Job, Plan, Work};
use crate::files;
use reslstm::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::fs::TryLockError;
use std::io::ErrorKind;
use std::path::Path;

/// One or more folders of the same plan.
#[derive(Clone, Debug)]
pub struct Copies<W>(Vec<Folder<W>>);

/// State of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It has a result.
    Done,
    /// A process runs it, on this machine or on one that shares the folder and its locks.
    Running,
    /// It has a checkpoint, and no process runs it.
    Begun,
    /// It failed last time, for this reason.
    Failed(String),
    /// Not started.
    Waiting,
}

impl<W: Work> Copies<W> {
    /// Opens the folders at `roots`.
    ///
    /// # Errors
    /// Those of [`Folder::open`] and [`new`](Self::new).
    pub fn open(roots: &[impl AsRef<Path>]) -> Result<Self> {
        Self::new(roots.iter().map(|root| Folder::open(root.as_ref())).collect::<Result<_>>()?)
    }

    /// Combines at least one folder.
    ///
    /// # Errors
    /// [`Kind::Settings`] if the plans differ, naming both folders and the first job that differs, or the content of their files.
    pub fn new(folders: Vec<Folder<W>>) -> Result<Self> {
        let Some((first, others)) = folders.split_first() else {
            return Err(Error::new(Kind::Settings, "expected at least one folder with a plan, got none"));
        };
        for other in others {
            let (ours, theirs) = (&first.plan().jobs, &other.plan().jobs);
            let same = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours.id == theirs.id).count();
            if same < ours.len().max(theirs.len()) {
                let id = |jobs: &[Job<W>]| jobs.get(same).map_or("nothing", |job| &job.id).to_string();
                let (ours, theirs) = (id(ours), id(theirs));
                let root = first.root().display();
                let problem = format!("expected the plan of {root}, got another: job {same} is {theirs}, not {ours}");
                let advice = "results of different plans do not fit into one table: collect each plan by itself";
                return Err(Error::new(Kind::Settings, problem).at(other.root().display()).advice(advice));
            }
            if let Some(difference) = other.plan().content_difference(first.plan()) {
                let problem = format!("expected jobs of the files of {}: {difference}", first.root().display());
                let advice = "results of different files do not fit into one table: collect each plan by itself";
                return Err(Error::new(Kind::Settings, problem).at(other.root().display()).advice(advice));
            }
        }
        Ok(Copies(folders))
    }

    /// The common plan.
    pub fn plan(&self) -> &Plan<W> {
        self.0[0].plan()
    }

    /// State of each job in the plan's order: the most advanced one over all folders.
    ///
    /// # Errors
    /// [`Kind::Io`] if a file is there and cannot be read.
    pub fn states(&self) -> Result<Vec<State>> {
        let state = |job: &Job<W>| {
            let states = self.0.iter().map(|folder| state(folder, job)).collect::<Result<Vec<State>>>()?;
            Ok(states.into_iter().min_by_key(State::rank).unwrap_or(State::Waiting))
        };
        self.plan().jobs.iter().map(state).collect()
    }

    /// Result of each job in the plan's order; `None` if it is not done. If several folders have a result, `agree` decides
    /// whether two of them are the same.
    ///
    /// # Errors
    /// [`Kind::Data`] if a result is damaged, or two do not agree, naming the files.
    pub fn results<R: for<'a> Deserialize<'a>>(&self, agree: impl Fn(&R, &R) -> bool) -> Result<Vec<Option<R>>> {
        let result = |job: &Job<W>| {
            let mut first: Option<(R, &Folder<W>)> = None;
            for folder in &self.0 {
                match (folder.result(job)?, &first) {
                    (Some(result), None) => first = Some((result, folder)),
                    (Some(result), Some((earlier, other))) if !agree(earlier, &result) => {
                        let problem = format!("expected the result that {} has", other.result_path(job).display());
                        let advice = "machines with different processors may differ: leave one of the folders out";
                        return Err(Error::new(Kind::Data, problem)
                            .at(folder.result_path(job).display())
                            .advice(advice));
                    }
                    _ => {}
                }
            }
            Ok(first.map(|(result, _)| result))
        };
        self.plan().jobs.iter().map(result).collect()
    }
}

impl State {
    fn rank(&self) -> usize {
        match self {
            State::Done => 0,
            State::Running => 1,
            State::Failed(_) => 2,
            State::Begun => 3,
            State::Waiting => 4,
        }
    }
}

fn state<W>(folder: &Folder<W>, job: &Job<W>) -> Result<State> {
    if folder.is_done(job)? {
        return Ok(State::Done);
    }
    if is_locked(&folder.unfinished(job, "lock"))? {
        return Ok(State::Running);
    }
    let error = folder.unfinished(job, "error");
    if error.exists() {
        return Ok(State::Failed(String::from_utf8_lossy(&files::read(&error)?).trim_end().to_string()));
    }
    Ok(if folder.unfinished(job, "checkpoint").exists() { State::Begun } else { State::Waiting })
}

/// Whether a process has locked the file. It tries a shared lock, so that two processes checking at once do not see each other's.
fn is_locked(path: &Path) -> Result<bool> {
    let failed = |error: std::io::Error| Error::io(path.display(), error);
    let file = match files::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        opened => opened.map_err(failed)?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Existing;

    fn folder(root: &Path, numbers: &[u64]) -> Folder<u64> {
        let jobs = numbers.iter().map(|&number| Job::new("square", number)).collect();
        Folder::create(root, Plan::new("nowhere", jobs).unwrap(), Existing::Refuse).unwrap()
    }

    #[test]
    fn copies_are_combined_and_must_agree() {
        let roots = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let folders = roots.each_ref().map(|root| folder(root.path(), &[2, 3, 4]));
        let jobs = folders[0].plan().jobs.clone();
        folders[0].finish(&jobs[0], &4).unwrap();
        folders[1].finish(&jobs[2], &16).unwrap();
        let paths = roots.each_ref().map(|root| root.path());
        let copies = Copies::<u64>::open(&paths).unwrap();
        assert_eq!(copies.results(u64::eq).unwrap(), [Some(4), None, Some(16)]);
        assert_eq!(copies.states().unwrap(), [State::Done, State::Waiting, State::Done]);
        folders[1].finish(&jobs[0], &4).unwrap();
        assert_eq!(copies.results(u64::eq).unwrap(), [Some(4), None, Some(16)]);
        folders[1].finish(&jobs[0], &5).unwrap();
        let error = copies.results(u64::eq).unwrap_err().to_string();
        assert!(paths.iter().all(|path| error.contains(path.to_str().unwrap())), "{error}");
    }

    #[test]
    fn folders_of_different_plans_are_refused() {
        let roots = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let plans: [&[u64]; 3] = [&[2, 3], &[2, 4], &[2, 3, 5]];
        let [first, other, longer] = [0, 1, 2].map(|n| folder(roots[n].path(), plans[n]));
        for (other, difference) in [(&other, "job 1 is square-"), (&longer, "job 2 is square-")] {
            let error = Copies::new(vec![first.clone(), other.clone()]).unwrap_err();
            assert_eq!(error.kind(), Kind::Settings);
            assert!(error.to_string().contains(difference), "{error}");
        }
        assert!(Copies::new(vec![longer, first]).unwrap_err().to_string().contains("job 2 is nothing, not square-"));

        // Of the same jobs, for files with other content.
        let roots = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let [a, b, unknown] = [(0, Some("a")), (1, Some("b")), (2, None)].map(|(n, content)| {
            let plan = Plan::new("nowhere", vec![Job::new("square", 2)]).unwrap();
            Folder::create(roots[n].path(), plan.with_content(content.map(String::from)), Existing::Refuse).unwrap()
        });
        let error = Copies::new(vec![a.clone(), unknown.clone(), b]).unwrap_err();
        assert!(error.to_string().contains("content of the files was a, now b"), "{error}");
        assert!(Copies::new(vec![a, unknown]).is_ok());
        assert!(Copies::<u64>::new(vec![]).is_err());
    }
}
