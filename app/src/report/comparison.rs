//! Comparison of cross-validations: the UAR of each over seeds and speakers, and its difference from the first.

use super::table::{Cell, Column, Table};
use crate::experiment::Results;
use crate::experiment::results::RunResult;
use crate::experiment::statistics::{self, Interval, bootstrap, compare_over_seeds, compare_over_speakers};
use reslstm::error::{Error, Kind, Result};
use reslstm::train::{Confusion, Spread};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One row per cross-validation and predictor variant.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// In the order given, each cross-validation followed by its variants.
    pub rows: Vec<Row>,
}

/// One predictor of one cross-validation.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Name of the cross-validation.
    pub name: String,
    /// Name of the predictor variant; `None` for the kept weights.
    #[serde(rename = "way")]
    pub variant: Option<String>,
    /// What must be said of the scores: [`score_note`](reslstm::train::Protocol::score_note).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_note: Option<String>,
    /// Number of parameters of all its models.
    pub parameters: usize,
    /// UAR over runs, each pooled over the folds.
    pub uar: Spread,
    /// 95 % interval of the mean UAR over draws of speakers.
    pub interval: Interval,
    /// Compared with the first row; `None` for the first itself.
    #[serde(rename = "more")]
    pub gain: Option<Gain>,
}

/// The UAR of a row − the UAR of the first.
#[derive(Clone, Debug, Serialize)]
pub struct Gain {
    /// Over the same draws of speakers for both.
    #[serde(flatten)]
    pub speakers: statistics::Comparison,
    /// Two-sided p over pairs of seeds, if both have the same runs.
    pub p_seeds: Option<f64>,
}

/// The numbers of a row that others are compared with.
struct Counted {
    runs: Vec<usize>,
    uars: Vec<f64>,
    speakers: BTreeMap<String, Confusion>,
}

impl Comparison {
    /// Compares cross-validations, each with a name; at least one.
    ///
    /// # Errors
    /// [`Kind::Data`] if they do not have the same classes and test speakers.
    pub fn new(all: &[(String, Results)]) -> Result<Self> {
        let mut rows: Vec<Row> = Vec::new();
        let mut first: Option<Counted> = None;
        for (name, results) in all {
            let kept = std::iter::once((None, results.runs[0].parameters));
            let variants =
                results.runs[0].variants.iter().map(|variant| (Some(variant.name.as_str()), variant.parameters));
            for (variant, parameters) in kept.chain(variants) {
                let counted = Counted::new(results, variant);
                let gain = first.as_ref().map(|first| counted.gain_over(first)).transpose();
                let gain = gain.map_err(|error| error.at(name))?;
                let speakers: Vec<Confusion> = counted.speakers.values().cloned().collect();
                let (uar, interval) = (Spread::new(counted.uars.clone()), bootstrap(&speakers));
                let (name, variant) = (name.clone(), variant.map(String::from));
                let score_note = results.runs[0].score_note.clone();
                rows.push(Row { name, variant, score_note, parameters, uar, interval, gain });
                first.get_or_insert(counted);
            }
        }
        Ok(Comparison { rows })
    }

    /// One row per cross-validation and predictor variant.
    fn table(&self) -> Table {
        let mut table = Table::new(vec![
            Column::left("", 4),
            Column::csv_only(&["name"]),
            Column::csv_only(&["way"]),
            Column::right("parameters", 10).csv(&["parameters"]),
            Column::right("runs", 4).csv(&["runs"]),
            Column::right("UAR mean ± std", 15).gap(2).csv(&["uar_mean", "uar_std"]),
            Column::right("max", 7).csv(&["uar_max"]),
            Column::left("95 % interval", 16).gap(2).csv(&["uar_low", "uar_high"]),
            Column::right("more", 7).gap(2).csv(&["more"]),
            Column::left("95 % interval", 18).gap(2).csv(&["more_low", "more_high"]),
            Column::right("p speakers", 10).csv(&["p_speakers"]),
            Column::right("p seeds", 8).csv(&["p_seeds"]),
            Column::csv_only(&["score_note"]),
        ]);
        for Row { name, variant, score_note, parameters, uar, interval, gain } in &self.rows {
            let speakers = gain.as_ref().map(|gain| &gain.speakers);
            let cell = |cell: fn(&statistics::Comparison) -> Cell| speakers.map_or(Cell::Empty, cell);
            let p_seeds = gain.as_ref().map_or(Cell::Empty, |gain| Cell::or_missing(gain.p_seeds, Cell::Score));
            table.push(vec![
                variant.as_ref().map_or(name.clone(), |variant| format!("  {variant}")).into(),
                name.clone().into(),
                variant.clone().unwrap_or_default().into(),
                (*parameters).into(),
                uar.values.len().into(),
                uar.into(),
                Cell::Score(uar.max),
                Cell::Interval(*interval),
                cell(|gain| Cell::SignedScore(gain.difference)),
                cell(|gain| Cell::SignedInterval(gain.interval)),
                cell(|gain| Cell::Score(gain.p)),
                p_seeds,
                score_note.clone().unwrap_or_default().into(),
            ]);
        }
        table
    }

    /// Aligned text with an explanation of the numbers.
    pub fn text(&self) -> String {
        let noted: BTreeSet<&str> = self.rows.iter().filter_map(|row| row.score_note.as_deref()).collect();
        let named = |note: &str| {
            let names: BTreeSet<&str> =
                self.rows.iter().filter(|row| row.score_note.as_deref() == Some(note)).map(|row| &*row.name).collect();
            format!("{}: {note}\n", names.into_iter().collect::<Vec<_>>().join(", "))
        };
        self.table().text() + "\n" + &noted.into_iter().map(named).collect::<String>() + NOTE
    }

