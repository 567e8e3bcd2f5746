//! A study that any number of workers share, in processes of this program and of Optuna in Python: asking for a trial, reporting
//! intermediate values, telling the result.
//!
//! ```text
//! FILE              the journal: every trial, its parameters, its values
//! FILE.trials/7/    checkpoints of the trial with id 7; removed once it is finished
//! ```
//!
//! If the process of a trial is killed, the next worker that asks takes the trial over, with its parameters. A locked file in
//! the trial's folder shows whether its owner lives: the system releases the lock with the process. Trials of Optuna have no
//! such file and are left alone.
//!
//! Random numbers of a trial derive from the study's seed and the trial's number. The journal's lock gives each number to one
//! worker only, on whatever machine, so no two workers try the same point. A search that was killed continues exactly as it would
//! have without.

use super::enqueued::Enqueued;
use super::journal::Journal;
use super::replay::{MAXIMIZE, Replay, StudyRecord, create_trial_line, operation};
use super::space::Space;
use super::trial::{State, Trial};
use super::{pruner, tpe};
use crate::calendar::iso_8601;
use crate::files;
use reslstm::error::{Error, Kind, Result};
use reslstm::rng::RandomStream;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

/// User attribute with the identity of a study of this program; it also marks this program's trials.
pub const USER_ATTRIBUTE: &str = "reslstm";

/// Settings of a search.
#[derive(Clone, Debug)]
pub struct Search {
    /// The search space.
    pub space: Space,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Total number of trials, including those in the journal; failed ones do not count.
    pub trials: usize,
}

/// An open study.
#[derive(Debug)]
pub struct Study {
    journal: Mutex<Journal>,
    search: Search,
    id: usize,
    name: String,
    /// Holds one folder per trial.
    folder: PathBuf,
}

/// A trial to work on. While this exists, no other worker gets the trial.
#[derive(Debug)]
pub struct Claim {
    /// The trial's number.
    pub number: usize,
    /// The trial's parameters.
    pub parameters: BTreeMap<String, Value>,
    /// Warnings about the values that a queued trial asks for.
    pub warnings: Vec<String>,
    /// Why a queued trial cannot be worked on, only told as failed.
    pub refusal: Option<String>,
    /// Folder for checkpoints. It exists, and may hold those of an earlier worker.
    pub folder: PathBuf,
    /// The last step that an earlier worker reported.
    pub reported: Option<u64>,
    id: usize,
    /// The trial's lock file, locked.
    _held: File,
}

/// Whether to continue a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does well enough.
    Continue,
    /// It does worse than half of the others.
    Prune,
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    /// Complete, with this value.
    Complete(f64),
    /// Stopped early.
    Pruned,
    /// Failed: it cannot be worked on.
    Failed,
}

/// Progress of a study.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Number of complete trials.
    pub complete: usize,
    /// Number of pruned trials.
    pub pruned: usize,
    /// Number of failed trials.
    pub failed: usize,
    /// Numbers of the running trials.
    pub running: Vec<usize>,
    /// Number, value and parameters of the best complete trial; of equal trials the first.
    pub best: Option<(usize, f64, BTreeMap<String, Value>)>,
}

