//! Live prediction: samples in as they arrive, one prediction per frame out.

use super::branches::StreamingBranches;
use super::enrolment::{Profile, kappa};
use super::file::{Contents, Shape, check_training_clips, read_networks};
use super::in_place::StoredNetwork;
use super::predictor::takes_features_only;
use super::training_clips::{Likeness, TrainingClips};
use super::{Metadata, ModelFile, Prediction, StreamingModel};
use crate::audio::{FeatureSettings, LiveFrontEnd, SpeechDetector};
use crate::error::{Error, Kind, Result};
use crate::labels::Labels;
use crate::normalise::{ColumnSums, Normaliser};
use crate::prelude::*;

/// [`LiveFrontEnd`], normalisation and [`StreamingModel`] in sequence. The documentation of the first and the
/// last says how live features and probabilities differ from those of a whole clip, and so from [`Predictor`](super::Predictor). Memory does
/// not grow with the recording.
///
/// ```
/// # use reslstm::audio::FeatureSettings;
/// # use reslstm::models::{Metadata, Model};
/// # use reslstm::rng::RandomStream;
/// use reslstm::models::{LivePredictor, ModelFile};
/// # let labels = vec!["calm".to_string(), "cross".to_string()].try_into()?;
/// # let mut metadata = Metadata::new("lstm-sa-h5".into(), labels, 16_000, FeatureSettings::default());
/// # (metadata.mean, metadata.std) = (vec![0.0; 46], vec![1.0; 46]);
/// # let model = Model::init("lstm-sa-h5".parse()?, 46, 2, &mut RandomStream::new(1, "init", 0));
/// # let file = ModelFile::new(model, Some(metadata))?.to_bytes(); // what `reslstm train` wrote
/// # let microphone = vec![0.25; 32_000];
///
/// let mut live = LivePredictor::new(&ModelFile::from_bytes(&file)?)?;
/// for samples in microphone.chunks(1_600) {
///     for moment in live.push(samples)? {
///         println!("{:.2} s: {}", moment.time, moment.prediction.label_name());
///     }
/// }
/// # assert_eq!(live.finish()?.last().unwrap().time, 15.0 * (2048.0 / 16_000.0));
/// # Ok::<(), reslstm::error::Error>(())
/// ```
#[derive(Clone)]
pub struct LivePredictor {
    metadata: Metadata,
    front_end: LiveFrontEnd,
    reader: Reader,
}

/// The steps after the front end.
#[derive(Clone)]
struct Reader {
    normaliser: Normaliser,
    /// None unless the statistics adapt to the speaker.
    adaptation: Option<Adaptation>,
    model: StreamingBranches,
    likeness: Option<Likeness>,
    /// Of the frames so far as the networks were given them, if there is a `likeness`.
    sums: ColumnSums,
    /// Probabilities of the current frame, `[K]`.
    probabilities: Vec<f32>,
    detector: SpeechDetector,
    /// Hz
    rate: u32,
    /// Samples that the detector has taken.
    samples: usize,
    /// The prediction after the latest frame.
    latest: Option<Prediction>,
    /// The current frame, normalised, `[D]`.
    frame: Vec<f32>,
}

/// This much speech counts as one clip where statistics adapt: about the length of a clip of RAVDESS without its silence.
pub const SECONDS_PER_CLIP: f64 = 3.0;

/// Statistics that adapt to the speaker.
#[derive(Clone)]
struct Adaptation {
    kappa: f64,
    frames_per_clip: f64,
    training: Normaliser,
    /// The level column of the features.
    level: Option<usize>,
    /// Of the frames with speech so far, normalised by the training's statistics.
    sums: ColumnSums,
}

impl Adaptation {
    /// The normalisation after one more frame `[D]`, not normalised.
    fn add(&mut self, features: &[f32]) -> Normaliser {
        self.sums.add_normalised(&self.training, features);
        let speaker = self.training.undo(&self.sums.statistics().expect("there is a frame"));
        self.training.shrunk(&speaker, self.sums.frames() as f64 / self.frames_per_clip, self.kappa, self.level)
    }
}

