//! A recording that is still going on, frame by frame.

use super::clip::{Clip, Lab};
use crate::thrown;
use reslstm::audio::{LiveFrontEnd, Resampler, check_sample_rate, check_samples};
use reslstm::error::{Error, Kind, Result};
use reslstm::matrix::Matrix;
use reslstm::models::{Metadata, StreamingModel};
use reslstm::normalise::Normaliser;
use wasm_bindgen::prelude::*;

/// Sound in as it arrives. Each frame is computed once: its features by the engine's live front end, its probabilities by the network
/// that the lab shows, one step further.
#[wasm_bindgen]
pub struct Live {
    resampler: Resampler,
    front_end: LiveFrontEnd,
    normaliser: Normaliser,
    /// Columns that the network reads.
    columns: Vec<usize>,
    model: StreamingModel<f64>,
    /// The latest, at the model's rate, as far as frames to come reach back, and the place of the first of them.
    samples: Vec<f32>,
    first: usize,
    /// Of the frames: `hop` samples around the middle of each.
    sound: Vec<f32>,
    /// Normalised, `[T,D]`.
    features: Vec<f64>,
}

#[wasm_bindgen]
impl Lab {
    /// A recording at `rate` Hz that begins now.
    pub fn live(&self, rate: u32) -> std::result::Result<Live, JsError> {
        self.begin(rate).map_err(thrown)
    }

    /// All that the network makes of the frames so far. `what_if` as in [`clip`](Lab::clip).
    pub fn live_clip(&self, live: &Live, what_if: &str) -> std::result::Result<Clip, JsError> {
        self.run(live.matrix(), what_if).map_err(thrown)
    }
}

impl Lab {
    pub fn begin(&self, rate: u32) -> Result<Live> {
        check_sample_rate(rate)?;
        let file = self.predictor.file();
        let no_metadata = || Error::new(Kind::Model, "expected a model that says how features are normalised");
        let metadata: &Metadata = file.metadata().ok_or_else(no_metadata)?;
        Ok(Live {
            resampler: Resampler::new(rate, metadata.sample_rate),
            front_end: LiveFrontEnd::new(metadata.features.clone(), metadata.sample_rate)?,
            normaliser: metadata.require_normaliser()?,
            columns: file.branches()[self.branch].columns().to_vec(),
            model: StreamingModel::new(&self.model),
            samples: Vec::new(),
            first: 0,
            sound: Vec::new(),
            features: Vec::new(),
        })
    }
}

#[wasm_bindgen]
impl Live {
    /// Probabilities `[K]` after each frame that these samples complete, one row per frame.
    pub fn push(&mut self, samples: &[f32]) -> std::result::Result<Vec<f64>, JsError> {
        self.add(samples).map_err(thrown)
    }

    /// `T`
    pub fn frames(&self) -> usize {
        self.features.len() / self.columns.len()
    }

    /// The sound of the frames, at the model's rate.
    pub fn sound(&self) -> Vec<f32> {
        self.sound.clone()
    }
}

impl Live {
    pub fn add(&mut self, samples: &[f32]) -> Result<Vec<f64>> {
        check_samples(0, samples)?;
        let Live { resampler, front_end, normaliser, columns, model, samples: latest, first, sound, features } = self;
        let hop = front_end.settings().hop;
        let mut frame = vec![0.0; front_end.settings().width()];
        let mut probabilities = Vec::new();
        resampler.push(samples, &mut |samples| {
            latest.extend_from_slice(samples);
            front_end.push(samples)?;
            let with_features = front_end.latest().iter().filter(|frame| frame.has_features);
            for (row, at) in front_end.features().iter_rows().zip(with_features) {
                normaliser.apply_to_frame(row, &mut frame);
                let x: Vec<f64> = columns.iter().map(|&column| f64::from(frame[column])).collect();
                probabilities.extend_from_slice(model.push(&x));
                features.extend(x);
                let from = (at.place + hop / 2).saturating_sub(hop) - *first;
                sound.extend((from..from + hop).map(|n| latest.get(n).copied().unwrap_or(0.0)));
            }
            // Frames come in their order; those of a pause that is left out say how far it is.
            if let Some(last) = front_end.latest().last() {
                let needed = (last.place + hop / 2).saturating_sub(hop).min(*first + latest.len());
                latest.drain(..needed - *first);
                *first = needed;
            }
            Ok(())
        })?;
        Ok(probabilities)
    }

