//! UAR against the number of parameters: what came out here beside Tables I and II of the paper.

use super::colours::{BLUE, GREEN, INK, Mark, Shape, VERMILLION};
use super::csv_text;
use super::drawing::{Canvas, Drawn, HPos, LABEL, Panel, TITLE, VPos, legend, line, picture, ticks, write};
use super::published::{Published, TABLE_1, TABLE_2};
use crate::models::{Architecture, Family};
use crate::train::Protocol;
use crate::train::results::ModelSummary;
use plotters::prelude::*;
use std::ops::Range;

/// Pixels.
const WIDTH: i32 = 900;
const LEFT: i32 = 76;
const RIGHT: i32 = 720;
const TOP: i32 = 116;
const HEIGHT: i32 = 400;
/// Models whose size nobody reports stand in a strip of their own.
const STRIP: Range<i32> = 740..WIDTH - 20;

/// A model that this program has, trained by the paper or here.
struct Point {
    series: Series,
    /// Short, `h64`: the series says the rest.
    name: String,
    parameters: usize,
    uar: f64,
    std: f64,
}

/// Models that share a mark.
#[derive(Clone, Copy, PartialEq)]
struct Series {
    family: Family,
    /// The protocol here; nothing in the paper.
    here: Option<Protocol>,
}

impl Series {
    fn mark(self) -> Mark {
        let shape = if self.family == Family::LstmSa { Shape::Circle } else { Shape::Diamond };
        match self.here {
            None => Mark { shape, colour: BLUE, hollow: true },
            Some(Protocol::Strict) => Mark::new(shape, VERMILLION),
            Some(Protocol::Published) => Mark::new(shape, GREEN),
        }
    }

    fn name(self) -> String {
        let family = if self.family == Family::LstmSa { "LSTM-SA" } else { "ResLSTM-SA" };
        match self.here {
            None => format!("{family}, the paper"),
            Some(protocol) => format!("{family} here, {protocol}"),
        }
    }
}

const LITERATURE: Mark = Mark { shape: Shape::Square, colour: INK, hollow: false };

fn short_name(arch: Architecture) -> String {
    let Architecture { hidden, vectors, .. } = arch;
    if vectors == 1 { format!("h{hidden}") } else { format!("h{hidden}, {vectors} vectors") }
}

fn points(ours: &[ModelSummary]) -> Vec<Point> {
    let of_paper = |row: Published| {
        let arch: Architecture = row.arch?.parse().ok()?;
        let series = Series { family: arch.family, here: None };
        Some(Point { series, name: short_name(arch), parameters: row.parameters?, uar: row.uar, std: row.std? })
    };
    let here = |model: &ModelSummary| {
        let series = Series { family: model.arch.family, here: Some(model.protocol) };
        let (name, parameters) = (short_name(model.arch), model.parameters);
        Point { series, name, parameters, uar: model.uar.mean, std: model.uar.std }
    };
    let mut points: Vec<Point> = TABLE_1.into_iter().filter_map(of_paper).chain(ours.iter().map(here)).collect();
    points.sort_by_key(|point| point.parameters);
    points
}

