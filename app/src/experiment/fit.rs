//! One training from start to end with checkpoints: after an interruption, even by SIGKILL, it continues from the last one.

use crate::files;
use reslstm::error::{Error, Kind, Result};
use reslstm::train::checkpoint;
use reslstm::train::identity::Identity;
use reslstm::train::run::{EpochRecord, Outcome, Training};
use reslstm::train::task::Task;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The most work that a kill can lose.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// Trains to the last epoch, from the checkpoint at `path` if there is one. The state is saved there every few seconds, and when
/// `stop` is set. `observe` receives every epoch, those of an earlier session too.
///
/// # Errors
/// [`Kind::Interrupted`] when stopped, after saving; [`Kind::Diverged`] if the loss is no number any more;
/// [`Kind::Settings`] if the checkpoint is of another training; or if it cannot be read or written.
pub fn fit(
    identity: &Identity,
    task: &Task,
    path: &Path,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(usize, &EpochRecord),
) -> Result<Outcome> {
    let (settings, seed) = (&identity.settings, identity.seed());
    let mut training = if path.exists() {
        let state = checkpoint::from_bytes(&files::read(path)?, identity, task.inputs, task.classes);
        Training::resume(settings, task, seed, state.map_err(|error| error.at(path.display()))?)
    } else {
        Training::new(settings, task, seed)
    };
    let save = |training: &Training| files::write_atomically(path, &checkpoint::to_bytes(identity, training.state()));
    for (epoch, record) in training.records().enumerate() {
        observe(epoch, record);
    }
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64();
    let mut saved = start;
    while !training.is_finished() {
        if stop.load(Ordering::Relaxed) {
            if training.epochs_done() > 0 {
                save(&training)?;
            }
            return Err(Error::new(Kind::Interrupted, format!("stopped after epoch {}", training.epochs_done())));
        }
        let epoch = training.epochs_done();
        observe(epoch, training.epoch(&clock)?);
        if saved.elapsed() >= CHECKPOINT_EVERY {
            save(&training)?;
            saved = Instant::now();
        }
    }
    Ok(training.finish())
}
