//! Commands for people to copy, which repeat a result.

use super::options::{BUILT_IN, PAPER, SETTINGS, all_values, built_in};
use crate::experiment::Plan;
use crate::experiment::trial::StudyIdentity;
use crate::label_map::LabelMap;
use crate::tune::Space;
use reslstm::train::{CheckedSettings, Settings};
use std::path::Path;

/// The cross-validation of `data` that a plan describes; results go to the folder `DIR`.
pub fn cv(data: &str, plan: &Plan) -> String {
    let Plan { settings, runs, folds, map } = plan;
    let map = map_option(map);
    format!("reslstm cv {} -o DIR {} --folds {folds} --runs {runs}{map}", quote(data), options(settings))
}

/// The option for a map of labels, if there is one.
fn map_option(map: &LabelMap) -> &'static str {
    if map.is_empty() { "" } else { " --map MAP.toml" }
}

/// The search of `data` that a study holds, `trials` in all; `name` is needed where the journal has several. `None` if the
/// settings of the study cannot be read.
pub fn tune(data: &str, study: &Path, name: Option<&str>, trials: usize, identity: &StudyIdentity) -> Option<String> {
    let StudyIdentity { folds, settings, space, map, .. } = identity;
    let preset = Space::PRESETS.into_iter().find(|name| Space::preset(name).as_ref() == Some(space));
    let (study, space) = (quote(&study.display().to_string()), preset.unwrap_or("SPACE.toml"));
    // A setting that is searched has its default here, so it is left out.
    let settings: Settings = serde_json::from_value(settings.clone().into()).ok()?;
    let settings = differing(PAPER, &settings);
    let name = name.map_or(String::new(), |name| format!(" --study-name {}", quote(name)));
    Some(format!(
        "reslstm tune {} --study {study}{name} --trials {trials} --space {space} --recipe {PAPER} --folds {folds}{settings}{}",
        quote(data),
        map_option(map)
    ))
}

/// The recipe that most of the settings are of, and the others as options.
fn options(settings: &CheckedSettings) -> String {
    let candidates = BUILT_IN.map(|(name, _)| (name, differing(name, settings)));
    let (name, others) =
        candidates.into_iter().min_by_key(|(_, others)| others.matches(" --").count()).expect("there are recipes");
    format!("--recipe {name}{others}")
}

/// The settings that differ from a recipe's, as options.
fn differing(recipe: &str, settings: &Settings) -> String {
    let recipe = built_in(recipe).layers.settings().expect("our own recipes are checked by a test");
    let (recipe, settings) = (all_values(&recipe), all_values(settings));
    let rows = SETTINGS.iter().filter(|row| recipe.get(row.name) != settings.get(row.name));
    let value = |name: &str| settings.get(name).expect("all settings are there");
    rows.map(|row| format!(" --{} {}", row.name, quote(&row.text(value(row.name))))).collect()
}

/// A word as a shell reads it.
pub fn quote(word: &str) -> String {
    shell_escape::escape(word.into()).into_owned()
}
