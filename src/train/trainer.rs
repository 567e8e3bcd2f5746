//! One training from data to model file, in memory.
//!
//! Programs that must survive being killed drive a [`Training`] themselves and save its state between epochs
//! ([`super::checkpoint`]); both ways end with the same bytes.

use super::identity::Identity;
use super::run::{EpochRecord, Outcome, Training};
use super::settings::CheckedSettings;
use super::task::Task;
use crate::audio::FeatureSettings;
use crate::data::Dataset;
use crate::data::folds::Split;
use crate::error::Result;
use crate::models::{Metadata, ModelFile, TrainingClips};

/// The data of a training, and what a model file says of it.
#[derive(Clone, Copy, Debug)]
pub struct TrainingData<'a> {
    /// Clips, labels, speakers.
    pub dataset: &'a Dataset,
    /// Of the recordings, in Hz.
    pub sample_rate: u32,
    /// How the features were made.
    pub features: &'a FeatureSettings,
    /// Fingerprint of the data, of their features; may be empty.
    pub fingerprint: &'a str,
    /// Hash of the content of their files; may be empty.
    pub content: &'a str,
    /// The licence of the data, which a model trained on it carries along; may be empty.
    pub licence: &'a str,
}

/// Is called with the number of each epoch, from 0, and its record.
type Observer<'a> = Box<dyn FnMut(usize, &EpochRecord) + 'a>;

/// Trains one model: of the training speakers of a [`split`](Self::split), or of every speaker.
pub struct Trainer<'a> {
    data: TrainingData<'a>,
    settings: &'a CheckedSettings,
    split: Option<&'a Split>,
    observer: Observer<'a>,
}

impl<'a> Trainer<'a> {
    /// Trains on every clip of `dataset`, whose `features` were made of recordings at `sample_rate` Hz.
    pub fn new(
        dataset: &'a Dataset,
        sample_rate: u32,
        features: &'a FeatureSettings,
        settings: &'a CheckedSettings,
    ) -> Self {
        let data = TrainingData { dataset, sample_rate, features, fingerprint: "", content: "", licence: "" };
        Trainer { data, settings, split: None, observer: Box::new(|_, _| {}) }
    }

    /// Names the licence of the data in the model file.
    pub fn licence(mut self, licence: &'a str) -> Self {
        self.data.licence = licence;
        self
    }

    /// Trains, validates and tests on the speakers of `split`; the model file then has the scores.
    pub fn split(mut self, split: &'a Split) -> Self {
        self.split = Some(split);
        self
    }

