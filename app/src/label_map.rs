//! Labels of data under other names, or left out: the file that `--map` names.
//!
//! ```toml
//! drop = ["boredom"]        # clips of these labels are left out
//!
//! [labels]                  # label of the data = label of the model
//! fearful = "fear"
//! happiness = "happy"
//! ```
//! All names are those of the data: `a = "b"` and `b = "c"` do not make `a` a `c`.

use crate::files;
use reslstm::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which labels are read as others, and which are left out. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelMap {
    /// New label by the label of the data.
    pub labels: BTreeMap<String, String>,
    /// Labels whose clips are left out.
    pub drop: BTreeSet<String>,
}

impl LabelMap {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Kind::Settings`], naming the file, if it cannot be read, is no map, changes nothing, has an empty label, or a label that is
    /// both renamed and dropped.
    pub fn read(path: &Path) -> Result<Self> {
        let wrong = |problem: String| Error::new(Kind::Settings, problem).at(path.display());
        let text = files::read_text(path).map_err(|error| wrong(error.to_string()))?;
        Self::from_toml(&text).map_err(|error| error.at(path.display()))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// As [`read`](Self::read), without the file.
    pub fn from_toml(text: &str) -> Result<Self> {
        let wrong = |problem: String, advice: &str| Err(Error::new(Kind::Settings, problem).advice(advice));
        let example = "for example: [labels] fearful = \"fear\" on two lines, and above them drop = [\"boredom\"]";
        let map: LabelMap = match toml::from_str(text) {
            Ok(map) => map,
            Err(error) => return wrong(error.to_string().trim_end().into(), example),
        };
        if map.is_empty() {
            return wrong("expected labels to rename or to drop, found none".into(), example);
        }
        if let Some((label, _)) = map.labels.iter().find(|(_, new)| new.trim().is_empty()) {
            return wrong(
                format!("labels.{label}: expected a label, got an empty one"),
                &format!("drop = [\"{label}\"] leaves its clips out"),
            );
        }
        if let Some(label) = map.drop.iter().find(|label| map.labels.contains_key(*label)) {
            return wrong(format!("expected `{label}` in labels or in drop, found it in both"), "remove one of them");
        }
        Ok(map)
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.drop.is_empty()
    }

    /// The new label of a label of the data; `None` if its clips are left out.
    pub fn apply<'a>(&'a self, label: &'a str) -> Option<&'a str> {
        match self.labels.get(label) {
            Some(new) => Some(new),
            None => (!self.drop.contains(label)).then_some(label),
        }
    }

    /// The labels of the data that it names, sorted.
    pub fn names(&self) -> BTreeSet<&str> {
        self.labels.keys().chain(&self.drop).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_renamed_at_once_or_dropped() {
        let map = LabelMap::from_toml("drop = ['boredom']\n[labels]\na = 'b'\nb = 'c'\ndrop = 'stay'\n").unwrap();
        let apply = ["a", "b", "c", "boredom", "drop"].map(|label| map.apply(label));
        assert_eq!(apply, [Some("b"), Some("c"), Some("c"), None, Some("stay")]);
        assert_eq!(map.names().into_iter().collect::<Vec<_>>(), ["a", "b", "boredom", "drop"]);
        let json = serde_json::to_string(&map).unwrap();
        assert_eq!(serde_json::from_str::<LabelMap>(&json).unwrap(), map);
    }

    #[test]
    fn what_is_no_map_is_refused_with_what_to_do() {
        for (text, expected) in [
            ("", "expected labels to rename or to drop, found none (for example: "),
            ("fearful = 'fear'", "unknown field `fearful`"),
            ("[labels]\nfearful = ''", "labels.fearful: expected a label, got an empty one (drop = [\"fearful\"]"),
            ("drop = ['a']\n[labels]\na = 'b'", "expected `a` in labels or in drop, found it in both"),
            ("drop = 'a'", "expected a sequence"),
        ] {
            let error = LabelMap::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let error = LabelMap::read(Path::new("nowhere.toml")).unwrap_err();
        assert!(error.kind() == Kind::Settings && error.to_string().starts_with("nowhere.toml: "), "{error}");
    }
}
