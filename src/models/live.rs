//! A trained model that listens: samples in as they come, a prediction for every frame as it completes.

use super::predictor::takes_features_alone;
use super::{Metadata, ModelFile, Prediction, Stream};
use crate::audio::LiveFrontEnd;
use crate::error::{Error, Kind, Result};
use crate::matrix::Matrix;

/// A model in the midst of a recording: [`LiveFrontEnd`], normalisation and [`Stream`] in a row. What their documentation
/// says of the difference to a whole clip is the difference to [`Predictor`](super::Predictor). Memory does not grow.
///
/// ```
/// # use reslstm::audio::FeatureSettings;
/// # use reslstm::models::{Metadata, Model};
/// # use reslstm::rng::Stream;
/// use reslstm::models::{LivePredictor, ModelFile};
/// # let labels = vec!["calm".to_string(), "cross".to_string()];
/// # let mut metadata = Metadata::new("lstm-sa-h5".into(), labels, 16_000, FeatureSettings::default());
/// # (metadata.mean, metadata.std) = (vec![0.0; 46], vec![1.0; 46]);
/// # let model = Model::init("lstm-sa-h5".parse()?, 46, 2, &mut Stream::new(1, "init", 0));
/// # let file = ModelFile::new(model, Some(metadata))?.to_bytes(); // what `reslstm train` wrote
/// # let microphone = vec![0.25; 32_000];
///
/// let mut live = LivePredictor::new(&ModelFile::from_bytes(&file)?)?;
/// for samples in microphone.chunks(1_600) {
///     for moment in live.push(samples)? {
///         println!("{:.2} s: {}", moment.time, live.labels()[moment.prediction.label]);
///     }
/// }
/// # assert_eq!(live.finish()?.last().unwrap().time, 15.0 * (2048.0 / 16_000.0));
/// # Ok::<(), reslstm::error::Error>(())
/// ```
#[derive(Clone)]
pub struct LivePredictor {
    labels: Vec<String>,
    front_end: LiveFrontEnd,
    reader: Reader,
}

/// What comes after the front end.
#[derive(Clone)]
struct Reader {
    metadata: Metadata,
    stream: Stream<f32>,
    /// Frames of this recording so far.
    frames: usize,
    /// The frame at hand, normalised, `[D]`.
    frame: Vec<f32>,
}

/// What a model makes of a recording so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// Seconds from the beginning of the recording to the middle of its latest frame.
    pub time: f64,
    /// Of all frames up to that one.
    pub prediction: Prediction,
}

impl LivePredictor {
    /// The model of `file`, before the first sample.
    ///
    /// # Errors
    /// [`Kind::Model`] if the file does not say how features are made and normalised, or names a sample rate that no recording
    /// has.
    pub fn new(file: &ModelFile) -> Result<Self> {
        let metadata = file.metadata().filter(|metadata| metadata.has_normalisation());
        let metadata = metadata.ok_or_else(takes_features_alone)?.clone();
        let front_end = LiveFrontEnd::new(metadata.features.clone(), metadata.sample_rate)
            .map_err(|error| Error::new(Kind::Model, error.to_string()).at("metadata"))?;
        let reader =
            Reader { frame: vec![0.0; file.model().inputs()], metadata, stream: Stream::new(file.model()), frames: 0 };
        Ok(LivePredictor { labels: file.labels(), front_end, reader })
    }

    /// Class names, `[K]`.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Sample rate that the recording must have, Hz.
    pub fn sample_rate(&self) -> u32 {
        self.front_end.sample_rate()
    }

