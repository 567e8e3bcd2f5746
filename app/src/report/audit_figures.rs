//! Figures of an audit: the errors of all derivatives, and the error of central differences by step.

use super::colours::{BLUE, GREEN, VERMILLION};
use super::drawing::{
    Canvas, Drawn, HPos, LABEL, LONGEST_TITLE, Panel, TITLE, VPos, letters, line, picture, shortened, whole_ticks,
    write, write_in,
};
use super::marks::{Mark, Shape};
use crate::experiment::statistics::upper_median;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use reslstm::audit::finite_difference::{STEP, StepCurve};
use reslstm::audit::{DIFFERENCE_BOUND, DUAL_BOUND, Derivatives};
use std::ops::Range;

/// Pixels.
const WIDTH: i32 = 900;
const LEFT: i32 = 76;
const TOP: i32 = 56;

const ROW: i32 = 60;
const BETWEEN: i32 = 24;

/// Bars of the distribution per decade.
const BARS: usize = 4;

/// Errors of one kind, with their bound.
struct Kind {
    name: &'static str,
    colour: RGBColor,
    bound: Option<f64>,
    errors: Vec<f64>,
}

fn kinds(derivatives: &[Derivatives]) -> [Kind; 3] {
    let all = |errors: fn(&Derivatives) -> Vec<f64>| derivatives.iter().flat_map(errors).collect();
    let kind = |name, colour, bound, errors| Kind { name, colour, bound, errors };
    [
        kind("dual numbers", BLUE, Some(DUAL_BOUND), all(Derivatives::dual_errors)),
        kind("differences", GREEN, Some(DIFFERENCE_BOUND), all(Derivatives::difference_errors)),
        kind("f32", VERMILLION, None, all(Derivatives::f32_errors)),
    ]
}

