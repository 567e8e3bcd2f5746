//! Marks: the shapes and colours of points, and the legend that explains them.

use super::colours::QUALITATIVE;
use super::drawing::{Canvas, Drawn, HPos, LABEL, VPos, width_of, write};
use plotters::prelude::*;
use std::f64::consts::{PI, TAU};

/// The shape and colour of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mark {
    pub shape: Shape,
    pub colour: RGBColor,
    /// Only its outline is drawn.
    pub hollow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Circle,
    Square,
    Up,
    Down,
    Diamond,
    Plus,
    Cross,
    Star,
}

impl Mark {
    pub fn new(shape: Shape, colour: RGBColor) -> Self {
        Mark { shape, colour, hollow: false }
    }

    /// The mark of class, fold, … number `k`: eight that differ in colour and shape, then the same colours with other shapes.
    pub fn for_class(k: usize) -> Self {
        use Shape::*;
        let shapes = [Circle, Square, Up, Diamond, Down, Cross, Plus, Star];
        Mark::new(shapes[(k + k / 8) % 8], QUALITATIVE[k % 8])
    }

    /// Draws the mark around a pixel, with the area of a circle of `radius` pixels.
    pub fn draw(&self, canvas: &Canvas<'_>, at: (i32, i32), radius: f64) -> Drawn {
        let style = if self.hollow { self.colour.stroke_width(2) } else { self.colour.filled() };
        if self.shape == Shape::Circle {
            return canvas.draw(&Circle::new(at, radius.round() as i32, style));
        }
        let pixel = |(x, y): (f64, f64)| (at.0 + (radius * x).round() as i32, at.1 + (radius * y).round() as i32);
        let mut outline: Vec<(i32, i32)> = self.shape.outline().into_iter().map(pixel).collect();
        if self.hollow {
            outline.push(outline[0]);
            return canvas.draw(&PathElement::new(outline, style));
        }
        canvas.draw(&Polygon::new(outline, style))
    }
}

impl Shape {
    /// Corners, of about the area of a circle with radius 1; y points down.
    fn outline(self) -> Vec<(f64, f64)> {
        let star = |corners: usize, start: f64, radii: &[f64]| -> Vec<(f64, f64)> {
            let corner = |n: usize| {
                let (sin, cos) = (start + TAU * n as f64 / corners as f64).sin_cos();
                (radii[n % radii.len()] * cos, radii[n % radii.len()] * sin)
            };
            (0..corners).map(corner).collect()
        };
        let plus = |turned: f64| -> Vec<(f64, f64)> {
            let (thick, long) = (0.42, 1.25);
            let arm = [(thick, -thick), (long, -thick), (long, thick)];
            let corner = |n: usize| {
                let (sin, cos) = (turned + PI / 2.0 * (n / 3) as f64).sin_cos();
                let (x, y) = arm[n % 3];
                (x * cos - y * sin, x * sin + y * cos)
            };
            (0..12).map(corner).collect()
        };
        match self {
            Shape::Circle => star(24, 0.0, &[1.0]),
            Shape::Square => star(4, PI / 4.0, &[1.25]),
            Shape::Diamond => star(4, 0.0, &[1.35]),
            Shape::Up => star(3, -PI / 2.0, &[1.45]),
            Shape::Down => star(3, PI / 2.0, &[1.45]),
            Shape::Plus => plus(0.0),
            Shape::Cross => plus(PI / 4.0),
            Shape::Star => star(10, -PI / 2.0, &[1.6, 0.65]),
        }
    }
}

/// A legend: marks and their names side by side, in as many rows as needed.
pub(super) struct Legend {
    entries: Vec<(Mark, String)>,
    /// Middle of the left edge of each mark, from the upper left corner.
    places: Vec<(i32, i32)>,
    /// Pixels.
    pub height: i32,
}

impl Legend {
    /// Height of a row.
    const ROW: i32 = 20;

    /// A legend with rows of at most `width` pixels.
    pub fn new(entries: Vec<(Mark, String)>, width: i32) -> Self {
        let (mut x, mut y) = (0, Self::ROW / 2);
        let mut places = Vec::new();
        for (_, name) in &entries {
            let needed = 34 + width_of(name, LABEL);
            if x > 0 && x + needed > width {
                (x, y) = (0, y + Self::ROW);
            }
            places.push((x, y));
            x += needed;
        }
        Legend { entries, places, height: y + Self::ROW / 2 }
    }

    pub fn draw(&self, canvas: &Canvas<'_>, (left, top): (i32, i32)) -> Drawn {
        for ((mark, name), (x, y)) in self.entries.iter().zip(&self.places) {
            mark.draw(canvas, (left + x + 6, top + y), 5.0)?;
            write(canvas, name, (left + x + 17, top + y), LABEL, (HPos::Left, VPos::Center))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::drawing::picture;

    #[test]
    fn no_two_of_many_marks_are_alike() {
        let marks: Vec<Mark> = (0..64).map(Mark::for_class).collect();
        for (n, mark) in marks.iter().enumerate() {
            assert!(!marks[..n].contains(mark), "mark {n}");
        }
    }

    #[test]
    fn shapes_have_about_the_area_of_their_circle() {
        use Shape::*;
        for shape in [Circle, Square, Up, Down, Diamond, Plus, Cross, Star] {
            let outline = shape.outline();
            let next = outline.iter().cycle().skip(1);
            let area: f64 = outline.iter().zip(next).map(|(a, b)| (a.0 * b.1 - b.0 * a.1) / 2.0).sum();
            assert!((0.8..1.3).contains(&(area / PI)), "{shape:?}: {area}");
        }
    }

    #[test]
    fn names_that_do_not_fit_go_to_another_row() {
        let legend =
            |width| Legend::new(["one", "two", "three"].map(|name| (Mark::for_class(2), name.into())).to_vec(), width);
        assert_eq!((legend(1000).height, legend(130).height, legend(10).height), (20, 40, 60));
        let svg = picture(200, 60, |canvas| legend(130).draw(canvas, (7, 5)));
        assert!(svg.contains("x=\"24\" y=\"15\"") && svg.contains("x=\"24\" y=\"35\""), "{svg}");
    }
}
