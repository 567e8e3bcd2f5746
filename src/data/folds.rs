//! Folds: which speakers train a model, which choose its best epoch, and which test it.
//!
//! No speaker is in two parts of a split, so a test score measures recognition of speakers that are new to the model.

mod balance;

use alloc::collections::{BTreeMap, BTreeSet};
use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::prelude::*;
use balance::balanced_groups;

/// Number of folds by default: the paper's. With three or four speakers, each fold leaves out one.
const STANDARD: usize = 5;

/// Where whole corpora are left out, one in so many speakers of each other corpus validates.
const VALIDATED: usize = 5;

/// Numbers of speakers that make fewer folds.
const SMALL: RangeInclusive<usize> = 3..=4;

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
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (part, speakers) in split.parts() {
            if speakers.is_empty() {
                return Err(wrong(format!("no speaker is left for {part}"))
                    .advice("training, validation and test need at least one speaker each"));
            }
            for speaker in speakers {
                if let Some(other) = seen.insert(speaker, part) {
                    return Err(wrong(format!("speaker `{speaker}` is in {other} and in {part}"))
                        .advice("put each speaker into one part: test speakers must be new to the model"));
                }
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

    /// The corpus that is left out: all test speakers are of it ([`corpus_of`]), and no other speaker is.
    pub fn corpus(&self) -> Option<&str> {
        let corpus = corpus_of(&self.test[0])?;
        let is_of_it = |speaker: &String| corpus_of(speaker) == Some(corpus);
        let others = self.train.iter().chain(&self.validation).any(is_of_it);
        (self.test.iter().all(is_of_it) && !others).then_some(corpus)
    }

    /// Its name for people: the number of the fold, or the corpus that is left out.
    pub fn name(&self) -> String {
        self.corpus().map_or_else(|| self.fold.to_string(), String::from)
    }

    /// Checks that every speaker of the split is in the corpus.
    ///
    /// # Errors
    /// [`Kind::Data`] naming the first speaker that is not among `speakers`.
    pub fn check_speakers(&self, speakers: &[String]) -> Result<()> {
        let known: BTreeSet<&String> = speakers.iter().collect();
        for (part, names) in self.parts() {
            if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
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

/// The corpus of a speaker whose name says it, as `EMOVO/f1` does: what is before the first slash. Where clips of several corpora
/// are pooled, speakers are named like this, as equal names in two corpora are different people.
pub fn corpus_of(speaker: &str) -> Option<&str> {
    speaker.split_once('/').map(|(corpus, _)| corpus)
}

/// The folds to run, in the syntax of `--folds`: `all`, `0,3`, `k=5`, `k=5:0,3`, `balanced`, `balanced=4`, `loso`, `loso:2`, `corpus`
/// or `within=0:4`.
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
    /// actors, otherwise those of `k=5`, or of `loso` with three or four speakers.
    Standard(Vec<usize>),
    /// `k=5`: this number of folds, at least 2.
    KFold(usize),
    /// `balanced` (five) or `balanced=4`: this number of folds, at least 2, of speakers grouped so that every fold has about as many
    /// clips, and as many of each class.
    Balanced(usize),
    /// `loso`: leave one speaker out, one fold per speaker.
    LeaveOneSpeakerOut,
    /// `corpus`: leave one corpus out, one fold per corpus, sorted by name ([`corpus_of`]).
    LeaveOneCorpusOut,
    /// `k=5:0,3`, `loso:2` or `corpus:0`: some folds of another plan, by their numbers, ascending.
    Chosen {
        /// [`KFold`](Self::KFold), [`Balanced`](Self::Balanced), [`LeaveOneSpeakerOut`](Self::LeaveOneSpeakerOut) or
        /// [`LeaveOneCorpusOut`](Self::LeaveOneCorpusOut).
        of: Box<FoldPlan>,
        /// Their numbers, from 0.
        folds: Vec<usize>,
    },
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
    /// Balanced folds depend on the speakers' clips too: [`splits_of`](Self::splits_of) makes them.
    ///
    /// Where a corpus is left out, every fifth speaker of each other corpus validates; if all of these are smaller, the last speaker
    /// does.
    ///
    /// # Errors
    /// [`Kind::Data`] if there are fewer speakers than folds, too few for training, validation and test, or fewer folds than a
    /// chosen one's number; [`Kind::Settings`] if the plan was built by hand and names a fold that does not exist, or if it is
    /// balanced.
    pub fn splits(&self, speakers: &[String]) -> Result<Vec<Split>> {
        self.check()?;
        let speakers: Vec<String> = speakers.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
        match self {
            plan if *plan == FoldPlan::all() => standard_splits(&speakers),
            FoldPlan::Standard(chosen) => self.choose(standard_splits(&speakers)?, chosen),
            FoldPlan::KFold(folds) => dealt_splits(&speakers, *folds),
            FoldPlan::Balanced(_) => {
                let problem = "expected folds that depend on the speakers' names alone";
                Err(Error::new(Kind::Settings, problem).at(format!("folds `{self}`")).advice("splits_of makes them"))
            }
            FoldPlan::LeaveOneSpeakerOut => dealt_splits(&speakers, speakers.len()),
            FoldPlan::LeaveOneCorpusOut => corpus_splits(&speakers),
            FoldPlan::Chosen { of, folds } => self.choose(of.splits(&speakers)?, folds),
            FoldPlan::Within { fold, folds } => {
                let outer = self.choose(standard_splits(&speakers)?, &[*fold])?.remove(0);
                let others: Vec<String> =
                    speakers.into_iter().filter(|speaker| !outer.test.contains(speaker)).collect();
                dealt_splits(&others, *folds)
            }
        }
    }

    /// The splits of a corpus with these clips: the speaker and the class of each. As [`splits`](Self::splits), and balanced folds
    /// too: a speaker at a time, those of the most clips first, joins the group in which it does least harm; then speakers move or
    /// change places as long as that brings the worst fold nearer to its share of the clips and of each class. No draw is made, so
    /// equal clips give equal folds.
    ///
    /// # Errors
    /// Those of [`splits`](Self::splits).
    pub fn splits_of<'a>(&self, clips: impl IntoIterator<Item = (&'a str, usize)>) -> Result<Vec<Split>> {
        self.check()?;
        let mut speakers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (speaker, class) in clips {
            let counts = speakers.entry(speaker).or_default();
            counts.resize(counts.len().max(class + 1), 0);
            counts[class] += 1;
        }
        match self {
            FoldPlan::Balanced(folds) => balanced_splits(&speakers, *folds),
            FoldPlan::Chosen { of, folds } if matches!(**of, FoldPlan::Balanced(_)) => {
                let FoldPlan::Balanced(count) = **of else { unreachable!("just matched") };
                self.choose(balanced_splits(&speakers, count)?, folds)
            }
            _ => self.splits(&speakers.into_keys().map(String::from).collect::<Vec<_>>()),
        }
    }

    /// Whether `all` is leave one speaker out for this number of speakers, who are too few for five folds.
    pub fn is_leave_one_out_for(&self, speakers: usize) -> bool {
        matches!(self, FoldPlan::Standard(_)) && SMALL.contains(&speakers)
    }

    /// The splits with these numbers.
    fn choose(&self, splits: Vec<Split>, chosen: &[usize]) -> Result<Vec<Split>> {
        let count = splits.len();
        if let Some(missing) = chosen.iter().find(|&&fold| fold >= count) {
            let problem =
                format!("expected folds from 0 to {}, as these speakers make {count}, got {missing}", count - 1);
            return Err(Error::new(Kind::Data, problem).at(format!("folds `{self}`")));
        }
        Ok(splits.into_iter().filter(|split| chosen.contains(&split.fold)).collect())
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
            FoldPlan::KFold(folds) | FoldPlan::Balanced(folds) | FoldPlan::Within { folds, .. } if *folds < 2 => {
                wrong(format!("expected at least 2 folds, got {folds}"))
            }
            FoldPlan::Chosen { of, folds } => match **of {
                FoldPlan::KFold(_)
                | FoldPlan::Balanced(_)
                | FoldPlan::LeaveOneSpeakerOut
                | FoldPlan::LeaveOneCorpusOut
                    if !folds.is_empty() =>
                {
                    of.check()
                }
                _ => wrong("expected some folds of k=K, balanced, loso or corpus".into()),
            },
            FoldPlan::KFold(_)
            | FoldPlan::Balanced(_)
            | FoldPlan::LeaveOneSpeakerOut
            | FoldPlan::LeaveOneCorpusOut
            | FoldPlan::Within { .. } => Ok(()),
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
            let problem = "expected `all`, numbers such as `0,3`, `k=5`, `balanced`, `balanced=4`, `loso`, `corpus`, some of these as \
                           `k=5:0,3`, or `within=0:4`";
            Error::new(Kind::Settings, problem).at(format!("folds `{text}`"))
        };
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| invalid());
        let numbers = |text: &str| Ok(Vec::from_iter(text.split(',').map(number).collect::<Result<BTreeSet<_>>>()?));
        let (plan, chosen) = match text.trim().split_once(':') {
            Some((plan, chosen)) => (plan, Some(chosen)),
            None => (text.trim(), None),
        };
        let plan = match (plan.split_once('='), chosen) {
            (Some(("within", fold)), Some(folds)) => FoldPlan::Within { fold: number(fold)?, folds: number(folds)? },
            (Some(("k", folds)), None) => FoldPlan::KFold(number(folds)?),
            (Some(("balanced", folds)), None) => FoldPlan::Balanced(number(folds)?),
            (None, None) if plan == "balanced" => FoldPlan::Balanced(STANDARD),
            (None, None) if plan == "loso" => FoldPlan::LeaveOneSpeakerOut,
            (None, None) if plan == "corpus" => FoldPlan::LeaveOneCorpusOut,
            (_, Some(chosen))
                if ["loso", "corpus", "balanced"].contains(&plan)
                    || plan.starts_with("k=")
                    || plan.starts_with("balanced=") =>
            {
                FoldPlan::Chosen { of: Box::new(plan.parse()?), folds: numbers(chosen)? }
            }
            (None, None) if plan == "all" => FoldPlan::all(),
            (None, None) => FoldPlan::Standard(numbers(plan)?),
            _ => return Err(invalid()),
        };
        plan.check()?;
        Ok(plan)
    }
}

