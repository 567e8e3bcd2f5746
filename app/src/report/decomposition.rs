//! What Table I is made of: the UAR of one training by the rule that keeps an epoch, and by who trains.
//!
//! All rows of a model share hyper-parameters, seeds and test clips. Two cross-validations under the table1 protocol give the
//! scores of every rule, as each epoch's recognised test clips are recorded: one leaves the validation speakers out of training, in the
//! other they train.

use super::table::{Cell, Column, Table};
use crate::experiment::Results;
use crate::experiment::results::{FoldRecord, RunResult};
use reslstm::models::Architecture;
use reslstm::train::{CheckedSettings, Protocol, Settings, Spread, Validation, metrics};
use serde::Serialize;

/// The heading of the table.
pub(super) const TITLE: &str =
    "UAR by the rule that keeps an epoch. From the second row on, chosen on its test speakers.";

pub(super) const NOTE: &str = "\
mean ± std (ddof 0), max: over the seeds that both cross-validations have. step: mean difference from the row above, same seeds.
Hyper-parameters are those of table1 in every row: chosen on the test speakers, too.
";

/// The models that `paper` makes it of: those whose hyper-parameters were searched.
pub const DECOMPOSED: [&str; 2] = ["lstm-sa-h64", "reslstm-sa-h64"];

/// The other cross-validation of table1's: the validation speakers do not train.
pub fn apart(table1: &CheckedSettings) -> CheckedSettings {
    let settings = Settings::clone(table1).with(|settings| settings.validation = Validation::Apart);
    settings.check().expect("leaving out the validation speakers contradicts nothing")
}

/// Whether a cross-validation is made for this table: under table1 with the validation speakers left out of training.
pub fn is_part(results: &Results) -> bool {
    is_apart(&results.plan.settings)
}

/// Whether settings are those of such a cross-validation.
pub fn is_apart(settings: &CheckedSettings) -> bool {
    settings.protocol == Protocol::Table1 && settings.validation == Validation::Apart
}

/// A rule that keeps an epoch, and who trains.
struct Rule {
    name: &'static str,
    validation: Validation,
    /// The epoch that a fold keeps, from 0.
    epoch: fn(&FoldRecord) -> usize,
}

/// In the order of the table: each differs from the one above in one thing.
const RULES: [Rule; 4] = [
    Rule { name: "epoch by the validation speakers", validation: Validation::Apart, epoch: best_on_validation },
    Rule { name: "epoch by the test fold", validation: Validation::Apart, epoch: |fold| fold.best_epoch },
    Rule {
        name: "the same, validation speakers train: table1",
        validation: Validation::Train,
        epoch: |fold| fold.best_epoch,
    },
    Rule { name: "last epoch, validation speakers train", validation: Validation::Train, epoch: last },
];

/// The earliest of the epochs that are best on the validation speakers.
fn best_on_validation(fold: &FoldRecord) -> usize {
    let uars = &fold.epochs.validation_uar;
    let better = |best: usize, epoch: usize| if uars[epoch] > uars[best] { epoch } else { best };
    (0..uars.len()).fold(0, better)
}

fn last(fold: &FoldRecord) -> usize {
    fold.epochs.count() - 1
}

/// UAR of a run, pooled over its folds, if each kept the epoch that `epoch` names.
fn pooled_uar(run: &RunResult, epoch: fn(&FoldRecord) -> usize) -> f64 {
    let mut correct = vec![0; run.labels.len()];
    for fold in &run.folds {
        let at = &fold.epochs.test_correct[epoch(fold)];
        correct.iter_mut().zip(at).for_each(|(sum, count)| *sum += count);
    }
    metrics::uar(&correct, &run.confusion.occurred())
}

/// The table: four rows per model that has both cross-validations.
#[derive(Clone, Debug, Serialize)]
pub struct Decomposition {
    /// By model, in the order of the rules.
    pub rows: Vec<Row>,
}

/// A model under a rule.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The model.
    pub arch: Architecture,
    /// Which epoch a fold keeps, and who trains.
    pub rule: &'static str,
    /// UAR over seeds, each pooled over the folds.
    pub uar: Spread,
    /// Mean difference from the row above; `None` in a model's first row.
    pub step: Option<f64>,
}

impl Decomposition {
    /// Of every model that has both cross-validations with a seed in common.
    pub fn new(results: &[Results]) -> Self {
        let rows = results.iter().filter(|apart| is_part(apart)).flat_map(|apart| {
            let arch = apart.plan.settings.arch;
            let table1 = |other: &&Results| {
                other.plan.settings.protocol == Protocol::Table1 && other.plan.settings.arch == arch && !is_part(other)
            };
            results.iter().find(table1).map_or(Vec::new(), |table1| rows_of(arch, apart, table1))
        });
        Decomposition { rows: rows.collect() }
    }

    /// One row per model and rule.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(vec![
            Column::left("model", 22).csv(&["model"]),
            Column::left("epoch that is kept", 43).csv(&["rule"]),
            Column::right("seeds", 5).csv(&["seeds"]),
            Column::right("mean ± std", 15).gap(2).csv(&["uar_mean", "uar_std"]).page_heading("UAR"),
            Column::right("max", 7).csv(&["uar_max"]),
            Column::right("step", 8).gap(2).csv(&["step"]),
        ]);
        for Row { arch, rule, uar, step } in &self.rows {
            table.push(vec![
                arch.to_string().into(),
                (*rule).to_string().into(),
                uar.values.len().into(),
                uar.into(),
                Cell::Score(uar.max),
                Cell::or_missing(*step, Cell::SignedScore),
            ]);
        }
        table
    }

    /// Aligned text with an explanation of the numbers.
    pub fn text(&self) -> String {
        format!("What Table I is made of. {TITLE}\n\n{}\n{NOTE}", self.table().text())
    }

    /// CSV text, every digit kept; a missing value is empty.
    pub fn csv(&self) -> String {
        self.table().csv()
    }
}

fn rows_of(arch: Architecture, apart: &Results, table1: &Results) -> Vec<Row> {
    let seed = |run: &&RunResult| table1.runs.iter().any(|other| other.run == run.run);
    let seeds: Vec<usize> = apart.runs.iter().filter(seed).map(|run| run.run).collect();
    if seeds.is_empty() {
        return Vec::new();
    }
    let mut rows: Vec<Row> = Vec::new();
    for Rule { name, validation, epoch } in RULES {
        let results = if validation == Validation::Apart { apart } else { table1 };
        let runs = results.runs.iter().filter(|run| seeds.contains(&run.run));
        let uar = Spread::new(runs.map(|run| pooled_uar(run, epoch)).collect());
        let step = rows.last().map(|above| uar.mean - above.uar.mean);
        rows.push(Row { arch, rule: name, uar, step });
    }
    rows
}
