//! What to train and how: checked once, before any work.

use crate::error::{Error, Kind, Result};
use crate::models::Architecture;
use crate::packed::Padding;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

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
    /// Whether padded frames count.
    pub fn padding(self) -> Padding {
        match self {
            Protocol::Strict => Padding::Ignored,
            Protocol::Published => Padding::Counted,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Strict => "strict",
            Protocol::Published => "published",
        })
    }
}

impl FromStr for Protocol {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "strict" => Ok(Protocol::Strict),
            "published" => Ok(Protocol::Published),
            _ => Err(Error::new(Kind::Settings, format!("expected protocol strict or published, got '{name}'"))),
        }
    }
}

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
        }
    }
}

impl Recipe {
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
        Ok(Settings(self))
    }
}

/// A [`Recipe`] that cannot be wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Recipe")]
pub struct Settings(Recipe);

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
    }
}
