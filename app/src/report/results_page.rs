//! The page of results: one cross-validation, or the paper's tables with the cross-validations below them.

use super::comparison::{self, Comparison};
use super::decomposition::{self, Decomposition};
use super::groups::{self, groups};
use super::sheet::Sheet;
use super::table::{Cell, Column, Table};
use super::table1::{GAINS_NOTE, PROTOCOLS, Row, SCORES_NOTE, Table1, kind, name, row};
use super::table2::Table2;
use super::{confusion, learning_curves, note_behind, parameters, seeds};
use crate::experiment::Plan;
use crate::experiment::Results;
use crate::experiment::results::{FoldRecord, ModelSummary, RunResult};
use reslstm::error::Result;
use reslstm::train::{Augment, Protocol, Shares, Spread, Validation, Weights};
use std::collections::BTreeSet;

/// What the results themselves do not contain.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The command that repeats a cross-validation.
    pub command: &'a dyn Fn(&Plan) -> String,
    /// The licence of the data; empty if it is not known.
    pub licence: &'a str,
}

/// The page of one cross-validation, as HTML text.
pub fn of_one(results: &Results, about: About<'_>) -> String {
    let row = row(results, &[]);
    let mut sheet = Sheet::new(&format!("Cross-validation of {}", row.ours.arch), &lead(&row));
    detail(&mut sheet, results, about);
    sheet.licence(about.licence);
    sheet.html()
}

/// The page of several cross-validations, which make up Tables I and II of the paper, as HTML text.
///
/// # Errors
/// As [`Table1::new`], if they do not belong to one table.
pub fn of_paper(results: &[Results], about: About<'_>) -> Result<String> {
    let table1 = Table1::new(results)?;
    let decomposition = Decomposition::new(results);
    // A score that is chosen on its test speakers is no headline where there is another one.
    let honest = |row: &&Row| row.ours.protocol == Protocol::Strict;
    let rows = if table1.rows.iter().any(|row| honest(&row)) { honest } else { |_: &&Row| true };
    let best = table1.rows.iter().filter(rows).max_by(|a, b| a.ours.uar.mean.total_cmp(&b.ours.uar.mean));
    let lead = best.map_or(String::new(), |best| format!("The highest mean: {}", lead(best)));
    let mut sheet = Sheet::new("Tables I and II", &lead);
    sheet.heading("Table I: the models");
    table_1(&mut sheet, &table1);
    if !decomposition.rows.is_empty() {
        sheet.heading("What Table I is made of");
        sheet.table(decomposition::TITLE, &decomposition.table());
        sheet.text(decomposition::NOTE);
    }
    sheet.heading("Table II: comparison with the literature");
    sheet.table("RAVDESS, speaker-independent.", &Table2::new(&table1).table());
    let ours: Vec<ModelSummary> = table1.rows.iter().map(|row| row.ours.clone()).collect();
    sheet.figure(&parameters::svg("UAR by size of the model", &ours), "UAR against the number of parameters.");
    sheet.heading("Each model");
    for results in results {
        sheet.details(&name(&results.plan.settings), |sheet| detail(sheet, results, about));
    }
    sheet.licence(about.licence);
    Ok(sheet.html())
}

/// The score in a sentence.
fn lead(row: &Row) -> String {
    let Row { ours, runs_planned, interval, .. } = row;
    let Spread { mean, std, max, values } = &ours.uar;
    let uar = match values.len() {
        1 => format!("{} (one seed)", score(*mean)),
        several => {
            let (mean, std, max) = (score(*mean), score(*std), score(*max));
            format!("{mean} ± {std} (mean and standard deviation over {several} seeds; best {max})")
        }
    };
    let unfinished = if values.len() < *runs_planned {
        format!(" {} of {runs_planned} runs are finished.", values.len())
    } else {
        String::new()
    };
    format!(
        "{} under the {} protocol: UAR {uar}. With other speakers it might be {} (95 % interval).{unfinished}",
        ours.arch,
        ours.protocol,
        Cell::Interval(*interval).on_page()
    )
}

fn protocol_note(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Strict => {
            "strict: features are normalised with the training speakers alone, padding has no effect, and the test speakers were \
             scored once, at the end. UAR is the unweighted average recall (Eq. 6) of the confusion matrix of all folds."
        }
        Protocol::Published => {
            "published, as the paper's code: features are normalised with all speakers, test speakers included, and padded \
             frames count in batch norm and attention. Scores are for comparison with the paper's. UAR is the unweighted \
             average recall (Eq. 6) of the confusion matrix of all folds."
        }
        Protocol::Table1 => {
            "table1, as the paper's Table I seems to have been made: as published, but each fold keeps the epoch with the best UAR \
             on its test speakers. The scores are chosen on their test speakers, so they are too high: they are for comparison \
             with the paper's alone. UAR is the unweighted average recall (Eq. 6) of the confusion matrix of all folds."
        }
    }
}

