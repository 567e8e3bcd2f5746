//! What to train and how: checked once, before any work.

use super::augment::{Augment, is_default};
use crate::audio::FeatureSettings;
use crate::data::condition::Condition;
use crate::error::{Error, Kind, Result};
use crate::models::{Architecture, Metadata};
use crate::packed::Padding;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// A choice that is written and read by the names in its `ALL`.
macro_rules! named {
    ($type:ident, $what:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (name, _) = $type::ALL.iter().find(|(_, value)| value == self).expect("every choice has a name");
                f.write_str(name)
            }
        }

        impl FromStr for $type {
            type Err = Error;
            fn from_str(name: &str) -> Result<Self> {
                let found = $type::ALL.iter().find(|(known, _)| *known == name).map(|&(_, value)| value);
                found.ok_or_else(|| {
                    let names = $type::ALL.map(|(name, _)| name);
                    let (last, others) = names.split_last().expect("there is a choice");
                    let problem = format!("expected {} {} or {last}, got '{name}'", $what, others.join(", "));
                    Error::new(Kind::Settings, problem)
                })
            }
        }
    };
}

/// How honest a score is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Statistics from the training speakers alone, padding ignored everywhere.
    #[default]
    Strict,
    /// As the published code: mean and standard deviation of all speakers, padded frames in batch norm and attention, test
    /// clips in batches of the training size. To compare like with like.
    Published,
}

impl Protocol {
    const ALL: [(&'static str, Protocol); 2] = [("strict", Protocol::Strict), ("published", Protocol::Published)];

    /// Whether padded frames count.
    pub fn padding(self) -> Padding {
        match self {
            Protocol::Strict => Padding::Ignored,
            Protocol::Published => Padding::Counted,
        }
    }
}

named!(Protocol, "protocol");

/// What a model reads of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inputs {
    /// 34 MFCC and 12 chroma: the paper's 46.
    #[default]
    Paper,
    /// 34 MFCC and the deltas of the first 12, as many inputs.
    Deltas,
    /// 34 MFCC, 12 chroma and 12 deltas: 58.
    All,
    /// 34 MFCC, 12 chroma, voicing and pitch, and 12 deltas: 60.
    Pitch,
    /// 34 MFCC, voicing and pitch, and 12 deltas, without chroma: 48.
    Voice,
}

impl Inputs {
    const ALL: [(&'static str, Inputs); 5] = [
        ("paper", Inputs::Paper),
        ("deltas", Inputs::Deltas),
        ("all", Inputs::All),
        ("pitch", Inputs::Pitch),
        ("voice", Inputs::Voice),
    ];

    /// What the front end is to compute.
    pub fn features(self) -> FeatureSettings {
        let paper = FeatureSettings::default();
        match self {
            Inputs::Paper => paper,
            Inputs::Deltas => FeatureSettings { chroma: 0, deltas: 12, ..paper },
            Inputs::All => FeatureSettings { deltas: 12, ..paper },
            Inputs::Pitch => FeatureSettings { pitch: 2, deltas: 12, ..paper },
            Inputs::Voice => FeatureSettings { chroma: 0, pitch: 2, deltas: 12, ..paper },
        }
    }
}

named!(Inputs, "inputs");

/// Which weights a training keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// Those of the epoch that is best on the validation speakers, as the paper.
    #[default]
    Best,
    /// Those of the last epoch.
    Last,
    /// The mean of those at the end of each cosine cycle in the second half of the training, running statistics too: a
    /// model of the same size that needs nobody to choose an epoch (Izmailov and others, 2018; at restarts as Huang and
    /// others, 2017).
    Average,
}

impl Weights {
    const ALL: [(&'static str, Weights); 3] =
        [("best", Weights::Best), ("last", Weights::Last), ("average", Weights::Average)];
}

named!(Weights, "weights");

/// What a fold's validation speakers do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validation {
    /// They stand apart and judge: they choose the epoch, and fit the temperature.
    #[default]
    Apart,
    /// They are learned from like the training speakers, where nobody is needed to choose an epoch.
    Train,
}

impl Validation {
    const ALL: [(&'static str, Validation); 2] = [("apart", Validation::Apart), ("train", Validation::Train)];
}

named!(Validation, "validation");

/// The settings of a training, as a person writes them; [`Recipe::check`] makes [`Settings`] of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// The model.
    pub arch: Architecture,
    /// How honest the score is.
    pub protocol: Protocol,
    /// Passes over the training clips.
    pub epochs: usize,
    /// Clips in a batch, at least 2.
    pub batch: usize,
    /// Learning rate at the start of each cosine cycle.
    pub lr: f64,
    /// L2 penalty's factor.
    pub weight_decay: f64,
    /// Probability that a feature is switched off before the last layer.
    pub dropout: f64,
    /// Epochs of a cosine cycle.
    pub t0: usize,
    /// Every random number comes from it.
    pub seed: u64,
    /// What the model reads.
    #[serde(skip_serializing_if = "is_default")]
    pub inputs: Inputs,
    /// Which weights are kept.
    #[serde(skip_serializing_if = "is_default")]
    pub weights: Weights,
    /// What the validation speakers do.
    #[serde(skip_serializing_if = "is_default")]
    pub validation: Validation,
    /// How every epoch hears the clips.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe {
            arch: "reslstm-sa-h64".parse().expect("a valid name"),
            protocol: Protocol::Strict,
            epochs: 100,
            batch: 8,
            lr: 1e-2,
            weight_decay: 1.6e-3,
            dropout: 0.4,
            t0: 5,
            seed: 0,
            inputs: Inputs::Paper,
            weights: Weights::Best,
            validation: Validation::Apart,
            augment: None,
        }
    }
}

impl Recipe {
    /// The epochs, from 0, whose weights are averaged: the last of every cosine cycle that ends in the second half. None where it
    /// is not the average that is kept.
    pub fn snapshots(&self) -> impl Iterator<Item = usize> {
        let (epochs, t0, average) = (self.epochs, self.t0, self.weights == Weights::Average);
        (1..=epochs / t0).map(move |cycle| cycle * t0 - 1).filter(move |epoch| average && 2 * (epoch + 1) > epochs)
    }

