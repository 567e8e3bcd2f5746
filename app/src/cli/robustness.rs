//! `robustness CV_DIR DATA`

use super::options::all_cores;
use super::source::{Found, Licensed};
use super::{Done, Outcome, interrupt, print_line, progress};
use crate::experiment::Results;
use crate::experiment::folder::model_path;
use crate::experiment::results::{RunResult, program};
use crate::experiment::robustness::{Heard, Member, Robustness, Said, mean_temperature};
use crate::files::{self, Existing};
use crate::report::table::{Cell, Column, Table};
use clap::Args;
use rayon::prelude::*;
use reslstm::audio::FeatureSettings;
use reslstm::data::condition::Condition;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::ModelFile;
use reslstm::train::calibration::Reliability;
use std::path::{Path, PathBuf};

/// Score the models of a cross-validation on the speakers they never heard, in noise, over a telephone and in other conditions.
#[derive(Debug, Args)]
#[command(
    after_help = "Each model of CV_DIR/models is asked of the test speakers of its own fold. Calibration error: how far the probability of the \
                  class predicted and the share of right predictions are apart, mean over 15 bins; before: without the temperature by \
                  which training divided the scores.

Example: reslstm robustness cv-h64 ravdess -o robustness.json
         reslstm figure robustness robustness.json -o robustness.svg"
)]
pub struct RobustnessCommand {
    /// A folder that cv made
    folder: PathBuf,
    /// The data it was made of
    data: PathBuf,
    /// A file for all numbers, which figure robustness and figure reliability draw
    #[arg(short, long, value_name = "RESULT.json")]
    output: Option<PathBuf>,
    /// Print all numbers as JSON
    #[arg(long)]
    json: bool,
    /// Models asked at a time [all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Folder of the feature cache [reslstm in the user's cache folder, or none where that cannot be written]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

impl RobustnessCommand {
    pub fn run(self) -> Outcome {
        if let Some(output) = &self.output {
            files::check_writable(output, Existing::Replace)?;
        }
        interrupt::stop_flag_saying("\nstopping; nothing is written");
        let models = models(&self.folder)?;
        let threads = self.threads.map_or_else(all_cores, usize::from);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| Error::new(Kind::Io, error.to_string()).at("threads"))?;
        let groups = self.groups(models, threads)?;
        let robustness = pool.install(|| self.ask(&groups))?;
        if let Some(output) = &self.output {
            files::write_json(output, &robustness)?;
        }
        print_line(if self.json { serde_json::to_string(&robustness)? } else { table(&robustness) })?;
        Ok(Done::Everything)
    }

    /// The models with the data they read: those that read the same together.
    fn groups(&self, models: Vec<(PathBuf, ModelFile)>, threads: usize) -> Result<Vec<(Licensed, Vec<Member>)>> {
        let corpus = Found::open(&self.data)?;
        let mut groups: Vec<(FeatureSettings, Licensed, Vec<Member>)> = Vec::new();
        for (path, file) in models {
            let features = file.metadata().map(|metadata| metadata.features.clone()).unwrap_or_default();
            if !groups.iter().any(|(known, ..)| *known == features) {
                let data = corpus.clone().load(features.clone(), self.cache.as_deref(), threads)?;
                groups.push((features.clone(), data, Vec::new()));
            }
            let (_, data, members) = groups.iter_mut().find(|(known, ..)| *known == features).expect("just made");
            let member = Member::new(file, data.dataset(), data.fingerprint());
            members.push(member.map_err(|error| error.at(path.display()))?);
        }
        Ok(groups.into_iter().map(|(_, data, members)| (data, members)).collect())
    }

    fn ask(&self, groups: &[(Licensed, Vec<Member>)]) -> Result<Robustness> {
        let members: Vec<&Member> = groups.iter().flat_map(|(_, members)| members).collect();
        let bar = progress::bar((members.len() * Condition::REPORTED.len()) as u64, "listening");
        let (first, _) = groups.first().expect("there are models");
        let (clips, labels) = (first.dataset().clips(), first.dataset().labels().names());
        let mut conditions = Vec::new();
        for condition in Condition::REPORTED {
            let mut said: Vec<Said<'_>> = Vec::new();
            for (data, members) in groups {
                let features = data.heard(condition)?;
                let asked = |member| {
                    if interrupt::stopped() {
                        return Err(Error::new(Kind::Interrupted, "stopped before every condition was heard"));
                    }
                    let said = Member::asked(member, &features);
                    bar.inc(1);
                    said
                };
                said.extend(members.par_iter().map(asked).collect::<Result<Vec<_>>>()?);
            }
            conditions.push(Heard::of(&condition.to_string(), &said, clips, labels));
        }
        bar.finish_and_clear();
        let name = self.folder.file_name().unwrap_or(self.folder.as_os_str()).to_string_lossy().into_owned();
        let labels = labels.to_vec();
        Ok(Robustness { name, program: program(), labels, temperature: mean_temperature(&members), conditions })
    }
}

/// The models of the finished runs of a cross-validation, all of them.
fn models(folder: &Path) -> Result<Vec<(PathBuf, ModelFile)>> {
    let results = Results::read(folder)?;
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
    let Robustness { conditions, temperature, .. } = robustness;
    let mut columns = vec![
        Column::left("condition", 9),
        Column::right("UAR mean ± std", 15).gap(2),
        Column::left("95 % interval", 16).gap(2),
        Column::right("change", 7).gap(2),
        Column::right("calibration error", 17).gap(2),
    ];
    columns.extend(temperature.map(|_| Column::left("before", 6).gap(2)));
    let mut table = Table::new(columns);
    for result in conditions {
        let mut row: Vec<Cell> = vec![
            result.condition.clone().into(),
            (&result.uar).into(),
            Cell::Interval(result.interval),
            Cell::SignedScore(result.uar.mean - conditions[0].uar.mean),
            Cell::Score(result.reliability.ece()),
        ];
        let before = result.uncalibrated.as_ref().map(Reliability::ece);
        row.extend(temperature.map(|_| before.map_or(Cell::Empty, Cell::Score)));
        table.push(row);
    }
    let temperature = temperature.map_or(String::new(), |mean| format!("\nmean temperature {mean:.3}\n"));
    table.text() + &temperature
}
