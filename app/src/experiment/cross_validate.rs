//! Cross-validation: folds × runs, on all cores, resumable.
//!
//! ```text
//! OUT/plan.json                         settings, runs, folds, and the fingerprint of the data
//! OUT/clips.json                        every clip's name, class and speaker
//! OUT/models/run0-fold3.safetensors     the best model of each fold
//! OUT/runs/run0.json                    a run's result, as soon as its folds are done
//! OUT/unfinished/…                      checkpoints, and folds of runs not complete yet
//! OUT/summary.json                      the table, written last
//! ```
//! [`Results`] reads it back.

use super::CONTENT_UNKNOWN;
use super::fit::fit;
use super::folder::{Begun, Results, model_path, plan_path, read_plan, run_path, write_clips};
use super::plan::{Plan, check_runs};
use super::results::{Epochs, FoldRecord, Made, ModelSummary, NoSpeech, RunResult, Summary};
use crate::files::{self, Existing, FolderLock, read_json, remove, write_json};
use reslstm::data::Dataset;
use reslstm::data::folds::Split;
use reslstm::error::{Error, Kind, Result};
use reslstm::train::identity::{Identity, content_difference, first_difference};
use reslstm::train::run::{EpochRecord, Outcome};
use reslstm::train::settings::CheckedSettings;
use reslstm::train::task::Task;
use reslstm::train::trainer::{TrainingData, model_file};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How to run it: nothing here changes a result.
#[derive(Clone, Copy)]
pub struct Execution<'a> {
    /// Trainings at a time.
    pub threads: usize,
    /// Continue earlier work.
    pub resume: bool,
    /// Set to stop.
    pub stop: &'a AtomicBool,
    /// Receives events, with the settings of their training.
    pub observe: &'a (dyn Fn(&CheckedSettings, Event<'_>) + Sync),
}

/// An event of a cross-validation.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// This number of epochs was found done.
    Found(usize),
    /// An epoch is done, or read from a checkpoint.
    Epoch,
    /// A run is complete, and written.
    Run(&'a RunResult),
}

/// Runs plans, each in a folder of its own, and returns the table, which has a row for each. A folder gets the same bytes
/// as if its plan were run alone.
///
/// Every plan's first run comes before any second one, so that early results cover all plans.
///
/// # Errors
/// [`Kind::Settings`] if a folder holds something already and `resume` is off, or holds another plan; [`Kind::Data`] if the
/// folds do not fit the speakers; [`Kind::Interrupted`] when stopped, with everything saved.
pub fn cross_validate(
    source: &TrainingData<'_>,
    plans: &[(Plan, PathBuf)],
    execution: &Execution<'_>,
) -> Result<Summary> {
    let folders = plans.iter().map(|(plan, root)| Folder::open(root, *source, plan, execution));
    let folders = folders.collect::<Result<Vec<_>>>()?;

    let mut open = Vec::new();
    for run in 0..plans.iter().map(|(plan, _)| plan.runs).max().unwrap_or(0) {
        for folder in folders.iter().filter(|folder| run < folder.plan.runs) {
            let folds = folder.splits.len();
            if run_path(folder.root, run).exists() {
                (execution.observe)(&folder.plan.settings, Event::Found(folds * folder.plan.settings.total_epochs()));
            } else {
                open.push(OpenRun { folder, run, left: AtomicUsize::new(folds) });
            }
        }
    }
    let jobs: Vec<(&OpenRun, &Split)> =
        open.iter().flat_map(|run| run.folder.splits.iter().map(move |split| (run, split))).collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..execution.threads.max(1) {
            scope.spawn(|| {
                while let Some(&(run, split)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = run.train(split) {
                        failed.lock().expect("no worker panics").get_or_insert(error);
                        execution.stop.store(true, Ordering::Relaxed);
                        return;
                    }
                }
            });
        }
    });
    if let Some(error) = failed.into_inner().expect("no worker panics") {
        return Err(error);
    }
    Ok(Summary { models: folders.iter().map(Folder::summarise).collect::<Result<_>>()? })
}

/// Refuses, before the data are read, a folder that `plan` cannot be run in: one that another process works in, one in use without
/// `resume`, one started with other settings, one that cannot be written to. Makes the folder if there is none. More runs than it was started with are welcome.
///
/// # Errors
/// [`Kind::Settings`] or [`Kind::Io`], naming the folder.
pub fn check_folder(out: &Path, plan: &Plan, resume: bool) -> Result<()> {
    let _lock = FolderLock::acquire(out)?;
    check_content(out, plan, resume)
}

