//! A job of a grid: the training of one fold.

use crate::experiment::cross_validate::fold_record;
use crate::experiment::fit::fit;
use crate::experiment::results::{FoldRecord, Made, ModelSummary, RunResult, Summary};
use crate::sweep::{Copies, Job, Plan};
use reslstm::data::folds::Split;
use reslstm::error::{Error, Kind, Result};
use reslstm::params::Parameters;
use reslstm::train::{CheckedSettings, EpochRecord, Identity, Task, TrainingData};
use serde::{Deserialize, Serialize};
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
