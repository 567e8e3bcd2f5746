//! What every training command takes: flags, or a TOML file of the same names; flags win.

use crate::experiment::Plan;
use anyhow::Context;
use clap::Args;
use reslstm::data::folds::FoldPlan;
use reslstm::error::{Error, Kind, Result};
use reslstm::train::{Augment, Recipe};
use serde::Deserialize;
use std::path::PathBuf;

/// The settings of a training; what is not said has the default in brackets.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrainingOptions {
    /// The model: lstm-sa-hH, reslstm-sa-hH or lstm-sa-hH-2vectors, H being its hidden units [reslstm-sa-h64]
    #[arg(long, value_name = "NAME")]
    arch: Option<String>,
    /// strict (honest) or published (as the paper's code) [strict]
    #[arg(long, value_name = "NAME")]
    protocol: Option<String>,
    /// all, some as 0,3, k=5 for other divisions, loso (leave one speaker out), or within=0:4 (the speakers fold 0 does not test,
    /// in 4 folds) [cv: all, train: 0]
    #[arg(long, value_name = "FOLDS")]
    folds: Option<String>,
    /// Seeds, each a run over all folds [1]
    #[arg(long, value_name = "N")]
    runs: Option<usize>,
    /// Every random number comes from it [0]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Passes over the training clips [100]
    #[arg(long, value_name = "E")]
    epochs: Option<usize>,
    /// Clips in a batch [8]
    #[arg(long, value_name = "B")]
    batch: Option<usize>,
    /// Learning rate at the start of each cosine cycle [0.01]
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// Factor of the L2 penalty [0.0016]
    #[arg(long, value_name = "FACTOR")]
    weight_decay: Option<f64>,
    /// Probability that a feature is switched off before the last layer [0.4]
    #[arg(long, value_name = "P")]
    dropout: Option<f64>,
    /// Epochs of a cosine cycle [5]
    #[arg(long, value_name = "EPOCHS")]
    t0: Option<usize>,
    /// What the model reads of a frame: paper (34 MFCC, 12 chroma), deltas (34 MFCC, 12 deltas), all
    /// (these three), pitch (these, voicing and pitch) or voice (the same without chroma) [paper]
    #[arg(long, value_name = "NAME")]
    inputs: Option<String>,
    /// Which weights are kept: best (on the validation speakers), last, or average (over the restarts of the second half) [best]
    #[arg(long, value_name = "NAME")]
    weights: Option<String>,
    /// What a fold's validation speakers do: apart (they judge the epochs), or train as well, with last or average weights [apart]
    #[arg(long, value_name = "NAME")]
    validation: Option<String>,
    /// Clips heard differently every epoch: voices, anywhere (these, over a telephone and in noise too), or a TOML file with speeds,
    /// conditions, stretch, channel and noise [none]
    #[arg(long, value_name = "NAME|FILE.toml")]
    augment: Option<String>,
    /// Trainings at a time [all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// A TOML file with these names, e.g. weight-decay = 0.001; flags win over it
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Go on with earlier work, or start where there is none
    #[arg(long)]
    pub resume: bool,
    /// Folder of the feature cache [reslstm in the user's cache folder, or none where that cannot be written]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

impl TrainingOptions {
    /// These flags, over what the file named by `--config` says.
    pub fn with_config(self) -> anyhow::Result<Self> {
        let Some(path) = &self.config else { return Ok(self) };
        let read = || anyhow::Ok(toml::from_str::<TrainingOptions>(&std::fs::read_to_string(path)?)?);
        let file = read().with_context(|| path.display().to_string())?;
        Ok(TrainingOptions {
            arch: self.arch.or(file.arch),
            protocol: self.protocol.or(file.protocol),
            folds: self.folds.or(file.folds),
            runs: self.runs.or(file.runs),
            seed: self.seed.or(file.seed),
            epochs: self.epochs.or(file.epochs),
            batch: self.batch.or(file.batch),
            lr: self.lr.or(file.lr),
            weight_decay: self.weight_decay.or(file.weight_decay),
            dropout: self.dropout.or(file.dropout),
            t0: self.t0.or(file.t0),
            inputs: self.inputs.or(file.inputs),
            weights: self.weights.or(file.weights),
            validation: self.validation.or(file.validation),
            augment: self.augment.or(file.augment),
            threads: self.threads.or(file.threads),
            config: None,
            resume: self.resume || file.resume,
            cache: self.cache.or(file.cache),
        })
    }

