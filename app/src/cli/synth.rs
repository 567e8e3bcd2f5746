//! `synth DIR`

use super::{Done, Outcome, interrupt, progress};
use crate::synth;
use crate::{corpus, files};
use clap::Args;
use rayon::prelude::*;
use reslstm::audio::write_wav16;
use reslstm::error::{Error, Kind, Result};
use reslstm::labels::RavdessName;
use std::path::{Path, PathBuf};

/// Make a synthetic corpus of emotional speech, laid out and named as RAVDESS.
#[derive(Debug, Args)]
#[command(
    after_help = "The same seed gives the same bytes. The speech is synthetic: good for trying things out, not for results.

Example: reslstm synth speech --speakers 10 && reslstm cv speech -o speech-cv --folds k=5"
)]
pub struct Synth {
    /// A new or empty folder
    dir: PathBuf,
    /// 1 to 24
    #[arg(long, default_value_t = 12)]
    speakers: usize,
    /// Sentences each emotion is spoken in: 1 or 2
    #[arg(long, default_value_t = 2)]
    statements: usize,
    /// Takes of each sentence: 1 or 2
    #[arg(long, default_value_t = 2)]
    repetitions: usize,
    /// Other voices, other takes
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Synth {
    pub fn run(self) -> Outcome {
        let plan = synth::plan(self.speakers, self.statements, self.repetitions)?;
        check_empty(&self.dir)?;
        interrupt::stop_flag();
        write_corpus(&self.dir, self.seed, &plan)?;
        eprintln!("{} synthetic clips of {} speakers in {}", plan.len(), self.speakers, self.dir.display());
        Ok(Done::Everything)
    }
}

/// Refuses a folder that holds something: what is not synthetic must not be taken for it, nor be written over.
pub fn check_empty(dir: &Path) -> Result<()> {
    if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let problem = "expected a new or empty folder, but it holds files";
        return Err(Error::new(Kind::Settings, problem).at(dir.display()).advice("choose another folder"));
    }
    Ok(())
}

/// Writes the clips of a plan, on all cores, and a note that they are synthetic.
pub fn write_corpus(dir: &Path, seed: u64, plan: &[RavdessName]) -> anyhow::Result<()> {
    let note = dir.join(corpus::SYNTHETIC_NOTE);
    files::check_writable(&note, files::Existing::Replace)?;
    let text =
        format!("Synthetic speech made by reslstm {}, seed {seed}. Nobody spoke it.\n", env!("CARGO_PKG_VERSION"));
    files::write_atomically(&note, text.as_bytes())?;
    let bar = progress::bar(plan.len() as u64, "speaking");
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
