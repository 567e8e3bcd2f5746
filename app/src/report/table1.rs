//! Table I: the UAR of each model and protocol over seeds, its uncertainty, and the published scores.

use super::decomposition;
use super::published::{Published, TABLE_1};
use super::table::{Cell, Column, Table};
use crate::experiment::Plan;
use crate::experiment::Results;
use crate::experiment::results::{ModelSummary, RunResult};
use crate::experiment::statistics::{Interval, bootstrap, compare_over_seeds, compare_over_speakers};
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{Architecture, Family};
use reslstm::train::identity::first_difference;
use reslstm::train::{CheckedSettings, Confusion, Protocol};
use serde::Serialize;
use serde_json::{Value, json};

/// The models of the table: the paper's, whose LSTM-SA-h128 has two attention vectors by its number of parameters, and the one
/// that has the single vector of its text.
pub const MODELS: [&str; 7] = [
    "lstm-sa-h32",
    "lstm-sa-h64",
    "lstm-sa-h128",
    "lstm-sa-h128-2vectors",
    "reslstm-sa-h32",
    "reslstm-sa-h64",
    "reslstm-sa-h128",
];

/// The protocols, in the table's order.
pub const PROTOCOLS: [Protocol; 3] = [Protocol::Strict, Protocol::Published, Protocol::Table1];

/// What kind of score a protocol gives: three kinds never share a table.
pub fn kind(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Strict => "strict: nothing is chosen on the test speakers.",
        Protocol::Published => {
            "published: hyper-parameters chosen on the test speakers, epochs on validation speakers."
        }
        Protocol::Table1 => "table1: hyper-parameters and epochs chosen on the test speakers.",
    }
}

/// The table: one row per model and protocol with a finished run.
#[derive(Clone, Debug, Serialize)]
pub struct Table1 {
    /// By protocol, in each the paper's models in its order and then any others.
    pub rows: Vec<Row>,
}

/// A model under a protocol.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Over the runs that are finished.
    #[serde(flatten)]
    pub ours: ModelSummary,
    /// Number of planned runs.
    pub runs_planned: usize,
    /// 95 % interval of the mean UAR over draws of speakers.
    pub interval: Interval,
    /// The gain of the residual block, if the model has one and there are results without.
    pub gain: Option<Gain>,
    /// The published score of this model, of a protocol like `table1` as it seems.
    pub published: Option<Published>,
}

/// ResLSTM-SA − LSTM-SA of the same size, protocol and seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Gain {
    /// The model it is compared with.
    pub over: Architecture,
    /// Number of seeds that both have.
    pub seeds: usize,
    /// Difference of the UAR, mean over seeds.
    pub difference: f64,
    /// 95 % interval of the difference over draws of speakers.
    pub interval: Interval,
    /// Two-sided p over draws of speakers.
    pub p_speakers: f64,
    /// Two-sided p over pairs of seeds.
    pub p_seeds: f64,
}

impl Table1 {
    /// Makes the table of cross-validations that differ in model and hyper-parameters alone. Those that are made for the
    /// [`decomposition`] are no rows of it.
    ///
    /// # Errors
    /// [`Kind::Data`] if they differ in data, folds, epochs or seed, or two are of one model and protocol.
    pub fn new(results: &[Results]) -> Result<Self> {
        let mut sorted: Vec<&Results> = results.iter().filter(|results| !decomposition::is_part(results)).collect();
        sorted.sort_by_cached_key(|results| place(results));
        for pair in sorted.windows(2) {
            let (before, now) = (pair[0], pair[1]);
            let wrong = |problem: String| Err(Error::new(Kind::Data, problem).at(name(&now.plan.settings)));
            if place(before) == place(now) {
                return wrong("expected one folder of this model and protocol, got two".into());
            }
            if let Some(difference) = difference(before, &now.plan, &now.runs[0].data) {
                return wrong(format!("not of one table with {}: {difference}", name(&before.plan.settings)));
            }
        }
        Ok(Table1 { rows: sorted.iter().map(|results| row(results, &sorted)).collect() })
    }

