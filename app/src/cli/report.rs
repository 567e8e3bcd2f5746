//! `report OUT`

use super::{Done, Outcome, commands};
use crate::experiment::Results;
use crate::experiment::trial::{StudyIdentity, caution, maximised};
use crate::files::{self, Existing};
use crate::report::{results_page, study_page};
use crate::tune::{Snapshot, State};
use clap::Args;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::ModelFile;
use reslstm::train::Protocol;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The name of the data in commands that repeat a result: results do not hold the path.
const DATA: &str = "DATA";

/// Write the results of cv, paper or tune as one HTML page.
#[derive(Debug, Args)]
#[command(
    after_help = "The page has tables, figures and the commands that repeat the results. It is one file and needs no \
                  network. Results are only read: a search can continue meanwhile.

Examples:
  reslstm report cv-h64 -o cv-h64.html
  reslstm report study.journal -o study.html"
)]
pub struct Report {
    /// A folder made by cv or paper, or the journal of a tune
    out: PathBuf,
    /// Page to write
    #[arg(short, long, value_name = "PAGE.html", default_value = "report.html")]
    output: PathBuf,
    /// Study of the journal [default: the only one]
    #[arg(long, value_name = "NAME")]
    study_name: Option<String>,
}

impl Report {
    pub fn run(self) -> Outcome {
        files::check_writable(&self.output, Existing::Replace)?;
        let page = if self.out.is_dir() { results_html(&self.out)? } else { self.study_html()? };
        files::write_atomically(&self.output, page.as_bytes())?;
        message!("{}: {:.1} MB, for a browser", self.output.display(), page.len() as f64 / 1e6);
        Ok(Done::Everything)
    }

    fn study_html(&self) -> Result<String> {
        let study = Snapshot::read(&self.out, self.study_name.as_deref())?;
        let identity: Option<StudyIdentity> =
            study.identity.clone().and_then(|identity| serde_json::from_value(identity).ok());
        let Some(identity) = identity else {
            let about =
                study_page::About { value: "value", caution: None, search: None, train: None, fixed: Vec::new() };
            return Ok(study_page::html(&study, &about));
        };
        let trials = study.count(State::Complete) + study.count(State::Pruned) + study.count(State::Running);
        let best = study.best().map(|best| identity.plan(&best.values())).transpose();
        let best = best.map_err(|error| error.at(self.out.display()))?;
        let protocol: Protocol = match identity.settings.get("protocol") {
            Some(name) => serde_json::from_value(name.clone()).unwrap_or_default(),
            None => Protocol::default(),
        };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), String::from);
        let mut fixed: Vec<(&str, String)> =
            identity.settings.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
        fixed.push(("folds", identity.folds.to_string()));
        fixed.push(("fingerprint of the data", identity.data.clone()));
        let about = study_page::About {
            value: maximised(protocol),
            caution: caution(protocol),
            search: commands::tune(DATA, &self.out, self.study_name.as_deref(), trials, &identity),
            train: best.map(|plan| commands::cv(DATA, &plan)),
            fixed,
        };
        Ok(study_page::html(&study, &about))
    }
}

/// The page of a folder made by `cv`, or of one made by `paper`, which holds such folders.
fn results_html(folder: &Path) -> Result<String> {
    let licence = licence(folder)?;
    let about = results_page::About { command: &|plan| commands::cv(DATA, plan), licence: &licence };
    if folder.join("plan.json").exists() {
        return Ok(results_page::of_one(&Results::read(folder)?, about));
    }
    let results = Results::read_all(folder)?;
    if results.is_empty() {
        let problem = "expected a folder made by cv or paper that has a finished run, found none";
        let advice = "cv DATA -o DIR makes one; for a search, give its journal";
        return Err(Error::new(Kind::Data, problem).at(folder.display()).advice(advice));
    }
    results_page::of_paper(&results, about).map_err(|error| error.at(folder.display()))
}

/// The licence of the data, from the first model in the folder or in one of its folders.
fn licence(folder: &Path) -> Result<String> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = folder.read_dir().into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let folders = [folder.to_path_buf()].into_iter().chain(entries(folder));
    let mut models = folders.flat_map(|folder| entries(&folder.join("models")));
    let Some(model) = models.find(|path| path.extension().is_some_and(|extension| extension == "safetensors")) else {
        return Ok(String::new());
    };
    let file = ModelFile::from_bytes(&files::read(&model)?).map_err(|error| error.at(model.display()))?;
    Ok(file.metadata().map_or(String::new(), |metadata| metadata.licence.clone()))
}
