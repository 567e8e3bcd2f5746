//! Settings laid over each other: defaults, a recipe, a file, the command line. What is laid later wins.

use super::table::{Row, SETTINGS, json, setting};
use crate::files;
use reslstm::error::{Error, Kind, Result};
use reslstm::train::{CheckedSettings, Settings};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// The place of values that come from flags.
pub const COMMAND_LINE: &str = "command line";

/// Where a setting is written, for errors: the flag, or the setting in a file.
pub(super) fn place_of(name: &str, place: &str) -> String {
    if place == COMMAND_LINE { format!("--{name}") } else { format!("{place}: {name}") }
}

/// Settings, each with the place that it comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layers {
    values: BTreeMap<&'static str, Given>,
}

#[derive(Clone, Debug, PartialEq)]
struct Given {
    value: Value,
    /// For errors: a file and its line, a recipe, the command line.
    place: Rc<str>,
}

impl Layers {
    /// Sets a value from `place`, over what there is.
    ///
    /// # Errors
    /// [`Kind::Settings`] if it is not of the setting's type, naming place and setting.
    pub fn set(&mut self, row: &'static Row, value: Value, place: &str) -> Result<()> {
        let value = row.check(value).map_err(|error| error.at(place_of(row.name, place)))?;
        self.set_checked(row, value, place);
        Ok(())
    }

    /// Sets a value that [`Row::check`] returned: fields of a table one by one, everything else as a whole.
    pub fn set_checked(&mut self, row: &'static Row, value: Value, place: &str) {
        let value = match value {
            Value::Object(fields) => {
                let mut table = self.get(row.name).and_then(Value::as_object).cloned().unwrap_or_default();
                // A preset has every field, and so leaves nothing of what is below.
                table.extend(fields);
                Value::Object(table)
            }
            value => value,
        };
        self.values.insert(row.name, Given { value, place: place.into() });
    }

    /// Sets all values of a table.
    ///
    /// # Errors
    /// [`Kind::Settings`] as [`set`](Self::set), and if a key is no setting.
    pub fn set_all(&mut self, table: Map<String, Value>, place: &dyn Fn(&str) -> String) -> Result<()> {
        for (name, value) in table {
            let row = setting(&name).ok_or_else(|| unknown(&name, &[]).at(place(&name)))?;
            self.set(row, value, &place(&name))?;
        }
        Ok(())
    }

    /// The value of a setting, if one is given.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name).map(|given| &given.value)
    }

    /// Sets the values of another over these.
    pub fn lay(&mut self, over: &Layers) {
        for (name, Given { value, place }) in &over.values {
            self.set_checked(setting(name).expect("only settings are set"), value.clone(), place);
        }
    }

    /// The settings, checked; what is not given has its default.
    ///
    /// # Errors
    /// [`Kind::Settings`], naming the place of the setting that is wrong.
    pub fn settings(&self) -> Result<CheckedSettings> {
        let values: Map<String, Value> =
            self.values.iter().map(|(name, given)| (name.to_string(), given.value.clone())).collect();
        let settings: std::result::Result<Settings, _> = serde_json::from_value(values.into());
        let settings = settings.map_err(|error| Error::new(Kind::Settings, error.to_string()))?;
        settings.check().map_err(|error| {
            // A message of a check begins with its setting: `epochs: …`, or `augment.noise: …`.
            let message = error.to_string();
            let Some((name, rest)) = message.split_once([':', '.']) else { return error };
            match self.values.get(name).map(|given| &*given.place) {
                Some(COMMAND_LINE) => Error::new(error.kind(), format!("--{name}: {}", rest.trim_start())),
                Some(place) => error.at(place),
                None => error,
            }
        })
    }
}

/// That a key is none of the settings, nor of `others`.
pub fn unknown(name: &str, others: &[&str]) -> Error {
    let known: Vec<&str> = SETTINGS.iter().map(|row| row.name).chain(others.iter().copied()).collect();
    Error::new(Kind::Settings, format!("unknown setting `{name}`: expected one of {}", known.join(", ")))
}

/// A TOML file as it was written.
pub struct Written {
    /// Its keys and values.
    pub table: Map<String, Value>,
    /// Its path.
    pub path: String,
    lines: BTreeMap<String, usize>,
}

