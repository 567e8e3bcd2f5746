//! A job of a grid: the training of one fold.

use crate::experiment::cross_validate::fold_record;
use crate::experiment::fit::fit;
use crate::experiment::results::{FoldRecord, Made, ModelSummary, RunResult, Summary};
use crate::sweep::{Copies, Job, Plan, Work};
use reslstm::data::folds::Split;
use reslstm::error::{Error, Kind, Result};
use reslstm::params::Parameters;
use reslstm::train::{CheckedSettings, EpochRecord, Identity, Task, TrainingData};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// A job: everything that decides the result of one training.
pub type Training = Job<Identity>;

/// The plan of a grid: rows × `runs` × folds, in this order. `place` is where the data are, `fingerprint` what they are.
pub fn plan(
    rows: &[CheckedSettings],
    runs: usize,
    splits: &[Split],
    place: &str,
    fingerprint: &str,
) -> Result<Plan<Identity>> {
    let mut jobs = Vec::new();
    for settings in rows {
        for run in 0..runs {
            for split in splits {
                let label = format!("{}-{}-run{run}-fold{}", settings.arch, settings.protocol, split.fold());
                jobs.push(Job::new(&label, Identity::new(settings, run, Some(split), fingerprint)));
            }
        }
    }
    Plan::new(place, jobs)
}

/// Number of speakers from which a plan names them once: with one fold for each of 2,000, the training speakers of all folds would
/// be four million names.
const MANY_SPEAKERS: usize = 100;

impl Work for Identity {
    /// The speakers, where each fold trains on all others than it validates and tests on; the work then lacks `split.train`.
    fn without_shared(jobs: &[Training]) -> Option<(Value, Vec<Value>)> {
        let parts = |split: &Split| -> Vec<String> {
            let all: BTreeSet<&String> = split.train().iter().chain(split.validation()).chain(split.test()).collect();
            all.into_iter().cloned().collect()
        };
        let speakers = parts(jobs.first()?.work.split.as_ref()?);
        let short = |job: &Training| {
            let all = job.work.split.as_ref().filter(|split| parts(split) == speakers)?;
            debug_assert_eq!(train_of(all.validation(), all.test(), &speakers), all.train());
            let mut work = json!(Identity { split: None, ..job.work.clone() });
            work["split"] = json!({ "fold": all.fold(), "validation": all.validation(), "test": all.test() });
            Some(work)
        };
        if speakers.len() < MANY_SPEAKERS {
            return None;
        }
        let works = jobs.iter().map(short).collect::<Option<Vec<Value>>>()?;
        Some((json!({ "speakers": speakers }), works))
    }

    fn with_shared(mut work: Value, shared: &Value) -> Result<Value> {
        let names = |value: &Value| -> Result<Vec<String>> {
            serde_json::from_value(value.clone())
                .map_err(|error| Error::new(Kind::Data, format!("names of speakers: {error}")))
        };
        let (validation, test) = (names(&work["split"]["validation"])?, names(&work["split"]["test"])?);
        work["split"]["train"] = json!(train_of(&validation, &test, &names(&shared["speakers"])?));
        Ok(work)
    }
}

/// The speakers who neither validate nor test, in their order.
fn train_of(validation: &[String], test: &[String], speakers: &[String]) -> Vec<String> {
    let others: HashSet<&String> = validation.iter().chain(test).collect();
    speakers.iter().filter(|speaker| !others.contains(speaker)).cloned().collect()
}

/// The result of a job.
#[derive(Debug, Serialize, Deserialize)]
pub struct Trained {
    labels: Vec<String>,
    parameters: usize,
    /// Where and when, and by which program.
    made: Made,
    /// Scores and epochs.
    pub record: FoldRecord,
}

impl Trained {
    /// Does a job: trains, saving on the way at `checkpoint`.
    pub fn by(
        job: &Training,
        source: &TrainingData<'_>,
        checkpoint: &Path,
        threads: usize,
        stop: &AtomicBool,
        observe: &mut dyn FnMut(usize, &EpochRecord),
    ) -> Result<Self> {
        let split = job.work.split.as_ref().expect("a sweep trains folds");
        let task = Task::for_split(source.dataset, split, &job.work.settings)?;
        let outcome = fit(&job.work, &task, checkpoint, stop, observe)?;
        let labels = source.dataset.labels().names().to_vec();
        let parameters = outcome.models.iter().map(Parameters::parameter_count).sum();
        Ok(Trained {
            labels,
            parameters,
            made: Made::now(threads),
            record: fold_record(source.dataset, split, &outcome),
        })
    }

