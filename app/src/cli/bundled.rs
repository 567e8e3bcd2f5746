//! The models that come with the command.

use super::clip;
use anyhow::Context;
use reslstm::error::Error;
use reslstm::models::ModelFile;
use std::fmt;
use std::path::Path;

/// A model that comes with the command.
pub struct Bundled {
    /// What `--model` calls it.
    pub name: &'static str,
    /// The model file.
    pub bytes: &'static [u8],
}

impl fmt::Display for Bundled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the bundled model {}", self.name)
    }
}

/// For recordings: three networks by the recipe `speech`, with 16-bit weights.
pub static SPEECH: Bundled = Bundled { name: "speech", bytes: include_bytes!("../../data/speech-ravdess.safetensors") };

/// For looking inside: one network, the paper's ResLSTM-SA-h64, by the recipe `anywhere`.
pub static PAPER: Bundled =
    Bundled { name: "paper", bytes: include_bytes!("../../data/reslstm-sa-h64-ravdess.safetensors") };

/// Reads the bundled model of this name, or the model file at this path; without either, `default`.
pub fn model_file(model: Option<&Path>, default: &Bundled) -> anyhow::Result<ModelFile> {
    let bundled = match model {
        None => default,
        Some(path) => match [&SPEECH, &PAPER].into_iter().find(|bundled| path == Path::new(bundled.name)) {
            Some(bundled) => bundled,
            None => return Ok(clip::read_model(path).map_err(|error| advised(error, path))?),
        },
    };
    ModelFile::from_bytes(bundled.bytes).with_context(|| bundled.to_string())
}

/// An error that also names the bundled models, where there is no file at `path`.
fn advised(error: Error, path: &Path) -> Error {
    if path.exists() {
        error
    } else {
        error.advice(format!("the bundled models are {} and {}", SPEECH.name, PAPER.name))
    }
}
