//! What to train and how: [`Settings`] as a person writes them, [`CheckedSettings`] once every value is within its range.
//!
//! ```
//! use reslstm::train::{Inputs, Settings};
//!
//! let settings = Settings::default().with(|settings| {
//!     settings.epochs = 30;
//!     settings.inputs = Inputs::Pitch;
//! });
//! let checked = settings.check()?;
//! assert_eq!(checked.epochs, 30);
//! # Ok::<(), reslstm::error::Error>(())
//! ```

use super::augment::{Augment, is_default};
use crate::audio::FeatureSettings;
use crate::data::condition::Condition;
use crate::error::{Error, Kind, Result};
use crate::models::branches::architecture_name;
use crate::models::{Architecture, Branches, Metadata, Model};
use crate::packed::Padding;
use crate::params::Parameters;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// Display and `FromStr` of a choice by the names in its `ALL`.
macro_rules! named {
    ($type:ident, $what:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (name, _) = $type::ALL.iter().find(|(_, value)| value == self).expect("every choice has a name");
                f.write_str(name)
            }
        }

        impl FromStr for $type {
            type Err = Error;
            fn from_str(name: &str) -> Result<Self> {
                let found = $type::ALL.iter().find(|(known, _)| *known == name).map(|&(_, value)| value);
                found.ok_or_else(|| {
                    let names = $type::ALL.map(|(name, _)| name);
                    let (last, others) = names.split_last().expect("there is a choice");
                    let problem = format!("expected {} {} or {last}, got '{name}'", $what, others.join(", "));
                    Error::new(Kind::Settings, problem)
                })
            }
        }
    };
}

/// How training and test speakers are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Statistics from the training speakers alone, padding ignored everywhere.
    #[default]
    Strict,
    /// As in the published code: mean and standard deviation over all speakers, padded frames in batch norm and attention, test
    /// clips in batches of the training size. For comparisons with published scores.
    Published,
    /// As the paper's Table I seems to have been made: like [`Published`](Self::Published), but the epoch that is kept is the best
    /// one on the test speakers. Test clips are batched by speaker, then by name. Its scores are too high: they explain published
    /// ones, and are no estimate for new speakers.
    Table1,
}

impl Protocol {
    /// Every choice, with its name.
    pub const ALL: [(&'static str, Protocol); 3] =
        [("strict", Protocol::Strict), ("published", Protocol::Published), ("table1", Protocol::Table1)];

    /// Whether padded frames count.
    pub fn padding(self) -> Padding {
        match self {
            Protocol::Strict => Padding::Ignored,
            Protocol::Published | Protocol::Table1 => Padding::Counted,
        }
    }

    /// What must be said of every score under this protocol, if anything.
    pub fn score_note(self) -> Option<&'static str> {
        match self {
            Protocol::Strict | Protocol::Published => None,
            Protocol::Table1 => Some("chosen on its test speakers"),
        }
    }
}

named!(Protocol, "protocol");

/// The feature set: what a model reads per frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inputs {
    /// 34 MFCC and 12 chroma: the paper's 46.
    #[default]
    Paper,
    /// 34 MFCC and the deltas of the first 12, as many inputs.
    Deltas,
    /// 34 MFCC, 12 chroma and 12 deltas: 58.
    All,
    /// 34 MFCC, 12 chroma, voicing and pitch, and 12 deltas: 60.
    Pitch,
    /// 34 MFCC, voicing and pitch, and 12 deltas, without chroma: 48.
    Voice,
    /// The columns of `Pitch` and the level, for recordings as people make them: [`FeatureSettings::speech`]; 61.
    Speech,
}

