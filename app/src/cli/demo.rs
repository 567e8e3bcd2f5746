//! `demo`

use super::cv::run_plan;
use super::options::{PAPER, all_cores, built_in};
use super::source::Found;
use super::{Done, Outcome, interrupt, print_line, synth, table};
use crate::corpus::Reading;
use crate::experiment::Plan;
use crate::experiment::results::Summary;
use crate::label_map::LabelMap;
use crate::synth as speech;
use clap::Args;
use reslstm::train::Settings;
use std::path::PathBuf;

/// Run the whole pipeline on synthetic speech.
///
/// It makes the speech, cross-validates both models on it and prints the table.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm demo")]
pub struct Demo {
    /// Keep speech, models and results in this new folder
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Enough voices for speaker-independent folds, few enough clips for a minute.
const SPEAKERS: usize = 12;
const EPOCHS: usize = 30;

impl Demo {
    pub fn run(self) -> Outcome {
        let threads = all_cores();
        interrupt::stop_flag();
        match &self.output {
            Some(folder) => {
                synth::check_empty(folder)?;
                show(folder, threads)?;
            }
            None => show(tempfile::tempdir()?.path(), threads)?,
        }
        Ok(Done::Everything)
    }
}

fn show(root: &std::path::Path, threads: usize) -> anyhow::Result<()> {
    let plan = speech::plan(SPEAKERS, 2, 1)?;
    message!("1. {} clips of synthetic speech: {SPEAKERS} speakers, 8 emotions", plan.len());
    let (corpus, cache) = (root.join("speech"), root.join("cache"));
    synth::write_corpus(&corpus, 0, &plan)?;
    message!("2. features: 34 MFCC and 12 chroma per frame");
    let data = Found::open(&corpus, &Reading::default())?.load_for(&Settings::default(), Some(&cache), threads)?;
    let mut summary = Summary::default();
    for (step, arch) in ["lstm-sa-h64", "reslstm-sa-h64"].into_iter().enumerate() {
        message!("{}. {arch}, recipe {PAPER}: 5 folds, no speaker in training and test, {EPOCHS} epochs", step + 3);
        let (paper, model) = (built_in(PAPER).layers.settings()?, arch.parse()?);
        let settings = Settings::clone(&paper).with(|it| (it.arch, it.epochs) = (model, EPOCHS)).check()?;
        let plan = Plan { settings, runs: 1, folds: "k=5".parse()?, map: LabelMap::default() };
        summary.models.extend(run_plan(&data, &plan, &root.join(arch), threads, false)?.models);
    }
    print_line(format_args!("\n{}", table::scores(&summary)))?;
    let last = &summary.models[summary.models.len() - 1];
    print_line(format_args!("Confusion of {}, per cent of each true class (rows):\n", last.arch))?;
    print_line(table::confusion(&last.confusion, &last.labels))?;
    print_line(
        "This speech is SYNTHETIC: the scores show that the program works, and say nothing about people.\n\
         With real speech: get RAVDESS (see data/README.md), then\n  \
         reslstm cv RAVDESS -o results --recipe paper    the paper's experiment\n  \
         reslstm predict RECORDING.wav                   the bundled model, trained on RAVDESS",
    )
}
