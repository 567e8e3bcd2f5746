//! Cross-validations side by side: each one's UAR over seeds and speakers, and what it has more than the first.

use super::csv_text;
use crate::experiment::Results;
use crate::experiment::results::RunResult;
use crate::experiment::statistics::{self, Interval, bootstrap, compare_over_seeds, compare_over_speakers};
use reslstm::error::{Error, Kind, Result};
use reslstm::train::{Confusion, Spread};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A row a cross-validation and way to predict.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// In the order given; the ways of one stand together.
    pub rows: Vec<Row>,
}

/// One way to predict, of one cross-validation.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What the cross-validation is called.
    pub name: String,
    /// Which way; `None` for the weights that are kept.
    pub way: Option<String>,
    /// Number of learned values of all models it takes.
    pub parameters: usize,
    /// UAR over runs, each pooled over the folds.
    pub uar: Spread,
    /// 95 % interval of the mean UAR over draws of speakers.
    pub interval: Interval,
    /// Against the first row; `None` for the first itself.
    pub more: Option<More>,
}

/// What a row has more than the first.
#[derive(Clone, Debug, Serialize)]
pub struct More {
    /// Over draws of speakers, the same for both.
    #[serde(flatten)]
    pub speakers: statistics::Comparison,
    /// Two-sided p over pairs of seeds, where both have the same runs.
    pub p_seeds: Option<f64>,
}

/// The numbers of a row that others are compared with.
struct Counted {
    runs: Vec<usize>,
    uars: Vec<f64>,
    speakers: BTreeMap<String, Confusion>,
}

impl Comparison {
    /// Of cross-validations by name, at least one.
    ///
    /// # Errors
    /// [`Kind::Data`] if they have not the same classes and test speakers.
    pub fn of(all: &[(String, Results)]) -> Result<Self> {
        let mut rows: Vec<Row> = Vec::new();
        let mut first: Option<Counted> = None;
        for (name, results) in all {
            let kept = std::iter::once((None, results.runs[0].parameters));
            let others = results.runs[0].others.iter().map(|other| (Some(other.name.as_str()), other.parameters));
            for (way, parameters) in kept.chain(others) {
                let counted = Counted::of(results, way);
                let more = first.as_ref().map(|first| counted.more(first)).transpose();
                let more = more.map_err(|error| error.at(name))?;
                let speakers: Vec<Confusion> = counted.speakers.values().cloned().collect();
                let (uar, interval) = (Spread::of(counted.uars.clone()), bootstrap(&speakers));
                let (name, way) = (name.clone(), way.map(String::from));
                rows.push(Row { name, way, parameters, uar, interval, more });
                first.get_or_insert(counted);
            }
        }
        Ok(Comparison { rows })
    }

    /// For people.
    pub fn text(&self) -> String {
        let title = |row: &Row| row.way.as_ref().map_or(row.name.clone(), |way| format!("  {way}"));
        let width = self.rows.iter().map(|row| title(row).chars().count()).max().unwrap_or(0).max(4);
        let mut text = format!(
            "{:width$} {:>10} {:>4}  {:>15} {:>7}  {:<16}  {:>7}  {:<18} {:>10} {:>8}\n",
            "",
            "parameters",
            "runs",
            "UAR mean ± std",
            "max",
            "95 % interval",
            "more",
            "95 % interval",
            "p speakers",
            "p seeds"
        );
        for row in &self.rows {
            let Row { parameters, uar, interval, more, .. } = row;
            write!(
                text,
                "{:width$} {parameters:>10} {:>4}  {uar:>15} {:>7.4}  {interval:<16}",
                title(row),
                uar.values.len(),
                uar.max
            )
            .expect("writing to a string");
            if let Some(More { speakers: statistics::Comparison { difference, interval, p }, p_seeds }) = more {
                let seeds = p_seeds.map_or("–".into(), |p| format!("{p:.4}"));
                write!(text, "  {difference:>+7.4}  {interval:<+18} {p:>10.4} {seeds:>8}")
                    .expect("writing to a string");
            }
            text.push('\n');
        }
        text + "\n" + NOTE
    }