/// The figure, as SVG text: `ours` and the paper's own models with mean ± standard deviation over runs, those of the literature as the paper
/// reports them.
pub fn svg(title: &str, ours: &[ModelSummary]) -> String {
    let points = points(ours);
    let panel =
        Panel { left: LEFT, top: TOP, right: RIGHT, bottom: TOP + HEIGHT, x: sizes(&points), y: scores(&points) };
    let mut series: Vec<Series> = Vec::new();
    points.iter().filter(|point| point.series.here.is_none()).for_each(|point| add(&mut series, point.series));
    points.iter().for_each(|point| add(&mut series, point.series));
    let mut names: Vec<_> = series.iter().map(|series| (series.mark(), series.name())).collect();
    names.push((LITERATURE, "others, in the paper's Table II".into()));
    picture(WIDTH, TOP + HEIGHT + 54, |canvas| {
        write(canvas, title, (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        legend(canvas, (LEFT, 38), WIDTH - 12, &names)?;
        let powers =
            [(3.0, "1 k"), (4.0, "10 k"), (5.0, "100 k"), (6.0, "1 M"), (7.0, "10 M"), (8.0, "100 M"), (9.0, "1 G")];
        let powers: Vec<_> = powers.into_iter().filter(|(power, _)| panel.x.contains(power)).collect();
        let powers: Vec<(f64, String)> = powers.into_iter().map(|(power, name)| (power, name.to_string())).collect();
        panel.x_axis(canvas, &powers, "parameters")?;
        panel.y_axis(canvas, &ticks(&panel.y, 8), "UAR")?;
        panel.frame(canvas)?;
        for series in series {
            draw_series(canvas, &panel, series, &points)?;
        }
        draw_literature(canvas, &panel)
    })
}

fn add(series: &mut Vec<Series>, one: Series) {
    if !series.contains(&one) {
        series.push(one);
    }
}

/// The powers of ten of all sizes, and some room.
fn sizes(points: &[Point]) -> Range<f64> {
    let published = TABLE_2.iter().filter_map(|row| row.parameters);
    let powers =
        || points.iter().map(|point| point.parameters).chain(published.clone()).map(|size| (size as f64).log10());
    powers().fold(f64::INFINITY, f64::min) - 0.35..powers().fold(0.0, f64::max) + 0.25
}

/// All scores, and some room.
fn scores(points: &[Point]) -> Range<f64> {
    let published = TABLE_2.iter().map(|row| (row.uar, 0.0));
    let spreads = || points.iter().map(|point| (point.uar, point.std)).chain(published.clone());
    let low = spreads().fold(1.0, |low: f64, (uar, std)| low.min(uar - std));
    (low - 0.04).max(0.0)..(spreads().fold(0.0, |high: f64, (uar, std)| high.max(uar + std)) + 0.03).min(1.0)
}

/// The paper's models have their names above, ours below: they are of one size where they are of one architecture.
fn draw_series(canvas: &Canvas<'_>, panel: &Panel, series: Series, points: &[Point]) -> Drawn {
    let mark = series.mark();
    let points: Vec<&Point> = points.iter().filter(|point| point.series == series).collect();
    let at = |point: &Point, uar: f64| panel.at((point.parameters as f64).log10(), uar);
    let path: Vec<(i32, i32)> = points.iter().map(|point| at(point, point.uar)).collect();
    line(canvas, path, mark.colour.mix(0.4))?;
    for point in points {
        let (low, high) = (at(point, point.uar - point.std), at(point, point.uar + point.std));
        line(canvas, [low, high], mark.colour.stroke_width(2))?;
        mark.draw(canvas, at(point, point.uar), 5.0)?;
        let (at, down) = match series.here {
            None => ((high.0, high.1.min(at(point, point.uar).1 - 6) - 2), VPos::Bottom),
            Some(_) => ((low.0, low.1.max(at(point, point.uar).1 + 6) + 2), VPos::Top),
        };
        write(canvas, &point.name, at, LABEL, (HPos::Center, down))?;
    }
    Ok(())
}

fn draw_literature(canvas: &Canvas<'_>, panel: &Panel) -> Drawn {
    let strip = Panel { left: STRIP.start, right: STRIP.end, ..panel.clone() };
    strip.frame(canvas)?;
    let under = ((STRIP.start + STRIP.end) / 2, strip.bottom + 8);
    write(canvas, "size not reported", under, LABEL, (HPos::Center, VPos::Top))?;
    let mut rows = TABLE_2;
    rows.sort_by(|a, b| b.uar.total_cmp(&a.uar));
    let places = |known: bool| {
        let of_side: Vec<&Published> = rows.iter().filter(|row| row.parameters.is_some() == known).collect();
        let heights = apart(of_side.iter().map(|row| panel.up(row.uar)).collect(), 16);
        of_side.into_iter().zip(heights).collect::<Vec<_>>()
    };
    for (row, height) in places(true) {
        let size = row.parameters.map_or(0.0, |size| (size as f64).log10());
        let at = panel.at(size, row.uar);
        LITERATURE.draw(canvas, at, 4.0)?;
        write(canvas, row.name, (at.0 - 10, height), LABEL, (HPos::Right, VPos::Center))?;
    }
    for (row, height) in places(false) {
        let at = (STRIP.start + 16, panel.up(row.uar));
        LITERATURE.draw(canvas, at, 4.0)?;
        write(canvas, row.name, (at.0 + 10, height), LABEL, (HPos::Left, VPos::Center))?;
    }
    Ok(())
}

/// Ascending heights, neighbours pushed to at least `gap` pixels from each other.
fn apart(mut heights: Vec<i32>, gap: i32) -> Vec<i32> {
    for n in 1..heights.len() {
        let missing = gap - (heights[n] - heights[n - 1]);
        if missing > 0 {
            heights[n - 1] -= missing / 2;
            heights[n] = heights[n - 1] + gap;
        }
    }
    heights
}

/// The figure's data as CSV text, a line a model: `source,model,protocol,parameters,runs,uar_mean,uar_std,uar_max`; empty where nothing is
/// known.
pub fn csv(ours: &[ModelSummary]) -> String {
    let header = ["source", "model", "protocol", "parameters", "runs", "uar_mean", "uar_std", "uar_max"];
    let known = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let published = |(source, row): (&str, Published)| {
        let parameters = row.parameters.map_or(String::new(), |count| count.to_string());
        let runs = if row.std.is_some() { "10" } else { "" };
        let spread = [row.uar.to_string(), known(row.std), known(row.max)];
        let [mean, std, max] = spread;
        [source.into(), row.name.into(), String::new(), parameters, runs.into(), mean, std, max]
    };
    let here = |model: &ModelSummary| {
        let (arch, protocol) = (model.arch.to_string(), model.protocol.to_string());
        let numbers = [model.uar.mean, model.uar.std, model.uar.max].map(|value| value.to_string());
        let [mean, std, max] = numbers;
        [
            "here".into(),
            arch,
            protocol,
            model.parameters.to_string(),
            model.uar.values.len().to_string(),
            mean,
            std,
            max,
        ]
    };
    let tables = TABLE_1.map(|row| ("Table I", row)).into_iter().chain(TABLE_2.map(|row| ("Table II", row)));
    csv_text(&header, ours.iter().map(here).chain(tables.map(published)))
}
