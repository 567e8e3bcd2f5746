//! Cross-validation: folds × runs, on all cores, resumable.
//!
//! ```text
//! OUT/plan.json                         what was asked for, and of which data
//! OUT/clips.json                        every clip's name, class and speaker
//! OUT/models/run0-fold3.safetensors     the best model of each fold
//! OUT/runs/run0.json                    a run's result
//! OUT/unfinished/…                      checkpoints, and folds of runs not complete yet
//! OUT/summary.json                      the table, written last
//! ```
//! [`Results`](super::folder::Results) reads it back.

use super::fit::fit;
use super::folder::{Begun, clip_records, clips_path, plan_path, run_path};
use super::identity::{Identity, first_difference};
use super::results::{FoldRecord, Made, ModelSummary, RunResult, Summary};
use super::run::{EpochRecord, Outcome};
use super::settings::Settings;
use super::task::Task;
use crate::audio::FeatureSettings;
use crate::data::Dataset;
use crate::data::folds::{FoldPlan, Split};
use crate::error::{Error, Kind, Result};
use crate::files::{self, Existing, read_json, remove, write_json};
use crate::models::{Metadata, Model, ModelFile};
use crate::params::Parameters;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The data of a training, and what a model file says of it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Clips, labels, speakers.
    pub dataset: &'a Dataset,
    /// Of the recordings, in Hz.
    pub sample_rate: u32,
    /// How the features were made.
    pub features: &'a FeatureSettings,
    /// Fingerprint of the data.
    pub fingerprint: &'a str,
    /// The licence of the data, which a model trained on it carries along.
    pub licence: &'a str,
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Each training.
    pub settings: Settings,
    /// Seeds, each a run over all folds.
    pub runs: usize,
    /// Which folds.
    pub folds: FoldPlan,
}

/// How to run it: nothing here changes a result.
#[derive(Clone, Copy)]
pub struct Execution<'a> {
    /// Trainings at a time.
    pub threads: usize,
    /// Go on with what is there.
    pub resume: bool,
    /// Set to ask for an end.
    pub stop: &'a AtomicBool,
    /// Sees every epoch of every fold: run, fold, epoch, record.
    pub observe: &'a (dyn Fn(usize, usize, usize, &EpochRecord) + Sync),
}

