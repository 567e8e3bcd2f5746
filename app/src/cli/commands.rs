//! Commands for people to copy: what gives the same result again.

use crate::experiment::Plan;
use crate::experiment::trial::StudyIdentity;
use crate::tune::Space;
use reslstm::train::{Augment, Inputs, Recipe, Settings, Validation, Weights};
use serde_json::Value;
use std::path::Path;

/// The cross-validation of `data` that a plan is; results go to the folder `DIR`.
pub fn cv(data: &str, plan: &Plan) -> String {
    let Plan { settings, runs, folds } = plan;
    format!("reslstm cv {} -o DIR {} --folds {folds} --runs {runs}", quote(data), options(settings))
}

/// The search of `data` that a study is, `trials` in all.
pub fn tune(data: &str, study: &Path, trials: usize, identity: &StudyIdentity) -> String {
    let StudyIdentity { folds, settings, space, .. } = identity;
    let preset = Space::PRESETS.into_iter().find(|name| Space::preset(name).as_ref() == Some(space));
    let (study, space) = (quote(&study.display().to_string()), preset.unwrap_or("SPACE.toml"));
    let value = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Object(_) => serde_json::from_value(value.clone()).map_or("AUGMENT.toml", |it| name_of(&it)).into(),
        number => number.to_string(),
    };
    let settings: String = settings.iter().map(|(name, setting)| format!(" --{name} {}", value(setting))).collect();
    format!("reslstm tune {} --study {study} --trials {trials} --space {space} --folds {folds}{settings}", quote(data))
}

/// Every setting as an option.
fn options(settings: &Settings) -> String {
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
    } = &**settings;
    let mut options = format!(
        "--arch {arch} --protocol {protocol} --epochs {epochs} --batch {batch} --lr {lr} --weight-decay {weight_decay} \
         --dropout {dropout} --t0 {t0} --seed {seed}"
    );
    if *inputs != Inputs::default() {
        options += &format!(" --inputs {inputs}");
    }
    if *weights != Weights::default() {
        options += &format!(" --weights {weights}");
    }
    if *validation != Validation::default() {
        options += &format!(" --validation {validation}");
    }
    if let Some(augment) = augment {
        options += &format!(" --augment {}", name_of(augment));
    }
    options
}

/// What `--augment` takes for it.
fn name_of(augment: &Augment) -> &'static str {
    let preset = Augment::PRESETS.into_iter().find(|name| Augment::preset(name).as_ref() == Some(augment));
    preset.unwrap_or("AUGMENT.toml")
}

/// A word as a shell reads it.
pub fn quote(word: &str) -> String {
    shell_escape::escape(word.into()).into_owned()
}