/// [`check_folder`] of a folder whose lock this process has.
fn check_content(out: &Path, plan: &Plan, resume: bool) -> Result<()> {
    let path = plan_path(out);
    if !resume {
        check_new(out)?;
    }
    if is_in_use(out) && !path.exists() {
        let problem = "expected a folder begun by this command, but it has no plan.json";
        return Err(Error::new(Kind::Settings, problem).at(out.display()).advice("choose another folder"));
    }
    files::check_writable(&path, Existing::Replace)?;
    refuse_difference(out, |begun| {
        let mut earlier = begun["plan"].clone();
        let runs = earlier["runs"].as_u64().unwrap_or_default();
        earlier["runs"] = json!(runs.max(plan.runs as u64));
        first_difference("", &earlier, &json!(plan))
    })
}

/// The plan that a folder was started with, if it was.
///
/// # Errors
/// [`Kind::Data`] if its `plan.json` cannot be understood; [`Kind::Io`] if it cannot be read.
pub fn begun_plan(folder: &Path) -> Result<Option<Plan>> {
    Ok(begun(folder)?.map(|begun| begun.plan))
}

fn begun(folder: &Path) -> Result<Option<Begun>> {
    plan_path(folder).exists().then(|| read_plan(folder)).transpose()
}

/// Refuses a folder that is in use.
///
/// # Errors
/// [`Kind::Settings`], naming it.
pub fn check_new(out: &Path) -> Result<()> {
    if !is_in_use(out) {
        return Ok(());
    }
    let problem = "expected a new or empty folder, but it holds files";
    let advice = "choose another folder, or go on with its work with --resume";
    Err(Error::new(Kind::Settings, problem).at(out.display()).advice(advice))
}

/// Whether the folder holds more than what a killed process was writing when it had begun nothing yet.
fn is_in_use(folder: &Path) -> bool {
    let Ok(entries) = folder.read_dir() else { return false };
    entries.flatten().any(|entry| !files::is_half_written(&entry.path()))
}

/// Refuses to continue a folder that was started differently; a folder that was not begun is accepted.
fn refuse_difference(out: &Path, difference: impl Fn(&Value) -> Option<String>) -> Result<()> {
    let begun: Option<Value> = plan_path(out).exists().then(|| read_plan(out)).transpose()?;
    let Some(difference) = begun.as_ref().and_then(difference) else { return Ok(()) };
    let problem = format!("this folder was started with other settings or data: {difference}");
    let advice = "use the settings it was started with, or choose another folder";
    Err(Error::new(Kind::Settings, problem).at(out.display()).advice(advice))
}

/// A run that is not complete.
struct OpenRun<'a> {
    folder: &'a Folder<'a>,
    run: usize,
    /// Folds that are not done.
    left: AtomicUsize,
}

impl OpenRun<'_> {
    /// One training; the last one of a run pools its folds.
    fn train(&self, split: &Split) -> Result<()> {
        self.folder.train(self.run, split)?;
        match self.left.fetch_sub(1, Ordering::AcqRel) {
            1 => self.folder.finish_run(self.run),
            _ => Ok(()),
        }
    }
}

/// The output folder of a plan.
struct Folder<'a> {
    root: &'a Path,
    source: TrainingData<'a>,
    plan: &'a Plan,
    splits: Vec<Split>,
    execution: &'a Execution<'a>,
    _lock: FolderLock,
}

impl<'a> Folder<'a> {
    /// Claims a folder for a plan, before any training.
    fn open(
        root: &'a Path,
        mut source: TrainingData<'a>,
        plan: &'a Plan,
        execution: &'a Execution<'_>,
    ) -> Result<Self> {
        check_runs("runs", plan.runs)?;
        let splits = plan.folds.splits_of(source.dataset.speakers_and_labels())?;
        let lock = FolderLock::acquire(root)?;
        check_content(root, plan, execution.resume)?;
        let TrainingData { fingerprint: data, content, .. } = source;
        refuse_difference(root, |begun| first_difference("data", &begun["data"], &json!(data)))?;
        refuse_difference(root, |begun| content_difference(begun["content"].as_str().unwrap_or_default(), content))?;
        let begun = begun(root)?;
        // A folder of an earlier version stays one: what its runs were trained on is not known, and its models do not say it.
        let content = match &begun {
            None => Some(content.to_string()),
            Some(begun) => begun.content.clone(),
        };
        if content.is_none() {
            message!("note: {}: {CONTENT_UNKNOWN}", root.display());
            source.content = "";
        }
        if begun.is_none_or(|begun| begun.plan.runs < plan.runs) {
            let sample_rate = Some(source.sample_rate).filter(|&rate| rate != 48_000);
            let begun = Begun { plan: plan.clone(), data: data.into(), content, sample_rate };
            write_json(&plan_path(root), &begun)?;
        }
        // After the plan: a folder without one would not be gone on with.
        write_clips(root, source.dataset)?;
        for folder in ["models", "runs", "unfinished"].map(|name| root.join(name)) {
            std::fs::create_dir_all(&folder).map_err(|error| Error::io(folder.display(), error))?;
        }
        Ok(Folder { root, source, plan, splits, execution, _lock: lock })
    }

