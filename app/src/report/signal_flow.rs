//! One clip on its way through a model (Fig. 3): features, LSTM outputs and attention.

use super::colours::{BLUE, INK, STEPS, diverging, step};
use super::csv_text;
use super::drawing::{
    Canvas, Drawn, HPos, LABEL, LONGEST_TITLE, Panel, TITLE, VPos, letters, line, picture, shortened, ticks,
    whole_ticks, write, write_in,
};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use reslstm::audio::FeatureSettings;
use reslstm::matrix::Matrix;
use reslstm::models::{Metadata, Trace};

/// Pixels.
pub(super) const WIDTH: i32 = 900;
pub(super) const LEFT: i32 = 84;
pub(super) const RIGHT: i32 = WIDTH - 84;
const TOP: i32 = 106;
const HEAT_MAP: i32 = 150;
const ATTENTION: i32 = 96;
const BETWEEN: i32 = 36;

/// Normalised features beyond this many standard deviations have the colour of the end of the scale.
pub(super) const FEATURE_END: f64 = 3.0;
/// Outputs of an LSTM lie between −1 and 1.
const LSTM_END: f64 = 1.0;

/// The features and the output of each LSTM, from the bottom up, each with its name: `[T,D]` or `[T,H]`.
fn layers<'a>(x: &'a Matrix<f32>, trace: &'a Trace<f32>) -> Vec<(&'static str, &'a Matrix<f32>)> {
    let lstms = trace.lstms.iter().map(|lstm| (lstm.name, &lstm.tape.h));
    [("input", x)].into_iter().chain(lstms).collect()
}

