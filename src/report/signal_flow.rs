//! One clip on its way through a model (Fig. 3): what it reads, what each LSTM makes of it, and where the attention looks.

use super::colours::{BLUE, INK, STEPS, diverging, step};
use super::csv_text;
use super::drawing::{Canvas, Drawn, HPos, LABEL, Panel, TITLE, VPos, letters, line, picture, ticks, write, write_in};
use crate::audio::FeatureSettings;
use crate::error::{Error, Kind, Result};
use crate::matrix::Matrix;
use crate::models::{Model, Tape};
use crate::packed::{Packed, Padding};
use plotters::element::DashedPathElement;
use plotters::prelude::*;

/// Pixels.
const WIDTH: i32 = 900;
const LEFT: i32 = 84;
const RIGHT: i32 = WIDTH - 84;
const TOP: i32 = 92;
const HEAT_MAP: i32 = 150;
const ATTENTION: i32 = 96;
const BETWEEN: i32 = 36;

/// The longest clip that is drawn: every frame is a cell in every row.
pub const MOST_FRAMES: usize = 2_000;

/// Normalised features beyond this many standard deviations have the colour of the end of the scale.
const FEATURE_END: f64 = 3.0;
/// Outputs of an LSTM lie between −1 and 1.
const LSTM_END: f64 = 1.0;

/// What a clip is inside a model.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalFlow {
    /// The input and the output of every LSTM, from the bottom up.
    pub layers: Vec<Layer>,
    /// Attention weights α, `[T]`; they add up to 1.
    pub attention: Vec<f32>,
}

/// Values between two layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// `input`, `lstm1`, `lstm2`, `lstm`: as the tensors are called.
    pub name: &'static str,
    /// `[T,D]` or `[T,H]`
    pub values: Matrix<f32>,
}

impl SignalFlow {
    /// Of normalised features `x`, `[T,D]`, in evaluation.
    ///
    /// # Errors
    /// [`Kind::Features`] if the clip is longer than [`MOST_FRAMES`].
    ///
    /// # Panics
    /// If there is no frame, or `x` has not the model's width.
    pub fn of(model: &Model<f32>, x: &Matrix<f32>) -> Result<Self> {
        if x.rows() > MOST_FRAMES {
            let problem = format!("expected a clip of at most {MOST_FRAMES} frames to draw, got {}", x.rows());
            return Err(Error::new(Kind::Features, problem).advice("cut out the part of interest"));
        }
        let mut tape = Tape::default();
        // One clip: frame t is row t.
        model.forward_eval(&Packed::new(&[x.rows()], Padding::Ignored), x, &mut tape);
        let mut layers = vec![Layer { name: "input", values: x.clone() }];
        match model {
            Model::LstmSa(_) => layers.push(Layer { name: "lstm", values: tape.top.lstm.h }),
            Model::ResLstmSa(_) => {
                layers.push(Layer { name: "lstm1", values: tape.lstm1.h });
                layers.push(Layer { name: "lstm2", values: tape.top.lstm.h });
            }
        }
        Ok(SignalFlow { layers, attention: tape.top.attention.alpha })
    }
}

