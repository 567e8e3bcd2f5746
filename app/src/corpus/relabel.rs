//! The labels of a corpus under other names, by a [`LabelMap`].

use super::folders::{Corpus, Entry};
use crate::label_map::LabelMap;
use reslstm::error::{Error, Kind, Result};
use reslstm::labels::Labels;
use std::collections::BTreeSet;

impl Corpus {
    /// Reads labels as `map` says. Notes, which name the corpus by its `place`, say which labels change, how many clips are left out,
    /// and which names in the map the corpus does not have.
    ///
    /// # Errors
    /// [`Kind::Data`] if a name in the map is a misspelt label of the corpus, or fewer than two labels remain.
    pub fn relabelled(self, map: &LabelMap, place: &str) -> Result<Self> {
        if map.is_empty() {
            return Ok(self);
        }
        let mut notes = Vec::new();
        let (known, unknown): (BTreeSet<&str>, _) =
            map.names().into_iter().partition(|name| self.labels.iter().any(|label| label == name));
        check_spelling(map, &unknown, &self.labels).map_err(|error| error.at(place))?;
        for label in known {
            let clips = self.clips_of(label);
            notes.push(match map.apply(label) {
                Some(new) => format!("note: {place}: {clips} clips of `{label}` count as `{new}` (--map)"),
                None => format!("note: {place}: {clips} clips of `{label}` are left out (--map)"),
            });
        }
        if !unknown.is_empty() {
            notes.push(format!("note: {place}: no clips of {}, which --map names", listed(unknown)));
        }
        let new_label = |label: &str| map.apply(label).map(String::from);
        let mut corpus = self.with_labels(new_label).map_err(|error| error.at("--map").at(place))?;
        corpus.notes.extend(notes);
        Ok(corpus)
    }

    /// Number of clips of a label.
    pub(super) fn clips_of(&self, label: &str) -> usize {
        self.entries.iter().filter(|entry| self.labels.name(entry.label) == label).count()
    }

    /// The same clips with the labels that `new_label` gives; those for which it gives none are left out.
    pub(super) fn with_labels(mut self, new_label: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let new: Vec<Option<String>> = self.labels.iter().map(|label| new_label(label)).collect();
        self.entries.retain(|entry| new[entry.label].is_some());
        let name = |entry: &Entry| new[entry.label].as_deref().expect("others are left out");
        self.labels = Labels::found(self.entries.iter().map(name))?;
        for entry in &mut self.entries {
            entry.label = self.labels.index_of(name(entry))?;
        }
        Ok(self)
    }
}

/// Refuses a name that is no label, but nearly one: one letter in four may differ. A name that is mapped onto the label it resembles
/// is right, as in a map for several corpora.
fn check_spelling(map: &LabelMap, unknown: &BTreeSet<&str>, labels: &[String]) -> Result<()> {
    for name in unknown {
        let is_meant = |label: &&String| {
            let named = map.labels.contains_key(*label) || map.drop.contains(*label) || map.apply(name) == Some(label);
            !named && strsim::damerau_levenshtein(name, label) <= name.chars().count() / 4
        };
        if let Some(label) = labels.iter().find(is_meant) {
            let problem = format!("expected labels of the data ({}), got `{name}`", labels.join(", "));
            return Err(Error::new(Kind::Data, problem).at("--map").advice(format!("did you mean `{label}`?")));
        }
    }
    Ok(())
}

/// Names with commas between them.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::folders::CorpusKind;

    /// Clips with these labels, one speaker.
    fn corpus(labels: &[&str]) -> Corpus {
        let all = Labels::found(labels.iter().copied()).unwrap();
        let entry = |(n, label): (usize, &&str)| Entry {
            path: format!("{n}.wav").into(),
            segment: None,
            name: n.to_string(),
            label: all.index_of(label).unwrap(),
            speaker: "a".into(),
        };
        let entries = labels.iter().enumerate().map(entry).collect();
        Corpus::new(all.clone(), entries, CorpusKind::Manifest, Vec::new())
    }

    fn map(labels: &[(&str, &str)], drop: &[&str]) -> LabelMap {
        LabelMap {
            labels: labels.iter().map(|(old, new)| (old.to_string(), new.to_string())).collect(),
            drop: drop.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn clips_keep_their_order_and_get_their_new_labels() {
        let mixed = corpus(&["fearful", "bored", "fear", "sad", "bored"]);
        let mapped = mixed.relabelled(&map(&[("fearful", "fear"), ("joy", "happy")], &["bored"]), "x.csv").unwrap();
        assert_eq!(mapped.labels().names(), ["fear", "sad"]);
        let clips: Vec<(&str, usize)> =
            mapped.entries().iter().map(|entry| (entry.name.as_str(), entry.label)).collect();
        assert_eq!(clips, [("0", 0), ("2", 0), ("3", 1)]);
        assert_eq!(
            mapped.notes(),
            [
                "note: x.csv: 2 clips of `bored` are left out (--map)",
                "note: x.csv: 1 clips of `fearful` count as `fear` (--map)",
                "note: x.csv: no clips of joy, which --map names",
            ]
        );
    }

    #[test]
    fn a_misspelt_label_is_refused_and_a_label_of_another_corpus_is_not() {
        let data = || corpus(&["surprised", "sad", "fear"]);
        let error = data().relabelled(&map(&[("surprisd", "surprise")], &[]), "x").unwrap_err().to_string();
        let expected =
            "x: --map: expected labels of the data (fear, sad, surprised), got `surprisd` (did you mean `surprised`?)";
        assert_eq!(error, expected);
        // Right for a corpus whose label is `surprise`.
        let mapped = data().relabelled(&map(&[("surprise", "surprised"), ("mad", "angry")], &[]), "x").unwrap();
        assert_eq!(mapped.labels(), data().labels());
        let error = data().relabelled(&map(&[], &["sad", "fear"]), "x").unwrap_err().to_string();
        assert!(error.starts_with("x: --map: labels: expected at least 2 classes to tell apart, found 1"), "{error}");
    }
}
