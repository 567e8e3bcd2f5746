//! A plan: jobs, their names, and their files.

use crate::files::{self, Existing};
use crate::hash::Hash;
use reslstm::error::{Error, Kind, Result};
use reslstm::train::identity::content_difference;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Limit on the jobs of a plan; every process reads all of them.
pub const MAX_JOBS: usize = 100_000;

const PLAN: &str = "plan.json";
const RESULTS: &str = "results";
const UNFINISHED: &str = "unfinished";

/// What jobs do, as it is written in the file of a plan.
pub trait Work: Serialize + for<'a> Deserialize<'a> + PartialEq {
    /// What the work of all jobs has in common, and the work of each as JSON without it. `None`: each is written whole.
    fn without_shared(_jobs: &[Job<Self>]) -> Option<(Value, Vec<Value>)>
    where
        Self: Sized,
    {
        None
    }

    /// Adds to the work of a job what all have in common.
    ///
    /// # Errors
    /// [`Kind::Data`] if this program did not write it.
    fn with_shared(work: Value, _shared: &Value) -> Result<Value> {
        Ok(work)
    }
}

/// The file of a plan.
#[derive(Deserialize, Serialize)]
struct PlanFile {
    data: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    reading: Map<String, Value>,
    /// What all jobs have in common, if they are written without it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    shared: Value,
    jobs: Vec<Job<Value>>,
}

impl PlanFile {
    /// The jobs.
    fn jobs<W: Work>(self) -> Result<Vec<Job<W>>> {
        let whole = |Job { id, work }: Job<Value>| {
            let work = if self.shared.is_null() { work } else { W::with_shared(work, &self.shared)? };
            let work =
                serde_json::from_value(work).map_err(|error| Error::new(Kind::Data, error.to_string()).at(&id))?;
            Ok(Job { id, work })
        };
        self.jobs.into_iter().map(whole).collect()
    }
}

/// One independent piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job<W> {
    /// `LABEL-HASH`, a function of the work alone: jobs of an extended plan keep their names.
    pub id: String,
    /// Description of the work.
    pub work: W,
}

impl<W: Serialize> Job<W> {
    /// A job with a readable `label`, of characters that file names may have. 64 bits of a hash of the work make its name unique.
    pub fn new(label: &str, work: W) -> Self {
        Job { id: format!("{label}-{:016x}", hash_of(&work)), work }
    }

    /// Whether the name matches the work.
    fn has_true_name(&self) -> bool {
        self.id.ends_with(&format!("-{:016x}", hash_of(&self.work)))
    }
}

/// Hash of the work as JSON with sorted keys, so that the order of fields does not matter.
fn hash_of(work: &impl Serialize) -> u64 {
    let sorted = serde_json::to_value(work).expect("plain values become JSON");
    Hash::new().bytes(sorted.to_string().as_bytes()).finish64()
}

/// Jobs in a fixed order, with the path of their data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan<W> {
    /// Path of the data on the planning machine; another machine may have them elsewhere.
    pub data: String,
    /// Hash of the content of their files. `None` in plans of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// How the data are read, as far as it is said.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub reading: Map<String, Value>,
    /// At least one job; names are unique.
    pub jobs: Vec<Job<W>>,
}

impl<W: Serialize> Plan<W> {
    /// A plan of `jobs`, in the order of the results.
    ///
    /// # Errors
    /// [`Kind::Settings`] if there is no job, more than [`MAX_JOBS`], or the same job twice.
    pub fn new(data: &str, jobs: Vec<Job<W>>) -> Result<Self> {
        if jobs.is_empty() || jobs.len() > MAX_JOBS {
            let problem = format!("expected a plan of 1 to {MAX_JOBS} jobs, got {}", jobs.len());
            return Err(Error::new(Kind::Settings, problem));
        }
        let mut first = HashMap::new();
        for (number, job) in jobs.iter().enumerate() {
            if let Some(earlier) = first.insert(&job.id, number) {
                let problem = format!("expected jobs that differ, but {earlier} and {number} are both {}", job.id);
                return Err(Error::new(Kind::Settings, problem).advice("write every value once"));
            }
        }
        Ok(Plan { data: data.to_string(), content: None, reading: Map::new(), jobs })
    }

    /// How the content of its files differs from that of an earlier plan, if both are known.
    pub fn content_difference(&self, earlier: &Self) -> Option<String> {
        let [before, now] = [earlier, self].map(|plan| plan.content.as_deref().unwrap_or_default());
        content_difference(before, now)
    }

    /// This plan, of data in files of this content, a hash.
    pub fn with_content(self, content: Option<String>) -> Self {
        Plan { content, ..self }
    }

    /// This plan, of data that are read in this way.
    pub fn with_reading(self, reading: Map<String, Value>) -> Self {
        Plan { reading, ..self }
    }

    /// Whether a job of this plan is one of the other, too.
    fn shares_jobs_with(&self, other: &Self) -> bool {
        let ids: HashSet<&String> = self.jobs.iter().map(|job| &job.id).collect();
        other.jobs.iter().any(|job| ids.contains(&job.id))
    }