/// Tables, figures, settings, data and command of one cross-validation.
fn detail(sheet: &mut Sheet, results: &Results, about: About<'_>) {
    sheet.text(protocol_note(results.plan.settings.protocol));
    let summary = ModelSummary::new(&results.runs);
    sheet.heading("Scores");
    runs_table(sheet, results, &summary);
    variants_table(sheet, results);
    if let Some(no_speech) = summary.no_speech {
        sheet.text(&format!("By the gate, {no_speech}."));
    }
    let note = note_behind(summary.protocol);
    let title = format!("{}, {}{note}", summary.arch, summary.protocol);
    sheet.figure(
        &seeds::svg(&title, &results.runs),
        "UAR of every run (bars) and of each fold's test speakers (marks).",
    );
    let first = &results.runs[0];
    let curves = learning_curves::svg(&format!("{title}, run {}", first.run), first, None);
    sheet.figure(&curves, "Learning curves of the first run, every fold.");
    sheet.heading("Classes");
    classes_table(sheet, &summary);
    let matrix = confusion::svg(&title, &summary.confusion, &summary.labels);
    sheet.figure(&matrix, "Confusion matrix, per cent of each row, all runs and folds pooled.");
    let groups = groups(results);
    sheet.figure(&groups::svg(&title, &groups, false), "Recall of groups of test clips; one dot per run.");
    sheet.heading("How it was trained");
    settings_facts(sheet, results, &summary);
    folds_table(sheet, results);
    sheet.heading("To repeat it");
    sheet.text("With the data in DATA, this command gives the same models and summary.json, to the byte:");
    sheet.command(&(about.command)(&results.plan));
}

/// One row per run, one column per fold.
fn runs_table(sheet: &mut Sheet, results: &Results, summary: &ModelSummary) {
    let right = |heading: String| Column::right(heading, 0);
    let mut columns: Vec<Column> = ["run", "UAR", "WAR", "macro-F1"].map(|heading| right(heading.into())).into();
    let folds = &results.runs[0].folds;
    columns.extend(
        folds.iter().map(|fold| right(fold.split.corpus().map_or(format!("fold {}", fold.split.fold()), String::from))),
    );
    columns.push(right("training, s".into()));
    let mut table = Table::new(columns);
    for run in &results.runs {
        let mut row = vec![Cell::Count(run.run)];
        row.extend([run.scores.uar, run.scores.war, run.scores.macro_f1].map(Cell::Score));
        row.extend(run.folds.iter().map(|fold| Cell::Score(fold.test_uar)));
        row.push(format!("{:.0}", run.seconds).into());
        table.push(row);
    }
    if results.runs.len() > 1 {
        let mean = |fold: usize| {
            let uar = |run: &RunResult| run.folds[fold].test_uar;
            Cell::Score(Spread::new(results.runs.iter().map(uar).collect()).mean)
        };
        let mut row = vec![Cell::from("all")];
        row.extend([&summary.uar, &summary.war, &summary.macro_f1].map(Cell::from));
        row.extend((0..summary.folds.len()).map(mean));
        row.push(Cell::Empty);
        table.push(row);
    }
    sheet.table(
        "Test speakers. A run is one seed, scored over its pooled folds. Each fold has its own UAR, the last row their mean.",
        &table,
    );
}

/// One row per predictor variant, if there are any besides the kept weights.
fn variants_table(sheet: &mut Sheet, results: &Results) {
    let comparison = Comparison::new(&[("kept weights".into(), results.clone())]).expect("one contradicts no other");
    if comparison.rows.len() == 1 {
        return;
    }
    let mut table = Table::new(vec![
        Column::left("predictor", 0),
        Column::right("parameters", 0),
        Column::right("UAR", 0),
        Column::right("max", 0),
        Column::right("95 % interval", 0),
        Column::right("− kept weights", 0),
    ]);
    for comparison::Row { name, variant, parameters, uar, interval, gain, .. } in &comparison.rows {
        let gain = gain.as_ref().map(|gain| &gain.speakers);
        let gain = gain.map(|gain| format!("{:+.4} {:+}", gain.difference, gain.interval));
        table.push(vec![
            variant.as_ref().unwrap_or(name).clone().into(),
            (*parameters).into(),
            uar.into(),
            Cell::Score(uar.max),
            Cell::Interval(*interval),
            gain.map_or(Cell::Empty, Cell::Text),
        ]);
    }
    sheet.table("Predictor variants of the same trainings; intervals over draws of speakers.", &table);
}

