//! Everything that decides the result of a training: two trainings of one identity end with the same bytes.

use super::settings::CheckedSettings;
use crate::data::folds::Split;
use crate::models::Metadata;
use crate::rng::derive_seed;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// Everything that decides the result of one training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// What is trained and how.
    pub settings: CheckedSettings,
    /// Which of several runs that differ in their random numbers alone, from 0.
    pub run: usize,
    /// Who trains, validates and tests; `None` where everybody trains.
    pub split: Option<Split>,
    /// Fingerprint of the data.
    pub data: String,
    /// Hash of the content of their files; empty where it is not known, as in files of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
}

impl Identity {
    /// Of run number `run` on a fold, or on all speakers.
    pub fn new(settings: &CheckedSettings, run: usize, split: Option<&Split>, data: &str) -> Self {
        Identity { settings: settings.clone(), run, split: split.cloned(), data: data.into(), content: String::new() }
    }

    /// Of data in files of this content, a hash.
    pub fn with_content(self, content: &str) -> Self {
        Identity { content: content.into(), ..self }
    }

    /// The seed of this training: the settings' own, made distinct for run and fold.
    pub fn seed(&self) -> u64 {
        let fold = self.split.as_ref().map_or(u64::MAX, |split| split.fold() as u64);
        derive_seed(derive_seed(self.settings.seed, "run", self.run as u64), "fold", fold)
    }

    /// Of the training that left a model; `None` if its file does not say.
    pub fn of_model(metadata: &Metadata) -> Option<Self> {
        let settings = CheckedSettings::of_model(metadata).ok()?;
        let split = match metadata.fold {
            Some(fold) => {
                let sides = [&metadata.train_speakers, &metadata.validation_speakers, &metadata.test_speakers];
                let [train, validation, test] = sides.map(Vec::clone);
                Some(Split::new(fold, train, validation, test).ok()?)
            }
            None => None,
        };
        let identity = Self::new(&settings, metadata.run, split.as_ref(), &metadata.data_fingerprint);
        Some(identity.with_content(&metadata.data_content))
    }

    /// Where it differs first from an earlier one, with both values. The content of files counts where both know it.
    pub fn difference(&self, earlier: &Identity) -> Option<String> {
        let value = |identity: &Identity| {
            serde_json::to_value(identity.clone().with_content("")).expect("plain values become JSON")
        };
        first_difference("", &value(earlier), &value(self))
            .or_else(|| content_difference(&earlier.content, &self.content))
    }
}

/// How the content of files differs from that of an earlier time, with both hashes. One that is empty is not known, as in files of
/// earlier versions, and differs from none.
pub fn content_difference(before: &str, now: &str) -> Option<String> {
    let known = !before.is_empty() && !now.is_empty();
    (known && before != now).then(|| format!("content of the files was {before}, now {now}"))
}

/// Where two JSON values differ first: a path, and both values.
pub fn first_difference(path: &str, before: &Value, now: &Value) -> Option<String> {
    if let (Value::Object(before), Value::Object(now)) = (before, now) {
        let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        return keys.into_iter().find_map(|key| {
            let (before, now) = (before.get(key).unwrap_or(&Value::Null), now.get(key).unwrap_or(&Value::Null));
            first_difference(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, before, now)
        });
    }
    (before != now).then(|| format!("{path} was {before}, now {now}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Settings;

    fn split(test: &str) -> Split {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Split::new(1, names(&["a", "b"]), names(&["c"]), names(&[test])).unwrap()
    }

    #[test]
    fn every_part_of_it_counts_and_the_first_is_named() {
        let settings = Settings::default().check().unwrap();
        let identity = Identity::new(&settings, 0, Some(&split("d")), "0123");
        assert_eq!(identity.difference(&identity.clone()), None);
        let more = Settings { epochs: 101, ..Settings::default() }.check().unwrap();
        for (earlier, difference) in [
            (Identity::new(&more, 0, Some(&split("d")), "0123"), "settings.epochs was 101, now 100"),
            (Identity::new(&settings, 1, Some(&split("d")), "0123"), "run was 1, now 0"),
            (Identity::new(&settings, 0, Some(&split("e")), "0123"), "split.test was [\"e\"], now [\"d\"]"),
            (Identity { split: None, ..identity.clone() }, "split was null, now {"),
            (Identity::new(&settings, 0, Some(&split("d")), "4567"), "data was \"4567\", now \"0123\""),
        ] {
            let found = identity.difference(&earlier).unwrap();
            assert!(found.starts_with(difference), "{found}");
        }
        let [known, other] = ["89ab", "cdef"].map(|content| identity.clone().with_content(content));
        assert_eq!(other.difference(&known).unwrap(), "content of the files was 89ab, now cdef");
        assert_eq!((known.difference(&identity), identity.difference(&known)), (None, None));
    }
}