impl Study {
    /// Opens the study called `name` in a journal, or creates it. Without a name, it is the only study there, or a new one
    /// named after the file. `identity` describes what is searched for. If an earlier worker stored another identity, `accept`
    /// gets it and may refuse.
    ///
    /// # Errors
    /// [`Kind::Settings`] if the study minimises, has other ranges than `search`, or there are several and no name is given;
    /// those of `accept`, and of reading and writing.
    pub fn open(
        journal: Journal,
        name: Option<&str>,
        search: Search,
        identity: &Value,
        accept: impl FnOnce(&Value) -> Result<()>,
    ) -> Result<Self> {
        let path = journal.path().to_path_buf();
        let mut folder = path.clone().into_os_string();
        folder.push(".trials");
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        files::refuse_links_in(Path::new(&folder))?;
        let mut journal = journal;
        let opened = journal.update(|replay| {
            let mut lines = Vec::new();
            let (id, name) = match choose(replay, name)? {
                Some((id, study)) => {
                    match study.user_attributes.get(USER_ATTRIBUTE) {
                        Some(earlier) => accept(earlier)?,
                        None => lines.push(identity_line(id, identity)),
                    }
                    check(replay, id, study, &search.space)?;
                    (id, study.name.clone())
                }
                None => {
                    let (id, name) = (replay.next_study_id(), name.unwrap_or(&stem).to_string());
                    lines.push(
                        json!({ "op_code": operation::CREATE_STUDY, "study_name": name, "directions": [MAXIMIZE] }),
                    );
                    lines.push(identity_line(id, identity));
                    (id, name)
                }
            };
            Ok((lines, (id, name)))
        });
        let (id, name) = opened.map_err(|error| error.at(path.display()))?;
        Ok(Study { journal: Mutex::new(journal), search, id, name, folder: folder.into() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next trial to work on; `None` when enough trials are finished or running. First come trials of killed workers of this
    /// program, then queued trials, then a new point.
    ///
    /// # Errors
    /// [`Kind::Io`] or [`Kind::Data`], from the journal or the trial's folder.
    pub fn ask(&self) -> Result<Option<Claim>> {
        self.journal().update(|replay| {
            let trials = replay.trials(self.id);
            let mut taken = trials.iter().filter(|trial| trial.is_observed()).count();
            let mut left = None;
            for trial in trials.iter().filter(|trial| trial.state == State::Running) {
                let ours = trial.user_attributes.contains_key(USER_ATTRIBUTE);
                match if ours { self.try_hold(trial.id)? } else { None } {
                    // Take over the first one only; the others are left to the next worker that asks.
                    Some(held) => left = left.or(Some((*trial, held))),
                    None => taken += 1,
                }
            }
            if taken >= self.search.trials {
                return Ok((Vec::new(), None));
            }
            if let Some((trial, held)) = left {
                let (lines, claim) = self.claim(trial, &trials, held);
                return Ok((lines, Some(claim)));
            }
            if let Some(waiting) = trials.iter().find(|trial| trial.state == State::Waiting) {
                return self.start_waiting(waiting, &trials).map(|(lines, claim)| (lines, Some(claim)));
            }
            let mut trial = Trial::new(trials.len(), replay.next_trial_id(), State::Running);
            trial.user_attributes = own_trial_attributes();
            trial.parameters = tpe::suggest(&self.search.space, &trials, &mut self.stream(trial.number));
            for (name, range) in self.search.space.iter() {
                trial.distributions.insert(name.into(), range.clone());
            }
            let held = self.hold_empty(trial.id)?;
            let line = create_trial_line(self.id, &trial, &now());
            let (_, claim) = self.claim(&trial, &trials, held);
            Ok((vec![line], Some(claim)))
        })
    }

    /// Reports the value of a step with a user attribute, unless an earlier worker did. Returns whether to continue the trial.
    ///
    /// # Errors
    /// [`Kind::Io`] or [`Kind::Data`], from the journal.
    pub fn report(&self, claim: &Claim, step: u64, value: f64, attribute: (&str, Value)) -> Result<Verdict> {
        self.journal().update(|replay| {
            let trials = replay.trials(self.id);
            let trial = trials[claim.number];
            let mut lines = Vec::new();
            if !trial.intermediate.contains_key(&step) {
                let (name, content) = attribute;
                // The attribute may be there without the value: a worker can be killed between two lines.
                if trial.user_attributes.get(name) != Some(&content) {
                    lines.push(attribute_line(claim.id, name, content));
                }
                lines.push(json!({ "op_code": operation::SET_TRIAL_INTERMEDIATE_VALUE, "trial_id": claim.id,
                                   "step": step, "intermediate_value": value }));
            }
            let verdict = match pruner::should_prune(&trials, step, value) {
                true => Verdict::Prune,
                false => Verdict::Continue,
            };
            Ok((lines, verdict))
        })
    }

    /// Sets a user attribute of a trial.
    ///
    /// # Errors
    /// [`Kind::Io`] or [`Kind::Data`], from the journal.
    pub fn note(&self, claim: &Claim, name: &str, content: Value) -> Result<()> {
        self.journal().update(|_| Ok((vec![attribute_line(claim.id, name, content)], ())))
    }

    /// Stores the result of a trial and removes its folder.
    ///
    /// # Errors
    /// [`Kind::Io`] or [`Kind::Data`], from the journal or the folder.
    pub fn tell(&self, claim: Claim, ending: Ending) -> Result<()> {
        self.journal().update(|replay| {
            let (state, value) = match ending {
                Ending::Complete(value) => (State::Complete, Some(value)),
                // As in Optuna, the last intermediate value becomes the trial's value.
                Ending::Pruned => {
                    let intermediate = &replay.trials(self.id)[claim.number].intermediate;
                    (State::Pruned, intermediate.last_key_value().map(|(_, &value)| value))
                }
                Ending::Failed => (State::Failed, None),
            };
            Ok((vec![end_line(claim.id, state, value)], ()))
        })?;
        let folder = claim.folder.clone();
        drop(claim);
        remove_folder(&folder)
    }

    /// Counts the trials by state, and finds the best.
    ///
    /// # Errors
    /// [`Kind::Io`] or [`Kind::Data`], from the journal.
    pub fn progress(&self) -> Result<Progress> {
        let mut journal = self.journal();
        let mut progress = Progress::default();
        for trial in journal.replay()?.trials(self.id) {
            match (trial.state, trial.value) {
                (State::Complete, Some(value)) => {
                    progress.complete += 1;
                    if progress.best.as_ref().is_none_or(|(_, best, _)| value > *best) {
                        progress.best = Some((trial.number, value, trial.values()));
                    }
                }
                (State::Pruned, _) => progress.pruned += 1,
                (State::Failed | State::Complete, _) => progress.failed += 1,
                (State::Running, _) => progress.running.push(trial.number),
                (State::Waiting, _) => {}
            }
        }
        Ok(progress)
    }

    /// Removes folders of finished trials, left by workers killed before they removed them; then the folder of all trials,
    /// unless a trial is running.
    fn tidy(&self) -> Result<()> {
        self.journal().update(|replay| {
            for trial in replay.trials(self.id).into_iter().filter(|trial| trial.state.is_finished()) {
                remove_folder(&self.trial_folder(trial.id))?;
            }
            // Fails if it is not empty or does not exist.
            let _ = std::fs::remove_dir(&self.folder);
            Ok((Vec::new(), ()))
        })
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().expect("no worker panics")
    }

    fn stream(&self, number: usize) -> RandomStream {
        RandomStream::new(self.search.seed, "trial", number as u64)
    }

    /// Starts a queued trial. The sampler chooses the parameters that it does not give.
    fn start_waiting(&self, waiting: &Trial, trials: &[&Trial]) -> Result<(Vec<Value>, Claim)> {
        let held = self.hold_empty(waiting.id)?;
        let mut trial = waiting.clone();
        // The mark of this program comes first: if writing is cut off, one of its workers can still take the trial over.
        let mut lines = vec![
            attribute_line(trial.id, USER_ATTRIBUTE, own_trial_attributes()[USER_ATTRIBUTE].clone()),
            json!({ "op_code": operation::SET_TRIAL_STATE_VALUES, "trial_id": trial.id, "state": State::Running as u64,
                    "values": null, "datetime_start": now() }),
        ];
        trial.state = State::Running;
        let (parameters, claim) = self.claim(&trial, trials, held);
        lines.extend(parameters);
        Ok((lines, claim))
    }

    /// The claim on a trial, and the journal lines for parameters that it lacks.
    fn claim(&self, trial: &Trial, trials: &[&Trial], held: File) -> (Vec<Value>, Claim) {
        let space = &self.search.space;
        let mut parameters = trial.values();
        let mut lines = Vec::new();
        let Enqueued { numbers: wanted, warnings, refusal } = Enqueued::read(trial, space);
        if refusal.is_none() && space.names().any(|name| !parameters.contains_key(name)) {
            let others: Vec<&Trial> = trials.iter().copied().filter(|other| other.number != trial.number).collect();
            let suggested = tpe::suggest(space, &others, &mut self.stream(trial.number));
            for (name, range) in space.iter().filter(|(name, _)| !trial.parameters.contains_key(*name)) {
                let number = wanted.get(name).copied().unwrap_or(suggested[name]);
                lines
                    .push(json!({ "op_code": operation::SET_TRIAL_PARAMETER, "trial_id": trial.id, "param_name": name,
                                   "param_value_internal": number, "distribution": range.to_json() }));
                parameters.insert(name.into(), range.to_value(number));
            }
        }
        let claim = Claim {
            number: trial.number,
            parameters,
            warnings,
            refusal,
            folder: self.trial_folder(trial.id),
            reported: trial.intermediate.last_key_value().map(|(&step, _)| step),
            id: trial.id,
            _held: held,
        };
        (lines, claim)
    }

    fn trial_folder(&self, id: usize) -> PathBuf {
        self.folder.join(id.to_string())
    }

    /// Locks a trial's folder, which is created if needed; `None` if another worker holds the lock.
    fn try_hold(&self, id: usize) -> Result<Option<File>> {
        let folder = self.trial_folder(id);
        let path = folder.join("lock");
        let opened = std::fs::create_dir_all(&folder).and_then(|()| files::open_lock_file(&path));
        let file = opened.map_err(|error| Error::io(path.display(), error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::io(path.display(), error)),
        }
    }

    /// Locks the folder of a new trial. Anything in it is left from another study and is removed.
    fn hold_empty(&self, id: usize) -> Result<File> {
        let folder = self.trial_folder(id);
        remove_folder(&folder)?;
        let taken = || Error::new(Kind::Io, "expected a new trial, but another process works on it already");
        self.try_hold(id)?.ok_or_else(|| taken().at(folder.display()).advice("start the command again"))
    }
}

/// Works on a study with `workers` threads until enough trials are finished or running. When one worker fails or `stop` is set,
/// all stop; unfinished trials can be continued later.
///
/// # Errors
/// [`Kind::Interrupted`] when stopped; otherwise the first error of `work`, or of the study.
pub fn optimise(
    study: &Study,
    workers: usize,
    stop: &AtomicBool,
    work: impl Fn(&Claim) -> Result<Ending> + Sync,
) -> Result<()> {
    let worker = || -> Result<()> {
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::new(Kind::Interrupted, "stopped between two trials"));
            }
            let Some(claim) = study.ask()? else { return Ok(()) };
            let ending = work(&claim)?;
            study.tell(claim, ending)?;
        }
    };
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..workers.max(1) {
            scope.spawn(|| {
                if let Err(error) = worker() {
                    failed.lock().expect("no worker panics").get_or_insert(error);
                    stop.store(true, Ordering::Relaxed);
                }
            });
        }
    });
    match failed.into_inner().expect("no worker panics") {
        Some(error) => Err(error),
        None => study.tidy(),
    }
}

