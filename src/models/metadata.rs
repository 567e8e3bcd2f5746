//! The description in a model file: everything besides the weights.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::branches::architecture_name;
use super::file::Shape;
use super::predictor::takes_features_only;
use super::{Architecture, Branches};
use crate::audio::FeatureSettings;
use crate::error::{Error, Kind, Result};
use crate::labels::Labels;
use crate::normalise::Normaliser;
use crate::prelude::*;

/// The largest growth of a temperature: twice the distance is then a thousand times the temperature.
pub const MOST_GROWTH: f64 = 10.0;

/// Where a model comes from and what it needs to be used.
///
/// A file must have the first five fields; the others may be empty. Fields that a later version adds
/// are skipped when an earlier one reads the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metadata {
    /// Version of this description; [`FORMAT`](Self::FORMAT) when written by this program.
    pub format: u32,
    /// The model's name, such as `reslstm-sa-h64`; the tensors must agree.
    pub architecture: String,
    /// Class names, `[K]`, class 0 first.
    pub labels: Labels,
    /// Sample rate of the training recordings, Hz. Others must be resampled to it.
    pub sample_rate: u32,
    /// How features are computed from a recording.
    pub features: FeatureSettings,
    /// The columns that each network of the file reads; none for an ordinary model.
    #[serde(default, skip_serializing_if = "Branches::is_none")]
    pub branches: Branches,
    /// Mean of every feature column, `[D]`; empty if the model takes features that are normalised already.
    #[serde(default)]
    pub mean: Vec<f64>,
    /// Standard deviation of every feature column, `[D]`, positive; empty when `mean` is.
    #[serde(default)]
    pub std: Vec<f64>,
    /// `strict`, `published` or `table1`: what training was allowed to see.
    #[serde(default)]
    pub protocol: String,
    /// The fold whose test speakers were left out of training; none if it was trained on all speakers.
    #[serde(default)]
    pub fold: Option<usize>,
    /// Which of several runs that differ in their seed alone, from 0.
    #[serde(default)]
    pub run: usize,
    /// The seed of initial values, order of clips and dropout.
    #[serde(default)]
    pub seed: u64,
    /// How many epochs the model was trained.
    #[serde(default)]
    pub epochs: usize,
    /// The epoch the weights are of, from 1; of the last weights, or an average, the last epoch. None without a fold.
    #[serde(default)]
    pub best_epoch: Option<usize>,
    /// Speakers of the training clips.
    #[serde(default)]
    pub train_speakers: Vec<String>,
    /// Speakers whose score chose the epoch.
    #[serde(default)]
    pub validation_speakers: Vec<String>,
    /// Speakers of the reported test score.
    #[serde(default)]
    pub test_speakers: Vec<String>,
    /// Scores by name, 0 to 1: `validation_uar`, `test_uar`, …
    #[serde(default)]
    pub scores: BTreeMap<String, f64>,
    /// What must be said of the scores: that they were chosen on the test speakers. Empty if nothing must.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub score_note: String,
    /// Temperature by which the last layer was divided after training, so that probabilities are calibrated for unseen speakers;
    /// none if it was not. With a growth, it is `T` of [`training_clips`](super::training_clips), and divided nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// `B` of [`training_clips`](super::training_clips): how the temperature grows with the distance of a clip from the training
    /// clips; none if it is the same for all clips.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_growth: Option<f64>,
    /// κ of a model trained with [enrolment](super::enrolment): the number of clips at which a speaker's statistics count as much as
    /// those of the training; none for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<f64>,
    /// The settings of the training, as its configuration file would say them.
    #[serde(default)]
    pub settings: serde_json::Value,
    /// Fingerprint of the training data.
    #[serde(default)]
    pub data_fingerprint: String,
    /// Hash of the content of the files of the training data; empty in models of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_content: String,
    /// Version of the program that wrote the file.
    #[serde(default)]
    pub program_version: String,
    /// The licence of the training data, which also holds for the weights.
    #[serde(default)]
    pub licence: String,
}

impl Metadata {
    /// The version of this description that this program writes, and the latest it reads.
    pub const FORMAT: u32 = 1;

    /// A description with the required fields; the others are empty.
    pub fn new(architecture: String, labels: Labels, sample_rate: u32, features: FeatureSettings) -> Self {
        Metadata {
            format: Self::FORMAT,
            architecture,
            labels,
            sample_rate,
            features,
            branches: Branches::default(),
            mean: Vec::new(),
            std: Vec::new(),
            protocol: String::new(),
            fold: None,
            run: 0,
            seed: 0,
            epochs: 0,
            best_epoch: None,
            train_speakers: Vec::new(),
            validation_speakers: Vec::new(),
            test_speakers: Vec::new(),
            scores: BTreeMap::new(),
            score_note: String::new(),
            temperature: None,
            temperature_growth: None,
            enrolment: None,
            settings: serde_json::Value::Null,
            data_fingerprint: String::new(),
            data_content: String::new(),
            program_version: env!("CARGO_PKG_VERSION").into(),
            licence: String::new(),
        }
    }

    /// Whether the file says how features are normalised. If not, the model takes normalised features and no recordings.
    pub fn has_normalisation(&self) -> bool {
        !self.mean.is_empty()
    }