    /// Whether two results are the same but for the time they took.
    pub fn agrees(&self, other: &Trained) -> bool {
        let (one, another) = (&self.record, &other.record);
        one.predictions == another.predictions
            && one.epochs.loss == another.epochs.loss
            && one.epochs.validation_uar == another.epochs.validation_uar
    }
}

/// The results there are, in the plan's order.
///
/// # Errors
/// Those of [`Copies::results`]; [`Kind::Data`] if two are of different versions of this program.
pub fn results(copies: &Copies<Identity>) -> Result<Vec<Option<Trained>>> {
    let results = copies.results(Trained::agrees)?;
    for (job, done) in copies.plan().jobs.iter().zip(&results) {
        let advice = "delete its result to have it made again";
        let checked = done.as_ref().map_or(Ok(()), |done| done.record.check(done.labels.len()));
        checked.map_err(|error| error.at(&job.id).advice(advice))?;
    }
    let mut made = copies.plan().jobs.iter().zip(&results).filter_map(|(job, done)| Some((job, done.as_ref()?)));
    if let Some((first, one)) = made.next()
        && let Some((other, another)) = made.find(|(_, done)| done.made.program != one.made.program)
    {
        let (program, id) = (&one.made.program, &first.id);
        let problem = format!("expected results of one program, {program} as for {id}, got {}", another.made.program);
        let advice = "delete the results of one of them to have them made again";
        return Err(Error::new(Kind::Data, problem).at(&other.id).advice(advice));
    }
    Ok(results)
}

/// The table that `cv` makes, of every row whose jobs are all done, and the ids of the jobs that are not.
pub fn summary<'a>(plan: &'a Plan<Identity>, results: &[Option<Trained>]) -> (Summary, Vec<&'a str>) {
    let done: Vec<(&Training, &Option<Trained>)> = plan.jobs.iter().zip(results).collect();
    let missing = done.iter().filter(|(_, result)| result.is_none()).map(|(job, _)| job.id.as_str()).collect();
    let rows = done.chunk_by(|(a, _), (b, _)| a.work.settings == b.work.settings);
    (Summary { models: rows.filter_map(row).collect() }, missing)
}

/// One row of the table, or `None` if a job of it is missing.
fn row(jobs: &[(&Training, &Option<Trained>)]) -> Option<ModelSummary> {
    let done: Vec<(&Identity, &Trained)> =
        jobs.iter().map(|(job, result)| Some((&job.work, result.as_ref()?))).collect::<Option<_>>()?;
    let pool = |folds: &[(&Identity, &Trained)]| {
        let (identity, first) = folds[0];
        let records = folds.iter().map(|(_, trained)| trained.record.clone()).collect();
        let (labels, made) = (first.labels.clone(), first.made.clone());
        RunResult::pool(identity.run, &identity.settings, labels, &identity.data, first.parameters, records, made)
    };
    let runs: Vec<RunResult> = done.chunk_by(|(a, _), (b, _)| a.run == b.run).map(pool).collect();
    Some(ModelSummary::new(&runs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Existing;
    use crate::sweep::Folder;
    use reslstm::data::folds::FoldPlan;
    use reslstm::train::Settings;

    #[test]
    fn a_plan_of_many_speakers_names_them_once() {
        let settings = [Settings::default().check().unwrap()];
        let length = |speakers: usize, folds: &str| {
            let folder = tempfile::tempdir().unwrap();
            let names: Vec<String> = (0..speakers).map(|n| format!("speaker {n}")).collect();
            let splits = folds.parse::<FoldPlan>().unwrap().splits(&names).unwrap();
            let plan = plan(&settings, 1, &splits, "here", "f").unwrap();
            let made = Folder::create(folder.path(), plan, Existing::Refuse).unwrap();
            assert_eq!(Folder::<Identity>::open(folder.path()).unwrap().plan(), made.plan());
            let text = std::fs::read_to_string(folder.path().join("plan.json")).unwrap();
            assert_eq!(text.contains("\"shared\""), speakers >= MANY_SPEAKERS);
            text.len()
        };
        length(24, "loso");
        // Three times the jobs and speakers, three times the length.
        let (few, many) = (length(100, "loso"), length(300, "loso"));
        assert!(many < 4 * few, "{few} and {many} bytes");
        length(150, "k=5");
        length(150, "within=0:4");
    }
}
