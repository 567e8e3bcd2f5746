//! The work of a trial: one training per fold, one after the other, each reported, until the last one or until the search
//! prunes the trial.

use reslstm::data::folds::{FoldPlan, Split};
use reslstm::error::{Error, Kind, Result};

use crate::experiment::Plan;
use crate::experiment::fit::fit;
use crate::files;
use crate::label_map::LabelMap;
use crate::tune::{Claim, Ending, Space, Study, Verdict};
use reslstm::train::identity::{content_difference, first_difference};
use reslstm::train::{
    CheckedSettings, Confusion, EpochRecord, Identity, Outcome, Protocol, Settings, Task, TrainingData,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// The parameters of a search, each with the option of the same meaning.
pub const SEARCHED: [(&str, &str); 5] =
    [("lr", "lr"), ("weight_decay", "weight-decay"), ("dropout", "dropout"), ("t0", "t0"), ("batch_size", "batch")];

/// The option that sets what a parameter of a search sets.
pub fn option_of(parameter: &str) -> Option<&'static str> {
    SEARCHED.into_iter().find_map(|(name, option)| (name == parameter).then_some(option))
}

/// What a study searches for, as its journal has it: studies that differ in it cannot share their trials.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StudyIdentity {
    /// Fingerprint of the data.
    pub data: String,
    /// Hash of the content of their files; empty in studies of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
    /// Which folds a trial has.
    pub folds: FoldPlan,
    /// The settings that are not searched, by the names of their options.
    pub settings: Map<String, Value>,
    /// The search space of the others.
    pub space: Space,
    /// How the labels of the data are read.
    #[serde(default, skip_serializing_if = "LabelMap::is_empty")]
    pub map: LabelMap,
}

impl StudyIdentity {
    /// Of a search around the settings of `base`, on data with this fingerprint, in files of this content.
    pub fn new(data: &str, content: &str, base: &Plan, space: &Space) -> Self {
        let Value::Object(mut settings) = json!(base.settings) else { unreachable!("settings are an object") };
        for option in space.names().filter_map(option_of) {
            settings.remove(option);
        }
        let (folds, map) = (base.folds.clone(), base.map.clone());
        StudyIdentity { data: data.into(), content: content.into(), folds, settings, space: space.clone(), map }
    }

    /// Where it differs first from that of an earlier study, with both values. The content of files counts where the study has it.
    pub fn difference(&self, earlier: &Value) -> Option<String> {
        let [before, now] = [earlier.clone(), json!(self)].map(|mut identity| {
            identity.as_object_mut().and_then(|it| it.remove("content"));
            identity
        });
        first_difference("", &before, &now)
            .or_else(|| content_difference(earlier["content"].as_str().unwrap_or_default(), &self.content))
    }

    /// The cross-validation of a trial with these parameters.
    pub fn plan(&self, parameters: &BTreeMap<String, Value>) -> Result<Plan> {
        let wrong = |error: serde_json::Error| Error::new(Kind::Data, error.to_string()).at("settings of the study");
        let base: Settings = serde_json::from_value(Value::Object(self.settings.clone())).map_err(wrong)?;
        let (folds, map) = (self.folds.clone(), self.map.clone());
        Ok(Plan { settings: settings(&self.space, &base, parameters)?, runs: 1, folds, map })
    }
}

/// The value that a search under a protocol maximises.
pub fn maximised(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Strict => "mean validation UAR",
        Protocol::Published | Protocol::Table1 => "pooled test UAR",
    }
}

/// A warning about the values of a search under a protocol, if they need one.
pub fn caution(protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::Strict => None,
        Protocol::Published => Some(
            "published scores trials on the test speakers, so the best value is tuned on them and too high; strict searches on \
             the validation speakers",
        ),
        Protocol::Table1 => Some(
            "table1 chooses every epoch and every trial on the test speakers, so its values are too high; strict searches on the \
             validation speakers",
        ),
    }
}

/// Checks that every point of the space can be trained with.
pub fn check_space(space: &Space, base: &Settings) -> Result<()> {
    for (name, range) in space.iter() {
        let known = SEARCHED.map(|(name, _)| name).join(", ");
        let unknown = || Error::new(Kind::Settings, format!("parameter '{name}': expected one of {known}"));
        option_of(name).ok_or_else(unknown)?;
        for extreme in range.extremes() {
            let checked = settings(space, base, &BTreeMap::from([(name.to_string(), extreme)]));
            checked.map_err(|error| error.at("search space"))?;
        }
    }
    Ok(())
}

