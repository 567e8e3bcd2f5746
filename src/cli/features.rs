//! `features AUDIO|DIR… -o DIR`

use super::inputs::{self, Input};
use super::{Done, Outcome, interrupt, progress};
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use reslstm::audio::{FeatureSettings, FrontEnd, Recording};
use reslstm::corpus::npy;
use reslstm::error::{Error, Kind, Result};
use reslstm::files::{self, Existing};
use reslstm::matrix::Matrix;
use std::path::{Path, PathBuf};

/// Write the features of recordings: one file a clip, the folders kept.
#[derive(Debug, Args)]
#[command(after_help = "A row a frame: 34 MFCC, then 12 chroma, as librosa computes them, not normalised. Always computed anew, never
from the cache. A broken recording is named, the others are done, and the exit code is 1.

Example: reslstm features ravdess -o features --format csv")]
pub struct Features {
    /// Recordings (.wav), or folders of them
    #[arg(required = true, value_name = "AUDIO|DIR")]
    inputs: Vec<PathBuf>,
    /// Folder for the feature files
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// npy (float32) or csv
    #[arg(long, value_enum, default_value_t = Format::Npy)]
    format: Format,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Npy,
    Csv,
}

impl Features {
    pub fn run(self) -> Outcome {
        let inputs = inputs::recordings(&self.inputs)?;
        let extension = if self.format == Format::Npy { "npy" } else { "csv" };
        let existing = if self.force { Existing::Replace } else { Existing::Refuse };
        let output = |input: &Input| self.output.join(input.relative.with_extension(extension));
        let mut outputs = std::collections::HashMap::new();
        for input in &inputs {
            files::check_writable(&output(input), existing)
                .map_err(|error| error.advice("--force writes over files that are there"))?;
            if let Some(other) = outputs.insert(output(input), &input.path) {
                let problem = format!("{} and {} would both become this file", other.display(), input.path.display());
                let error = Error::new(Kind::Settings, problem).at(output(input).display());
                return Err(error.advice("give their common folder instead, so that folders are kept").into());
            }
        }
        interrupt::stop_flag();
        let bar = progress::bar(inputs.len() as u64, "features");
        let write = |front_end: &mut Option<FrontEnd>, input: &Input| -> Result<()> {
            if interrupt::stopped() {
                return Err(Error::new(Kind::Interrupted, "stopped before this one").at(input.path.display()));
            }
            let features = features_of(&input.path, front_end).map_err(|error| error.at(input.path.display()))?;
            let bytes = match self.format {
                Format::Npy => npy::to_bytes(&features),
                Format::Csv => csv_text(&features).into_bytes(),
            };
            files::write_replaceable(&output(input), &bytes)?;
            bar.inc(1);
            Ok(())
        };
        let results: Vec<Result<()>> =
            inputs.par_iter().map_init(|| None, |front_end, input| write(front_end, input)).collect();
        bar.finish_and_clear();
        inputs::summarise(results.into_iter().filter_map(Result::err).collect(), inputs.len())
    }
}

/// Features by the default front end at the recording's own rate; the front end is kept for the next of the same rate.
fn features_of(path: &Path, front_end: &mut Option<FrontEnd>) -> Result<Matrix<f32>> {
    let recording = Recording::from_wav(&files::read(path)?)?;
    if front_end.as_ref().is_none_or(|front_end| front_end.sample_rate() != recording.sample_rate) {
        *front_end = Some(FrontEnd::new(FeatureSettings::default(), recording.sample_rate)?);
    }
    front_end.as_mut().expect("made above").features(&recording.samples)
}

/// `mfcc_0,…,chroma_11`, then a line a frame, every number so that it reads back to the bit.
fn csv_text(features: &Matrix<f32>) -> String {
    let settings = FeatureSettings::default();
    let mfcc = (0..settings.mfcc).map(|k| format!("mfcc_{k}"));
    let header: Vec<String> = mfcc.chain((0..settings.chroma).map(|k| format!("chroma_{k}"))).collect();
    let mut text = header.join(",") + "\n";
    for row in features.iter_rows() {
        let row: Vec<String> = row.iter().map(f32::to_string).collect();
        text += &row.join(",");
        text.push('\n');
    }
    text
}