    fn matrix(&self) -> Matrix<f64> {
        Matrix::from_vec(self.frames(), self.columns.len(), self.features.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::clip::tests::lab;
    use super::*;
    use reslstm::audio::FeatureSettings;
    use reslstm::models::{LivePredictor, Model, ModelFile};
    use reslstm::rng::RandomStream;

    #[test]
    fn frames_are_those_of_the_live_predictor_and_of_the_clip_so_far() {
        for (architecture, rate) in [("lstm-sa-h5", 16_000), ("reslstm-sa-h6", 16_000), ("reslstm-sa-h6", 44_100)] {
            let (lab, _) = lab(architecture);
            let mut stream = RandomStream::new(3, "live", 0);
            let samples: Vec<f32> = (0..2 * rate).map(|_| 0.1 * stream.normal() as f32).collect();
            let mut live = lab.begin(rate).unwrap();
            let mut expected = LivePredictor::new(lab.predictor.file()).unwrap();
            let (mut resampler, mut moments) = (Resampler::new(rate, 16_000), Vec::new());
            let mut rows = Vec::new();
            for portion in samples.chunks(2_048) {
                rows.extend(live.add(portion).unwrap());
                resampler.push(portion, &mut |it| expected.push(it).map(|it| moments.extend(it))).unwrap();
            }
            assert!(moments.len() > 10 && live.frames() == moments.len() && rows.len() == 3 * moments.len());
            assert_eq!(live.sound.len(), moments.len() * 2048);
            if rate == 16_000 {
                assert_eq!(live.sound[2048..], samples[1024..][..live.sound.len() - 2048]);
            }
            for (row, moment) in rows.chunks(3).zip(&moments) {
                for (got, &expected) in row.iter().zip(&moment.prediction.probabilities) {
                    assert!((got - f64::from(expected)).abs() < 1e-5, "{got} {expected}");
                }
            }
            let clip = lab.run(live.matrix(), "{}").unwrap();
            for (got, expected) in clip.values("running").ok().unwrap().iter().zip(&rows) {
                assert!((got - expected).abs() < 1e-12, "{got} {expected}");
            }
        }
    }

    #[test]
    fn sound_that_no_frame_needs_is_forgotten_whether_somebody_speaks_or_not() {
        let features = FeatureSettings::speech();
        let width = features.width();
        let labels = vec!["calm".to_string(), "cross".to_string()].try_into().unwrap();
        let mut metadata = Metadata::new("lstm-sa-h2".into(), labels, 16_000, features);
        (metadata.mean, metadata.std) = (vec![0.0; width], vec![10.0; width]);
        let mut stream = RandomStream::new(4, "silence", 0);
        let model = Model::init("lstm-sa-h2".parse().unwrap(), width, 2, &mut stream);
        let prepared = Lab::of(ModelFile::new(model, Some(metadata)).unwrap(), 0).unwrap();
        let quiet: Vec<f32> = (0..16_000).map(|_| 1e-4 * stream.normal() as f32).collect();
        for (lab, has_frames) in [(prepared, false), (lab("lstm-sa-h5").0, true)] {
            let mut live = lab.begin(16_000).unwrap();
            for _ in 0..20 {
                live.add(&quiet).unwrap();
                assert!(live.samples.len() <= 3 * 16_000, "{} samples are kept", live.samples.len());
            }
            assert_eq!(live.frames() > 0, has_frames);
        }
    }
}
