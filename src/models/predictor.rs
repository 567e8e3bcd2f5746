//! A trained model in use: a recording or its features in, labels and their probabilities out.

use super::branches;
use super::long_clip::LongClip;
use super::training_clips::Likeness;
use super::{Metadata, Model, ModelFile, PackedModel, Profile, Tape};
use crate::audio::{FrontEnd, Recording, SampleSink, Sound, SpeechDetector};
use crate::error::{Error, Kind, Result};
use crate::labels::Labels;
use crate::layers::Packing;
use crate::layers::softmax_cross_entropy::softmax;
use crate::matrix::{Matrix, argmax};
use crate::normalise::{ColumnSums, Normaliser};
use crate::packed::{Packed, Padding};
use crate::prelude::*;

/// A model with all it needs to predict many clips: front end, normalisation, and memory that is reused.
///
/// ```
/// use reslstm::audio::{FeatureSettings, Recording, write_wav16};
/// use reslstm::models::{Metadata, Model, ModelFile, Predictor};
/// use reslstm::rng::RandomStream;
/// # let labels = vec!["calm".to_string(), "cross".to_string()].try_into()?;
/// # let mut metadata = Metadata::new("lstm-sa-h5".into(), labels, 16_000, FeatureSettings::default());
/// # (metadata.mean, metadata.std) = (vec![0.0; 46], vec![1.0; 46]);
/// # let model = Model::init("lstm-sa-h5".parse()?, 46, 2, &mut RandomStream::new(1, "init", 0));
/// # let file = ModelFile::new(model, Some(metadata))?.to_bytes(); // what `reslstm train` wrote
/// # let wav = write_wav16(&[0.25; 32_000], 16_000);
///
/// let mut predictor = Predictor::from_bytes(&file)?;
/// let prediction = predictor.predict_recording(&Recording::from_wav(&wav)?)?;
/// let speaks = prediction.sound.is_some_and(|sound| sound.has_speech);
/// println!("{}", if speaks { prediction.label_name() } else { "nobody speaks" });
/// for (label, probability) in prediction.named_probabilities() {
///     println!("{label} {probability:.3}");
/// }
/// # assert!((prediction.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
/// # Ok::<(), reslstm::error::Error>(())
/// ```
#[derive(Clone)]
pub struct Predictor {
    file: ModelFile,
    /// The branches of `file`.
    packed: Vec<PackedModel<f32>>,
    /// None if the model takes normalised features and no recordings, as are `detector` and `normaliser`.
    front_end: Option<FrontEnd>,
    detector: Option<SpeechDetector>,
    normaliser: Option<Normaliser>,
    likeness: Option<Likeness>,
    /// The frames of the current clip, if there is a `likeness`.
    sums: ColumnSums,
    /// Normalised features of the current clip, `[T,D]`.
    x: Matrix<f32>,
    /// The columns of `x` that a branch reads.
    columns: Matrix<f32>,
    layout: Packed,
    tape: Tape<f32>,
    /// `[1,K]`, of a branch.
    probabilities: Matrix<f32>,
    /// `[K]`, the mean of all branches.
    mean: Vec<f32>,
}

/// The prediction for one clip.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// The most probable class, `0..K`; the first of several that are equally probable.
    pub label: usize,
    /// Probability of every class, `[K]`; they add up to 1.
    pub probabilities: Vec<f32>,
    /// Level and speech of the samples; none for a prediction from features. Where nobody speaks, the most probable class says
    /// nothing of an emotion.
    pub sound: Option<Sound>,
    /// How unlike the training clips the clip is, near 1 for one of them: `d` of [`training_clips`](super::training_clips). None
    /// if the model file does not hold where they lie.
    pub unlike: Option<f32>,
    labels: Labels,
}

impl Prediction {
    /// The prediction from the probabilities `[K]` of the classes `labels`.
    ///
    /// # Errors
    /// [`Kind::Model`] if a probability is NaN or infinite.
    pub(super) fn new(labels: &Labels, probabilities: &[f32], unlike: Option<f32>) -> Result<Self> {
        if !probabilities.iter().all(|p| p.is_finite()) {
            let problem = format!("expected probabilities, got {probabilities:?}");
            return Err(Error::new(Kind::Model, problem).advice(
                "the features are far outside the range of the training features, or the weights are damaged",
            ));
        }
        let (label, probabilities) = (argmax(probabilities), probabilities.to_vec());
        Ok(Prediction { label, probabilities, sound: None, unlike, labels: labels.clone() })
    }

