//! Folds: which speakers train a model, which choose its best epoch, and which test it.
//!
//! No speaker is in two parts of a split, so a test score measures recognition of speakers that are new to the model.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

/// Number of folds by default: the paper's.
const STANDARD: usize = 5;

/// The paper's folds of RAVDESS's 24 actors: test speakers, validation speakers.
const PAPER: [(&[usize], &[usize]); STANDARD] = [
    (&[2, 5, 14, 15, 16], &[3, 6]),
    (&[3, 6, 7, 13, 18], &[10, 11]),
    (&[10, 11, 12, 19, 20], &[8, 17]),
    (&[8, 17, 21, 23, 24], &[1, 14]),
    (&[1, 4, 9, 22], &[2, 5]),
];

/// One split of a corpus's speakers into training, validation and test. No part is empty; no speaker is in two parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedSplit")]
pub struct Split {
    fold: usize,
    train: Vec<String>,
    validation: Vec<String>,
    test: Vec<String>,
}

/// A [`Split`] as read from a file, before it is checked.
#[derive(Deserialize)]
struct UncheckedSplit {
    fold: usize,
    train: Vec<String>,
    validation: Vec<String>,
    test: Vec<String>,
}

impl Split {
    /// The split of fold `fold` (from 0). Speakers may come in any order.
    ///
    /// # Errors
    /// [`Kind::Data`] if a part is empty, or a speaker is in two parts or twice in one; the message names them.
    pub fn new(fold: usize, train: Vec<String>, validation: Vec<String>, test: Vec<String>) -> Result<Self> {
        let mut split = Split { fold, train, validation, test };
        let wrong = |problem: String| Error::new(Kind::Data, problem).at(format!("fold {fold}"));
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for (part, speakers) in split.parts() {
            if speakers.is_empty() {
                return Err(wrong(format!("no speaker is left for {part}")).advice(
                    "training, validation and test need at least one speaker each: use more speakers or folds",
                ));
            }
            for speaker in speakers {
                if let Some((_, other)) = seen.iter().find(|(earlier, _)| earlier == speaker) {
                    return Err(wrong(format!("speaker `{speaker}` is in {other} and in {part}"))
                        .advice("put each speaker into one part: test speakers must be new to the model"));
                }
                seen.push((speaker, part));
            }
        }
        for part in [&mut split.train, &mut split.validation, &mut split.test] {
            part.sort();
        }
        Ok(split)
    }

    /// Number of the fold, from 0.
    pub fn fold(&self) -> usize {
        self.fold
    }

    /// Training speakers, sorted: they give the weights, and the mean and standard deviation of the features.
    pub fn train(&self) -> &[String] {
        &self.train
    }

    /// Validation speakers, sorted: their score chooses the epoch.
    pub fn validation(&self) -> &[String] {
        &self.validation
    }

    /// Test speakers, sorted: their score is reported.
    pub fn test(&self) -> &[String] {
        &self.test
    }

    /// Checks that every speaker of the split is in the corpus.
    ///
    /// # Errors
    /// [`Kind::Data`] naming the first speaker that is not among `speakers`.
    pub fn check_speakers(&self, speakers: &[String]) -> Result<()> {
        for (part, names) in self.parts() {
            if let Some(unknown) = names.iter().find(|name| !speakers.contains(name)) {
                let problem =
                    format!("{part} names speaker `{unknown}`, who is not in the data: {}", speakers.join(", "));
                return Err(Error::new(Kind::Data, problem).at(format!("fold {}", self.fold)));
            }
        }
        Ok(())
    }

