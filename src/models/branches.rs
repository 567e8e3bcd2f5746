//! Branches: several small networks in one model file, each of which reads some of the feature columns. Their probabilities are
//! averaged, so such a file is an ensemble; its number of parameters is the sum over its branches. An ordinary file has one branch
//! that reads all columns.
//!
//! # Formula
//! ```text
//! p[k] = 1/B Σ_b softmax(scores_b(x[:, columns_b]))[k]          over the B branches
//! ```
//! A temperature divides the scores of every branch before the mean is taken.

use super::{Architecture, Model, StreamingModel};
use crate::audio::FeatureSettings;
use crate::error::{Error, Kind, Result};
use crate::layers::softmax_cross_entropy::softmax;
use crate::matrix::Matrix;
use crate::params::Parameters;
use crate::prelude::*;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// The largest number of branches accepted.
const MOST_BRANCHES: usize = 64;
/// The name of a list without branches: an ordinary model.
const NONE: &str = "none";
/// The name of the group of all columns.
const ALL: &str = "all";
/// Kinds of columns by their names here, each with its name in [`FeatureSettings::kinds`].
const KINDS: [(&str, &str); 5] =
    [("mfcc", "MFCC"), ("chroma", "chroma"), ("pitch", "pitch"), ("level", "level"), ("deltas", "delta")];

/// Kinds of feature columns, joined by `+`: `mfcc+deltas`, or `all`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnGroup(String);

impl ColumnGroup {
    /// The columns of features with these settings, ascending.
    ///
    /// # Errors
    /// [`Kind::Settings`] if the features have no column of a kind.
    pub fn columns(&self, features: &FeatureSettings) -> Result<Vec<usize>> {
        let names: Vec<&str> = self.0.split('+').collect();
        let (mut columns, mut found, mut first) = (Vec::new(), 0, 0);
        for (kind, count) in features.kinds() {
            let name = KINDS.iter().find_map(|&(name, known)| (known == kind).then_some(name));
            if self.0 == ALL || name.is_some_and(|name| names.contains(&name)) {
                columns.extend(first..first + count);
                found += 1;
            }
            first += count;
        }
        if self.0 != ALL && found != names.len() {
            let kinds: Vec<String> = features.kinds().map(|(kind, count)| format!("{count} {kind}")).collect();
            let problem =
                format!("expected kinds of columns that the features have ({}), got {self}", kinds.join(", "));
            return Err(Error::new(Kind::Settings, problem));
        }
        Ok(columns)
    }

    /// Settings of features of these kinds alone: to name the columns that a branch reads.
    pub fn of_features(&self, features: &FeatureSettings) -> FeatureSettings {
        let names: Vec<&str> = self.0.split('+').collect();
        let count = |name: &str, count: usize| if self.0 == ALL || names.contains(&name) { count } else { 0 };
        let FeatureSettings { mfcc, chroma, pitch, level, deltas, .. } = *features;
        FeatureSettings {
            mfcc: count("mfcc", mfcc),
            chroma: count("chroma", chroma),
            pitch: count("pitch", pitch),
            level: count("level", usize::from(level)) > 0,
            deltas: count("deltas", deltas),
            ..features.clone()
        }
    }
}

impl fmt::Display for ColumnGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ColumnGroup {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let names: Vec<&str> = text.split('+').collect();
        let known = |name: &&str| KINDS.iter().any(|(known, _)| known == name);
        let repeated = names.iter().enumerate().any(|(n, name)| names[..n].contains(name));
        if text == ALL || (names.iter().all(known) && !repeated) {
            return Ok(ColumnGroup(text.into()));
        }
        let problem =
            format!("expected all, or some of mfcc, chroma, pitch, level and deltas joined by +, got '{text}'");
        Err(Error::new(Kind::Settings, problem))
    }
}

/// The column groups of the branches of a model, in their order, written `mfcc,mfcc+deltas`; `none` for an ordinary model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Branches(Vec<ColumnGroup>);

impl Branches {
    /// Whether this is an ordinary model.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The groups; empty for an ordinary model.
    pub fn groups(&self) -> &[ColumnGroup] {
        &self.0
    }

    /// Number of networks: 1 for an ordinary model.
    pub fn count(&self) -> usize {
        self.0.len().max(1)
    }