    /// 16 hexadecimal digits that depend on every job and their order.
    pub fn fingerprint(&self) -> String {
        let mut hash = Hash::new();
        self.jobs.iter().for_each(|job| _ = hash.field(job.id.as_bytes()));
        format!("{:016x}", hash.finish64())
    }
}

/// The folder of a plan.
#[derive(Clone, Debug)]
pub struct Folder<W> {
    root: PathBuf,
    plan: Plan<W>,
}

/// Content of a result file.
#[derive(Serialize, Deserialize)]
struct JobResult<J, R> {
    job: J,
    result: R,
}

impl<W: Work> Folder<W> {
    /// Writes a plan into a new or empty folder. A folder with the same plan stays as it is. With [`Existing::Replace`],
    /// another plan is replaced, and results of jobs in both plans are kept.
    ///
    /// # Errors
    /// [`Kind::Settings`] if the folder holds other files, or jobs of the plan for data in files of other content; [`Kind::Io`] if
    /// it cannot be written to.
    pub fn create(root: &Path, mut plan: Plan<W>, existing: Existing) -> Result<Self> {
        Self::check(root)?;
        let path = root.join(PLAN);
        let earlier = if path.exists() { Some(Self::open(root)?.plan) } else { None };
        let other = earlier.as_ref().is_some_and(|earlier| earlier.fingerprint() != plan.fingerprint());
        if let Some(earlier) = &earlier
            && earlier.shares_jobs_with(&plan)
        {
            if let Some(difference) = plan.content_difference(earlier) {
                let problem = format!("its jobs are of files with other content: {difference}");
                return Err(Error::new(Kind::Settings, problem).at(root.display()).advice("choose another folder"));
            }
            // What finished jobs were trained on is not known.
            plan.content = earlier.content.as_ref().and(plan.content);
        }
        if other && existing == Existing::Refuse {
            return Err(Error::new(Kind::Settings, "expected a new folder, but it holds another plan")
                .at(root.display())
                .advice(
                    "choose another folder, or replace its plan with --replace: jobs in both plans keep their results",
                ));
        }
        for folder in [RESULTS, UNFINISHED].map(|name| root.join(name)) {
            std::fs::create_dir_all(&folder).map_err(|error| Error::io(folder.display(), error))?;
        }
        let folder = Folder { root: root.to_path_buf(), plan };
        // Written last: a folder with a plan is complete.
        match W::without_shared(&folder.plan.jobs) {
            None => files::write_json(&path, &folder.plan)?,
            Some((shared, works)) => {
                let Plan { data, content, reading, jobs } = &folder.plan;
                let jobs = jobs.iter().zip(works).map(|(job, work)| Job { id: job.id.clone(), work }).collect();
                let (data, content, reading) = (data.clone(), content.clone(), reading.clone());
                files::write_json(&path, &PlanFile { data, content, reading, shared, jobs })?;
            }
        }
        Ok(folder)
    }

    /// Refuses a folder that cannot take a plan; to be called before the data are read.
    ///
    /// # Errors
    /// [`Kind::Settings`] if it holds other files than a plan's; [`Kind::Io`] if it cannot be written to.
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

    /// Opens a folder made by [`create`](Self::create).
    ///
    /// # Errors
    /// [`Kind::Settings`] if there is no plan; [`Kind::Data`] if the plan was edited.
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join(PLAN);
        if !path.is_file() {
            let problem = format!("expected a folder with a plan, but it has no {PLAN}");
            let advice = "create one with: reslstm sweep plan GRID.toml DATA -o DIR";
            return Err(Error::new(Kind::Settings, problem).at(root.display()).advice(advice));
        }
        let advice = "it was edited or damaged: create the plan again";
        let changed = |error: Error| error.at(path.display()).advice(advice);
        let file: PlanFile = files::read_json(&path, advice)?;
        let (data, content, reading) = (file.data.clone(), file.content.clone(), file.reading.clone());
        let jobs = file.jobs().map_err(changed)?;
        // Before the names are part of any path.
        if let Some(job) = jobs.iter().find(|job: &&Job<W>| !files::is_plain_name(&job.id)) {
            return Err(changed(Error::new(Kind::Data, format!("expected a name of a file, got the id {:?}", job.id))));
        }
        if let Some(job) = jobs.iter().find(|job: &&Job<W>| !job.has_true_name()) {
            return Err(changed(Error::new(Kind::Data, format!("{}: expected the work of this name", job.id))));
        }
        let plan = Plan::new(&data, jobs).map_err(changed)?.with_reading(reading).with_content(content);
        Ok(Folder { root: root.to_path_buf(), plan })
    }

    /// The result of a job; `None` if it is not done.
    ///
    /// # Errors
    /// [`Kind::Data`] if the file is damaged, or belongs to another job.
    pub fn result<R: for<'a> Deserialize<'a>>(&self, job: &Job<W>) -> Result<Option<R>> {
        let path = self.result_path(job);
        if !path.exists() {
            return Ok(None);
        }
        let advice = "delete it to run the job again";
        let JobResult { job: found, result } = files::read_json::<JobResult<Job<W>, R>>(&path, advice)?;
        if found != *job {
            let problem = format!("expected the result of {}, got that of {} with other work", job.id, found.id);
            return Err(Error::new(Kind::Data, problem).at(path.display()).advice(advice));
        }
        Ok(Some(result))
    }

    /// Writes the result of a job, atomically.
    pub(super) fn finish<R: Serialize>(&self, job: &Job<W>, result: &R) -> Result<()> {
        files::write_json(&self.result_path(job), &JobResult { job, result })
    }
}

