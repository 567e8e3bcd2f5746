//! Robustness: the models of a cross-validation on their test speakers in other
//! [conditions](reslstm::data::condition::Condition) than recorded, and the calibration of their probabilities.

use super::results::{NoSpeech, Scores};
use super::statistics::{Interval, bootstrap};
use reslstm::data::batch::Example;
use reslstm::data::condition::Condition;
use reslstm::data::{Clip, Dataset};
use reslstm::error::{Error, Kind, Result};
use reslstm::matrix::{Matrix, argmax};
use reslstm::models::branches::mean_probabilities;
use reslstm::models::{Metadata, ModelFile};
use reslstm::normalise::Normaliser;
use reslstm::train::calibration::Reliability;
use reslstm::train::metrics::{Confusion, Spread};
use reslstm::train::settings::CheckedSettings;
use reslstm::train::task::{Scratch, branch_scores, in_batching_order};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The model of one fold of a cross-validation, with its test clips.
#[derive(Clone, Debug)]
pub struct FoldModel {
    /// Number of the run.
    pub run: usize,
    file: ModelFile,
    settings: CheckedSettings,
    normaliser: Normaliser,
    /// The clips of its test speakers.
    test: Vec<usize>,
}

/// The scores of a fold's model for its test clips.
#[derive(Clone, Debug)]
pub struct FoldScores<'a> {
    model: &'a FoldModel,
    /// `[N,K]` of every branch.
    scores: Vec<Matrix<f32>>,
}

impl FoldModel {
    /// The model of a file, with its test clips in `dataset`, whose fingerprint is `fingerprint`.
    ///
    /// # Errors
    /// [`Kind::Model`] if the file does not name its fold; [`Kind::Data`] if the model was trained on other data.
    pub fn new(file: ModelFile, dataset: &Dataset, fingerprint: &str) -> Result<Self> {
        let wrong = |problem: &str| Error::new(Kind::Model, problem).advice("give a folder that cv made");
        let metadata = file.metadata().filter(|metadata| metadata.has_normalisation());
        let metadata = metadata.ok_or_else(|| wrong("expected a model with metadata, got a plain one"))?;
        if metadata.fold.is_none() {
            return Err(wrong("expected the model of a fold, got one trained on every speaker"));
        }
        if metadata.data_fingerprint != fingerprint {
            let theirs = &metadata.data_fingerprint;
            let problem =
                format!("expected the data the model was trained on, {theirs}, got other data, {fingerprint}");
            return Err(Error::new(Kind::Data, problem).advice("give the data that cv was given"));
        }
        let settings = CheckedSettings::of_model(metadata)?;
        let normaliser = Normaliser::new(metadata.mean.clone(), metadata.std.clone())?;
        let test = in_batching_order(dataset.clips_of(&metadata.test_speakers), dataset, settings.protocol);
        Ok(FoldModel { run: metadata.run, settings, normaliser, test, file })
    }

    /// The metadata of its file.
    pub fn metadata(&self) -> &Metadata {
        self.file.metadata().expect("the model of a fold has metadata")
    }

    /// The temperature that its scores are divided by; 1 without calibration.
    pub fn temperature(&self) -> f64 {
        self.metadata().temperature.unwrap_or(1.0)
    }

    /// Whether it was trained with clips in a condition.
    fn is_trained_with(&self, condition: Condition) -> bool {
        let augment = self.settings.augment.as_ref();
        augment.map_or(condition == Condition::AsRecorded, |augment| augment.draws(condition))
    }

    /// Scores its test clips, of all `clips`, which may be in another condition.
    ///
    /// # Errors
    /// [`Kind::Features`] if they do not have the model's number of columns.
    pub fn score(&self, clips: &[Clip]) -> Result<FoldScores<'_>> {
        // The label is not used here.
        let example = |&clip: &usize| Ok(Example { frames: self.normaliser.apply(&clips[clip].features)?, label: 0 });
        let examples = self.test.iter().map(example).collect::<Result<Vec<_>>>()?;
        let all: Vec<usize> = (0..examples.len()).collect();
        let scores = branch_scores(self.file.branches(), &self.settings, &examples, &all, &mut Scratch::default());
        Ok(FoldScores { model: self, scores })
    }
}