    fn unfinished(&self, run: usize, fold: usize, extension: &str) -> PathBuf {
        self.root.join(format!("unfinished/run{run}-fold{fold}.{extension}"))
    }

    fn observe(&self, event: Event<'_>) {
        (self.execution.observe)(&self.plan.settings, event);
    }

    /// One training, unless it is done already.
    fn train(&self, run: usize, split: &Split) -> Result<()> {
        let (fold, settings) = (split.fold(), &self.plan.settings);
        let record_path = self.unfinished(run, fold, "json");
        if record_path.exists() {
            self.observe(Event::Found(settings.total_epochs()));
            return Ok(());
        }
        let task = Task::for_split(self.source.dataset, split, settings)?;
        let checkpoint = self.unfinished(run, fold, "checkpoint");
        let identity = Identity::new(settings, run, Some(split), self.source.fingerprint);
        let mut observe = |_: usize, _: &EpochRecord| self.observe(Event::Epoch);
        let outcome = fit(&identity, &task, &checkpoint, self.execution.stop, &mut observe)
            .map_err(|error| error.at(format!("{}: run {run}, fold {fold}", self.root.display())))?;
        let record = fold_record(self.source.dataset, split, &outcome);
        let model = model_file(&self.source, settings, run, Some(split), &task, outcome)?;
        files::write_atomically(&model_path(self.root, run, fold), &model.to_bytes())?;
        write_json(&record_path, &record)?;
        remove(&checkpoint)
    }

    /// Pools the folds of a run, all of which are done, and writes its result.
    fn finish_run(&self, run: usize) -> Result<()> {
        let TrainingData { dataset, fingerprint, .. } = self.source;
        let labels = dataset.labels();
        let record = |split: &Split| {
            let path = self.unfinished(run, split.fold(), "json");
            let advice = "delete it, and the fold is trained again";
            let record: FoldRecord = read_json(&path, advice)?;
            record.check(labels.count()).map_err(|error| error.at(path.display()).advice(advice))?;
            Ok(record)
        };
        let folds = self.splits.iter().map(record).collect::<Result<Vec<FoldRecord>>>()?;
        let parameters = self.plan.settings.parameter_count(dataset.width(), labels.count())?;
        let made = Made::now(self.execution.threads);
        let labels = labels.names().to_vec();
        let result = RunResult::pool(run, &self.plan.settings, labels, fingerprint, parameters, folds, made);
        write_json(&run_path(self.root, run), &result)?;
        self.splits.iter().try_for_each(|split| remove(&self.unfinished(run, split.fold(), "json")))?;
        self.observe(Event::Run(&result));
        Ok(())
    }

    /// The row of the table, of runs that are all complete; written here too.
    fn summarise(&self) -> Result<ModelSummary> {
        let model = ModelSummary::new(&Results::read(self.root)?.runs);
        write_json(&self.root.join("summary.json"), &Summary { models: vec![model.clone()] })?;
        Ok(model)
    }
}

/// The record of a fold's training.
pub fn fold_record(dataset: &Dataset, split: &Split, outcome: &Outcome) -> FoldRecord {
    let epochs = Epochs::new(&outcome.history);
    FoldRecord {
        split: split.clone(),
        best_epoch: outcome.epoch,
        validation_uar: outcome.validation_uar,
        test_uar: outcome.confusion.uar(),
        predictions: outcome.predictions.clone(),
        confusion: outcome.confusion.clone(),
        no_speech: NoSpeech::count(dataset, dataset.clips_of(split.test())),
        seconds: epochs.seconds.iter().sum(),
        epochs,
        enrolment: outcome.enrolment.clone(),
        variants: outcome.variants.clone(),
    }
}
