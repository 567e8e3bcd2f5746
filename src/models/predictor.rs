//! From a model file to predictions: the embedding interface, all in memory.

use super::{Metadata, Model, ModelFile, Tape};
use crate::audio::{FrontEnd, Recording};
use crate::data::Labels;
use crate::data::normalise::Normaliser;
use crate::error::{Error, Kind, Result};
use crate::layers::softmax_cross_entropy::softmax;
use crate::matrix::Matrix;
use crate::packed::{Packed, Padding};

/// A model ready to recognise, with its scratch memory; one a thread.
///
/// ```no_run
/// use reslstm::{audio::Recording, models::Predictor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut predictor = Predictor::from_bytes(&std::fs::read("model.safetensors")?)?;
/// let prediction = predictor.predict_recording(&Recording::from_wav(&std::fs::read("clip.wav")?)?)?;
/// println!("{} {:.3}", predictor.labels().name(prediction.label), prediction.probabilities[prediction.label]);
/// # Ok(())
/// # }
/// ```
pub struct Predictor {
    model: Model<f32>,
    labels: Labels,
    /// How raw features become the model's; `None` for a plain state dict, whose features are normalised already.
    raw: Option<Raw>,
    tape: Tape<f32>,
    probabilities: Matrix<f32>,
}

/// What a model needs to take recordings and raw features.
struct Raw {
    normaliser: Normaliser,
    front_end: FrontEnd,
}

/// What a model says of one clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The most probable class, the first of equals.
    pub label: usize,
    /// Of every class, `[K]`; they add up to 1.
    pub probabilities: Vec<f32>,
}

impl Predictor {
    /// From the bytes of a model file.
    ///
    /// # Errors
    /// [`Kind::Model`] if they are not a usable model, as [`ModelFile::from_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let file = ModelFile::from_bytes(bytes)?;
        let labels = Labels::new(file.labels())?;
        let (model, metadata) = file.into_parts();
        let raw = metadata.filter(Metadata::has_normalisation).map(Raw::new).transpose()?;
        Ok(Predictor { model, labels, raw, tape: Tape::default(), probabilities: Matrix::default() })
    }

    /// Class names in order.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Sample rate of the recordings it takes, in Hz.
    ///
    /// # Errors
    /// [`Kind::Model`] if it takes none: a file without mean and standard deviation.
    pub fn sample_rate(&mut self) -> Result<u32> {
        Ok(self.raw()?.front_end.sample_rate())
    }

    /// The emotion of a recording.
    ///
    /// # Errors
    /// [`Kind::Audio`] if it has another sample rate than the model's or cannot be analysed; [`Kind::Model`] if the model
    /// takes no recordings.
    pub fn predict_recording(&mut self, recording: &Recording) -> Result<Prediction> {
        let expected = self.sample_rate()?;
        if recording.sample_rate != expected {
            let problem = format!("expected {expected} Hz, the model's sample rate, got {} Hz", recording.sample_rate);
            return Err(Error::new(Kind::Audio, problem).advice("resample the recording first"));
        }
        self.predict_samples(&recording.samples)
    }

    /// The emotion of samples at the model's rate.
    ///
    /// # Errors
    /// As [`predict_recording`](Self::predict_recording).
    pub fn predict_samples(&mut self, samples: &[f32]) -> Result<Prediction> {
        let features = self.raw()?.front_end.features(samples)?;
        self.predict_features(&features)
    }

    /// The emotion of a clip's features, `[T,D]`: raw ones, as the front end makes them, for a model that holds mean and
    /// standard deviation; normalised ones for a plain state dict.
    ///
    /// # Errors
    /// [`Kind::Features`] if there is no frame, the width is not the model's, or a value is not finite.
    pub fn predict_features(&mut self, features: &Matrix<f32>) -> Result<Prediction> {
        let wrong = |problem: String| Error::new(Kind::Features, problem);
        if features.cols() != self.model.inputs() {
            let problem = format!(
                "expected {} columns, as the model was trained on, got {}",
                self.model.inputs(),
                features.cols()
            );
            return Err(wrong(problem).advice("make features with the settings of the model"));
        }
        if features.rows() == 0 {
            return Err(wrong("expected at least one frame, got none".into()));
        }
        if let Some(at) = features.as_slice().iter().position(|value| !value.is_finite()) {
            let (frame, column) = (at / features.cols(), at % features.cols());
            return Err(wrong(format!(
                "expected finite values, got {} in frame {frame}, column {column}",
                features.as_slice()[at]
            )));
        }
        let normalised = match &self.raw {
            Some(raw) => &raw.normaliser.apply(features)?,
            None => features,
        };
        let layout = Packed::new(&[features.rows()], Padding::Ignored);
        self.model.forward_eval(&layout, normalised, &mut self.tape);
        softmax(&self.tape.top.logits, &mut self.probabilities);
        let probabilities = self.probabilities.row(0).to_vec();
        let best = |best: usize, k: usize| if probabilities[k] > probabilities[best] { k } else { best };
        Ok(Prediction { label: (0..probabilities.len()).fold(0, best), probabilities })
    }

    fn raw(&mut self) -> Result<&mut Raw> {
        self.raw.as_mut().ok_or_else(|| {
            let problem = "this model file has no mean and standard deviation, so it cannot take recordings";
            Error::new(Kind::Model, problem).advice("give it normalised features (.npy), or a model file made by train")
        })
    }
}

