//! Gradient flow over the frames of a clip, with and without the residual connection.

use super::colours::{BLUE, VERMILLION};
use super::drawing::{
    Canvas, Drawn, HPos, LABEL, LONGEST_TITLE, Panel, TITLE, VPos, line, picture, shortened, ticks, whole_ticks,
    width_of, write,
};
use plotters::prelude::*;
use reslstm::audit::flow::{Flow, LstmFlow};
use std::ops::Range;

/// Pixels.
const WIDTH: i32 = 900;
const TOP: i32 = 96;
const PANEL: i32 = 110;
const BETWEEN: i32 = 34;

/// One panel: a quantity of every flow over the frames.
struct Quantity {
    name: String,
    curves: Vec<Vec<f64>>,
}

/// The figure, as SVG text: a panel for every ‖∂L/∂h_t‖ and ‖∂L/∂c_t‖ and one for ‖∂L/∂x_t‖, logarithmic, over time. `flows`
/// are of the same clip, each with what to call it, at most two; frames are `seconds` apart.
pub fn svg(title: &str, flows: &[(&str, &Flow)], seconds: f64) -> String {
    let quantities = quantities(flows);
    let panel = |number: usize, quantity: &Quantity| {
        let top = TOP + (PANEL + BETWEEN) * number as i32;
        let end = seconds * (quantity.curves[0].len().max(2) - 1) as f64;
        Panel { left: 76, top, right: WIDTH - 16, bottom: top + PANEL, x: 0.0..end, y: powers(&quantity.curves) }
    };
    picture(WIDTH, TOP + (PANEL + BETWEEN) * quantities.len() as i32 + 14, |canvas| {
        draw_header(canvas, title, flows)?;
        for (number, quantity) in quantities.iter().enumerate() {
            draw_quantity(canvas, &panel(number, quantity), quantity, seconds)?;
        }
        let last = panel(quantities.len() - 1, &quantities[quantities.len() - 1]);
        last.x_axis(canvas, &ticks(&last.x, 12), "seconds")
    })
}

fn quantities(flows: &[(&str, &Flow)]) -> Vec<Quantity> {
    let mut quantities = Vec::new();
    for l in (0..flows[0].1.lstms.len()).rev() {
        let lstm = flows[0].1.lstms[l].name.to_uppercase();
        let curves =
            |of: fn(&LstmFlow) -> &Vec<f64>| flows.iter().map(|(_, flow)| of(&flow.lstms[l]).clone()).collect();
        quantities.push(Quantity { name: format!("{lstm}  ‖∂L/∂h‖"), curves: curves(|lstm| &lstm.h) });
        quantities.push(Quantity { name: format!("{lstm}  ‖∂L/∂c‖"), curves: curves(|lstm| &lstm.c) });
    }
    let curves = flows.iter().map(|(_, flow)| flow.input.clone()).collect();
    quantities.push(Quantity { name: "input  ‖∂L/∂x‖".into(), curves });
    quantities
}

fn colour(flow: usize) -> RGBColor {
    [BLUE, VERMILLION][flow]
}

fn draw_header(canvas: &Canvas<'_>, title: &str, flows: &[(&str, &Flow)]) -> Drawn {
    write(canvas, &shortened(title, LONGEST_TITLE), (12, 10), TITLE, (HPos::Left, VPos::Top))?;
    let mut left = 76;
    for (number, (name, flow)) in flows.iter().enumerate() {
        let name = format!("{name}, loss {:.1e}", flow.loss);
        line(canvas, [(left, 48), (left + 24, 48)], colour(number).stroke_width(3))?;
        write(canvas, &name, (left + 32, 48), LABEL, (HPos::Left, VPos::Center))?;
        left += 56 + width_of(&name, LABEL);
    }
    Ok(())
}

fn draw_quantity(canvas: &Canvas<'_>, panel: &Panel, quantity: &Quantity, seconds: f64) -> Drawn {
    panel.heading(canvas, &quantity.name)?;
    let powers: Vec<_> = whole_ticks(&panel.y, 5).into_iter().map(|(power, _)| (power, format!("1e{power}"))).collect();
    panel.y_axis(canvas, &powers, "")?;
    panel.frame(canvas)?;
    for (number, curve) in quantity.curves.iter().enumerate() {
        // A gradient of exactly zero has no logarithm: it is drawn at the floor.
        let point = |(t, norm): (usize, &f64)| panel.at(seconds * t as f64, norm.log10().max(panel.y.start));
        line(canvas, curve.iter().enumerate().map(point).collect::<Vec<_>>(), colour(number).stroke_width(2))?;
    }
    Ok(())
}

/// Powers of ten around all curves, at most twelve.
fn powers(curves: &[Vec<f64>]) -> Range<f64> {
    let norms = || curves.iter().flatten().copied().filter(|norm| *norm > 0.0 && norm.is_finite());
    let high = norms().fold(f64::NEG_INFINITY, |high, norm| high.max(norm.log10())).ceil();
    let low = norms().fold(f64::INFINITY, |low, norm| low.min(norm.log10())).floor();
    let (low, high) = if high.is_finite() { (low.max(high - 12.0), high) } else { (-1.0, 0.0) };
    low..if high > low { high } else { low + 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_covers_the_curves() {
        assert_eq!(powers(&[vec![0.02, 3.0], vec![0.5]]), -2.0..1.0);
        assert_eq!(powers(&[vec![1.0]]), 0.0..1.0);
        assert_eq!(powers(&[vec![0.0]]), -1.0..0.0);
        assert_eq!(powers(&[vec![1e-30, 1.0]]).start, -12.0);
    }
}
