//! Tables for the terminal: scores over runs, and the confusion matrix.

use crate::experiment::baseline::Baseline;
use crate::experiment::results::{CorpusSpread, EnrolmentSpread, ModelSummary, Summary, VariantSpread};
use crate::report::score_notes;
use crate::report::table::{Cell, Column, Table};
use reslstm::train::metrics::{Confusion, Spread};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// One row per model, and below it one for each corpus that its folds leave out: UAR mean ± std and best, accuracy, macro-F1; then the
/// settings in which the models differ, if any. Below the table stands what must be said of the scores, and in how many clips
/// nobody speaks.
pub fn scores(summary: &Summary) -> String {
    let differing = differing_settings(summary);
    let mut columns = vec![
        Column::left("model", 24),
        Column::left("protocol", 10),
        Column::right("parameters", 10),
        Column::right("runs", 4),
        Column::right("UAR mean ± std", 17),
        Column::right("max", 7),
        Column::right("WAR", 7),
        Column::right("macro-F1", 9),
    ];
    if !differing.is_empty() {
        columns.push(Column::left("settings", 0).gap(2));
    }
    let mut table = Table::new(columns);
    // The last column only if there is one.
    let mut push = |mut row: Vec<Cell>, settings: Cell| {
        row.extend((!differing.is_empty()).then_some(settings));
        table.push(row);
    };
    for model in &summary.models {
        let (uar, settings) = (&model.uar, settings_of(model));
        let value = |name: &String| format!("{name}={}", settings.get(name).unwrap_or(&Value::Null));
        push(
            vec![
                model.settings.model_name().into(),
                model.protocol.to_string().into(),
                model.parameters.into(),
                uar.values.len().into(),
                uar.into(),
                Cell::Score(uar.max),
                Cell::Score(model.war.mean),
                Cell::Score(model.macro_f1.mean),
            ],
            differing.iter().map(value).collect::<Vec<_>>().join(", ").into(),
        );
        // Rows below a model's, which have no settings of their own: its name, protocol, size, UAR, and the other two scores.
        let mut push_below = |name: String, protocol: Cell, parameters: Cell, uar: &Spread, others: [Cell; 2]| {
            let scores = [uar.values.len().into(), uar.into(), Cell::Score(uar.max)];
            push([name.into(), protocol, parameters].into_iter().chain(scores).chain(others).collect(), Cell::Empty);
        };
        let none = || [Cell::Empty, Cell::Empty];
        for VariantSpread { name, parameters, uar } in &model.variants {
            push_below(format!("  {name}"), Cell::Empty, (*parameters).into(), uar, none());
        }
        for EnrolmentSpread { clips, uar } in &model.enrolment {
            push_below(format!("  enrolment, {clips} clips"), "transductive".into(), Cell::Empty, uar, none());
        }
        for CorpusSpread { name, clips: _, uar, war, macro_f1 } in &model.corpora {
            let others = [war, macro_f1].map(|score| Cell::Score(score.mean));
            push_below(format!("  on {name}"), Cell::Empty, Cell::Empty, uar, others);
        }
    }
    let ensembles = if summary.models.iter().any(|model| model.ensemble.is_some()) { ENSEMBLE } else { "" };
    table.text() + ensembles + &score_notes(summary.models.iter().map(|model| model.protocol)) + &no_speech(summary)
}

/// One row per baseline, and below it one for each corpus that its folds leave out; then what must be said of the scores.
pub fn baselines(baselines: &[Baseline]) -> String {
    let mut table = Table::new(vec![
        Column::left("baseline", 24),
        Column::right("UAR", 7),
        Column::right("WAR", 7),
        Column::right("macro-F1", 9),
        Column::left("C of each fold", 14).gap(2),
    ]);
    let scores = |confusion: &Confusion| [confusion.uar(), confusion.war(), confusion.macro_f1()].map(Cell::Score);
    let mut notes = String::new();
    for Baseline { name, score_note, confusion, folds, .. } in baselines {
        let c: Vec<String> = folds.iter().map(|fold| fold.c.to_string()).collect();
        table.push([name.clone().into()].into_iter().chain(scores(confusion)).chain([c.join(" ").into()]).collect());
        for (corpus, fold) in folds.iter().filter_map(|fold| Some((fold.corpus.as_ref()?, fold))) {
            let row = [format!("  on {corpus}").into()].into_iter().chain(scores(&fold.confusion));
            table.push(row.chain([Cell::Empty]).collect());
        }
        notes.extend(score_note.as_ref().map(|note| format!("{name}: {note}\n")));
    }
    table.text() + &notes
}

/// What is said of models with branches.
const ENSEMBLE: &str =
    "\nNx: an ensemble of N networks, whose probabilities are averaged; parameters are those of all\n";

/// How many of the clips the gate of `predict` gives no label, once per corpus.
fn no_speech(summary: &Summary) -> String {
    let mut lines: Vec<String> =
        summary.models.iter().filter_map(|model| Some(format!("{}\n", model.no_speech?))).collect();
    lines.dedup();
    lines.concat()
}

/// Names of the settings that differ between models, except those with a column of their own.
fn differing_settings(summary: &Summary) -> Vec<String> {
    let all: Vec<Map<String, Value>> = summary.models.iter().map(settings_of).collect();
    let own_column = |name: &str| name == "arch" || name == "protocol";
    let differs = |name: &str| all.iter().any(|settings| settings.get(name) != all[0].get(name));
    // A model may lack a setting that another one has.
    let names: BTreeSet<&String> = all.iter().flat_map(Map::keys).collect();
    names.into_iter().filter(|name| !own_column(name) && differs(name)).cloned().collect()
}

fn settings_of(model: &ModelSummary) -> Map<String, Value> {
    match serde_json::to_value(&model.settings) {
        Ok(Value::Object(settings)) => settings,
        other => unreachable!("settings are a JSON object, not {other:?}"),
    }
}

/// The confusion matrix in per cent of each row, and the recall of each class.
pub fn confusion(confusion: &Confusion, labels: &[String]) -> String {
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).max(6);
    let mut columns = vec![Column::left("", width)];
    columns.extend(labels.iter().map(|label| Column::right(label, width)));
    columns.extend([Column::right("clips", 6), Column::right("recall", 8)]);
    let mut table = Table::new(columns);
    for ((row, label), recall) in confusion.rows().iter().zip(labels).zip(confusion.recalls()) {
        let clips: u64 = row.iter().sum();
        let share = |&count: &u64| Cell::OneDecimal(100.0 * count as f64 / clips.max(1) as f64);
        let mut cells = vec![label.clone().into()];
        cells.extend(row.iter().map(share));
        cells.extend([Cell::Count(clips as usize), Cell::or_missing(recall, Cell::Percent)]);
        table.push(cells);
    }
    table.text()
}