/// The prediction for a recording so far.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Moment {
    /// Seconds from the beginning of the recording to the middle of its latest frame.
    pub time: f64,
    /// The prediction from all frames up to that one. Its level and speech are those of all samples that had arrived when that
    /// frame was complete; whether somebody speaks is decided on the latest three seconds of them.
    pub prediction: Prediction,
}

impl LivePredictor {
    /// The model of `file`, before the first sample.
    ///
    /// # Errors
    /// [`Kind::Model`] if the file does not say how features are normalised, or its sample rate is outside 1,000 to
    /// 1,000,000 Hz.
    pub fn new(file: &ModelFile) -> Result<Self> {
        let metadata = file.metadata().ok_or_else(takes_features_only)?.clone();
        let branches = file.branches().iter().map(|it| (it.columns().to_vec(), StreamingModel::new(it.model())));
        Self::of(metadata, file.training_clips().cloned(), branches.collect())
    }

    /// The model in the bytes of a file that live as long as the program, such as flash memory: the matrices of its LSTMs, nearly all
    /// of its weights, are not copied, and 16-bit floats and 8-bit integers stay what they are. Predictions differ from those of
    /// [`new`](Self::new) by the rounding of sums in another order.
    ///
    /// # Errors
    /// [`Kind::Model`], as [`ModelFile::from_bytes`] and [`new`](Self::new), and if the matrices have 64-bit floats.
    pub fn from_static(bytes: &'static [u8]) -> Result<Self> {
        let Contents { networks, metadata, training_clips, .. } = read_networks(bytes, StoredNetwork::read)?;
        let metadata = metadata.ok_or_else(takes_features_only)?;
        let columns = metadata.check(&networks.iter().map(|network| network.shape).collect::<Vec<Shape>>())?;
        check_training_clips(training_clips.as_ref(), Some(&metadata), metadata.features.width())?;
        Self::of(
            metadata,
            training_clips,
            columns.into_iter().zip(networks.into_iter().map(StreamingModel::from)).collect(),
        )
    }

    fn of(
        metadata: Metadata,
        training_clips: Option<TrainingClips>,
        branches: Vec<(Vec<usize>, StreamingModel<f32>)>,
    ) -> Result<Self> {
        let wrong = |error| Error::caused_by(Kind::Model, error).at("metadata");
        let normaliser = metadata.require_normaliser().map_err(wrong)?;
        let front_end = LiveFrontEnd::new(metadata.features.clone(), metadata.sample_rate).map_err(wrong)?;
        let reader = Reader {
            normaliser,
            adaptation: None,
            model: StreamingBranches::new(metadata.labels.count(), branches),
            likeness: Likeness::new(training_clips, Some(&metadata)),
            sums: ColumnSums::new(metadata.features.width()),
            probabilities: vec![0.0; metadata.labels.count()],
            detector: SpeechDetector::new(metadata.sample_rate).map_err(wrong)?,
            rate: metadata.sample_rate,
            samples: 0,
            latest: None,
            frame: vec![0.0; metadata.features.width()],
        };
        Ok(LivePredictor { metadata, front_end, reader })
    }

    /// Predicts the speaker of `profile`, in all recordings: of this and [`adapting`](Self::adapting), the later call counts.
    ///
    /// # Errors
    /// [`Kind::Model`] if the model was not trained with enrolment; [`Kind::Features`] if the profile is of other features.
    pub fn with_profile(mut self, profile: &Profile) -> Result<Self> {
        self.reader.normaliser = profile.normaliser(&self.metadata)?;
        self.reader.adaptation = None;
        Ok(self)
    }

