//! `features AUDIO|DIR… -o DIR`

use super::inputs::{self, Input};
use super::{Outcome, interrupt, progress};
use crate::corpus::{self, ClipFeatures, Work, npy};
use crate::files::{self, Existing};
use clap::{Args, ValueEnum};
use reslstm::audio::FeatureSettings;
use reslstm::data::condition::Condition;
use reslstm::error::{Error, Kind};
use reslstm::matrix::Matrix;
use reslstm::train::Inputs;
use std::path::{Path, PathBuf};

/// Write the features of recordings: one file a clip, the folders kept.
#[derive(Debug, Args)]
#[command(
    after_help = "A row a frame: 34 MFCC, then 12 chroma, as librosa computes them, not normalised. Always computed anew, never \
                  from the cache. A broken recording is named, the others are done, and the exit code is 1.

Example: reslstm features ravdess -o features --format csv"
)]
pub struct Features {
    /// Recordings (.wav), or folders of them
    #[arg(required = true, value_name = "AUDIO|DIR")]
    inputs: Vec<PathBuf>,
    /// Folder for the feature files
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// What of a frame: paper (34 MFCC, 12 chroma), deltas (34 MFCC, 12 deltas), all (these three),
    /// pitch (these, voicing and pitch) or voice (the same without chroma)
    #[arg(long = "inputs", value_name = "NAME", default_value_t)]
    kinds: Inputs,
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
        let bar = progress::bar(inputs.len() as u64, "features");
        let settings = self.kinds.features();
        let (progress, stop) = (&|_, _| bar.inc(1), interrupt::stop_flag());
        let work = Work { settings: &settings, condition: Condition::AsRecorded, cache: None, progress, stop };
        let write = |index: usize, clip: ClipFeatures| {
            let bytes = match self.format {
                Format::Npy => npy::to_bytes(&clip.features),
                Format::Csv => csv_text(&settings, &clip.features).into_bytes(),
            };
            files::write_replaceable(&output(&inputs[index]), &bytes)
        };
        let paths: Vec<&Path> = inputs.iter().map(|input| input.path.as_path()).collect();
        let failures: Vec<Error> = corpus::extract(&paths, &work, write)?.into_iter().filter_map(Result::err).collect();
        bar.finish_and_clear();
        inputs::summarise(failures, inputs.len())
    }
}

/// `mfcc_0,…,chroma_11`, then a line a frame, every number so that it reads back to the bit.
fn csv_text(settings: &FeatureSettings, features: &Matrix<f32>) -> String {
    let columns =
        |(kind, count): (&'static str, usize)| (0..count).map(move |k| format!("{}_{k}", kind.to_lowercase()));
    let header: Vec<String> = settings.kinds().flat_map(columns).collect();
    let mut text = header.join(",") + "\n";
    for row in features.iter_rows() {
        let row: Vec<String> = row.iter().map(f32::to_string).collect();
        text += &row.join(",");
        text.push('\n');
    }
    text
}
