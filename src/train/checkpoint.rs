//! Checkpoints: a training's [`State`] as bytes, exact to the bit.
//!
//! The header ends with a checksum of all that can change a result: a flipped bit is an error, not another model.
//! Random streams are not saved: each is a function of seed and epoch ([`crate::rng`]).

use super::identity::Identity;
use super::run::{Best, EpochRecord, FinishedBranch, State};
use crate::error::{Error, Kind, Result};
use crate::models::Model;
use crate::models::tensors::{self, Tensor, Tensors};
use crate::optim::Adam;
use crate::params::{Parameters, Path};
use crate::rng::{FNV_OFFSET_BASIS, fnv1a};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Header of a checkpoint: all it holds except tensors.
#[derive(Serialize, Deserialize)]
struct Header {
    identity: Identity,
    adam_steps: u64,
    best: Option<(usize, f64)>,
    history: Vec<EpochRecord>,
    /// Epoch and history of every finished branch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    finished: Vec<(usize, Vec<EpochRecord>)>,
}

const HEADER: &str = "training";

/// The bytes of a checkpoint: a safetensors file.
pub fn to_bytes(identity: &Identity, state: &State) -> Vec<u8> {
    let mut tensors = Tensors::new();
    let mut add = |prefix: &str, model: &Model<f32>| {
        model.visit(&Path::ROOT, &mut |path, _, shape, values| {
            tensors.insert(format!("{prefix}.{path}"), Tensor::of_f32(shape, values));
        });
    };
    add("model", &state.model);
    for (number, branch) in state.finished.iter().enumerate() {
        add(&format!("kept{number}"), &branch.kept);
        add(&format!("last{number}"), &branch.last);
    }
    if let Some(best) = &state.best {
        add("best", &best.model);
    }
    for (number, snapshot) in state.snapshots.iter().enumerate() {
        add(&format!("snapshot{number}"), snapshot);
    }
    for (name, moment) in [("adam.m", &state.adam.first_moment), ("adam.v", &state.adam.second_moment)] {
        tensors.insert(name.into(), Tensor::of_f32(&[moment.len()], moment));
    }
    let header = Header {
        identity: identity.clone(),
        adam_steps: state.adam.steps,
        best: state.best.as_ref().map(|best| (best.epoch, best.uar)),
        history: state.history.clone(),
        finished: state.finished.iter().map(|branch| (branch.epoch, branch.history.clone())).collect(),
    };
    let header = serde_json::to_string(&header).expect("plain values become JSON");
    let header = format!("{header}\n{:016x}", checksum(&header, &tensors));
    tensors::write(&tensors, &[(HEADER.to_string(), header)].into())
}

