//! Speech emotion recognition with a neural engine written by hand.
//!
//! `reslstm` goes from WAV files to a trained, tested model without any machine-learning framework: features as librosa
//! computes them, LSTM with backpropagation through time, soft attention, batch norm, Adam; every gradient derived on paper,
//! written down above its code, and checked by tests. It implements LSTM-SA and ResLSTM-SA of *Speech Emotion Recognition using
//! Attention-based LSTM-Network with Residual Connection* (Krasnoproshin and Vashkevich, 2026).
//!
//! # From equation to file
//!
//! | Eq. | what | file |
//! |---|---|---|
//! | 1 | short-time Fourier transform | [`audio`]`/stft.rs` |
//! | 2 | the feature sequence `[T,46]` | [`audio`]`/mfcc.rs`, `chroma.rs` |
//! | – | LSTM cell | [`layers::lstm`] |
//! | 3, 4 | context vector, attention | [`layers::attention`] |
//! | 3, 4 | the same, frame by frame | [`layers::running`], [`models::stream`] |
//! | – | residual connection | [`layers::residual`], [`models::res_lstm_sa`] |
//! | 5 | cross-entropy | [`layers::softmax_cross_entropy`] |
//! | 6 | unweighted average recall | [`train::metrics`] |
//!
//! # Read it as a course
//!
//! The pages of [`layers`] are six lessons, from a weighted sum to backpropagation through time: why each layer exists,
//! its formula, its derivation step by step, and numbers worked by hand that run as tests. Begin at the
//! [syllabus](layers#syllabus).
//!
//! # Floors
//!
//! A floor is a layer of the architecture. Imports run downwards only, never sideways between folders of one floor; a test
//! checks it.
//!
//! ```text
//! procedures   train/ audit/            train a model; check its gradients
//! assemblies   models/ data/            layers put together; folds, batches
//! parts        layers/ optim/ audio/    one file per layer; the optimiser; samples to features
//! foundations  error scalar elementary rng params matrix packed labels normalise kernels/
//! ```
//!
//! The engine knows no files, clocks, environment or terminals, and no threads but what a caller hands it. The command `reslstm`,
//! with corpora, cross-validation, search and reports, is the package `reslstm-cli`.
//!
//! # Features
//!
//! | feature | adds | crates |
//! |---|---|---|
//! | `std` | the processor's vector instructions, a fast Fourier transform, reading from `std::io::Read`, writing WAV | rustfft, hound |
//! | `fft-simd` | the Fourier transform on vector instructions; features without it differ in their last bits | |
//! | `train` | [`train`], [`optim`] | |
//! | `audit` | [`audit`] | |
//! | `threads` | `audit::in_parallel`, on all cores | rayon |
//!
//! All are on by default. Without any, the engine is `no_std` and needs an allocator: it predicts, from files and live.
//!
//! # Recognise an emotion
//!
//! ```no_run
//! use reslstm::audio::Recording;
//! use reslstm::models::Predictor;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut predictor = Predictor::from_bytes(&std::fs::read("model.safetensors")?)?;
//! let recording = Recording::from_wav(&std::fs::read("clip.wav")?)?;
//! let prediction = predictor.predict_recording(&recording)?;
//! println!("{}", prediction.label_name());
//! # Ok(())
//! # }
//! ```
//!
//! # Train a model
//!
//! ```
//! use reslstm::audio::{FeatureSettings, FrontEnd};
//! use reslstm::data::{Clip, Dataset};
//! use reslstm::labels::Labels;
//! use reslstm::train::{Settings, Trainer};
//!
//! # fn main() -> reslstm::error::Result<()> {
//! # let tone = |step: f32| -> Vec<f32> { (0..8000).map(|n| (step * n as f32).sin()).collect() };
//! # let recordings = [(tone(0.1), 0, "ann"), (tone(0.4), 1, "ann"), (tone(0.11), 0, "bob"), (tone(0.39), 1, "bob")];
//! let features = FeatureSettings::default();
//! let mut front_end = FrontEnd::new(features.clone(), 16_000)?;
//! let mut clips = Vec::new();
//! for (samples, label, speaker) in &recordings {
//!     let features = front_end.features(samples)?;
//!     clips.push(Clip { name: "a clip".into(), label: *label, speaker: speaker.to_string(), features });
//! }
//! let dataset = Dataset::new(Labels::new(vec!["calm".into(), "angry".into()])?, clips)?;
//! let settings = Settings::default().with(|settings| settings.epochs = 2).check()?;
//! let model = Trainer::new(&dataset, 16_000, &features, &settings).train()?;
//! let bytes = model.to_bytes(); // a .safetensors file
//! # assert!(bytes.len() > 100_000);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(any(test, feature = "std")), no_std)]

extern crate alloc;

pub mod audio;
#[cfg(any(test, feature = "audit"))]
pub mod audit;
pub mod data;
pub mod elementary;
pub mod error;
pub mod kernels;
pub mod labels;
pub mod layers;
pub mod matrix;
pub mod models;
pub mod normalise;
#[cfg(any(test, feature = "audit", feature = "train"))]
pub mod optim;
pub mod packed;
pub mod params;
mod prelude;
pub mod rng;
pub mod scalar;
#[cfg(any(test, feature = "train"))]
pub mod train;

#[cfg(test)]
mod tests {
    fn assert_send_and_sync<T: Send + Sync>() {}

    #[test]
    fn public_types_can_be_moved_to_and_shared_between_threads() {
        assert_send_and_sync::<crate::audio::FeatureSettings>();
        assert_send_and_sync::<crate::audio::FrontEnd>();
        assert_send_and_sync::<crate::audio::LiveFrontEnd>();
        assert_send_and_sync::<crate::audio::Recording>();
        assert_send_and_sync::<crate::error::Error>();
        assert_send_and_sync::<crate::labels::Labels>();
        assert_send_and_sync::<crate::matrix::Matrix<f32>>();
        assert_send_and_sync::<crate::models::LivePredictor>();
        assert_send_and_sync::<crate::models::Metadata>();
        assert_send_and_sync::<crate::models::Model<f32>>();
        assert_send_and_sync::<crate::models::ModelFile>();
        assert_send_and_sync::<crate::models::Prediction>();
        assert_send_and_sync::<crate::models::Predictor>();
        assert_send_and_sync::<crate::models::StreamingModel<f32>>();
        assert_send_and_sync::<crate::models::Tape<f32>>();
        assert_send_and_sync::<crate::normalise::Normaliser>();
        assert_send_and_sync::<crate::rng::RandomStream>();
    }
}
