//! Reads the folder of a [cross-validation](super::cross_validate): its finished runs, and the predictions for every clip.

use super::plan::Plan;
use super::results::{FoldRecord, RunResult, VariantScore};
use crate::files::{read_json, write_json};
use reslstm::data::folds::Split;
use reslstm::data::{Clip, Dataset};
use reslstm::error::{Error, Kind, Result};
use reslstm::train::metrics::Confusion;
use reslstm::train::settings::Protocol;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The plan of the folder.
pub(super) fn plan_path(folder: &Path) -> PathBuf {
    folder.join("plan.json")
}

/// Reads the plan of the folder.
///
/// # Errors
/// Those of [`read_json`].
pub(super) fn read_plan<T: DeserializeOwned>(folder: &Path) -> Result<T> {
    read_json(&plan_path(folder), "the file was changed or damaged: put it back, or choose another folder")
}

/// Every clip of the data.
pub(super) const CLIPS: &str = "clips.json";

/// Advice for a damaged file that is written again if it is missing.
pub(super) const DAMAGED: &str =
    "the file was changed or damaged: delete it, and the command that wrote it, with --resume, writes it again";

/// `clips.json` of a folder: in it, or in the folder above.
fn clips_path(folder: &Path) -> Option<PathBuf> {
    [folder.join(CLIPS), folder.join("..").join(CLIPS)].into_iter().find(|path| path.exists())
}

/// The result of a run.
pub(super) fn run_path(folder: &Path, run: usize) -> PathBuf {
    folder.join(format!("runs/run{run}.json"))
}

/// The model of a fold of a run.
pub fn model_path(folder: &Path, run: usize, fold: usize) -> PathBuf {
    folder.join(format!("models/run{run}-fold{fold}.safetensors"))
}

/// `plan.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// The settings, runs and folds that were requested.
    pub plan: Plan,
    /// Fingerprint of the data, of their features.
    pub data: String,
    /// Hash of the content of their files. `None` in folders of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Sample rate of the clips, to which those of others were resampled, Hz; none for the paper's 48,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
}

/// A clip without its features: an entry of `clips.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClipRecord {
    /// Its name in the data; for RAVDESS the file name without its extension.
    pub name: String,
    /// Class index, `0..K`.
    pub label: usize,
    /// The speaker's name.
    pub speaker: String,
}

/// Writes `clips.json`, unless the folder has it already, or the folder above, where cross-validations of the same data share it.
///
/// # Errors
/// [`Kind::Io`], naming the file.
pub fn write_clips(folder: &Path, dataset: &Dataset) -> Result<()> {
    let record = |clip: &Clip| {
        let (name, speaker) = (clip.name.clone(), clip.speaker.clone());
        ClipRecord { name, label: clip.label, speaker }
    };
    let clips: Vec<ClipRecord> = dataset.clips().iter().map(record).collect();
    let same = |path: &PathBuf| read_json::<Vec<ClipRecord>>(path, DAMAGED).is_ok_and(|found| found == clips);
    match clips_path(folder).filter(same) {
        Some(_) => Ok(()),
        None => write_json(&folder.join(CLIPS), &clips),
    }
}

/// The results of a cross-validation: one plan, at least one finished run, and the clips.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// The settings, runs and folds that were requested; some runs may not be finished.
    pub plan: Plan,
    /// Every clip, in the order of the data.
    pub clips: Vec<ClipRecord>,
    /// The finished runs, by number; all of the same settings, classes and folds, and each with the scores of the first.
    pub runs: Vec<RunResult>,
}

impl Results {
    /// Reads the folder that `cv` made.
    ///
    /// # Errors
    /// [`Kind::Data`] if `cv` did not make the folder, no run in it is finished, or its files contradict each other;
    /// [`Kind::Io`] if a file cannot be read. The message names the file.
    pub fn read(folder: &Path) -> Result<Self> {
        let wrong =
            |problem: &str, advice: &str| Err(Error::new(Kind::Data, problem).at(folder.display()).advice(advice));
        if !plan_path(folder).exists() {
            return wrong("expected a folder made by cv, but it has no plan.json", "cv DATA -o DIR makes one");
        }
        let Begun { plan, data, .. } = read_plan(folder)?;
        let numbers: Vec<usize> = (0..plan.runs).filter(|&run| run_path(folder, run).exists()).collect();
        if numbers.is_empty() {
            return wrong(
                "expected a finished run, found none",
                "the cv command that made it, with --resume, finishes it",
            );
        }
        let Some(clips) = clips_path(folder) else {
            return wrong(
                "expected clips.json, here or in the folder above, found none",
                "the cv command that made it, with --resume, writes it again",
            );
        };
        let runs = numbers.iter().map(|&run| read_json(&run_path(folder, run), DAMAGED)).collect::<Result<_>>()?;
        let results = Results { plan, clips: read_json(&clips, DAMAGED)?, runs };
        for (run, number) in results.runs.iter().zip(numbers) {
            results.check(run, number, &data).map_err(|error| error.at(run_path(folder, number).display()))?;
        }
        Ok(results)
    }