    fn parts(&self) -> [(&'static str, &[String]); 3] {
        [("training", &self.train), ("validation", &self.validation), ("test", &self.test)]
    }
}

impl TryFrom<UncheckedSplit> for Split {
    type Error = Error;
    fn try_from(split: UncheckedSplit) -> Result<Self> {
        Split::new(split.fold, split.train, split.validation, split.test)
    }
}

/// The folds to run, in the syntax of `--folds`: `all`, `0,3`, `k=5`, `loso` or `within=0:4`.
///
/// ```
/// use reslstm::data::folds::FoldPlan;
///
/// let actors: Vec<String> = (1..=24).map(|actor| format!("{actor:02}")).collect();
/// let splits = "0,3".parse::<FoldPlan>()?.splits(&actors)?;
/// assert_eq!(splits[1].fold(), 3);
/// assert_eq!(splits[1].test(), ["08", "17", "21", "23", "24"]);
/// # Ok::<(), reslstm::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FoldPlan {
    /// `all`, or the numbers of some folds, ascending, 0 to 4. They are the paper's folds if the speakers are RAVDESS's 24
    /// actors, otherwise those of `k=5`.
    Standard(Vec<usize>),
    /// `k=5`: this number of folds, at least 2.
    KFold(usize),
    /// `loso`: leave one speaker out, one fold per speaker.
    LeaveOneSpeakerOut,
    /// `within=0:4`: the inner folds of a nested cross-validation. They divide the speakers that a standard fold does not
    /// test, so choices made by their scores never see its test speakers.
    Within {
        /// The standard fold whose test speakers are left out.
        fold: usize,
        /// Number of inner folds, at least 2.
        folds: usize,
    },
}

impl FoldPlan {
    /// All five standard folds.
    pub fn all() -> Self {
        FoldPlan::Standard((0..STANDARD).collect())
    }

    /// The splits of a corpus with these speakers, in the order of the folds. They depend on the speakers' names alone, not
    /// on a seed, so that runs with different seeds can be compared.
    ///
    /// RAVDESS's actors are recognised as `1`, `01` or `Actor_01` to 24. Other speakers are sorted and dealt round robin into
    /// one group per fold; fold `f` tests group `f`. With an even number of folds, every round begins one group later.
    /// Without that, folds of men and folds of women would come out where the sexes alternate, as they do in RAVDESS. The
    /// validation speakers are the first half of the next group, rounded down but at least one: two for RAVDESS, as in
    /// the paper.
    ///
    /// # Errors
    /// [`Kind::Data`] if there are fewer speakers than folds, or too few for training, validation and test;
    /// [`Kind::Settings`] if the plan was built by hand and names a fold that does not exist.
    pub fn splits(&self, speakers: &[String]) -> Result<Vec<Split>> {
        self.check()?;
        let speakers: Vec<String> = speakers.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
        match self {
            FoldPlan::Standard(chosen) => {
                Ok(standard_splits(&speakers)?.into_iter().filter(|split| chosen.contains(&split.fold)).collect())
            }
            FoldPlan::KFold(folds) => dealt_splits(&speakers, *folds),
            FoldPlan::LeaveOneSpeakerOut => dealt_splits(&speakers, speakers.len()),
            FoldPlan::Within { fold, folds } => {
                let outer = standard_splits(&speakers)?.swap_remove(*fold);
                let others: Vec<String> =
                    speakers.into_iter().filter(|speaker| !outer.test.contains(speaker)).collect();
                dealt_splits(&others, *folds)
            }
        }
    }

    fn check(&self) -> Result<()> {
        let wrong = |problem: String| Err(Error::new(Kind::Settings, problem).at(format!("folds `{self}`")));
        match self {
            FoldPlan::Standard(chosen) if chosen.is_empty() => wrong("expected at least one fold".into()),
            FoldPlan::Standard(chosen) => match chosen.iter().find(|&&fold| fold >= STANDARD) {
                Some(fold) => wrong(format!("expected folds from 0 to {}, got {fold}", STANDARD - 1)),
                None => Ok(()),
            },
            FoldPlan::Within { fold, .. } if *fold >= STANDARD => {
                wrong(format!("expected a fold from 0 to {}, got {fold}", STANDARD - 1))
            }
            FoldPlan::KFold(folds) | FoldPlan::Within { folds, .. } if *folds < 2 => {
                wrong(format!("expected at least 2 folds, got {folds}"))
            }
            FoldPlan::KFold(_) | FoldPlan::LeaveOneSpeakerOut | FoldPlan::Within { .. } => Ok(()),
        }
    }
}

impl Default for FoldPlan {
    fn default() -> Self {
        FoldPlan::all()
    }
}