    /// What to run, checked: what is not said has its default, and `folds` where nothing names any.
    pub fn plan(&self, folds: &str) -> Result<Plan> {
        let default = Recipe::default();
        let recipe = Recipe {
            arch: self.arch.as_ref().map_or(Ok(default.arch), |name| name.parse())?,
            protocol: self.protocol.as_ref().map_or(Ok(default.protocol), |name| name.parse())?,
            epochs: self.epochs.unwrap_or(default.epochs),
            batch: self.batch.unwrap_or(default.batch),
            lr: self.lr.unwrap_or(default.lr),
            weight_decay: self.weight_decay.unwrap_or(default.weight_decay),
            dropout: self.dropout.unwrap_or(default.dropout),
            t0: self.t0.unwrap_or(default.t0),
            seed: self.seed.unwrap_or(default.seed),
            inputs: self.inputs.as_ref().map_or(Ok(default.inputs), |name| name.parse())?,
            weights: self.weights.as_ref().map_or(Ok(default.weights), |name| name.parse())?,
            validation: self.validation.as_ref().map_or(Ok(default.validation), |name| name.parse())?,
            augment: self.augment.as_deref().map(augment).transpose()?,
        };
        let folds: FoldPlan = self.folds.as_deref().unwrap_or(folds).parse()?;
        Ok(Plan { settings: recipe.check()?, runs: self.runs.unwrap_or(1), folds })
    }

    /// Those of the settings a search chooses that are given a value.
    pub fn given(&self) -> impl Iterator<Item = &'static str> {
        let given = [
            ("lr", self.lr.is_some()),
            ("weight-decay", self.weight_decay.is_some()),
            ("dropout", self.dropout.is_some()),
            ("t0", self.t0.is_some()),
            ("batch", self.batch.is_some()),
        ];
        given.into_iter().filter_map(|(name, given)| given.then_some(name))
    }

    /// Trainings at a time.
    pub fn threads(&self) -> Result<usize> {
        match self.threads.unwrap_or_else(all_cores) {
            threads @ 1..=1024 => Ok(threads),
            other => Err(Error::new(Kind::Settings, format!("threads: expected 1 to 1024, got {other}"))),
        }
    }
}

/// How long work that consists of many trainings is done; nothing here changes a result.
#[derive(Args, Clone, Debug)]
pub struct WorkOptions {
    /// Trainings at a time [all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Go on with earlier work, or start where there is none
    #[arg(long)]
    pub resume: bool,
    /// Folder of the feature cache [reslstm in the user's cache folder, or none where that cannot be written]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

impl WorkOptions {
    /// Trainings at a time.
    pub fn threads(&self) -> usize {
        self.threads.map_or_else(all_cores, usize::from)
    }
}

/// A preset, or what a TOML file says.
pub fn augment(name: &str) -> Result<Augment> {
    if let Some(preset) = Augment::preset(name) {
        return Ok(preset);
    }
    let wrong = |problem: String| {
        let advice =
            format!("name a preset ({}), or a TOML file such as: speeds = [0.9, 1, 1.1]", Augment::PRESETS.join(", "));
        Error::new(Kind::Settings, problem).at(format!("augment: {name}")).advice(advice)
    };
    let text = std::fs::read_to_string(name).map_err(|error| wrong(error.to_string()))?;
    toml::from_str(&text).map_err(|error| wrong(error.message().to_string()))
}

/// As many threads as the machine has for this process.
pub fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        options: TrainingOptions,
    }

    #[test]
    fn the_help_names_the_defaults_there_are() {
        let Recipe {
            arch,
            protocol,
            epochs,
            batch,
            lr,
            weight_decay,
            dropout,
            t0,
            seed,
            inputs,
            weights,
            validation,
            augment,
        } = Recipe::default();
        assert_eq!(augment, None);
        let defaults = [
            ("arch", arch.to_string()),
            ("protocol", protocol.to_string()),
            ("epochs", epochs.to_string()),
            ("batch", batch.to_string()),
            ("lr", lr.to_string()),
            ("weight_decay", weight_decay.to_string()),
            ("dropout", dropout.to_string()),
            ("t0", t0.to_string()),
            ("seed", seed.to_string()),
            ("inputs", inputs.to_string()),
            ("weights", weights.to_string()),
            ("validation", validation.to_string()),
            ("augment", "none".to_string()),
        ];
        for (name, default) in defaults {
            let command = Command::command();
            let help = command.get_arguments().find(|option| option.get_id() == name).unwrap().get_help().unwrap();
            assert!(help.to_string().ends_with(&format!("[{default}]")), "{name}: {help}");
        }
    }
}