impl Inputs {
    /// Every choice, with its name.
    pub const ALL: [(&'static str, Inputs); 6] = [
        ("paper", Inputs::Paper),
        ("deltas", Inputs::Deltas),
        ("all", Inputs::All),
        ("pitch", Inputs::Pitch),
        ("voice", Inputs::Voice),
        ("speech", Inputs::Speech),
    ];

    /// The settings of the front end that compute them.
    pub fn features(self) -> FeatureSettings {
        let paper = FeatureSettings::default();
        match self {
            Inputs::Paper => paper,
            Inputs::Deltas => FeatureSettings { chroma: 0, deltas: 12, ..paper },
            Inputs::All => FeatureSettings { deltas: 12, ..paper },
            Inputs::Pitch => FeatureSettings { pitch: 2, deltas: 12, ..paper },
            Inputs::Voice => FeatureSettings { chroma: 0, pitch: 2, deltas: 12, ..paper },
            Inputs::Speech => FeatureSettings::speech(),
        }
    }

    /// The sample rate, Hz, that recordings are resampled to whatever theirs is; `None`: the most common of a corpus.
    pub fn sample_rate(self) -> Option<u32> {
        (self == Inputs::Speech).then_some(FeatureSettings::SPEECH_RATE)
    }
}

named!(Inputs, "inputs");

/// Which weights a training keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// Those of the epoch that is best on the validation speakers, as the paper; under [`Protocol::Table1`] on the test speakers.
    #[default]
    Best,
    /// Those of the last epoch.
    Last,
    /// The mean of those at the end of each cosine cycle in the second half of the training, running statistics included: a
    /// model of the same size, without choosing an epoch (Izmailov and others, 2018; at restarts as Huang and others, 2017).
    Average,
}

impl Weights {
    /// Every choice, with its name.
    pub const ALL: [(&'static str, Weights); 3] =
        [("best", Weights::Best), ("last", Weights::Last), ("average", Weights::Average)];
}

named!(Weights, "weights");

/// How the validation speakers of a fold are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validation {
    /// They are not trained on: they choose the epoch and fit the temperature.
    #[default]
    Apart,
    /// They are trained on like the training speakers. Needs weights that are not chosen by them.
    Train,
}

impl Validation {
    /// Every choice, with its name.
    pub const ALL: [(&'static str, Validation); 2] = [("apart", Validation::Apart), ("train", Validation::Train)];
}

named!(Validation, "validation");

/// How classes of unequal numbers of clips count in the training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Balance {
    /// Every clip counts the same.
    #[default]
    None,
    /// Every class counts the same: its clips are weighted in the loss ([`Task::class_weights`](super::Task::class_weights)).
    Weights,
}

impl Balance {
    /// Every choice, with its name.
    pub const ALL: [(&'static str, Balance); 2] = [("none", Balance::None), ("weights", Balance::Weights)];
}

named!(Balance, "balance");

/// The settings of a training, as a person writes them; [`Settings::check`] makes [`CheckedSettings`] of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Settings {
    /// The model.
    pub arch: Architecture,
    /// The columns that each of several networks reads, whose probabilities are averaged; none for an ordinary model.
    #[serde(skip_serializing_if = "Branches::is_none")]
    pub branches: Branches,
    /// How training and test speakers are kept apart.
    pub protocol: Protocol,
    /// Passes over the training clips.
    pub epochs: usize,
    /// Clips in a batch, at least 2.
    pub batch: usize,
    /// Learning rate at the start of each cosine cycle.
    pub lr: f64,
    /// Factor of the L2 penalty.
    pub weight_decay: f64,
    /// Dropout before the last layer, as a probability.
    pub dropout: f64,
    /// Epochs per cosine cycle.
    pub t0: usize,
    /// Seed of all random numbers.
    pub seed: u64,
    /// The feature set.
    #[serde(skip_serializing_if = "is_default")]
    pub inputs: Inputs,
    /// Window length, milliseconds; `None` for the paper's, see [`features`](Settings::features).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<f64>,
    /// Milliseconds from one frame to the next; `None` for the paper's, see [`features`](Settings::features).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hop_ms: Option<f64>,
    /// Which weights are kept.
    #[serde(skip_serializing_if = "is_default")]
    pub weights: Weights,
    /// How the validation speakers are used.
    #[serde(skip_serializing_if = "is_default")]
    pub validation: Validation,
    /// How rare classes count.
    #[serde(skip_serializing_if = "is_default")]
    pub balance: Balance,
    /// Share of each training label that is spread over all classes.
    #[serde(skip_serializing_if = "is_default")]
    pub label_smoothing: f64,
    /// κ of a training with [enrolment](super::enrolment), clips; `None` without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<f64>,
    /// Random augmentation of the training clips.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            arch: "reslstm-sa-h64".parse().expect("a valid name"),
            branches: Branches::default(),
            protocol: Protocol::Strict,
            epochs: 100,
            batch: 8,
            lr: 1e-2,
            weight_decay: 1.6e-3,
            dropout: 0.4,
            t0: 5,
            seed: 0,
            inputs: Inputs::Paper,
            window_ms: None,
            hop_ms: None,
            weights: Weights::Best,
            validation: Validation::Apart,
            balance: Balance::None,
            label_smoothing: 0.0,
            enrolment: None,
            augment: None,
        }
    }
}

impl Settings {
    /// These settings, changed.
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The epochs, from 0, whose weights are averaged: the last of every cosine cycle that ends in the second half. Empty unless
    /// the average is kept.
    pub fn snapshots(&self) -> impl Iterator<Item = usize> {
        let (epochs, t0, average) = (self.epochs, self.t0, self.weights == Weights::Average);
        (1..=epochs / t0).map(move |cycle| cycle * t0 - 1).filter(move |epoch| average && 2 * (epoch + 1) > epochs)
    }

