//! `lab -o PAGE.html`

use super::bundled::{self, model_file};
use super::{Done, Outcome};
use crate::files::{self, Existing};
use crate::report::lab;
use clap::Args;
use reslstm::models::Predictor;
use std::path::PathBuf;

/// Write a page in which a model runs: forward, backward, training.
#[derive(Debug, Args)]
#[command(
    after_help = "The page is one file with the engine, the model and a synthetic recording. It needs no network, and no sound \
                  leaves the machine. It takes dropped files and the microphone.

Example: reslstm lab -o lab.html"
)]
pub struct Lab {
    /// Page to write
    #[arg(short, long, value_name = "PAGE.html")]
    output: PathBuf,
    /// Model file, or a bundled model: speech or paper [default: paper]
    #[arg(short, long, value_name = "MODEL.safetensors")]
    model: Option<PathBuf>,
}

impl Lab {
    pub fn run(self) -> Outcome {
        files::check_writable(&self.output, Existing::Replace)?;
        let file = model_file(self.model.as_deref(), &bundled::PAPER)?;
        if file.branches().len() > 1 {
            message!(
                "note: the page shows one of {} branches at a time, and the answer of all together",
                file.branches().len()
            );
        }
        // It takes recordings, or says why not.
        Predictor::new(file.clone())?.sample_rate()?;
        let page = lab::html(&file);
        files::write_atomically(&self.output, page.as_bytes())?;
        message!("{}: {:.1} MB, for a browser", self.output.display(), page.len() as f64 / 1e6);
        Ok(Done::Everything)
    }
}
