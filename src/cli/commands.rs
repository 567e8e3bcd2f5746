//! Commands for people to copy: what gives the same result again.

use super::objective::StudyIdentity;
use reslstm::train::cross_validate::Plan;
use reslstm::train::{Recipe, Settings};
use reslstm::tune::Space;
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
    let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), String::from);
    let settings: String = settings.iter().map(|(name, setting)| format!(" --{name} {}", value(setting))).collect();
    format!("reslstm tune {} --study {study} --trials {trials} --space {space} --folds {folds}{settings}", quote(data))
}

/// Every setting as an option.
fn options(settings: &Settings) -> String {
    let Recipe { arch, protocol, epochs, batch, lr, weight_decay, dropout, t0, seed } = &**settings;
    format!(
        "--arch {arch} --protocol {protocol} --epochs {epochs} --batch {batch} --lr {lr} --weight-decay {weight_decay} \
         --dropout {dropout} --t0 {t0} --seed {seed}"
    )
}

/// A word as a shell reads it.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
