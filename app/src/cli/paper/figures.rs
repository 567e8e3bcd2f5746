//! The figures of a folder of cross-validations, in `DIR/figures`: the paper's Fig. 3 to 5 of every row, and more.

use super::super::eval::require_metadata;
use super::super::figure::of_models::{MOST_FRAMES, draw_embeddings, draw_signal_flow};
use super::super::figure::of_results::{
    draw_confusion, draw_groups, draw_learning_curves, draw_parameters, draw_seeds,
};
use super::super::figure::write;
use super::super::source::Licensed;
use crate::experiment::Results;
use crate::experiment::folder::model_path;
use crate::experiment::results::ModelSummary;
use crate::files;
use crate::report::published::MODEL;
use crate::report::table1::name;
use reslstm::data::folds::Split;
use reslstm::error::{Error, Result};
use reslstm::models::{ModelFile, Predictor};
use std::path::{Path, PathBuf};

/// The folder of the figures, created if it does not exist.
fn folder(out: &Path) -> Result<PathBuf> {
    let folder = out.join("figures");
    std::fs::create_dir_all(&folder).map_err(|error| Error::io(folder.display(), error))?;
    Ok(folder)
}

/// Draws the figures that need the results alone.
pub fn draw_results(out: &Path) -> Result<()> {
    let (folder, all) = (folder(out)?, Results::read_all(out)?);
    for results in &all {
        let settings = &results.plan.settings;
        let path = |what: &str| folder.join(format!("{}-{what}.svg", name(settings)));
        write(&path("confusion"), &draw_confusion(results))?;
        write(&path("groups"), &draw_groups(results, settings.arch.to_string() == MODEL))?;
        write(&path("seeds"), &draw_seeds(results))?;
        write(&path("learning-curves"), &draw_learning_curves(&results.runs[0], None))?;
    }
    let models: Vec<ModelSummary> = all.iter().map(|results| ModelSummary::new(&results.runs)).collect();
    write(&folder.join("parameters.svg"), &draw_parameters(&models))
}

/// Draws what the model of the first run and fold of a row computes, for one test clip and for all of them.
pub fn draw_model(out: &Path, row: &str, split: &Split, data: &Licensed) -> Result<()> {
    let path = |what: &str| Ok(folder(out)?.join(format!("{row}-{what}.svg")));
    let file = model_path(&out.join(row), 0, split.fold());
    let draw = || {
        let model = ModelFile::from_bytes(&files::read(&file)?)?;
        write(&path("pca")?, &draw_embeddings(&model, require_metadata(&model)?, data)?)?;
        let clips = data.dataset().clips();
        let mut tested = data.dataset().clips_of(split.test()).into_iter().map(|clip| &clips[clip]);
        match tested.find(|clip| clip.features.rows() <= MOST_FRAMES) {
            Some(clip) => {
                let drawing = draw_signal_flow(&mut Predictor::new(model)?, &clip.features, &clip.name)?;
                write(&path("signal-flow")?, &drawing)
            }
            None => Ok(()),
        }
    };
    draw().map_err(|error: Error| error.at(file.display()))
}