/// The study called `name`, or the only one; `None` if it does not exist yet.
pub(super) fn choose<'a>(replay: &'a Replay, name: Option<&str>) -> Result<Option<(usize, &'a StudyRecord)>> {
    let studies: Vec<(usize, &StudyRecord)> = replay.studies().collect();
    if let Some(name) = name {
        return Ok(studies.into_iter().find(|(_, study)| study.name == name));
    }
    if studies.len() > 1 {
        let names: Vec<&str> = studies.iter().map(|(_, study)| study.name.as_str()).collect();
        let problem = format!("expected one study in the journal, found {}: {}", names.len(), names.join(", "));
        return Err(Error::new(Kind::Settings, problem).advice("name one with --study-name"));
    }
    Ok(studies.into_iter().next())
}

/// Refuses a study to which this search cannot add trials.
fn check(replay: &Replay, id: usize, study: &StudyRecord, space: &Space) -> Result<()> {
    let wrong = |problem: String| {
        let advice = "--study-name NAME begins another study in the same journal";
        Err(Error::new(Kind::Settings, problem).at(format!("study '{}'", study.name)).advice(advice))
    };
    if study.directions != [MAXIMIZE] {
        return wrong(format!("expected one value to maximise (direction 2), got directions {:?}", study.directions));
    }
    for trial in replay.trials(id) {
        for (name, range) in space.iter() {
            if let Some(earlier) = trial.distributions.get(name).filter(|earlier| !earlier.is_compatible(range)) {
                let (earlier, now) = (earlier.to_json(), range.to_json());
                return wrong(format!(
                    "parameter '{name}' of trial {} has the range {earlier}, now {now}",
                    trial.number
                ));
            }
        }
    }
    Ok(())
}

/// Removes a folder and its content, if it exists.
fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(folder.display(), error)),
        _ => Ok(()),
    }
}

fn identity_line(study: usize, identity: &Value) -> Value {
    json!({ "op_code": operation::SET_STUDY_USER_ATTRIBUTE, "study_id": study, "user_attr": { USER_ATTRIBUTE: identity } })
}

fn attribute_line(trial: usize, name: &str, content: Value) -> Value {
    json!({ "op_code": operation::SET_TRIAL_USER_ATTRIBUTE, "trial_id": trial, "user_attr": { name: content } })
}

fn end_line(trial: usize, state: State, value: Option<f64>) -> Value {
    json!({ "op_code": operation::SET_TRIAL_STATE_VALUES, "trial_id": trial, "state": state as u64,
            "values": value.map(|value| [value]), "datetime_complete": now() })
}

/// User attributes of a trial of this program.
fn own_trial_attributes() -> Map<String, Value> {
    Map::from_iter([(USER_ATTRIBUTE.to_string(), env!("CARGO_PKG_VERSION").into())])
}

fn now() -> String {
    iso_8601(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

mod abandoned;
#[cfg(test)]
mod tests;
