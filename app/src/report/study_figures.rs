//! Two figures of a hyper-parameter search: the course of its trials, and their values against each parameter.

use super::colours::{BLUE, INK, VERMILLION};
use super::drawing::{
    Canvas, Drawn, HPos, Panel, TITLE, VPos, line, picture, shortened, ticks, whole_ticks, with_room, write,
};
use super::marks::{Legend, Mark, Shape};
use crate::tune::{Distribution, Snapshot, State, Trial};
use plotters::prelude::*;
use std::ops::Range;

/// Pixels.
const WIDTH: i32 = 900;
const LEFT: i32 = 76;
const TOP: i32 = 46;
const HEIGHT: i32 = 320;
/// Width and height of the panel of a parameter, and of the gaps between panels.
const PANEL: (i32, i32) = (236, 180);
const GAP: (i32, i32) = (46, 70);

const COMPLETE: Mark = Mark { shape: Shape::Circle, colour: BLUE, hollow: false };
const PRUNED: Mark = Mark { shape: Shape::Circle, colour: INK, hollow: true };
const BEST: Mark = Mark { shape: Shape::Diamond, colour: VERMILLION, hollow: false };

/// Trials with a value, each with it.
fn valued(study: &Snapshot) -> impl Iterator<Item = (&Trial, f64)> {
    let value = |trial: &Trial| trial.value.filter(|value| trial.is_observed() && value.is_finite());
    study.trials.iter().filter_map(move |trial| Some((trial, value(trial)?)))
}

/// The scale of the values, with some room.
fn values(study: &Snapshot) -> Range<f64> {
    let (low, high) = valued(study)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, value)| (low.min(value), high.max(value)));
    if low.is_finite() { with_room(low, high, 0.06, 0.05f64.max(0.01 * high.abs())) } else { 0.0..1.0 }
}

fn mark(study: &Snapshot, trial: &Trial) -> Mark {
    match trial.state {
        _ if study.best().is_some_and(|best| best.number == trial.number) => BEST,
        State::Complete => COMPLETE,
        _ => PRUNED,
    }
}

/// Every trial at its place, the best above all.
fn draw_trials(canvas: &Canvas<'_>, study: &Snapshot, at: impl Fn(&Trial, f64) -> Option<(i32, i32)>) -> Drawn {
    let mut trials: Vec<(&Trial, f64)> = valued(study).collect();
    trials.sort_by_key(|(trial, _)| (mark(study, trial) == BEST, trial.state == State::Complete));
    for (trial, value) in trials {
        let mark = mark(study, trial);
        if let Some(at) = at(trial, value) {
            mark.draw(canvas, at, if mark == BEST { 6.5 } else { 4.0 })?;
        }
    }
    Ok(())
}

fn legend() -> Legend {
    let names = [(COMPLETE, "complete"), (PRUNED, "pruned, at its last step"), (BEST, "the best")];
    Legend::new(names.map(|(mark, name)| (mark, name.to_string())).to_vec(), WIDTH - LEFT - 20)
}