impl<W> Folder<W> {
    /// The plan.
    pub fn plan(&self) -> &Plan<W> {
        &self.plan
    }

    /// Path of the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Path of a job's result; the file exists once the job is done.
    pub fn result_path(&self, job: &Job<W>) -> PathBuf {
        self.root.join(RESULTS).join(format!("{}.json", job.id))
    }

    /// Whether a job has a result.
    ///
    /// # Errors
    /// [`Kind::Io`] if there is anything but a file in its place.
    pub fn is_done(&self, job: &Job<W>) -> Result<bool> {
        let path = self.result_path(job);
        files::refuse_link(&path)
            .and_then(|()| files::is_there(&path))
            .map_err(|error| Error::io(path.display(), error).advice("remove it, and the job is run again"))
    }

    /// Refuses links in place of the files of a job, which would be written through to files elsewhere.
    pub(super) fn refuse_links(&self, job: &Job<W>) -> Result<()> {
        let unfinished = ["checkpoint", "error", "lock"].map(|extension| self.unfinished(job, extension));
        unfinished.iter().chain([&self.result_path(job)]).try_for_each(|path| {
            let advice = "remove it: only jobs of this plan write files here";
            files::refuse_link(path).map_err(|error| Error::io(path.display(), error).advice(advice))
        })
    }

    /// Path of a file of an unfinished job, with this extension.
    pub(super) fn unfinished(&self, job: &Job<W>, extension: &str) -> PathBuf {
        self.root.join(UNFINISHED).join(format!("{}.{extension}", job.id))
    }
}

#[cfg(test)]
impl Work for u64 {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    impl Work for Value {}

    fn job(number: u64) -> Job<serde_json::Value> {
        Job::new("square", json!({ "number": number, "of": "squares" }))
    }

    fn plan(numbers: &[u64]) -> Plan<serde_json::Value> {
        Plan::new("here", numbers.iter().map(|&number| job(number)).collect()).unwrap()
    }

    #[test]
    fn the_name_of_a_job_depends_on_its_work_alone() {
        // Results on disk depend on these names: they must never change.
        assert_eq!(job(3).id, "square-44bdfae2c03eeab6");
        assert_ne!(job(3).id, job(4).id);
        let (few, more) = (plan(&[3, 4]), plan(&[1, 3, 4, 9]));
        assert_eq!(few.jobs[..], more.jobs[1..3]);
        assert_ne!(few.fingerprint(), more.fingerprint());
        assert_ne!(few.fingerprint(), plan(&[4, 3]).fingerprint());
        assert_eq!(few.fingerprint(), Plan { data: "there".into(), ..few.clone() }.fingerprint());
    }

    #[test]
    fn an_empty_plan_and_a_repeated_job_are_refused() {
        let refused = |jobs| Plan::<serde_json::Value>::new("here", jobs).unwrap_err().to_string();
        assert!(refused(vec![]).starts_with("expected a plan of 1 to 100000 jobs, got 0"));
        let twice = refused(vec![job(3), job(4), job(3)]);
        assert!(twice.starts_with("expected jobs that differ, but 0 and 2 are both square-"), "{twice}");
    }

    #[test]
    fn a_plan_is_replaced_only_on_request() {
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
    fn a_plan_for_files_with_other_content_is_refused_where_it_shares_jobs() {
        let root = tempfile::tempdir().unwrap();
        let create = |numbers: &[u64], content: Option<&str>, existing| {
            Folder::create(root.path(), plan(numbers).with_content(content.map(String::from)), existing)
        };
        let content = || Folder::<Value>::open(root.path()).unwrap().plan.content;
        create(&[3, 4], Some("a"), Existing::Refuse).unwrap();
        for existing in [Existing::Refuse, Existing::Replace] {
            let error = create(&[3, 5], Some("b"), existing).unwrap_err().to_string();
            assert!(error.contains("content of the files was a, now b"), "{error}");
        }
        create(&[5, 6], Some("b"), Existing::Replace).unwrap();
        assert_eq!(content().as_deref(), Some("b"));
        // Of an earlier version: what its jobs were trained on is not known.
        create(&[7, 8], None, Existing::Replace).unwrap();
        create(&[8, 9], Some("b"), Existing::Replace).unwrap();
        assert_eq!(content(), None);
    }

    #[test]
    fn edited_files_are_refused() {
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
