//! Tables for people: scores over runs, and the confusion matrix.

use crate::experiment::results::{ModelSummary, OtherSpread, Summary};
use reslstm::train::metrics::Confusion;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::Write;

/// A line a model: UAR mean ± std and best, accuracy, macro-F1; then the settings in which the models differ, if any.
pub fn scores(summary: &Summary) -> String {
    let differing = differing_settings(summary);
    let mut text = format!(
        "{:<24} {:<10} {:>10} {:>4} {:>17} {:>7} {:>7} {:>9}",
        "model", "protocol", "parameters", "runs", "UAR mean ± std", "max", "WAR", "macro-F1"
    );
    text += if differing.is_empty() { "\n" } else { "  settings\n" };
    for model in &summary.models {
        let uar = &model.uar;
        write!(
            text,
            "{:<24} {:<10} {:>10} {:>4} {uar:>17} {:>7.4} {:>7.4} {:>9.4}",
            model.arch.to_string(),
            model.protocol.to_string(),
            model.parameters,
            uar.values.len(),
            uar.max,
            model.war.mean,
            model.macro_f1.mean
        )
        .expect("writing to a string");
        let settings = settings_of(model);
        for (number, name) in differing.iter().enumerate() {
            write!(
                text,
                "{} {name}={}",
                if number == 0 { " " } else { "," },
                settings.get(name).unwrap_or(&Value::Null)
            )
            .expect("writing to a string");
        }
        text.push('\n');
        for OtherSpread { name, parameters, uar } in &model.others {
            writeln!(text, "  {name:<33} {parameters:>10} {:>4} {uar:>17} {:>7.4}", uar.values.len(), uar.max)
                .expect("writing to a string");
        }
    }
    text
}

/// Names of the settings, beyond those with a column of their own, that are not the same for all models.
fn differing_settings(summary: &Summary) -> Vec<String> {
    let all: Vec<Map<String, Value>> = summary.models.iter().map(settings_of).collect();
    let own_column = |name: &str| name == "arch" || name == "protocol";
    let differs = |name: &str| all.iter().any(|settings| settings.get(name) != all[0].get(name));
    // Settings that a model does without are not among its own.
    let names: BTreeSet<&String> = all.iter().flat_map(Map::keys).collect();
    names.into_iter().filter(|name| !own_column(name) && differs(name)).cloned().collect()
}

fn settings_of(model: &ModelSummary) -> Map<String, Value> {
    match serde_json::to_value(&model.settings) {
        Ok(Value::Object(settings)) => settings,
        other => unreachable!("settings are a JSON object, not {other:?}"),
    }
}

/// The confusion matrix in per cent of each row, and each class's recall.
pub fn confusion(confusion: &Confusion, labels: &[String]) -> String {
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).max(6);
    let mut text = format!("{:width$}", "");
    for label in labels {
        write!(text, " {label:>width$}").expect("writing to a string");
    }
    writeln!(text, " {:>6} {:>8}", "clips", "recall").expect("writing to a string");
    for ((row, label), recall) in confusion.rows().iter().zip(labels).zip(confusion.recalls()) {
        let clips: u64 = row.iter().sum();
        write!(text, "{label:<width$}").expect("writing to a string");
        for &count in row {
            let share = if clips == 0 { 0.0 } else { 100.0 * count as f64 / clips as f64 };
            write!(text, " {share:>width$.1}").expect("writing to a string");
        }
        let recall = recall.map_or("–".into(), |recall| format!("{:.1} %", 100.0 * recall));
        writeln!(text, " {clips:>6} {recall:>8}").expect("writing to a string");
    }
    text
}
