//! What trainings leave in files: a record a fold, a run's result, and the summary over runs.

use crate::calendar::date_of_day;
use reslstm::data::folds::Split;
use reslstm::models::Architecture;
use reslstm::train::metrics::{Confusion, Spread};
use reslstm::train::run::{EpochRecord, Other};
use reslstm::train::settings::{CheckedSettings, Protocol};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One training of one fold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldRecord {
    /// Who trained, validated, tested.
    pub split: Split,
    /// Epoch of the weights kept, from 0: the best on the validation speakers, the earliest of equals.
    pub best_epoch: usize,
    /// Its UAR on the validation speakers, where they stand apart.
    pub validation_uar: Option<f64>,
    /// UAR on the test speakers.
    pub test_uar: f64,
    /// Class predicted for each clip of the test speakers, in the order of the data.
    pub predictions: Vec<usize>,
    /// The same, counted: rows are the truth.
    pub confusion: Confusion,
    /// Seconds of training alone, the sum of those below.
    pub seconds: f64,
    /// What each epoch did.
    pub epochs: Epochs,
    /// What else the training predicts, where it is the average that is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Other>,
}

/// The epochs of a training: a column a quantity, as that is a third of the size of a record an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Epochs {
    /// Mean training loss, in nats a clip, to four significant digits.
    pub loss: Vec<f64>,
    /// UAR on the validation speakers, exact; empty where they do not stand apart.
    pub validation_uar: Vec<f64>,
    /// Seconds of training alone, to two significant digits.
    pub seconds: Vec<f64>,
}

impl Epochs {
    /// Of a training.
    pub fn of(history: &[EpochRecord]) -> Self {
        Epochs {
            loss: history.iter().map(|epoch| rounded(epoch.loss, 4)).collect(),
            validation_uar: history.iter().filter_map(|epoch| epoch.validation_uar).collect(),
            seconds: history.iter().map(|epoch| rounded(epoch.seconds, 2)).collect(),
        }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.loss.len()
    }
}

/// To this many significant digits: the decimal number of so many digits that is nearest.
fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits - 1).parse().expect("a number that was just written")
}

/// The folds of one seed, pooled: a run of the paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Number of the run, from 0.
    pub run: usize,
    /// What was trained and how.
    pub settings: CheckedSettings,
    /// Class names in order.
    pub labels: Vec<String>,
    /// Fingerprint of the data.
    pub data: String,
    /// Number of learned values of the model.
    pub parameters: usize,
    /// Scores of the pooled confusion matrix.
    pub scores: Scores,
    /// Pooled over the folds: rows are the truth.
    pub confusion: Confusion,
    /// Seconds of training alone, all folds.
    pub seconds: f64,
    /// Machine, date and program: what may differ between two runs of the same bytes.
    pub made: Made,
    /// UAR of what else the folds predict, pooled alike: by its name, and how many models it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherScore>,
    /// Each fold.
    pub folds: Vec<FoldRecord>,
}

/// How good another way to predict is than by the weights that are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherScore {
    /// Which way.
    pub name: String,
    /// Number of learned values of all models it takes.
    pub parameters: usize,
    /// Unweighted average recall.
    pub uar: f64,
}

impl RunResult {
    /// Of the folds of one run, whose confusion matrices are added up before anything is scored. What else is predicted counts
    /// where every fold does so.
    pub fn pool(
        run: usize,
        settings: &CheckedSettings,
        labels: Vec<String>,
        data: &str,
        parameters: usize,
        folds: Vec<FoldRecord>,
        made: Made,
    ) -> Self {
        let mut confusion = Confusion::new(labels.len());
        folds.iter().for_each(|fold| confusion.add(&fold.confusion));
        let ways = folds.first().map_or(&[][..], |fold| &fold.others).iter().map(|other| other.name.clone());
        let pooled = |name: String| {
            let all = folds.iter().map(|fold| fold.others.iter().find(|other| other.name == name));
            let all = all.collect::<Option<Vec<&Other>>>()?;
            let mut confusion = Confusion::new(labels.len());
            all.iter().for_each(|other| confusion.add(&other.confusion));
            let models = all.iter().map(|other| other.models).max().unwrap_or(0);
            Some(OtherScore { name, parameters: models * parameters, uar: confusion.uar() })
        };
        let others = ways.filter_map(pooled).collect();
        RunResult {
            run,
            settings: settings.clone(),
            scores: Scores::of(&confusion, &labels),
            labels,
            data: data.to_string(),
            parameters,
            confusion,
            seconds: folds.iter().map(|fold| fold.seconds).sum(),
            made,
            others,
            folds,
        }
    }
}

