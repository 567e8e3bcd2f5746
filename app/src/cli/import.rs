//! `import MODEL.onnx -o MODEL.safetensors`

use super::{Done, Outcome};
use crate::files::{self, Existing};
use crate::onnx;
use clap::Args;
use std::path::PathBuf;

/// Write the model of an ONNX file as a model file.
///
/// Reads what the export command writes, and LSTM-SA and ResLSTM-SA as torch.onnx.export writes them. A model from PyTorch takes
/// normalised features and no recordings, as a state dict does.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm import model.onnx -o model.safetensors")]
pub struct Import {
    /// ONNX file
    #[arg(value_name = "MODEL.onnx")]
    onnx: PathBuf,
    /// Model file to write
    #[arg(short, long, value_name = "MODEL.safetensors")]
    output: PathBuf,
}

impl Import {
    pub fn run(self) -> Outcome {
        files::check_writable(&self.output, Existing::Refuse)?;
        let model = onnx::import(&files::read(&self.onnx)?).map_err(|error| error.at(self.onnx.display()))?;
        files::write_atomically(&self.output, &model.to_bytes())?;
        Ok(Done::Everything)
    }
}