/// How the errors of all tensors are distributed, on a logarithmic scale, as SVG text: against dual numbers, against
/// differences, and of `f32` against `f64`. Errors of exactly zero are counted in words.
pub fn distribution(title: &str, derivatives: &[Derivatives]) -> String {
    let kinds = kinds(derivatives);
    let x = decades(kinds.iter().flat_map(|kind| &kind.errors).copied());
    let shares: Vec<Vec<f64>> = kinds.iter().map(|kind| shares(&kind.errors, &x)).collect();
    let panel = |number: usize| {
        let (top, highest) =
            (TOP + (ROW + BETWEEN) * number as i32, shares[number].iter().copied().fold(1.0, f64::max));
        Panel { left: LEFT, top, right: WIDTH - 16, bottom: top + ROW, x: x.clone(), y: 0.0..1.1 * highest }
    };
    picture(WIDTH, panel(kinds.len() - 1).bottom + 50, |canvas| {
        write(canvas, &shortened(title, LONGEST_TITLE), (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        for (number, (kind, shares)) in kinds.iter().zip(&shares).enumerate() {
            let panel = panel(number);
            panel.y_axis(canvas, &whole_ticks(&panel.y, 2), if number == 1 { "% of all elements" } else { "" })?;
            draw_shares(canvas, &panel, kind, shares)?;
            draw_bound(canvas, &panel, kind)?;
            panel.frame(canvas)?;
        }
        let last = panel(kinds.len() - 1);
        last.x_axis(canvas, &powers(&last.x, 12), "error, relative to the tensor's largest derivative")
    })
}

/// Per cent of `errors` in each bar of the scale `x`; what is beyond an end is in the bar at that end.
fn shares(errors: &[f64], x: &Range<f64>) -> Vec<f64> {
    let mut shares = vec![0.0; BARS * (x.end - x.start) as usize];
    let last = shares.len() - 1;
    for error in errors.iter().filter(|error| **error != 0.0) {
        let bar = (BARS as f64 * (error.log10() - x.start)).max(0.0) as usize;
        shares[bar.min(last)] += 100.0 / errors.len() as f64;
    }
    shares
}

fn draw_shares(canvas: &Canvas<'_>, panel: &Panel, kind: &Kind, shares: &[f64]) -> Drawn {
    let edge = |bar: usize| panel.x.start + bar as f64 / BARS as f64;
    let mut outline = Vec::new();
    for (bar, &share) in shares.iter().enumerate() {
        outline.extend([panel.at(edge(bar), share), panel.at(edge(bar + 1), share)]);
    }
    let mut filled = outline.clone();
    filled.extend([(panel.right, panel.bottom), (panel.left, panel.bottom)]);
    canvas.draw(&Polygon::new(filled, kind.colour.mix(0.25)))?;
    line(canvas, outline, kind.colour.stroke_width(2))?;

    let zeros = kind.errors.iter().filter(|error| **error == 0.0).count();
    let share = 100.0 * zeros as f64 / kind.errors.len() as f64;
    let zeros = if share < 0.5 { String::new() } else { format!(", {share:.0} % exactly 0") };
    let style = letters(LABEL, (HPos::Left, VPos::Bottom)).color(&kind.colour);
    write_in(canvas, &format!("{}{zeros}", kind.name), (panel.left, panel.top - 4), style)
}

fn draw_bound(canvas: &Canvas<'_>, panel: &Panel, kind: &Kind) -> Drawn {
    let Some(bound) = kind.bound else { return Ok(()) };
    let x = panel.across(bound.log10());
    let dashed = [(x, panel.top), (x, panel.bottom)];
    canvas.draw(&DashedPathElement::new(dashed, 6, 5, kind.colour.stroke_width(2)))?;
    let style = letters(LABEL, (HPos::Left, VPos::Top)).color(&kind.colour);
    write_in(canvas, &format!("bound {bound:.0e}"), (x + 6, panel.top + 7), style)
}

/// Powers of ten around all errors and both bounds, from 1e-20 to 10 at most.
fn decades(errors: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = errors.filter(|error| *error > 0.0).fold((-13.0, -5.0), |(low, high), error: f64| {
        (error.log10().floor().min(low), error.log10().ceil().max(high))
    });
    f64::max(low, -20.0)..f64::min(high, 1.0)
}

/// Whole powers of ten as ticks.
fn powers(range: &Range<f64>, most: usize) -> Vec<(f64, String)> {
    whole_ticks(range, most).into_iter().map(|(power, _)| (power, format!("1e{power}"))).collect()
}

/// The steps of [`step_sizes`]: two per decade, from 1e-1 to 1e-12.
pub fn steps() -> Vec<f64> {
    (2..=24).map(|n| 10f64.powf(-0.5 * f64::from(n))).collect()
}

/// Error of plain central differences by step, both logarithmic, as SVG text: one faint line per tensor and their median, in
/// `f64` and in `f32`, and the extrapolated difference of the audit. `curves` are measured at [`steps`].
pub fn step_sizes(title: &str, curves: &[StepCurve]) -> String {
    let panel = Panel { left: LEFT, top: TOP, right: WIDTH - 16, bottom: TOP + 290, x: -12.0..-1.0, y: -15.0..2.0 };
    picture(WIDTH, panel.bottom + 50, |canvas| {
        write(canvas, &shortened(title, LONGEST_TITLE), (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        panel.y_axis(canvas, &powers(&panel.y, 7), "relative error")?;
        draw_curves(canvas, &panel, "f32", VERMILLION, curves, |curve| &curve.f32_errors)?;
        draw_curves(canvas, &panel, "f64", BLUE, curves, |curve| &curve.f64_errors)?;
        draw_extrapolated(canvas, &panel, curves)?;
        panel.frame(canvas)?;
        panel.x_axis(canvas, &powers(&panel.x, 12), "step h")
    })
}

fn draw_curves(
    canvas: &Canvas<'_>,
    panel: &Panel,
    name: &str,
    colour: RGBColor,
    curves: &[StepCurve],
    errors: fn(&StepCurve) -> &Vec<f64>,
) -> Drawn {
    let steps = steps();
    let pixels = |errors: &[f64]| -> Vec<(i32, i32)> {
        let points = steps.iter().zip(errors);
        points.map(|(step, &error)| panel.at(step.log10(), height(panel, error))).collect()
    };
    for curve in curves {
        line(canvas, pixels(errors(curve)), colour.mix(0.22))?;
    }
    let medians: Vec<f64> = (0..steps.len()).map(|n| median(curves.iter().map(|curve| errors(curve)[n]))).collect();
    line(canvas, pixels(&medians), colour.stroke_width(3))?;
    let Some(best) = (0..steps.len()).min_by(|&a, &b| medians[a].total_cmp(&medians[b])) else { return Ok(()) };
    let at = pixels(&medians)[best];
    Mark::new(Shape::Circle, colour).draw(canvas, at, 6.0)?;
    let label = format!("{name}: best {:.0e}, at h = {:.0e}", medians[best], steps[best]);
    let style = letters(LABEL, (HPos::Right, VPos::Top)).color(&colour);
    write_in(canvas, &label, (at.0 - 2, at.1 + 10), style)?;
    // The slopes are those of both number types.
    if name == "f64" {
        let middle = |step: f64| steps.iter().position(|&s| s <= step).unwrap_or(0);
        let (rounding, truncation) = (pixels(&medians)[middle(1e-9)], pixels(&medians)[middle(2e-3)]);
        write(canvas, "rounding: 1/h", (rounding.0 - 14, rounding.1 + 12), LABEL, (HPos::Right, VPos::Top))?;
        write(canvas, "truncation: h²", (truncation.0 + 14, truncation.1 + 8), LABEL, (HPos::Left, VPos::Top))?;
    }
    Ok(())
}

fn draw_extrapolated(canvas: &Canvas<'_>, panel: &Panel, curves: &[StepCurve]) -> Drawn {
    if curves.is_empty() {
        return Ok(());
    }
    let error = median(curves.iter().map(|curve| curve.extrapolated));
    let at = panel.at(STEP.log10(), height(panel, error));
    Mark::new(Shape::Diamond, GREEN).draw(canvas, at, 8.0)?;
    let label = format!("the audit's, extrapolated: {error:.0e}");
    let style = letters(LABEL, (HPos::Center, VPos::Top)).color(&GREEN);
    write_in(canvas, &label, (at.0, at.1 + 12), style)
}

/// Where an error is drawn; zero and what is beyond the panel is at its edge.
fn height(panel: &Panel, error: f64) -> f64 {
    error.log10().clamp(panel.y.start, panel.y.end)
}

/// Their upper median; no number of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    upper_median(values.collect()).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_count_every_error_but_zeros() {
        let shares = shares(&[0.0, 1.1e-3, 0.9e-2, 1e-30, f64::INFINITY], &(-3.0..-1.0));
        assert_eq!(shares, [40.0, 0.0, 0.0, 20.0, 0.0, 0.0, 0.0, 20.0]);
    }

    #[test]
    fn the_scale_covers_errors_and_bounds() {
        assert_eq!(decades([0.0, 3e-17, 2e-4].into_iter()), -17.0..-3.0);
        assert_eq!(decades([1e-30, f64::INFINITY].into_iter()), -20.0..1.0);
        assert_eq!(decades([].into_iter()), -13.0..-5.0);
    }

    #[test]
    fn the_best_step_of_each_number_type_is_named() {
        let curve = |name: &str, f64_best: f64| StepCurve {
            name: name.into(),
            element: 0,
            derivative: 1.0,
            f64_errors: steps().iter().map(|step| step * step + f64_best / step).collect(),
            f32_errors: steps().iter().map(|step| step * step + 1e-7 / step).collect(),
            extrapolated: 2e-11,
        };
        let svg = step_sizes("Title", &[curve("a", 1e-16), curve("b", 1e-16), curve("c", 1e-3)]);
        for text in ["f64: best 4e-11, at h = 3e-6", "f32: best 4e-5, at h = 3e-3", "extrapolated: 2e-11", "h²", "1/h"]
        {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        assert!(step_sizes("Title", &[]).contains("step h"));
    }
}