/// The figure, as SVG text: a heat map a layer and the attention, over one axis of frames, which are `seconds` apart. `features` says
/// what the columns of the input are, where that is known.
pub fn svg(title: &str, flow: &SignalFlow, seconds: f64, features: Option<&FeatureSettings>) -> String {
    let frames = flow.attention.len() as f64;
    let panel = |top: i32, height: i32, y: std::ops::Range<f64>| Panel {
        left: LEFT,
        top,
        right: RIGHT,
        bottom: top + height,
        // A cell is as wide as a frame and in the middle of its own number.
        x: -0.5..frames - 0.5,
        y,
    };
    let attention_top = TOP + (HEAT_MAP + BETWEEN) * flow.layers.len() as i32;
    picture(WIDTH, attention_top + ATTENTION + 54, |canvas| {
        write(canvas, title, (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        for (number, layer) in flow.layers.iter().enumerate() {
            let top = TOP + (HEAT_MAP + BETWEEN) * number as i32;
            let panel = panel(top, HEAT_MAP, -0.5..layer.values.cols() as f64 - 0.5);
            let end = if number == 0 { FEATURE_END } else { LSTM_END };
            draw_heat_map(canvas, &panel, layer, end)?;
            draw_rows(canvas, &panel, layer, features.filter(|_| number == 0))?;
            draw_colour_bar(canvas, &panel, end)?;
        }
        let highest = flow.attention.iter().copied().fold(0.0, f32::max);
        let panel = panel(attention_top, ATTENTION, 0.0..1.08 * f64::from(highest));
        draw_attention(canvas, &panel, &flow.attention)?;
        panel.x_axis(canvas, &ticks(&panel.x, 10), "frame")?;
        draw_seconds(canvas, seconds, frames)
    })
}

/// The same axis in seconds, above everything.
fn draw_seconds(canvas: &Canvas<'_>, seconds: f64, frames: f64) -> Drawn {
    let x = -0.5 * seconds..(frames - 0.5) * seconds;
    let panel = Panel { left: LEFT, top: TOP - 22, right: RIGHT, bottom: TOP - 22, x, y: 0.0..1.0 };
    panel.top_axis(canvas, &ticks(&panel.x, 10))?;
    line(canvas, [(LEFT, panel.top), (RIGHT, panel.top)], INK)?;
    write(canvas, "seconds", (RIGHT + 10, panel.top), LABEL, (HPos::Left, VPos::Center))
}

fn draw_heat_map(canvas: &Canvas<'_>, panel: &Panel, layer: &Layer, end: f64) -> Drawn {
    for unit in 0..layer.values.cols() {
        let colour = |frame: usize| step(f64::from(layer.values[(frame, unit)]), end);
        let [low, high] = [-0.5, 0.5].map(|half| panel.up(unit as f64 + half));
        // Neighbours of one colour are one rectangle: LSTMs change slowly.
        let mut first = 0;
        while first < layer.values.rows() {
            let run = (first..layer.values.rows()).take_while(|&frame| colour(frame) == colour(first)).count();
            let [from, to] = [first, first + run].map(|frame| panel.across(frame as f64 - 0.5));
            canvas.draw(&Rectangle::new([(from, high), (to, low)], diverging(colour(first)).filled()))?;
            first += run;
        }
    }
    let what = match layer.name {
        "input" => "input features, normalised (in standard deviations)".to_string(),
        lstm => format!("output of {}, {} units", lstm.to_uppercase(), layer.values.cols()),
    };
    panel.heading(canvas, &what)
}

/// What the rows of a heat map are.
fn draw_rows(canvas: &Canvas<'_>, panel: &Panel, layer: &Layer, features: Option<&FeatureSettings>) -> Drawn {
    let rows = layer.values.cols() as f64;
    let Some(FeatureSettings { mfcc, .. }) = features else {
        let numbers = [(0.0, "1".to_string()), (rows - 1.0, format!("{rows}"))];
        for (row, number) in numbers {
            write(canvas, &number, (LEFT - 8, panel.up(row)), LABEL, (HPos::Right, VPos::Center))?;
        }
        let unit = letters(LABEL, (HPos::Center, VPos::Bottom)).transform(FontTransform::Rotate270);
        return write_in(canvas, "unit", (LEFT - 12, panel.up(rows / 2.0)), unit);
    };
    let border = *mfcc as f64;
    for (name, first, end) in [("MFCC", 0.0, border), ("chroma", border, rows)] {
        write(canvas, name, (LEFT - 10, panel.up((first + end - 1.0) / 2.0)), LABEL, (HPos::Right, VPos::Center))?;
        let [low, high] = [first, end].map(|row| panel.up(row - 0.5));
        line(canvas, [(LEFT - 5, low - 2), (LEFT - 5, high + 2)], INK)?;
    }
    Ok(())
}

fn draw_colour_bar(canvas: &Canvas<'_>, panel: &Panel, end: f64) -> Drawn {
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

/// The figure's data as CSV text, a line a frame: `frame,seconds`, every value of every layer, `attention`.
pub fn csv(flow: &SignalFlow, seconds: f64) -> String {
    let mut header = vec!["frame".to_string(), "seconds".to_string()];
    for layer in &flow.layers {
        header.extend((0..layer.values.cols()).map(|unit| format!("{}.{unit}", layer.name)));
    }
    header.push("attention".into());
    let row = |frame: usize| {
        let place = [frame.to_string(), (seconds * frame as f64).to_string()];
        let values = flow.layers.iter().flat_map(move |layer| layer.values.row(frame).iter().map(f32::to_string));
        place.into_iter().chain(values).chain([flow.attention[frame].to_string()])
    };
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    csv_text(&header, (0..flow.attention.len()).map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn flow(name: &str, frames: usize) -> Result<SignalFlow> {
        let mut stream = Stream::new(7, "flow", 0);
        let model = Model::init(name.parse().unwrap(), 5, 3, &mut stream);
        let x = Matrix::from_vec(frames, 5, (0..5 * frames).map(|_| stream.normal() as f32).collect());
        SignalFlow::of(&model, &x)
    }

    #[test]
    fn a_panel_for_every_lstm_there_is() {
        let layers = |flow: &SignalFlow| flow.layers.iter().map(|l| (l.name, l.values.cols())).collect::<Vec<_>>();
        let two = flow("reslstm-sa-h3", 6).unwrap();
        assert_eq!(layers(&two), [("input", 5), ("lstm1", 5), ("lstm2", 3)]);
        let one = flow("lstm-sa-h3-2vectors", 6).unwrap();
        assert_eq!(layers(&one), [("input", 5), ("lstm", 3)]);
        for flow in [one, two] {
            assert!((flow.attention.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            let svg = svg("Title", &flow, 0.05, None);
            for layer in &flow.layers[1..] {
                assert!(
                    svg.contains(&format!("output of {}, 3 units", layer.name.to_uppercase())) || layer.name == "lstm1"
                );
            }
        }
    }

    #[test]
    fn the_table_has_every_value() {
        let flow = flow("lstm-sa-h2", 3).unwrap();
        let csv = csv(&flow, 0.5);
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[0], "frame,seconds,input.0,input.1,input.2,input.3,input.4,lstm.0,lstm.1,attention");
        let last: Vec<f32> = lines[3].split(',').map(|field| field.parse().unwrap()).collect();
        assert_eq!(last[..2], [2.0, 1.0]);
        assert_eq!((&last[2..7], &last[7..9]), (flow.layers[0].values.row(2), flow.layers[1].values.row(2)));
        assert_eq!((lines.len(), last[9]), (4, flow.attention[2]));
    }

    #[test]
    fn what_would_not_fit_on_a_page_is_refused() {
        let error = flow("lstm-sa-h2", MOST_FRAMES + 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a clip of at most 2000 frames to draw, got 2001 (cut out the part of interest)"
        );
    }
}
