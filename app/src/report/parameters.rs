//! UAR against the number of parameters: results and Tables I and II of the paper.

use super::colours::{BLUE, GREEN, INK, PURPLE, VERMILLION};
use super::csv_text;
use super::drawing::{Canvas, Drawn, HPos, LABEL, Panel, TITLE, VPos, line, picture, ticks, write};
use super::marks::{Legend, Mark, Shape};
use super::published::{Published, TABLE_1, TABLE_2};
use crate::experiment::results::ModelSummary;
use plotters::prelude::*;
use reslstm::models::{Architecture, Family};
use reslstm::train::Protocol;
use std::ops::Range;

/// Pixels.
const WIDTH: i32 = 900;
const LEFT: i32 = 76;
const RIGHT: i32 = 720;
const TOP: i32 = 48;
const HEIGHT: i32 = 400;
/// Models of unknown size have a strip of their own.
const STRIP: Range<i32> = 740..WIDTH - 20;

/// A model that this program has, trained by the paper or here.
struct Point {
    series: Series,
    hidden: usize,
    parameters: usize,
    uar: f64,
    std: f64,
}

impl Point {
    /// Its pixel at a UAR. The protocols are shifted sideways so that they do not hide each other.
    fn at(&self, panel: &Panel, uar: f64) -> (i32, i32) {
        let (x, y) = panel.at((self.parameters as f64).log10(), uar);
        let aside = match self.series.here {
            None => 0,
            Some(Protocol::Strict) => -4,
            Some(Protocol::Published) => 4,
            Some(Protocol::Table1) => 8,
        };
        (x + aside, y)
    }
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
            Some(Protocol::Table1) => Mark::new(shape, PURPLE),
        }
    }

    fn name(self) -> String {
        let family = if self.family == Family::LstmSa { "LSTM-SA" } else { "ResLSTM-SA" };
        match self.here {
            None => format!("{family}, the paper"),
            Some(protocol) => {
                let note = protocol.score_note().map_or(String::new(), |note| format!(" ({note})"));
                format!("{family} here, {protocol}{note}")
            }
        }
    }
}

const LITERATURE: Mark = Mark { shape: Shape::Square, colour: INK, hollow: false };

fn points(ours: &[ModelSummary]) -> Vec<Point> {
    let of_paper = |row: Published| {
        let arch: Architecture = row.arch?.parse().ok()?;
        let (family, hidden) = (arch.family(), arch.hidden());
        let series = Series { family, here: None };
        Some(Point { series, hidden, parameters: row.parameters?, uar: row.uar, std: row.std? })
    };
    let here = |model: &ModelSummary| {
        let (family, hidden) = (model.arch.family(), model.arch.hidden());
        let series = Series { family, here: Some(model.protocol) };
        Point { series, hidden, parameters: model.parameters, uar: model.uar.mean, std: model.uar.std }
    };
    let mut points: Vec<Point> = TABLE_1.into_iter().filter_map(of_paper).chain(ours.iter().map(here)).collect();
    points.sort_by_key(|point| point.parameters);
    points
}