    /// The columns that each network reads of features with these settings and `width` columns: all of them in an ordinary model.
    ///
    /// # Errors
    /// [`Kind::Settings`] if the features have no column of a kind, or not this width.
    pub fn columns(&self, features: &FeatureSettings, width: usize) -> Result<Vec<Vec<usize>>> {
        if self.is_none() {
            return Ok(vec![(0..width).collect()]);
        }
        if features.width() != width {
            let problem = format!("branches: expected features of {} columns, got {width}", features.width());
            return Err(Error::new(Kind::Settings, problem));
        }
        self.0.iter().map(|group| group.columns(features).map_err(|error| error.at("branches"))).collect()
    }
}

/// The name of a model of these networks: `5x lstm-sa-h32` for five branches of one architecture.
pub fn architecture_name(networks: &[Architecture]) -> String {
    match networks {
        [one] => one.to_string(),
        [first, others @ ..] if others.iter().all(|other| other == first) => format!("{}x {first}", networks.len()),
        all => all.iter().map(Architecture::to_string).collect::<Vec<_>>().join(" + "),
    }
}

impl fmt::Display for Branches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str(NONE);
        }
        let names: Vec<&str> = self.0.iter().map(|group| group.0.as_str()).collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for Branches {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        if text == NONE {
            return Ok(Branches::default());
        }
        let groups = text.split(',').map(|group| group.trim().parse()).collect::<Result<Vec<_>>>()?;
        if groups.len() > MOST_BRANCHES {
            let problem = format!("expected at most {MOST_BRANCHES} branches, got {}", groups.len());
            return Err(Error::new(Kind::Settings, problem));
        }
        Ok(Branches(groups))
    }
}

impl TryFrom<String> for Branches {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Branches> for String {
    fn from(branches: Branches) -> String {
        branches.to_string()
    }
}

/// A network of a model file, and the columns that it reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    columns: Vec<usize>,
    model: Model<f32>,
}

impl Branch {
    /// A network that reads these columns of the features, as many as it has inputs.
    ///
    /// # Panics
    /// If it has another number of inputs.
    pub fn new(columns: Vec<usize>, model: Model<f32>) -> Self {
        assert_eq!(columns.len(), model.inputs(), "one column per input");
        Branch { columns, model }
    }

    /// The columns of the features that it reads.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The network.
    pub fn model(&self) -> &Model<f32> {
        &self.model
    }

    /// The network, to change its weights.
    pub fn model_mut(&mut self) -> &mut Model<f32> {
        &mut self.model
    }

    /// The columns of `x` `[T,D]` that it reads.
    pub fn select(&self, x: &Matrix<f32>) -> Matrix<f32> {
        let mut own = Matrix::default();
        x.select_columns(&self.columns, &mut own);
        own
    }
}

/// Number of parameters of all branches.
pub fn parameter_count(branches: &[Branch]) -> usize {
    branches.iter().map(|branch| branch.model.parameter_count()).sum()
}

/// The mean probabilities `[N,K]` of branches, given the scores `[N,K]` of each. Of one branch, its probabilities to the bit.
///
/// # Panics
/// If there are no scores.
pub fn mean_probabilities(scores: &[Matrix<f32>]) -> Matrix<f32> {
    let (mut mean, mut probabilities) = (Matrix::default(), Matrix::default());
    softmax(scores.first().expect("a model has a branch"), &mut mean);
    for scores in &scores[1..] {
        softmax(scores, &mut probabilities);
        add(probabilities.as_slice(), mean.as_mut_slice());
    }
    divide(mean.as_mut_slice(), scores.len());
    mean
}

/// Adds probabilities to a sum.
pub(super) fn add(probabilities: &[f32], sum: &mut [f32]) {
    sum.iter_mut().zip(probabilities).for_each(|(sum, &p)| *sum += p);
}

/// Divides a sum by the number of branches.
pub(super) fn divide(sum: &mut [f32], branches: usize) {
    sum.iter_mut().for_each(|p| *p /= branches as f32);
}