    /// Epochs of all networks: those of an ordinary model, times the number of branches.
    pub fn total_epochs(&self) -> usize {
        self.epochs * self.branches.count()
    }

    /// The name of the model: `5x lstm-sa-h32` for five branches.
    pub fn model_name(&self) -> String {
        architecture_name(&vec![self.arch; self.branches.count()])
    }

    /// Number of parameters of all networks, which read features of `width` columns.
    ///
    /// # Errors
    /// Those of [`Branches::columns`].
    pub fn parameter_count(&self, width: usize, classes: usize) -> Result<usize> {
        let columns = self.branches.columns(&self.inputs.features(), width)?;
        let count = |columns: &Vec<usize>| Model::<f32>::zeros(self.arch, columns.len(), classes).parameter_count();
        Ok(columns.iter().map(count).sum())
    }

    /// Whether window or hop have a duration, which makes their samples depend on the sample rate.
    pub fn has_frames_in_milliseconds(&self) -> bool {
        self.window_ms.is_some() || self.hop_ms.is_some()
    }

    /// Whether frames have the duration of the paper's at every sample rate unless the settings say otherwise: neither they nor the
    /// feature set do.
    pub fn frames_follow_sample_rate(&self) -> bool {
        !self.has_frames_in_milliseconds() && self.inputs.sample_rate().is_none()
    }

    /// The settings of the front end for recordings of `sample_rate` Hz. Without `window_ms` and `hop_ms`, frames are the paper's
    /// 4096 and 2048 samples at every rate, or those of [`FeatureSettings::speech`]. If one of the two is given, the other has the paper's duration: 85.33 or 42.67 ms.
    ///
    /// # Errors
    /// [`Kind::Settings`] if these frames are too short or too long at this rate.
    pub fn features(&self, sample_rate: u32) -> Result<FeatureSettings> {
        let features = self.inputs.features();
        if !self.has_frames_in_milliseconds() {
            return Ok(features);
        }
        let (window, hop) = self.frames_ms();
        features.with_frames(window, hop, sample_rate).map_err(|error| error.advice("set window-ms and hop-ms"))
    }

    /// Window and hop, milliseconds, where at least one is given.
    fn frames_ms(&self) -> (f64, f64) {
        let (window, hop) = (FeatureSettings::PAPER_WINDOW_MS, FeatureSettings::PAPER_HOP_MS);
        (self.window_ms.unwrap_or(window), self.hop_ms.unwrap_or(hop))
    }

    /// The conditions, other than as recorded, in which the clips' features are needed.
    pub fn other_conditions(&self) -> Vec<Condition> {
        self.augment.as_ref().map(Augment::other_conditions).unwrap_or_default()
    }

