//! `export [MODEL] -o MODEL.onnx`

use super::bundled::{self, model_file};
use super::{Done, Outcome};
use crate::files::{self, Existing};
use crate::onnx::{self, Input};
use clap::Args;
use std::path::PathBuf;

/// Write a model as an ONNX file, for ONNX Runtime and other programs.
///
/// The graph takes the features of one clip of any length, as the features command writes them, normalises them and returns the
/// probability of every class, and how unlike the training clips the clip is, where the model knows that. The metadata of the model
/// are those of the ONNX file, each value as JSON.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm export model.safetensors -o model.onnx --with-front-end")]
pub struct Export {
    /// Model file, or a PyTorch state dict in safetensors format [default: the bundled model paper]
    #[arg(value_name = "MODEL.safetensors")]
    model: Option<PathBuf>,
    /// ONNX file to write
    #[arg(short, long, value_name = "MODEL.onnx")]
    output: PathBuf,
    /// Read samples instead of features: one channel at the model's sample rate
    ///
    /// Chroma features are then tuned to concert pitch (tuning 0) instead of the clip's own tuning.
    #[arg(long)]
    with_front_end: bool,
}

impl Export {
    pub fn run(self) -> Outcome {
        files::check_writable(&self.output, Existing::Refuse)?;
        let model = model_file(self.model.as_deref(), &bundled::PAPER)?;
        let input = if self.with_front_end { Input::Samples } else { Input::Features };
        let bytes = onnx::export(&model, input).map_err(|error| match &self.model {
            Some(path) => error.at(path.display()),
            None => error.at(&bundled::PAPER),
        })?;
        files::write_atomically(&self.output, &bytes)?;
        if self.with_front_end && model.metadata().is_some_and(|metadata| metadata.features.chroma > 0) {
            message!(
                "note: chroma is tuned to concert pitch, not to each clip: probabilities differ from those of predict"
            );
        }
        Ok(Done::Everything)
    }
}
