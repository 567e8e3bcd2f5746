//! Labels that several corpora, or a model and a corpus, have in common: equal names, and names of the same emotion such as `fear` and
//! `fearful`.

use super::lookalikes;
use reslstm::labels::Labels;
use std::collections::{BTreeMap, BTreeSet};

/// Names of the same emotion. The first one is RAVDESS's, if it has the emotion.
pub const SYNONYMS: [&[&str]; 8] = [
    &["angry", "anger"],
    &["bored", "boredom"],
    &["calm", "calmness"],
    &["disgust", "disgusted"],
    &["fear", "fearful"],
    &["happy", "happiness", "joy"],
    &["sad", "sadness"],
    &["surprised", "surprise"],
];

/// What two names of one emotion have in common; names that [look alike](lookalikes) have it too.
fn emotion(name: &str) -> String {
    let key = lookalikes::key(name);
    SYNONYMS.iter().find(|names| names.contains(&&*key)).map_or(key.clone(), |names| names[0].to_string())
}

/// Groups of different names of one emotion, by the emotion. A side is the labels of a corpus or a model; where one side has two names
/// of an emotion it tells them apart, so they are no group.
fn groups<'a>(sides: &[&'a [String]]) -> BTreeMap<String, BTreeSet<&'a str>> {
    let mut groups: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut told_apart = BTreeSet::new();
    for side in sides {
        let mut own = BTreeSet::new();
        for name in *side {
            let emotion = emotion(name);
            if !own.insert(emotion.clone()) {
                told_apart.insert(emotion.clone());
            }
            groups.entry(emotion).or_default().insert(name);
        }
    }
    groups.retain(|emotion, names| names.len() > 1 && !told_apart.contains(emotion));
    groups
}

/// One name for each emotion that corpora name differently: the new name of every name that changes.
pub fn one_name_each(corpora: &[&[String]]) -> BTreeMap<String, String> {
    let mut renamed = BTreeMap::new();
    for (emotion, names) in groups(corpora) {
        let is_listed = SYNONYMS.iter().any(|synonyms| synonyms[0] == emotion);
        let first = names.first().expect("at least two");
        let new = if is_listed { emotion.clone() } else { first.to_string() };
        renamed.extend(names.iter().filter(|name| **name != new).map(|name| (name.to_string(), new.clone())));
    }
    renamed
}

/// The labels of a model that a corpus has too.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedLabels {
    /// The model's class of every class of the corpus; `None` if the model does not know it.
    pub model_class: Vec<Option<usize>>,
    /// The model's classes that the corpus has, ascending.
    pub shared: Vec<usize>,
    /// Labels of the corpus that count as a label of another name of the model.
    pub renamed: BTreeMap<String, String>,
}

impl SharedLabels {
    /// Compares labels: equal ones and, unless only these count (`exact`), those of one emotion.
    pub fn between(model: &Labels, corpus: &Labels, exact: bool) -> Self {
        let groups = if exact { BTreeMap::new() } else { groups(&[model, corpus]) };
        let find = |name: &String| {
            let equal = model.iter().position(|label| label == name);
            let alike = |label: &String| {
                groups.values().any(|names| names.contains(label.as_str()) && names.contains(name.as_str()))
            };
            equal.or_else(|| model.iter().position(alike))
        };
        let model_class: Vec<Option<usize>> = corpus.iter().map(find).collect();
        let shared = model_class.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let pairs = corpus.iter().zip(&model_class).filter_map(|(name, class)| Some((name, &model[(*class)?])));
        let renamed =
            pairs.filter(|(name, label)| name != label).map(|(name, label)| (name.clone(), label.clone())).collect();
        SharedLabels { model_class, shared, renamed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn labels(of: &[&str]) -> Labels {
        Labels::new(names(of)).unwrap()
    }

    #[test]
    fn a_model_and_a_corpus_share_equal_names_and_names_of_one_emotion() {
        let model = labels(&["neutral", "calm", "happy", "fear", "High"]);
        let corpus = labels(&["bored", "fearful", "Joy", "high", "neutral"]);
        let shared = SharedLabels::between(&model, &corpus, false);
        assert_eq!(shared.model_class, [None, Some(3), Some(2), Some(4), Some(0)]);
        assert_eq!(shared.shared, [0, 2, 3, 4]);
        let renamed: Vec<(&str, &str)> = shared.renamed.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(renamed, [("Joy", "happy"), ("fearful", "fear"), ("high", "High")]);
        let exact = SharedLabels::between(&model, &corpus, true);
        assert_eq!((exact.model_class[4], exact.shared, exact.renamed.len()), (Some(0), vec![0], 0));
    }

    #[test]
    fn names_that_one_side_tells_apart_are_different() {
        let model = labels(&["happy", "sad"]);
        let corpus = labels(&["happy", "joy", "sadness"]);
        let shared = SharedLabels::between(&model, &corpus, false);
        assert_eq!(shared.model_class, [Some(0), None, Some(1)]);
        let shared = SharedLabels::between(&labels(&["joy", "happy"]), &labels(&["happiness", "joy"]), false);
        assert_eq!(shared.model_class, [None, Some(0)]);
    }

    #[test]
    fn corpora_get_one_name_for_each_emotion_and_keep_what_is_equal() {
        let (a, b, c) = (names(&["anger", "joy", "x"]), names(&["angry", "joy", "X"]), names(&["anger", "joy"]));
        let renamed = one_name_each(&[&a, &b, &c]);
        let pairs: Vec<(&str, &str)> = renamed.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(pairs, [("anger", "angry"), ("x", "X")]);
    }

    #[test]
    fn every_synonym_is_in_one_group_and_written_as_it_is_compared() {
        let all: Vec<&str> = SYNONYMS.concat();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(all.iter().all(|name| lookalikes::key(name) == *name));
    }
}