    /// The paper's models that have no row under a protocol.
    fn missing(&self, protocol: Protocol) -> Vec<&'static str> {
        let there = |model: &str| {
            self.rows.iter().any(|row| row.ours.protocol == protocol && row.ours.arch.to_string() == model)
        };
        MODELS.into_iter().filter(|model| !there(model)).collect()
    }

    /// Scores over seeds under a protocol, and the published scores.
    pub(super) fn scores(&self, protocol: Protocol) -> Table {
        Self::table(self.rows.iter().filter(|row| row.ours.protocol == protocol))
    }

    /// Scores over seeds and the published scores. As CSV it has the gains too.
    fn table<'a>(rows: impl Iterator<Item = &'a Row>) -> Table {
        let mut table = Table::new(vec![
            Column::left("model", 22).csv(&["model"]),
            Column::left("protocol", 9).csv(&["protocol"]),
            Column::right("parameters", 10).csv(&["parameters"]),
            Column::right("runs", 5).csv(&["runs", "runs_planned"]),
            Column::right("mean ± std", 15).gap(2).csv(&["uar_mean", "uar_std"]).page_heading("UAR"),
            Column::right("max", 7).csv(&["uar_max"]),
            Column::left("95 % interval", 16).gap(2).csv(&["uar_low", "uar_high"]),
            Column::csv_only(&["war_mean"]),
            Column::csv_only(&["macro_f1_mean"]),
            Column::csv_only(&["gain_over"]),
            Column::csv_only(&["gain_seeds"]),
            Column::csv_only(&["gain"]),
            Column::csv_only(&["gain_low", "gain_high"]),
            Column::csv_only(&["gain_p_speakers"]),
            Column::csv_only(&["gain_p_seeds"]),
            Column::csv_only(&["paper_parameters"]),
            Column::right("paper's", 15).gap(2).csv(&["paper_uar_mean", "paper_uar_std"]).page_heading("paper's UAR"),
            Column::right("max", 7).csv(&["paper_uar_max"]),
            Column::csv_only(&["score_note"]),
        ]);
        for Row { ours, runs_planned, interval, gain, published } in rows {
            let gain = |cell: fn(&Gain) -> Cell| Cell::or_missing(gain.as_ref(), cell);
            let paper = |number: fn(Published) -> Option<f64>| published.and_then(number);
            table.push(vec![
                ours.arch.to_string().into(),
                ours.protocol.to_string().into(),
                ours.parameters.into(),
                Cell::Progress(ours.uar.values.len(), *runs_planned),
                (&ours.uar).into(),
                Cell::Score(ours.uar.max),
                Cell::Interval(*interval),
                Cell::Score(ours.war.mean),
                Cell::Score(ours.macro_f1.mean),
                gain(|gain| gain.over.to_string().into()),
                gain(|gain| gain.seeds.into()),
                gain(|gain| Cell::SignedScore(gain.difference)),
                gain(|gain| Cell::SignedInterval(gain.interval)),
                gain(|gain| Cell::Score(gain.p_speakers)),
                gain(|gain| Cell::Score(gain.p_seeds)),
                Cell::or_missing(published.and_then(|row| row.parameters), Cell::Count),
                Cell::or_missing(paper(|row| Some(row.uar)).zip(paper(|row| row.std)), |(uar, std)| {
                    Cell::Spread(uar, std)
                }),
                Cell::or_missing(paper(|row| row.max), Cell::Score),
                ours.score_note.clone().unwrap_or_default().into(),
            ]);
        }
        table
    }

    /// ResLSTM-SA − LSTM-SA.
    pub(super) fn gains(&self) -> Table {
        let mut table = Table::new(vec![
            Column::left("model", 22),
            Column::left("protocol", 9),
            Column::right("seeds", 5),
            Column::right("difference", 10).gap(2),
            Column::left("95 % interval", 18).gap(2),
            Column::right("p speakers", 10),
            Column::right("p seeds", 8),
        ]);
        for (ours, gain) in self.rows.iter().filter_map(|row| Some((&row.ours, row.gain.as_ref()?))) {
            table.push(vec![
                ours.arch.to_string().into(),
                ours.protocol.to_string().into(),
                gain.seeds.into(),
                Cell::SignedScore(gain.difference),
                Cell::SignedInterval(gain.interval),
                Cell::Score(gain.p_speakers),
                Cell::Score(gain.p_seeds),
            ]);
        }
        table
    }

    /// Aligned text: scores, gains, and an explanation of the numbers.
    pub fn text(&self) -> String {
        let title = "Table I. UAR pooled over the folds: over our seeds, and as the paper reports it over ten.";
        let mut text = format!("{title}\n");
        for protocol in PROTOCOLS {
            let (scores, missing) = (self.scores(protocol), self.missing(protocol));
            if !scores.is_empty() {
                text += &format!("\n{}\n\n{}", kind(protocol), scores.text());
            }
            if !missing.is_empty() {
                text += &format!("\nNot there yet, {protocol}: {}.\n", missing.join(", "));
            }
        }
        text.push('\n');
        text += SCORES_NOTE;
        let gains = self.gains();
        if !gains.is_empty() {
            let title = "ResLSTM-SA − LSTM-SA of the same size, protocol and seeds.";
            text += &format!("\n{title}\n\n{}\n{GAINS_NOTE}", gains.text());
        }
        text
    }

    /// CSV text, every digit kept; a missing value is empty.
    pub fn csv(&self) -> String {
        Self::table(self.rows.iter()).csv()
    }
}