    /// Adapts to the speaker of each recording: a frame is normalised by statistics between those of the training and those of the
    /// frames so far in which somebody speaks, itself included. [`SECONDS_PER_CLIP`] of them count as one clip. Sums are kept, no
    /// frames. A [profile](Self::with_profile) counts no longer.
    ///
    /// # Errors
    /// [`Kind::Model`] if the model was not trained with enrolment.
    pub fn adapting(mut self) -> Result<Self> {
        let metadata = &self.metadata;
        let training = metadata.statistics()?.ok_or_else(takes_features_only)?;
        let level = metadata.features.level_column();
        let frames_per_clip = SECONDS_PER_CLIP * f64::from(metadata.sample_rate) / metadata.features.hop as f64;
        let sums = ColumnSums::new(training.width());
        self.reader.adaptation = Some(Adaptation { kappa: kappa(metadata)?, frames_per_clip, training, level, sums });
        self.reader.begin_adaptation();
        Ok(self)
    }

    /// Class names, `[K]`.
    pub fn labels(&self) -> &Labels {
        &self.metadata.labels
    }

    /// The settings of its features.
    pub fn features(&self) -> &FeatureSettings {
        self.front_end.settings()
    }

    /// Sample rate that the recording must have, Hz.
    pub fn sample_rate(&self) -> u32 {
        self.front_end.sample_rate()
    }

    /// One prediction for each frame that the next `samples` `[n]` of the recording complete, full scale −1 to 1: none, one or
    /// several. A model of prepared recordings has none before the first voice, and the latest one again in each frame of a pause
    /// that is left out.
    ///
    /// # Errors
    /// [`Kind::Audio`] if a sample is NaN, infinite or beyond 2³¹ in size; [`Kind::Model`] if weights and features are so large
    /// that the scores overflow.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<Moment>> {
        self.front_end.push(samples)?;
        self.reader.read(&self.metadata.labels, &self.front_end, samples)
    }

    /// One prediction for each frame that reaches beyond the end of the recording; none if there were no samples. The next
    /// [`push`](Self::push) begins a new recording.
    ///
    /// # Errors
    /// [`Kind::Model`], as [`push`](Self::push).
    pub fn finish(&mut self) -> Result<Vec<Moment>> {
        self.front_end.finish();
        let last = self.reader.read(&self.metadata.labels, &self.front_end, &[]);
        self.reader.model.reset();
        self.reader.sums.clear();
        self.reader.detector.reset();
        self.reader.begin_adaptation();
        (self.reader.samples, self.reader.latest) = (0, None);
        last
    }
}

impl Reader {
    /// One moment per frame of the front end's latest call, for which `samples` were the next of the recording. In a pause that is
    /// left out, the prediction stays.
    fn read(&mut self, labels: &Labels, front_end: &LiveFrontEnd, mut samples: &[f32]) -> Result<Vec<Moment>> {
        let hop = front_end.settings().hop as f64;
        let seconds_per_frame = hop / f64::from(self.rate);
        let mut rows = front_end.features().iter_rows();
        let mut moments = Vec::with_capacity(front_end.latest().len());
        for frame in front_end.latest() {
            let (until_complete, later) =
                samples.split_at(frame.arrived.saturating_sub(self.samples).min(samples.len()));
            self.listen(until_complete);
            samples = later;
            let sound = self.detector.sound_now();
            if frame.has_features {
                let features = rows.next().expect("one row per frame");
                if sound.has_speech
                    && let Some(adaptation) = &mut self.adaptation
                {
                    self.normaliser = adaptation.add(features);
                }
                self.normaliser.apply_to_frame(features, &mut self.frame);
                self.probabilities.copy_from_slice(self.model.push(&self.frame));
                let unlike = self.likeness.as_ref().map(|likeness| {
                    self.sums.add_frame(&self.frame);
                    likeness.temper(&self.sums, &mut self.probabilities)
                });
                self.latest = Some(Prediction::new(labels, &self.probabilities, unlike)?);
            }
            if let Some(latest) = &self.latest {
                let prediction = latest.clone().with_sound(sound);
                moments.push(Moment { time: frame.place as f64 / hop * seconds_per_frame, prediction });
            }
        }
        self.listen(samples);
        Ok(moments)
    }