/// Recall of every class, and the class it is most often confused with.
fn classes_table(sheet: &mut Sheet, summary: &ModelSummary) {
    let ModelSummary { confusion, labels, .. } = summary;
    let mut table = Table::new(vec![
        Column::left("class", 0),
        Column::right("clips", 0),
        Column::right("recall", 0),
        Column::right("most often confused with", 0),
    ]);
    for (class, row) in confusion.rows().iter().enumerate() {
        let clips: u64 = row.iter().sum();
        let share = |count: u64| count as f64 / clips as f64;
        let wrong =
            (0..row.len()).filter(|&other| other != class).max_by_key(|&other| (row[other], std::cmp::Reverse(other)));
        let wrong = wrong.filter(|&other| row[other] > 0);
        table.push(vec![
            labels[class].clone().into(),
            Cell::Count(clips as usize),
            Cell::or_missing((clips > 0).then(|| share(row[class])), Cell::Percent),
            Cell::or_missing(wrong, |other| format!("{} ({:.1} %)", labels[other], 100.0 * share(row[other])).into()),
        ]);
    }
    sheet.table("All runs and folds pooled.", &table);
}

fn settings_facts(sheet: &mut Sheet, results: &Results, summary: &ModelSummary) {
    let settings = &summary.settings;
    let (speakers, made): (BTreeSet<&str>, BTreeSet<String>) = (
        results.clips.iter().map(|clip| clip.speaker.as_str()).collect(),
        results
            .runs
            .iter()
            .map(|run| format!("{} on {}, {}", run.made.program, run.made.host, run.made.date))
            .collect(),
    );
    let kept = match settings.weights {
        Weights::Best => "of the best epoch on the validation speakers".to_string(),
        Weights::Last => "of the last epoch".into(),
        Weights::Average => {
            let epochs: Vec<usize> = settings.snapshots().map(|epoch| epoch + 1).collect();
            format!("mean of those after epochs {}", numbers(&epochs))
        }
    };
    let augmentation = settings.augment.as_ref().map_or("none".into(), |augment| {
        let Augment { speeds, conditions, shares, stretch, channel, noise, .. } = augment;
        let conditions: String = conditions.iter().map(|condition| format!("{condition}; ")).collect();
        let shares = shares.map_or(String::new(), |Shares { speeds, conditions }| {
            format!("probability {speeds} of another speed, {conditions} of a condition; ")
        });
        format!("speeds {speeds:?}; {conditions}{shares}stretch up to {stretch}, channel {channel}, noise {noise}")
    });
    sheet.facts(&[
        ("model", format!("{}, {} parameters", settings.arch, summary.parameters)),
        ("protocol", settings.protocol.to_string()),
        ("epochs", settings.epochs.to_string()),
        ("batch", settings.batch.to_string()),
        ("learning rate", format!("{}, cosine cycles of {} epochs", settings.lr, settings.t0)),
        ("weight decay", settings.weight_decay.to_string()),
        ("dropout", settings.dropout.to_string()),
        ("inputs", settings.inputs.to_string()),
        ("augmentation", augmentation),
        ("kept weights", kept),
        ("class balance", settings.balance.to_string()),
        ("label smoothing", settings.label_smoothing.to_string()),
        ("seed", settings.seed.to_string()),
        ("runs", format!("{} of {}", results.runs.len(), results.plan.runs)),
        ("folds", format!("{}: {}", results.plan.folds, numbers(&summary.folds))),
        ("data", format!("{} clips of {} speakers, fingerprint {}", results.clips.len(), speakers.len(), summary.data)),
        ("made by", made.into_iter().collect::<Vec<_>>().join("; ")),
    ]);
}

/// Test and validation speakers of each fold.
fn folds_table(sheet: &mut Sheet, results: &Results) {
    let headings = ["fold", "test speakers", "validation speakers"];
    let mut table = Table::new(headings.map(|heading| Column::right(heading, 0)).into());
    for FoldRecord { split, .. } in &results.runs[0].folds {
        table.push(vec![split.name().into(), split.test().join(" ").into(), split.validation().join(" ").into()]);
    }
    let note = match results.plan.settings.validation {
        Validation::Apart => "All other speakers train; the validation speakers score every epoch.",
        Validation::Train => "All other speakers train, and the validation speakers too.",
    };
    sheet.table(note, &table);
}

fn table_1(sheet: &mut Sheet, table: &Table1) {
    for protocol in PROTOCOLS {
        let scores = table.scores(protocol);
        if !scores.is_empty() {
            sheet.table(&format!("UAR over seeds, each pooled over the folds. {}", kind(protocol)), &scores);
        }
    }
    sheet.text(SCORES_NOTE);
    let gains = table.gains();
    if !gains.is_empty() {
        sheet.table("ResLSTM-SA − LSTM-SA of the same size, protocol and seeds.", &gains);
        sheet.text(GAINS_NOTE);
    }
}

fn score(score: f64) -> String {
    format!("{score:.4}")
}

fn numbers(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}