/// Reads the state from a checkpoint of this training, whose task has `inputs` feature columns and `classes` classes.
///
/// # Errors
/// [`Kind::Model`] if the bytes are not a usable checkpoint; [`Kind::Settings`] if it belongs to another training, naming the
/// first difference.
pub fn from_bytes(bytes: &[u8], identity: &Identity, inputs: usize, classes: usize) -> Result<State> {
    let (tensors, texts) = tensors::read(bytes).map_err(broken)?;
    let (header, sum) = header(&texts)?;
    if let Some(difference) = identity.difference(&header.identity) {
        let problem = format!("this checkpoint is from a training with other settings or data: {difference}");
        let advice = "use the settings it was started with, or delete it to start again";
        return Err(Error::new(Kind::Settings, problem).advice(advice));
    }
    // Those of versions without a checksum have none.
    if let Some((text, sum)) = sum {
        let found = checksum(&text, &tensors);
        if found != sum {
            return Err(broken(format!("expected the checksum {sum:016x}, got {found:016x}")));
        }
    }
    let settings = &identity.settings;
    header.check(settings.epochs, classes)?;
    let tensor = |name: &str, length: usize| -> Result<Vec<f32>> {
        let tensor = tensors.get(name).ok_or_else(|| broken(format!("it has no tensor {name}")))?;
        let values = tensor.data.as_chunks().0;
        if tensor.dtype != "F32" || values.len() != length {
            let (dtype, shape) = (tensor.dtype, &tensor.shape);
            return Err(broken(format!("{name}: expected {length} F32 values, got {dtype} {shape:?}")));
        }
        Ok(values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
    };
    let columns = settings.branches.columns(&settings.inputs.features(), inputs)?;
    let inputs = |branch: usize| {
        let columns = columns.get(branch).map(Vec::len);
        columns.ok_or_else(|| broken(format!("expected {} branches, got more", settings.branches.count())))
    };
    let model_of = |prefix: &str, branch: usize| -> Result<Model<f32>> {
        let mut model = Model::zeros(settings.arch, inputs(branch)?, classes);
        let mut result = Ok(());
        model.visit_mut(
            &Path::ROOT,
            &mut |path, _, _, values| match tensor(&format!("{prefix}.{path}"), values.len()) {
                Ok(saved) => values.copy_from_slice(&saved),
                Err(error) => result = Err(error),
            },
        );
        result.map(|()| model)
    };
    let mut finished = Vec::new();
    for (number, (epoch, history)) in header.finished.into_iter().enumerate() {
        let [kept, last] = ["kept", "last"].map(|name| model_of(&format!("{name}{number}"), number));
        finished.push(FinishedBranch { kept: kept?, last: last?, epoch, history });
    }
    let model = |prefix: &str| model_of(prefix, finished.len());
    let current = model("model")?;
    let mut adam = Adam::new(current.parameter_count(), settings.weight_decay);
    adam.steps = header.adam_steps;
    adam.first_moment = tensor("adam.m", adam.first_moment.len())?;
    adam.second_moment = tensor("adam.v", adam.second_moment.len())?;
    let best = match header.best {
        Some((epoch, uar)) => Some(Best { epoch, uar, model: model("best")? }),
        None => None,
    };
    let done = header.history.len();
    let kept = settings.snapshots().filter(|&epoch| epoch < done).count();
    let snapshots = (0..kept).map(|number| model(&format!("snapshot{number}"))).collect::<Result<_>>()?;
    Ok(State { finished, model: current, adam, best, snapshots, history: header.history })
}

/// The training that a checkpoint is of.
///
/// # Errors
/// [`Kind::Model`] if the bytes are no checkpoint.
pub fn identity(bytes: &[u8]) -> Result<Identity> {
    let (_, texts) = tensors::read(bytes).map_err(broken)?;
    header(&texts).map(|(header, _)| header.identity)
}

impl Header {
    /// Refuses what no training of so many epochs has.
    fn check(&self, epochs: usize, classes: usize) -> Result<()> {
        let done = self.history.len();
        if done > epochs {
            return Err(broken(format!("expected at most {epochs} epochs, got {done}")));
        }
        if let Some((best, _)) = self.best.filter(|&(best, _)| best >= done) {
            return Err(broken(format!("expected the best of {done} epochs, got number {best}")));
        }
        for (epoch, history) in &self.finished {
            let trained = history.len();
            if trained != epochs || *epoch >= epochs {
                let problem =
                    format!("expected finished branches of {epochs} epochs, got {trained}, number {epoch} kept");
                return Err(broken(problem));
            }
        }
        let counted = |epoch: &EpochRecord| [0, classes].contains(&epoch.test_correct.len());
        if !self.finished.iter().flat_map(|(_, history)| history).chain(&self.history).all(counted) {
            return Err(broken(format!("expected test clips of {classes} classes in each epoch")));
        }
        Ok(())
    }
}

/// The header's text and the checksum behind it.
type Checked = (String, u64);

fn header(texts: &BTreeMap<String, String>) -> Result<(Header, Option<Checked>)> {
    let header = texts.get(HEADER).ok_or_else(|| broken(format!("its metadata has no '{HEADER}'")))?;
    let (text, sum) = match header.rsplit_once('\n') {
        None => (header.as_str(), None),
        Some((text, sum)) => {
            let sum = u64::from_str_radix(sum, 16).map_err(|_| broken(format!("expected a checksum, got {sum:?}")))?;
            (text, Some((text.to_string(), sum)))
        }
    };
    Ok((serde_json::from_str(text).map_err(|e| broken(e.to_string()))?, sum))
}

/// Checksum of a header and of tensors, which are sorted by name.
fn checksum(header: &str, tensors: &Tensors) -> u64 {
    tensors.iter().fold(fnv1a(FNV_OFFSET_BASIS, header.as_bytes()), |hash, (name, tensor)| {
        let hash = fnv1a(fnv1a(hash, name.as_bytes()), format!("{:?}", tensor.shape).as_bytes());
        fnv1a(hash, &tensor.data)
    })
}

fn broken(problem: String) -> Error {
    Error::new(Kind::Model, format!("not a usable checkpoint: {problem}"))
        .advice("delete it to start this training again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Clip, Dataset, folds::Split};
    use crate::labels::Labels;
    use crate::matrix::Matrix;
    use crate::rng::RandomStream;
    use crate::train::{Augment, Balance, CheckedSettings, Inputs, Settings, Task, Training, Weights};

    /// Four speakers, three classes of unequal size that differ in the mean of one column.
    fn task() -> Task {
        task_of(4, &Settings::default().check().unwrap())
    }

    fn task_of(columns: usize, settings: &CheckedSettings) -> Task {
        let mut stream = RandomStream::new(9, "clips", 0);
        let mut clips = Vec::new();
        for clip in 0..36 {
            let (label, frames) = ([0, 1, 2, 2][clip / 4 % 4], 3 + clip % 5);
            let value = |i: usize| (stream.normal() + if i % columns == label { 2.0 } else { 0.0 }) as f32;
            let features = Matrix::from_vec(frames, columns, (0..frames * columns).map(value).collect());
            clips.push(Clip { name: clip.to_string(), label, speaker: (clip % 4).to_string(), features });
        }
        let labels = Labels::new(["a", "b", "c"].map(String::from).to_vec()).unwrap();
        let speakers = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let split = Split::new(0, speakers(&["0", "1"]), speakers(&["2"]), speakers(&["3"])).unwrap();
        Task::for_split(&Dataset::new(labels, clips).unwrap(), &split, settings).unwrap()
    }

    fn identity(settings: &CheckedSettings, run: usize) -> Identity {
        Identity::new(settings, run, None, "of these clips")
    }

    #[test]
    fn a_resumed_training_ends_with_the_same_bits() {
        let arch = "reslstm-sa-h5".parse().unwrap();
        let plain = Settings { arch, epochs: 9, batch: 4, t0: 2, ..Settings::default() };
        let augment = Some(Augment { stretch: 0.2, noise: 0.3, ..Augment::default() });
        let averaged = Settings { weights: Weights::Average, augment, ..plain.clone() };
        let balanced = Settings { balance: Balance::Weights, ..plain.clone() };
        let branches = "mfcc,all,pitch+deltas".parse().unwrap();
        let branches = Settings { branches, inputs: Inputs::Pitch, epochs: 3, ..averaged.clone() };
        let enrolled = Settings { enrolment: Some(4.0), ..plain.clone() };
        let both = Settings { enrolment: Some(4.0), ..branches.clone() };
        for recipe in [plain, averaged, balanced, branches, enrolled, both] {
            resumed_after_every_epoch(&recipe.check().unwrap());
        }
    }

    fn resumed_after_every_epoch(settings: &CheckedSettings) {
        let columns = if settings.branches.is_none() { 4 } else { settings.inputs.features().width() };
        let (task, identity) = (task_of(columns, settings), identity(settings, 3));
        let mut whole = Training::new(settings, &task, 3);
        let mut parts = Training::new(settings, &task, 3);
        while !whole.is_finished() {
            whole.epoch(&|| 0.0).unwrap();
            parts.epoch(&|| 0.0).unwrap();
            let bytes = to_bytes(&identity, parts.state());
            let state = from_bytes(&bytes, &identity, task.inputs, task.classes).unwrap();
            parts = Training::resume(settings, &task, 3, state);
        }
        let (whole, parts) = (whole.finish(), parts.finish());
        assert_eq!(whole.models, parts.models);
        assert_eq!((&whole.confusion, &whole.variants), (&parts.confusion, &parts.variants));
        assert_eq!(whole.enrolment, parts.enrolment);
        if settings.enrolment.is_some() {
            assert_eq!((whole.enrolment.len(), whole.enrolment[0].clips.as_str()), (7, "0"));
            assert_eq!(whole.enrolment[0].confusion, whole.confusion, "no clips: the strict score");
        }
        assert!(whole.confusion.uar() > 0.5, "and it learns: {:?}", whole.confusion);
    }

    #[test]
    fn a_foreign_or_broken_checkpoint_is_refused() {
        let settings = Settings { arch: "lstm-sa-h2".parse().unwrap(), ..Settings::default() }.check().unwrap();
        let task = task();
        let (this, other) = (identity(&settings, 3), identity(&settings, 4));
        let bytes = to_bytes(&this, Training::new(&settings, &task, 3).state());
        assert!(from_bytes(&bytes, &this, 4, 3).is_ok());
        assert!(
            from_bytes(&bytes, &other, 4, 3).unwrap_err().to_string().contains("settings or data: run was 3, now 4")
        );
        assert!(from_bytes(&bytes, &this, 5, 3).is_err());
        for length in (0..bytes.len()).step_by(7) {
            assert_eq!(from_bytes(&bytes[..length], &this, 4, 3).unwrap_err().kind(), Kind::Model);
        }
        // No flipped bit gives another state. A few of the text of the file itself change nothing, as blanks do.
        let state = |bytes: &[u8]| from_bytes(bytes, &this, 4, 3).map(|state| to_bytes(&this, &state));
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            assert!(state(&flipped).is_err() || state(&flipped).unwrap() == bytes, "byte {at}");
        }
    }

    #[test]
    fn a_checkpoint_without_a_checksum_is_read_and_impossible_epochs_are_refused() {
        let settings = Settings { arch: "lstm-sa-h2".parse().unwrap(), epochs: 2, ..Settings::default() };
        let settings = settings.check().unwrap();
        let (task, this) = (task(), identity(&settings, 3));
        let mut training = Training::new(&settings, &task, 3);
        training.epoch(&|| 0.0).unwrap();
        let bytes = to_bytes(&this, training.state());
        // The same, as written before there were checksums, with a changed header.
        let without = |change: &dyn Fn(&mut Header)| {
            let (tensors, texts) = tensors::read(&bytes).unwrap();
            let (mut header, _) = header(&texts).unwrap();
            change(&mut header);
            let header = serde_json::to_string(&header).unwrap();
            tensors::write(&tensors, &[(HEADER.to_string(), header)].into())
        };
        let read = |bytes: &[u8]| from_bytes(bytes, &this, 4, 3);
        assert_eq!(to_bytes(&this, &read(&without(&|_| ())).unwrap()), bytes);
        let refused = |change: &dyn Fn(&mut Header), expected: &str| {
            let error = read(&without(change)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        refused(&|it| it.history = vec![it.history[0].clone(); 3], "expected at most 2 epochs, got 3");
        refused(&|it| it.best = Some((1, 0.5)), "expected the best of 1 epochs, got number 1");
        refused(&|it| it.history[0].test_correct = vec![1], "expected test clips of 3 classes");
        let finished = |epoch: usize, epochs: usize| {
            move |it: &mut Header| it.finished = vec![(epoch, vec![it.history[0].clone(); epochs])]
        };
        refused(&finished(0, 1), "expected finished branches of 2 epochs, got 1, number 0 kept");
        refused(&finished(0, 1_000), "expected finished branches of 2 epochs, got 1000");
        refused(&finished(2, 2), "expected finished branches of 2 epochs, got 2, number 2 kept");
        refused(&finished(1, 2), "it has no tensor kept0");
    }
}
