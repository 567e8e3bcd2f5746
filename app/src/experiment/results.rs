//! The records that trainings write: one per fold, one per run, and the summary over runs.

use crate::calendar::today;
use crate::files;
use reslstm::data::Dataset;
use reslstm::data::folds::Split;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::Architecture;
use reslstm::train::metrics::{self, Confusion, Spread};
use reslstm::train::run::{EnrolmentResult, EpochRecord, PredictorVariant};
use reslstm::train::settings::{CheckedSettings, Protocol};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One training of one fold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldRecord {
    /// Training, validation and test speakers.
    pub split: Split,
    /// Epoch of the kept weights, from 0. With best weights it is the best on the validation speakers (under the table1 protocol on
    /// the test speakers), the earliest of equals.
    pub best_epoch: usize,
    /// UAR of that epoch on the validation speakers, if they do not train.
    pub validation_uar: Option<f64>,
    /// UAR on the test speakers.
    pub test_uar: f64,
    /// Class predicted for each clip of the test speakers, in the order of the data.
    pub predictions: Vec<usize>,
    /// The counts of these predictions: rows are the truth.
    pub confusion: Confusion,
    /// Test clips that `predict` would give no label; the scores count them. `None` in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_speech: Option<NoSpeech>,
    /// Seconds of training alone, the sum over the epochs.
    pub seconds: f64,
    /// Loss, score and time of each epoch.
    pub epochs: Epochs,
    /// The test clips with enrolment, by the number of the speaker's clips: transductive; empty in a training without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enrolment: Vec<EnrolmentResult>,
    /// Predictor variants of the training, if the kept weights are an average.
    #[serde(rename = "others", default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<PredictorVariant>,
}

impl FoldRecord {
    /// Refuses a record that was not written by a training with so many classes: numbers out of range, counts that do not agree.
    ///
    /// # Errors
    /// [`Kind::Data`], naming the first of them.
    pub fn check(&self, classes: usize) -> Result<()> {
        let (clips, fold) = (self.predictions.len(), self.split.fold());
        let wrong = |problem: String| Err(Error::new(Kind::Data, problem).at(format!("fold {fold}")));
        let kept = ("the kept weights", &self.predictions, &self.confusion);
        let variants = self.variants.iter().map(|it| (it.name.as_str(), &it.predictions, &it.confusion));
        let enrolled = self.enrolment.iter().map(|it| ("enrolment", &it.predictions, &it.confusion));
        for (name, predictions, confusion) in [kept].into_iter().chain(variants).chain(enrolled) {
            let counted = (predictions.len(), confusion.rows().len(), confusion.total());
            if counted != (clips, classes, clips as u64) || predictions.iter().any(|&class| class >= classes) {
                return wrong(format!("{name}: expected {clips} predictions of {classes} classes, and their counts"));
            }
        }
        let Epochs { loss, validation_uar, test_correct, seconds } = &self.epochs;
        let epochs = loss.len();
        let columns = [validation_uar.len(), test_correct.len()].iter().all(|length| [0, epochs].contains(length));
        if !columns || seconds.len() != epochs || self.best_epoch >= epochs {
            return wrong(format!("expected records of {epochs} epochs, and the best of them"));
        }
        let occurred = self.confusion.occurred();
        let possible = |correct: &Vec<u64>| {
            correct.len() == classes && correct.iter().zip(&occurred).all(|(correct, occurred)| correct <= occurred)
        };
        if !test_correct.iter().all(possible) {
            return wrong(format!("test_correct: expected counts of {classes} classes in each epoch"));
        }
        let scores = validation_uar.iter().chain(&self.validation_uar).chain([&self.test_uar]);
        match scores.copied().find(|score| !(0.0..=1.0).contains(score)) {
            Some(score) => wrong(format!("expected scores from 0 to 1, got {score}")),
            None => Ok(()),
        }
    }

    /// UAR on the test speakers after each epoch; empty but under the table1 protocol.
    pub fn test_uars(&self) -> Vec<f64> {
        let occurred = self.confusion.occurred();
        self.epochs.test_correct.iter().map(|correct| metrics::uar(correct, &occurred)).collect()
    }
}

