//! `robustness CV_DIR DATA`

use super::eval::require_metadata;
use super::options::{CacheOption, DataOptions, ThreadOption, thread_pool};
use super::source::{Found, Licensed};
use super::{Done, Outcome, interrupt, print_line, progress};
use crate::experiment::Results;
use crate::experiment::folder::model_path;
use crate::experiment::results::{RunResult, program};
use crate::experiment::robustness::{
    ConditionResult, ConditionScores, FoldModel, FoldScores, PooledTemperature, Robustness, mean_temperature,
};
use crate::files::{self, Existing};
use crate::label_map::LabelMap;
use crate::report::table::{Cell, Column, Table};
use clap::Args;
use rayon::prelude::*;
use reslstm::audio::FeatureSettings;
use reslstm::data::Dataset;
use reslstm::data::condition::Condition;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{ModelFile, Precision};
use reslstm::train::calibration::Reliability;
use std::path::{Path, PathBuf};

/// Test the models of a cross-validation in noise, over a telephone and more.
///
/// Each model is scored on the test speakers of its own fold, in 32 conditions.
#[derive(Debug, Args)]
#[command(
    after_help = "Each model of CV_DIR/models predicts the test speakers of its own fold. Calibration error: distance \
                  between the probability of the predicted class and the share of right predictions, mean over 15 bins. \
                  Before: without the temperature that training fitted. \
                  Pooled: with the temperature that fits the other folds' test speakers, as recorded and in the trained conditions. No speech: share of the \
                  clips that predict gives no label; the scores count them. Kept: UAR as a share of that as recorded. \
                  Trained: yes if the models were trained with clips in this condition.

Example: reslstm robustness cv-h64 ravdess -o robustness.json
         reslstm figure robustness robustness.json -o robustness.svg
         reslstm robustness cv-h64 ravdess --quantised"
)]
pub struct RobustnessCommand {
    /// A folder made by cv
    #[arg(value_name = "CV_DIR")]
    folder: PathBuf,
    /// The data that cv was run on
    data: PathBuf,
    #[command(flatten)]
    reading: DataOptions,
    /// Test weights of 16-bit floats and 8-bit integers instead of conditions
    #[arg(long)]
    quantised: bool,
    /// Write all numbers to a file, for figure robustness and figure reliability
    #[arg(short, long, value_name = "RESULT.json")]
    output: Option<PathBuf>,
    /// Print all numbers as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    threads: ThreadOption,
    #[command(flatten)]
    cache: CacheOption,
}

impl RobustnessCommand {
    pub fn run(self) -> Outcome {
        if let Some(output) = &self.output {
            files::check_writable(output, Existing::Replace)?;
        }
        interrupt::stop_flag_saying("\nstopping; nothing is written");
        let results = Results::read(&self.folder)?;
        let models = models(&results, &self.folder)?;
        let threads = self.threads.count();
        let pool = thread_pool(threads)?;
        let groups = self.groups(models, results.plan.map, threads)?;
        let robustness = pool.install(|| self.score(&groups))?;
        if let Some(output) = &self.output {
            files::write_json(output, &robustness)?;
        }
        print_line(if self.json { serde_json::to_string(&robustness)? } else { table(&robustness) })?;
        Ok(Done::Everything)
    }

    /// The models, grouped by feature settings, each group with its data.
    ///
    /// Labels are read by `map`, that of the cross-validation, unless another one is given.
    fn groups(
        &self,
        models: Vec<(PathBuf, ModelFile)>,
        map: LabelMap,
        threads: usize,
    ) -> Result<Vec<(Licensed, Vec<FoldModel>)>> {
        let mut reading = self.reading.reading();
        if reading.map.is_empty() {
            reading.map = map;
        }
        let corpus = Found::open(&self.data, &reading)?;
        let mut groups: Vec<((FeatureSettings, u32), Licensed, Vec<FoldModel>)> = Vec::new();
        for (path, file) in models {
            let metadata = require_metadata(&file).map_err(|error| error.at(path.display()))?;
            let front_end = (metadata.features.clone(), metadata.sample_rate);
            if !groups.iter().any(|(known, ..)| *known == front_end) {
                let (features, rate) = front_end.clone();
                let data = corpus.clone().load(features, rate, self.cache.cache.as_deref(), threads)?;
                groups.push((front_end.clone(), data, Vec::new()));
            }
            let (_, data, models) = groups.iter_mut().find(|(known, ..)| *known == front_end).expect("just made");
            let model = FoldModel::new(file, data.dataset(), data.fingerprint());
            models.push(model.map_err(|error| error.at(path.display()))?);
        }
        Ok(groups.into_iter().map(|(_, data, models)| (data, models)).collect())
    }

