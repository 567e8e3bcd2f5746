//! A plan: which jobs there are, what each is called, and where its files are.

use crate::files::{self, Existing};
use crate::hash::Hash;
use reslstm::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The most jobs of a plan, which every process reads whole.
pub const MOST_JOBS: usize = 100_000;

const PLAN: &str = "plan.json";
const RESULTS: &str = "results";
const UNFINISHED: &str = "unfinished";

/// One piece of work that needs no other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job<W> {
    /// `LABEL-HASH`: a function of the work alone, so that the jobs of a grown plan keep their names.
    pub id: String,
    /// What is to be done.
    pub work: W,
}

impl<W: Serialize> Job<W> {
    /// `label` is for people, and made of characters that file names may have; 64 bits of a hash of the work make it unique.
    pub fn new(label: &str, work: W) -> Self {
        Job { id: format!("{label}-{:016x}", hash_of(&work)), work }
    }

    /// Whether the name is that of the work.
    fn is_true(&self) -> bool {
        self.id.ends_with(&format!("-{:016x}", hash_of(&self.work)))
    }
}

/// Of the work as JSON with sorted keys: the order in which a program lists them does not count.
fn hash_of(work: &impl Serialize) -> u64 {
    let sorted = serde_json::to_value(work).expect("plain values become JSON");
    Hash::new().bytes(sorted.to_string().as_bytes()).finish64()
}

/// Jobs in a fixed order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan<W> {
    /// Where the machine that planned has the data; another may have them elsewhere.
    pub data: String,
    /// At least one; no two of one name.
    pub jobs: Vec<Job<W>>,
}

impl<W: Serialize> Plan<W> {
    /// Of jobs in the order in which their results will stand.
    ///
    /// # Errors
    /// [`Kind::Settings`] if there is no job or too many of them, or two are the same.
    pub fn new(data: &str, jobs: Vec<Job<W>>) -> Result<Self> {
        if jobs.is_empty() || jobs.len() > MOST_JOBS {
            let problem = format!("expected a plan of 1 to {MOST_JOBS} jobs, got {}", jobs.len());
            return Err(Error::new(Kind::Settings, problem));
        }
        let mut first = HashMap::new();
        for (number, job) in jobs.iter().enumerate() {
            if let Some(earlier) = first.insert(&job.id, number) {
                let problem = format!("expected jobs that differ, but {earlier} and {number} are both {}", job.id);
                return Err(Error::new(Kind::Settings, problem).advice("write every value once"));
            }
        }
        Ok(Plan { data: data.to_string(), jobs })
    }

    /// 16 hexadecimal digits: those of another plan if any job, or their order, is another.
    pub fn fingerprint(&self) -> String {
        let mut hash = Hash::new();
        self.jobs.iter().for_each(|job| _ = hash.field(job.id.as_bytes()));
        format!("{:016x}", hash.finish64())
    }
}

/// A plan in its folder.
#[derive(Clone, Debug)]
pub struct Folder<W> {
    root: PathBuf,
    plan: Plan<W>,
}

/// What a result file holds.
#[derive(Serialize, Deserialize)]
struct Finished<J, R> {
    job: J,
    result: R,
}

impl<W: Serialize + for<'a> Deserialize<'a> + PartialEq> Folder<W> {
    /// Puts a plan into a folder, new or empty. One that holds this very plan already stays as it is; one with another plan
    /// gets this one if `existing` says so, and keeps the results of the jobs that are in both.
    ///
    /// # Errors
    /// [`Kind::Settings`] if the folder holds something else; [`Kind::Io`] if it cannot be written to.
    pub fn create(root: &Path, plan: Plan<W>, existing: Existing) -> Result<Self> {
        Self::check(root)?;
        let path = root.join(PLAN);
        let other = path.exists() && Self::open(root)?.plan.fingerprint() != plan.fingerprint();
        if other && existing == Existing::Refuse {
            return Err(Error::new(Kind::Settings, "expected a folder of its own, but it holds another plan")
                .at(root.display())
                .advice(
                    "choose another folder, or give it this plan with --replace: jobs in both keep their results",
                ));
        }
        for folder in [RESULTS, UNFINISHED].map(|name| root.join(name)) {
            std::fs::create_dir_all(&folder).map_err(|error| Error::io(folder.display(), error))?;
        }
        let folder = Folder { root: root.to_path_buf(), plan };
        // Last: a folder with a plan is complete.
        files::write_json(&path, &folder.plan)?;
        Ok(folder)
    }