/// The branches of a model, read frame by frame: [`StreamingModel`]s whose probabilities are averaged.
#[derive(Clone, Debug)]
pub(super) struct StreamingBranches {
    branches: Vec<(Vec<usize>, StreamingModel<f32>)>,
    /// The columns of the current frame that a branch reads.
    frame: Vec<f32>,
    /// `[K]`
    mean: Vec<f32>,
}

impl StreamingBranches {
    /// Networks before the first frame, each with the columns that it reads.
    pub(super) fn new(classes: usize, branches: Vec<(Vec<usize>, StreamingModel<f32>)>) -> Self {
        let widest = branches.iter().map(|(columns, _)| columns.len()).max().unwrap_or(0);
        StreamingBranches { mean: vec![0.0; classes], frame: Vec::with_capacity(widest), branches }
    }

    /// Probabilities `[K]` of the clip so far, after its next `frame` `[D]`. Allocates nothing.
    pub(super) fn push(&mut self, frame: &[f32]) -> &[f32] {
        self.mean.fill(0.0);
        for (columns, model) in &mut self.branches {
            self.frame.clear();
            self.frame.extend(columns.iter().map(|&column| frame[column]));
            add(model.push(&self.frame), &mut self.mean);
        }
        divide(&mut self.mean, self.branches.len());
        &self.mean
    }

    /// Begins a new clip.
    pub(super) fn reset(&mut self) {
        self.branches.iter_mut().for_each(|(_, model)| model.reset());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_groups_is_its_text_again_and_what_is_no_kind_is_refused() {
        for text in ["none", "all", "mfcc", "mfcc,mfcc+deltas,pitch+deltas,all,mfcc"] {
            let branches: Branches = text.parse().unwrap();
            assert_eq!(branches.to_string(), text);
            assert_eq!(serde_json::from_str::<Branches>(&serde_json::to_string(&branches).unwrap()).unwrap(), branches);
        }
        assert_eq!("mfcc, all".parse::<Branches>().unwrap().to_string(), "mfcc,all");
        let many = vec!["mfcc"; MOST_BRANCHES + 1].join(",");
        for text in ["", "mfcc,", "gain", "mfcc+mfcc", "mfcc+all", "none,all", "mfcc+", &many] {
            assert_eq!(text.parse::<Branches>().unwrap_err().kind(), Kind::Settings, "{text}");
        }
    }

    #[test]
    fn columns_of_a_group_are_those_of_its_kinds_in_the_order_of_the_features() {
        let features = FeatureSettings { mfcc: 3, chroma: 12, pitch: 2, deltas: 2, ..FeatureSettings::default() };
        let columns = |text: &str| text.parse::<ColumnGroup>().unwrap().columns(&features).unwrap();
        assert_eq!(columns("deltas+mfcc"), [0, 1, 2, 17, 18]);
        assert_eq!(columns("pitch"), [15, 16]);
        assert_eq!(columns("all"), (0..19).collect::<Vec<_>>());
        let of_pitch = "mfcc+pitch".parse::<ColumnGroup>().unwrap().of_features(&features);
        assert_eq!(of_pitch.kinds().collect::<Vec<_>>(), [("MFCC", 3), ("pitch", 2)]);
        let branches: Branches = "mfcc,chroma+pitch".parse().unwrap();
        let error = branches.columns(&FeatureSettings::default(), 46).unwrap_err().to_string();
        let expected =
            "branches: expected kinds of columns that the features have (34 MFCC, 12 chroma), got chroma+pitch";
        assert_eq!(error, expected);
        assert!(branches.columns(&features, 20).unwrap_err().to_string().contains("of 19 columns, got 20"));
        assert_eq!(Branches::default().columns(&features, 4).unwrap(), [[0, 1, 2, 3]]);
    }

    #[test]
    fn a_name_says_how_many_networks_there_are() {
        let name = |names: &[&str]| {
            let all: Vec<Architecture> = names.iter().map(|name| name.parse().unwrap()).collect();
            architecture_name(&all)
        };
        assert_eq!(name(&["lstm-sa-h4"]), "lstm-sa-h4");
        assert_eq!(name(&["lstm-sa-h4", "lstm-sa-h4"]), "2x lstm-sa-h4");
        assert_eq!(name(&["lstm-sa-h4", "reslstm-sa-h4"]), "lstm-sa-h4 + reslstm-sa-h4");
    }
}