    /// This prediction, made from such a sound.
    pub(super) fn with_sound(self, sound: Sound) -> Self {
        Prediction { sound: Some(sound), ..self }
    }

    /// The name of the most probable class.
    pub fn label_name(&self) -> &str {
        self.labels.name(self.label)
    }

    /// Probability of the most probable class.
    pub fn probability(&self) -> f32 {
        self.probabilities[self.label]
    }

    /// Name and probability of every class, class 0 first.
    pub fn named_probabilities(&self) -> impl Iterator<Item = (&str, f32)> {
        self.labels.iter().map(String::as_str).zip(self.probabilities.iter().copied())
    }
}

impl Predictor {
    /// The model of a file's bytes, ready for use.
    ///
    /// # Errors
    /// [`Kind::Model`], as [`ModelFile::from_bytes`] and [`new`](Self::new).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Predictor::new(ModelFile::from_bytes(bytes)?)
    }

    /// A model, ready for use.
    ///
    /// # Errors
    /// [`Kind::Model`] if the sample rate in the metadata is outside 1,000 to 1,000,000 Hz.
    pub fn new(file: ModelFile) -> Result<Self> {
        let metadata = file.metadata().filter(|metadata| metadata.has_normalisation());
        let wrong = |error| Error::caused_by(Kind::Model, error).at("metadata");
        let front_end = metadata.map(|metadata| FrontEnd::new(metadata.features.clone(), metadata.sample_rate));
        let front_end = front_end.transpose().map_err(wrong)?;
        let detector = front_end.as_ref().map(|it| SpeechDetector::new(it.sample_rate())).transpose().map_err(wrong)?;
        let normaliser = file.metadata().map(Metadata::normaliser).transpose().map_err(wrong)?.flatten();
        Ok(Predictor {
            packed: file.branches().iter().map(|it| PackedModel::new(it.model(), Packing::OneClip)).collect(),
            mean: vec![0.0; file.model().classes()],
            likeness: file.likeness(),
            sums: ColumnSums::new(file.inputs()),
            file,
            front_end,
            detector,
            normaliser,
            x: Matrix::default(),
            columns: Matrix::default(),
            layout: Packed::default(),
            tape: Tape::default(),
            probabilities: Matrix::default(),
        })
    }

    /// Predicts clips of the speaker of `profile` from now on, or of any speaker.
    ///
    /// # Errors
    /// [`Kind::Model`] if the model was not trained with enrolment; [`Kind::Features`] if the profile is of other features.
    pub fn set_profile(&mut self, profile: Option<&Profile>) -> Result<()> {
        let metadata = self.file.metadata();
        self.normaliser = match (profile, metadata) {
            (Some(profile), Some(metadata)) => Some(profile.normaliser(metadata)?),
            (Some(_), None) => return Err(takes_features_only()),
            (None, metadata) => metadata.map(Metadata::normaliser).transpose()?.flatten(),
        };
        Ok(())
    }

    /// Class names, `[K]`.
    pub fn labels(&self) -> &Labels {
        self.file.labels()
    }

    /// The model; of a file with branches the first network.
    pub fn model(&self) -> &Model<f32> {
        self.file.model()
    }

    /// The model file.
    pub fn file(&self) -> &ModelFile {
        &self.file
    }

    /// The description in the model file; none for a PyTorch state dict.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.file.metadata()
    }

    /// Sample rate that recordings must have, Hz.
    ///
    /// # Errors
    /// [`Kind::Model`] if the model takes features only.
    pub fn sample_rate(&self) -> Result<u32> {
        Ok(self.front_end.as_ref().ok_or_else(takes_features_only)?.sample_rate())
    }

    /// Prediction for a recording.
    ///
    /// # Errors
    /// [`Kind::Audio`] if its sample rate is not the model's; those of [`predict_samples`](Self::predict_samples).
    pub fn predict_recording(&mut self, recording: &Recording) -> Result<Prediction> {
        let (expected, got) = (self.sample_rate()?, recording.sample_rate);
        if got != expected {
            let problem = format!("expected {expected} Hz, the rate of the model's training recordings, got {got} Hz");
            return Err(
                Error::new(Kind::Audio, problem).advice(format!("resample the recording to {expected} Hz first"))
            );
        }
        self.predict_samples(&recording.samples)
    }

    /// Prediction for `samples` `[n]` at the model's sample rate, full scale −1 to 1.
    ///
    /// # Errors
    /// [`Kind::Model`] if the model file does not say how features are normalised; [`Kind::Audio`] if there are no samples, or
    /// some are NaN, infinite or beyond 2³¹ in size.
    pub fn predict_samples(&mut self, samples: &[f32]) -> Result<Prediction> {
        self.predict_blocks(|sink| sink(samples))
    }

    /// [`predict_samples`](Self::predict_samples), to the bit, of a recording of any length that is read in blocks: a few bytes are
    /// kept of each frame, 25 MB of an hour at 48 kHz with 64 hidden units.
    ///
    /// `read` hands all samples of the recording to what it is given, and is called a second time for more than some 40 seconds:
    /// see [`FrontEnd::features_in_blocks`].
    ///
    /// # Errors
    /// As [`predict_samples`](Self::predict_samples); [`Kind::Audio`] if the second reading has another length; what `read` returns.
    pub fn predict_blocks(&mut self, mut read: impl FnMut(&mut SampleSink) -> Result<()>) -> Result<Prediction> {
        let mut front_end = self.front_end.take().ok_or_else(takes_features_only)?;
        let mut detector = self.detector.take().expect("what has a front end has a detector");
        detector.reset();
        let mut is_measured = false;
        let read = |sink: &mut SampleSink| {
            let is_first = !core::mem::replace(&mut is_measured, true);
            read(&mut |samples| {
                sink(samples)?;
                if is_first {
                    detector.push(samples);
                }
                Ok(())
            })
        };
        let (mut short, mut long) = (None, None);
        self.sums.clear();
        let done = front_end.features_in_blocks(read, |frames, features| {
            if features.rows() == frames {
                short = Some(self.predict_features(&features)?);
                return Ok(());
            }
            let clips: &mut Vec<LongClip<f32>> = long.get_or_insert_with(|| {
                self.file.branches().iter().map(|branch| LongClip::new(branch.model())).collect()
            });
            self.normalised(&features)?;
            self.count_frames();
            for (clip, branch) in clips.iter_mut().zip(self.file.branches()) {
                self.x.select_columns(branch.columns(), &mut self.columns);
                self.columns.iter_rows().for_each(|frame| clip.push(frame));
            }
            Ok(())
        });
        let sound = detector.sound();
        (self.front_end, self.detector) = (Some(front_end), Some(detector));
        done?;
        let prediction = match long {
            Some(clips) => {
                self.mean.fill(0.0);
                clips.into_iter().for_each(|clip| branches::add(clip.finish().row(0), &mut self.mean));
                self.prediction_of_sum()?
            }
            None => short.expect("a recording that is read once is written once"),
        };
        Ok(prediction.with_sound(sound))
    }

    /// Level and speech of `samples` `[n]` at the model's sample rate, full scale −1 to 1, all of them finite.
    ///
    /// # Errors
    /// [`Kind::Model`] if the model takes features only.
    pub fn sound(&mut self, samples: &[f32]) -> Result<Sound> {
        let detector = self.detector.as_mut().ok_or_else(takes_features_only)?;
        detector.reset();
        detector.push(samples);
        Ok(detector.sound())
    }

    /// Features `[T,D]` of `samples`, not normalised.
    ///
    /// # Errors
    /// As [`predict_samples`](Self::predict_samples).
    pub fn features(&mut self, samples: &[f32]) -> Result<Matrix<f32>> {
        self.front_end()?.features(samples)
    }

    /// The samples that the features of `samples` `[n]` are of: see [`FrontEnd::kept`].
    ///
    /// # Errors
    /// As [`predict_samples`](Self::predict_samples).
    pub fn kept(&mut self, samples: &[f32]) -> Result<Vec<f32>> {
        self.front_end()?.kept(samples)
    }

    /// Prediction for features `[T,D]`, one row per frame, not normalised (as the `features` command writes them). A model file
    /// without statistics takes features that are normalised already.
    ///
    /// # Errors
    /// [`Kind::Features`] if there are no frames, the number of columns is not the model's, or a value is not finite;
    /// [`Kind::Model`] if weights and features are so large that the scores overflow.
    pub fn predict_features(&mut self, features: &Matrix<f32>) -> Result<Prediction> {
        self.normalised(features)?;
        self.sums.clear();
        self.count_frames();
        self.layout.set(core::iter::once(features.rows()), Padding::Ignored);
        self.mean.fill(0.0);
        for branch in 0..self.packed.len() {
            self.run_branch(branch);
            branches::add(self.probabilities.row(0), &mut self.mean);
        }
        self.prediction_of_sum()
    }

    /// [`predict_features`](Self::predict_features) of one branch of the model alone, from 0.
    ///
    /// # Errors
    /// As [`predict_features`](Self::predict_features).
    ///
    /// # Panics
    /// If there are fewer branches.
    pub fn predict_by_branch(&mut self, branch: usize, features: &Matrix<f32>) -> Result<Prediction> {
        self.normalised(features)?;
        self.layout.set(core::iter::once(features.rows()), Padding::Ignored);
        self.run_branch(branch);
        Prediction::new(self.file.labels(), self.probabilities.row(0), None)
    }

    /// Adds the frames of `x` to the sums of the clip.
    fn count_frames(&mut self) {
        if self.likeness.is_some() {
            self.x.iter_rows().for_each(|frame| self.sums.add_frame(frame));
        }
    }

    /// The probabilities of a branch for `x`.
    fn run_branch(&mut self, branch: usize) {
        let columns = self.file.branches()[branch].columns();
        // They ascend, so that as many as there are is all of them.
        let x = if columns.len() == self.x.cols() {
            &self.x
        } else {
            self.x.select_columns(columns, &mut self.columns);
            &self.columns
        };
        self.packed[branch].forward_eval(&self.layout, x, &mut self.tape);
        softmax(&self.tape.top.logits, &mut self.probabilities);
    }

    /// The prediction when `mean` is the sum of the probabilities of all branches.
    fn prediction_of_sum(&mut self) -> Result<Prediction> {
        branches::divide(&mut self.mean, self.packed.len());
        let unlike = self.likeness.as_ref().map(|likeness| likeness.temper(&self.sums, &mut self.mean));
        Prediction::new(self.file.labels(), &self.mean, unlike)
    }

    /// The model's input for these features, `[T,D]`: normalised, if the model file says how.
    ///
    /// # Errors
    /// [`Kind::Features`], as [`predict_features`](Self::predict_features).
    pub fn normalised(&mut self, features: &Matrix<f32>) -> Result<&Matrix<f32>> {
        self.check(features)?;
        match &self.normaliser {
            Some(normaliser) => normaliser.apply_into(features, &mut self.x),
            None => self.x.clone_from(features),
        }
        Ok(&self.x)
    }

    fn front_end(&mut self) -> Result<&mut FrontEnd> {
        self.front_end.as_mut().ok_or_else(takes_features_only)
    }

    fn check(&self, features: &Matrix<f32>) -> Result<()> {
        let [frames, columns] = features.shape();
        let inputs = self.file.inputs();
        if columns != inputs {
            let problem = format!("expected {inputs} feature columns, as the model was trained on, got {columns}");
            return Err(Error::new(Kind::Features, problem).advice("make the features with the settings of the model"));
        }
        if frames == 0 {
            return Err(Error::new(Kind::Features, "expected at least one frame, got none"));
        }
        match features.as_slice().iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let (frame, column, value) = (at / columns, at % columns, features.as_slice()[at]);
                let problem = format!("expected finite values, got {value} in frame {frame}, column {column}");
                Err(Error::new(Kind::Features, problem))
            }
        }
    }
}

/// The error for a recording and a model without normalisation.
pub(super) fn takes_features_only() -> Error {
    let problem = "expected a model file with the mean and standard deviation of every feature column, got one without";
    Error::new(Kind::Model, problem).advice("such a model takes normalised features only, no recordings")
}

#[cfg(test)]
mod tests;
