//! `quantise [MODEL] --to f16|int8 -o MODEL.safetensors`

use super::bundled::{self, model_file};
use super::{Done, Outcome};
use crate::files::{self, Existing};
use clap::{Args, ValueEnum};
use reslstm::models::{ModelFile, Precision};
use std::path::PathBuf;

/// Write a model file with weights of fewer bits.
///
/// Such a file is read wherever a model file is. int8 has a scale per row of each matrix; activations stay 32-bit floats.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm quantise model.safetensors --to int8 -o small.safetensors")]
pub struct Quantise {
    /// Model file, a PyTorch state dict in safetensors format, or a bundled model: speech or paper [default: paper]
    #[arg(value_name = "MODEL.safetensors")]
    model: Option<PathBuf>,
    /// Bits of a weight
    #[arg(long, value_name = "TYPE")]
    to: Bits,
    /// Model file to write
    #[arg(short, long, value_name = "MODEL.safetensors")]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Bits {
    /// 16-bit floats
    F16,
    /// 8-bit integers
    Int8,
}

impl Quantise {
    pub fn run(self) -> Outcome {
        files::check_writable(&self.output, Existing::Refuse)?;
        let precision = match self.to {
            Bits::F16 => Precision::F16,
            Bits::Int8 => Precision::I8,
        };
        let model = model_file(self.model.as_deref(), &bundled::PAPER)?;
        let bytes = model.to_bytes_with(precision);
        // A weight beyond the largest 16-bit float becomes infinite.
        ModelFile::from_bytes(&bytes)
            .map_err(|error| error.advice("weights beyond 65,504 need 32 bits: use the model as it is"))?;
        files::write_atomically(&self.output, &bytes)?;
        message!("{}: {} bytes, {} with 32 bits", self.output.display(), bytes.len(), model.to_bytes().len());
        Ok(Done::Everything)
    }
}