/// The epochs of a training: one column per quantity, a third of the size of one record per epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Epochs {
    /// Mean training loss in nats per clip, to four significant digits.
    pub loss: Vec<f64>,
    /// UAR on the validation speakers, exact; empty if they train too.
    pub validation_uar: Vec<f64>,
    /// Recognised test clips of each class, `[K]`, under the table1 protocol; empty under the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_correct: Vec<Vec<u64>>,
    /// Seconds of training alone, to two significant digits.
    pub seconds: Vec<f64>,
}

impl Epochs {
    /// Of a training.
    pub fn new(history: &[EpochRecord]) -> Self {
        Epochs {
            loss: history.iter().map(|epoch| rounded(epoch.loss, 4)).collect(),
            validation_uar: history.iter().filter_map(|epoch| epoch.validation_uar).collect(),
            test_correct: history.iter().map(|epoch| epoch.test_correct.clone()).filter(|it| !it.is_empty()).collect(),
            seconds: history.iter().map(|epoch| rounded(epoch.seconds, 2)).collect(),
        }
    }

    /// Number of epochs.
    pub fn count(&self) -> usize {
        self.loss.len()
    }
}

/// Rounds to a number of significant digits: the nearest decimal number.
fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits - 1).parse().expect("a number that was just written")
}

/// The folds of one seed, pooled: a run of the paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Number of the run, from 0.
    pub run: usize,
    /// Model and training settings.
    pub settings: CheckedSettings,
    /// Class names in order.
    pub labels: Vec<String>,
    /// Fingerprint of the data.
    pub data: String,
    /// Number of parameters of the model; of an ensemble, of all its networks.
    pub parameters: usize,
    /// Number of networks whose probabilities are averaged; none for an ordinary model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<usize>,
    /// Scores of the pooled confusion matrix.
    pub scores: Scores,
    /// What must be said of the scores: [`Protocol::score_note`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_note: Option<String>,
    /// Pooled over the folds: rows are the truth.
    pub confusion: Confusion,
    /// The sum over the folds. `None` in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_speech: Option<NoSpeech>,
    /// Seconds of training alone, all folds.
    pub seconds: f64,
    /// Machine, date and program: these may differ between two runs that give the same bytes otherwise.
    pub made: Made,
    /// Scores with enrolment, pooled in the same way: transductive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enrolment: Vec<EnrolmentScore>,
    /// UAR of the predictor variants, pooled in the same way.
    #[serde(rename = "others", default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantScore>,
    /// The folds.
    pub folds: Vec<FoldRecord>,
}

/// The score with some clips of each test speaker, without their labels: transductive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnrolmentScore {
    /// Number of clips: `8`, or `all`.
    pub clips: String,
    /// Unweighted average recall.
    pub uar: f64,
}

/// Scores with enrolment over all runs: transductive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnrolmentSpread {
    /// Number of clips: `8`, or `all`.
    pub clips: String,
    /// UAR over runs.
    pub uar: Spread,
}

/// The score of a predictor variant: an ensemble of the models or speeds of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariantScore {
    /// Its name.
    pub name: String,
    /// Number of parameters of all its models.
    pub parameters: usize,
    /// Unweighted average recall.
    pub uar: f64,
}

impl RunResult {
    /// Pools the folds of one run: their confusion matrices are added before anything is scored. A predictor variant counts if
    /// every fold has it.
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
        let names = folds.first().map_or(&[][..], |fold| &fold.variants).iter().map(|variant| variant.name.clone());
        let pooled = |name: String| {
            let all = folds.iter().map(|fold| fold.variants.iter().find(|variant| variant.name == name));
            let all = all.collect::<Option<Vec<&PredictorVariant>>>()?;
            let mut confusion = Confusion::new(labels.len());
            all.iter().for_each(|variant| confusion.add(&variant.confusion));
            let models = all.iter().map(|variant| variant.models).max().unwrap_or(0);
            Some(VariantScore { name, parameters: models.saturating_mul(parameters), uar: confusion.uar() })
        };
        let variants = names.filter_map(pooled).collect();
        let counts = folds.first().map_or(&[][..], |fold| &fold.enrolment).iter().map(|result| result.clips.clone());
        let enrolled = |clips: String| {
            let all = folds.iter().map(|fold| fold.enrolment.iter().find(|result| result.clips == clips));
            let mut confusion = Confusion::new(labels.len());
            all.collect::<Option<Vec<_>>>()?.iter().for_each(|result| confusion.add(&result.confusion));
            Some(EnrolmentScore { clips, uar: confusion.uar() })
        };
        let enrolment = counts.filter_map(enrolled).collect();
        RunResult {
            run,
            settings: settings.clone(),
            scores: Scores::new(&confusion, &labels),
            score_note: settings.protocol.score_note().map(String::from),
            labels,
            data: data.to_string(),
            parameters,
            ensemble: Some(settings.branches.count()).filter(|_| !settings.branches.is_none()),
            confusion,
            no_speech: NoSpeech::sum(folds.iter().map(|fold| fold.no_speech)),
            seconds: folds.iter().map(|fold| fold.seconds).sum(),
            made,
            enrolment,
            variants,
            folds,
        }
    }
}

