//! Robustness: the models of a cross-validation on their test speakers in other
//! [conditions](reslstm::data::condition::Condition) than recorded, and the calibration of their probabilities.

use super::results::{NoSpeech, Scores};
use super::statistics::{Interval, bootstrap};
use super::temperature::Temperature;
use rayon::prelude::*;
use reslstm::data::batch::Example;
use reslstm::data::condition::Condition;
use reslstm::data::{Clip, Dataset};
use reslstm::error::{Error, Kind, Result};
use reslstm::matrix::{Matrix, argmax};
use reslstm::models::branches::mean_probabilities;
use reslstm::models::{Metadata, ModelFile, Precision};
use reslstm::normalise::{ColumnSums, Normaliser};
use reslstm::train::calibration::{Reliability, fit_branches_temperature, fit_growing_temperature};
use reslstm::train::metrics::{Confusion, Spread};
use reslstm::train::settings::CheckedSettings;
use reslstm::train::task::{Scratch, branch_scores, in_batching_order};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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

/// Leaves scores as they are.
const AS_IT_IS: Temperature = Temperature::Constant(1.0);

/// The scores of a fold's model for its test clips.
#[derive(Clone, Debug)]
pub struct FoldScores<'a> {
    model: &'a FoldModel,
    /// `[N,K]` of every branch.
    scores: Vec<Matrix<f32>>,
    /// From the training clips, `[N]`; none of a model that does not hold where they lie.
    distances: Option<Vec<f32>>,
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
        let normaliser = metadata.require_normaliser()?;
        let test = in_batching_order(dataset.clips_of(&metadata.test_speakers), dataset, settings.protocol);
        Ok(FoldModel { run: metadata.run, settings, normaliser, test, file })
    }

    /// The metadata of its file.
    pub fn metadata(&self) -> &Metadata {
        self.file.metadata().expect("the model of a fold has metadata")
    }

    /// Number of its fold.
    fn fold(&self) -> usize {
        self.metadata().fold.expect("the model of a fold says which")
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

    /// Scores its test clips, of all `clips`, which may be in another condition, by weights of fewer bits if a `precision` is given.
    ///
    /// # Errors
    /// [`Kind::Features`] if they do not have the model's number of columns.
    pub fn score(&self, precision: Option<Precision>, clips: &[Clip]) -> Result<FoldScores<'_>> {
        // The label is not used here.
        let example = |&clip: &usize| Ok(Example { frames: self.normaliser.apply(&clips[clip].features)?, label: 0 });
        let examples = self.test.iter().map(example).collect::<Result<Vec<_>>>()?;
        let distance =
            |example: &Example<f32>| Some(self.file.training_clips()?.distance(&ColumnSums::of(&example.frames)));
        let distances = examples.iter().map(distance).collect();
        let all: Vec<usize> = (0..examples.len()).collect();
        let score =
            |file: &ModelFile| branch_scores(file.branches(), &self.settings, &examples, &all, &mut Scratch::default());
        let scores = match precision {
            None => score(&self.file),
            Some(precision) => score(&ModelFile::from_bytes(&self.file.to_bytes_with(precision))?),
        };
        Ok(FoldScores { model: self, scores, distances })
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
    /// A temperature for the model that is trained on all speakers; `None` if the models are calibrated, or if none fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooled_temperature: Option<PooledTemperature>,
    /// As recorded first.
    pub conditions: Vec<ConditionResult>,
}

/// The result in one condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConditionResult {
    /// Name of the condition, or of the weights' type.
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
    /// The same with the pooled temperature of the other folds; `None` if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooled: Option<Reliability>,
}

/// The scores of all models in one condition.
#[derive(Debug)]
pub struct ConditionScores<'a> {
    /// Name of the row.
    pub name: String,
    /// The condition.
    pub condition: Condition,
    /// Those of every model, for its test clips.
    pub folds: Vec<FoldScores<'a>>,
    /// Test clips that `predict` would give no label.
    pub no_speech: Option<NoSpeech>,
}

impl<'a> ConditionScores<'a> {
    /// Of all models; `dataset` is in this condition.
    pub fn new(name: String, condition: Condition, folds: Vec<FoldScores<'a>>, dataset: &Dataset) -> Self {
        let no_speech = NoSpeech::count(dataset, folds.iter().flat_map(|fold| fold.model.test.iter().copied()));
        ConditionScores { name, condition, folds, no_speech }
    }

    /// Whether every model was trained with clips in this condition.
    fn is_trained(&self) -> bool {
        self.folds.iter().all(|fold| fold.model.is_trained_with(self.condition))
    }
}

/// A temperature for models without validation speakers: fitted on what each model says of its own test speakers, as recorded and
/// in the conditions of its training. It is for the model trained on all speakers, which has none left for a fit. The models
/// themselves are judged with the temperature of the other folds, whose test speakers are other people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PooledTemperature {
    /// Fitted on all folds, for `train --all --temperature`.
    pub all: Temperature,
    /// By number of a fold: fitted on the other folds.
    pub without_fold: BTreeMap<usize, Temperature>,
    /// The conditions of the fit.
    pub conditions: Vec<String>,
}

