//! `compare DIR…`

use super::{Done, Outcome, print_line};
use crate::experiment::Results;
use crate::report::comparison::Comparison;
use clap::Args;
use std::path::{Path, PathBuf};

/// Compare cross-validations with the first one, over seeds and speakers.
#[derive(Debug, Args)]
#[command(
    after_help = "Each DIR is a folder made by cv. If the averaged weights were kept, every predictor variant has its own row.

Example: reslstm compare plain voices voices-deltas"
)]
pub struct Compare {
    /// Folders of cross-validations of the same data, the reference first
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Print the comparison as JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print the comparison as CSV with a header
    #[arg(long)]
    csv: bool,
}

impl Compare {
    pub fn run(self) -> Outcome {
        let name = |folder: &Path| folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
        let read = |folder: &PathBuf| Ok((name(folder), Results::read(folder)?));
        let all = self.folders.iter().map(read).collect::<reslstm::error::Result<Vec<_>>>()?;
        let comparison = Comparison::new(&all)?;
        print_line(match (self.json, self.csv) {
            (true, _) => serde_json::to_string(&comparison)?,
            (_, true) => comparison.csv().trim_end().to_string(),
            _ => comparison.text(),
        })?;
        Ok(Done::Everything)
    }
}