impl Written {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Kind::Settings`] if it cannot be read or is not TOML, naming it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = files::read_text(path);
        let text = text.map_err(|error| Error::new(Kind::Settings, error.to_string()).at(path.display()))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads the text of the file at `path`.
    ///
    /// # Errors
    /// [`Kind::Settings`] if it is not TOML.
    pub fn parse(text: &str, path: &str) -> Result<Self> {
        let wrong = |error: toml::de::Error| Error::new(Kind::Settings, error.to_string().trim_end()).at(path);
        let table: toml::Table = text.parse().map_err(wrong)?;
        let line = |at: usize| text[..at].lines().count().max(1) + usize::from(text[..at].ends_with('\n'));
        let spans = toml::de::DeTable::parse(text).map_err(wrong)?;
        let lines = spans.get_ref().keys().map(|key| (key.get_ref().to_string(), line(key.span().start))).collect();
        let table = table.into_iter().map(|(name, value)| (name, json(value))).collect();
        Ok(Written { table, path: path.into(), lines })
    }

    /// Where a key of the file is written.
    pub fn place(&self, name: &str) -> String {
        match self.lines.get(name) {
            Some(line) => format!("{}, line {line}", self.path),
            None => self.path.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::train::Augment;
    use serde_json::json;

    fn layers(text: &str, place: &str) -> Result<Layers> {
        let written = Written::parse(text, place)?;
        let mut layers = Layers::default();
        layers.set_all(written.table.clone(), &|name| written.place(name))?;
        Ok(layers)
    }

    #[test]
    fn what_is_laid_later_wins() {
        let mut all = layers("epochs = 7\nlr = 1\ndropout = 0.1\n", "recipe").unwrap();
        all.lay(&layers("lr = 0.5\ndropout = 0.2\n", "file").unwrap());
        all.set(setting("dropout").unwrap(), json!(0.3), COMMAND_LINE).unwrap();
        let settings = all.settings().unwrap();
        assert_eq!((settings.epochs, settings.lr, settings.dropout), (7, 0.5, 0.3));
        assert_eq!(settings.batch, Settings::default().batch);
    }

    #[test]
    fn a_table_changes_its_fields_and_a_name_replaces_all() {
        let mut all = layers("augment = 'anywhere'", "recipe").unwrap();
        let anywhere = Augment::preset("anywhere");
        assert_eq!(all.settings().unwrap().augment, anywhere);
        all.lay(&layers("augment = { noise = 0.8 }", "file").unwrap());
        let louder = all.settings().unwrap().augment.clone().unwrap();
        assert_eq!((louder.noise, louder.conditions), (0.8, anywhere.unwrap().conditions));
        let mut named = all.clone();
        named.lay(&layers("augment = 'voices'", "file").unwrap());
        assert_eq!(named.settings().unwrap().augment, Augment::preset("voices"));
        all.lay(&layers("augment = 'none'", "file").unwrap());
        assert_eq!(all.settings().unwrap().augment, None);
        all.lay(&layers("augment = { noise = 0.5 }", "file").unwrap());
        assert_eq!(all.settings().unwrap().augment.clone().unwrap().speeds, [1.0]);
    }

    #[test]
    fn a_wrong_setting_is_named_with_its_place() {
        let problem =
            |text: &str| layers(text, "mine.toml").and_then(|layers| layers.settings()).unwrap_err().to_string();
        for (text, expected) in [
            ("\nepoch = 3", "mine.toml, line 2: unknown setting `epoch`: expected one of arch, branches, protocol"),
            ("epochs = 3\nlr = 'high'", "mine.toml, line 2: lr: expected a number, got \"high\""),
            ("lr = nan", "mine.toml, line 1: lr: expected a number, got \"NaN\""),
            ("lr = -1", "mine.toml, line 1: lr: expected above 0 and at most 10, got -1"),
            ("augment = { noise = -1 }", "mine.toml, line 1: augment.noise: expected 0 to 10, got -1.0"),
            ("validation = 'train'", "mine.toml, line 1: validation: expected apart"),
            ("lr = ", "mine.toml: TOML parse error"),
        ] {
            assert!(problem(text).starts_with(expected), "{text}: {}", problem(text));
        }
        let mut flags = Layers::default();
        flags.set(setting("epochs").unwrap(), json!(0), COMMAND_LINE).unwrap();
        assert!(flags.settings().unwrap_err().to_string().starts_with("--epochs: expected 1 to "));
        let error = flags.set(setting("lr").unwrap(), json!("high"), COMMAND_LINE).unwrap_err().to_string();
        assert_eq!(error, "--lr: expected a number, got \"high\"");
        let missing = Written::read(Path::new("nowhere.toml")).err().unwrap();
        assert!(missing.kind() == Kind::Settings && missing.to_string().starts_with("nowhere.toml: "), "{missing}");
    }
}
