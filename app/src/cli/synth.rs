//! `synth DIR`

use super::options::WrongCall;
use super::{Done, Outcome, interrupt, progress};
use crate::synth;
use crate::{corpus, files};
use clap::Args;
use rayon::prelude::*;
use reslstm::audio::write_wav16;
use reslstm::error::{Error, Kind, Result};
use reslstm::labels::RavdessName;
use std::path::{Path, PathBuf};

/// Create a corpus of synthetic emotional speech with RAVDESS's file names.
///
/// The same seed gives the same bytes. Synthetic speech is for trying the program out, not for results.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm synth speech --speakers 10 && reslstm cv speech -o speech-cv --folds k=5")]
pub struct Synth {
    /// New or empty folder for the corpus
    dir: PathBuf,
    /// Number of speakers, 1 to 24
    #[arg(long, default_value_t = 12)]
    speakers: usize,
    /// Number of sentences per emotion, 1 or 2
    #[arg(long, default_value_t = 2)]
    statements: usize,
    /// Number of takes per sentence, 1 or 2
    #[arg(long, default_value_t = 2)]
    repetitions: usize,
    /// Seed of the random voices and takes
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Synth {
    pub fn run(self) -> Outcome {
        let plan = synth::plan(self.speakers, self.statements, self.repetitions).map_err(WrongCall)?;
        check_empty(&self.dir)?;
        interrupt::stop_flag();
        write_corpus(&self.dir, self.seed, &plan)?;
        message!("{} synthetic clips of {} speakers in {}", plan.len(), self.speakers, self.dir.display());
        Ok(Done::Everything)
    }
}

/// Refuses a folder that is not empty, so that real recordings are neither overwritten nor marked as synthetic.
pub fn check_empty(dir: &Path) -> Result<()> {
    if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let problem = "expected a new or empty folder, but it holds files";
        return Err(Error::new(Kind::Settings, problem).at(dir.display()).advice("choose another folder"));
    }
    Ok(())
}

/// Writes the clips of `plan`, on all cores, and a note that they are synthetic.
pub fn write_corpus(dir: &Path, seed: u64, plan: &[RavdessName]) -> anyhow::Result<()> {
    let note = dir.join(corpus::SYNTHETIC_NOTE);
    files::check_writable(&note, files::Existing::Replace)?;
    let text =
        format!("Synthetic speech made by reslstm {}, seed {seed}. Nobody spoke it.\n", env!("CARGO_PKG_VERSION"));
    files::write_atomically(&note, text.as_bytes())?;
    let bar = progress::bar(plan.len() as u64, "synthetic speech", "clips");
    plan.par_iter().try_for_each(|name| {
        if interrupt::stopped() {
            return Err(Error::new(Kind::Interrupted, "stopped; the corpus is incomplete").at(dir.display()));
        }
        let folder = dir.join(name.folder());
        std::fs::create_dir_all(&folder).map_err(|error| Error::io(folder.display(), error))?;
        let speech = synth::synthesise(seed, name);
        let path = folder.join(format!("{name}.wav"));
        files::write_replaceable(&path, &write_wav16(&speech.samples, speech.sample_rate))?;
        bar.inc(1);
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(())
}