    /// The same as CSV text, every digit kept.
    pub fn csv(&self) -> String {
        let header = [
            "name",
            "way",
            "parameters",
            "runs",
            "uar_mean",
            "uar_std",
            "uar_max",
            "uar_low",
            "uar_high",
            "more",
            "more_low",
            "more_high",
            "p_speakers",
            "p_seeds",
        ];
        let row = |row: &Row| {
            let Row { name, way, parameters, uar, interval, more } = row;
            let more = |of: fn(&More) -> Option<f64>| {
                more.as_ref().and_then(of).map_or(String::new(), |number| number.to_string())
            };
            [
                name.clone(),
                way.clone().unwrap_or_default(),
                parameters.to_string(),
                uar.values.len().to_string(),
                uar.mean.to_string(),
                uar.std.to_string(),
                uar.max.to_string(),
                interval.low.to_string(),
                interval.high.to_string(),
                more(|more| Some(more.speakers.difference)),
                more(|more| Some(more.speakers.interval.low)),
                more(|more| Some(more.speakers.interval.high)),
                more(|more| Some(more.speakers.p)),
                more(|more| more.p_seeds),
            ]
        };
        csv_text(&header, self.rows.iter().map(row))
    }
}

const NOTE: &str = "\
mean ± std (ddof 0), max: over seeds. 95 % interval: of the mean, were there other speakers. more: than the first row, and its
interval over the same draws of speakers. p, both two-sided: p speakers of these draws, p seeds of the sign-flip test over pairs of
seeds, where both have the same runs. Neither is corrected for the number of comparisons.
";

impl Counted {
    fn of(results: &Results, way: Option<&str>) -> Self {
        let uar = |run: &RunResult| match way {
            None => run.scores.uar,
            Some(name) => run.others.iter().find(|other| other.name == name).expect("a way of every run").uar,
        };
        let runs: Vec<&RunResult> = results.runs.iter().collect();
        Counted {
            runs: runs.iter().map(|run| run.run).collect(),
            uars: runs.iter().map(|run| uar(run)).collect(),
            speakers: results.by_speaker(&runs, way),
        }
    }

    fn more(&self, first: &Counted) -> Result<More> {
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
        Ok(More {
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
    fn every_way_is_a_row_and_is_compared_with_the_first() {
        let mut results = results();
        let mut first = Comparison::of(&[("a".into(), results.clone())]).unwrap();
        assert_eq!((first.rows.len(), first.rows[0].more.is_none()), (1, true));
        let expected = crate::experiment::results::ModelSummary::of(&results.runs).uar;
        assert_eq!(first.rows.remove(0).uar, expected);

        // Another way that is always right.
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
                fold.others = vec![PredictorVariant { name: "right".into(), models: 3, predictions: right, confusion }];
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
        let both = Comparison::of(&[("a".into(), results.clone()), ("b".into(), results)]).unwrap();
        let names: Vec<_> = both.rows.iter().map(|row| (row.name.as_str(), row.way.as_deref())).collect();
        assert_eq!(names, [("a", None), ("a", Some("right")), ("b", None), ("b", Some("right"))]);
        let right = both.rows[1].more.as_ref().unwrap();
        assert_eq!((both.rows[1].uar.mean, both.rows[1].parameters), (1.0, 3 * 46_772));
        approx::assert_abs_diff_eq!(right.speakers.difference, 1.0 - expected.mean, epsilon = 1e-12);
        let same = both.rows[2].more.as_ref().unwrap();
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
        let error = Comparison::of(&[("one".into(), one), ("other".into(), other)]).unwrap_err();
        assert!(error.to_string().starts_with("other: expected the test speakers"), "{error}");
    }
}
