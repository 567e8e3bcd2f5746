//! Robustness: what the models of a cross-validation make of the speakers they never heard, when these are heard in other
//! [conditions](reslstm::data::condition::Condition) than recorded, and whether what they say is as sure as it is right.

use super::results::Scores;
use super::statistics::{Interval, bootstrap};
use reslstm::data::batch::Example;
use reslstm::data::normalise::Normaliser;
use reslstm::data::{Clip, Dataset};
use reslstm::error::{Error, Kind, Result};
use reslstm::layers::softmax_cross_entropy::softmax;
use reslstm::matrix::Matrix;
use reslstm::models::{Metadata, ModelFile};
use reslstm::train::calibration::Reliability;
use reslstm::train::metrics::{Confusion, Spread};
use reslstm::train::settings::CheckedSettings;
use reslstm::train::task::{Scratch, argmax, scores};
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
    settings: CheckedSettings,
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
        Ok(Member {
            run: metadata.run,
            fold,
            settings: CheckedSettings::of_model(metadata)?,
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
        let new = || Confusion::new(labels.len());
        let (mut runs, mut speakers, mut all) = (BTreeMap::new(), BTreeMap::new(), new());
        for said in said {
            for (clip, predicted, _) in said.surest(clips, 1.0) {
                runs.entry(said.member.run).or_insert_with(new).count(clip.label, predicted);
                speakers.entry(&clip.speaker).or_insert_with(new).count(clip.label, predicted);
                all.count(clip.label, predicted);
            }
        }
        let reliability = |temperature: fn(&Member) -> f64| {
            let said = said.iter().flat_map(|said| said.surest(clips, temperature(said.member)));
            Reliability::of(said.map(|(clip, predicted, confidence)| (f64::from(confidence), predicted == clip.label)))
        };
        let calibrated = said.iter().any(|said| said.member.metadata().temperature.is_some());
        Heard {
            condition: condition.into(),
            uar: Spread::of(runs.values().map(Confusion::uar).collect()),
            interval: bootstrap(&speakers.into_values().collect::<Vec<_>>()),
            recall: Scores::of(&all, labels).recall,
            confusion: all,
            reliability: reliability(|_| 1.0),
            uncalibrated: calibrated.then(|| reliability(Member::temperature)),
        }
    }
}

impl Said<'_> {
    /// Of every test clip, were the scores `factor` times as large: the clip, the most probable class and its probability.
    fn surest<'a>(&self, clips: &'a [Clip], factor: f64) -> Vec<(&'a Clip, usize, f32)> {
        let (mut scores, mut probabilities) = (self.scores.clone(), Matrix::default());
        scores.as_mut_slice().iter_mut().for_each(|score| *score *= factor as f32);
        softmax(&scores, &mut probabilities);
        let surest = |(&clip, row): (&usize, &[f32])| {
            let class = argmax(row);
            (&clips[clip], class, row[class])
        };
        self.member.test.iter().zip(probabilities.iter_rows()).map(surest).collect()
    }
}

/// Mean over members of their temperature; `None` where nobody has one.
pub fn mean_temperature(members: &[&Member]) -> Option<f64> {
    let some = members.iter().any(|member| member.metadata().temperature.is_some());
    some.then(|| members.iter().map(|member| member.temperature()).sum::<f64>() / members.len() as f64)
}