    /// The conditions, other than as recorded, in which the clips' features are needed.
    pub fn other_conditions(&self) -> Vec<Condition> {
        self.augment.as_ref().map(Augment::other_conditions).unwrap_or_default()
    }

    /// Every value within its range.
    pub fn check(self) -> Result<Settings> {
        let require = |holds: bool, name: &str, expected: &str, got: &dyn fmt::Display| {
            if holds {
                return Ok(());
            }
            Err(Error::new(Kind::Settings, format!("{name}: expected {expected}, got {got}")))
        };
        require((1..=1_000_000).contains(&self.epochs), "epochs", "1 to 1,000,000", &self.epochs)?;
        let batch = "2 to 65,536 (batch norm needs two clips)";
        require((2..=65_536).contains(&self.batch), "batch", batch, &self.batch)?;
        require(self.lr > 0.0 && self.lr <= 10.0, "lr", "above 0 and at most 10", &self.lr)?;
        require((0.0..=10.0).contains(&self.weight_decay), "weight-decay", "0 to 10", &self.weight_decay)?;
        require((0.0..1.0).contains(&self.dropout), "dropout", "at least 0 and below 1", &self.dropout)?;
        require((1..=1_000_000).contains(&self.t0), "t0", "1 to 1,000,000 epochs", &self.t0)?;
        if let Some(augment) = &self.augment {
            augment.check()?;
            let problem = "augment: expected none under published, which repeats what the paper did, got some";
            require_that(self.protocol == Protocol::Strict, problem)?;
        }
        let problem = "validation: expected apart, as the best epoch on the validation speakers is kept, got train";
        require_that(self.validation == Validation::Apart || self.weights != Weights::Best, problem)?;
        let cycles = self.weights != Weights::Average || self.snapshots().next().is_some();
        require_that(
            cycles,
            "weights: expected a cycle to end in the second half of the training to average, got none",
        )?;
        Ok(Settings(self))
    }
}

fn require_that(holds: bool, problem: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::new(Kind::Settings, problem)) }
}

/// A [`Recipe`] that cannot be wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Recipe")]
pub struct Settings(Recipe);

impl Settings {
    /// Those that a model was trained with, as its file says.
    ///
    /// # Errors
    /// [`Kind::Model`] if it does not say, or what cannot be.
    pub fn of_model(metadata: &Metadata) -> Result<Self> {
        serde_json::from_value(metadata.settings.clone())
            .map_err(|error| Error::new(Kind::Model, format!("settings in the metadata: {error}")))
    }
}

impl TryFrom<Recipe> for Settings {
    type Error = Error;
    fn try_from(recipe: Recipe) -> Result<Self> {
        recipe.check()
    }
}

impl Deref for Settings {
    type Target = Recipe;
    fn deref(&self) -> &Recipe {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_have_the_widths_they_promise() {
        for (name, width) in [("paper", 46), ("deltas", 46), ("all", 58), ("pitch", 60), ("voice", 48)] {
            let inputs: Inputs = name.parse().unwrap();
            let features = inputs.features();
            features.validate().unwrap();
            assert_eq!((features.width(), inputs.to_string().as_str()), (width, name));
            assert_eq!(serde_json::to_string(&inputs).unwrap(), format!("\"{name}\""));
        }
    }

    #[test]
    fn each_setting_is_checked() {
        let refused = |change: fn(&mut Recipe), name: &str| {
            let mut recipe = Recipe::default();
            change(&mut recipe);
            let error = recipe.check().unwrap_err();
            assert_eq!(error.kind(), Kind::Settings);
            assert!(error.to_string().starts_with(name), "{error}");
        };
        assert!(Recipe::default().check().is_ok());
        refused(|r| r.epochs = 0, "epochs");
        refused(|r| r.batch = 1, "batch");
        refused(|r| r.lr = 0.0, "lr");
        refused(|r| r.lr = f64::NAN, "lr");
        refused(|r| r.weight_decay = -1.0, "weight-decay");
        refused(|r| r.dropout = 1.0, "dropout");
        refused(|r| r.t0 = 0, "t0");
        refused(|r| r.validation = Validation::Train, "validation");
        let last = Recipe { validation: Validation::Train, weights: Weights::Last, ..Recipe::default() };
        assert!(last.check().is_ok());
    }
}
