//! UAR by seed and fold: how much a score depends on the test speakers and on chance.

use super::colours::{INK, VERMILLION};
use super::csv_text;
use super::drawing::{HPos, LABEL, Panel, TITLE, VPos, line, picture, ticks, width_of, write};
use super::marks::{Legend, Mark};
use crate::experiment::results::RunResult;
use plotters::prelude::*;
use reslstm::train::Spread;
use std::ops::Range;

/// Pixels.
const LEFT: i32 = 76;
const TOP: i32 = 48;
const HEIGHT: i32 = 320;
/// Room for the mean and its name, right of the panel.
const MARGIN: i32 = 170;

/// The figure, as SVG text: for each of `runs`, at least one, one dot per fold (its test speakers alone) and a bar at the UAR
/// pooled over all folds; a band for mean ± standard deviation of the pooled ones.
pub fn svg(title: &str, runs: &[RunResult]) -> String {
    let column = (700 / runs.len() as i32).clamp(24, 120);
    let width = (LEFT + column * runs.len() as i32 + MARGIN).max(460).max(24 + width_of(title, TITLE));
    let x = -0.5..runs.len() as f64 - 0.5;
    let panel = Panel { left: LEFT, top: TOP, right: width - MARGIN, bottom: TOP + HEIGHT, x, y: around(runs) };
    let folds = runs[0].folds.iter().map(|fold| fold.split.fold());
    let names = folds.map(|fold| (Mark::for_class(fold + 1), format!("fold {fold}"))).collect();
    let legend = Legend::new(names, width - LEFT - 12);
    picture(width, TOP + HEIGHT + 56 + legend.height, |canvas| {
        write(canvas, title, (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        legend.draw(canvas, (LEFT, TOP + HEIGHT + 48))?;
        let spread = pooled(runs);
        let Spread { mean, std, .. } = spread;
        let corners = [(panel.left, panel.up(mean + std)), (panel.right, panel.up(mean - std))];
        canvas.draw(&Rectangle::new(corners, VERMILLION.mix(0.15).filled()))?;
        line(canvas, [panel.at(panel.x.start, mean), panel.at(panel.x.end, mean)], VERMILLION)?;
        let pooled = match runs.len() {
            1 => vec!["pooled over folds:".to_string(), format!("{mean:.4}")],
            _ => vec!["pooled over folds,".into(), "mean ± std over runs:".into(), spread.to_string()],
        };
        for (row, text) in pooled.iter().enumerate() {
            let at = (panel.right + 10, panel.up(mean) + 16 * (row as i32 - 1));
            write(canvas, text, at, LABEL, (HPos::Left, VPos::Center))?;
        }
        panel.y_axis(canvas, &ticks(&panel.y, 8), "UAR on test speakers")?;
        panel.frame(canvas)?;
        for (place, run) in runs.iter().enumerate() {
            let (middle, half) = (panel.across(place as f64), (column / 3).min(22));
            let bar = [(middle - half, panel.up(run.scores.uar)), (middle + half, panel.up(run.scores.uar))];
            line(canvas, bar, VERMILLION.stroke_width(4))?;
            for (number, fold) in run.folds.iter().enumerate() {
                // Side by side, so that equal scores do not hide each other.
                let share = (number as f64 + 0.5) / run.folds.len() as f64 - 0.5;
                let at = (middle + (share * 1.6 * f64::from(half)).round() as i32, panel.up(fold.test_uar));
                Mark::for_class(fold.split.fold() + 1).draw(canvas, at, 4.5)?;
            }
        }
        // Not more names than fit.
        let every = runs.len().div_ceil(24);
        let numbers: Vec<_> = (0..runs.len()).step_by(every).map(|n| (n as f64, runs[n].run.to_string())).collect();
        panel.x_axis(canvas, &numbers, "run (seed)")?;
        line(canvas, [(panel.left, panel.bottom), (panel.right, panel.bottom)], INK)
    })
}

/// UAR over runs, each pooled over its folds.
fn pooled(runs: &[RunResult]) -> Spread {
    Spread::new(runs.iter().map(|run| run.scores.uar).collect())
}

/// A range with all scores, and some room.
fn around(runs: &[RunResult]) -> Range<f64> {
    let scores = || runs.iter().flat_map(|run| run.folds.iter().map(|fold| fold.test_uar).chain([run.scores.uar]));
    let (low, high) = (scores().fold(1.0, f64::min), scores().fold(0.0, f64::max));
    let room = (0.08 * (high - low)).max(0.01);
    (low - room).max(0.0)..(high + room).min(1.0)
}

/// The figure's data as CSV text, one line per run and fold, and one per run whose fold is `pooled`: `run,fold,uar`.
pub fn csv(runs: &[RunResult]) -> String {
    let rows = runs.iter().flat_map(|run| {
        let fold = |fold: &crate::experiment::results::FoldRecord| {
            [run.run.to_string(), fold.split.fold().to_string(), fold.test_uar.to_string()]
        };
        let pooled = [run.run.to_string(), "pooled".into(), run.scores.uar.to_string()];
        run.folds.iter().map(fold).chain([pooled]).collect::<Vec<_>>()
    });
    csv_text(&["run", "fold", "uar"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::results;

    #[test]
    fn every_fold_of_every_run_has_a_dot_and_every_run_its_number() {
        let runs = results().runs;
        let svg = svg("Title", &runs);
        // Fold 0 is a square, fold 2 a diamond, each once in the legend.
        let colour = |fold: usize| {
            let RGBColor(r, g, b) = Mark::for_class(fold + 1).colour;
            svg.lines()
                .filter(|line| line.starts_with("<polygon") && line.contains(&format!("#{r:02X}{g:02X}{b:02X}")))
                .count()
        };
        assert_eq!([colour(0), colour(2)], [3, 3]);
        for text in ["\n0\n", "\n3\n", "fold 0", "fold 2", "0.6111 ± 0.2778"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
    }

    #[test]
    fn the_table_has_folds_and_what_is_pooled_over_them() {
        let csv = csv(&results().runs);
        let lines: Vec<&str> = csv.lines().collect();
        // Run 0, fold 0: neutral right, happy wrong, angry right.
        assert_eq!(lines[..3], ["run,fold,uar", "0,0,0.6666666666666666", "0,2,1"]);
        assert!(lines[3].starts_with("0,pooled,0.8888888888888"), "{}", lines[3]);
        assert_eq!((lines.len(), &lines[4..6]), (7, &["3,0,0.3333333333333333", "3,2,0.3333333333333333"][..]));
    }

    #[test]
    fn hundreds_of_runs_fit() {
        let run = results().runs.remove(0);
        let runs: Vec<RunResult> = (0..300).map(|number| RunResult { run: number, ..run.clone() }).collect();
        let svg = svg("Title", &runs);
        assert!(svg.contains("\n299\n"), "numbers of some runs");
        assert!(!svg.contains("\n1\n"), "but not of all");
    }
}