/// The figure, as SVG text: one heat map per layer and the attention over one axis of frames. `x`, `[T,D]`, are the normalised
/// features, `trace` the values of the forward pass; `metadata`, if known, gives the names of the columns and the time between
/// frames.
pub fn svg(title: &str, x: &Matrix<f32>, trace: &Trace<f32>, metadata: Option<&Metadata>) -> String {
    let layers = layers(x, trace);
    let frames = x.rows() as f64;
    let panel = |top: i32, height: i32, y: std::ops::Range<f64>| Panel {
        left: LEFT,
        top,
        right: RIGHT,
        bottom: top + height,
        // A cell is as wide as a frame and in the middle of its own number.
        x: -0.5..frames - 0.5,
        y,
    };
    let attention_top = TOP + (HEAT_MAP + BETWEEN) * layers.len() as i32;
    picture(WIDTH, attention_top + ATTENTION + 54, |canvas| {
        write(canvas, &shortened(title, LONGEST_TITLE), (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        for (number, (name, values)) in layers.iter().enumerate() {
            let top = TOP + (HEAT_MAP + BETWEEN) * number as i32;
            let panel = panel(top, HEAT_MAP, -0.5..values.cols() as f64 - 0.5);
            let end = if number == 0 { FEATURE_END } else { LSTM_END };
            draw_heat_map(canvas, &panel, name, values, end)?;
            match metadata.filter(|_| number == 0) {
                Some(metadata) => draw_features(canvas, &panel, &metadata.features)?,
                None => draw_units(canvas, &panel, values.cols())?,
            }
            draw_colour_bar(canvas, &panel, end)?;
        }
        let highest = trace.attention.iter().copied().fold(0.0, f32::max);
        let panel = panel(attention_top, ATTENTION, 0.0..1.08 * f64::from(highest));
        draw_attention(canvas, &panel, &trace.attention)?;
        panel.x_axis(canvas, &whole_ticks(&panel.x, 10), "frame")?;
        metadata.map_or(Ok(()), |metadata| draw_seconds(canvas, metadata, frames))
    })
}

/// Seconds from one frame to the next.
fn seconds(metadata: &Metadata) -> f64 {
    metadata.features.hop as f64 / f64::from(metadata.sample_rate)
}

/// The same axis in seconds, above everything.
fn draw_seconds(canvas: &Canvas<'_>, metadata: &Metadata, frames: f64) -> Drawn {
    let x = -0.5 * seconds(metadata)..(frames - 0.5) * seconds(metadata);
    let panel = Panel { left: LEFT, top: TOP - 34, right: RIGHT, bottom: TOP - 34, x, y: 0.0..1.0 };
    panel.top_axis(canvas, &ticks(&panel.x, 10))?;
    line(canvas, [(LEFT, panel.top), (RIGHT, panel.top)], INK)?;
    write(canvas, "seconds", (RIGHT + 10, panel.top), LABEL, (HPos::Left, VPos::Center))
}

/// One cell per number, `[T,D]`: frames to the right, columns upwards.
pub(super) fn heat_map(canvas: &Canvas<'_>, panel: &Panel, values: &Matrix<f32>, end: f64) -> Drawn {
    for unit in 0..values.cols() {
        let colour = |frame: usize| step(f64::from(values[(frame, unit)]), end);
        let [low, high] = [-0.5, 0.5].map(|half| panel.up(unit as f64 + half));
        // Neighbours of one colour are one rectangle: LSTMs change slowly.
        let mut first = 0;
        while first < values.rows() {
            let run = (first..values.rows()).take_while(|&frame| colour(frame) == colour(first)).count();
            let [from, to] = [first, first + run].map(|frame| panel.across(frame as f64 - 0.5));
            canvas.draw(&Rectangle::new([(from, high), (to, low)], diverging(colour(first)).filled()))?;
            first += run;
        }
    }
    Ok(())
}

fn draw_heat_map(canvas: &Canvas<'_>, panel: &Panel, name: &str, values: &Matrix<f32>, end: f64) -> Drawn {
    heat_map(canvas, panel, values, end)?;
    let what = match name {
        "input" => "input features, normalised (in standard deviations)".to_string(),
        lstm => format!("output of {}", lstm.to_uppercase()),
    };
    panel.frame(canvas)?;
    panel.heading(canvas, &what)
}

/// The rows are MFCC, with chroma, pitch and deltas above them.
pub(super) fn draw_features(canvas: &Canvas<'_>, panel: &Panel, settings: &FeatureSettings) -> Drawn {
    let mut first = -0.5;
    for (name, count) in settings.kinds() {
        let end = first + count as f64;
        write(canvas, name, (LEFT - 10, panel.up((first + end) / 2.0)), LABEL, (HPos::Right, VPos::Center))?;
        line(canvas, [(LEFT - 5, panel.up(first) - 2), (LEFT - 5, panel.up(end) + 2)], INK)?;
        first = end;
    }
    Ok(())
}

/// The rows are units, which are alike.
fn draw_units(canvas: &Canvas<'_>, panel: &Panel, units: usize) -> Drawn {
    for unit in [1, units] {
        let at = (LEFT - 8, panel.up(unit as f64 - 1.0));
        write(canvas, &unit.to_string(), at, LABEL, (HPos::Right, VPos::Center))?;
    }
    let upwards = letters(LABEL, (HPos::Center, VPos::Bottom)).transform(FontTransform::Rotate270);
    write_in(canvas, "unit", (LEFT - 12, (panel.top + panel.bottom) / 2), upwards)
}

pub(super) fn draw_colour_bar(canvas: &Canvas<'_>, panel: &Panel, end: f64) -> Drawn {
    let (left, right) = (RIGHT + 14, RIGHT + 28);
    let bar = Panel { left, right, y: -end..end, ..panel.clone() };
    let edge = |step: i32| bar.up(end * f64::from(2 * step - 1) / f64::from(2 * STEPS + 1));
    for step in -STEPS..=STEPS {
        let corners = [(left, edge(step + 1)), (right, edge(step))];
        canvas.draw(&Rectangle::new(corners, diverging(step).filled()))?;
    }
    for value in [-end, 0.0, end] {
        let label = if value == 0.0 { "0".to_string() } else { format!("{value:+}").replace('-', "−") };
        write(canvas, &label, (right + 6, bar.up(0.94 * value)), LABEL, (HPos::Left, VPos::Center))?;
    }
    Ok(())
}

fn draw_attention(canvas: &Canvas<'_>, panel: &Panel, attention: &[f32]) -> Drawn {
    panel.heading(canvas, "attention weight of each frame; dashed: all frames alike")?;
    panel.y_axis(canvas, &ticks(&panel.y, 4), "")?;
    let curve: Vec<_> = attention.iter().enumerate().map(|(t, &alpha)| panel.at(t as f64, alpha.into())).collect();
    let mut filled = curve.clone();
    filled.extend([(curve[curve.len() - 1].0, panel.bottom), (curve[0].0, panel.bottom)]);
    canvas.draw(&Polygon::new(filled, BLUE.mix(0.35)))?;
    line(canvas, curve, BLUE.stroke_width(2))?;
    let alike = panel.up(1.0 / attention.len() as f64);
    let dashed = [(panel.left, alike), (panel.right, alike)];
    canvas.draw(&DashedPathElement::new(dashed, 6, 5, INK.stroke_width(1)))?;
    panel.frame(canvas)
}

/// The figure's data as CSV text, one line per frame: `frame`, `seconds` if known, every value of every layer, `attention`.
pub fn csv(x: &Matrix<f32>, trace: &Trace<f32>, metadata: Option<&Metadata>) -> String {
    let layers = layers(x, trace);
    let columns = |(name, values): &(&str, &Matrix<f32>)| -> Vec<String> {
        (0..values.cols()).map(|unit| format!("{name}.{unit}")).collect()
    };
    let mut header = vec!["frame".to_string()];
    header.extend(metadata.map(|_| "seconds".to_string()));
    header.extend(layers.iter().flat_map(columns));
    header.push("attention".into());
    let row = |frame: usize| {
        let mut row = vec![frame.to_string()];
        row.extend(metadata.map(|metadata| (seconds(metadata) * frame as f64).to_string()));
        row.extend(layers.iter().flat_map(|(_, values)| values.row(frame).iter().map(f32::to_string)));
        row.push(trace.attention[frame].to_string());
        row
    };
    csv_text(&header, (0..x.rows()).map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::models::Model;
    use reslstm::rng::RandomStream;

    fn traced(name: &str, frames: usize) -> (Matrix<f32>, Trace<f32>) {
        let mut stream = RandomStream::new(7, "flow", 0);
        let model = Model::init(name.parse().unwrap(), 5, 3, &mut stream);
        let x = Matrix::from_vec(frames, 5, (0..5 * frames).map(|_| stream.normal() as f32).collect());
        let trace = Trace::new(&model, &x);
        (x, trace)
    }

    fn metadata() -> Metadata {
        let features = {
            let mut settings = FeatureSettings::default();
            (settings.n_fft, settings.hop, settings.mel_bands) = (512, 2000, 16);
            (settings.mfcc, settings.chroma) = (3, 2);
            settings
        };
        Metadata::new("lstm-sa-h2".into(), vec!["a".into(), "b".into(), "c".into()].try_into().unwrap(), 4000, features)
    }

    #[test]
    fn a_heat_map_for_every_lstm_there_is() {
        for (name, shown) in [("reslstm-sa-h3", vec!["LSTM1", "LSTM2"]), ("lstm-sa-h3-2vectors", vec!["LSTM"])] {
            let (x, trace) = traced(name, 6);
            let svg = svg("Title", &x, &trace, Some(&metadata()));
            let headings: Vec<&str> = svg.lines().filter_map(|line| line.strip_prefix("output of ")).collect();
            assert_eq!(headings, shown);
            assert!(
                ["Title", "MFCC", "chroma", "frame", "seconds", "attention weight"].iter().all(|t| svg.contains(t))
            );
        }
    }

    #[test]
    fn unknown_seconds_are_left_out() {
        let (x, trace) = traced("lstm-sa-h2", 6);
        assert!(!svg("Title", &x, &trace, None).contains("seconds"));
        assert!(csv(&x, &trace, None).starts_with("frame,input.0,"));
    }

    #[test]
    fn cells_of_one_colour_are_one_rectangle_and_a_new_colour_begins_a_new_one() {
        let (mut x, trace) = traced("lstm-sa-h2", 4);
        let cells = |x: &Matrix<f32>| {
            let svg = svg("Title", x, &trace, None);
            let first_map = svg.split("input features").next().unwrap();
            first_map.matches("<rect").count()
        };
        x.fill(0.0);
        // Five rows, and the frame.
        assert_eq!(cells(&x), 6);
        x[(2, 1)] = 1.0;
        assert_eq!(cells(&x), 8);
    }

    #[test]
    fn the_table_has_every_value() {
        let (x, trace) = traced("lstm-sa-h2", 3);
        let csv = csv(&x, &trace, Some(&metadata()));
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[0], "frame,seconds,input.0,input.1,input.2,input.3,input.4,lstm.0,lstm.1,attention");
        let last: Vec<f32> = lines[3].split(',').map(|field| field.parse().unwrap()).collect();
        assert_eq!(last[..2], [2.0, 1.0]);
        assert_eq!((&last[2..7], &last[7..9]), (x.row(2), trace.lstms[0].tape.h.row(2)));
        assert_eq!((lines.len(), last[9]), (4, trace.attention[2]));
    }
}