/// What to train with: `base`, but for the parameters of the space that `parameters` holds.
pub fn settings(space: &Space, base: &Settings, parameters: &BTreeMap<String, Value>) -> Result<CheckedSettings> {
    let mut settings = base.clone();
    for (name, value) in space.names().filter_map(|name| Some((name, parameters.get(name)?))) {
        let wrong = |expected: &str| {
            Error::new(Kind::Settings, format!("parameter '{name}': expected {expected}, got {value}"))
        };
        let real = || value.as_f64().ok_or_else(|| wrong("a number"));
        let whole = || value.as_u64().map(|n| n as usize).ok_or_else(|| wrong("a whole number"));
        match name {
            "lr" => settings.lr = real()?,
            "weight_decay" => settings.weight_decay = real()?,
            "dropout" => settings.dropout = real()?,
            "t0" => settings.t0 = whole()?,
            "batch_size" => settings.batch = whole()?,
            _ => return Err(wrong("the name of a setting")),
        }
    }
    settings.check()
}

/// A fold of a trial, done.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FoldResult {
    /// From 0.
    best_epoch: usize,
    /// Of the best epoch; `None` if the validation speakers train.
    validation_uar: Option<f64>,
    last_validation_uar: Option<f64>,
    /// Of the best epoch's weights.
    confusion: Confusion,
    /// Of the last epoch's weights.
    last_confusion: Confusion,
    seconds: f64,
}

/// A fold in the trial's folder, until the trial is finished.
#[derive(Serialize, Deserialize)]
struct SavedFold {
    identity: Identity,
    result: FoldResult,
}

impl FoldResult {
    fn new(outcome: &Outcome) -> Self {
        FoldResult {
            best_epoch: outcome.epoch,
            validation_uar: outcome.validation_uar,
            last_validation_uar: outcome.history.last().and_then(|epoch| epoch.validation_uar),
            confusion: outcome.confusion.clone(),
            last_confusion: outcome.last_confusion.clone(),
            seconds: outcome.history.iter().map(|epoch| epoch.seconds).sum(),
        }
    }
}

/// The finished folds of a trial, pooled.
struct Folds {
    done: usize,
    validation_sum: f64,
    test: Confusion,
    last_test: Confusion,
}

impl Folds {
    fn add(&mut self, fold: &FoldResult) {
        self.done += 1;
        self.validation_sum += fold.validation_uar.unwrap_or(f64::NAN);
        self.test.add(&fold.confusion);
        self.last_test.add(&fold.last_confusion);
    }

    /// The value of the trial: the mean over folds of the best validation UAR, or the pooled test UAR.
    fn value(&self, protocol: Protocol) -> f64 {
        match protocol {
            Protocol::Strict => self.validation_sum / self.done as f64,
            Protocol::Published | Protocol::Table1 => self.test.uar(),
        }
    }
}

/// Receives the events of a search.
pub trait Observer: Sync {
    /// A trial begins, or continues.
    fn begin(&self, claim: &Claim) -> Result<()>;
    /// An epoch of a fold, from 0 both.
    fn epoch(&self, trial: usize, fold: usize, epoch: usize, record: &EpochRecord);
    /// A fold is done, here or by an earlier worker: how many are, the value over these, and the details that are recorded.
    fn fold(&self, trial: usize, fold: usize, done: usize, value: f64, detail: &Value) -> Result<()>;
    /// A queued trial cannot be trained with and fails.
    fn refused(&self, trial: usize, problem: &Error);
    /// A trial is over.
    fn end(&self, trial: usize, ending: Ending) -> Result<()>;
}

/// The data and settings of every trial.
pub struct Objective<'a> {
    /// The data.
    pub source: TrainingData<'a>,
    /// The settings that are not searched.
    pub base: &'a Settings,
    /// The folds of a trial, in their order.
    pub splits: &'a [Split],
    /// The parameters that are searched.
    pub space: &'a Space,
    /// Where trials are recorded.
    pub study: &'a Study,
    /// Receives every epoch, fold and trial.
    pub observer: &'a dyn Observer,
    /// Set to stop.
    pub stop: &'a AtomicBool,
}