impl PooledTemperature {
    /// Fits the temperatures; `None` if the models are calibrated already, or if there is one fold only, or no temperature fits. Models
    /// with different numbers of branches, as `nested` may choose them, get none either, which a note says.
    pub fn fit(all: &[ConditionScores<'_>], clips: &[Clip]) -> Option<Self> {
        let fitted: Vec<_> = all.iter().filter(|it| it.condition == Condition::AsRecorded || it.is_trained()).collect();
        let scores: Vec<&FoldScores<'_>> = fitted.iter().flat_map(|it| &it.folds).collect();
        if scores.iter().any(|fold| fold.model.metadata().temperature.is_some()) {
            return None;
        }
        let branches = |fold: &&FoldScores<'_>| fold.scores.len();
        if scores.iter().any(|fold| branches(fold) != branches(&scores[0])) {
            message!("note: no pooled temperature: the models have different numbers of branches");
            return None;
        }
        let folds: BTreeSet<usize> = scores.iter().map(|fold| fold.model.fold()).collect();
        let without = |left_out: &usize| {
            let others = scores.iter().filter(|fold| fold.model.fold() != *left_out).copied();
            Some((*left_out, temperature_of(others.collect(), clips)?))
        };
        let without_fold = folds.par_iter().map(without).collect::<Option<_>>()?;
        let conditions = fitted.iter().map(|it| it.name.clone()).collect();
        Some(PooledTemperature { all: temperature_of(scores, clips)?, without_fold, conditions })
    }
}

/// The temperature that fits scores best, of models with equal numbers of branches; `None` if there are none, or none fits. It grows with
/// the distance from the training clips if all models hold where these lie.
fn temperature_of(folds: Vec<&FoldScores<'_>>, clips: &[Clip]) -> Option<Temperature> {
    let labels: Vec<usize> = folds.iter().flat_map(|fold| &fold.model.test).map(|&clip| clips[clip].label).collect();
    let branches = folds.first()?.scores.len();
    let of_branch = |branch: usize| {
        let rows = folds.iter().flat_map(|fold| fold.scores[branch].as_slice()).copied().collect();
        Matrix::from_vec(labels.len(), folds[0].scores[branch].cols(), rows)
    };
    let scores: Vec<Matrix<f32>> = (0..branches).map(of_branch).collect();
    match folds.iter().map(|fold| fold.distances.as_deref()).collect::<Option<Vec<_>>>() {
        Some(distances) => {
            let fitted = fit_growing_temperature(&mean_probabilities(&scores), &distances.concat(), &labels);
            fitted.map(|[temperature, growth]| Temperature::Growing(temperature, growth))
        }
        None => fit_branches_temperature(&scores, &labels).map(Temperature::Constant),
    }
}

impl ConditionResult {
    /// Pools the scores of all folds, whose clips are those of `dataset`; `recorded` is the result as recorded, `None` if this is it.
    ///
    /// # Panics
    /// If there are no scores.
    pub fn new(
        scores: &ConditionScores<'_>,
        dataset: &Dataset,
        temperature: Option<&PooledTemperature>,
        recorded: Option<&ConditionResult>,
    ) -> Self {
        let (clips, labels) = (dataset.clips(), dataset.labels().names());
        let trained = scores.is_trained();
        let ConditionScores { name, folds: scores, no_speech, .. } = scores;
        let new = || Confusion::new(labels.len());
        let (mut runs, mut speakers, mut all) = (BTreeMap::new(), BTreeMap::new(), new());
        for fold in scores {
            for (clip, predicted, _) in fold.predictions(clips, AS_IT_IS) {
                runs.entry(fold.model.run).or_insert_with(new).count(clip.label, predicted);
                speakers.entry(&clip.speaker).or_insert_with(new).count(clip.label, predicted);
                all.count(clip.label, predicted);
            }
        }
        let reliability = |temperature: &dyn Fn(&FoldModel) -> Temperature| {
            let all = scores.iter().flat_map(|fold| fold.predictions(clips, temperature(fold.model)));
            Reliability::from_predictions(
                all.map(|(clip, predicted, confidence)| (f64::from(confidence), predicted == clip.label)),
            )
        };
        let calibrated = scores.iter().any(|fold| fold.model.metadata().temperature.is_some());
        let uar = Spread::new(runs.values().map(Confusion::uar).collect());
        ConditionResult {
            condition: name.clone(),
            trained: Some(trained),
            kept: Some(uar.mean / recorded.map_or(uar.mean, |recorded| recorded.uar.mean)),
            uar,
            interval: bootstrap(&speakers.into_values().collect::<Vec<_>>()),
            recall: Scores::new(&all, labels).recall,
            confusion: all,
            no_speech: *no_speech,
            reliability: reliability(&|_| AS_IT_IS),
            uncalibrated: calibrated.then(|| reliability(&|model| Temperature::Constant(1.0 / model.temperature()))),
            pooled: temperature.map(|temperature| reliability(&|model| temperature.without_fold[&model.fold()])),
        }
    }
}

impl FoldScores<'_> {
    /// Every test clip with its most probable class and the probability of that, at a temperature.
    fn predictions<'a>(&self, clips: &'a [Clip], temperature: Temperature) -> Vec<(&'a Clip, usize, f32)> {
        let mut scores = self.scores.clone();
        if let Temperature::Constant(temperature) = temperature {
            scores.iter_mut().flat_map(Matrix::as_mut_slice).for_each(|score| *score *= (1.0 / temperature) as f32);
        }
        let mut probabilities = mean_probabilities(&scores);
        for (n, &distance) in self.distances.iter().flatten().enumerate() {
            temperature.temper(probabilities.row_mut(n), distance);
        }
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
