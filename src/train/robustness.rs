//! Robustness: what the models of a cross-validation make of the speakers they never heard, when these are heard in other
//! [conditions](crate::corpus::Condition) than recorded, and whether what they say is as sure as it is right.

use super::calibration::Reliability;
use super::metrics::{Confusion, Spread};
use super::results::Scores;
use super::settings::Settings;
use super::statistics::{Interval, bootstrap};
use super::task::{Scratch, scores};
use crate::data::batch::Example;
use crate::data::normalise::Normaliser;
use crate::data::{Clip, Dataset};
use crate::error::{Error, Kind, Result};
use crate::layers::softmax_cross_entropy::softmax;
use crate::matrix::Matrix;
use crate::models::{Metadata, ModelFile};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A model of a cross-validation, ready to be asked.
#[derive(Clone, Debug)]
pub struct Member {
    /// Which run it is of.
    pub run: usize,
    /// Which fold.
    pub fold: usize,
    file: ModelFile,
    settings: Settings,
    normaliser: Normaliser,
    /// The clips of its test speakers.
    test: Vec<usize>,
}

/// What a member says of its test clips.
#[derive(Clone, Debug)]
pub struct Said<'a> {
    member: &'a Member,
    /// `[N,K]`
    scores: Matrix<f32>,
}

impl Member {
    /// The model of a file, to be asked of the clips of `dataset`.
    ///
    /// # Errors
    /// [`Kind::Model`] if the file does not say which fold of which training it is of; [`Kind::Data`] if that was of other data, of which
    /// `fingerprint` is that of these.
    pub fn new(file: ModelFile, dataset: &Dataset, fingerprint: &str) -> Result<Self> {
        let wrong = |problem: &str| Error::new(Kind::Model, problem).advice("give a folder that cv made");
        let metadata = file.metadata().filter(|metadata| metadata.has_normalisation());
        let metadata = metadata.ok_or_else(|| wrong("expected a model with metadata, got a plain one"))?;
        let fold =
            metadata.fold.ok_or_else(|| wrong("expected the model of a fold, got one trained on every speaker"))?;
        if metadata.data_fingerprint != fingerprint {
            let theirs = &metadata.data_fingerprint;
            let problem = format!("expected the data the model was trained on, {theirs}, got others, {fingerprint}");
            return Err(Error::new(Kind::Data, problem).advice("give the data that cv was given"));
        }
        let settings = serde_json::from_value(metadata.settings.clone())
            .map_err(|error| Error::new(Kind::Model, format!("settings in the metadata: {error}")))?;
        Ok(Member {
            run: metadata.run,
            fold,
            settings,
            normaliser: Normaliser::new(metadata.mean.clone(), metadata.std.clone())?,
            test: dataset.clips_of(&metadata.test_speakers),
            file,
        })
    }

    /// What its file says.
    pub fn metadata(&self) -> &Metadata {
        self.file.metadata().expect("a member has metadata")
    }

    /// By what its scores were divided: 1 where they were left as they are.
    pub fn temperature(&self) -> f64 {
        self.metadata().temperature.unwrap_or(1.0)
    }

    /// What it says of its test clips, whose features are among those of all clips, `[T,D]` each.
    ///
    /// # Errors
    /// [`Kind::Features`] if they have not the model's number of columns.
    pub fn asked(&self, features: &[Matrix<f32>]) -> Result<Said<'_>> {
        // The label is of no use here.
        let example = |&clip: &usize| Ok(Example { frames: self.normaliser.apply(&features[clip])?, label: 0 });
        let examples = self.test.iter().map(example).collect::<Result<Vec<_>>>()?;
        let all: Vec<usize> = (0..examples.len()).collect();
        let scores = scores(self.file.model(), &self.settings, &examples, &all, &mut Scratch::default());
        Ok(Said { member: self, scores })
    }
}

