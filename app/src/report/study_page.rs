//! A search for hyper-parameters as a page: the best trial, how the search came to it, every trial.

use super::sheet::Sheet;
use super::study_figures::{history, slices};
use crate::tune::{Snapshot, State, Trial};
use serde_json::Value;

/// What a study's journal does not say by itself.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// What is maximised.
    pub value: &'a str,
    /// What must be said of the values, if anything.
    pub caution: Option<&'a str>,
    /// The command that searches on; `None` for a study of other programs.
    pub search: Option<String>,
    /// The command that trains the best trial; `None` before there is one.
    pub train: Option<String>,
    /// What is not searched, by name.
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
            value_text(best)
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
        sheet.heading("How the search went");
        sheet.figure(&history(study, about.value), "Value of every trial, and the best so far.");
        sheet.figure(&slices(study, about.value), "Value against each parameter.");
    }
    sheet.heading("What is searched, and what is not");
    sheet.facts(&ranges(study));
    sheet.facts(&about.fixed);
    if let Some(search) = &about.search {
        sheet.text("To search on, or again in another file:");
        sheet.command(search);
    }
    sheet.heading("Trials");
    trials_table(&mut sheet, study, about.value);
    // A study does not say it: it knows its data by their fingerprint alone.
    sheet.licence("");
    sheet.html()
}

/// Where every parameter may lie.
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
    let mut header = vec!["trial".to_string(), "state".into(), value.into(), "steps".into()];
    header.extend(parameters.iter().map(ToString::to_string));
    let best = study.best().map(|best| best.number);
    let row = |trial: &Trial| {
        let state = match trial.state {
            State::Complete if Some(trial.number) == best => "best",
            State::Complete => "complete",
            State::Pruned => "pruned",
            State::Running => "running",
            State::Failed => "failed",
            State::Waiting => "waiting",
        };
        let values = trial.values();
        let parameter = |name: &&str| values.get(*name).map_or("–".into(), parameter_text);
        let mut row =
            vec![trial.number.to_string(), state.into(), value_text(trial), trial.intermediate.len().to_string()];
        row.extend(parameters.iter().map(parameter));
        row
    };
    let rows: Vec<_> = study.trials.iter().map(row).collect();
    sheet.table("A pruned trial has the value of its last step.", &header, &rows);
}

fn value_text(trial: &Trial) -> String {
    trial.value.map_or("–".into(), |value| format!("{value:.4}"))
}

/// Four significant digits of a real number, anything else as it is.
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
