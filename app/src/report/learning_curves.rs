//! Learning curves: loss, validation UAR and test UAR of a run, by epoch, one curve per fold.

use super::colours::INK;
use super::csv_text;
use super::drawing::{Canvas, Drawn, HPos, Panel, TITLE, VPos, line, picture, ticks, whole_ticks, write};
use super::marks::{Legend, Mark};
use crate::experiment::results::{FoldRecord, RunResult};
use plotters::prelude::*;
use reslstm::optim::CosineWarmRestarts;
use std::ops::Range;

/// Pixels.
const WIDTH: i32 = 900;
const LEFT: i32 = 76;
const RIGHT: i32 = WIDTH - 20;
const TOP: i32 = 72;
const HEIGHT: i32 = 220;
const BETWEEN: i32 = 40;

/// The figure, as SVG text: training loss and, as far as they were scored, validation UAR and test UAR over the epochs of `run`, for
/// every fold or for `fold` alone. A tick on the upper edge is a warm restart of the learning rate; large marks are the epochs
/// whose weights were kept or averaged.
pub fn svg(title: &str, run: &RunResult, fold: Option<usize>) -> String {
    let folds: Vec<&FoldRecord> = chosen(run, fold).collect();
    let names = folds.iter().map(|fold| (mark(fold), format!("fold {}", fold.split.fold()))).collect();
    let legend = Legend::new(names, RIGHT - LEFT);
    let epochs = run.settings.epochs as f64;
    let panel = |top: i32, y: Range<f64>| Panel {
        left: LEFT,
        top,
        right: RIGHT,
        bottom: top + HEIGHT,
        x: 0.5..epochs + 0.5,
        y,
    };
    let curves = |of: fn(&FoldRecord) -> Vec<f64>| folds.iter().map(|fold| of(fold)).collect::<Vec<_>>();
    let loss = "training loss; ticks above: warm restarts, large marks: epochs whose weights are kept";
    let mut panels = vec![
        (curves(|fold| fold.epochs.loss.clone()), "nats", loss),
        (curves(|fold| fold.epochs.validation_uar.clone()), "UAR", "validation UAR"),
        (curves(FoldRecord::test_uars), "UAR", "test UAR, which chooses the epoch"),
    ];
    panels.retain(|(curves, ..)| curves.iter().all(|curve| !curve.is_empty()));
    let top = |number: usize| TOP + number as i32 * (HEIGHT + BETWEEN);
    let bottom = top(panels.len() - 1) + HEIGHT;
    picture(WIDTH, bottom + 56 + legend.height, |canvas| {
        write(canvas, title, (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        legend.draw(canvas, (LEFT, bottom + 48))?;
        for (number, (curves, unit, heading)) in panels.iter().enumerate() {
            let panel = panel(top(number), around(curves));
            panel.heading(canvas, heading)?;
            panel.y_axis(canvas, &ticks(&panel.y, 6), unit)?;
            panel.frame(canvas)?;
            draw_restarts(canvas, &panel, run)?;
            for (fold, curve) in folds.iter().zip(curves) {
                draw_curve(canvas, &panel, fold, curve, &kept(run, fold))?;
            }
        }
        panel(bottom - HEIGHT, 0.0..1.0).x_axis(canvas, &whole_ticks(&(0.5..epochs + 0.5), 12), "epoch")
    })
}

fn chosen(run: &RunResult, fold: Option<usize>) -> impl Iterator<Item = &FoldRecord> {
    run.folds.iter().filter(move |record| fold.is_none_or(|fold| fold == record.split.fold()))
}

fn mark(fold: &FoldRecord) -> Mark {
    Mark::for_class(fold.split.fold() + 1)
}

/// A range with all values, and some room.
fn around(curves: &[Vec<f64>]) -> Range<f64> {
    let values = || curves.iter().flatten().copied();
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let room = (0.05 * (high - low)).max(1e-3);
    (low - room).max(0.0)..high + room
}

/// A tick at every epoch that the learning rate starts again in.
fn draw_restarts(canvas: &Canvas<'_>, panel: &Panel, run: &RunResult) -> Drawn {
    for epoch in (0..run.settings.epochs).filter(|&epoch| restarts(run, epoch)) {
        let x = panel.across(epoch as f64 + 1.0);
        line(canvas, [(x, panel.top - 3), (x, panel.top + 6)], INK)?;
    }
    Ok(())
}

/// Whether the learning rate is back at its height in this epoch, from 0; the first is no restart.
fn restarts(run: &RunResult, epoch: usize) -> bool {
    epoch > 0 && epoch.is_multiple_of(run.settings.t0)
}

/// The epochs, from 0, whose weights were kept, or averaged.
fn kept(run: &RunResult, fold: &FoldRecord) -> Vec<usize> {
    let averaged: Vec<usize> = run.settings.snapshots().collect();
    if averaged.is_empty() { vec![fold.best_epoch] } else { averaged }
}

fn draw_curve(canvas: &Canvas<'_>, panel: &Panel, fold: &FoldRecord, curve: &[f64], kept: &[usize]) -> Drawn {
    let pixel = |(epoch, &value): (usize, &f64)| panel.at(epoch as f64 + 1.0, value);
    let pixels: Vec<(i32, i32)> = curve.iter().enumerate().map(pixel).collect();
    line(canvas, pixels.clone(), mark(fold).colour.stroke_width(2))?;
    // The folds of `nested` may have been trained for different numbers of epochs.
    let mut marked = kept.iter().filter_map(|&epoch| pixels.get(epoch));
    marked.try_for_each(|&at| mark(fold).draw(canvas, at, 6.0))
}

/// The figure's data as CSV text, one line per fold and epoch: `fold,epoch,learning_rate,restart,loss,validation_uar,
/// test_uar,kept`; epochs count from 1.
pub fn csv(run: &RunResult, fold: Option<usize>) -> String {
    let schedule = CosineWarmRestarts::published(run.settings.lr, run.settings.t0);
    let header = ["fold", "epoch", "learning_rate", "restart", "loss", "validation_uar", "test_uar", "kept"];
    let optional = |values: &[f64], epoch: usize| values.get(epoch).map(f64::to_string).unwrap_or_default();
    let row = |fold: &FoldRecord, test_uars: &[f64], epoch: usize| {
        [
            fold.split.fold().to_string(),
            (epoch + 1).to_string(),
            schedule.rate(epoch).to_string(),
            restarts(run, epoch).to_string(),
            fold.epochs.loss[epoch].to_string(),
            optional(&fold.epochs.validation_uar, epoch),
            optional(test_uars, epoch),
            kept(run, fold).contains(&epoch).to_string(),
        ]
    };
    let rows = chosen(run, fold).flat_map(|fold| {
        let test_uars = fold.test_uars();
        (0..fold.epochs.count()).map(move |epoch| row(fold, &test_uars, epoch))
    });
    csv_text(&header, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::results;

    #[test]
    fn a_curve_a_fold_in_each_panel_a_tick_a_restart_and_a_mark_at_the_epoch_kept() {
        let run = &results().runs[0];
        let count = |fold| {
            let svg = svg("Title", run, fold);
            let of =
                |what: &str| svg.lines().filter(|line| line.starts_with("<polyline") && line.contains(what)).count();
            (of("stroke-width=\"2\""), svg.contains("fold 2"))
        };
        assert_eq!((count(None), count(Some(0)), count(Some(2))), ((4, true), (2, false), (2, true)));
        // Epochs 1 to 4 with cycles of two: one restart, in epoch 3, in both panels.
        let svg = svg("Title", run, None);
        let panel = Panel { left: LEFT, top: TOP, right: RIGHT, bottom: TOP + HEIGHT, x: 0.5..4.5, y: 0.0..1.0 };
        let tick = |epoch: f64, top: i32| {
            let x = panel.across(epoch);
            svg.contains(&format!("points=\"{x},{} {x},{} \"", top - 3, top + 6))
        };
        for top in [TOP, TOP + HEIGHT + BETWEEN] {
            assert_eq!([1.0, 2.0, 3.0, 4.0].map(|epoch| tick(epoch, top)), [false, false, true, false]);
        }
    }

    #[test]
    fn a_fold_that_was_trained_for_fewer_epochs_has_the_marks_that_it_can() {
        let mut run = results().runs[0].clone();
        let averaged =
            |it: &mut reslstm::train::Settings| (it.epochs, it.weights) = (8, reslstm::train::Weights::Average);
        run.settings = reslstm::train::Settings::clone(&run.settings).with(averaged).check().unwrap();
        assert_eq!(run.settings.snapshots().collect::<Vec<_>>(), [5, 7]);
        let epochs = &mut run.folds[0].epochs;
        (epochs.loss, epochs.validation_uar) = (vec![1.0; 8], vec![0.5; 8]);
        crate::report::example::assert_well_formed(&svg("Title", &run, None));
    }

    #[test]
    fn the_table_has_a_line_an_epoch() {
        let run = &results().runs[0];
        let all = csv(run, None);
        let lines: Vec<&str> = all.lines().collect();
        assert_eq!(lines[0], "fold,epoch,learning_rate,restart,loss,validation_uar,test_uar,kept");
        assert_eq!(lines[3], "0,3,0.5,true,1,0.75,,true");
        assert_eq!(lines[8], "2,4,0.2525,false,0.75,0.625,,false");
        assert_eq!((lines.len(), csv(run, Some(2)).lines().count()), (9, 5));
    }
}
