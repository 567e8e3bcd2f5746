//! The page of a hyper-parameter search: the best trial, the course of the search, every trial.

use super::sheet::Sheet;
use super::study_figures::{history, slices};
use super::table::{Cell, Column, Table};
use crate::tune::{Snapshot, State, Trial};
use serde_json::Value;

/// What the journal of a study does not contain.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// Name of the value that is maximised.
    pub value: &'a str,
    /// A warning about the values, if one is due.
    pub caution: Option<&'a str>,
    /// The command that continues the search; `None` for a study of another program.
    pub search: Option<String>,
    /// The command that trains with the best trial; `None` before there is one.
    pub train: Option<String>,
    /// The settings that are not searched.
    pub fixed: Vec<(&'a str, String)>,
}

/// The page, as HTML text.
pub fn html(study: &Snapshot, about: &About<'_>) -> String {
    let counts = |state| study.count(state);
    let (complete, pruned) = (counts(State::Complete), counts(State::Pruned));
    let lead = match study.best() {
        Some(best) => format!(
            "Trial {} is the best of {complete} complete and {pruned} pruned trials: {} {}.",
            best.number,
            about.value,
            Cell::or_missing(best.value, Cell::Score).on_page()
        ),
        None => format!("No trial is complete yet; {pruned} are pruned."),
    };
    let mut sheet = Sheet::new(&format!("Search {}", study.name), &lead);
    if let Some(caution) = about.caution {
        sheet.text(&format!("Note: {caution}."));
    }
    if let Some(best) = study.best() {
        sheet.heading("The best trial");
        let values = best.values();
        let facts: Vec<(&str, String)> =
            values.iter().map(|(name, value)| (name.as_str(), parameter_text(value))).collect();
        sheet.facts(&facts);
    }
    if let Some(train) = &about.train {
        sheet.text("To train with it:");
        sheet.command(train);
    }
    if study.trials.iter().any(Trial::is_observed) {
        sheet.heading("Course of the search");
        sheet.figure(&history(study, about.value), "Value of every trial, and the best so far.");
        sheet.figure(&slices(study, about.value), "Value against each parameter.");
    }
    sheet.heading("Searched and fixed settings");
    sheet.facts(&ranges(study));
    sheet.facts(&about.fixed);
    if let Some(search) = &about.search {
        sheet.text("To continue the search, or to repeat it with another file:");
        sheet.command(search);
    }
    sheet.heading("Trials");
    trials_table(&mut sheet, study, about.value);
    // A study holds the fingerprint of its data, not their licence.
    sheet.licence("");
    sheet.html()
}

/// The range of every parameter.
fn ranges(study: &Snapshot) -> Vec<(&str, String)> {
    use crate::tune::Distribution::{Categorical, Float, Int};
    let scale = |log: bool| if log { ", logarithmic" } else { "" };
    let text = |trial: &Trial, name: &str| match &trial.distributions[name] {
        Float { low, high, log, .. } => format!("{low} to {high}{}", scale(*log)),
        Int { low, high, log, .. } => format!("whole numbers, {low} to {high}{}", scale(*log)),
        Categorical { choices } => choices.iter().map(parameter_text).collect::<Vec<_>>().join(", "),
    };
    let range = |name| {
        let trial = study.trials.iter().find(|trial| trial.distributions.contains_key(name))?;
        Some((name, text(trial, name)))
    };
    study.parameters().into_iter().filter_map(range).collect()
}

fn trials_table(sheet: &mut Sheet, study: &Snapshot, value: &str) {
    let parameters = study.parameters();
    let headings = ["trial", "state", value, "steps"].into_iter().chain(parameters.iter().copied());
    let mut table = Table::new(headings.map(|heading| Column::right(heading, 0)).collect());
    let best = study.best().map(|best| best.number);
    for trial in &study.trials {
        let state = match trial.state {
            State::Complete if Some(trial.number) == best => "best",
            State::Complete => "complete",
            State::Pruned => "pruned",
            State::Running => "running",
            State::Failed => "failed",
            State::Waiting => "waiting",
        };
        let values = trial.values();
        let parameter = |name: &&str| Cell::or_missing(values.get(*name), |value| parameter_text(value).into());
        let mut row = vec![
            Cell::from(trial.number),
            state.into(),
            Cell::or_missing(trial.value, Cell::Score),
            trial.intermediate.len().into(),
        ];
        row.extend(parameters.iter().map(parameter));
        table.push(row);
    }
    sheet.table("The value of a pruned trial is that of its last step.", &table);
}

/// Four significant digits of a real number, anything else unchanged.
fn parameter_text(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().expect("a real number");
            let size = number.abs();
            if number == 0.0 || (1e-3..1e4).contains(&size) {
                format!("{}", format!("{number:.3e}").parse::<f64>().expect("a number just written"))
            } else {
                format!("{number:.3e}")
            }
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_have_four_digits() {
        for (value, text) in [
            (json!(0.012_345_6), "0.01235"),
            (json!(1.234_56e-5), "1.235e-5"),
            (json!(8), "8"),
            (json!("adam"), "adam"),
            (json!(null), "null"),
            (json!(0.5), "0.5"),
            (json!(0.0), "0"),
        ] {
            assert_eq!(parameter_text(&value), text);
        }
    }
}