    /// Refuses, before the data are read, a folder that no plan can be put into.
    ///
    /// # Errors
    /// [`Kind::Settings`] if it holds anything but a plan; [`Kind::Io`] if it cannot be written to.
    pub fn check(root: &Path) -> Result<()> {
        let ours = |name: &std::ffi::OsStr| [PLAN, RESULTS, UNFINISHED].iter().any(|own| name == *own);
        let entries = root.read_dir().into_iter().flatten().flatten();
        let foreign = entries
            .map(|entry| entry.path())
            .find(|path| path.file_name().is_some_and(|name| !ours(name)) && !files::is_half_written(path));
        match foreign {
            Some(path) if !root.join(PLAN).exists() => {
                let problem = format!("expected a new or empty folder, found {}", path.display());
                Err(Error::new(Kind::Settings, problem).at(root.display()).advice("choose another folder"))
            }
            _ => files::check_writable(&root.join(PLAN), Existing::Replace),
        }
    }

    /// The folder that [`create`](Self::create) left.
    ///
    /// # Errors
    /// [`Kind::Settings`] if there is no plan; [`Kind::Data`] if the plan was changed by hand.
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join(PLAN);
        if !path.is_file() {
            let problem = format!("expected a folder with a plan, but it has no {PLAN}");
            let advice = "reslstm sweep plan GRID.toml DATA -o DIR makes one";
            return Err(Error::new(Kind::Settings, problem).at(root.display()).advice(advice));
        }
        let changed = |error: Error| error.at(path.display()).advice("it was changed or damaged: plan again");
        let Plan { data, jobs } = files::read_json(&path).map_err(|error| error.advice("plan again"))?;
        if let Some(job) = jobs.iter().find(|job: &&Job<W>| !job.is_true()) {
            return Err(changed(Error::new(Kind::Data, format!("{}: expected the work of this name", job.id))));
        }
        let plan = Plan::new(&data, jobs).map_err(changed)?;
        Ok(Folder { root: root.to_path_buf(), plan })
    }

    /// The result of a job, if it is done.
    ///
    /// # Errors
    /// [`Kind::Data`] if the file is damaged, or of another job.
    pub fn result<R: for<'a> Deserialize<'a>>(&self, job: &Job<W>) -> Result<Option<R>> {
        let path = self.result_path(job);
        if !path.exists() {
            return Ok(None);
        }
        let Finished { job: found, result } = files::read_json::<Finished<Job<W>, R>>(&path)?;
        if found != *job {
            let problem = format!("expected the result of {}, got that of {} with other work", job.id, found.id);
            return Err(Error::new(Kind::Data, problem).at(path.display()).advice("delete it to have it made again"));
        }
        Ok(Some(result))
    }

    /// Writes the result of a job, atomically.
    pub(super) fn finish<R: Serialize>(&self, job: &Job<W>, result: &R) -> Result<()> {
        files::write_json(&self.result_path(job), &Finished { job, result })
    }
}