/// Clips in which nobody speaks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoSpeech {
    /// Their number.
    pub clips: usize,
    /// The number of all clips that were scored.
    pub of: usize,
}

impl NoSpeech {
    /// Counts them among `scored`, each clip once; `None` where the sound of the clips is not known.
    pub fn count(dataset: &Dataset, scored: impl IntoIterator<Item = usize>) -> Option<Self> {
        let sounds = dataset.sounds()?;
        let scored: BTreeSet<usize> = scored.into_iter().collect();
        let clips = scored.iter().filter(|&&clip| !sounds[clip].has_speech).count();
        Some(NoSpeech { clips, of: scored.len() })
    }

    /// The counts of several groups of clips together; `None` if that of one is not known.
    pub fn sum(groups: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        groups.into_iter().try_fold(NoSpeech { clips: 0, of: 0 }, |sum, group| {
            let NoSpeech { clips, of } = group?;
            Some(NoSpeech { clips: sum.clips + clips, of: sum.of + of })
        })
    }

    /// Their share, 0 to 1.
    pub fn share(&self) -> f64 {
        self.clips as f64 / self.of.max(1) as f64
    }
}

impl fmt::Display for NoSpeech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoSpeech { clips, of } = self;
        let percent = 100.0 * self.share();
        write!(
            f,
            "nobody speaks in {clips} of {of} clips ({percent:.1} %): predict gives them no label, the scores count them"
        )
    }
}

/// Machine, date and program of a result.
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
    /// This machine and program, today.
    pub fn now(threads: usize) -> Self {
        let host = files::read_text("/proc/sys/kernel/hostname".as_ref())
            .or_else(|_| std::env::var("HOSTNAME").or_else(|_| std::env::var("COMPUTERNAME")))
            .map_or_else(|_| "unknown".into(), |name| name.trim().to_string());
        Made { host, threads, date: today(), program: program() }
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
    /// Scores a confusion matrix whose classes have the names `labels`.
    pub fn new(confusion: &Confusion, labels: &[String]) -> Self {
        let recall = labels.iter().cloned().zip(confusion.recalls()).collect();
        Scores { uar: confusion.uar(), war: confusion.war(), macro_f1: confusion.macro_f1(), recall }
    }
}

/// `summary.json`: one entry per model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// In the order of the command.
    pub models: Vec<ModelSummary>,
}

/// One model under one protocol, over all its runs. The same settings, data and seed give the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// The model.
    pub arch: Architecture,
    /// Its protocol.
    pub protocol: Protocol,
    /// What must be said of the scores: [`Protocol::score_note`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_note: Option<String>,
    /// Number of parameters; of an ensemble, of all its networks.
    pub parameters: usize,
    /// Number of networks whose probabilities are averaged; none for an ordinary model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<usize>,
    /// UAR over runs, each pooled over the folds.
    pub uar: Spread,
    /// Accuracy over runs.
    pub war: Spread,
    /// Macro-F1 over runs.
    pub macro_f1: Spread,
    /// UAR over runs with enrolment: transductive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enrolment: Vec<EnrolmentSpread>,
    /// UAR over runs of the predictor variants.
    #[serde(rename = "others", default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantSpread>,
    /// Scores on each corpus that a fold leaves out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corpora: Vec<CorpusSpread>,
    /// Recall of each class in `confusion`.
    pub recall: BTreeMap<String, Option<f64>>,
    /// Class names in order.
    pub labels: Vec<String>,
    /// Pooled over folds and runs: rows are the truth.
    pub confusion: Confusion,
    /// Test clips that `predict` would give no label; the scores count them. `None` in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_speech: Option<NoSpeech>,
    /// Numbers of the folds of a run.
    pub folds: Vec<usize>,
    /// Model and training settings.
    pub settings: CheckedSettings,
    /// Fingerprint of the data.
    pub data: String,
    /// Program and version.
    pub program: String,
}