/// The value of every trial by number, as SVG text; a line at the best complete one so far. `value` names what is maximised.
pub fn history(study: &Snapshot, value: &str) -> String {
    let x = -0.6..study.trials.len().max(1) as f64 - 0.4;
    let panel = Panel { left: LEFT, top: TOP, right: WIDTH - 20, bottom: TOP + HEIGHT, x, y: values(study) };
    let legend = legend();
    picture(WIDTH, TOP + HEIGHT + 56 + legend.height, |canvas| {
        write(canvas, "Trials, and the best so far (line)", (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        legend.draw(canvas, (LEFT, TOP + HEIGHT + 48))?;
        panel.y_axis(canvas, &ticks(&panel.y, 6), value)?;
        panel.frame(canvas)?;
        let corners: Vec<(i32, i32)> = best_so_far(study).into_iter().map(|(x, y)| panel.at(x, y)).collect();
        line(canvas, corners, VERMILLION.stroke_width(2))?;
        draw_trials(canvas, study, |trial, value| Some(panel.at(trial.number as f64, value)))?;
        panel.x_axis(canvas, &whole_ticks(&panel.x, 12), "trial")
    })
}

/// Corners of the line: flat until a better trial is complete, and on to the last trial.
fn best_so_far(study: &Snapshot) -> Vec<(f64, f64)> {
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for (trial, value) in valued(study).filter(|(trial, _)| trial.state == State::Complete) {
        let before = corners.last().map(|&(_, best)| best);
        if before.is_none_or(|best| value > best) {
            corners.extend(before.map(|best| (trial.number as f64, best)));
            corners.push((trial.number as f64, value));
        }
    }
    corners.extend(corners.last().map(|&(_, best)| (study.trials.len() as f64 - 1.0, best)));
    corners
}

/// The value of every trial against each of its parameters, one panel per parameter, as SVG text.
pub fn slices(study: &Snapshot, value: &str) -> String {
    let parameters: Vec<&str> = study.parameters().into_iter().collect();
    let columns = 3.min(parameters.len().max(1));
    let place = |n: usize, size: i32, gap: i32| n as i32 * (size + gap);
    let rows = parameters.len().div_ceil(columns);
    let (bottom, legend) = (TOP + place(rows, PANEL.1, GAP.1), legend());
    picture(WIDTH, bottom + legend.height, |canvas| {
        write(canvas, "Trials by parameter", (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        legend.draw(canvas, (LEFT, bottom - 12))?;
        for (n, name) in parameters.iter().enumerate() {
            let axis = Axis::new(study, name);
            let (left, top) = (LEFT + place(n % columns, PANEL.0, GAP.0), TOP + place(n / columns, PANEL.1, GAP.1));
            let (right, bottom) = (left + PANEL.0, top + PANEL.1);
            let panel = Panel { left, top, right, bottom, x: axis.range.clone(), y: values(study) };
            // The scale is the same for a whole row.
            let first = n % columns == 0;
            let labels =
                ticks(&panel.y, 5).into_iter().map(|(y, label)| (y, if first { label } else { String::new() }));
            panel.y_axis(canvas, &labels.collect::<Vec<_>>(), if first { value } else { "" })?;
            panel.frame(canvas)?;
            draw_trials(canvas, study, |trial, value| {
                let place = axis.place(*trial.parameters.get(*name)?);
                place.is_finite().then(|| panel.at(place, value))
            })?;
            panel.x_axis(canvas, &axis.ticks, name)?;
        }
        Ok(())
    })
}

/// Where the values of a parameter stand.
struct Axis {
    logarithmic: bool,
    range: Range<f64>,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Of a parameter that some trial has.
    fn new(study: &Snapshot, name: &str) -> Self {
        let distribution = study.trials.iter().find_map(|trial| trial.distributions.get(name)).expect("a trial has it");
        let numbers = study.trials.iter().filter_map(|trial| trial.parameters.get(name));
        let numbers = numbers.filter(|&&number| distribution.can_be_observed(number));
        let around = |low: f64, high: f64| {
            // Trials of an earlier, wider search may lie outside.
            let (low, high) = numbers.fold((low, high), |(low, high), &number| (low.min(number), high.max(number)));
            (low, high)
        };
        match distribution {
            Distribution::Categorical { choices } => {
                let text = |choice: &serde_json::Value| choice.as_str().map_or(choice.to_string(), String::from);
                let ticks = choices.iter().enumerate().map(|(n, choice)| (n as f64, shortened(&text(choice), 8)));
                Axis { logarithmic: false, range: -0.5..choices.len() as f64 - 0.5, ticks: ticks.collect() }
            }
            Distribution::Float { low, high, log, .. } => Self::between(around(*low, *high), *log),
            Distribution::Int { low, high, log, .. } => Self::between(around(*low as f64, *high as f64), *log),
        }
    }

    fn between((low, high): (f64, f64), logarithmic: bool) -> Self {
        let place = |number: f64| if logarithmic { number.log10() } else { number };
        let alone = if logarithmic || high == 0.0 { 0.5 } else { 0.5 * high.abs() };
        let range = with_room(place(low), place(high), 0.04, alone);
        let ticks = if logarithmic { powers(&range) } else { ticks(&range, 5) };
        Axis { logarithmic, range, ticks }
    }

    fn place(&self, number: f64) -> f64 {
        if self.logarithmic { number.log10() } else { number }
    }
}

/// Ticks of a logarithmic scale: powers of ten, with 2 and 5 between them if there are few.
fn powers(range: &Range<f64>) -> Vec<(f64, String)> {
    let whole = range.start.floor() as i32..=range.end.ceil() as i32;
    let digits: &[u32] = if range.end - range.start > 2.0 { &[1] } else { &[1, 2, 5] };
    let tick = |power: i32, digit: u32| (f64::from(power) + f64::from(digit).log10(), format!("{digit}e{power}"));
    let all = whole.flat_map(|power| digits.iter().map(move |&digit| tick(power, digit)));
    all.filter(|(place, _)| range.contains(place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::{any_number, assert_well_formed};
    use proptest::prelude::*;
    use serde_json::json;

    fn trial(number: usize, state: State, value: Option<f64>, lr: f64, batch: f64) -> Trial {
        let mut trial = Trial::new(number, number, state);
        trial.value = value;
        trial.parameters = [("lr".to_string(), lr), ("batch <8>".to_string(), batch)].into();
        let choices = vec![json!(8), json!("many")];
        trial.distributions = [
            ("lr".to_string(), Distribution::Float { step: None, low: 1e-5, high: 1e-2, log: true }),
            ("batch <8>".to_string(), Distribution::Categorical { choices }),
        ]
        .into();
        trial
    }

    proptest! {
        /// Ranges as a journal may have them, and values inside or outside of them.
        #[test]
        fn any_study_is_drawn(
            ends in [any_number(), any_number()],
            whole in any::<[i64; 2]>(),
            numbers in proptest::collection::vec((any_number(), any_number()), 1..5),
            log in any::<bool>(),
            name in any::<String>(),
        ) {
            let [low, high] = [ends[0].min(ends[1]), ends[0].max(ends[1])];
            let [first, last] = [whole[0].min(whole[1]), whole[0].max(whole[1])];
            let ranges = [
                Distribution::Float { step: None, low, high, log },
                Distribution::Int { step: 1, low: first, high: last, log },
                Distribution::Categorical { choices: vec![json!(name), json!(null), json!([low])] },
            ];
            for range in ranges.into_iter().filter_map(|range| range.check().ok()) {
                let trial = |(n, &(number, value)): (usize, &(f64, f64))| {
                    let mut trial = Trial::new(n, n, if n == 1 { State::Pruned } else { State::Complete });
                    let number = if matches!(range, Distribution::Categorical { .. }) { n as f64 % 3.0 } else { number };
                    trial.value = Some(value);
                    trial.parameters = [(name.clone(), number)].into();
                    trial.distributions = [(name.clone(), range.clone())].into();
                    trial
                };
                let trials = numbers.iter().enumerate().map(trial).collect();
                let study = Snapshot { name: name.clone(), identity: None, trials };
                assert_well_formed(&history(&study, &name));
                assert_well_formed(&slices(&study, &name));
            }
        }
    }

    fn study() -> Snapshot {
        let trials = vec![
            trial(0, State::Complete, Some(0.3), 1e-3, 0.0),
            trial(1, State::Pruned, Some(0.9), 1e-4, 1.0),
            trial(2, State::Complete, Some(0.2), 2e-3, 0.0),
            trial(3, State::Complete, Some(0.5), 5e-3, 1.0),
            trial(4, State::Failed, None, 1e-5, 1.0),
            trial(5, State::Running, None, 1e-5, 1.0),
        ];
        Snapshot { name: "s".into(), identity: None, trials }
    }

    #[test]
    fn the_best_so_far_is_of_complete_trials() {
        assert_eq!(best_so_far(&study()), [(0.0, 0.3), (3.0, 0.3), (3.0, 0.5), (5.0, 0.5)]);
        assert_eq!(best_so_far(&Snapshot { trials: Vec::new(), ..study() }), []);
    }

    #[test]
    fn every_trial_with_a_value_is_drawn() {
        let history = history(&study(), "UAR");
        // Three circles beside the two of the legend; the best is a diamond.
        assert_eq!(history.matches("<circle").count(), 5, "{history}");
        assert_eq!(history.matches("<polygon").count(), 2, "{history}");
        let slices = slices(&study(), "UAR");
        assert_eq!((slices.matches("<circle").count(), slices.matches("<polygon").count()), (8, 3), "{slices}");
        for text in ["1e-4", "many", "lr", "batch &lt;8&gt;"] {
            assert!(slices.contains(text), "{text}: {slices}");
        }
    }

    #[test]
    fn a_search_that_has_just_begun_has_its_figures() {
        let none = Snapshot { trials: Vec::new(), ..study() };
        assert!(history(&none, "UAR").contains("</svg>") && slices(&none, "UAR").contains("</svg>"));
        let one = Snapshot { trials: study().trials[..1].to_vec(), ..study() };
        assert!(history(&one, "UAR").contains("</svg>") && slices(&one, "UAR").contains("</svg>"));
    }

    #[test]
    fn ticks_of_a_logarithmic_scale() {
        let labels = |range| powers(&range).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(-5.1..-1.9), ["1e-5", "1e-4", "1e-3", "1e-2"]);
        assert_eq!(labels(-4.5..-3.7), ["5e-5", "1e-4"]);
    }
}
