//! `figure KIND …`

pub mod of_models;
pub mod of_results;

use super::Outcome;
use crate::files::{self, Existing};
use crate::report::Figure as Drawing;
use clap::{Args, Subcommand};
use reslstm::error::{Error, Kind as ErrorKind, Result};
use std::path::{Path, PathBuf};

/// Draw a figure of a clip, a model or the results of cv.
///
/// Writes an SVG picture for light and dark backgrounds, and a .csv table with its numbers.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  reslstm figure signal-flow clip.wav -o flow.svg
  reslstm cv ravdess -o results --runs 3
  reslstm figure confusion results -o confusion.svg
  reslstm figure pca ravdess --model results/models/run0-fold0.safetensors -o pca.svg"
)]
pub struct Figure {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    SignalFlow(of_models::SignalFlow),
    Augmentation(of_models::Augmentation),
    Pca(of_models::Pca),
    Confusion(of_results::Confusion),
    LearningCurves(of_results::LearningCurves),
    Seeds(of_results::Seeds),
    Groups(of_results::Groups),
    Parameters(of_results::Parameters),
    Robustness(of_results::RobustnessFigure),
    Reliability(of_results::Reliability),
}

impl Figure {
    pub fn run(self) -> Outcome {
        match self.kind {
            Kind::SignalFlow(figure) => figure.run(),
            Kind::Augmentation(figure) => figure.run(),
            Kind::Pca(figure) => figure.run(),
            Kind::Confusion(figure) => figure.run(),
            Kind::LearningCurves(figure) => figure.run(),
            Kind::Seeds(figure) => figure.run(),
            Kind::Groups(figure) => figure.run(),
            Kind::Parameters(figure) => figure.run(),
            Kind::Robustness(figure) => figure.run(),
            Kind::Reliability(figure) => figure.run(),
        }
    }
}

/// The output of a figure.
#[derive(Args, Clone, Debug)]
struct Output {
    /// Picture to write; its table gets the same name with .csv
    #[arg(short = 'o', long = "output", value_name = "FIGURE.svg")]
    path: PathBuf,
}

impl Output {
    /// Checks that both files can be written, before any work.
    fn check(&self) -> Result<()> {
        if self.path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("svg")) {
            let problem = "expected a name that ends in .svg";
            return Err(Error::new(ErrorKind::Settings, problem).at(self.path.display()));
        }
        [self.path.as_path(), &table_of(&self.path)]
            .into_iter()
            .try_for_each(|path| files::check_writable(path, Existing::Replace))
    }

    /// Writes both files and reports their names.
    fn write(&self, drawing: &Drawing) -> Result<()> {
        write(&self.path, drawing)?;
        message!("drawn in {}, its numbers in {}", self.path.display(), table_of(&self.path).display());
        Ok(())
    }
}

/// The file for the numbers of a picture.
fn table_of(picture: &Path) -> PathBuf {
    picture.with_extension("csv")
}

/// Writes a picture and the table of its numbers.
pub fn write(picture: &Path, drawing: &Drawing) -> Result<()> {
    files::write_atomically(&table_of(picture), drawing.csv.as_bytes())?;
    files::write_atomically(picture, drawing.svg.as_bytes())
}
