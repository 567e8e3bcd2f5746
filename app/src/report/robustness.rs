//! The results of [`Robustness`](crate::experiment::robustness) as figures: UAR by condition, and the reliability diagram.

use super::colours::{BLUE, INK, VERMILLION};
use super::csv_text;
use super::drawing::{
    Canvas, Drawn, HPos, LABEL, LONGEST_TITLE, Panel, TITLE, VPos, line, picture, shortened, ticks, width_of, write,
};
use super::marks::{Mark, Shape};
use crate::experiment::robustness::{ConditionResult, Robustness};
use plotters::prelude::*;
use reslstm::train::calibration::{Bin, Reliability};

/// Pixels.
const TOP: i32 = 60;
const ROW: i32 = 30;
const WIDTH: i32 = 820;
const PANEL: i32 = 330;
const LEFT: i32 = 70;
const BETWEEN: i32 = 90;

/// The UAR by condition, as SVG text: a mark at the mean over runs, a bar for its 95 % interval over speakers, a small mark per
/// run; a vertical line at the UAR as recorded.
pub fn conditions_svg(robustness: &Robustness) -> String {
    let conditions = &robustness.conditions;
    let names = conditions.iter().map(|result| width_of(&shown_name(result), LABEL)).max().unwrap_or(0);
    let lowest =
        conditions.iter().map(|result| result.interval.low.min(result.uar.values.iter().copied().fold(1.0, f64::min)));
    let highest = conditions.iter().map(|result| result.interval.high.max(result.uar.max)).fold(0.0, f64::max);
    let x = (lowest.fold(1.0, f64::min) - 0.03).max(0.0)..(highest + 0.03).min(1.0);
    let bottom = TOP + ROW * conditions.len() as i32;
    let panel = Panel { left: names + 28, top: TOP, right: WIDTH - 20, bottom, x, y: 0.0..conditions.len() as f64 };
    picture(WIDTH, bottom + 78, |canvas| {
        let title = format!("{}: test speakers in other conditions", robustness.name);
        write(canvas, &shortened(&title, LONGEST_TITLE), (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        panel.x_axis(canvas, &ticks(&panel.x, 8), "UAR")?;
        panel.frame(canvas)?;
        let recorded = panel.across(conditions[0].uar.mean);
        line(canvas, [(recorded, TOP), (recorded, bottom)], VERMILLION)?;
        for (n, result) in conditions.iter().enumerate() {
            draw_condition(canvas, &panel, result, TOP + ROW * n as i32 + ROW / 2)?;
        }
        let mut note = "large mark: mean over runs; bar: 95 % interval over speakers; small marks: runs".to_string();
        if !robustness.score_note.is_empty() {
            note += &format!("; scores {}", robustness.score_note);
        }
        if conditions.iter().any(|result| result.trained == Some(false)) {
            note += "; *: not in the training";
        }
        write(canvas, &note, (panel.left, bottom + 50), LABEL, (HPos::Left, VPos::Top))
    })
}

/// The condition's name, with a star if the models were not trained with it.
fn shown_name(result: &ConditionResult) -> String {
    let star = if result.trained == Some(false) { " *" } else { "" };
    format!("{}{star}", result.condition)
}

fn draw_condition(canvas: &Canvas<'_>, panel: &Panel, result: &ConditionResult, y: i32) -> Drawn {
    write(canvas, &shown_name(result), (panel.left - 10, y), LABEL, (HPos::Right, VPos::Center))?;
    let (low, high) = (panel.across(result.interval.low), panel.across(result.interval.high));
    line(canvas, [(low, y), (high, y)], BLUE.stroke_width(2))?;
    for end in [low, high] {
        line(canvas, [(end, y - 5), (end, y + 5)], BLUE.stroke_width(2))?;
    }
    for &uar in &result.uar.values {
        Mark::new(Shape::Circle, INK).draw(canvas, (panel.across(uar), y + 9), 2.0)?;
    }
    Mark::new(Shape::Diamond, BLUE).draw(canvas, (panel.across(result.uar.mean), y), 6.0)
}

/// The same as CSV text, one line per condition: `condition,uar_mean,uar_std,uar_low,uar_high,ece,ece_uncalibrated,kept,trained`.
pub fn conditions_csv(robustness: &Robustness) -> String {
    let header =
        ["condition", "uar_mean", "uar_std", "uar_low", "uar_high", "ece", "ece_uncalibrated", "kept", "trained"];
    let row = |result: &ConditionResult| {
        [
            result.condition.clone(),
            result.uar.mean.to_string(),
            result.uar.std.to_string(),
            result.interval.low.to_string(),
            result.interval.high.to_string(),
            result.reliability.ece().to_string(),
            result.uncalibrated.as_ref().map_or(String::new(), |it| it.ece().to_string()),
            result.kept.map_or(String::new(), |kept| kept.to_string()),
            result.trained.map_or(String::new(), |trained| trained.to_string()),
        ]
    };
    csv_text(&header, robustness.conditions.iter().map(row))
}

/// The reliability diagram as recorded, as SVG text: one bar per bin, as high as the share of right predictions. A bar that
/// ends below the diagonal shows overconfidence. Without temperature and with it, side by side, if the models are calibrated.
pub fn reliability_svg(robustness: &Robustness) -> String {
    let panels = panels(robustness);
    let width = (LEFT + panels.len() as i32 * (PANEL + BETWEEN) - BETWEEN + 24).max(560);
    picture(width, TOP + PANEL + 100, |canvas| {
        let title = format!("{}: confidence and accuracy", robustness.name);
        write(canvas, &shortened(&title, width as usize / 11), (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        for (n, (name, reliability)) in panels.iter().enumerate() {
            let left = LEFT + n as i32 * (PANEL + BETWEEN);
            let bottom = TOP + PANEL;
            let panel = Panel { left, top: TOP, right: left + PANEL, bottom, x: 0.0..1.0, y: 0.0..1.0 };
            draw_reliability(canvas, &panel, name, reliability)?;
        }
        let note = "grey strip: share of predictions; line: confidence equals accuracy";
        write(canvas, note, (LEFT, TOP + PANEL + 56), LABEL, (HPos::Left, VPos::Top))
    })
}

/// Name and bins of each panel.
fn panels(robustness: &Robustness) -> Vec<(String, &Reliability)> {
    let result = &robustness.conditions[0];
    let with = match robustness.temperature {
        Some(temperature) => format!("scores divided by {temperature:.2}"),
        None => "as the models say".into(),
    };
    let without = result.uncalibrated.as_ref().map(|it| ("scores as trained".to_string(), it));
    without.into_iter().chain([(with, &result.reliability)]).collect()
}

fn draw_reliability(canvas: &Canvas<'_>, panel: &Panel, name: &str, reliability: &Reliability) -> Drawn {
    panel.heading(canvas, &format!("{name}: calibration error {:.3}", reliability.ece()))?;
    panel.y_axis(canvas, &ticks(&panel.y, 5), "accuracy")?;
    panel.x_axis(canvas, &ticks(&panel.x, 5), "confidence: probability of the predicted class")?;
    let total: u64 = reliability.bins.iter().map(|bin| bin.count).sum();
    let share = 1.0 / reliability.bins.len() as f64;
    for (n, Bin { count, accuracy, .. }) in reliability.bins.iter().enumerate() {
        let (left, right) = (panel.across(n as f64 * share), panel.across((n + 1) as f64 * share) - 1);
        if *count > 0 {
            canvas
                .draw(&Rectangle::new([(left, panel.up(*accuracy)), (right, panel.bottom)], BLUE.mix(0.75).filled()))?;
        }
        let strip = (120.0 * *count as f64 / total.max(1) as f64).round() as i32;
        canvas.draw(&Rectangle::new([(left, panel.top), (right, panel.top + strip)], INK.mix(0.5).filled()))?;
    }
    line(canvas, [panel.at(0.0, 0.0), panel.at(1.0, 1.0)], VERMILLION.stroke_width(2))?;
    panel.frame(canvas)
}

/// The same as CSV text, one line per bin: `scores,from,to,count,confidence,accuracy`.
pub fn reliability_csv(robustness: &Robustness) -> String {
    let header = ["scores", "from", "to", "count", "confidence", "accuracy"];
    let rows = panels(robustness).into_iter().flat_map(|(name, reliability)| {
        let share = 1.0 / reliability.bins.len() as f64;
        let row = move |(n, bin): (usize, &Bin)| {
            [
                name.clone(),
                (n as f64 * share).to_string(),
                ((n + 1) as f64 * share).to_string(),
                bin.count.to_string(),
                bin.confidence.to_string(),
                bin.accuracy.to_string(),
            ]
        };
        reliability.bins.iter().enumerate().map(row)
    });
    csv_text(&header, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::statistics::Interval;
    use reslstm::train::{Confusion, Spread};
    use std::collections::BTreeMap;

    fn found(temperature: Option<f64>) -> Robustness {
        let result = |condition: &str, uar: f64| ConditionResult {
            condition: condition.into(),
            trained: Some(condition == "as recorded"),
            kept: Some(uar / 0.7),
            uar: Spread::new(vec![uar - 0.01, uar + 0.01]),
            interval: Interval { low: uar - 0.05, high: uar + 0.05 },
            recall: BTreeMap::new(),
            no_speech: None,
            confusion: Confusion::new(2),
            reliability: Reliability::from_predictions([(0.7, true), (0.7, false), (0.9, true)]),
            uncalibrated: temperature
                .map(|_| Reliability::from_predictions([(0.95, true), (0.95, false), (0.99, true)])),
            pooled: None,
        };
        let conditions = vec![result("as recorded", 0.7), result("telephone", 0.4)];
        Robustness {
            score_note: String::new(),
            name: "cv".into(),
            program: "p".into(),
            labels: vec!["a".into(), "b".into()],
            temperature,
            pooled_temperature: None,
            conditions,
        }
    }

    #[test]
    fn every_condition_has_its_name_and_line() {
        let svg = conditions_svg(&found(None));
        assert!(svg.contains("telephone *") && !svg.contains("as recorded *") && svg.contains("not in the training"));
        assert!(["as recorded", "telephone", "UAR"].iter().all(|text| svg.contains(text)));
        let csv = conditions_csv(&found(Some(2.0)));
        assert_eq!(csv.lines().count(), 3);
        assert!(csv.lines().nth(2).unwrap().starts_with("telephone,0.4,"), "{csv}");
    }

    #[test]
    fn calibrated_models_have_a_panel_without_and_one_with_the_temperature() {
        let one = reliability_svg(&found(None));
        assert!(one.contains("as the models say") && one.matches("calibration error").count() == 1);
        let two = reliability_svg(&found(Some(2.0)));
        assert!(two.contains("scores as trained") && two.contains("scores divided by 2.00"));
        assert_eq!(reliability_csv(&found(Some(2.0))).lines().count(), 1 + 2 * Reliability::BINS);
        // Confidence 0.95 of two, one right; 0.99 of one, right: all in the last bin, (2·0.95 + 0.99)/3 against 2/3.
        assert!(two.contains("calibration error 0.297"), "{two}");
    }
}