/// The results in all conditions, as `robustness` writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Robustness {
    /// Name of the cross-validation.
    pub name: String,
    /// Program and version.
    pub program: String,
    /// Class names, in the order of the confusion matrices.
    pub labels: Vec<String>,
    /// What must be said of the scores, if the models say anything.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub score_note: String,
    /// Mean temperature of the models; `None` if no model is calibrated.
    pub temperature: Option<f64>,
    /// As recorded first.
    pub conditions: Vec<ConditionResult>,
}

/// The result in one condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConditionResult {
    /// Name of the condition.
    pub condition: String,
    /// Whether every model was trained with clips in this condition. `None` in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained: Option<bool>,
    /// UAR over runs, each pooled over the folds.
    pub uar: Spread,
    /// Its mean as a share of that as recorded. `None` in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<f64>,
    /// 95 % interval of the mean UAR over draws of speakers.
    pub interval: Interval,
    /// Recall of each class in `confusion`.
    pub recall: BTreeMap<String, Option<f64>>,
    /// Pooled over folds and runs: rows are the truth.
    pub confusion: Confusion,
    /// Test clips that `predict` would give no label in this condition; the scores count them. `None` in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_speech: Option<NoSpeech>,
    /// Confidence and accuracy of the models.
    pub reliability: Reliability,
    /// The same without the temperature; `None` if no model is calibrated.
    pub uncalibrated: Option<Reliability>,
}

impl ConditionResult {
    /// Pools the scores of all folds for the clips of `dataset`, which is in this condition; `recorded` is the result as recorded,
    /// `None` if this is it.
    ///
    /// # Panics
    /// If there are no scores.
    pub fn new(
        condition: Condition,
        scores: &[FoldScores<'_>],
        dataset: &Dataset,
        recorded: Option<&ConditionResult>,
    ) -> Self {
        let (clips, labels) = (dataset.clips(), dataset.labels().names());
        let new = || Confusion::new(labels.len());
        let (mut runs, mut speakers, mut all) = (BTreeMap::new(), BTreeMap::new(), new());
        for fold in scores {
            for (clip, predicted, _) in fold.predictions(clips, 1.0) {
                runs.entry(fold.model.run).or_insert_with(new).count(clip.label, predicted);
                speakers.entry(&clip.speaker).or_insert_with(new).count(clip.label, predicted);
                all.count(clip.label, predicted);
            }
        }
        let reliability = |factor: fn(&FoldModel) -> f64| {
            let all = scores.iter().flat_map(|fold| fold.predictions(clips, factor(fold.model)));
            Reliability::from_predictions(
                all.map(|(clip, predicted, confidence)| (f64::from(confidence), predicted == clip.label)),
            )
        };
        let calibrated = scores.iter().any(|fold| fold.model.metadata().temperature.is_some());
        let uar = Spread::new(runs.values().map(Confusion::uar).collect());
        ConditionResult {
            condition: condition.to_string(),
            trained: Some(scores.iter().all(|fold| fold.model.is_trained_with(condition))),
            kept: Some(uar.mean / recorded.map_or(uar.mean, |recorded| recorded.uar.mean)),
            uar,
            interval: bootstrap(&speakers.into_values().collect::<Vec<_>>()),
            recall: Scores::new(&all, labels).recall,
            confusion: all,
            no_speech: NoSpeech::count(dataset, scores.iter().flat_map(|fold| fold.model.test.iter().copied())),
            reliability: reliability(|_| 1.0),
            uncalibrated: calibrated.then(|| reliability(FoldModel::temperature)),
        }
    }
}

impl FoldScores<'_> {
    /// Every test clip with its most probable class and the probability of that, after all scores are multiplied by `factor`.
    fn predictions<'a>(&self, clips: &'a [Clip], factor: f64) -> Vec<(&'a Clip, usize, f32)> {
        let mut scores = self.scores.clone();
        scores.iter_mut().flat_map(Matrix::as_mut_slice).for_each(|score| *score *= factor as f32);
        let probabilities = mean_probabilities(&scores);
        let most_probable = |(&clip, row): (&usize, &[f32])| {
            let class = argmax(row);
            (&clips[clip], class, row[class])
        };
        self.model.test.iter().zip(probabilities.iter_rows()).map(most_probable).collect()
    }
}

/// Mean temperature of the models; `None` if no model is calibrated.
pub fn mean_temperature(models: &[&FoldModel]) -> Option<f64> {
    let some = models.iter().any(|model| model.metadata().temperature.is_some());
    some.then(|| models.iter().map(|model| model.temperature()).sum::<f64>() / models.len() as f64)
}
