//! How a corpus is read where its files and tables leave it open.

use crate::label_map::LabelMap;
use regex::Regex;
use reslstm::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How a corpus is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reading {
    /// The names of a table's columns.
    #[serde(skip_serializing_if = "Columns::is_empty")]
    pub columns: Columns,
    /// Whether labels and speakers that look alike are merged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub normalise_labels: bool,
    /// Whether the songs of RAVDESS are clips.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub song: bool,
    /// What finds the speaker in the names of a folder with one subfolder per label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker_from: Option<SpeakerPattern>,
    /// Labels under other names, or left out.
    #[serde(skip_serializing_if = "LabelMap::is_empty")]
    pub map: LabelMap,
}

/// Names of a table's columns by what they hold, as `path=file,label=emotion`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Columns(BTreeMap<String, String>);

impl Columns {
    /// What a column can hold.
    pub const ALL: [&'static str; 5] = ["path", "label", "speaker", "start", "end"];

    /// The name of the column that holds `what`, if it is given; empty where none does.
    pub fn get(&self, what: &str) -> Option<&str> {
        self.0.get(what).map(String::as_str)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Columns {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |problem: String| {
            Error::new(Kind::Settings, problem).advice("for example path=file,label=emotion,speaker=actor")
        };
        let mut columns = BTreeMap::new();
        for pair in text.split(',') {
            let all = Self::ALL.join(", ");
            let (what, name) =
                pair.split_once('=').ok_or_else(|| wrong(format!("expected COLUMN=NAME, got '{pair}'")))?;
            if !Self::ALL.contains(&what) {
                return Err(wrong(format!("expected one of {all} before the =, got '{what}'")));
            }
            if name.is_empty() && !["start", "end"].contains(&what) {
                return Err(wrong(format!("expected the name of a column after {what}=, got nothing")));
            }
            if columns.insert(what.to_string(), name.to_string()).is_some() {
                return Err(wrong(format!("expected {what} once, got it twice")));
            }
        }
        Ok(Columns(columns))
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|(what, name)| format!("{what}={name}")).collect();
        f.write_str(&pairs.join(","))
    }
}

impl TryFrom<String> for Columns {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Columns> for String {
    fn from(columns: Columns) -> Self {
        columns.to_string()
    }
}

/// A regular expression with one group, the speaker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpeakerPattern(Regex);

impl SpeakerPattern {
    /// The speaker in a clip's name.
    pub fn find(&self, name: &str) -> Option<String> {
        Some(self.0.captures(name)?.get(1)?.as_str().to_string())
    }
}

impl PartialEq for SpeakerPattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl FromStr for SpeakerPattern {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |problem: String| Error::new(Kind::Settings, problem).advice("for anna_01.wav: '([a-z]+)_[0-9]+$'");
        let pattern = Regex::new(text).map_err(|error| wrong(error.to_string()))?;
        match pattern.captures_len() {
            2 => Ok(SpeakerPattern(pattern)),
            _ => Err(wrong(format!("expected a pattern with one group, got '{text}'"))),
        }
    }
}

impl fmt::Display for SpeakerPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl TryFrom<String> for SpeakerPattern {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<SpeakerPattern> for String {
    fn from(pattern: SpeakerPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_pairs_of_what_and_name() {
        let columns: Columns = "label=emotion,path=file,start=".parse().unwrap();
        assert_eq!((columns.get("path"), columns.get("start"), columns.get("end")), (Some("file"), Some(""), None));
        assert_eq!(columns.to_string().parse::<Columns>().unwrap(), columns);
        for (text, problem) in [
            ("emotion", "expected COLUMN=NAME, got 'emotion'"),
            ("emotion=label", "expected one of path, label, speaker, start, end before the =, got 'emotion'"),
            ("path=", "expected the name of a column after path=, got nothing"),
            ("path=a,path=b", "expected path once, got it twice"),
        ] {
            let error = text.parse::<Columns>().unwrap_err();
            assert!(error.kind() == Kind::Settings && error.to_string().starts_with(problem), "{error}");
        }
    }

    #[test]
    fn a_pattern_has_one_group() {
        let pattern: SpeakerPattern = "([a-z]+)_[0-9]+$".parse().unwrap();
        assert_eq!((pattern.find("happy/anna_01"), pattern.find("happy/01")), (Some("anna".into()), None));
        for (text, problem) in [("[a-z]+", "expected a pattern with one group, got '[a-z]+'"), ("(", "regex parse")] {
            let error = text.parse::<SpeakerPattern>().unwrap_err();
            assert!(error.kind() == Kind::Settings && error.to_string().starts_with(problem), "{error}");
        }
    }

    #[test]
    fn only_what_is_given_is_written_and_it_comes_back() {
        assert_eq!(serde_json::to_string(&Reading::default()).unwrap(), "{}");
        let reading = Reading {
            columns: "label=emotion".parse().unwrap(),
            normalise_labels: true,
            song: true,
            speaker_from: Some("(.)_".parse().unwrap()),
            map: LabelMap { drop: ["bored".to_string()].into(), ..LabelMap::default() },
        };
        let json = serde_json::to_string(&reading).unwrap();
        let expected = r#"{"columns":"label=emotion","normalise-labels":true,"song":true,"speaker-from":"(.)_","map":{"labels":{},"drop":["bored"]}}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<Reading>(&json).unwrap(), reading);
    }
}