    /// Reads the folders of cross-validations in a folder, sorted by name: those that have a finished run.
    ///
    /// # Errors
    /// As [`read`](Results::read).
    pub fn read_all(folder: &Path) -> Result<Vec<Self>> {
        let failed = |error| Error::io(folder.display(), error);
        let entries = folder.read_dir().map_err(failed)?.collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
        let mut folders: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        folders.retain(|folder| plan_path(folder).exists());
        folders.sort();
        let mut all = Vec::new();
        for folder in folders {
            let Begun { plan, .. } = read_plan(&folder)?;
            if (0..plan.runs).any(|run| run_path(&folder, run).exists()) {
                all.push(Self::read(&folder)?);
            }
        }
        Ok(all)
    }

    /// Class names in order.
    pub fn labels(&self) -> &[String] {
        &self.runs[0].labels
    }

    /// The test clips of one fold of a run, in the order of the data, each with the class predicted for it.
    pub fn predictions<'a>(&'a self, fold: &'a FoldRecord) -> impl Iterator<Item = (&'a ClipRecord, usize)> {
        self.tested(fold).zip(fold.predictions.iter().copied())
    }

    /// The confusion matrix of each test speaker over some runs: of the kept weights, or of the predictor variant of this name.
    ///
    /// # Panics
    /// If a fold does not have the variant.
    pub fn by_speaker(&self, runs: &[&RunResult], variant: Option<&str>) -> BTreeMap<String, Confusion> {
        let mut speakers = BTreeMap::new();
        for fold in runs.iter().flat_map(|run| &run.folds) {
            let predictions = match variant {
                None => &fold.predictions,
                Some(name) => {
                    &fold
                        .variants
                        .iter()
                        .find(|variant| variant.name == name)
                        .expect("a variant of the fold")
                        .predictions
                }
            };
            for (clip, &predicted) in self.tested(fold).zip(predictions) {
                let confusion =
                    speakers.entry(clip.speaker.clone()).or_insert_with(|| Confusion::new(self.labels().len()));
                confusion.count(clip.label, predicted);
            }
        }
        speakers
    }

    fn tested<'a>(&'a self, fold: &'a FoldRecord) -> impl Iterator<Item = &'a ClipRecord> {
        self.clips.iter().filter(|clip| fold.split.test().contains(&clip.speaker))
    }

    /// Checks that a run belongs to the plan, to the other runs and to these clips: its predictions, counted again, must give its
    /// confusion matrices.
    fn check(&self, run: &RunResult, number: usize, data: &str) -> Result<()> {
        let wrong = |problem: &str| {
            let advice = "files of the folder were changed, or come from another one";
            Err(Error::new(Kind::Data, problem).advice(advice))
        };
        let (settings, labels) = (&self.plan.settings, self.labels());
        if (run.run, &run.settings, &*run.data, &*run.labels) != (number, settings, data, labels) {
            return wrong("expected the number, settings, data and classes of the folder's runs, got others");
        }
        if run.folds.is_empty() {
            return wrong("expected at least one fold, got none");
        }
        if !splits(run).eq(splits(&self.runs[0])) {
            return wrong("expected the folds and speakers of the folder's first run, got others");
        }
        // A run of a later version may have more than the first.
        let ((enrolments, variants), first) = (names(run), names(&self.runs[0]));
        if !enrolments.starts_with(&first.0) || !variants.starts_with(&first.1) {
            return wrong("expected the enrolments and predictor variants of the folder's first run, got others");
        }
        let mut pooled = Confusion::new(labels.len());
        for fold in &run.folds {
            let has = |variant: &VariantScore| fold.variants.iter().any(|it| it.name == variant.name);
            if !run.variants.iter().all(has) {
                return wrong(&format!("fold {}: expected the predictor variants of its run", fold.split.fold()));
            }
            let (scored, epochs) = (fold.epochs.test_correct.len(), fold.epochs.count());
            if settings.protocol == Protocol::Table1 && scored != epochs {
                let fold = fold.split.fold();
                return wrong(&format!("fold {fold}: test_correct: expected {epochs} epochs, got {scored}"));
            }
            let Some(confusion) = self.count(fold).filter(|confusion| *confusion == fold.confusion) else {
                let fold = fold.split.fold();
                return wrong(&format!("fold {fold}: its predictions for the clips do not give its confusion matrix"));
            };
            fold.check(labels.len()).map_err(|error| error.advice("the file was changed or damaged"))?;
            pooled.add(&confusion);
        }
        if pooled != run.confusion {
            return wrong("its folds do not add up to its confusion matrix");
        }
        Ok(())
    }

    /// Counts the predictions of a fold; `None` if there is not one per test clip, or a class does not exist.
    fn count(&self, fold: &FoldRecord) -> Option<Confusion> {
        let classes = self.labels().len();
        let known = self.predictions(fold).all(|(clip, predicted)| clip.label.max(predicted) < classes);
        if !known || self.tested(fold).count() != fold.predictions.len() {
            return None;
        }
        let mut confusion = Confusion::new(classes);
        self.predictions(fold).for_each(|(clip, predicted)| confusion.count(clip.label, predicted));
        Some(confusion)
    }
}

