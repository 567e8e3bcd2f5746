//! Gradient flow over the frames of a clip, with and without the residual connection.

use super::{BLUE, INK, VERMILLION};
use crate::audit::flow::Flow;
use plotters::prelude::*;

/// Pixels.
const WIDTH: u32 = 900;
const PANEL: u32 = 170;
const HEADER: u32 = 60;

/// One panel: a quantity of every flow over the frames.
struct Panel {
    title: String,
    curves: Vec<Vec<f64>>,
}

/// The figure, as SVG text: a panel for every ‖∂L/∂h_t‖ and ‖∂L/∂c_t‖ and one for ‖∂L/∂x_t‖, logarithmic, over time. `flows` are of
/// the same clip, each with what to call it, at most two; frames are `seconds` apart.
pub fn svg(title: &str, flows: &[(&str, &Flow)], seconds: f64) -> String {
    let panels = panels(flows);
    let mut text = String::new();
    {
        let size = (WIDTH, HEADER + PANEL * panels.len() as u32);
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let (header, body) = root.split_vertically(HEADER);
        draw_header(&header, title, flows);
        for (area, panel) in body.split_evenly((panels.len(), 1)).iter().zip(&panels) {
            draw_panel(area, panel, seconds);
        }
        root.present().expect("writing to a string");
    }
    text
}

fn panels(flows: &[(&str, &Flow)]) -> Vec<Panel> {
    let mut panels = Vec::new();
    let lstms = flows[0].1.lstms.len();
    for l in (0..lstms).rev() {
        let name = flows[0].1.lstms[l].name.to_uppercase();
        let curves = |of: fn(&crate::audit::flow::LstmFlow) -> &Vec<f64>| {
            flows.iter().map(|(_, flow)| of(&flow.lstms[l]).clone()).collect()
        };
        panels.push(Panel { title: format!("{name}  ‖∂L/∂h‖"), curves: curves(|lstm| &lstm.h) });
        panels.push(Panel { title: format!("{name}  ‖∂L/∂c‖"), curves: curves(|lstm| &lstm.c) });
    }
    let curves = flows.iter().map(|(_, flow)| flow.input.clone()).collect();
    panels.push(Panel { title: "input  ‖∂L/∂x‖".into(), curves });
    panels
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn colour(flow: usize) -> RGBColor {
    [BLUE, VERMILLION][flow]
}

fn draw_header(area: &Area<'_>, title: &str, flows: &[(&str, &Flow)]) {
    let style = |size: i32| TextStyle::from(("sans-serif", size).into_font()).color(&INK);
    area.draw(&Text::new(title.to_string(), (12, 8), style(17))).expect("writing to a string");
    let mut left = 12;
    for (number, (name, flow)) in flows.iter().enumerate() {
        let name = format!("{name}, loss {:.1e}", flow.loss);
        let line = PathElement::new(vec![(left, 46), (left + 24, 46)], colour(number).stroke_width(3));
        area.draw(&line).expect("writing to a string");
        area.draw(&Text::new(name.clone(), (left + 32, 38), style(14))).expect("writing to a string");
        left += 60 + 8 * name.chars().count() as i32;
    }
}

fn draw_panel(area: &Area<'_>, panel: &Panel, seconds: f64) {
    let frames = panel.curves[0].len();
    let end = seconds * (frames.max(2) - 1) as f64;
    let (low, high) = range(&panel.curves);
    let style = |size: i32| TextStyle::from(("sans-serif", size).into_font()).color(&INK);
    let mut chart = ChartBuilder::on(area)
        .margin_right(16)
        .margin_top(4)
        .x_label_area_size(34)
        .y_label_area_size(76)
        .caption(&panel.title, style(14))
        .build_cartesian_2d(0.0..end, (low..high).log_scale())
        .expect("a panel has room");
    chart
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(INK.mix(0.25))
        .light_line_style(TRANSPARENT)
        .label_style(style(12))
        .y_labels(5)
        .y_label_formatter(&|value| format!("{value:.0e}"))
        .x_desc("seconds")
        .axis_desc_style(style(12))
        .draw()
        .expect("writing to a string");
    for (number, curve) in panel.curves.iter().enumerate() {
        // A gradient of exactly zero has no logarithm: it is drawn at the floor.
        let points = curve.iter().enumerate().map(|(t, &norm)| (seconds * t as f64, norm.max(low)));
        chart.draw_series(LineSeries::new(points, colour(number).stroke_width(2))).expect("writing to a string");
    }
}

/// Whole powers of ten around all curves, at most twelve.
fn range(curves: &[Vec<f64>]) -> (f64, f64) {
    let norms = || curves.iter().flatten().copied().filter(|norm| *norm > 0.0 && norm.is_finite());
    let high = norms().fold(f64::NEG_INFINITY, |high, norm| high.max(norm.log10())).ceil();
    let low = norms().fold(f64::INFINITY, |low, norm| low.min(norm.log10())).floor();
    let (low, high) = if high.is_finite() { (low.max(high - 12.0), high) } else { (-1.0, 0.0) };
    (10f64.powf(low), 10f64.powf(if high > low { high } else { low + 1.0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_covers_the_curves() {
        assert_eq!(range(&[vec![0.02, 3.0], vec![0.5]]), (0.01, 10.0));
        assert_eq!(range(&[vec![1.0]]), (1.0, 10.0));
        assert_eq!(range(&[vec![0.0]]), (0.1, 1.0));
        assert_eq!(range(&[vec![1e-30, 1.0]]).0, 1e-12);
    }
}