/// Runs a plan in folder `out` and returns the summary written there.
///
/// # Errors
/// [`Kind::Settings`] if `out` holds something already and `resume` is off, or holds another plan; [`Kind::Data`] if the
/// folds do not fit the speakers; [`Kind::Interrupted`] when stopped, with everything saved.
pub fn cross_validate(source: &Source<'_>, plan: &Plan, out: &Path, execution: &Execution<'_>) -> Result<Summary> {
    let splits = plan.folds.splits(&source.dataset.speakers())?;
    if plan.runs == 0 || plan.runs > 10_000 {
        return Err(Error::new(Kind::Settings, format!("runs: expected 1 to 10,000, got {}", plan.runs)));
    }
    let folder = Folder { root: out, source, plan, splits: &splits, threads: execution.threads };
    folder.open(execution.resume)?;

    let missing = (0..plan.runs).filter(|&run| !run_path(out, run).exists());
    let jobs: Vec<(usize, usize)> = missing.flat_map(|run| (0..splits.len()).map(move |split| (run, split))).collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..execution.threads.max(1) {
            scope.spawn(|| {
                while let Some(&(run, split)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = folder.train(run, &splits[split], execution) {
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
    let runs = (0..plan.runs).map(|run| folder.finish_run(run)).collect::<Result<Vec<_>>>()?;
    let parameters = Model::<f32>::zeros(plan.settings.arch, source.dataset.width(), source.dataset.labels().count());
    let summary = Summary { models: vec![ModelSummary::of(&runs, parameters.parameter_count())] };
    write_json(&out.join("summary.json"), &summary)?;
    Ok(summary)
}

/// Refuses, before the data are read, a folder that `plan` cannot be run in: one in use without `resume`, one begun with other
/// settings, one that cannot be written to. Makes the folder if there is none.
///
/// # Errors
/// [`Kind::Settings`] or [`Kind::Io`], naming the folder.
pub fn check_folder(out: &Path, plan: &Plan, resume: bool) -> Result<()> {
    let wrong = |problem: &str, advice: &str| Err(Error::new(Kind::Settings, problem).at(out.display()).advice(advice));
    let path = plan_path(out);
    if is_in_use(out) && !resume {
        let advice = "choose another folder, or go on with its work with --resume";
        return wrong("expected a new or empty folder, but it holds files", advice);
    }
    if is_in_use(out) && !path.exists() {
        return wrong("expected a folder begun by this command, but it has no plan.json", "choose another folder");
    }
    files::check_writable(&path, Existing::Replace)?;
    refuse_difference(out, |begun| first_difference("", &begun["plan"], &json!(plan)))
}

/// Whether the folder holds more than what a killed process was writing when it had begun nothing yet.
fn is_in_use(folder: &Path) -> bool {
    let Ok(entries) = folder.read_dir() else { return false };
    entries.flatten().any(|entry| !files::is_half_written(&entry.path()))
}

/// Refuses to go on where what the folder was begun with differs; where nothing is begun there is nothing to differ from.
fn refuse_difference(out: &Path, difference: impl Fn(&Value) -> Option<String>) -> Result<()> {
    let path = plan_path(out);
    let Some(difference) = path.exists().then(|| read_json(&path)).transpose()?.as_ref().and_then(difference) else {
        return Ok(());
    };
    let problem = format!("this folder was begun with other settings or data: {difference}");
    let advice = "repeat the settings it was begun with, or choose another folder";
    Err(Error::new(Kind::Settings, problem).at(out.display()).advice(advice))
}

/// The output folder of a plan.
struct Folder<'a> {
    root: &'a Path,
    source: &'a Source<'a>,
    plan: &'a Plan,
    splits: &'a [Split],
    threads: usize,
}

impl Folder<'_> {
    /// Claims the folder for this plan, before any training.
    fn open(&self, resume: bool) -> Result<()> {
        check_folder(self.root, self.plan, resume)?;
        let data = self.source.fingerprint;
        refuse_difference(self.root, |begun| first_difference("data", &begun["data"], &json!(data)))?;
        let plan = plan_path(self.root);
        if !plan.exists() {
            write_json(&plan, &Begun { plan: self.plan.clone(), data: data.into() })?;
        }
        // After the plan: a folder without one would not be gone on with.
        let clips = clips_path(self.root);
        if !clips.exists() {
            write_json(&clips, &clip_records(self.source.dataset))?;
        }
        for folder in ["models", "runs", "unfinished"].map(|name| self.root.join(name)) {
            std::fs::create_dir_all(&folder).map_err(|error| Error::io(folder.display(), &error))?;
        }
        Ok(())
    }

    fn unfinished(&self, run: usize, fold: usize, extension: &str) -> PathBuf {
        self.root.join(format!("unfinished/run{run}-fold{fold}.{extension}"))
    }

    /// One training, unless it is done already.
    fn train(&self, run: usize, split: &Split, execution: &Execution<'_>) -> Result<()> {
        let fold = split.fold();
        let record_path = self.unfinished(run, fold, "json");
        let observe = |epoch: usize, record: &EpochRecord| (execution.observe)(run, fold, epoch, record);
        if record_path.exists() {
            let record: FoldRecord = read_json(&record_path)?;
            record.epochs.iter().enumerate().for_each(|(epoch, record)| observe(epoch, record));
            return Ok(());
        }
        let settings = &self.plan.settings;
        let task = Task::for_split(self.source.dataset, split, settings.protocol)?;
        let checkpoint = self.unfinished(run, fold, "checkpoint");
        let identity = Identity::new(settings, run, Some(split), self.source.fingerprint);
        let outcome = fit(&identity, &task, &checkpoint, execution.stop, &mut { observe })?;
        let record = fold_record(split, &outcome);
        let model = model_file(self.source, settings, Some((run, &record)), &task, outcome)?;
        files::write_atomically(&self.root.join(format!("models/run{run}-fold{fold}.safetensors")), &model.to_bytes())?;
        write_json(&record_path, &record)?;
        remove(&checkpoint)
    }

    /// Pools the folds of a run, and writes its result, unless that is done already.
    fn finish_run(&self, run: usize) -> Result<RunResult> {
        let path = run_path(self.root, run);
        if path.exists() {
            return read_json(&path);
        }
        let records = self.splits.iter().map(|split| read_json(&self.unfinished(run, split.fold(), "json")));
        let folds = records.collect::<Result<Vec<FoldRecord>>>()?;
        let labels = self.source.dataset.labels().names().to_vec();
        let made = Made::now(self.threads);
        let result = RunResult::pool(run, &self.plan.settings, labels, self.source.fingerprint, folds, made);
        write_json(&path, &result)?;
        self.splits.iter().try_for_each(|split| remove(&self.unfinished(run, split.fold(), "json")))?;
        Ok(result)
    }
}

/// What is worth keeping of a fold's training.
///
/// # Panics
/// If nobody validated.
pub fn fold_record(split: &Split, outcome: &Outcome) -> FoldRecord {
    let (best_epoch, validation_uar) = outcome.best.expect("a fold has validation speakers");
    FoldRecord {
        split: split.clone(),
        best_epoch,
        validation_uar,
        test_uar: outcome.confusion.uar(),
        predictions: outcome.predictions.clone(),
        confusion: outcome.confusion.clone(),
        seconds: outcome.history.iter().map(|epoch| epoch.seconds).sum(),
        epochs: outcome.history.clone(),
    }
}

/// A trained model with everything its file says. `fold` is the run and record of the fold it was trained on; `None` after
/// everybody trained.
///
/// # Errors
/// [`Kind::Model`] if the training left weights that are not finite.
pub fn model_file(
    source: &Source<'_>,
    settings: &Settings,
    fold: Option<(usize, &FoldRecord)>,
    task: &Task,
    outcome: Outcome,
) -> Result<ModelFile> {
    let labels = source.dataset.labels().names().to_vec();
    let mut metadata = Metadata::new(settings.arch.to_string(), labels, source.sample_rate, source.features.clone());
    metadata.mean = task.normaliser.mean().to_vec();
    metadata.std = task.normaliser.std().to_vec();
    metadata.protocol = settings.protocol.to_string();
    metadata.seed = settings.seed;
    metadata.epochs = settings.epochs;
    metadata.settings = serde_json::to_value(settings).expect("plain values become JSON");
    metadata.data_fingerprint = source.fingerprint.to_string();
    metadata.licence = source.licence.to_string();
    match fold {
        Some((run, record)) => {
            metadata.run = run;
            metadata.fold = Some(record.split.fold());
            metadata.best_epoch = Some(record.best_epoch + 1);
            metadata.train_speakers = record.split.train().to_vec();
            metadata.validation_speakers = record.split.validation().to_vec();
            metadata.test_speakers = record.split.test().to_vec();
            metadata.scores.insert("validation_uar".into(), record.validation_uar);
            metadata.scores.insert("test_uar".into(), record.test_uar);
        }
        None => metadata.train_speakers = source.dataset.speakers(),
    }
    ModelFile::new(outcome.model, Some(metadata))
}
