//! Drawing for figures: a canvas, text, a panel with axes.

use super::colours::INK;
use crate::terminal::printable;
use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use plotters::style::text_anchor::Pos;
use std::ops::Range;

pub(super) use plotters::style::text_anchor::{HPos, VPos};

/// A picture in pixels, from its upper left corner.
pub(super) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The result of drawing; drawing into memory cannot fail.
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Font sizes in pixels.
pub(super) const TITLE: f64 = 16.0;
pub(super) const HEADING: f64 = 14.0;
pub(super) const LABEL: f64 = 12.0;

/// Characters of a title that fit in a picture 900 pixels wide.
pub(super) const LONGEST_TITLE: usize = 88;

/// Makes SVG text.
pub(super) fn picture(width: i32, height: i32, draw: impl FnOnce(&Canvas<'_>) -> Drawn) -> String {
    let mut text = String::new();
    {
        let canvas = SVGBackend::with_string(&mut text, (width as u32, height as u32)).into_drawing_area();
        draw(&canvas).and_then(|()| canvas.present()).expect("writing to a string");
    }
    text
}

/// Writes a line of text with a font size of `pixels`, anchored at a pixel as `across` and `down` say.
pub(super) fn write(
    canvas: &Canvas<'_>,
    text: &str,
    at: (i32, i32),
    pixels: f64,
    (across, down): (HPos, VPos),
) -> Drawn {
    write_in(canvas, text, at, letters(pixels, (across, down)))
}

/// Text style in ink with a font size of `pixels`.
pub(super) fn letters(pixels: f64, (across, down): (HPos, VPos)) -> TextStyle<'static> {
    // The SVG backend divides by 1.24.
    TextStyle::from(("sans-serif", 1.24 * pixels).into_font()).color(&INK).pos(Pos::new(across, down))
}

/// Writes a line of text in a style of its own.
pub(super) fn write_in(canvas: &Canvas<'_>, text: &str, at: (i32, i32), style: TextStyle<'_>) -> Drawn {
    // Names may hold control characters, which SVG does not allow.
    canvas.draw(&Text::new(printable(text), at, style))
}

/// An estimate of the width of a text in pixels, rather too wide than too narrow for any font.
pub(super) fn width_of(text: &str, pixels: f64) -> i32 {
    (0.62 * pixels * text.chars().count() as f64).ceil() as i32
}

/// A text cut to `most` characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_string();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// A line through pixels.
pub(super) fn line(canvas: &Canvas<'_>, points: impl Into<Vec<(i32, i32)>>, style: impl Into<ShapeStyle>) -> Drawn {
    canvas.draw(&PathElement::new(points, style))
}

/// A rectangle of the picture, in pixels, with a scale across and a scale up.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub left: i32,
    pub top: i32,
    pub right: i32,
    pub bottom: i32,
    pub x: Range<f64>,
    pub y: Range<f64>,
}

impl Panel {
    pub fn across(&self, x: f64) -> i32 {
        self.left + (share(&self.x, x) * f64::from(self.right - self.left)).round() as i32
    }

    pub fn up(&self, y: f64) -> i32 {
        self.bottom - (share(&self.y, y) * f64::from(self.bottom - self.top)).round() as i32
    }

    pub fn at(&self, x: f64, y: f64) -> (i32, i32) {
        (self.across(x), self.up(y))
    }

    /// Its border.
    pub fn frame(&self, canvas: &Canvas<'_>) -> Drawn {
        canvas.draw(&Rectangle::new([(self.left, self.top), (self.right, self.bottom)], INK.mix(0.6)))
    }

    /// Its heading, above the upper left corner.
    pub fn heading(&self, canvas: &Canvas<'_>, text: &str) -> Drawn {
        write(canvas, text, (self.left, self.top - 6), HEADING, (HPos::Left, VPos::Bottom))
    }