pub(super) const SCORES_NOTE: &str = "\
mean ± std (ddof 0), max: over seeds. 95 % interval: of the mean, were there other speakers: 10,000 draws of as many
speakers with replacement, the models as they were trained. Other seeds and other training speakers are not in it.
The paper's scores are of a protocol like table1, as it seems: chosen on the test speakers.
";

pub(super) const GAINS_NOTE: &str = "\
95 % interval, p speakers: of draws of speakers, the same for both models. A small p: other speakers would agree with the
sign, given these models. p seeds: exact sign-flip test over the pairs of seeds. A small p: for these speakers, the sign is
not an accident of initial weights, order and dropout. Both are two-sided, and not corrected for the number of comparisons.
";

/// The settings that all rows of a table share.
fn common(Plan { settings, folds, .. }: &Plan, data: &str) -> Value {
    json!({ "data": data, "folds": folds, "epochs": settings.epochs, "seed": settings.seed })
}

/// The first difference between results and a plan for data, in the settings that all rows of a table share.
pub fn difference(results: &Results, plan: &Plan, data: &str) -> Option<String> {
    first_difference("", &common(&results.plan, &results.runs[0].data), &common(plan, data))
}

/// The name of a row, and of its folder.
pub fn name(settings: &CheckedSettings) -> String {
    let apart = if decomposition::is_apart(settings) { "-apart" } else { "" };
    format!("{}-{}{apart}", settings.arch, settings.protocol)
}

/// The sort key of a row: by protocol, then in the paper's order, then by name.
fn place(results: &Results) -> (usize, usize, String) {
    let settings = &results.plan.settings;
    let arch = settings.arch.to_string();
    let protocol = PROTOCOLS.iter().position(|protocol| *protocol == settings.protocol);
    let model = MODELS.iter().position(|model| *model == arch);
    (protocol.expect("every protocol is one of them"), model.unwrap_or(MODELS.len()), arch)
}

/// The row of a cross-validation, with its gain over one of `all`.
pub(super) fn row(results: &Results, all: &[&Results]) -> Row {
    let runs: Vec<&RunResult> = results.runs.iter().collect();
    let settings = &results.plan.settings;
    let arch = settings.arch.to_string();
    let plain = settings.arch.with_family(Family::LstmSa);
    let same =
        |other: &&&Results| other.plan.settings.arch == plain && other.plan.settings.protocol == settings.protocol;
    let other = all.iter().find(same).filter(|_| settings.arch.family() == Family::ResLstmSa);
    Row {
        ours: ModelSummary::new(&results.runs),
        runs_planned: results.plan.runs,
        interval: bootstrap(&speakers(results, &runs)),
        gain: other.and_then(|other| gain(results, other)),
        published: TABLE_1.into_iter().find(|row| row.arch == Some(&arch)),
    }
}