    /// What the model makes of every frame, none or several, that `samples` `[n]` complete, the next of the recording, full
    /// scale −1 to 1.
    ///
    /// # Errors
    /// [`Kind::Audio`] if some samples are no numbers or out of all scale, [`Kind::Model`] if weights and features are so large
    /// together that the scores are no numbers.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<Moment>> {
        self.reader.read(self.front_end.push(samples)?)
    }

    /// What the model makes of the frames that reach beyond the end; none where nothing was heard. What comes next is a new
    /// recording.
    ///
    /// # Errors
    /// [`Kind::Model`], as [`push`](Self::push).
    pub fn finish(&mut self) -> Result<Vec<Moment>> {
        let last = self.reader.read(self.front_end.finish());
        self.reader.stream.reset();
        self.reader.frames = 0;
        last
    }
}

impl Reader {
    /// A moment for each row of `features` `[T,D]`, the next of the recording.
    fn read(&mut self, features: &Matrix<f32>) -> Result<Vec<Moment>> {
        let hop = self.metadata.features.hop as f64 / f64::from(self.metadata.sample_rate);
        let moment = |features: &[f32]| {
            self.frame.copy_from_slice(features);
            self.metadata.normalise(&mut self.frame);
            let prediction = Prediction::of(self.stream.push(&self.frame))?;
            let time = self.frames as f64 * hop;
            self.frames += 1;
            Ok(Moment { time, prediction })
        };
        features.iter_rows().map(moment).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FeatureSettings;
    use crate::models::{Model, Predictor};
    use crate::rng;

    const RATE: u32 = 8_000;

    fn file(mean: bool) -> ModelFile {
        let settings =
            FeatureSettings { n_fft: 512, hop: 256, mel_bands: 16, mfcc: 3, chroma: 12, pitch: 0, deltas: 0 };
        let labels = ["calm", "cross", "fed up"].map(String::from).to_vec();
        let mut metadata = Metadata::new("reslstm-sa-h4".into(), labels, RATE, settings);
        if mean {
            metadata.mean = (0..15).map(|column| f64::from(column) - 40.3).collect();
            metadata.std = (0..15).map(|column| 1.7 + f64::from(column)).collect();
        }
        let model = Model::init("reslstm-sa-h4".parse().unwrap(), 15, 3, &mut rng::Stream::new(2, "init", 0));
        ModelFile::new(model, Some(metadata)).unwrap()
    }

    fn noise(length: usize) -> Vec<f32> {
        let mut stream = rng::Stream::new(9, "noise", length as u64);
        (0..length).map(|_| (0.1 * stream.normal()) as f32).collect()
    }

    #[test]
    fn it_is_the_predictor_on_live_features() {
        let (mut live, mut predictor) = (LivePredictor::new(&file(true)).unwrap(), Predictor::new(file(true)).unwrap());
        let mut front_end = LiveFrontEnd::new(live.front_end.settings().clone(), RATE).unwrap();
        // The second recording must hear nothing of the first.
        for length in [5_000, 1_300] {
            let samples = noise(length);
            let mut moments = live.push(&samples[..700]).unwrap();
            moments.extend(live.push(&samples[700..]).unwrap());
            moments.extend(live.finish().unwrap());
            let mut features = front_end.push(&samples).unwrap().as_slice().to_vec();
            features.extend(front_end.finish().as_slice());
            assert_eq!(moments.len(), 1 + length / 256);
            for (t, moment) in moments.iter().enumerate() {
                assert_eq!(moment.time, t as f64 * (256.0 / 8_000.0));
                let so_far = Matrix::from_vec(t + 1, 15, features[..(t + 1) * 15].to_vec());
                let expected = predictor.predict_features(&so_far).unwrap();
                for (got, expected) in moment.prediction.probabilities.iter().zip(&expected.probabilities) {
                    approx::assert_abs_diff_eq!(got, expected, epsilon = 1e-6);
                }
            }
        }
    }

    #[test]
    fn a_model_that_takes_features_alone_is_refused() {
        let error = LivePredictor::new(&file(false)).err().unwrap();
        assert_eq!(error.kind(), Kind::Model);
        assert!(error.to_string().contains("and no recordings"), "{error}");
    }
}
