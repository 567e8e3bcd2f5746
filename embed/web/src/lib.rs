//! The engine as JavaScript calls it. `js/reslstm.js` picks the build for the machine, and makes objects of the numbers that are
//! returned here: a prediction is the row time (s), level (dB of full scale), share of speech, 1 or 0 for whether somebody speaks,
//! how unlike the training clips (NaN: unknown), and the `K` probabilities.

#[cfg(feature = "lab")]
mod lab;

use reslstm::audio::{Recording, Resampler, check_sample_rate, check_samples, resample};
use reslstm::error::{Error, Result};
use reslstm::models::{LivePredictor, ModelFile, Moment, Prediction, Predictor, Profile};
use wasm_bindgen::prelude::*;

fn thrown(error: Error) -> JsError {
    JsError::new(&error.to_string())
}

/// Appends the row of a prediction.
fn add_row(time: f64, prediction: &Prediction, rows: &mut Vec<f64>) {
    let sound = prediction.sound.map_or([f64::NAN; 3], |it| [it.level, it.speech, f64::from(u8::from(it.has_speech))]);
    rows.push(time);
    rows.extend(sound);
    rows.push(prediction.unlike.map_or(f64::NAN, f64::from));
    rows.extend(prediction.probabilities.iter().map(|&p| f64::from(p)));
}

fn rows(moments: &[Moment]) -> Vec<f64> {
    let mut rows = Vec::new();
    moments.iter().for_each(|moment| add_row(moment.time, &moment.prediction, &mut rows));
    rows
}

/// `samples` at another rate.
fn resampled(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>> {
    check_sample_rate(from)?;
    check_samples(0, samples)?;
    Ok(resample(samples, from, to))
}

/// A trained model.
#[wasm_bindgen]
pub struct Model {
    predictor: Predictor,
    profile: Option<Profile>,
}

#[wasm_bindgen]
impl Model {
    /// From the bytes of a model file.
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: &[u8]) -> std::result::Result<Model, JsError> {
        let predictor = Predictor::from_bytes(bytes).map_err(thrown)?;
        Ok(Model { predictor, profile: None })
    }

    /// Class names, `[K]`.
    pub fn labels(&self) -> Vec<String> {
        self.predictor.labels().iter().cloned().collect()
    }

    /// The description in the file as JSON, or undefined.
    pub fn metadata(&self) -> Option<String> {
        self.predictor.metadata().map(|metadata| serde_json::to_string(metadata).expect("a description is JSON"))
    }

    /// Hz
    pub fn sample_rate(&self) -> std::result::Result<u32, JsError> {
        self.predictor.sample_rate().map_err(thrown)
    }

    /// Predicts the speaker of a profile, which is JSON as `reslstm enrol` writes it, or any speaker.
    pub fn set_profile(&mut self, json: Option<String>) -> std::result::Result<(), JsError> {
        let profile = json.map(|json| Profile::from_json(json.as_bytes())).transpose().map_err(thrown)?;
        self.predictor.set_profile(profile.as_ref()).map_err(thrown)?;
        self.profile = profile;
        Ok(())
    }

    /// Row of the prediction for samples at `rate` Hz.
    pub fn predict(&mut self, samples: &[f32], rate: u32) -> std::result::Result<Vec<f64>, JsError> {
        let prediction = self.prediction(samples, rate).map_err(thrown)?;
        let mut row = Vec::new();
        add_row(samples.len() as f64 / f64::from(rate), &prediction, &mut row);
        Ok(row)
    }

    /// A stream of samples at `rate` Hz, which adapts to its speaker if `adapt`.
    pub fn stream(&self, rate: u32, adapt: bool) -> std::result::Result<Stream, JsError> {
        self.begin(rate, adapt).map_err(thrown)
    }
}

impl Model {
    fn file(&self) -> &ModelFile {
        self.predictor.file()
    }

    fn prediction(&mut self, samples: &[f32], rate: u32) -> Result<Prediction> {
        let sample_rate = self.predictor.sample_rate()?;
        let samples = resampled(samples, rate, sample_rate)?;
        self.predictor.predict_recording(&Recording { sample_rate, samples })
    }

    fn begin(&self, rate: u32, adapt: bool) -> Result<Stream> {
        check_sample_rate(rate)?;
        let mut live = LivePredictor::new(self.file())?;
        if let Some(profile) = &self.profile {
            live = live.with_profile(profile)?;
        }
        if adapt {
            live = live.adapting()?;
        }
        Ok(Stream { resampler: Resampler::new(rate, live.sample_rate()), live })
    }
}

/// A recording that is still going on.
#[wasm_bindgen]
pub struct Stream {
    resampler: Resampler,
    live: LivePredictor,
}

#[wasm_bindgen]
impl Stream {
    /// Rows of the frames that these samples complete.
    pub fn push(&mut self, samples: &[f32]) -> std::result::Result<Vec<f64>, JsError> {
        self.moments(samples).map(|moments| rows(&moments)).map_err(thrown)
    }

    /// Ends the recording: rows of its last frames. The next push begins another one.
    pub fn finish(&mut self) -> std::result::Result<Vec<f64>, JsError> {
        self.last_moments().map(|moments| rows(&moments)).map_err(thrown)
    }
}

impl Stream {
    fn moments(&mut self, samples: &[f32]) -> Result<Vec<Moment>> {
        check_samples(0, samples)?;
        let mut moments = Vec::new();
        self.resampler.push(samples, &mut |samples| {
            moments.extend(self.live.push(samples)?);
            Ok(())
        })?;
        Ok(moments)
    }

    fn last_moments(&mut self) -> Result<Vec<Moment>> {
        let mut moments = Vec::new();
        self.resampler.finish(&mut |samples| {
            moments.extend(self.live.push(samples)?);
            Ok(())
        })?;
        moments.extend(self.live.finish()?);
        Ok(moments)
    }
}