/// The split of every fold.
fn splits(run: &RunResult) -> impl Iterator<Item = &Split> {
    run.folds.iter().map(|fold| &fold.split)
}

/// The names of a run's scores besides those of the kept weights without enrolment.
fn names(run: &RunResult) -> (Vec<&str>, Vec<&str>) {
    let enrolment = run.enrolment.iter().map(|score| score.clips.as_str());
    (enrolment.collect(), run.variants.iter().map(|score| score.name.as_str()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::cross_validate::{Execution, cross_validate};
    use reslstm::audio::FeatureSettings;
    use reslstm::labels::Labels;
    use reslstm::matrix::Matrix;
    use reslstm::rng::RandomStream;
    use reslstm::train::Settings;
    use reslstm::train::TrainingData;
    use serde_json::{Value, json};
    use std::sync::atomic::AtomicBool;

    /// Four speakers, interleaved, three clips each: speakers of a fold are not neighbours in the data.
    fn dataset() -> Dataset {
        let mut stream = RandomStream::new(3, "clips", 0);
        let clip = |n: usize| Clip {
            name: format!("clip {n}"),
            label: n % 3,
            speaker: ["d", "b", "a", "c"][n % 4].into(),
            features: Matrix::from_vec(2, 46, (0..92).map(|_| stream.normal() as f32).collect()),
        };
        let labels = Labels::new(["x", "y", "z"].map(String::from).to_vec()).unwrap();
        Dataset::new(labels, (0..12).map(clip).collect()).unwrap()
    }

    /// Two runs of two folds.
    fn cross_validated(folder: &Path) -> Plan {
        let settings = Settings::default().with(|it| (it.arch, it.epochs) = ("lstm-sa-h2".parse().unwrap(), 2));
        let plan = Plan {
            settings: settings.check().unwrap(),
            runs: 2,
            folds: "k=2".parse().unwrap(),
            map: Default::default(),
        };
        let (dataset, features) = (dataset(), FeatureSettings::default());
        let source = TrainingData {
            dataset: &dataset,
            sample_rate: 8000,
            features: &features,
            fingerprint: "f",
            content: "c",
            licence: "",
        };
        let stop = AtomicBool::new(false);
        let execution = Execution { threads: 1, resume: true, stop: &stop, observe: &|_, _| {} };
        cross_validate(&source, &[(plan.clone(), folder.to_path_buf())], &execution).unwrap();
        plan
    }

    #[test]
    fn what_was_written_is_read_back_and_every_clip_has_its_prediction() {
        let folder = tempfile::tempdir().unwrap();
        let plan = cross_validated(folder.path());
        let results = Results::read(folder.path()).unwrap();
        assert_eq!((&results.plan, results.labels()), (&plan, &["x", "y", "z"].map(String::from)[..]));
        assert_eq!(results.runs.iter().map(|run| run.run).collect::<Vec<_>>(), [0, 1]);
        let clip = ClipRecord { name: "clip 5".into(), label: 2, speaker: "b".into() };
        assert_eq!((results.clips.len(), &results.clips[5]), (12, &clip));
        for run in &results.runs {
            for fold in &run.folds {
                let names: Vec<&str> = results.predictions(fold).map(|(clip, _)| clip.name.as_str()).collect();
                let tested = dataset().clips_of(fold.split.test());
                assert_eq!(names, tested.iter().map(|n| format!("clip {n}")).collect::<Vec<_>>());
                assert!(results.predictions(fold).map(|(_, predicted)| predicted).eq(fold.predictions.iter().copied()));
            }
        }
    }

    #[test]
    fn the_clips_are_the_same_bytes_on_resume() {
        let folder = tempfile::tempdir().unwrap();
        cross_validated(folder.path());
        let path = folder.path().join(CLIPS);
        let before = std::fs::read(&path).unwrap();
        cross_validated(folder.path());
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::remove_file(&path).unwrap();
        cross_validated(folder.path());
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn folders_of_the_same_data_share_the_clips_of_the_folder_above() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("row");
        write_clips(above.path(), &dataset()).unwrap();
        cross_validated(&folder);
        assert!(!folder.join(CLIPS).exists());
        let shared = Results::read(&folder).unwrap();
        // Those of other data are no use: the folder gets its own, which count.
        write_json(&above.path().join(CLIPS), &json!([{ "name": "other", "label": 0, "speaker": "a" }])).unwrap();
        assert!(Results::read(&folder).is_err());
        cross_validated(&folder);
        assert!(folder.join(CLIPS).exists());
        assert_eq!(Results::read(&folder).unwrap(), shared);
    }

    #[test]
    fn a_run_that_is_not_finished_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        cross_validated(folder.path());
        std::fs::remove_file(run_path(folder.path(), 0)).unwrap();
        let results = Results::read(folder.path()).unwrap();
        assert_eq!(results.runs.iter().map(|run| run.run).collect::<Vec<_>>(), [1]);
        std::fs::remove_file(run_path(folder.path(), 1)).unwrap();
        let error = Results::read(folder.path()).unwrap_err();
        assert!(error.to_string().contains("expected a finished run, found none"), "{error}");
    }

    #[test]
    fn what_does_not_fit_together_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = Results::read(folder.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        assert!(error.to_string().contains("expected a folder made by cv, but it has no plan.json"), "{error}");
        cross_validated(folder.path());
        let (clips, run) = (folder.path().join(CLIPS), run_path(folder.path(), 1));
        let refused = |path: &Path, change: &dyn Fn(&mut Value), expected: &str| {
            let before: Value = read_json(path, DAMAGED).unwrap();
            let mut changed = before.clone();
            change(&mut changed);
            write_json(path, &changed).unwrap();
            let error = Results::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(".json: ") && error.contains(expected), "{error}");
            write_json(path, &before).unwrap();
        };
        refused(&clips, &|clips| clips[0]["speaker"] = json!("z"), "run0.json: fold ");
        refused(&clips, &|clips| clips[2]["label"] = json!(7), "its predictions for the clips");
        refused(&clips, &|clips| *clips = json!({}), "clips.json: ");
        refused(&run, &|run| run["folds"][0]["predictions"][0] = json!(3), "run1.json: fold 0: its predictions");
        refused(&run, &|run| run["folds"][1]["predictions"] = json!([]), "run1.json: fold 1: its predictions");
        refused(&run, &|run| run["confusion"][0][0] = json!(77), "do not add up");
        refused(&run, &|run| run["folds"] = json!([]), "run1.json: expected at least one fold, got none");
        refused(&run, &|run| run["folds"].as_array_mut().unwrap().truncate(1), "run1.json: expected the folds and");
        refused(&run, &|run| run["folds"].as_array_mut().unwrap().reverse(), "run1.json: expected the folds and");
        let first = run_path(folder.path(), 0);
        let variant = json!([{ "name": "last epoch", "parameters": 9, "uar": 0.5 }]);
        refused(&first, &|run| run["others"] = variant.clone(), "run0.json: fold 0: expected the predictor variants");
        let enrolled = json!([{ "clips": "all", "uar": 0.5 }]);
        refused(&first, &|run| run["enrolment"] = enrolled.clone(), "run1.json: expected the enrolments and");
        for (name, other) in [("run", json!(0)), ("data", json!("g")), ("labels", json!(["x", "y", "w"]))] {
            refused(
                &run,
                &|run| run[name] = other.clone(),
                "run1.json: expected the number, settings, data and classes",
            );
        }
        Results::read(folder.path()).unwrap();
        std::fs::remove_file(clips).unwrap();
        let error = Results::read(folder.path()).unwrap_err();
        assert!(error.to_string().contains("expected clips.json, here or in the folder above, found none"), "{error}");
    }
}