impl FromStr for FoldPlan {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = || {
            let problem = "expected `all`, numbers such as `0,3`, `k=5`, `loso` or `within=0:4`";
            Error::new(Kind::Settings, problem).at(format!("folds `{text}`"))
        };
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| invalid());
        let plan = match text.trim().split_once('=') {
            None if text.trim() == "all" => FoldPlan::all(),
            None if text.trim() == "loso" => FoldPlan::LeaveOneSpeakerOut,
            None => {
                FoldPlan::Standard(text.split(',').map(number).collect::<Result<BTreeSet<_>>>()?.into_iter().collect())
            }
            Some(("k", folds)) => FoldPlan::KFold(number(folds)?),
            Some(("within", inner)) => {
                let (fold, folds) = inner.split_once(':').ok_or_else(invalid)?;
                FoldPlan::Within { fold: number(fold)?, folds: number(folds)? }
            }
            Some(_) => return Err(invalid()),
        };
        plan.check()?;
        Ok(plan)
    }
}

impl fmt::Display for FoldPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            plan if *plan == FoldPlan::all() => f.write_str("all"),
            FoldPlan::Standard(chosen) => {
                let numbers: Vec<String> = chosen.iter().map(usize::to_string).collect();
                f.write_str(&numbers.join(","))
            }
            FoldPlan::KFold(folds) => write!(f, "k={folds}"),
            FoldPlan::LeaveOneSpeakerOut => f.write_str("loso"),
            FoldPlan::Within { fold, folds } => write!(f, "within={fold}:{folds}"),
        }
    }
}

