//! Model files and single clips, for the commands that read them.

use super::inputs;
use crate::corpus::npy;
use crate::corpus::resample::to_feature_rate;
use crate::corpus::segment::Segment;
use crate::files;
use reslstm::audio::Recording;
use reslstm::audit;
use reslstm::error::{Error, Kind, Result};
use reslstm::matrix::Matrix;
use reslstm::models::{Metadata, Model, ModelFile, Predictor};
use std::path::Path;

/// Reads a model file. Notes on stderr say what must be said of its scores, and of its tensors' names.
pub fn read_model(path: &Path) -> Result<ModelFile> {
    let file = ModelFile::from_bytes(&files::read(path)?).map_err(|error| error.at(path.display()))?;
    if let Some(Metadata { protocol, score_note, .. }) = file.metadata().filter(|it| !it.score_note.is_empty()) {
        message!("note: {}: a model of the {protocol} protocol, its score is {score_note}", path.display());
    }
    if !file.prefix().is_empty() {
        message!("note: {}: removed '{}' from the names of all tensors", path.display(), file.prefix());
    }
    Ok(file)
}

/// Reads a recording, or a segment of it, at the model's sample rate. The caller adds the path to errors.
pub fn recording(predictor: &mut Predictor, path: &Path, segment: Option<Segment>) -> Result<Recording> {
    let rate = predictor.sample_rate()?;
    let recording = inputs::recording(path)?;
    let recording = match segment {
        Some(segment) => segment.of(&recording)?,
        None => recording,
    };
    to_feature_rate(recording, rate, &metadata(predictor).features)
}

/// The description of a model that takes recordings.
pub fn metadata(predictor: &Predictor) -> &Metadata {
    predictor.metadata().expect("a model that reads recordings has metadata")
}

/// Features `[T,D]` of a recording or a segment of it, or from a `.npy` file. The caller adds the path to errors.
pub fn features(predictor: &mut Predictor, path: &Path, segment: Option<Segment>) -> Result<Matrix<f32>> {
    if inputs::is_features(path) {
        if segment.is_some() {
            let problem = "start and end: expected a recording, got a file of features";
            return Err(Error::new(Kind::Features, problem).advice("leave start and end empty for it"));
        }
        return npy::from_bytes(&inputs::read(path)?);
    }
    let recording = recording(predictor, path, segment)?;
    predictor.features(&recording.samples)
}

/// Index of the class called `name`.
pub fn class(labels: &[String], name: &str) -> Result<usize> {
    labels.iter().position(|label| label == name).ok_or_else(|| {
        Error::new(Kind::Settings, format!("--label: expected one of {}, got {name}", labels.join(", ")))
    })
}

/// The model in f64, the precision of audits.
pub fn in_f64(model: &Model<f32>) -> Model<f64> {
    let mut precise = Model::zeros(model.architecture(), model.inputs(), model.classes());
    audit::recast(model, &mut precise);
    precise
}