impl Objective<'_> {
    /// Trains a trial's folds that are not trained yet.
    pub fn run(&self, claim: &Claim) -> Result<Ending> {
        self.observer.begin(claim)?;
        let checked = match &claim.refusal {
            Some(problem) => Err(Error::new(Kind::Settings, problem.clone())),
            None => settings(self.space, self.base, &claim.parameters),
        };
        let end = |ending| self.observer.end(claim.number, ending).map(|()| ending);
        let settings = match checked {
            Ok(settings) => settings,
            // A queued trial can ask for what cannot be trained with; the others are in the search space, which is checked.
            Err(error) if claim.refusal.is_some() || !claim.warnings.is_empty() => {
                self.study.note(claim, "error", error.to_string().into())?;
                self.observer.refused(claim.number, &error);
                return end(Ending::Failed);
            }
            Err(error) => return Err(error),
        };
        let classes = self.source.dataset.labels().count();
        let mut folds =
            Folds { done: 0, validation_sum: 0.0, test: Confusion::new(classes), last_test: Confusion::new(classes) };
        for (step, split) in self.splits.iter().enumerate() {
            let fold = match self.fold(claim, &settings, split) {
                // Worse than bad, but no reason to end the search.
                Err(error) if error.kind() == Kind::Diverged => {
                    self.study.note(claim, &format!("fold{}", split.fold()), json!({ "error": error.to_string() }))?;
                    return end(Ending::Pruned);
                }
                fold => fold?,
            };
            folds.add(&fold);
            let value = folds.value(settings.protocol);
            let detail = json!({
                "best_epoch": fold.best_epoch + 1,
                "validation_uar": fold.validation_uar,
                "last_validation_uar": fold.last_validation_uar,
                "test_uar": fold.confusion.uar(),
                "last_test_uar": fold.last_confusion.uar(),
                "pooled_test_uar": folds.test.uar(),
                "pooled_last_test_uar": folds.last_test.uar(),
                "seconds": (fold.seconds * 10.0).round() / 10.0,
            });
            self.observer.fold(claim.number, split.fold(), folds.done, value, &detail)?;
            let name = format!("fold{}", split.fold());
            let verdict = self.study.report(claim, step as u64, value, (&name, detail))?;
            // An earlier worker that reported more folds than this had decided to go on.
            let decided = claim.reported.is_some_and(|last| (step as u64) < last);
            if verdict == Verdict::Prune && !decided && folds.done < self.splits.len() {
                return end(Ending::Pruned);
            }
        }
        end(Ending::Complete(folds.value(settings.protocol)))
    }

    /// Trains one fold, unless an earlier worker did.
    fn fold(&self, claim: &Claim, settings: &CheckedSettings, split: &Split) -> Result<FoldResult> {
        let (fold, trial) = (split.fold(), claim.number);
        let identity = Identity::new(settings, 0, Some(split), self.source.fingerprint);
        let saved = claim.folder.join(format!("fold{fold}.json"));
        if saved.exists() {
            return read_fold(&saved, &identity).map_err(|error| error.at(saved.display()));
        }
        let task = Task::for_split(self.source.dataset, split, settings)?;
        let checkpoint = claim.folder.join(format!("fold{fold}.checkpoint"));
        let mut observe = |epoch: usize, record: &EpochRecord| self.observer.epoch(trial, fold, epoch, record);
        let outcome = fit(&identity, &task, &checkpoint, self.stop, &mut observe)?;
        let result = FoldResult::new(&outcome);
        files::write_json(&saved, &SavedFold { identity, result: result.clone() })?;
        files::remove(&checkpoint)?;
        Ok(result)
    }
}

fn read_fold(path: &Path, identity: &Identity) -> Result<FoldResult> {
    let advice = "delete it to train this fold again";
    let saved: SavedFold = serde_json::from_slice(&files::read(path)?)
        .map_err(|error| Error::new(Kind::Data, error.to_string()).advice(advice))?;
    match identity.difference(&saved.identity) {
        None => Ok(saved.result),
        Some(difference) => {
            let problem = format!("a fold trained with other settings or data: {difference}");
            Err(Error::new(Kind::Settings, problem).advice(advice))
        }
    }
}
