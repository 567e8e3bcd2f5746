//! What cross-validations found, as a page: one of them, or the paper's tables and every one below them.

use super::comparison::{self, Comparison};
use super::groups::{self, groups};
use super::sheet::Sheet;
use super::table1::{GAINS_NOTE, Row, SCORES_NOTE, Table1, name};
use super::table2::Table2;
use super::{confusion, learning_curves, parameters, seeds};
use crate::experiment::Plan;
use crate::experiment::Results;
use crate::experiment::results::{FoldRecord, ModelSummary, RunResult};
use crate::experiment::statistics::Interval;
use reslstm::error::Result;
use reslstm::train::{Augment, Protocol, Spread, Validation, Weights};
use std::collections::BTreeSet;

/// What the results do not say themselves.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The command that gives a cross-validation again.
    pub command: &'a dyn Fn(&Plan) -> String,
    /// What the licence of the data asks for; empty where it is not known.
    pub licence: &'a str,
}

/// The page of one cross-validation, as HTML text.
pub fn of_one(results: &Results, about: About<'_>) -> String {
    let table = Table1::of(std::slice::from_ref(results)).expect("one row contradicts no other");
    let row = &table.rows[0];
    let mut sheet = Sheet::new(&format!("Cross-validation of {}", row.ours.arch), &lead(row));
    detail(&mut sheet, results, about);
    sheet.licence(about.licence);
    sheet.html()
}

/// The page of several, which make up Tables I and II of the paper, as HTML text.
///
/// # Errors
/// As [`Table1::of`], if they do not.
pub fn of_paper(results: &[Results], about: About<'_>) -> Result<String> {
    let table1 = Table1::of(results)?;
    let best = table1.rows.iter().max_by(|a, b| a.ours.uar.mean.total_cmp(&b.ours.uar.mean)).expect("a row");
    let mut sheet = Sheet::new("Tables I and II", &format!("The highest mean: {}", lead(best)));
    sheet.heading("Table I: the models");
    table_1(&mut sheet, &table1);
    sheet.heading("Table II: beside the literature");
    table_2(&mut sheet, &Table2::of(&table1));
    let ours: Vec<ModelSummary> = table1.rows.iter().map(|row| row.ours.clone()).collect();
    sheet.figure(&parameters::svg("UAR by size of the model", &ours), "UAR against the number of parameters.");
    sheet.heading("Each model");
    for results in results {
        sheet.open(&name(&results.plan.settings));
        detail(&mut sheet, results, about);
        sheet.close();
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
        "{} under the {} protocol: UAR {uar}. Were there other speakers, it might be {} (95 % interval).{unfinished}",
        ours.arch,
        ours.protocol,
        interval_text(interval)
    )
}

fn protocol_note(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Strict => {
            "strict: features are normalised by the training speakers alone, padding counts nowhere, and the test speakers were \
             looked at once, at the end. UAR is the unweighted average recall (Eq. 6), from the confusion matrix of all folds."
        }
        Protocol::Published => {
            "published, as the paper's code: features are normalised by all speakers, test speakers included, and padded frames \
             count in batch norm and attention. Scores are for comparison with the paper's. UAR is the unweighted average recall \
             (Eq. 6), from the confusion matrix of all folds."
        }
    }
}

/// Tables, figures, settings, data and command of one cross-validation.
fn detail(sheet: &mut Sheet, results: &Results, about: About<'_>) {
    sheet.text(protocol_note(results.plan.settings.protocol));
    let summary = ModelSummary::of(&results.runs);
    sheet.heading("Scores");
    runs_table(sheet, results, &summary);
    ways_table(sheet, results);
    let title = format!("{}, {}", summary.arch, summary.protocol);
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
    sheet.figure(&matrix, "Confusion matrix, per cent of each row, all runs and folds together.");
    let groups = groups(results);
    sheet.figure(&groups::svg(&title, &groups, false), "Recall of groups of test clips; a dot a run.");
    sheet.heading("How it was trained");
    settings_facts(sheet, results, &summary);
    folds_table(sheet, results);
    sheet.heading("To repeat it");
    sheet.text("With the data in DATA, this gives the same models and summary.json, to the byte:");
    sheet.command(&(about.command)(&results.plan));
}