/// Where, when and by what a result was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Name of the machine.
    pub host: String,
    /// Worker threads.
    pub threads: usize,
    /// UTC, `2026-11-23`.
    pub date: String,
    /// Program and version.
    pub program: String,
}

impl Made {
    /// Here and now.
    pub fn now(threads: usize) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
            .or_else(|_| std::env::var("HOSTNAME").or_else(|_| std::env::var("COMPUTERNAME")))
            .map_or_else(|_| "unknown".into(), |name| name.trim().to_string());
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let date = date_of_day(since_epoch.map_or(0, |time| time.as_secs() / 86_400));
        Made { host, threads, date, program: program() }
    }
}

/// `reslstm` and its version.
pub fn program() -> String {
    format!("reslstm {}", env!("CARGO_PKG_VERSION"))
}

/// The scores of one confusion matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Unweighted average recall (Eq. 6).
    pub uar: f64,
    /// Weighted average recall: accuracy.
    pub war: f64,
    /// Mean F1 over classes.
    pub macro_f1: f64,
    /// Recall of each class, by name; null for a class that did not occur.
    pub recall: BTreeMap<String, Option<f64>>,
}

impl Scores {
    /// Of a confusion matrix whose classes are called `labels`.
    pub fn of(confusion: &Confusion, labels: &[String]) -> Self {
        let recall = labels.iter().cloned().zip(confusion.recalls()).collect();
        Scores { uar: confusion.uar(), war: confusion.war(), macro_f1: confusion.macro_f1(), recall }
    }
}

/// `summary.json`: one entry a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// In the order they were run.
    pub models: Vec<ModelSummary>,
}

/// One model under one protocol, over all its runs. The same bytes for the same settings, data and seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// The model.
    pub arch: Architecture,
    /// Its protocol.
    pub protocol: Protocol,
    /// Number of learned values.
    pub parameters: usize,
    /// UAR over runs, each pooled over the folds.
    pub uar: Spread,
    /// Accuracy over runs.
    pub war: Spread,
    /// Macro-F1 over runs.
    pub macro_f1: Spread,
    /// UAR over runs of what else the trainings predict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherSpread>,
    /// Recall of each class, of the confusion matrix below.
    pub recall: BTreeMap<String, Option<f64>>,
    /// Class names in order.
    pub labels: Vec<String>,
    /// Pooled over folds and runs: rows are the truth.
    pub confusion: Confusion,
    /// Folds of a run, by number.
    pub folds: Vec<usize>,
    /// What was trained and how.
    pub settings: CheckedSettings,
    /// Fingerprint of the data.
    pub data: String,
    /// Program and version.
    pub program: String,
}

/// Another way to predict than by the weights that are kept, over all runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherSpread {
    /// Which way.
    pub name: String,
    /// Number of learned values of all models it takes.
    pub parameters: usize,
    /// UAR over runs.
    pub uar: Spread,
}

impl ModelSummary {
    /// Over runs of one plan, at least one.
    pub fn of(runs: &[RunResult]) -> Self {
        let first = &runs[0];
        let mut confusion = Confusion::new(first.labels.len());
        runs.iter().for_each(|run| confusion.add(&run.confusion));
        let spread = |score: fn(&Scores) -> f64| Spread::of(runs.iter().map(|run| score(&run.scores)).collect());
        ModelSummary {
            arch: first.settings.arch,
            protocol: first.settings.protocol,
            parameters: first.parameters,
            uar: spread(|scores| scores.uar),
            war: spread(|scores| scores.war),
            macro_f1: spread(|scores| scores.macro_f1),
            others: first
                .others
                .iter()
                .enumerate()
                .map(|(way, other)| OtherSpread {
                    name: other.name.clone(),
                    parameters: other.parameters,
                    uar: Spread::of(runs.iter().map(|run| run.others[way].uar).collect()),
                })
                .collect(),
            recall: Scores::of(&confusion, &first.labels).recall,
            labels: first.labels.clone(),
            confusion,
            folds: first.folds.iter().map(|fold| fold.split.fold()).collect(),
            settings: first.settings.clone(),
            data: first.data.clone(),
            program: program(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_become_columns_and_only_what_nobody_scores_by_is_rounded() {
        let epoch = |loss, validation_uar, seconds| EpochRecord { loss, validation_uar: Some(validation_uar), seconds };
        let epochs = Epochs::of(&[epoch(2.079_441_5, 0.1 + 0.2, 0.341_49), epoch(0.000_123_456_7, 1.0 / 3.0, 12.351)]);
        assert_eq!(epochs.loss, [2.079, 0.000_123_5]);
        assert_eq!(epochs.validation_uar, [0.1 + 0.2, 1.0 / 3.0]);
        assert_eq!(epochs.seconds, [0.34, 12.0]);
        assert_eq!(epochs.count(), 2);
    }
}