    /// Calls `observer` with the number of each epoch, from 0, and its record.
    pub fn on_epoch(mut self, observer: impl FnMut(usize, &EpochRecord) + 'a) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// Trains to the last epoch.
    ///
    /// # Errors
    /// [`Kind::Data`](crate::error::Kind::Data) if a speaker of the split is not in the data, or there are fewer than two clips
    /// to train on; [`Kind::Diverged`](crate::error::Kind::Diverged) if the loss is no number any more.
    pub fn train(mut self) -> Result<ModelFile> {
        let task = match self.split {
            Some(split) => Task::for_split(self.data.dataset, split, self.settings)?,
            None => Task::for_all(self.data.dataset, self.settings)?,
        };
        let seed = Identity::new(self.settings, 0, self.split, self.data.fingerprint).seed();
        let mut training = Training::new(self.settings, &task, seed);
        while !training.is_finished() {
            let epoch = training.epochs_done();
            (self.observer)(epoch, training.epoch(&|| 0.0)?);
        }
        model_file(&self.data, self.settings, 0, self.split, &task, training.finish())
    }
}

/// A trained model with everything its file says; `run` is the number of the seed, `split` is `None` after a training on every
/// speaker.
///
/// # Errors
/// [`Kind::Model`](crate::error::Kind::Model) if the training left weights that are not finite.
pub fn model_file(
    data: &TrainingData<'_>,
    settings: &CheckedSettings,
    run: usize,
    split: Option<&Split>,
    task: &Task,
    outcome: Outcome,
) -> Result<ModelFile> {
    let labels = data.dataset.labels().clone();
    let mut metadata = Metadata::new(settings.model_name(), labels, data.sample_rate, data.features.clone());
    metadata.branches = settings.branches.clone();
    metadata.mean = task.statistics.mean().to_vec();
    metadata.std = task.statistics.std().to_vec();
    metadata.protocol = settings.protocol.to_string();
    metadata.seed = settings.seed;
    metadata.epochs = settings.epochs;
    metadata.settings = serde_json::to_value(settings).expect("plain values become JSON");
    metadata.data_fingerprint = data.fingerprint.to_string();
    metadata.data_content = data.content.to_string();
    metadata.licence = data.licence.to_string();
    metadata.temperature = outcome.temperature;
    metadata.temperature_growth = outcome.temperature_growth;
    metadata.enrolment = settings.enrolment;
    match split {
        Some(split) => {
            metadata.run = run;
            metadata.fold = Some(split.fold());
            metadata.best_epoch = Some(outcome.epoch + 1);
            metadata.train_speakers = split.train().to_vec();
            metadata.validation_speakers = split.validation().to_vec();
            metadata.test_speakers = split.test().to_vec();
            metadata.scores.extend(outcome.validation_uar.map(|uar| ("validation_uar".to_string(), uar)));
            metadata.scores.insert("test_uar".into(), outcome.confusion.uar());
            metadata.score_note = settings.protocol.score_note().unwrap_or_default().to_string();
        }
        None => metadata.train_speakers = data.dataset.speakers(),
    }
    let training_clips = TrainingClips::fit(task.train.iter().map(|&clip| &task.examples[clip].frames));
    ModelFile::with_branches(outcome.models, metadata)?.with_training_clips(training_clips)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Clip;
    use crate::error::Kind;
    use crate::labels::Labels;
    use crate::matrix::Matrix;
    use crate::models::Predictor;
    use crate::params::{Parameters, Path};
    use crate::rng::RandomStream;
    use crate::train::{Protocol, Settings, Validation, metrics};

    /// Two classes that differ in the sign of every column; four speakers with two clips of each.
    fn dataset() -> Dataset {
        let clip = |n: usize| {
            let (label, speaker) = (n % 2, n / 4);
            let sign = if label == 0 { 1.0 } else { -1.0 };
            let values = (0..3 * 46).map(|i| sign * (1.0 + 0.01 * ((7 * i + 3 * n) % 10) as f32));
            let features = Matrix::from_vec(3, 46, values.collect());
            Clip { name: format!("clip {n}"), label, speaker: format!("s{speaker}"), features }
        };
        Dataset::new(Labels::new(vec!["up".into(), "down".into()]).unwrap(), (0..16).map(clip).collect()).unwrap()
    }

    fn settings() -> CheckedSettings {
        Settings { arch: "lstm-sa-h4".parse().unwrap(), epochs: 8, batch: 4, ..Settings::default() }.check().unwrap()
    }

    #[test]
    fn a_model_of_every_speaker_knows_its_classes() {
        let (dataset, features, settings) = (dataset(), FeatureSettings::default(), settings());
        let mut epochs = Vec::new();
        let trainer = Trainer::new(&dataset, 16_000, &features, &settings).licence("ours");
        let file = trainer.on_epoch(|epoch, _| epochs.push(epoch)).train().unwrap();
        let metadata = file.metadata().unwrap().clone();
        assert_eq!((metadata.licence.as_str(), metadata.train_speakers.len(), metadata.fold), ("ours", 4, None));
        let mut predictor = Predictor::new(file).unwrap();
        for clip in dataset.clips() {
            assert_eq!(predictor.predict_features(&clip.features).unwrap().label, clip.label, "{}", clip.name);
        }
        assert_eq!(epochs, (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn branches_are_trained_one_after_the_other_and_the_first_of_all_columns_is_the_ordinary_model() {
        let (dataset, features) = (dataset(), FeatureSettings::default());
        let train = |branches: &str| {
            let settings = Settings { branches: branches.parse().unwrap(), ..(*settings()).clone() }.check().unwrap();
            let splits = "loso".parse::<crate::data::folds::FoldPlan>().unwrap().splits(&dataset.speakers()).unwrap();
            let mut epochs = Vec::new();
            let trainer = Trainer::new(&dataset, 16_000, &features, &settings).split(&splits[1]);
            let file = trainer.on_epoch(|epoch, _| epochs.push(epoch)).train().unwrap();
            assert_eq!(epochs, (0..settings.total_epochs()).collect::<Vec<_>>());
            file
        };
        let (ordinary, one, several) = (train("none"), train("all"), train("all,mfcc,all"));
        assert_eq!(
            (one.model(), one.metadata().unwrap().temperature),
            (ordinary.model(), ordinary.metadata().unwrap().temperature)
        );
        let columns = several.branches().iter().map(|branch| branch.columns().len()).collect::<Vec<_>>();
        assert_eq!((columns, several.architecture().as_str()), (vec![46, 34, 46], "3x lstm-sa-h4"));
        assert_ne!(several.branches()[0].model(), several.branches()[2].model(), "a random stream of its own");
        assert_eq!(several.metadata().unwrap().scores["test_uar"], 1.0);
        assert_eq!(several.to_bytes(), train("all,mfcc,all").to_bytes());
        let settings = Settings { branches: "all,mfcc,all".parse().unwrap(), ..(*settings()).clone() }.check().unwrap();
        assert_eq!(settings.parameter_count(46, 2).unwrap(), several.parameter_count());
    }

    #[test]
    fn a_split_brings_scores_and_the_same_call_the_same_bytes() {
        let (dataset, features, settings) = (dataset(), FeatureSettings::default(), settings());
        let splits = "loso".parse::<crate::data::folds::FoldPlan>().unwrap().splits(&dataset.speakers()).unwrap();
        let train = || Trainer::new(&dataset, 16_000, &features, &settings).split(&splits[1]).train().unwrap();
        let file = train();
        let metadata = file.metadata().unwrap();
        assert_eq!((metadata.fold, metadata.test_speakers.len()), (Some(1), 1));
        assert_eq!(metadata.scores["test_uar"], 1.0);
        assert_eq!(file.to_bytes(), train().to_bytes());
    }

    #[test]
    fn table1_keeps_the_epoch_that_is_best_on_the_test_speakers_and_says_so() {
        // Random clips: nothing to learn, so the score on the test speakers goes up and down.
        let mut stream = RandomStream::new(2, "clips", 0);
        let mut clips = dataset().clips().to_vec();
        clips.iter_mut().for_each(|clip| clip.features.as_mut_slice().fill_with(|| stream.normal() as f32));
        let (dataset, features) =
            (Dataset::new(dataset().labels().clone(), clips).unwrap(), FeatureSettings::default());
        let table1 = Settings { protocol: Protocol::Table1, validation: Validation::Train, ..(*settings()).clone() };
        let settings = Settings { lr: 0.1, epochs: 16, ..table1 }.check().unwrap();
        let splits = "loso".parse::<crate::data::folds::FoldPlan>().unwrap().splits(&dataset.speakers()).unwrap();
        let task = Task::for_split(&dataset, &splits[1], &settings).unwrap();
        assert_eq!((task.train.len(), task.validation.len(), task.test.len()), (12, 0, 4));
        let mut training = Training::new(&settings, &task, 4);
        let mut models = Vec::new();
        while !training.is_finished() {
            training.epoch(&|| 0.0).unwrap();
            models.push(training.state().model.clone());
        }
        let outcome = training.finish();
        let uars: Vec<f64> = outcome.history.iter().map(|epoch| metrics::uar(&epoch.test_correct, &[2, 2])).collect();
        let best = uars.iter().copied().fold(0.0, f64::max);
        assert!(uars[0] < best && uars[15] < best, "nothing to choose: {uars:?}");
        assert_eq!(outcome.epoch, uars.iter().position(|&uar| uar == best).unwrap());
        assert_eq!((outcome.confusion.uar(), &outcome.models[0]), (best, &models[outcome.epoch]));
        assert_eq!(outcome.last_confusion.correct(), outcome.history[15].test_correct);
        let file = Trainer::new(&dataset, 16_000, &features, &settings).split(&splits[1]).train().unwrap();
        assert!(file.metadata().unwrap().score_note.starts_with("chosen on its test speakers"));
        let error = Trainer::new(&dataset, 16_000, &features, &settings).train().unwrap_err();
        assert!(error.to_string().starts_with("protocol: expected strict or published"), "{error}");
    }

    #[test]
    fn a_training_whose_loss_is_no_number_ends_with_an_error() {
        let (dataset, settings) = (dataset(), settings());
        let task = Task::for_all(&dataset, &settings).unwrap();
        let mut state = Training::new(&settings, &task, 0).into_state();
        state.model.visit_mut(&Path::ROOT, &mut |_, _, _, values| values.fill(f32::NAN));
        let error = Training::resume(&settings, &task, 0, state).epoch(&|| 0.0).unwrap_err();
        assert_eq!(error.kind(), Kind::Diverged);
        assert!(error.to_string().contains("its loss is NaN in epoch 1"), "{error}");
    }
}
