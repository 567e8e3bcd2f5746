//! Model files, ONNX files, profiles and checkpoints.

use super::seed;
use reslstm::models::{LivePredictor, ModelFile, Prediction, Predictor, Profile};
use reslstm::train::{Task, Training, checkpoint as checkpoints};
use serde_json::Value;
use std::sync::LazyLock;

/// A tenth of a second at 16 kHz that is not silent.
static CLIP: LazyLock<Vec<f32>> = LazyLock::new(|| (0..1600).map(|n| ((n * n) as f32 * 0.001).sin() * 0.5).collect());

/// A model of two units, trained with enrolment.
pub fn small_model() -> ModelFile {
    static MODEL: LazyLock<ModelFile> =
        LazyLock::new(|| ModelFile::from_bytes(&seed("model/enrolment.safetensors")).expect("a model"));
    MODEL.clone()
}

pub fn check_probabilities(prediction: &Prediction) {
    let sum: f32 = prediction.probabilities.iter().sum();
    let all = prediction.probabilities.iter().all(|p| (0.0..=1.0).contains(p));
    assert!(all && (sum - 1.0).abs() < 1e-4, "{:?}", prediction.probabilities);
}

/// A model file.
pub fn model(bytes: &[u8]) -> bool {
    let file = ModelFile::from_bytes(bytes);
    if let Ok(file) = &file {
        check(file);
    }
    file.is_ok()
}

fn check(file: &ModelFile) {
    let written = file.to_bytes();
    let again = ModelFile::from_bytes(&written).expect("what was written is read");
    assert!(again.to_bytes() == written && again.metadata() == file.metadata(), "a model changes when it is written");
    if let Ok(mut predictor) = Predictor::new(file.clone())
        && let Ok(prediction) = predictor.predict_samples(&CLIP)
    {
        check_probabilities(&prediction);
    }
    if let Ok(mut live) = LivePredictor::new(file)
        && let Ok(moments) = live.push(&CLIP)
    {
        moments.iter().for_each(|moment| check_probabilities(&moment.prediction));
    }
}

/// The metadata of a model file, whose tensors are those of [`small_model`].
pub fn metadata(bytes: &[u8]) -> bool {
    static PARTS: LazyLock<(Value, Vec<u8>)> = LazyLock::new(|| {
        let file = seed("model/enrolment.safetensors");
        let length = u64::from_le_bytes(file[..8].try_into().expect("eight bytes")) as usize;
        (serde_json::from_slice(&file[8..8 + length]).expect("a header"), file[8 + length..].to_vec())
    });
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let (mut header, tensors) = PARTS.clone();
    header["__metadata__"]["reslstm"] = text.into();
    let header = header.to_string();
    model(&[&(header.len() as u64).to_le_bytes(), header.as_bytes(), &tensors].concat())
}

/// A profile, for [`small_model`].
pub fn profile(bytes: &[u8]) -> bool {
    let Ok(profile) = serde_json::from_slice::<Profile>(bytes) else { return false };
    let written = serde_json::to_vec(&profile).expect("a profile is JSON");
    assert_eq!(serde_json::from_slice::<Profile>(&written).expect("what was written is read"), profile);
    let mut predictor = Predictor::new(small_model()).expect("a model for recordings");
    if predictor.set_profile(Some(&profile)).is_err() {
        return false;
    }
    if let Ok(prediction) = predictor.predict_samples(&CLIP) {
        check_probabilities(&prediction);
    }
    true
}

/// An ONNX file.
pub fn onnx(bytes: &[u8]) -> bool {
    use reslstm_cli::onnx::{Input, export, import};
    let Ok(file) = import(bytes) else { return false };
    check(&file);
    let written = export(&file, Input::Features).expect("a model that was imported is exported");
    let again = import(&written).expect("what was written is read");
    assert!(again.to_bytes() == file.to_bytes(), "a model changes on the way through ONNX");
    true
}

/// A checkpoint of the training that the seeds are of. They have no checksum, as those of the first version.
pub fn checkpoint(bytes: &[u8]) -> bool {
    let (identity, task) = &*TRAINING;
    let Ok(state) = checkpoints::from_bytes(bytes, identity, task.inputs, task.classes) else { return false };
    let written = checkpoints::to_bytes(identity, &state);
    let again = checkpoints::from_bytes(&written, identity, task.inputs, task.classes);
    let again = checkpoints::to_bytes(identity, &again.expect("what was written is read"));
    assert!(again == written, "a checkpoint changes when it is written");
    let mut training = Training::resume(&identity.settings, task, identity.seed(), state);
    while !training.is_finished() {
        if training.epoch(&|| 0.0).is_err() {
            return true;
        }
    }
    training.finish();
    true
}

/// A training of two epochs on four clips.
pub static TRAINING: LazyLock<(reslstm::train::Identity, Task)> = LazyLock::new(|| {
    use reslstm::data::{Clip, Dataset, folds::Split};
    use reslstm::matrix::Matrix;
    use reslstm::train::{Identity, Settings};
    let clip = |n: usize| Clip {
        name: format!("clip {n}"),
        label: n % 2,
        speaker: format!("speaker {}", n / 2),
        features: Matrix::from_vec(2, 46, (0..92).map(|i| ((i + 7 * n) as f32).sin()).collect()),
    };
    let labels = vec!["calm".to_string(), "cross".to_string()].try_into().expect("two labels");
    let dataset = Dataset::new(labels, (0..6).map(clip).collect()).expect("clips of one width");
    let settings = Settings::default().with(|it| (it.arch, it.epochs) = ("lstm-sa-h1".parse().expect("a name"), 2));
    let settings = settings.check().expect("settings in their ranges");
    let [train, validation, test] = [0, 1, 2].map(|n| vec![format!("speaker {n}")]);
    let split = Split::new(0, train, validation, test).expect("three speakers");
    let task = Task::for_split(&dataset, &split, &settings).expect("clips for everything");
    (Identity::new(&settings, 0, Some(&split), "data"), task)
});