/// The figure, as SVG text: `ours` and the paper's own models with mean ± standard deviation over runs, those of the literature
/// as the paper reports them.
pub fn svg(title: &str, ours: &[ModelSummary]) -> String {
    let points = points(ours);
    let panel =
        Panel { left: LEFT, top: TOP, right: RIGHT, bottom: TOP + HEIGHT, x: sizes(&points), y: scores(&points) };
    let all = std::iter::once(None)
        .chain(Protocol::ALL.map(|(_, protocol)| Some(protocol)))
        .flat_map(|here| [Family::LstmSa, Family::ResLstmSa].map(|family| Series { family, here }));
    let series: Vec<Series> = all.filter(|&series| points.iter().any(|point| point.series == series)).collect();
    let mut names: Vec<_> = series.iter().map(|series| (series.mark(), series.name())).collect();
    names.push((LITERATURE, "others, in the paper's Table II".into()));
    let legend = Legend::new(names, WIDTH - LEFT - 12);
    picture(WIDTH, TOP + HEIGHT + 56 + legend.height, |canvas| {
        write(canvas, title, (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        legend.draw(canvas, (LEFT, TOP + HEIGHT + 48))?;
        let powers = ["1 k", "10 k", "100 k", "1 M", "10 M", "100 M", "1 G"].into_iter().enumerate();
        let powers = powers.map(|(power, name)| (power as f64 + 3.0, name.to_string()));
        let powers: Vec<_> = powers.filter(|(power, _)| panel.x.contains(power)).collect();
        panel.x_axis(canvas, &powers, "parameters")?;
        panel.y_axis(canvas, &ticks(&panel.y, 8), "UAR")?;
        panel.frame(canvas)?;
        for series in series {
            draw_series(canvas, &panel, series, &points)?;
        }
        draw_sizes(canvas, &panel, &points)?;
        draw_literature(canvas, &panel)
    })
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

fn draw_series(canvas: &Canvas<'_>, panel: &Panel, series: Series, points: &[Point]) -> Drawn {
    let mark = series.mark();
    let points: Vec<&Point> = points.iter().filter(|point| point.series == series).collect();
    let path: Vec<(i32, i32)> = points.iter().map(|point| point.at(panel, point.uar)).collect();
    line(canvas, path, mark.colour.mix(0.4))?;
    for point in points {
        let spread = [point.uar - point.std, point.uar + point.std].map(|uar| point.at(panel, uar));
        line(canvas, spread, mark.colour.stroke_width(2))?;
        mark.draw(canvas, point.at(panel, point.uar), 5.0)?;
    }
    Ok(())
}

/// One name for all points of a family and size: above them if the model has the residual block, otherwise below them.
fn draw_sizes(canvas: &Canvas<'_>, panel: &Panel, points: &[Point]) -> Drawn {
    for (n, first) in points.iter().enumerate() {
        let alike = |point: &&Point| (point.series.family, point.hidden) == (first.series.family, first.hidden);
        if points[..n].iter().any(|point| alike(&point)) {
            continue;
        }
        let group: Vec<&Point> = points.iter().filter(alike).collect();
        let middle = group.iter().map(|point| point.at(panel, 0.0).0).sum::<i32>() / group.len() as i32;
        let ends = |sign: f64| group.iter().map(move |point| point.at(panel, point.uar + sign * point.std).1);
        let (height, down) = match first.series.family {
            Family::ResLstmSa => (ends(1.0).min().unwrap_or(0) - 8, VPos::Bottom),
            Family::LstmSa => (ends(-1.0).max().unwrap_or(0) + 8, VPos::Top),
        };
        write(canvas, &format!("h{}", first.hidden), (middle, height), LABEL, (HPos::Center, down))?;
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

/// The figure's data as CSV text, one line per model: `source,model,protocol,parameters,runs,uar_mean,uar_std,uar_max`; empty
/// where nothing is known.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::results;

    #[test]
    fn every_published_row_is_in_the_table() {
        let ours = [ModelSummary::new(&results().runs)];
        let svg = svg("Title", &ours);
        for row in TABLE_2 {
            assert!(svg.contains(row.name), "{}", row.name);
        }
        for text in ["ResLSTM-SA here, strict", "LSTM-SA, the paper", "size not reported", "\n10 k\n", "\n100 M\n"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains("here, published"));
        // Of a size once, whoever trained it: h32, h64, h128 of two families.
        let sizes = |size: &str| svg.lines().filter(|line| *line == size).count();
        assert_eq!(["h32", "h64", "h128"].map(sizes), [2, 2, 2]);
    }

    #[test]
    fn the_table_has_ours_and_both_published_ones() {
        let csv = csv(&[ModelSummary::new(&results().runs)]);
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[0], "source,model,protocol,parameters,runs,uar_mean,uar_std,uar_max");
        assert!(lines[1].starts_with("here,reslstm-sa-h64,strict,46772,2,0.6111111111111"), "{}", lines[1]);
        assert_eq!(lines[2], "Table I,LSTM-SA-h32,,10600,10,0.5352,0.0123,0.5547");
        assert_eq!(lines[9], "Table II,CNN+LSTM,,,,0.5671,,");
        assert_eq!(lines.len(), 1 + 1 + TABLE_1.len() + TABLE_2.len());
    }

    #[test]
    fn names_that_would_overlap_are_pushed_apart() {
        assert_eq!(apart(vec![10, 40, 44, 80], 16), [10, 34, 50, 80]);
    }
}
