//! A cross-validation: its settings, runs and folds, and its data.

use reslstm::audio::FeatureSettings;
use reslstm::data::Dataset;
use reslstm::data::folds::FoldPlan;
use reslstm::train::CheckedSettings;
use serde::{Deserialize, Serialize};

/// The data of a training, with what a model file records about it.
#[derive(Clone, Copy, Debug)]
pub struct TrainingData<'a> {
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

/// A cross-validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Of each training.
    pub settings: CheckedSettings,
    /// Runs over all folds, each with its own seed.
    pub runs: usize,
    /// Which folds.
    pub folds: FoldPlan,
}
