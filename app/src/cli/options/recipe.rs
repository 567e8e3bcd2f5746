//! Recipes: named sets of settings, those of the program and those in files of one's own.

use super::layers::{Layers, Written};
use super::table::{all_fields, either};
use reslstm::error::{Error, Kind, Result};
use reslstm::train::Settings;
use serde_json::Value;
use std::path::Path;

/// The recipes of the program, each with the text of its file.
pub const BUILT_IN: [(&str, &str); 5] = [
    (PAPER, include_str!("../../../data/recipes/paper.toml")),
    ("voices", include_str!("../../../data/recipes/voices.toml")),
    ("anywhere", include_str!("../../../data/recipes/anywhere.toml")),
    (SPEECH, include_str!("../../../data/recipes/speech.toml")),
    (TABLE1, include_str!("../../../data/recipes/table1.toml")),
];

/// The defaults of every setting.
pub const PAPER: &str = "paper";
/// The recipe for recordings of one's own.
pub const SPEECH: &str = "speech";
/// The recipe of the protocol of this name.
pub const TABLE1: &str = "table1";

/// A named set of settings.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Its name, or the path of its file.
    pub name: String,
    /// One line; empty where a file has none.
    pub description: String,
    /// Its settings.
    pub layers: Layers,
}

impl Recipe {
    /// The recipe of this name, or in this file.
    ///
    /// # Errors
    /// [`Kind::Settings`] if there is none, or a setting in it is not one.
    pub fn read(name: &str) -> Result<Self> {
        if BUILT_IN.iter().any(|(known, _)| *known == name) {
            return Ok(built_in(name));
        }
        if !Path::new(name).exists() {
            let names = BUILT_IN.iter().map(|(name, _)| *name);
            let problem = format!("--recipe: expected {}, or a TOML file, got '{name}'", either(names));
            return Err(Error::new(Kind::Settings, problem).advice("reslstm recipes lists them"));
        }
        Self::new(name, Written::read(Path::new(name))?)
    }

    /// The recipe that a file describes.
    ///
    /// # Errors
    /// [`Kind::Settings`] if a setting in it is not one.
    pub fn new(name: &str, mut written: Written) -> Result<Self> {
        let description = match written.table.remove("description") {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(other) => {
                let problem = format!("description: expected text, got {other}");
                return Err(Error::new(Kind::Settings, problem).at(written.place("description")));
            }
        };
        let mut layers = Layers::default();
        layers.set_all(written.table.clone(), &|name| written.place(name))?;
        Ok(Recipe { name: name.into(), description, layers })
    }
}

/// The file of a recipe of the program.
///
/// # Panics
/// If there is none of this name.
pub fn text_of(name: &str) -> &'static str {
    BUILT_IN.iter().find(|(known, _)| *known == name).expect("a recipe of the program").1
}

/// A recipe of the program.
///
/// # Panics
/// If there is none of this name.
pub fn built_in(name: &str) -> Recipe {
    let written = Written::parse(text_of(name), &format!("recipe {name}")).expect("our own recipes are TOML");
    Recipe::new(name, written).expect("our own recipes are checked by a test")
}

/// Every setting of a training, those that have their default too.
pub fn all_values(settings: &Settings) -> Layers {
    let mut all = built_in(PAPER).layers;
    let Ok(Value::Object(mut given)) = serde_json::to_value(settings) else { unreachable!("a struct is an object") };
    if let Some(augment) = &settings.augment {
        given.insert("augment".into(), Value::Object(all_fields(augment)));
    }
    all.set_all(given, &|_| String::new()).expect("settings are of their types");
    all
}

#[cfg(test)]
mod tests {
    use super::super::table::SETTINGS;
    use super::*;
    use reslstm::train::CheckedSettings;

    fn settings(name: &str) -> CheckedSettings {
        built_in(name).layers.settings().unwrap()
    }

    /// The settings in a kept plan, but for their seed.
    fn recorded(plan: &str) -> CheckedSettings {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/results/beyond").join(plan).join("plan.json");
        let begun: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let settings: Settings = serde_json::from_value(begun["plan"]["settings"].clone()).unwrap();
        settings.with(|settings| settings.seed = 0).check().unwrap()
    }

    #[test]
    fn recipes_are_the_settings_of_the_recorded_results() {
        assert_eq!(*settings("paper"), Settings::default());
        for plan in ["ablation/base", "leave-one-out"] {
            assert_eq!(settings("voices"), recorded(plan), "{plan}");
        }
        assert_eq!(settings("anywhere"), recorded("anywhere"));
        assert_eq!(settings("speech"), recorded("../voices/final"));
        let apart = settings("voices").clone();
        let apart = Settings::clone(&apart).with(|it| it.validation = reslstm::train::Validation::Apart);
        assert_eq!(apart.check().unwrap(), recorded("validation-apart"));
    }

    #[test]
    fn every_recipe_is_complete_and_described() {
        for (name, _) in BUILT_IN {
            let recipe = built_in(name);
            assert!(!recipe.description.is_empty(), "{name}");
            for row in &SETTINGS {
                assert!(recipe.layers.get(row.name).is_some(), "{name}: {}", row.name);
            }
        }
    }

    #[test]
    fn a_recipe_can_be_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, "description = 'mine'\nepochs = 3\n").unwrap();
        let mine = Recipe::read(path.to_str().unwrap()).unwrap();
        assert_eq!((mine.description.as_str(), mine.layers.settings().unwrap().epochs), ("mine", 3));
        std::fs::write(&path, "runs = 3\n").unwrap();
        let error = Recipe::read(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("mine.toml, line 1: unknown setting `runs`"), "{error}");
        let error = Recipe::read("nowhere").unwrap_err().to_string();
        assert_eq!(
            error,
            "--recipe: expected paper, voices, anywhere, speech or table1, or a TOML file, got 'nowhere' (reslstm recipes lists them)"
        );
    }

    #[test]
    fn all_values_are_the_settings_again() {
        let settings = {
            let written = Written::parse("augment = { noise = 0.5 }\nseed = 3\nweights = 'last'", "").unwrap();
            Recipe::new("", written).unwrap().layers.settings().unwrap()
        };
        assert_eq!(all_values(&settings).settings().unwrap(), settings);
        assert_eq!(SETTINGS.iter().filter(|row| all_values(&settings).get(row.name).is_some()).count(), SETTINGS.len());
    }
}