impl<W> Folder<W> {
    /// What is to be done.
    pub fn plan(&self) -> &Plan<W> {
        &self.plan
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// There, and then whole, when the job is done.
    pub fn result_path(&self, job: &Job<W>) -> PathBuf {
        self.root.join(RESULTS).join(format!("{}.json", job.id))
    }

    /// Of this extension, in the folder of what is not done.
    pub(super) fn unfinished(&self, job: &Job<W>, extension: &str) -> PathBuf {
        self.root.join(UNFINISHED).join(format!("{}.{extension}", job.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(number: u64) -> Job<serde_json::Value> {
        Job::new("square", json!({ "number": number, "of": "squares" }))
    }

    fn plan(numbers: &[u64]) -> Plan<serde_json::Value> {
        Plan::new("here", numbers.iter().map(|&number| job(number)).collect()).unwrap()
    }

    #[test]
    fn a_name_is_a_function_of_the_work_alone() {
        // Results on disks depend on it: it may never change.
        assert_eq!(job(3).id, "square-44bdfae2c03eeab6");
        assert_ne!(job(3).id, job(4).id);
        let (few, more) = (plan(&[3, 4]), plan(&[1, 3, 4, 9]));
        assert_eq!(few.jobs[..], more.jobs[1..3]);
        assert_ne!(few.fingerprint(), more.fingerprint());
        assert_ne!(few.fingerprint(), plan(&[4, 3]).fingerprint());
        assert_eq!(few.fingerprint(), Plan { data: "there".into(), ..few.clone() }.fingerprint());
    }

    #[test]
    fn no_job_and_one_job_twice_are_refused() {
        let refused = |jobs| Plan::<serde_json::Value>::new("here", jobs).unwrap_err().to_string();
        assert!(refused(vec![]).starts_with("expected a plan of 1 to 100000 jobs, got 0"));
        let twice = refused(vec![job(3), job(4), job(3)]);
        assert!(twice.starts_with("expected jobs that differ, but 0 and 2 are both square-"), "{twice}");
    }

    #[test]
    fn a_folder_keeps_its_plan_until_it_is_told_otherwise() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().join("new");
        let create = |numbers: &[u64], existing| Folder::create(&root, plan(numbers), existing);
        create(&[3, 4], Existing::Refuse).unwrap();
        create(&[3, 4], Existing::Refuse).unwrap();
        let refused = create(&[3, 4, 5], Existing::Refuse).unwrap_err();
        assert!(refused.to_string().contains("it holds another plan"), "{refused}");
        assert_eq!(Folder::open(&root).unwrap().plan, plan(&[3, 4]));
        let folder = create(&[3, 4, 5], Existing::Replace).unwrap();
        folder.finish(&job(3), &9).unwrap();
        assert_eq!(create(&[3], Existing::Replace).unwrap().result::<u64>(&job(3)).unwrap(), Some(9));
        assert_eq!(folder.result::<u64>(&job(4)).unwrap(), None);
    }

    #[test]
    fn what_was_changed_by_hand_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(root.path(), plan(&[3, 4]), Existing::Refuse).unwrap();
        folder.finish(&job(3), &9).unwrap();
        std::fs::copy(folder.result_path(&job(3)), folder.result_path(&job(4))).unwrap();
        let error = folder.result::<u64>(&job(4)).unwrap_err().to_string();
        assert!(error.contains(&format!("expected the result of {}, got that of {}", job(4).id, job(3).id)), "{error}");
        let path = root.path().join(PLAN);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"number\": 3", "\"number\": 7")).unwrap();
        let error = Folder::<serde_json::Value>::open(root.path()).unwrap_err().to_string();
        assert!(error.contains("plan.json") && error.contains(&job(3).id), "{error}");
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert_eq!(Folder::<serde_json::Value>::open(root.path()).unwrap_err().kind(), Kind::Data);
        std::fs::remove_file(&path).unwrap();
        let error = Folder::<serde_json::Value>::open(root.path()).unwrap_err().to_string();
        assert!(error.contains("it has no plan.json"), "{error}");
        std::fs::write(root.path().join("thesis.txt"), "mine").unwrap();
        let error = Folder::create(root.path(), plan(&[3]), Existing::Replace).unwrap_err().to_string();
        assert!(error.contains("expected a new or empty folder, found"), "{error}");
    }
}