/// The gain over the seeds that both have; `None` if there are none.
fn gain(first: &Results, second: &Results) -> Option<Gain> {
    let partner = |run: &RunResult| second.runs.iter().find(|other| other.run == run.run);
    let (ours, others): (Vec<&RunResult>, Vec<&RunResult>) =
        first.runs.iter().filter_map(|run| Some((run, partner(run)?))).unzip();
    if ours.is_empty() {
        return None;
    }
    let differences: Vec<f64> = ours.iter().zip(&others).map(|(a, b)| a.scores.uar - b.scores.uar).collect();
    let over_speakers = compare_over_speakers(&speakers(first, &ours), &speakers(second, &others));
    Some(Gain {
        over: second.plan.settings.arch,
        seeds: ours.len(),
        difference: over_speakers.difference,
        interval: over_speakers.interval,
        p_speakers: over_speakers.p,
        p_seeds: compare_over_seeds(&differences),
    })
}

/// The confusion matrix of each test speaker over some runs, in the order of the speakers' names.
fn speakers(results: &Results, runs: &[&RunResult]) -> Vec<Confusion> {
    results.by_speaker(runs, None).into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::ClipRecord;
    use crate::experiment::results::{Epochs, FoldRecord, Made};
    use reslstm::data::folds::Split;
    use reslstm::train::Settings;

    /// Two classes, four clips of each of four speakers; two folds, which test two speakers each. `wrong` has, for each run,
    /// how many of the clips of speakers a, b, c, d are mistaken, class 0 first.
    fn results(arch: &str, protocol: Protocol, wrong: &[[usize; 4]]) -> Results {
        let speakers = ["a", "b", "c", "d"];
        let clip = |n: usize| ClipRecord { name: n.to_string(), label: n / 8, speaker: speakers[n % 4].into() };
        let clips: Vec<ClipRecord> = (0..16).map(clip).collect();
        let settings =
            Settings::default().with(|it| (it.arch, it.protocol) = (arch.parse().unwrap(), protocol)).check().unwrap();
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let run = |(number, wrong): (usize, &[usize; 4])| {
            let fold = |fold: usize| {
                let (test, others) = if fold == 0 { (["a", "b"], ["c", "d"]) } else { (["c", "d"], ["a", "b"]) };
                let split = Split::new(fold, names(&others[..1]), names(&others[1..]), names(&test)).unwrap();
                let mut seen = [0; 4];
                let (mut predictions, mut confusion) = (Vec::new(), Confusion::new(2));
                for (n, clip) in clips.iter().enumerate().filter(|(_, clip)| test.contains(&&*clip.speaker)) {
                    let mistaken = seen[n % 4] < wrong[n % 4];
                    seen[n % 4] += 1;
                    predictions.push(if mistaken { 1 - clip.label } else { clip.label });
                    confusion.count(clip.label, *predictions.last().unwrap());
                }
                let (test_uar, epochs) = (confusion.uar(), Epochs::default());
                FoldRecord {
                    split,
                    best_epoch: 0,
                    validation_uar: Some(0.5),
                    test_uar,
                    predictions,
                    confusion,
                    no_speech: None,
                    seconds: 1.0,
                    epochs,
                    enrolment: Vec::new(),
                    variants: Vec::new(),
                }
            };
            let made = Made { host: "h".into(), threads: 1, date: "2026-11-24".into(), program: "p".into() };
            RunResult::pool(number, &settings, names(&["x", "y"]), "data", 99, vec![fold(0), fold(1)], made)
        };
        let runs = wrong.iter().enumerate().map(run).collect();
        let plan = Plan { settings: settings.clone(), runs: 3, folds: "0,1".parse().unwrap(), map: Default::default() };
        Results { plan, clips, runs }
    }

    #[test]
    fn scores_intervals_and_gains_are_those_of_the_runs() {
        let plain = results("lstm-sa-h64", Protocol::Strict, &[[4, 0, 0, 0], [4, 0, 2, 0], [0, 1, 1, 1]]);
        let residual = results("reslstm-sa-h64", Protocol::Strict, &[[2, 0, 0, 0], [1, 0, 1, 0]]);
        let table = Table1::new(&[residual, plain]).unwrap();
        let [plain, residual] = &table.rows[..] else { panic!("{table:?}") };
        // 4 and 6 of 16 clips are mistaken; classes are of one size, but not the mistakes.
        assert_eq!(plain.ours.uar.values, [0.75, 0.625, 1.0 - 3.0 / 16.0]);
        assert_eq!(residual.ours.uar.values, [0.875, 0.875]);
        assert_eq!((residual.ours.uar.values.len(), residual.runs_planned), (2, 3));
        assert!(plain.interval.low < plain.ours.uar.mean && plain.ours.uar.mean < plain.interval.high);
        assert!(plain.gain.is_none());
        let gain = residual.gain.as_ref().unwrap();
        assert_eq!((gain.over.to_string().as_str(), gain.seeds), ("lstm-sa-h64", 2));
        // Of the two seeds that both have: 0.125 and 0.25.
        approx::assert_abs_diff_eq!(gain.difference, 0.1875, epsilon = 1e-12);
        assert_eq!(gain.p_seeds, 0.5);
        // No speaker is served worse, so only draws without a and c, as 1 in 16, leave nothing.
        assert_eq!(gain.interval.low, 0.0);
        assert!((gain.p_speakers - 2.0 / 16.0).abs() < 0.02, "{}", gain.p_speakers);
        assert_eq!(residual.published.unwrap().uar, 0.6232);

        let text = table.text();
        let line = text.lines().find(|line| line.starts_with("reslstm-sa-h64")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..8], ["reslstm-sa-h64", "strict", "99", "2/3", "0.8750", "±", "0.0000", "0.8750"]);
        assert_eq!(words[words.len() - 4..], ["0.6232", "±", "0.0119", "0.6517"]);
        assert!(text.contains("\nNot there yet, published: lstm-sa-h32, "), "{text}");
        assert!(text.contains("     2     +0.1875  [+0.0000, "), "{text}");
        let width = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(width <= 140, "{width}");
    }

    #[test]
    fn csv_has_as_many_fields_in_every_row() {
        let one = [[1, 0, 2, 0]];
        let protocol = Protocol::Published;
        let all = ["lstm-sa-h4", "reslstm-sa-h4", "lstm-sa-h32"].map(|arch| results(arch, protocol, &one));
        let csv = Table1::new(&all).unwrap().csv();
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let header = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(std::result::Result::unwrap).collect();
        let field = |row: usize, name: &str| &rows[row][header.iter().position(|field| field == name).unwrap()];
        // The paper's models come first.
        assert_eq!([0, 1, 2].map(|row| field(row, "model")), ["lstm-sa-h32", "lstm-sa-h4", "reslstm-sa-h4"]);
        assert_eq!((field(0, "paper_uar_max"), field(0, "gain")), ("0.5547", ""));
        assert_eq!((field(2, "gain_over"), field(2, "gain"), field(2, "paper_parameters")), ("lstm-sa-h4", "0", ""));
        assert_eq!((field(1, "uar_mean"), field(1, "runs"), field(1, "runs_planned")), ("0.8125", "1", "3"));
    }

    #[test]
    fn results_that_do_not_belong_to_one_table_are_refused() {
        let row = |arch: &str| results(arch, Protocol::Strict, &[[1, 0, 2, 0]]);
        let refused = |all: &[Results], expected: &str| {
            let error = Table1::new(all).unwrap_err();
            assert_eq!(error.kind(), Kind::Data);
            assert_eq!(error.to_string(), expected);
        };
        refused(
            &[row("lstm-sa-h4"), row("lstm-sa-h4")],
            "lstm-sa-h4-strict: expected one folder of this model and protocol, got two",
        );
        let longer = |settings: Settings| settings.with(|it| it.epochs = 7).check().unwrap();
        let mut other = row("lstm-sa-h5");
        other.plan.settings = longer((*other.plan.settings).clone());
        let expected = "lstm-sa-h5-strict: not of one table with lstm-sa-h4-strict: epochs was 100, now 7";
        refused(&[row("lstm-sa-h4"), other], expected);
        let mut other = row("lstm-sa-h5");
        other.runs[0].data = "others".into();
        let expected = "lstm-sa-h5-strict: not of one table with lstm-sa-h4-strict: data was \"data\", now \"others\"";
        refused(&[other, row("lstm-sa-h4")], expected);
    }
}
