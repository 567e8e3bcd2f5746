//! Names of classes, and RAVDESS's file names, which spell the class of a clip in digits.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::prelude::*;

/// RAVDESS's emotions, in the order of their file codes 01 to 08.
const RAVDESS: [&str; 8] = ["neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprised"];

/// The class names in order, `[K]`: class `k` is called `labels[k]`. At least two, none empty, none twice.
///
/// A slice of names in all but name, shared and not copied by a clone. Serialised as the plain list of names.
///
/// ```
/// use reslstm::labels::Labels;
///
/// let labels = Labels::new(vec!["calm".into(), "cross".into()])?;
/// assert_eq!((&labels[1][..], labels.index_of("cross")?), ("cross", 1));
/// assert_eq!(labels.join(", "), "calm, cross");
/// # Ok::<(), reslstm::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Labels(Arc<[String]>);

impl Labels {
    /// Class names, class 0 first.
    ///
    /// # Errors
    /// [`Kind::Data`] if there are fewer than two names, or one is empty or occurs twice.
    pub fn new(names: Vec<String>) -> Result<Self> {
        if names.len() < 2 {
            let problem = format!("expected at least 2 classes to tell apart, found {}: {names:?}", names.len());
            return Err(Error::new(Kind::Data, problem).at("labels"));
        }
        for (index, name) in names.iter().enumerate() {
            if name.is_empty() {
                return Err(Error::new(Kind::Data, format!("class {index} has an empty name")).at("labels"));
            }
            if let Some(first) = names[..index].iter().position(|earlier| earlier == name) {
                let problem = format!("classes {first} and {index} have one name, `{name}`");
                return Err(Error::new(Kind::Data, problem).at("labels"));
            }
        }
        Ok(Labels(names.into()))
    }

    /// The eight emotions of RAVDESS; index 0 to 7 is file code 01 to 08.
    pub fn ravdess() -> Self {
        Labels(RAVDESS.map(String::from).into())
    }

    /// The classes of names found in data, in whatever order and number: RAVDESS's order if they are exactly RAVDESS's
    /// eight emotions, alphabetical order otherwise.
    ///
    /// # Errors
    /// [`Kind::Data`] if fewer than two different names are found, or one is empty.
    pub fn found<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let distinct = names.into_iter().collect::<alloc::collections::BTreeSet<_>>();
        if distinct == RAVDESS.into() {
            return Ok(Labels::ravdess());
        }
        Labels::new(distinct.into_iter().map(String::from).collect())
    }

    /// How many classes, `K`.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Every name, class 0 first.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The name of class `index`.
    ///
    /// # Panics
    /// If `index` is not below [`count`](Labels::count).
    pub fn name(&self, index: usize) -> &str {
        &self.0[index]
    }

    /// The class called `name`.
    ///
    /// # Errors
    /// [`Kind::Data`] if there is none; the message lists those there are.
    pub fn index_of(&self, name: &str) -> Result<usize> {
        self.0.iter().position(|known| known == name).ok_or_else(|| {
            Error::new(Kind::Data, format!("expected one of the labels {}, found `{name}`", self.0.join(", ")))
        })
    }
}

impl Deref for Labels {
    type Target = [String];
    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl TryFrom<Vec<String>> for Labels {
    type Error = Error;
    fn try_from(names: Vec<String>) -> Result<Self> {
        Labels::new(names)
    }
}

impl From<Labels> for Vec<String> {
    fn from(labels: Labels) -> Self {
        labels.0.to_vec()
    }
}

/// The seven fields of a RAVDESS name in order, each with its largest code (the smallest is 01) and what the codes
/// mean.
const FIELDS: [(&str, u8, &str); 7] = [
    ("modality", 3, "audio and video, video alone, audio alone"),
    ("vocal channel", 2, "speech, song"),
    ("emotion", 8, "neutral, calm, happy, sad, angry, fear, disgust, surprised"),
    ("intensity", 2, "normal, strong"),
    ("statement", 2, "kids are talking by the door, dogs are sitting by the door"),
    ("repetition", 2, "first, second"),
    ("actor", 24, "odd numbers are male, even ones female"),
];

/// What a RAVDESS file name says about its clip: `03-01-06-01-02-01-12` is audio alone, speech, fear, normal intensity,
/// second statement, first repetition, actor 12.
///
/// Names sort as their text does.
///
/// ```
/// use reslstm::labels::RavdessName;
///
/// let name: RavdessName = "03-01-06-01-02-01-12".parse()?;
/// assert_eq!((name.label(), name.actor(), name.is_male()), (5, 12, false));
/// assert_eq!(name.to_string(), "03-01-06-01-02-01-12");
/// # Ok::<(), reslstm::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RavdessName([u8; 7]);

impl RavdessName {
    /// From codes in the order of the name: modality, vocal channel, emotion, intensity, statement, repetition, actor.
    ///
    /// # Errors
    /// [`Kind::Data`] if a code has no meaning; the message names the field and what is allowed.
    pub fn new(codes: [u8; 7]) -> Result<Self> {
        for ((field, largest, meanings), code) in FIELDS.into_iter().zip(codes) {
            if !(1..=largest).contains(&code) {
                return Err(Error::new(
                    Kind::Data,
                    format!("expected 01 to {largest:02} ({meanings}), found {code:02}"),
                )
                .at(format!("field `{field}`")));
            }
        }
        Ok(RavdessName(codes))
    }