    /// Ticks and labels under the panel, and the name of the axis under them.
    pub fn x_axis(&self, canvas: &Canvas<'_>, ticks: &[(f64, String)], name: &str) -> Drawn {
        for (x, label) in ticks {
            let x = self.across(*x);
            line(canvas, [(x, self.bottom), (x, self.bottom + 5)], INK)?;
            write(canvas, label, (x, self.bottom + 8), LABEL, (HPos::Center, VPos::Top))?;
        }
        let middle = (self.left + self.right) / 2;
        write(canvas, name, (middle, self.bottom + 26), LABEL, (HPos::Center, VPos::Top))
    }

    /// Ticks and labels above the panel.
    pub fn top_axis(&self, canvas: &Canvas<'_>, ticks: &[(f64, String)]) -> Drawn {
        for (x, label) in ticks {
            let x = self.across(*x);
            line(canvas, [(x, self.top - 5), (x, self.top)], INK)?;
            write(canvas, label, (x, self.top - 7), LABEL, (HPos::Center, VPos::Bottom))?;
        }
        Ok(())
    }

    /// Ticks and labels left of the panel, a faint horizontal line at each tick, and the name of the axis, rotated.
    pub fn y_axis(&self, canvas: &Canvas<'_>, ticks: &[(f64, String)], name: &str) -> Drawn {
        for (y, label) in ticks {
            let y = self.up(*y);
            line(canvas, [(self.left, y), (self.right, y)], INK.mix(0.25))?;
            line(canvas, [(self.left - 5, y), (self.left, y)], INK)?;
            write(canvas, label, (self.left - 8, y), LABEL, (HPos::Right, VPos::Center))?;
        }
        let widest = ticks.iter().map(|(_, label)| width_of(label, LABEL)).max().unwrap_or(0);
        let at = (self.left - 16 - widest, (self.top + self.bottom) / 2);
        let style = letters(LABEL, (HPos::Center, VPos::Bottom));
        write_in(canvas, name, at, style.transform(FontTransform::Rotate270))
    }
}

/// Half the length of a range: the whole may be more than the largest number.
fn half(range: &Range<f64>) -> f64 {
    range.end * 0.5 - range.start * 0.5
}

/// Where a number lies in a range, from 0 to 1.
fn share(range: &Range<f64>, number: f64) -> f64 {
    half(&(range.start..number)) / half(range)
}

/// Whether its numbers are too close to each other for a scale.
fn is_narrow(range: &Range<f64>) -> bool {
    half(range) <= (1e-9 * range.start.abs().max(range.end.abs())).max(1e-290)
}

/// `low` to `high` with room at both ends: `part` of the range, or `alone` if all numbers are one.
pub(super) fn with_room(low: f64, high: f64, part: f64, alone: f64) -> Range<f64> {
    let range = low..high;
    let room = if is_narrow(&range) { alone } else { 2.0 * part * half(&range) };
    (low - room).max(f64::MIN)..(high + room).min(f64::MAX)
}

/// At most about `most` round values at equal steps within the range, all with the same number of decimals. None in
/// a range too narrow for a scale.
pub(super) fn ticks(range: &Range<f64>, most: usize) -> Vec<(f64, String)> {
    if is_narrow(range) {
        return Vec::new();
    }
    let half = half(range);
    let power = (half / most as f64).log10().floor() as i32;
    let steps = [(1.0, power), (2.0, power), (5.0, power), (1.0, power + 1), (2.0, power + 1)];
    let value = |(digit, power): (f64, i32)| digit * 10f64.powi(power);
    let (digit, power) = steps.into_iter().find(|&step| 2.0 * (half / value(step)) <= most as f64).unwrap_or(steps[4]);
    let step = value((digit, power));
    // A little beyond the ends: 0.6 / 0.2 is not quite 3.
    let (first, last) = ((range.start / step - 1e-9).ceil() as i64, (range.end / step + 1e-9).floor() as i64);
    let decimals = (-power).max(0) as usize;
    let label = |n: i64| match n as f64 * step {
        tick if decimals <= 9 && tick.abs() < 1e9 => format!("{tick:.decimals$}"),
        0.0 => "0".into(),
        _ => format!("{}e{power}", n as f64 * digit),
    };
    (first..=last).map(|n| (n as f64 * step, label(n).replace('-', "−"))).collect()
}