    /// Begins with the statistics of the training, if they adapt.
    fn begin_adaptation(&mut self) {
        if let Some(adaptation) = &mut self.adaptation {
            adaptation.sums = ColumnSums::new(adaptation.training.width());
            self.normaliser = adaptation.training.clone().without_speaker(adaptation.level);
        }
    }

    /// Gives samples to the detector.
    fn listen(&mut self, samples: &[f32]) {
        self.detector.push(samples);
        self.samples += samples.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Sound;
    use crate::matrix::Matrix;
    use crate::models::{Enroller, Metadata, Model, Predictor, TrainingClips};
    use crate::rng;

    const RATE: u32 = 8_000;

    fn file(mean: bool) -> ModelFile {
        file_with(mean, None)
    }

    fn file_with(mean: bool, win_length: Option<usize>) -> ModelFile {
        let settings = FeatureSettings {
            n_fft: 512,
            win_length,
            hop: 256,
            mel_bands: 16,
            mfcc: 3,
            chroma: 12,
            ..FeatureSettings::default()
        };
        let labels = ["calm", "cross", "fed up"].map(String::from).to_vec().try_into().unwrap();
        let mut metadata = Metadata::new("reslstm-sa-h4".into(), labels, RATE, settings);
        if mean {
            metadata.mean = (0..15).map(|column| f64::from(column) - 40.3).collect();
            metadata.std = (0..15).map(|column| 1.7 + f64::from(column)).collect();
        }
        let model = Model::init("reslstm-sa-h4".parse().unwrap(), 15, 3, &mut rng::RandomStream::new(2, "init", 0));
        ModelFile::new(model, Some(metadata)).unwrap()
    }

    /// With a temperature that grows with the distance from some noise.
    fn growing(file: ModelFile) -> ModelFile {
        let mut metadata = file.metadata().unwrap().clone();
        (metadata.temperature, metadata.temperature_growth) = (Some(1.2), Some(0.7));
        let mut predictor = Predictor::new(file.clone()).unwrap();
        let clips = (0..20).map(|n| {
            let features = predictor.features(&noise(3_000 + 200 * n)).unwrap();
            predictor.normalised(&features).unwrap().clone()
        });
        let training = TrainingClips::fit(&clips.collect::<Vec<_>>());
        let grown = ModelFile::new(file.model().clone(), Some(metadata)).unwrap();
        grown.with_training_clips(training).unwrap()
    }

    fn noise(length: usize) -> Vec<f32> {
        let mut stream = rng::RandomStream::new(9, "noise", length as u64);
        (0..length).map(|_| (0.1 * stream.normal()) as f32).collect()
    }

    #[test]
    fn a_live_prediction_is_the_predictors_on_live_features() {
        for file in [file(true), growing(file(true))] {
            assert_live_is_the_predictor(file);
        }
    }

    fn assert_live_is_the_predictor(file: ModelFile) {
        let (mut live, mut predictor) = (LivePredictor::new(&file).unwrap(), Predictor::new(file).unwrap());
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
                let [got, unlike] = [&moment.prediction, &expected].map(|it| it.unlike.unwrap_or(-1.0));
                approx::assert_relative_eq!(got, unlike, max_relative = 1e-4);
                for (got, expected) in moment.prediction.probabilities.iter().zip(&expected.probabilities) {
                    approx::assert_abs_diff_eq!(got, expected, epsilon = 1e-6);
                }
            }
        }
    }

    #[test]
    fn the_sound_of_a_moment_is_that_of_its_samples_in_portions_of_any_size() {
        let samples = noise(4_000);
        for (portion, win_length, delay) in
            [(1, None, 256), (300, None, 256), (4_000, None, 256), (300, Some(342), 171)]
        {
            let mut live = LivePredictor::new(&file_with(true, win_length)).unwrap();
            let mut moments = Vec::new();
            samples.chunks(portion).for_each(|samples| moments.extend(live.push(samples).unwrap()));
            moments.extend(live.finish().unwrap());
            for (t, moment) in moments.iter().enumerate() {
                let arrived = samples.len().min(t * 256 + delay);
                let expected = Sound::measure(&samples[..arrived], RATE).unwrap();
                assert_eq!(moment.prediction.sound, Some(expected), "frame {t}, portions of {portion}");
            }
        }
    }

    #[test]
    fn of_a_profile_and_adaptation_the_later_call_counts() {
        let mut metadata = file(true).metadata().unwrap().clone();
        metadata.enrolment = Some(4.0);
        let file = ModelFile::new(file(true).model().clone(), Some(metadata)).unwrap();
        let mut enroller = Enroller::new(&file).unwrap();
        enroller.add(&Matrix::from_vec(2, 15, (0..30).map(|i| i as f32).collect()), 0).unwrap();
        let profile = enroller.profile().unwrap();
        // Too quiet for a voice: nothing adapts yet.
        let quiet: Vec<f32> = noise(2_000).iter().map(|sample| 1e-3 * sample).collect();
        let predict = |mut live: LivePredictor| live.push(&quiet).unwrap();
        let live = LivePredictor::new(&file).unwrap();
        let adapting = predict(live.clone().adapting().unwrap());
        let profiled = predict(live.clone().with_profile(&profile).unwrap());
        assert_ne!(adapting, profiled);
        assert_eq!(predict(live.clone().with_profile(&profile).unwrap().adapting().unwrap()), adapting);
        assert_eq!(predict(live.adapting().unwrap().with_profile(&profile).unwrap()), profiled);
    }

    #[test]
    fn a_model_that_takes_features_only_is_refused() {
        let error = LivePredictor::new(&file(false)).err().unwrap();
        assert_eq!(error.kind(), Kind::Model);
        assert!(error.to_string().contains("no recordings"), "{error}");
    }

    /// The clips of RAVDESS, joined: 1.5 h. The model begins anew with each clip, the front end goes on, with all peaks or with
    /// the sample of them that the tuning is of in a long recording.
    #[test]
    #[ignore = "a measurement: docs/guide.md has its result"]
    fn labels_of_joined_clips_with_all_peaks_and_with_a_sample() {
        let ravdess = std::env::var("RAVDESS_DIR").expect("RAVDESS_DIR is the folder of RAVDESS");
        let bundled = concat!(env!("CARGO_MANIFEST_DIR"), "/app/data/reslstm-sa-h64-ravdess.safetensors");
        let file = ModelFile::from_bytes(&std::fs::read(bundled).unwrap()).unwrap();
        let entries = |folder: &std::path::Path| {
            let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            paths
        };
        let [mut all, mut sample] = [1 << 24, 1 << 16].map(|most| {
            let mut live = LivePredictor::new(&file).unwrap();
            live.front_end.keep_peaks(most);
            live
        });
        let (mut frames, mut same_frames, mut clips, mut same_clips, mut farthest) = (0, 0, 0, 0, 0.0f32);
        for path in entries(std::path::Path::new(&ravdess)).iter().flat_map(|folder| entries(folder)) {
            let samples = crate::audio::Recording::from_wav(&std::fs::read(path).unwrap()).unwrap().samples;
            let [all, sample] = [&mut all, &mut sample].map(|live| {
                live.reader.model.reset();
                live.push(&samples).unwrap()
            });
            for (a, b) in all.iter().zip(&sample) {
                frames += 1;
                same_frames += usize::from(a.prediction.label == b.prediction.label);
                let pairs = a.prediction.probabilities.iter().zip(&b.prediction.probabilities);
                farthest = pairs.fold(farthest, |farthest, (a, b)| farthest.max((a - b).abs()));
            }
            clips += 1;
            same_clips += usize::from(all.last().unwrap().prediction.label == sample.last().unwrap().prediction.label);
        }
        println!(
            "{same_frames} of {frames} frames and {same_clips} of {clips} clips have the same label; probabilities differ by {farthest} at most"
        );
        assert!(clips > 1000);
    }
}
