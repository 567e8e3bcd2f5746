//! Enrolment: a model that knows the mean and standard deviation of a speaker's features, from clips without labels.
//!
//! A model trained with [`enrolment`](crate::models::Metadata::enrolment) normalises features by statistics between those of its
//! training and those of the speaker: [`Normaliser::shrunk`]. It also learns how loud the speaker is, if its features have a level
//! column. Without clips it is the model without enrolment, to the bit. What is
//! predicted with the help of the tested speaker's clips is *transductive*: its scores are never those of unknown speakers.

use super::{Metadata, ModelFile};
use crate::audio::FeatureSettings;
use crate::error::{Error, Kind, Result};
use crate::normalise::{ColumnSums, Normaliser};
use crate::prelude::*;
use serde::{Deserialize, Serialize};

/// A speaker who shows one emotion is assumed from this many clips on,
const FEWEST_CLIPS: usize = 4;
/// if the model gives this share of the clips the same label,
const MOST_OF_ONE_LABEL: f64 = 0.8;
/// or if half of the columns spread less than this, in standard deviations of the training.
const LEAST_SPREAD: f64 = 0.5;

/// The statistics of a speaker's features. No sound can be made from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Profile {
    /// Number of clips, `k`.
    pub clips: usize,
    /// Number of their frames.
    pub frames: u64,
    /// The settings of the features, which are those of the model.
    pub features: FeatureSettings,
    /// Sample rate of the recordings, Hz.
    pub sample_rate: u32,
    /// Mean and standard deviation of every column, `[D]` each.
    pub statistics: Normaliser,
    /// Why the clips seem to show one emotion only; none if they do not. Such statistics mislead: the emotion becomes the neutral.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl Profile {
    /// The profile in the bytes of a file, JSON as `reslstm enrol` writes it.
    ///
    /// # Errors
    /// [`Kind::Data`] if it is none.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let unreadable = |error: serde_json::Error| Error::caused_by(Kind::Data, error).at("profile");
        // By way of a value, as metadata are read: a microcontroller has the code once.
        serde_json::from_slice(bytes).and_then(serde_json::from_value).map_err(unreadable)
    }

    /// Checks that a model can use this profile, and gives its κ.
    fn check(&self, metadata: &Metadata) -> Result<f64> {
        let kappa = kappa(metadata)?;
        if (&self.features, self.sample_rate) != (&metadata.features, metadata.sample_rate) {
            let settings = |rate: u32, features: &FeatureSettings| {
                format!("{} at {rate} Hz", serde_json::to_string(features).expect("numbers are JSON"))
            };
            let problem = format!(
                "expected a profile of the features of the model, {}, got {}",
                settings(metadata.sample_rate, &metadata.features),
                settings(self.sample_rate, &self.features)
            );
            return Err(Error::new(Kind::Features, problem).at("profile").advice("make it again with enrol --model"));
        }
        if self.statistics.width() != self.features.width() {
            let (expected, got) = (self.features.width(), self.statistics.width());
            let problem = format!("expected statistics of {expected} columns, got {got}");
            return Err(Error::new(Kind::Features, problem).at("profile").advice("the file is damaged: make it again"));
        }
        Ok(kappa)
    }

    /// The normalisation by this profile in a model.
    ///
    /// # Errors
    /// [`Kind::Model`] if the model was not trained with enrolment; [`Kind::Features`] if the profile is of other features.
    pub fn normaliser(&self, metadata: &Metadata) -> Result<Normaliser> {
        let kappa = self.check(metadata)?;
        let training = metadata.statistics()?.ok_or_else(not_enrolled)?;
        Ok(training.shrunk(&self.statistics, self.clips as f64, kappa, metadata.features.level_column()))
    }
}

/// κ of a model that was trained with enrolment.
///
/// # Errors
/// [`Kind::Model`] if it was not.
pub fn kappa(metadata: &Metadata) -> Result<f64> {
    metadata.enrolment.ok_or_else(not_enrolled)
}

fn not_enrolled() -> Error {
    let problem = "expected a model trained with enrolment, got one without";
    Error::new(Kind::Model, problem).advice("train one with --enrolment 4, for example")
}

/// Takes the clips of a speaker, one after the other, and keeps sums only.
#[derive(Clone, Debug)]
pub struct Enroller<'a> {
    metadata: &'a Metadata,
    training: Normaliser,
    sums: ColumnSums,
    /// Clips of each label that the model gave them, `[K]`.
    labels: Vec<usize>,
}

impl<'a> Enroller<'a> {
    /// Before the first clip of a speaker, for the model of `file`.
    ///
    /// # Errors
    /// [`Kind::Model`] if the model was not trained with enrolment.
    pub fn new(file: &'a ModelFile) -> Result<Self> {
        let metadata = file.metadata().ok_or_else(not_enrolled)?;
        kappa(metadata)?;
        let training = metadata.statistics()?.ok_or_else(not_enrolled)?;
        let (sums, labels) = (ColumnSums::new(training.width()), vec![0; metadata.labels.count()]);
        Ok(Enroller { metadata, training, sums, labels })
    }

    /// Adds a clip, given by its features `[T,D]`, not normalised, and the model's label for it, which serves the warning alone.
    ///
    /// # Errors
    /// [`Kind::Features`] if it has another number of columns than the model.
    pub fn add(&mut self, features: &crate::matrix::Matrix<f32>, label: usize) -> Result<()> {
        if features.cols() != self.training.width() {
            let problem = format!("expected {} feature columns, got {}", self.training.width(), features.cols());
            return Err(Error::new(Kind::Features, problem).at("enrolment"));
        }
        features.iter_rows().for_each(|frame| self.sums.add_normalised(&self.training, frame));
        self.labels[label] += 1;
        Ok(())
    }

    /// The profile of all clips so far.
    ///
    /// # Errors
    /// [`Kind::Data`] if there was none.
    pub fn profile(&self) -> Result<Profile> {
        let normalised = self.sums.statistics();
        let normalised =
            normalised.ok_or_else(|| Error::new(Kind::Data, "expected clips of the speaker, found none"))?;
        Ok(Profile {
            clips: self.labels.iter().sum(),
            frames: self.sums.frames(),
            features: self.metadata.features.clone(),
            sample_rate: self.metadata.sample_rate,
            warning: self.warning(&normalised),
            statistics: self.training.undo(&normalised),
        })
    }

    /// Why the clips seem to show one emotion.
    fn warning(&self, normalised: &Normaliser) -> Option<String> {
        let clips: usize = self.labels.iter().sum();
        if clips < FEWEST_CLIPS {
            return None;
        }
        let (label, most) = self.labels.iter().enumerate().max_by_key(|&(_, &count)| count)?;
        if *most as f64 >= MOST_OF_ONE_LABEL * clips as f64 {
            let name = self.metadata.labels.name(label);
            return Some(format!("the model labels {most} of {clips} clips '{name}': they may show one emotion only"));
        }
        let mut spread = normalised.std().to_vec();
        spread.sort_by(f64::total_cmp);
        let median = spread[spread.len() / 2];
        (median < LEAST_SPREAD).then(|| {
            format!("the clips spread {median:.2} times as much as the training clips: they may show one emotion only")
        })
    }
}