/// A row a run, a column a fold.
fn runs_table(sheet: &mut Sheet, results: &Results, summary: &ModelSummary) {
    let mut header = strings(["run", "UAR", "WAR", "macro-F1"]);
    header.extend(summary.folds.iter().map(|fold| format!("fold {fold}")));
    header.push("training, s".into());
    let row = |run: &RunResult| {
        let scores = [run.scores.uar, run.scores.war, run.scores.macro_f1].map(score);
        let folds = run.folds.iter().map(|fold| score(fold.test_uar));
        let seconds = format!("{:.0}", run.seconds);
        [run.run.to_string()].into_iter().chain(scores).chain(folds).chain([seconds]).collect()
    };
    let mut rows: Vec<Vec<String>> = results.runs.iter().map(row).collect();
    if results.runs.len() > 1 {
        let spreads = [&summary.uar, &summary.war, &summary.macro_f1].map(Spread::to_string);
        let over_runs = |fold: usize| {
            let of = |run: &RunResult| run.folds[fold].test_uar;
            score(Spread::of(results.runs.iter().map(of).collect()).mean)
        };
        let folds = (0..summary.folds.len()).map(over_runs);
        rows.push(["all".to_string()].into_iter().chain(spreads).chain(folds).chain([String::new()]).collect());
    }
    sheet.table("Test speakers. A run is one seed, scored over its pooled folds; under each fold its own UAR, in the last row the mean.", &header, &rows);
}

/// A row a way to predict, where there are others than by the weights that are kept.
fn ways_table(sheet: &mut Sheet, results: &Results) {
    let ways =
        Comparison::of(&[("the weights that are kept".into(), results.clone())]).expect("one contradicts no other");
    if ways.rows.len() == 1 {
        return;
    }
    let row = |row: &comparison::Row| {
        let more = row.more.as_ref().map(|more| &more.speakers);
        let more = more.map(|more| format!("{:+.4} {:+}", more.difference, more.interval));
        vec![
            row.way.as_ref().unwrap_or(&row.name).clone(),
            row.parameters.to_string(),
            row.uar.to_string(),
            score(row.uar.max),
            interval_text(&row.interval),
            more.unwrap_or_default(),
        ]
    };
    let header = strings(["way to predict", "parameters", "UAR", "max", "95 % interval", "more than the kept"]);
    let rows: Vec<_> = ways.rows.iter().map(row).collect();
    sheet.table("The same trainings, predicting in other ways; intervals over draws of speakers.", &header, &rows);
}

/// Recall of every class, and what it is taken for most often.
fn classes_table(sheet: &mut Sheet, summary: &ModelSummary) {
    let ModelSummary { confusion, labels, .. } = summary;
    let row = |(class, row): (usize, &Vec<u64>)| {
        let clips: u64 = row.iter().sum();
        let share = |count: u64| {
            if clips == 0 { "–".into() } else { format!("{:.1} %", 100.0 * count as f64 / clips as f64) }
        };
        let wrong =
            (0..row.len()).filter(|&other| other != class).max_by_key(|&other| (row[other], std::cmp::Reverse(other)));
        let wrong = wrong.filter(|&other| row[other] > 0);
        let mistaken = wrong.map_or("–".into(), |other| format!("{} ({})", labels[other], share(row[other])));
        vec![labels[class].clone(), clips.to_string(), share(row[class]), mistaken]
    };
    let header = strings(["class", "clips", "recall", "most often taken for"]);
    let rows: Vec<_> = confusion.rows().iter().enumerate().map(row).collect();
    sheet.table("All runs and folds together.", &header, &rows);
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
        Weights::Best => "those of the epoch that is best on the validation speakers".to_string(),
        Weights::Last => "those of the last epoch".into(),
        Weights::Average => {
            let epochs: Vec<usize> = settings.snapshots().map(|epoch| epoch + 1).collect();
            format!("the mean of those after epochs {}", numbers(&epochs))
        }
    };
    let heard = settings.augment.as_ref().map_or("as recorded".into(), |augment| {
        let Augment { speeds, conditions, stretch, channel, noise, .. } = augment;
        let conditions: String = conditions.iter().map(|condition| format!("{condition}; ")).collect();
        format!("at speeds {speeds:?}; {conditions}stretched by up to {stretch}, channel {channel}, noise {noise}")
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
        ("clips are heard", heard),
        ("weights kept", kept),
        ("seed", settings.seed.to_string()),
        ("runs", format!("{} of {}", results.runs.len(), results.plan.runs)),
        ("folds", format!("{}: {}", results.plan.folds, numbers(&summary.folds))),
        ("data", format!("{} clips of {} speakers, fingerprint {}", results.clips.len(), speakers.len(), summary.data)),
        ("made by", made.into_iter().collect::<Vec<_>>().join("; ")),
    ]);
}