    fn score(&self, groups: &[(Licensed, Vec<FoldModel>)]) -> Result<Robustness> {
        let all: Vec<&FoldModel> = groups.iter().flat_map(|(_, models)| models).collect();
        let rounds: Vec<(Condition, Option<Precision>)> = match self.quantised {
            true => [None, Some(Precision::F16), Some(Precision::I8)].map(|it| (Condition::AsRecorded, it)).into(),
            false => Condition::REPORTED.map(|condition| (condition, None)).into(),
        };
        let bar = progress::bar((all.len() * rounds.len()) as u64, "predicting", "models");
        let (first, _) = groups.first().expect("there are models");
        let mut by_condition = Vec::new();
        for (condition, precision) in rounds {
            let (mut scores, mut first_dataset): (Vec<FoldScores<'_>>, Option<Dataset>) = (Vec::new(), None);
            for (data, models) in groups {
                let dataset = data.in_condition(condition)?;
                let score = |model| {
                    if interrupt::stopped() {
                        return Err(Error::new(Kind::Interrupted, "stopped before every condition was scored"));
                    }
                    let scores = FoldModel::score(model, precision, dataset.clips());
                    bar.inc(1);
                    scores
                };
                scores.extend(models.par_iter().map(score).collect::<Result<Vec<_>>>()?);
                // Groups differ in their features; labels, speakers and sounds are those of any.
                first_dataset.get_or_insert(dataset);
            }
            let dataset = first_dataset.expect("there are models");
            let name = match precision {
                None => condition.to_string(),
                Some(Precision::F16) => "f16 weights".into(),
                Some(Precision::I8) => "int8 weights".into(),
            };
            by_condition.push(ConditionScores::new(name, condition, scores, &dataset));
        }
        bar.finish_and_clear();
        let fit = || PooledTemperature::fit(&by_condition, first.dataset().clips());
        let pooled_temperature = if self.quantised { None } else { fit() };
        let mut conditions: Vec<ConditionResult> = Vec::new();
        for scores in &by_condition {
            let (dataset, temperature) = (first.dataset(), pooled_temperature.as_ref());
            conditions.push(ConditionResult::new(scores, dataset, temperature, conditions.first()));
        }
        let name = self.folder.file_name().unwrap_or(self.folder.as_os_str()).to_string_lossy().into_owned();
        let (labels, temperature) = (first.dataset().labels().names().to_vec(), mean_temperature(&all));
        let score_note = all[0].metadata().score_note.clone();
        Ok(Robustness { name, program: program(), labels, score_note, temperature, pooled_temperature, conditions })
    }
}

/// All models of the finished runs of the cross-validation in a folder.
fn models(results: &Results, folder: &Path) -> Result<Vec<(PathBuf, ModelFile)>> {
    let folds = |run: &RunResult| run.folds.iter().map(|fold| (run.run, fold.split.fold())).collect::<Vec<_>>();
    let read = |(run, fold)| {
        let path = model_path(folder, run, fold);
        if !path.exists() {
            let problem = "expected the model of every fold of every finished run, but this one is missing";
            return Err(Error::new(Kind::Data, problem).at(path.display()).advice("cv DATA -o DIR makes them"));
        }
        let file = ModelFile::from_bytes(&files::read(&path)?).map_err(|error| error.at(path.display()))?;
        Ok((path, file))
    };
    results.runs.iter().flat_map(folds).map(read).collect()
}

/// One row per condition.
fn table(robustness: &Robustness) -> String {
    let Robustness { conditions, temperature, pooled_temperature, score_note, .. } = robustness;
    let mut columns = vec![
        Column::left("condition", 9),
        Column::right("UAR mean ± std", 15).gap(2),
        Column::left("95 % interval", 16).gap(2),
        Column::right("kept", 7).gap(2),
        Column::left("trained", 7).gap(2),
        Column::right("calibration error", 17).gap(2),
    ];
    columns.extend(temperature.map(|_| Column::left("before", 6).gap(2)));
    columns.extend(pooled_temperature.as_ref().map(|_| Column::left("pooled", 6).gap(2)));
    columns.push(Column::right("no speech", 9).gap(2));
    let mut table = Table::new(columns);
    for result in conditions {
        let mut row: Vec<Cell> = vec![
            result.condition.clone().into(),
            (&result.uar).into(),
            Cell::Interval(result.interval),
            Cell::or_missing(result.kept, Cell::Score),
            if result.trained == Some(true) { "yes".into() } else { Cell::Empty },
            Cell::Score(result.reliability.ece()),
        ];
        let before = result.uncalibrated.as_ref().map(Reliability::ece);
        row.extend(temperature.map(|_| before.map_or(Cell::Empty, Cell::Score)));
        row.extend(result.pooled.as_ref().map(|pooled| Cell::Score(pooled.ece())));
        row.push(result.no_speech.map_or(Cell::Empty, |it| Cell::Score(it.share())));
        table.push(row);
    }
    let temperature = match (temperature, pooled_temperature) {
        (Some(mean), _) => format!("\nmean temperature {mean:.3}\n"),
        (None, Some(PooledTemperature { all, conditions, .. })) => {
            format!("\npooled temperature {all}, of {} conditions: train --all --temperature {all}\n", conditions.len())
        }
        (None, None) => String::new(),
    };
    let note = if score_note.is_empty() { String::new() } else { format!("\n{score_note}\n") };
    table.text() + &temperature + &note
}