impl Raw {
    fn new(metadata: Metadata) -> Result<Self> {
        let normaliser = Normaliser::new(metadata.mean, metadata.std)?;
        Ok(Raw { normaliser, front_end: FrontEnd::new(metadata.features, metadata.sample_rate)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn model() -> Model<f32> {
        Model::init("reslstm-sa-h5".parse().unwrap(), 46, 8, &mut Stream::new(1, "init", 0))
    }

    fn features(frames: usize) -> Matrix<f32> {
        let mut stream = Stream::new(2, "features", 0);
        Matrix::from_vec(frames, 46, (0..frames * 46).map(|_| stream.normal() as f32).collect())
    }

    fn described() -> ModelFile {
        let labels = Labels::ravdess().names().to_vec();
        let mut metadata = Metadata::new("reslstm-sa-h5".into(), labels, 16_000, Default::default());
        metadata.mean = (0..46).map(f64::from).collect();
        metadata.std = vec![2.0; 46];
        ModelFile::new(model(), Some(metadata)).unwrap()
    }

    #[test]
    fn raw_features_are_normalised_and_a_state_dicts_are_not() {
        let normalised = features(9);
        let mut raw = normalised.clone();
        for t in 0..9 {
            raw.row_mut(t).iter_mut().enumerate().for_each(|(d, x)| *x = *x * 2.0 + d as f32);
        }
        let plain = ModelFile::new(model(), None).unwrap().to_bytes();
        let plain = Predictor::from_bytes(&plain).unwrap().predict_features(&normalised).unwrap();
        let ours = Predictor::from_bytes(&described().to_bytes()).unwrap().predict_features(&raw).unwrap();
        for (a, b) in plain.probabilities.iter().zip(&ours.probabilities) {
            approx::assert_abs_diff_eq!(a, b, epsilon = 1e-5);
        }
        approx::assert_abs_diff_eq!(plain.probabilities.iter().sum::<f32>(), 1.0, epsilon = 1e-6);
        assert!(plain.probabilities.iter().all(|&p| p <= plain.probabilities[plain.label]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut plain = Predictor::from_bytes(&ModelFile::new(model(), None).unwrap().to_bytes()).unwrap();
        assert_eq!(plain.predict_samples(&[0.1; 9000]).unwrap_err().kind(), Kind::Model);
        let mut predictor = Predictor::from_bytes(&described().to_bytes()).unwrap();
        let other_rate = Recording { sample_rate: 8000, samples: vec![0.1; 9000] };
        let error = predictor.predict_recording(&other_rate).unwrap_err();
        assert!(error.to_string().contains("expected 16000 Hz") && error.to_string().contains("8000 Hz"), "{error}");
        let error = predictor.predict_features(&Matrix::zeros(3, 45)).unwrap_err();
        assert!(error.to_string().contains("expected 46 columns") && error.to_string().contains("got 45"), "{error}");
        assert_eq!(predictor.predict_features(&Matrix::zeros(0, 46)).unwrap_err().kind(), Kind::Features);
        let mut broken = features(3);
        broken[(1, 7)] = f32::NAN;
        let error = predictor.predict_features(&broken).unwrap_err();
        assert!(error.to_string().contains("frame 1, column 7"), "{error}");
        assert!(predictor.predict_samples(&[0.1; 9000]).is_ok());
    }
}