impl TryFrom<String> for FoldPlan {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<FoldPlan> for String {
    fn from(plan: FoldPlan) -> Self {
        plan.to_string()
    }
}

/// The speakers' names in the order of RAVDESS's actors 1 to 24; `None` if they are other speakers.
fn actors_by_number(speakers: &[String]) -> Option<Vec<&String>> {
    let number = |name: &String| name.strip_prefix("Actor_").unwrap_or(name).parse::<usize>().ok();
    let mut actors: Vec<(usize, &String)> =
        speakers.iter().map(|name| Some((number(name)?, name))).collect::<Option<_>>()?;
    actors.sort();
    actors.iter().map(|(number, _)| *number).eq(1..=24).then(|| actors.into_iter().map(|(_, name)| name).collect())
}

/// The five standard folds of sorted speakers: the paper's if the speakers are RAVDESS's actors.
fn standard_splits(speakers: &[String]) -> Result<Vec<Split>> {
    match actors_by_number(speakers) {
        Some(actors) => paper_splits(&actors),
        None => dealt_splits(speakers, STANDARD),
    }
}

/// The paper's folds; `actors[n - 1]` is the name of actor `n`.
fn paper_splits(actors: &[&String]) -> Result<Vec<Split>> {
    let names = |numbers: &[usize]| numbers.iter().map(|n| actors[n - 1].clone()).collect::<Vec<_>>();
    let split = |(fold, (test, validation)): (usize, &(&[usize], &[usize]))| {
        let train: Vec<usize> = (1..=24).filter(|n| !test.contains(n) && !validation.contains(n)).collect();
        Split::new(fold, names(&train), names(validation), names(test))
    };
    PAPER.iter().enumerate().map(split).collect()
}

/// `folds` folds of any sorted speakers, as [`FoldPlan::splits`] describes them.
fn dealt_splits(speakers: &[String], folds: usize) -> Result<Vec<Split>> {
    if speakers.len() < folds.max(3) {
        let problem = if speakers.len() < 3 {
            format!("expected at least 3 speakers to train, validate and test with, found {}", speakers.len())
        } else {
            format!("expected at least as many speakers as folds, {folds}, found {}", speakers.len())
        };
        return Err(Error::new(Kind::Data, problem)
            .at("folds")
            .advice("`k=3` makes three folds, `loso` one per speaker"));
    }
    let mut groups = vec![Vec::new(); folds];
    for (turn, speaker) in speakers.iter().enumerate() {
        let later = if folds.is_multiple_of(2) { turn / folds } else { 0 };
        groups[(turn + later) % folds].push(speaker.clone());
    }
    let split = |fold: usize| {
        let next = &groups[(fold + 1) % folds];
        let (validation, rest) = next.split_at((next.len() / 2).max(1));
        let others = (2..folds).flat_map(|ahead| &groups[(fold + ahead) % folds]);
        Split::new(fold, rest.iter().chain(others).cloned().collect(), validation.to_vec(), groups[fold].clone())
    };
    (0..folds).map(split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (1..=count).map(|n| format!("{n:02}")).collect()
    }

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    /// What holds for every plan: each fold uses every speaker once, and each speaker is tested once.
    fn assert_valid(splits: &[Split], speakers: &[String]) {
        for (index, split) in splits.iter().enumerate() {
            assert_eq!(split.fold(), index);
            split.check_speakers(speakers).unwrap();
            let mut all = [split.train(), split.validation(), split.test()].concat();
            all.sort();
            assert_eq!(all, speakers, "fold {index}");
            let next = &splits[(index + 1) % splits.len()];
            assert!(split.validation().iter().all(|name| next.test().contains(name)), "fold {index}");
        }
        let mut tested: Vec<String> = splits.iter().flat_map(|split| split.test().to_vec()).collect();
        tested.sort();
        assert_eq!(tested, speakers);
    }

    #[test]
    fn ravdess_actors_get_the_folds_of_the_paper() {
        let splits = FoldPlan::all().splits(&names(24)).unwrap();
        let expected: [(&[&str], &[&str]); 5] = [
            (&["02", "05", "14", "15", "16"], &["03", "06"]),
            (&["03", "06", "07", "13", "18"], &["10", "11"]),
            (&["10", "11", "12", "19", "20"], &["08", "17"]),
            (&["08", "17", "21", "23", "24"], &["01", "14"]),
            (&["01", "04", "09", "22"], &["02", "05"]),
        ];
        assert_eq!(splits.len(), 5);
        for (fold, (split, (test, validation))) in splits.iter().zip(expected).enumerate() {
            assert_eq!(
                (split.fold(), split.test(), split.validation()),
                (fold, &strings(test)[..], &strings(validation)[..])
            );
            let rest: Vec<String> =
                names(24).into_iter().filter(|n| !split.test.contains(n) && !split.validation.contains(n)).collect();
            assert_eq!(split.train(), rest);
        }
        let mut tested: Vec<String> = splits.into_iter().flat_map(|split| split.test).collect();
        tested.sort();
        assert_eq!(tested, names(24));
    }

    #[test]
    fn chosen_folds_keep_their_numbers() {
        let splits = "3, 0".parse::<FoldPlan>().unwrap().splits(&names(24)).unwrap();
        assert_eq!(splits.iter().map(Split::fold).collect::<Vec<_>>(), [0, 3]);
        assert_eq!(splits[1].test()[0], "08");
    }

    #[test]
    fn ravdess_actors_are_recognised_in_every_spelling() {
        for style in [|n: usize| n.to_string(), |n| format!("Actor_{n:02}")] {
            let speakers: Vec<String> = (1..=24).rev().map(style).collect();
            let splits = FoldPlan::all().splits(&speakers).unwrap();
            let mut test: Vec<String> = [1, 4, 9, 22].map(style).to_vec();
            test.sort();
            assert_eq!(splits[4].test(), test);
        }
        // 24 speakers that are not the actors, and actors that are not all 24, get five other folds.
        for speakers in [(2..=25).map(|n| format!("{n:02}")).collect(), names(23)] {
            let splits = FoldPlan::all().splits(&speakers).unwrap();
            assert_valid(&splits, &speakers);
            assert_eq!(splits, FoldPlan::KFold(5).splits(&speakers).unwrap());
        }
    }

    #[test]
    fn folds_are_valid_for_any_number_of_speakers() {
        for count in 3..=30 {
            let speakers = names(count);
            for folds in 3..=count {
                let splits = FoldPlan::KFold(folds).splits(&speakers).unwrap();
                assert_eq!(splits.len(), folds);
                assert_valid(&splits, &speakers);
                let sizes: Vec<usize> = splits.iter().map(|split| split.test().len()).collect();
                assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
            }
            let splits = FoldPlan::LeaveOneSpeakerOut.splits(&speakers).unwrap();
            assert_valid(&splits, &speakers);
            assert!(splits.iter().all(|split| split.test().len() == 1 && split.validation().len() == 1));
        }
    }

    #[test]
    fn inner_folds_leave_out_the_test_speakers_of_the_outer_fold() {
        for speakers in [names(24), names(13)] {
            for (fold, outer) in FoldPlan::all().splits(&speakers).unwrap().iter().enumerate() {
                let splits = format!("within={fold}:4").parse::<FoldPlan>().unwrap().splits(&speakers).unwrap();
                let others: Vec<String> =
                    speakers.iter().filter(|name| !outer.test().contains(name)).cloned().collect();
                assert_eq!(splits.len(), 4);
                assert_valid(&splits, &others);
            }
        }
        let error = FoldPlan::Within { fold: 5, folds: 4 }.splits(&names(24)).unwrap_err();
        assert_eq!(error.to_string(), "folds `within=5:4`: expected a fold from 0 to 4, got 5");
    }

    #[test]
    fn with_two_folds_validation_speakers_come_from_the_training_half() {
        let speakers = names(9);
        let splits = FoldPlan::KFold(2).splits(&speakers).unwrap();
        assert_valid(&splits, &speakers);
        let sizes: Vec<_> = splits.iter().map(|s| (s.train().len(), s.validation().len(), s.test().len())).collect();
        assert_eq!(sizes, [(2, 2, 5), (3, 2, 4)]);
        let error = FoldPlan::KFold(2).splits(&names(3)).unwrap_err();
        assert!(error.to_string().starts_with("fold 1: no speaker is left for training ("), "{error}");
    }

    #[test]
    fn folds_depend_on_speaker_names_alone() {
        let speakers = strings(&["dora", "anna", "ben", "carl", "emil", "fay", "gus"]);
        let splits = FoldPlan::KFold(3).splits(&speakers).unwrap();
        let mut repeated = speakers.clone();
        repeated.reverse();
        repeated.push("ben".into());
        assert_eq!(FoldPlan::KFold(3).splits(&repeated).unwrap(), splits);
        assert!(splits.iter().all(|split| split.train().is_sorted() && split.test().is_sorted()));
    }

    #[test]
    fn folds_mix_men_and_women() {
        for folds in 2..=12 {
            for split in FoldPlan::KFold(folds).splits(&names(24)).unwrap() {
                let numbers: Vec<i32> = split.test().iter().map(|name| name.parse().unwrap()).collect();
                for is_male in [|n: &i32| n % 2 == 1, |n: &i32| *n <= 12] {
                    let men = numbers.iter().copied().filter(is_male).count();
                    assert!(men.abs_diff(numbers.len() - men) <= 2, "k={folds}: {numbers:?}");
                }
            }
        }
    }

    #[test]
    fn groups_of_nine_speakers_worked_by_hand() {
        // Four groups of nine: 1 2 3 4, then from the second group on 5 6 7 8, then from the third on 9.
        let splits = FoldPlan::KFold(4).splits(&names(9)).unwrap();
        let groups = splits.iter().map(Split::test).collect::<Vec<_>>();
        assert_eq!(groups, [["01", "08"].as_slice(), &["02", "05"], &["03", "06", "09"], &["04", "07"]]);
        assert_eq!(splits[1].validation(), ["03"]);
        assert_eq!(splits[1].train(), ["01", "04", "06", "07", "08", "09"]);
        // Three groups: plain round robin.
        let splits = FoldPlan::KFold(3).splits(&names(7)).unwrap();
        assert_eq!(splits[0].test(), ["01", "04", "07"]);
    }

    #[test]
    fn too_few_speakers_are_refused() {
        let refusal = |plan: FoldPlan, count| {
            let error = plan.splits(&names(count)).unwrap_err();
            assert_eq!(error.kind(), Kind::Data);
            error.to_string()
        };
        let few = "folds: expected at least as many speakers as folds, 5, found 4 (";
        assert!(refusal(FoldPlan::all(), 4).starts_with(few));
        assert!(refusal(FoldPlan::KFold(5), 4).starts_with(few));
        let three = "folds: expected at least 3 speakers to train, validate and test with, found ";
        assert!(refusal(FoldPlan::LeaveOneSpeakerOut, 2).starts_with(&format!("{three}2")));
        assert!(refusal(FoldPlan::LeaveOneSpeakerOut, 0).starts_with(&format!("{three}0")));
        assert!(refusal(FoldPlan::KFold(2), 1).starts_with(&format!("{three}1")));
    }

    #[test]
    fn plans_are_read_and_written_as_text() {
        for (text, plan) in [
            ("all", FoldPlan::all()),
            ("0,3", FoldPlan::Standard(vec![0, 3])),
            ("2", FoldPlan::Standard(vec![2])),
            ("k=10", FoldPlan::KFold(10)),
            ("loso", FoldPlan::LeaveOneSpeakerOut),
            ("within=3:4", FoldPlan::Within { fold: 3, folds: 4 }),
        ] {
            assert_eq!(text.parse::<FoldPlan>().unwrap(), plan);
            assert_eq!(plan.to_string(), text);
            let json = serde_json::to_string(&plan).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<FoldPlan>(&json).unwrap(), plan);
        }
        assert_eq!("4,0 ,1,2,3,3".parse::<FoldPlan>().unwrap(), FoldPlan::default());
    }

