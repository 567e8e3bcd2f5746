//! What to cross-validate, and on which data.

use reslstm::audio::FeatureSettings;
use reslstm::data::Dataset;
use reslstm::data::folds::FoldPlan;
use reslstm::train::CheckedSettings;
use serde::{Deserialize, Serialize};

/// The data of a training, and what a model file says of it.
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

/// What to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Each training.
    pub settings: CheckedSettings,
    /// Seeds, each a run over all folds.
    pub runs: usize,
    /// Which folds.
    pub folds: FoldPlan,
}