    /// Checks every value and every combination.
    ///
    /// # Errors
    /// [`Kind::Settings`]; the message begins with the name of the setting, as it is written in files.
    pub fn check(self) -> Result<CheckedSettings> {
        let require = |holds: bool, name: &str, expected: &str, got: &dyn fmt::Display| {
            if holds {
                return Ok(());
            }
            Err(Error::new(Kind::Settings, format!("{name}: expected {expected}, got {got}")))
        };
        require((1..=1_000_000).contains(&self.epochs), "epochs", "1 to 1,000,000", &self.epochs)?;
        let batch = "2 to 65,536 (batch norm needs two clips)";
        require((2..=65_536).contains(&self.batch), "batch", batch, &self.batch)?;
        require(self.lr > 0.0 && self.lr <= 10.0, "lr", "above 0 and at most 10", &self.lr)?;
        require((0.0..=10.0).contains(&self.weight_decay), "weight-decay", "0 to 10", &self.weight_decay)?;
        require((0.0..1.0).contains(&self.dropout), "dropout", "at least 0 and below 1", &self.dropout)?;
        let smoothing = "at least 0 and below 1";
        require((0.0..1.0).contains(&self.label_smoothing), "label-smoothing", smoothing, &self.label_smoothing)?;
        require((1..=1_000_000).contains(&self.t0), "t0", "1 to 1,000,000 epochs", &self.t0)?;
        let (window, hop) = self.frames_ms();
        let shown = |ms: f64| (100.0 * ms).round() / 100.0;
        require((1.0..=1000.0).contains(&window), "window-ms", "1 to 1,000 milliseconds", &shown(window))?;
        let up_to_window = format!("0.1 to {}, the window", shown(window));
        require(hop >= 0.1 && hop <= window, "hop-ms", &up_to_window, &shown(hop))?;
        let wrong = |problem: String, advice: &str| Err(Error::new(Kind::Settings, problem).advice(advice));
        if let Some(augment) = &self.augment {
            augment.check()?;
            if self.protocol != Protocol::Strict {
                let problem = format!("augment: expected none under the {} protocol, got some", self.protocol);
                return wrong(problem, "protocol strict allows it");
            }
        }
        if let Some(kappa) = self.enrolment {
            require((0.01..=1e6).contains(&kappa), "enrolment", "0.01 to 1,000,000 clips", &kappa)?;
            if self.protocol != Protocol::Strict {
                let problem = format!("enrolment: expected none under the {} protocol, got {kappa}", self.protocol);
                return wrong(problem, "protocol strict allows it");
            }
            if self.augment.as_ref().is_some_and(|augment| augment.gain > 0.0) {
                let problem = "enrolment: expected none with augment.gain, as a clip's level is compared with its speaker's other clips, got some";
                return wrong(problem.into(), "set augment.gain to 0");
            }
        }
        if !self.branches.is_none() {
            if self.protocol != Protocol::Strict {
                let problem =
                    format!("branches: expected none under the {} protocol, got {}", self.protocol, self.branches);
                return wrong(problem, "protocol strict allows them");
            }
            let features = self.inputs.features();
            self.branches.columns(&features, features.width()).map_err(|error| {
                error.advice(format!("the feature set is {}: choose another with inputs", self.inputs))
            })?;
        }
        let epoch_by_test_speakers = self.protocol == Protocol::Table1;
        if epoch_by_test_speakers && self.weights != Weights::Best {
            let problem = format!(
                "weights: expected best, as table1 keeps the epoch that is best on the test speakers, got {}",
                self.weights
            );
            return wrong(problem, "protocol strict or published allows others");
        }
        if self.validation == Validation::Train && self.weights == Weights::Best && !epoch_by_test_speakers {
            let problem = "validation: expected apart, as the best epoch on the validation speakers is kept, got train";
            return wrong(problem.into(), "validation apart, or weights average or last");
        }
        if self.weights == Weights::Average && self.snapshots().next().is_none() {
            let problem = format!(
                "weights: expected a cycle to end in the second half of the training, as its weights are averaged, got cycles of {} \
                 epochs in {}",
                self.t0, self.epochs
            );
            return wrong(problem, "a smaller t0, more epochs, or weights last");
        }
        Ok(CheckedSettings(self))
    }
}

/// [`Settings`] whose values are all within their range and fit together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Settings")]
pub struct CheckedSettings(Settings);

impl CheckedSettings {
    /// The settings in the metadata of a model.
    ///
    /// # Errors
    /// [`Kind::Model`] if there are none, or they are not valid.
    pub fn of_model(metadata: &Metadata) -> Result<Self> {
        serde_json::from_value(metadata.settings.clone())
            .map_err(|error| Error::new(Kind::Model, format!("settings in the metadata: {error}")))
    }
}

impl TryFrom<Settings> for CheckedSettings {
    type Error = Error;
    fn try_from(settings: Settings) -> Result<Self> {
        settings.check()
    }
}

impl Deref for CheckedSettings {
    type Target = Settings;
    fn deref(&self) -> &Settings {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_have_the_widths_they_promise() {
        for (name, width) in [("paper", 46), ("deltas", 46), ("all", 58), ("pitch", 60), ("voice", 48), ("speech", 61)]
        {
            let inputs: Inputs = name.parse().unwrap();
            let features = inputs.features();
            features.validate().unwrap();
            assert_eq!((features.width(), inputs.to_string().as_str()), (width, name));
            assert_eq!(serde_json::to_string(&inputs).unwrap(), format!("\"{name}\""));
        }
    }

    #[test]
    fn frames_are_in_samples_unless_a_duration_is_given() {
        let frames = |window_ms, hop_ms, rate| {
            let settings = Settings { window_ms, hop_ms, ..Settings::default() };
            let features = settings.check().unwrap().features(rate).unwrap();
            (features.window(), features.n_fft, features.hop)
        };
        assert_eq!(frames(None, None, 48_000), (4096, 4096, 2048));
        assert_eq!(frames(None, None, 16_000), (4096, 4096, 2048));
        assert_eq!(frames(Some(25.0), Some(10.0), 16_000), (400, 512, 160));
        assert_eq!(frames(Some(64.0), None, 16_000), (1024, 1024, 683));
        assert_eq!(frames(None, Some(20.0), 48_000), (4096, 4096, 960));
        let short = Settings { window_ms: Some(2.0), hop_ms: Some(1.0), ..Settings::default() };
        let error = short.features(8_000).unwrap_err().to_string();
        assert!(error.starts_with("frames at 8000 Hz: feature setting n_fft: expected 32 to 65536, got 16"), "{error}");
        // What is not given is not written: plans and model files of before keep their bytes.
        let json = serde_json::to_string(&Settings::default()).unwrap();
        assert!(!json.contains("-ms"), "{json}");
    }

    #[test]
    fn each_setting_is_checked() {
        let refused = |change: fn(&mut Settings), name: &str| {
            let error = Settings::default().with(change).check().unwrap_err();
            assert_eq!(error.kind(), Kind::Settings);
            assert!(error.to_string().starts_with(name), "{error}");
        };
        assert!(Settings::default().check().is_ok());
        refused(|settings| settings.epochs = 0, "epochs");
        refused(|settings| settings.batch = 1, "batch");
        refused(|settings| settings.lr = 0.0, "lr");
        refused(|settings| settings.lr = f64::NAN, "lr");
        refused(|settings| settings.weight_decay = -1.0, "weight-decay");
        refused(|settings| settings.dropout = 1.0, "dropout");
        refused(|settings| settings.label_smoothing = 1.0, "label-smoothing");
        refused(|settings| settings.label_smoothing = f64::NAN, "label-smoothing");
        refused(|settings| settings.t0 = 0, "t0");
        refused(|settings| settings.window_ms = Some(0.5), "window-ms");
        refused(|settings| settings.window_ms = Some(f64::NAN), "window-ms");
        refused(|settings| settings.hop_ms = Some(0.0), "hop-ms");
        refused(|settings| settings.window_ms = Some(25.0), "hop-ms: expected 0.1 to 25, the window, got 42.67");
        refused(|settings| (settings.window_ms, settings.hop_ms) = (Some(25.0), Some(25.1)), "hop-ms");
        refused(|settings| settings.validation = Validation::Train, "validation");
        refused(|settings| (settings.weights, settings.t0) = (Weights::Average, 101), "weights");
        let published = |settings: &mut Settings| {
            (settings.protocol, settings.augment) = (Protocol::Published, Augment::preset("voices"));
        };
        refused(published, "augment");
        refused(|settings| settings.branches = "mfcc,pitch".parse().unwrap(), "branches: expected kinds of columns");
        refused(|settings| settings.enrolment = Some(0.0), "enrolment: expected 0.01 to");
        let published = |settings: &mut Settings| {
            (settings.protocol, settings.enrolment) = (Protocol::Published, Some(4.0));
        };
        refused(published, "enrolment: expected none under the published protocol");
        let published = |settings: &mut Settings| {
            (settings.protocol, settings.branches) = (Protocol::Published, "mfcc".parse().unwrap());
        };
        refused(published, "branches: expected none under the published protocol");
        refused(|settings| (settings.protocol, settings.weights) = (Protocol::Table1, Weights::Last), "weights");
        let last = Settings { validation: Validation::Train, weights: Weights::Last, ..Settings::default() };
        assert!(last.check().is_ok());
        let table1 = Settings { validation: Validation::Train, protocol: Protocol::Table1, ..Settings::default() };
        assert!(table1.check().is_ok());
    }
}