    #[test]
    fn invalid_plans_are_refused() {
        let refusal = |text: &str| {
            let error = text.parse::<FoldPlan>().unwrap_err();
            assert_eq!(error.kind(), Kind::Settings);
            error.to_string()
        };
        for text in ["", "some", "k=", "k=five", "K=5", "1,", "1;2", "-1", "k=-3", "within=1", "in=1:2", "within=:3"] {
            let expected =
                format!("folds `{text}`: expected `all`, numbers such as `0,3`, `k=5`, `loso` or `within=0:4`");
            assert_eq!(refusal(text), expected);
        }
        assert_eq!(refusal("1,5"), "folds `1,5`: expected folds from 0 to 4, got 5");
        assert_eq!(refusal("within=0:1"), "folds `within=0:1`: expected at least 2 folds, got 1");
        assert_eq!(refusal("k=1"), "folds `k=1`: expected at least 2 folds, got 1");
        assert_eq!(FoldPlan::KFold(0).splits(&names(9)).unwrap_err().kind(), Kind::Settings);
        assert_eq!(FoldPlan::Standard(vec![]).splits(&names(9)).unwrap_err().kind(), Kind::Settings);
    }

    #[test]
    fn a_split_keeps_its_speakers_apart() {
        let split = |train: &[&str], validation: &[&str], test: &[&str]| {
            Split::new(7, strings(train), strings(validation), strings(test))
        };
        let refusal = |split: Result<Split>| {
            let error = split.unwrap_err();
            assert_eq!(error.kind(), Kind::Data);
            error.to_string()
        };
        let twice = |speaker, one, other| format!("fold 7: speaker `{speaker}` is in {one} and in {other} (");
        assert!(refusal(split(&["a", "b"], &["c"], &["d", "b"])).starts_with(&twice("b", "training", "test")));
        assert!(refusal(split(&["a", "b"], &["a"], &["d"])).starts_with(&twice("a", "training", "validation")));
        assert!(refusal(split(&["a"], &["c", "d"], &["d"])).starts_with(&twice("d", "validation", "test")));
        assert!(refusal(split(&["a"], &["c"], &["d", "d"])).starts_with(&twice("d", "test", "test")));
        assert!(refusal(split(&[], &["c"], &["d"])).starts_with("fold 7: no speaker is left for training ("));
        assert!(refusal(split(&["a"], &[], &["d"])).starts_with("fold 7: no speaker is left for validation ("));
        assert!(refusal(split(&["a"], &["c"], &[])).starts_with("fold 7: no speaker is left for test ("));

        let split = split(&["b", "a"], &["c"], &["d"]).unwrap();
        assert_eq!(split.train(), ["a", "b"]);
        split.check_speakers(&strings(&["a", "b", "c", "d", "e"])).unwrap();
        let error = split.check_speakers(&strings(&["a", "b", "d"])).unwrap_err();
        assert_eq!(error.to_string(), "fold 7: validation names speaker `c`, who is not in the data: a, b, d");

        let json = serde_json::to_string(&split).unwrap();
        assert_eq!(json, r#"{"fold":7,"train":["a","b"],"validation":["c"],"test":["d"]}"#);
        assert_eq!(serde_json::from_str::<Split>(&json).unwrap(), split);
        assert!(serde_json::from_str::<Split>(&json.replace("\"c\"", "\"d\"")).is_err());
    }
}