/// All conditions, as `robustness` leaves them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Robustness {
    /// What the cross-validation is called.
    pub name: String,
    /// Program and version.
    pub program: String,
    /// Class names, in the order of the confusion matrices.
    pub labels: Vec<String>,
    /// Mean over models of the temperature their scores were divided by; none where no model has one.
    pub temperature: Option<f64>,
    /// As recorded first.
    pub conditions: Vec<Heard>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// Its name.
    pub condition: String,
    /// UAR over runs, each pooled over the folds.
    pub uar: Spread,
    /// 95 % interval of the mean UAR over draws of speakers.
    pub interval: Interval,
    /// Recall of each class, of the confusion matrix.
    pub recall: BTreeMap<String, Option<f64>>,
    /// Pooled over folds and runs: rows are the truth.
    pub confusion: Confusion,
    /// How sure the models are, and how right.
    pub reliability: Reliability,
    /// The same, were their scores not divided by their temperature; none where no model has one.
    pub uncalibrated: Option<Reliability>,
}

impl Heard {
    /// Of what all members say of `clips` in a condition.
    ///
    /// # Panics
    /// If nobody says anything.
    pub fn of(condition: &str, said: &[Said<'_>], clips: &[Clip], labels: &[String]) -> Self {
        let mut runs: BTreeMap<usize, Confusion> = BTreeMap::new();
        let mut speakers: BTreeMap<&str, Confusion> = BTreeMap::new();
        let mut all = Confusion::new(labels.len());
        for (clip, probabilities, run) in said.iter().flat_map(|said| said.probabilities(clips, 1.0)) {
            let (predicted, _) = surest(&probabilities);
            let new = || Confusion::new(labels.len());
            runs.entry(run).or_insert_with(new).count(clip.label, predicted);
            speakers.entry(&clip.speaker).or_insert_with(new).count(clip.label, predicted);
            all.count(clip.label, predicted);
        }
        let reliability = |temperature: &dyn Fn(&Member) -> f64| {
            let said = said.iter().flat_map(|said| said.probabilities(clips, temperature(said.member)));
            Reliability::of(said.map(|(clip, probabilities, _)| {
                let (predicted, confidence) = surest(&probabilities);
                (f64::from(confidence), predicted == clip.label)
            }))
        };
        Heard {
            condition: condition.into(),
            uar: Spread::of(runs.values().map(Confusion::uar).collect()),
            interval: bootstrap(&speakers.into_values().collect::<Vec<_>>()),
            recall: Scores::of(&all, labels).recall,
            confusion: all,
            reliability: reliability(&|_| 1.0),
            uncalibrated: mean_temperature(said.iter().map(|said| said.member))
                .is_some()
                .then(|| reliability(&Member::temperature)),
        }
    }
}

impl Said<'_> {
    /// The probabilities of every test clip, its scores times `factor`, and the run.
    fn probabilities<'a>(
        &'a self,
        clips: &'a [Clip],
        factor: f64,
    ) -> impl Iterator<Item = (&'a Clip, Vec<f32>, usize)> {
        let mut scores = self.scores.clone();
        scores.as_mut_slice().iter_mut().for_each(|score| *score *= factor as f32);
        let mut probabilities = Matrix::default();
        softmax(&scores, &mut probabilities);
        let rows: Vec<Vec<f32>> = probabilities.iter_rows().map(<[f32]>::to_vec).collect();
        self.member.test.iter().zip(rows).map(|(&clip, row)| (&clips[clip], row, self.member.run))
    }
}

/// Mean over members of their temperature; `None` where nobody has one.
pub fn mean_temperature<'a>(members: impl Iterator<Item = &'a Member> + Clone) -> Option<f64> {
    let some = members.clone().any(|member| member.metadata().temperature.is_some());
    let count = members.clone().count() as f64;
    some.then(|| members.map(Member::temperature).sum::<f64>() / count)
}

/// The most probable class, the first of equals, and its probability.
fn surest(probabilities: &[f32]) -> (usize, f32) {
    let class =
        (1..probabilities.len()).fold(0, |best, k| if probabilities[k] > probabilities[best] { k } else { best });
    (class, probabilities[class])
}