    /// CSV text, every digit kept.
    pub fn csv(&self) -> String {
        self.table().csv()
    }
}

const NOTE: &str = "\
mean ± std (ddof 0), max: over seeds. 95 % interval: of the mean, were there other speakers. more: than the first row, and its
interval over the same draws of speakers. p, both two-sided: p speakers of these draws, p seeds of the sign-flip test over pairs of
seeds, where both have the same runs. Neither is corrected for the number of comparisons.
";

impl Counted {
    fn new(results: &Results, variant: Option<&str>) -> Self {
        let uar = |run: &RunResult| match variant {
            None => run.scores.uar,
            Some(name) => run.variants.iter().find(|other| other.name == name).expect("a variant of every run").uar,
        };
        let runs: Vec<&RunResult> = results.runs.iter().collect();
        Counted {
            runs: runs.iter().map(|run| run.run).collect(),
            uars: runs.iter().map(|run| uar(run)).collect(),
            speakers: results.by_speaker(&runs, variant),
        }
    }

    fn gain_over(&self, first: &Counted) -> Result<Gain> {
        let occurred = |speakers: &BTreeMap<String, Confusion>| {
            let clips =
                |confusion: &Confusion| confusion.rows().iter().map(|row| row.iter().sum::<u64>() > 0).collect();
            speakers.iter().map(|(name, confusion)| (name.clone(), clips(confusion))).collect::<Vec<(_, Vec<bool>)>>()
        };
        if occurred(&self.speakers) != occurred(&first.speakers) {
            let problem = "expected the test speakers and classes of the first, got others";
            return Err(Error::new(Kind::Data, problem).advice("compare cross-validations of the same data"));
        }
        let all = |counted: &Counted| counted.speakers.values().cloned().collect::<Vec<Confusion>>();
        let differences: Vec<f64> = self.uars.iter().zip(&first.uars).map(|(ours, theirs)| ours - theirs).collect();
        Ok(Gain {
            speakers: compare_over_speakers(&all(self), &all(first)),
            p_seeds: (self.runs == first.runs).then(|| compare_over_seeds(&differences)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::results;
    use reslstm::train::run::PredictorVariant;

    #[test]
    fn every_variant_is_a_row_and_is_compared_with_the_first() {
        let mut results = results();
        let mut first = Comparison::new(&[("a".into(), results.clone())]).unwrap();
        assert_eq!((first.rows.len(), first.rows[0].gain.is_none()), (1, true));
        let expected = crate::experiment::results::ModelSummary::new(&results.runs).uar;
        assert_eq!(first.rows.remove(0).uar, expected);

        // A variant that is always right.
        for run in &mut results.runs {
            for fold in &mut run.folds {
                let right: Vec<usize> = results
                    .clips
                    .iter()
                    .filter(|clip| fold.split.test().contains(&clip.speaker))
                    .map(|clip| clip.label)
                    .collect();
                let mut confusion = Confusion::new(8);
                right.iter().for_each(|&class| confusion.count(class, class));
                fold.variants =
                    vec![PredictorVariant { name: "right".into(), models: 3, predictions: right, confusion }];
            }
            *run = RunResult::pool(
                run.run,
                &run.settings.clone(),
                run.labels.clone(),
                "data",
                run.parameters,
                run.folds.clone(),
                run.made.clone(),
            );
        }
        let both = Comparison::new(&[("a".into(), results.clone()), ("b".into(), results)]).unwrap();
        let names: Vec<_> = both.rows.iter().map(|row| (row.name.as_str(), row.variant.as_deref())).collect();
        assert_eq!(names, [("a", None), ("a", Some("right")), ("b", None), ("b", Some("right"))]);
        let right = both.rows[1].gain.as_ref().unwrap();
        assert_eq!((both.rows[1].uar.mean, both.rows[1].parameters), (1.0, 3 * 46_772));
        approx::assert_abs_diff_eq!(right.speakers.difference, 1.0 - expected.mean, epsilon = 1e-12);
        let same = both.rows[2].gain.as_ref().unwrap();
        assert_eq!((same.speakers.difference, same.speakers.p, same.p_seeds), (0.0, 1.0, Some(1.0)));
        let text = both.text();
        assert!(text.lines().nth(2).unwrap().starts_with("  right") && text.contains("1.0000 ± 0.0000"), "{text}");
        assert_eq!(both.csv().lines().count(), 5);
    }

    #[test]
    fn other_speakers_are_refused() {
        let one = results();
        let mut other = one.clone();
        other.clips.iter_mut().for_each(|clip| clip.speaker = format!("x{}", clip.speaker));
        for fold in other.runs.iter_mut().flat_map(|run| &mut run.folds) {
            let named = |names: &[String]| names.iter().map(|name| format!("x{name}")).collect();
            let split = &fold.split;
            fold.split = reslstm::data::folds::Split::new(
                split.fold(),
                named(split.train()),
                named(split.validation()),
                named(split.test()),
            )
            .unwrap();
        }
        let error = Comparison::new(&[("one".into(), one), ("other".into(), other)]).unwrap_err();
        assert!(error.to_string().starts_with("other: expected the test speakers"), "{error}");
    }
}