/// The scores over all runs on a corpus that was left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorpusSpread {
    /// Its name.
    pub name: String,
    /// Number of its clips.
    pub clips: u64,
    /// UAR over runs.
    pub uar: Spread,
    /// Accuracy over runs.
    pub war: Spread,
    /// Macro-F1 over runs.
    pub macro_f1: Spread,
}

impl CorpusSpread {
    /// Of the fold at this place in every run; `None` if it does not leave out a corpus.
    fn new(runs: &[RunResult], place: usize) -> Option<Self> {
        let first = &runs[0].folds[place];
        let spread = |score: fn(&Confusion) -> f64| {
            Spread::new(runs.iter().map(|run| score(&run.folds[place].confusion)).collect())
        };
        Some(CorpusSpread {
            name: first.split.corpus()?.to_string(),
            clips: first.confusion.total(),
            uar: spread(Confusion::uar),
            war: spread(Confusion::war),
            macro_f1: spread(Confusion::macro_f1),
        })
    }
}

/// A predictor variant over all runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariantSpread {
    /// Its name.
    pub name: String,
    /// Number of parameters of all its models.
    pub parameters: usize,
    /// UAR over runs.
    pub uar: Spread,
}

impl ModelSummary {
    /// Summarises runs of one plan, at least one.
    pub fn new(runs: &[RunResult]) -> Self {
        let first = &runs[0];
        let mut confusion = Confusion::new(first.labels.len());
        runs.iter().for_each(|run| confusion.add(&run.confusion));
        let spread = |score: fn(&Scores) -> f64| Spread::new(runs.iter().map(|run| score(&run.scores)).collect());
        ModelSummary {
            arch: first.settings.arch,
            protocol: first.settings.protocol,
            score_note: first.score_note.clone(),
            parameters: first.parameters,
            ensemble: first.ensemble,
            uar: spread(|scores| scores.uar),
            war: spread(|scores| scores.war),
            macro_f1: spread(|scores| scores.macro_f1),
            enrolment: (0..first.enrolment.len())
                .map(|place| EnrolmentSpread {
                    clips: first.enrolment[place].clips.clone(),
                    uar: Spread::new(runs.iter().map(|run| run.enrolment[place].uar).collect()),
                })
                .collect(),
            variants: first
                .variants
                .iter()
                .enumerate()
                .map(|(place, variant)| VariantSpread {
                    name: variant.name.clone(),
                    parameters: variant.parameters,
                    uar: Spread::new(runs.iter().map(|run| run.variants[place].uar).collect()),
                })
                .collect(),
            corpora: (0..first.folds.len()).filter_map(|place| CorpusSpread::new(runs, place)).collect(),
            recall: Scores::new(&confusion, &first.labels).recall,
            labels: first.labels.clone(),
            confusion,
            no_speech: first.no_speech,
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
    fn epochs_become_columns_and_only_losses_and_times_are_rounded() {
        let epoch = |loss, validation_uar, seconds| EpochRecord {
            loss,
            validation_uar: Some(validation_uar),
            test_correct: vec![3, 1],
            seconds,
        };
        let epochs = Epochs::new(&[epoch(2.079_441_5, 0.1 + 0.2, 0.341_49), epoch(0.000_123_456_7, 1.0 / 3.0, 12.351)]);
        assert_eq!(epochs.loss, [2.079, 0.000_123_5]);
        assert_eq!(epochs.validation_uar, [0.1 + 0.2, 1.0 / 3.0]);
        assert_eq!(epochs.seconds, [0.34, 12.0]);
        assert_eq!(epochs.test_correct, [[3, 1], [3, 1]]);
        assert_eq!(epochs.count(), 2);
    }
}