    /// Mean and standard deviation of the feature columns of the training, `[D]`; none if the file does not have them.
    ///
    /// # Errors
    /// [`Kind::Features`], as [`Normaliser::new`]. The metadata of a [`ModelFile`](super::ModelFile) were checked.
    pub fn statistics(&self) -> Result<Option<Normaliser>> {
        self.has_normalisation().then(|| Normaliser::new(self.mean.clone(), self.std.clone())).transpose()
    }

    /// The normalisation of the feature columns of an unknown speaker, `[D]`; none if the file does not say it.
    ///
    /// # Errors
    /// As [`statistics`](Self::statistics).
    pub fn normaliser(&self) -> Result<Option<Normaliser>> {
        Ok(self.statistics()?.map(|training| training.without_speaker(self.features.level_column())))
    }

    /// The [`normaliser`](Self::normaliser) of a model that takes recordings.
    ///
    /// # Errors
    /// [`Kind::Model`] if it takes normalised features only.
    pub fn require_normaliser(&self) -> Result<Normaliser> {
        self.normaliser()?.ok_or_else(takes_features_only)
    }

    /// One line of JSON, keys sorted: the same description is always the same text.
    pub(super) fn to_json(&self) -> String {
        let mut value = serde_json::to_value(self).expect("text, numbers and lists are JSON");
        // Sorted already, unless another crate of the program asks serde_json to keep the order of insertion.
        value.sort_all_objects();
        value.to_string()
    }

    pub(super) fn from_json(json: &str) -> Result<Self> {
        let wrong = |problem: String| Error::new(Kind::Model, problem).at("metadata");
        let unreadable = |error: serde_json::Error| Error::caused_by(Kind::Model, error).at("metadata");
        let value: serde_json::Value = serde_json::from_slice(json.as_bytes()).map_err(unreadable)?;
        // Checked first: what a later version means by the other fields is not known here.
        let format = value.get("format").and_then(serde_json::Value::as_u64);
        if let Some(later) = format.filter(|&format| format > u64::from(Self::FORMAT)) {
            return Err(wrong(format!("expected format {} or earlier, got {later}", Self::FORMAT))
                .advice("the file was written by a later version of this program: use that one"));
        }
        serde_json::from_value(value).map_err(unreadable)
    }

    /// Checks that this is a description of `networks`; the columns that each of them reads.
    pub(super) fn check(&self, networks: &[Shape]) -> Result<Vec<Vec<usize>>> {
        let wrong = |problem: String| Err(Error::new(Kind::Model, problem).at("metadata"));
        if networks.len() != self.branches.count() {
            let (networks, count) = (networks.len(), self.branches.count());
            return wrong(format!("expected {count} branches, {}, got {networks}", self.branches));
        }
        let (_, width, _) = networks[0];
        let architecture = architecture_name(&networks.iter().map(|shape| shape.0).collect::<Vec<Architecture>>());
        if self.architecture != architecture {
            return wrong(format!(
                "expected architecture {architecture} as the tensors say, got {}",
                self.architecture
            ));
        }
        if let Some((_, _, classes)) = networks.iter().find(|(_, _, classes)| self.labels.len() != *classes) {
            return wrong(format!("expected {classes} labels, one per class, got {}", self.labels.len()));
        }
        let damaged = |error| Error::caused_by(Kind::Model, error).at("metadata").advice("the file is damaged");
        self.features.validate().map_err(damaged)?;
        let inputs = if self.branches.is_none() { width } else { self.features.width() };
        if self.features.width() != inputs {
            let width = self.features.width();
            return wrong(format!("expected features of {inputs} columns as the tensors say, got {width}"));
        }
        let columns = self.branches.columns(&self.features, inputs).map_err(damaged)?;
        for (number, (columns, &(_, inputs, _))) in columns.iter().zip(networks).enumerate() {
            if columns.len() != inputs {
                let group = &self.branches.groups()[number];
                return wrong(format!(
                    "branch {number}: expected {inputs} columns as the tensors say, got {} of {group}",
                    columns.len()
                ));
            }
        }
        let widths = [self.mean.len(), self.std.len()];
        if widths != [0, 0] && widths != [inputs, inputs] {
            return wrong(format!("expected mean and std of {inputs} columns each, or none, got {widths:?}"));
        }
        self.statistics().map_err(damaged)?;
        if let Some(temperature) =
            self.temperature.filter(|temperature| !(temperature.is_finite() && *temperature > 0.0))
        {
            return wrong(format!("expected a temperature above 0, got {temperature}"));
        }
        if let Some(growth) = self.temperature_growth {
            if !(0.0..=MOST_GROWTH).contains(&growth) {
                return wrong(format!("expected a growth of the temperature of 0 to {MOST_GROWTH}, got {growth}"));
            }
            if self.temperature.is_none() {
                return wrong("expected a temperature, as it is to grow, got none".into());
            }
        }
        if let Some(kappa) = self.enrolment.filter(|kappa| !(kappa.is_finite() && *kappa > 0.0)) {
            return wrong(format!("expected enrolment above 0 clips, got {kappa}"));
        }
        if let Some((name, score)) = self.scores.iter().find(|(_, score)| !score.is_finite()) {
            return wrong(format!("score {name}: expected a number, got {score}"));
        }
        Ok(columns)
    }
}