    /// Whether the file holds sound without pictures.
    pub fn is_audio_only(&self) -> bool {
        self.0[0] == 3
    }

    /// Whether the clip is spoken, not sung.
    pub fn is_speech(&self) -> bool {
        self.0[1] == 1
    }

    /// Class index in [`Labels::ravdess`], 0 to 7: the emotion's code less one.
    pub fn label(&self) -> usize {
        usize::from(self.0[2]) - 1
    }

    /// Whether the emotion is played strongly. RAVDESS has no strong neutral.
    pub fn is_strong(&self) -> bool {
        self.0[3] == 2
    }

    /// Which sentence is spoken, 1 or 2.
    pub fn statement(&self) -> usize {
        self.0[4].into()
    }

    /// Which take it is, 1 or 2.
    pub fn repetition(&self) -> usize {
        self.0[5].into()
    }

    /// The actor's number, 1 to 24.
    pub fn actor(&self) -> usize {
        self.0[6].into()
    }

    /// Whether the actor is a man: odd numbers are.
    pub fn is_male(&self) -> bool {
        self.0[6] % 2 == 1
    }

    /// The actor as a speaker's name, `01` to `24`: two digits, so that names sort as numbers do.
    pub fn speaker(&self) -> String {
        format!("{:02}", self.0[6])
    }

    /// The folder the corpus keeps the actor's clips in, `Actor_01` to `Actor_24`.
    pub fn folder(&self) -> String {
        format!("Actor_{:02}", self.0[6])
    }
}

impl FromStr for RavdessName {
    type Err = Error;

    /// From a file's stem, that is its name without folder and extension.
    fn from_str(stem: &str) -> Result<Self> {
        let expected = "modality-channel-emotion-intensity-statement-repetition-actor, such as 03-01-06-01-02-01-12";
        let parts: Vec<&str> = stem.split('-').collect();
        let parts: [&str; 7] = parts.try_into().map_err(|parts: Vec<&str>| {
            Error::new(Kind::Data, format!("expected 7 numbers joined by hyphens, found {}", parts.len()))
                .at(format!("`{stem}`"))
                .advice(format!("a RAVDESS name is {expected}"))
        })?;
        let mut codes = [0; 7];
        for ((code, part), (field, largest, meanings)) in codes.iter_mut().zip(parts).zip(FIELDS) {
            // Two digits exactly: `6`, `+6` and `006` would parse as numbers but not come back as the same name.
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            *code = part.parse().ok().filter(|_| digits).ok_or_else(|| {
                Error::new(Kind::Data, format!("expected two digits, 01 to {largest:02} ({meanings}), found `{part}`"))
                    .at(format!("field `{field}`"))
                    .at(format!("`{stem}`"))
            })?;
        }
        RavdessName::new(codes).map_err(|error| error.at(format!("`{stem}`")))
    }
}

impl fmt::Display for RavdessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [modality, channel, emotion, intensity, statement, repetition, actor] = self.0;
        write!(f, "{modality:02}-{channel:02}-{emotion:02}-{intensity:02}-{statement:02}-{repetition:02}-{actor:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn ravdess_has_eight_emotions_in_the_order_of_their_codes() {
        let labels = Labels::ravdess();
        assert_eq!(labels.names(), ["neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprised"]);
        assert_eq!(labels.count(), 8);
        for (index, name) in labels.names().iter().enumerate() {
            assert_eq!(labels.index_of(name), Ok(index));
            assert_eq!(labels.name(index), name);
        }
        // The list in the error messages and the list of labels are one.
        assert_eq!(FIELDS[2].2, labels.names().join(", "));
    }

    #[test]
    fn labels_are_unique_named_and_at_least_two() {
        let message = |names: &[&str]| Labels::new(strings(names)).unwrap_err().to_string();
        assert_eq!(message(&["only"]), "labels: expected at least 2 classes to tell apart, found 1: [\"only\"]");
        assert_eq!(message(&["a", "b", "c", "b"]), "labels: classes 1 and 3 have one name, `b`");
        assert_eq!(message(&["a", ""]), "labels: class 1 has an empty name");
    }