/// [`ticks`] at whole numbers.
pub(super) fn whole_ticks(range: &Range<f64>, most: usize) -> Vec<(f64, String)> {
    ticks(range, most.min((range.end - range.start) as usize).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::{any_number, assert_well_formed};
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round_and_few() {
        let labels = |range: Range<f64>, most| -> Vec<String> {
            ticks(&range, most).into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(0.0..1.0, 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(-0.5..86.5, 6), ["0", "20", "40", "60", "80"]);
        assert_eq!(labels(0.45..0.6, 4), ["0.45", "0.50", "0.55", "0.60"]);
        assert_eq!(labels(-1234.0..4321.0, 3), ["0", "2000", "4000"]);
        assert_eq!(labels(-1.0..1.0, 3), ["−1", "0", "1"]);
        let whole = |range| whole_ticks(&range, 10).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!((whole(0.5..1.5), whole(0.5..3.5)), (vec!["1".into()], ["1", "2", "3"].map(String::from).to_vec()));
        assert_eq!(whole(-0.5..86.5).len(), 9);
        // Neither the largest range nor numbers far from zero are too much.
        assert_eq!(labels(f64::MIN..f64::MAX, 4), ["−1e308", "0", "1e308"]);
        assert_eq!(labels(2e9..6e9, 3), ["2e9", "4e9", "6e9"]);
        assert_eq!(labels(0.0..3e-12, 3), ["0", "1e−12", "2e−12", "3e−12"]);
        assert_eq!(labels(0.0..5e-324, 3).len() + labels(1e6..1e6, 3).len(), 0, "too narrow");
    }

    proptest! {
        #[test]
        fn any_axis_is_drawn(a in any_number(), b in any_number(), most in 1usize..20, name in any::<String>()) {
            let range = with_room(a.min(b), a.max(b), 0.05, 0.5);
            let panel = Panel { left: 60, top: 20, right: 260, bottom: 120, x: range.clone(), y: range.clone() };
            let marks = ticks(&range, most);
            prop_assert!(marks.len() <= 2 * most + 2, "{marks:?}");
            prop_assert!(marks.iter().all(|(x, _)| (59..=261).contains(&panel.across(*x))), "{marks:?}");
            assert_well_formed(&picture(300, 160, |canvas| {
                panel.x_axis(canvas, &marks, &name)?;
                panel.top_axis(canvas, &whole_ticks(&range, most))?;
                panel.y_axis(canvas, &marks, &name)
            }));
        }
    }

    #[test]
    fn a_scale_of_one_number_or_of_the_largest_has_room() {
        assert_eq!(with_room(0.0, 10.0, 0.05, 9.0), -0.5..10.5);
        assert_eq!(with_room(1e6, 1e6, 0.05, 9.0), 999_991.0..1_000_009.0);
        assert_eq!(with_room(-1e308, 1e308, 0.04, 9.0), -1.08e308..1.08e308);
        assert_eq!(with_room(f64::MIN, f64::MAX, 0.04, 9.0), f64::MIN..f64::MAX);
        let panel = Panel { left: 0, top: 0, right: 200, bottom: 100, x: f64::MIN..f64::MAX, y: 0.0..1.0 };
        assert_eq!([f64::MIN, 0.0, f64::MAX].map(|x| panel.across(x)), [0, 100, 200]);
    }

    #[test]
    fn a_panel_places_values_in_pixels_and_up_is_up() {
        let panel = Panel { left: 100, top: 10, right: 300, bottom: 110, x: 0.0..10.0, y: -1.0..1.0 };
        assert_eq!([panel.at(0.0, -1.0), panel.at(10.0, 1.0), panel.at(2.5, 0.5)], [(100, 110), (300, 10), (150, 35)]);
    }

    #[test]
    fn a_picture_is_svg_and_its_text_is_escaped() {
        let svg = picture(30, 20, |canvas| write(canvas, "<a> & b", (1, 2), LABEL, (HPos::Left, VPos::Top)));
        assert!(svg.starts_with("<svg width=\"30\" height=\"20\"") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(svg.contains("font-size=\"12\"") && svg.contains("&lt;a&gt; &amp; b"), "{svg}");
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!([shortened("happy", 5), shortened("überrascht", 6)], ["happy", "überr…"]);
    }
}
