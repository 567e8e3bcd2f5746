//! Corpora that are recognised by the names of their files: one TOML file each in `app/data/corpora`.
//!
//! A corpus is described by a pattern, matched against the path of a clip below the corpus's folder, without its extension and with
//! `/` between folders. Its groups `speaker` and `label` are the speaker's name and the code of the emotion. Emotions that RAVDESS has
//! too get RAVDESS's names, so that corpora can be compared.

use regex::Regex;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

/// The files of all known corpora.
const FILES: [&str; 13] = [
    include_str!("../../data/corpora/aesdd.toml"),
    include_str!("../../data/corpora/cafe.toml"),
    include_str!("../../data/corpora/crema-d.toml"),
    include_str!("../../data/corpora/emo-db.toml"),
    include_str!("../../data/corpora/emovo.toml"),
    include_str!("../../data/corpora/esd.toml"),
    include_str!("../../data/corpora/jl-corpus.toml"),
    include_str!("../../data/corpora/nemo.toml"),
    include_str!("../../data/corpora/savee.toml"),
    include_str!("../../data/corpora/shemo.toml"),
    include_str!("../../data/corpora/subesco.toml"),
    include_str!("../../data/corpora/tess.toml"),
    include_str!("../../data/corpora/urdu.toml"),
];

static ALL: LazyLock<Vec<KnownCorpus>> = LazyLock::new(|| FILES.into_iter().map(KnownCorpus::read).collect());

/// A corpus whose file names say label and speaker.
#[derive(Debug)]
pub struct KnownCorpus {
    /// Its name.
    pub name: String,
    /// What is spoken, and how.
    pub about: String,
    /// The publication that describes it.
    pub source: String,
    /// Its licence.
    pub licence: String,
    /// What a model trained on it must say.
    pub terms: String,
    pattern: Regex,
    /// Class name by code.
    labels: BTreeMap<String, String>,
}

/// A corpus as its file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    about: String,
    source: String,
    licence: String,
    pattern: String,
    labels: BTreeMap<String, String>,
}

impl KnownCorpus {
    /// Every known corpus, by name.
    pub fn all() -> &'static [KnownCorpus] {
        &ALL
    }

    /// The corpus that most of these names fit, if more than half fit one. A name is a path below the corpus's folder without its
    /// extension.
    pub fn of_names<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Option<&'static KnownCorpus> {
        let fitting = |corpus: &&KnownCorpus| names.clone().filter(|name| corpus.parse(name).is_some()).count();
        let best = ALL.iter().max_by_key(fitting)?;
        (2 * fitting(&best) > names.clone().count()).then_some(best)
    }

    /// The label and the speaker that a name says.
    pub fn parse<'a>(&'a self, name: &'a str) -> Option<(&'a str, &'a str)> {
        let found = self.pattern.captures(name)?;
        let label = self.labels.get(&found["label"])?;
        Some((label, found.name("speaker")?.as_str()))
    }

    fn read(text: &str) -> Self {
        let read: Description = toml::from_str(text).expect("our own files are checked by a test");
        let Description { name, about, source, licence, pattern, labels } = read;
        let pattern = Regex::new(&pattern).expect("our own patterns are checked by a test");
        let terms = format!("Trained on {name} ({source}). Licence of the recordings: {licence}.");
        KnownCorpus { name, about, source, licence, terms, pattern, labels }
    }
}

/// The name of a clip by which a corpus is recognised: its path below `folder` without the extension, with `/` between folders.
pub fn name_of(folder: &Path, clip: &Path) -> String {
    let below = clip.strip_prefix(folder).unwrap_or(clip).with_extension("");
    let parts: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_known_corpus_say_label_and_speaker() {
        let all = [
            ("AESDD", "anger/a01 (1)", "angry", "1"),
            ("CaFE", "Colère/Fort/01-C-2-1", "angry", "01"),
            ("CREMA-D", "AudioWAV/1091_WSI_SAD_XX", "sad", "1091"),
            ("CREMA-D", "1001_IEO_ANG_HI", "angry", "1001"),
            ("EMO-DB", "wav/03a01Fa", "happy", "03"),
            ("EMO-DB", "16b10Lb", "bored", "16"),
            ("EMOVO", "f1/dis-f1-b1", "disgust", "f1"),
            ("ESD", "0011/Surprise/evaluation/0011_001421", "surprised", "0011"),
            ("ESD", "0020/Neutral/0020_000001", "neutral", "0020"),
            ("JL-Corpus", "female2_encouraging_12b_2", "encouraging", "female2"),
            ("nEMO", "samples/EB0_anger_1", "angry", "EB0"),
            ("SAVEE", "AudioData/DC/sa01", "sad", "DC"),
            ("SAVEE", "KL_n30", "neutral", "KL"),
            ("ShEMO", "male/M12W03", "surprised", "M12"),
            ("SUBESCO", "F_02_MONIKA_S_1_NEUTRAL_5", "neutral", "F_02"),
            ("TESS", "YAF_pleasant_surprised/YAF_back_ps", "surprised", "YA"),
            ("TESS", "OAF_Sad/OA_bite_sad", "sad", "OA"),
            ("URDU", "Angry/SM1_F10_A010", "angry", "SM1"),
            ("URDU", "Happy/S4-F2-H072", "happy", "S4"),
        ];
        for (corpus, name, label, speaker) in all {
            let found = KnownCorpus::of_names([name].into_iter()).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((found.name.as_str(), found.parse(name)), (corpus, Some((label, speaker))), "{name}");
            // No name fits two corpora.
            assert_eq!(KnownCorpus::all().iter().filter(|it| it.parse(name).is_some()).count(), 1, "{name}");
        }
        for KnownCorpus { name, .. } in KnownCorpus::all() {
            assert!(all.iter().any(|(corpus, ..)| corpus == name), "{name}");
        }
    }

    #[test]
    fn other_names_are_of_no_known_corpus() {
        for name in
            ["a", "03-01-05-01-02-01-16", "Anger_C_A_abajo", "Ses01F_impro01_F000", "happy/anna_1", "f1/foo-f1-b1", ""]
        {
            assert!(KnownCorpus::of_names([name].into_iter()).is_none(), "{name}");
        }
        let half = ["f1/dis-f1-b1", "f1/notes"];
        assert!(KnownCorpus::of_names(half.into_iter()).is_none());
        assert!(KnownCorpus::of_names(half.into_iter().chain(["f2/neu-f2-b1"])).is_some());
        assert!(KnownCorpus::of_names(std::iter::empty()).is_none());
    }

    #[test]
    fn corpora_are_described_and_sorted() {
        for corpus in KnownCorpus::all() {
            for text in [&corpus.about, &corpus.source, &corpus.licence] {
                assert!(!text.is_empty(), "{}", corpus.name);
            }
            assert!(corpus.labels.len() >= 4, "{}", corpus.name);
        }
        assert!(KnownCorpus::all().iter().map(|it| it.name.to_lowercase()).is_sorted());
    }

    #[test]
    fn a_clips_name_is_its_path_below_the_folder() {
        assert_eq!(name_of(Path::new("emovo"), Path::new("emovo/f1/dis-f1-b1.flac")), "f1/dis-f1-b1");
        assert_eq!(name_of(Path::new(""), Path::new("a (1).b.wav")), "a (1).b");
    }
}
