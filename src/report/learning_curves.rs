//! Learning curves: loss and validation UAR of a run, epoch by epoch, a curve a fold.

use super::colours::{INK, Mark};
use super::csv_text;
use super::drawing::{Canvas, Drawn, HPos, Panel, TITLE, VPos, legend, line, picture, ticks, write};
use crate::optim::CosineWarmRestarts;
use crate::train::EpochRecord;
use crate::train::results::{FoldRecord, RunResult};
use plotters::prelude::*;
use std::ops::Range;

/// Pixels.
const WIDTH: i32 = 900;
const LEFT: i32 = 76;
const RIGHT: i32 = WIDTH - 20;
const TOP: i32 = 92;
const HEIGHT: i32 = 220;
const BETWEEN: i32 = 40;

/// The figure, as SVG text: training loss above validation UAR, over the epochs of `run`, of every fold or of `fold` alone. Where the
/// learning rate starts again, the upper edge has a tick; a large mark is the epoch whose weights were kept.
pub fn svg(title: &str, run: &RunResult, fold: Option<usize>) -> String {
    let folds: Vec<&FoldRecord> = chosen(run, fold).collect();
    let names: Vec<_> = folds.iter().map(|fold| (mark(fold), format!("fold {}", fold.split.fold()))).collect();
    let epochs = run.settings.epochs as f64;
    let panel = |top: i32, y: Range<f64>| Panel {
        left: LEFT,
        top,
        right: RIGHT,
        bottom: top + HEIGHT,
        x: 0.5..epochs + 0.5,
        y,
    };
    let second = TOP + HEIGHT + BETWEEN;
    picture(WIDTH, second + HEIGHT + 54, |canvas| {
        write(canvas, title, (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        legend(canvas, (LEFT, 40), RIGHT, &names)?;
        let curves = |of: fn(&EpochRecord) -> Option<f64>| curves(&folds, of);
        let (losses, uars) = (curves(|epoch| Some(epoch.loss)), curves(|epoch| epoch.validation_uar));
        let losses = (panel(TOP, around(&losses)), losses, "nats", "training loss; ticks above: warm restarts");
        let uars = (panel(second, around(&uars)), uars, "UAR", "validation UAR; large marks: the epochs kept");
        for (panel, curves, unit, heading) in [losses, uars] {
            panel.heading(canvas, heading)?;
            panel.y_axis(canvas, &ticks(&panel.y, 6), unit)?;
            panel.frame(canvas)?;
            draw_restarts(canvas, &panel, run)?;
            for (fold, curve) in folds.iter().zip(&curves) {
                draw_curve(canvas, &panel, fold, curve)?;
            }
        }
        panel(second, 0.0..1.0).x_axis(canvas, &ticks(&(1.0..epochs.max(2.0)), 12), "epoch")
    })
}

fn chosen(run: &RunResult, fold: Option<usize>) -> impl Iterator<Item = &FoldRecord> {
    run.folds.iter().filter(move |record| fold.is_none_or(|fold| fold == record.split.fold()))
}

fn mark(fold: &FoldRecord) -> Mark {
    Mark::of(fold.split.fold() + 1)
}

/// A value of every epoch that has one, by the number of the epoch, from 1.
fn curves(folds: &[&FoldRecord], of: fn(&EpochRecord) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
    let curve = |fold: &&FoldRecord| {
        let epochs = fold.epochs.iter().enumerate();
        epochs.filter_map(|(epoch, record)| Some((epoch as f64 + 1.0, of(record)?))).collect()
    };
    folds.iter().map(curve).collect()
}

/// A range with all values, and some room.
fn around(curves: &[Vec<(f64, f64)>]) -> Range<f64> {
    let values = || curves.iter().flatten().map(|&(_, value)| value);
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
    epoch > 0 && epoch % run.settings.t0 == 0
}

fn draw_curve(canvas: &Canvas<'_>, panel: &Panel, fold: &FoldRecord, curve: &[(f64, f64)]) -> Drawn {
    let pixels: Vec<(i32, i32)> = curve.iter().map(|&(epoch, value)| panel.at(epoch, value)).collect();
    line(canvas, pixels.clone(), mark(fold).colour.stroke_width(2))?;
    mark(fold).draw(canvas, pixels[fold.best_epoch], 6.0)
}

/// The figure's data as CSV text, a line an epoch of a fold: `fold,epoch,learning_rate,restart,loss,validation_uar,kept`; epochs count
/// from 1.
pub fn csv(run: &RunResult, fold: Option<usize>) -> String {
    let schedule = CosineWarmRestarts::published(run.settings.lr, run.settings.t0);
    let header = ["fold", "epoch", "learning_rate", "restart", "loss", "validation_uar", "kept"];
    let row = |fold: &FoldRecord, epoch: usize, record: &EpochRecord| {
        [
            fold.split.fold().to_string(),
            (epoch + 1).to_string(),
            schedule.rate(epoch).to_string(),
            restarts(run, epoch).to_string(),
            record.loss.to_string(),
            record.validation_uar.map_or(String::new(), |uar| uar.to_string()),
            (epoch == fold.best_epoch).to_string(),
        ]
    };
    let rows = chosen(run, fold)
        .flat_map(|fold| fold.epochs.iter().enumerate().map(move |(epoch, record)| row(fold, epoch, record)));
    csv_text(&header, rows)
}
