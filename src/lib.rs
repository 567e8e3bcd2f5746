//! Speech emotion recognition with a neural engine written by hand.
//!
//! `reslstm` goes from WAV files to a trained, tested model without any machine-learning framework: features as librosa
//! computes them, LSTM with backpropagation through time, soft attention, batch norm, Adam; every gradient derived on paper,
//! written down above its code, and proved in a test. It implements LSTM-SA and ResLSTM-SA of *Speech Emotion Recognition using
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
//! Imports run downwards only, never sideways between folders of one floor; a test holds the code to it.
//!
//! ```text
//! faces        main.rs, cli/            the command, a file a subcommand
//! pages        report/                  figures
//! procedures   train/ tune/ sweep/      train, search, many trainings on many machines;
//!              audit/ corpus/           prove, gather; all on the ground of files.rs (atomic writes)
//! assemblies   models/ data/            layers put together; labels, folds, batches, synthetic speech
//! parts        layers/ optim/ audio/    one file a layer
//! foundations  error scalar elementary rng params matrix packed labels normalise calendar hash kernels/
//! ```
//!
//! Everything below the procedures knows no files, threads, clocks or terminals. Without the default feature `cli` the crate is
//! the light core: engine, training and audit, no bundled weights, few dependencies.
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

pub mod audio;
#[cfg(any(test, feature = "audit"))]
pub mod audit;
pub mod calendar;
#[cfg(feature = "cli")]
pub mod corpus;
pub mod data;
pub mod elementary;
pub mod error;
pub mod files;
#[cfg(feature = "cli")]
mod hash;
pub mod kernels;
pub mod labels;
pub mod layers;
pub mod matrix;
pub mod models;
pub mod normalise;
#[cfg(any(test, feature = "train"))]
pub mod optim;
pub mod packed;
pub mod params;
#[cfg(feature = "cli")]
pub mod report;
pub mod rng;
pub mod scalar;
#[cfg(feature = "cli")]
pub mod sweep;
#[cfg(any(test, feature = "train"))]
pub mod train;
#[cfg(feature = "cli")]
pub mod tune;

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
