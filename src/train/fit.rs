//! One training from start to end, saved on the way: killed at any moment, it goes on from its last checkpoint.

use super::checkpoint;
use super::run::{EpochRecord, Outcome, Training};
use super::settings::Settings;
use super::task::Task;
use crate::error::{Error, Kind, Result};
use crate::files;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How much work a sudden end may cost.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// Trains to the last epoch. The state is saved at `path` every few seconds and when `stop` asks to end; what is saved
/// there already is where this begins. `observe` sees every epoch, those of an earlier session too.
///
/// # Errors
/// [`Kind::Interrupted`] when stopped, after saving; or if the checkpoint cannot be read or written.
pub fn fit(
    settings: &Settings,
    task: &Task,
    seed: u64,
    path: &Path,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(usize, &EpochRecord),
) -> Result<Outcome> {
    let mut training = if path.exists() {
        let bytes = files::read(path)?;
        let state = checkpoint::from_bytes(&bytes, settings, seed, task.inputs, task.classes);
        Training::resume(settings, task, seed, state.map_err(|error| error.at(path.display()))?)
    } else {
        Training::new(settings, task, seed)
    };
    for (epoch, record) in training.state().history.iter().enumerate() {
        observe(epoch, record);
    }
    let mut saved = Instant::now();
    while !training.is_finished() {
        if stop.load(Ordering::Relaxed) {
            files::write_atomically(path, &checkpoint::to_bytes(settings, seed, training.state()))?;
            return Err(Error::new(Kind::Interrupted, format!("stopped after epoch {}", training.epochs_done())));
        }
        let epoch = training.epochs_done();
        observe(epoch, training.epoch());
        if saved.elapsed() >= CHECKPOINT_EVERY {
            files::write_atomically(path, &checkpoint::to_bytes(settings, seed, training.state()))?;
            saved = Instant::now();
        }
    }
    Ok(training.finish())
}
