//! Tables for people: scores over runs, and the confusion matrix.

use reslstm::train::metrics::{Confusion, Spread};
use reslstm::train::results::Summary;
use std::fmt::Write;

/// A line a model: UAR mean ± std and best, accuracy, macro-F1.
pub fn scores(summary: &Summary) -> String {
    let mut text = format!(
        "{:<24} {:<10} {:>10} {:>4} {:>17} {:>7} {:>7} {:>9}\n",
        "model", "protocol", "parameters", "runs", "UAR mean ± std", "max", "WAR", "macro-F1"
    );
    for model in &summary.models {
        let Spread { mean, std, max, values } = &model.uar;
        let spread = format!("{mean:.4} ± {std:.4}");
        writeln!(
            text,
            "{:<24} {:<10} {:>10} {:>4} {:>17} {:>7.4} {:>7.4} {:>9.4}",
            model.arch.to_string(),
            model.protocol.to_string(),
            model.parameters,
            values.len(),
            spread,
            max,
            model.war.mean,
            model.macro_f1.mean
        )
        .expect("writing to a string");
    }
    text
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