impl fmt::Display for FoldPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = |folds: &[usize]| folds.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        match self {
            plan if *plan == FoldPlan::all() => f.write_str("all"),
            FoldPlan::Standard(chosen) => f.write_str(&numbers(chosen)),
            FoldPlan::Chosen { of, folds } => write!(f, "{of}:{}", numbers(folds)),
            FoldPlan::KFold(folds) => write!(f, "k={folds}"),
            FoldPlan::Balanced(STANDARD) => f.write_str("balanced"),
            FoldPlan::Balanced(folds) => write!(f, "balanced={folds}"),
            FoldPlan::LeaveOneSpeakerOut => f.write_str("loso"),
            FoldPlan::LeaveOneCorpusOut => f.write_str("corpus"),
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

/// The standard folds of sorted speakers: the paper's five if the speakers are RAVDESS's actors.
fn standard_splits(speakers: &[String]) -> Result<Vec<Split>> {
    match actors_by_number(speakers) {
        Some(actors) => paper_splits(&actors),
        None if SMALL.contains(&speakers.len()) => dealt_splits(speakers, speakers.len()),
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
    check_enough(speakers.len(), folds)?;
    let mut groups = vec![Vec::new(); folds];
    for (turn, speaker) in speakers.iter().enumerate() {
        let later = if folds.is_multiple_of(2) { turn / folds } else { 0 };
        groups[(turn + later) % folds].push(speaker.clone());
    }
    group_splits(&groups)
}

/// `folds` balanced folds of speakers with these numbers of clips of each class.
fn balanced_splits(speakers: &BTreeMap<&str, Vec<usize>>, folds: usize) -> Result<Vec<Split>> {
    check_enough(speakers.len(), folds)?;
    let (names, clips): (Vec<&str>, Vec<&[usize]>) = speakers.iter().map(|(name, clips)| (*name, &clips[..])).unzip();
    let mut groups = vec![Vec::new(); folds];
    for (name, group) in names.into_iter().zip(balanced_groups(&clips, folds)) {
        groups[group].push(name.to_string());
    }
    group_splits(&groups)
}

/// Refuses too few speakers for this number of folds.
fn check_enough(found: usize, folds: usize) -> Result<()> {
    let refuse =
        |problem: String, advice: &str| Err(Error::new(Kind::Data, problem).at("folds").advice(advice.to_string()));
    if found < 3 {
        let problem = format!("expected at least 3 speakers to train, validate and test with, found {found}");
        return refuse(problem, "train --all trains on everyone, without a score");
    }
    if found < folds {
        let problem = format!("expected at least as many speakers as folds, {folds}, found {found}");
        return refuse(problem, &format!("`k={found}` or `loso` leaves out one speaker per fold"));
    }
    if folds == 2 && found == 3 {
        let problem = "expected at least 4 speakers for two folds, found 3";
        return refuse(problem.into(), "`loso` leaves out one speaker per fold");
    }
    Ok(())
}

/// One fold per group of speakers: fold `f` tests group `f`, and the first half of the next group validates.
fn group_splits(groups: &[Vec<String>]) -> Result<Vec<Split>> {
    let folds = groups.len();
    let split = |fold: usize| {
        let next = &groups[(fold + 1) % folds];
        let (validation, rest) = next.split_at((next.len() / 2).max(1));
        let others = (2..folds).flat_map(|ahead| &groups[(fold + ahead) % folds]);
        Split::new(fold, rest.iter().chain(others).cloned().collect(), validation.to_vec(), groups[fold].clone())
    };
    (0..folds).map(split).collect()
}

/// One fold per corpus of sorted speakers, as [`FoldPlan::splits`] describes them.
fn corpus_splits(speakers: &[String]) -> Result<Vec<Split>> {
    let refuse = |problem: String| {
        let advice = "name several DATA, or call speakers CORPUS/NAME in a table";
        Err(Error::new(Kind::Data, problem).at("folds `corpus`").advice(advice))
    };
    let mut corpora: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for speaker in speakers {
        match corpus_of(speaker) {
            Some(corpus) => corpora.entry(corpus).or_default().push(speaker),
            None => return refuse(format!("expected speakers of at least two corpora, but `{speaker}` names none")),
        }
    }
    if corpora.len() < 2 {
        let names: Vec<&str> = corpora.keys().copied().collect();
        return refuse(format!("expected at least two corpora, got {}", names.join(", ")));
    }
    let owned = |speakers: Vec<&String>| speakers.into_iter().cloned().collect::<Vec<_>>();
    let split = |(fold, out): (usize, &str)| {
        let others = || corpora.iter().filter(|(corpus, _)| **corpus != out).map(|(_, speakers)| speakers);
        let mut validation: Vec<&String> =
            others().flat_map(|speakers| speakers.iter().copied().skip(VALIDATED - 1).step_by(VALIDATED)).collect();
        if validation.is_empty() {
            validation.extend(others().flatten().last());
        }
        let train = others().flatten().copied().filter(|speaker| !validation.contains(speaker)).collect();
        Split::new(fold, owned(train), owned(validation), owned(corpora[out].clone()))
    };
    corpora.keys().copied().enumerate().map(split).collect()
}

#[cfg(test)]
mod tests;