    #[test]
    fn an_unknown_label_is_answered_with_the_known_ones() {
        let labels = Labels::new(strings(&["cross", "pleased"])).unwrap();
        let error = labels.index_of("Cross").unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        assert_eq!(error.to_string(), "expected one of the labels cross, pleased, found `Cross`");
    }

    #[test]
    fn labels_found_in_data_are_sorted_unless_they_are_all_of_ravdess() {
        assert_eq!(Labels::found(["sad", "angry", "sad", "happy"]).unwrap().names(), ["angry", "happy", "sad"]);
        let mut names = RAVDESS;
        names.reverse();
        assert_eq!(Labels::found(names).unwrap(), Labels::ravdess());
        // One of the eight missing, or a ninth added: another corpus.
        assert_eq!(Labels::found(names[1..].iter().copied()).unwrap().name(0), "angry");
        assert_eq!(Labels::found(names.into_iter().chain(["bored"])).unwrap().name(1), "bored");
        assert!(Labels::found(["sad", "sad"]).is_err());
    }

    #[test]
    fn labels_are_written_as_a_plain_list_and_checked_when_read() {
        let labels = Labels::new(strings(&["b", "a"])).unwrap();
        let text = serde_json::to_string(&labels).unwrap();
        assert_eq!(text, r#"["b","a"]"#);
        assert_eq!(serde_json::from_str::<Labels>(&text).unwrap(), labels);
        assert!(serde_json::from_str::<Labels>(r#"["a","a"]"#).unwrap_err().to_string().contains("one name, `a`"));
    }

    #[test]
    fn every_field_of_a_name_is_read_from_its_own_place() {
        let name: RavdessName = "03-01-08-02-01-02-17".parse().unwrap();
        assert!(name.is_audio_only() && name.is_speech() && name.is_strong() && name.is_male());
        assert_eq!((name.label(), name.statement(), name.repetition(), name.actor()), (7, 1, 2, 17));
        assert_eq!((name.speaker(), name.folder()), ("17".to_string(), "Actor_17".to_string()));
        let name: RavdessName = "01-02-01-01-02-01-04".parse().unwrap();
        assert!(!name.is_audio_only() && !name.is_speech() && !name.is_strong() && !name.is_male());
        assert_eq!((name.label(), name.statement(), name.repetition(), name.actor()), (0, 2, 1, 4));
        assert_eq!((name.speaker(), name.folder()), ("04".to_string(), "Actor_04".to_string()));
    }

    #[test]
    fn names_come_back_as_they_were_and_sort_as_text() {
        let texts = ["03-01-01-01-02-02-24", "03-01-02-01-01-01-03", "03-01-02-01-01-01-11"];
        let names: Vec<RavdessName> = texts.iter().map(|text| text.parse().unwrap()).collect();
        assert!(names.is_sorted());
        assert!(names.iter().zip(texts).all(|(name, text)| name.to_string() == text));
    }

    #[test]
    fn each_wrong_code_names_its_field_and_what_is_allowed() {
        let good = [3, 1, 6, 1, 2, 1, 12];
        for (place, (field, largest, _)) in FIELDS.into_iter().enumerate() {
            for wrong in [0, largest + 1] {
                let mut codes = good;
                codes[place] = wrong;
                let stem = RavdessName(codes).to_string();
                let error = stem.parse::<RavdessName>().unwrap_err();
                assert_eq!(error.kind(), Kind::Data);
                let start = format!("`{stem}`: field `{field}`: expected 01 to {largest:02} (");
                assert!(error.to_string().starts_with(&start), "{error}");
                assert!(error.to_string().ends_with(&format!("found {wrong:02}")), "{error}");
            }
        }
        let error = "03-01-09-01-02-01-12".parse::<RavdessName>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`03-01-09-01-02-01-12`: field `emotion`: expected 01 to 08 \
             (neutral, calm, happy, sad, angry, fear, disgust, surprised), found 09"
        );
    }

    #[test]
    fn what_is_not_seven_pairs_of_digits_is_refused() {
        for part in ["6", "006", "+6", "xx", "", "٠٦"] {
            let error = format!("03-01-{part}-01-02-01-12").parse::<RavdessName>().unwrap_err().to_string();
            assert!(error.contains("field `emotion`: expected two digits, 01 to 08"), "{error}");
            assert!(error.ends_with(&format!("found `{part}`")), "{error}");
        }
        for (stem, found) in [("take-one", 2), ("", 1), ("03-01-06-01-02-01", 6), ("03-01-06-01-02-01-12-01", 8)] {
            let error = stem.parse::<RavdessName>().unwrap_err().to_string();
            let start = format!("`{stem}`: expected 7 numbers joined by hyphens, found {found} (");
            assert!(error.starts_with(&start), "{error}");
        }
    }
}