/// Who is tested and who validates.
fn folds_table(sheet: &mut Sheet, results: &Results) {
    let row = |fold: &FoldRecord| {
        let split = &fold.split;
        vec![split.fold().to_string(), split.test().join(" "), split.validation().join(" ")]
    };
    let rows: Vec<_> = results.runs[0].folds.iter().map(row).collect();
    let header = strings(["fold", "test speakers", "validation speakers"]);
    let note = match results.plan.settings.validation {
        Validation::Apart => "Every other speaker trains; the validation speakers judge every epoch.",
        Validation::Train => "Every other speaker trains, and so do the validation speakers.",
    };
    sheet.table(note, &header, &rows);
}

fn table_1(sheet: &mut Sheet, table: &Table1) {
    let header = ["model", "protocol", "parameters", "runs", "UAR", "max", "95 % interval", "paper's UAR", "max"];
    let row = |row: &Row| {
        let Row { ours, runs_planned, interval, published, .. } = row;
        let paper = published.and_then(|row| Some(format!("{} ± {}", score(row.uar), score(row.std?))));
        vec![
            ours.arch.to_string(),
            ours.protocol.to_string(),
            ours.parameters.to_string(),
            format!("{}/{runs_planned}", ours.uar.values.len()),
            ours.uar.to_string(),
            score(ours.uar.max),
            interval_text(interval),
            or_dash(paper),
            or_dash(published.and_then(|row| row.max).map(score)),
        ]
    };
    let rows: Vec<_> = table.rows.iter().map(row).collect();
    sheet.table("UAR over seeds, each pooled over the folds.", &strings(header), &rows);
    sheet.text(SCORES_NOTE);
    let gain = |row: &Row| {
        let gain = row.gain.as_ref()?;
        Some(vec![
            row.ours.arch.to_string(),
            row.ours.protocol.to_string(),
            gain.seeds.to_string(),
            format!("{:+.4}", gain.difference),
            format!("{:+}", gain.interval),
            score(gain.p_speakers),
            score(gain.p_seeds),
        ])
    };
    let gains: Vec<_> = table.rows.iter().filter_map(gain).collect();
    if !gains.is_empty() {
        let header = ["model", "protocol", "seeds", "difference", "95 % interval", "p speakers", "p seeds"];
        let caption = "ResLSTM-SA less LSTM-SA of the same size, protocol and seeds.";
        sheet.table(caption, &strings(header), &gains);
        sheet.text(GAINS_NOTE);
    }
}

fn table_2(sheet: &mut Sheet, table: &Table2) {
    let rows: Vec<_> = table
        .rows
        .iter()
        .map(|row| {
            let parameters = or_dash(row.parameters.map(|parameters| parameters.to_string()));
            vec![row.model.clone(), parameters, score(row.uar), row.remark.clone()]
        })
        .collect();
    sheet.table("RAVDESS, speakers apart.", &strings(["model", "parameters", "UAR", ""]), &rows);
}

fn score(score: f64) -> String {
    format!("{score:.4}")
}

fn interval_text(interval: &Interval) -> String {
    format!("{}–{}", score(interval.low), score(interval.high))
}

fn numbers(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or("–".into())
}

fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(String::from).to_vec()
}
