//! The confusion matrix (Fig. 4) in per cent of each row.

use super::colours::{INK, letters_on, sequential};
use super::csv_text;
use super::drawing::{
    Canvas, Drawn, HEADING, HPos, LABEL, TITLE, VPos, letters, picture, shortened, width_of, write, write_in,
};
use plotters::prelude::*;
use reslstm::train::Confusion;

/// Pixels.
const CELL_HEIGHT: i32 = 40;
const TOP: i32 = 46;
/// The longest class name, in characters.
const LONGEST_NAME: usize = 24;

/// The figure, as SVG text; `labels` are the classes in order.
pub fn svg(title: &str, confusion: &Confusion, labels: &[String]) -> String {
    let names: Vec<String> = labels.iter().map(|label| shortened(label, LONGEST_NAME)).collect();
    let widest = names.iter().map(|name| width_of(name, LABEL)).max().unwrap_or(0);
    let (left, cell_width) = (46 + widest, (widest + 8).max(58));
    let right = left + cell_width * names.len() as i32;
    let bottom = TOP + CELL_HEIGHT * names.len() as i32;
    let width = (right + 150).max(24 + width_of(title, TITLE));
    picture(width, bottom + 52, |canvas| {
        write(canvas, title, (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        let cell = |row: usize, column: usize| (left + cell_width * column as i32, TOP + CELL_HEIGHT * row as i32);
        for (row, name) in names.iter().enumerate() {
            let middle = TOP + CELL_HEIGHT * row as i32 + CELL_HEIGHT / 2;
            write(canvas, name, (left - 8, middle), LABEL, (HPos::Right, VPos::Center))?;
            let occurred: u64 = confusion.rows()[row].iter().sum();
            write(canvas, &format!("of {occurred}"), (right + 70, middle), LABEL, (HPos::Left, VPos::Center))?;
            let recall = confusion.recalls()[row].map_or("–".into(), |recall| format!("{:.1} %", 100.0 * recall));
            write(canvas, &recall, (right + 64, middle), LABEL, (HPos::Right, VPos::Center))?;
            for (column, share) in shares(confusion, row).into_iter().enumerate() {
                draw_cell(canvas, cell(row, column), cell_width, share)?;
            }
        }
        for (column, name) in names.iter().enumerate() {
            let at = (cell(0, column).0 + cell_width / 2, bottom + 8);
            write(canvas, name, at, LABEL, (HPos::Center, VPos::Top))?;
        }
        write(canvas, "recall", (right + 64, bottom + 8), LABEL, (HPos::Right, VPos::Top))?;
        write(canvas, "recognised as", ((left + right) / 2, bottom + 28), HEADING, (HPos::Center, VPos::Top))?;
        let upwards = letters(HEADING, (HPos::Center, VPos::Top)).transform(FontTransform::Rotate270);
        write_in(canvas, "spoken as", (12, (TOP + bottom) / 2), upwards)
    })
}

/// A cell from its upper left corner, with its share in per cent.
fn draw_cell(canvas: &Canvas<'_>, (x, y): (i32, i32), width: i32, share: Option<f64>) -> Drawn {
    let corners = [(x + 1, y + 1), (x + width - 1, y + CELL_HEIGHT - 1)];
    let middle = (x + width / 2, y + CELL_HEIGHT / 2);
    let Some(share) = share else {
        canvas.draw(&Rectangle::new(corners, INK.mix(0.4)))?;
        return write(canvas, "–", middle, LABEL, (HPos::Center, VPos::Center));
    };
    canvas.draw(&Rectangle::new(corners, sequential(share).filled()))?;
    let ink = letters_on(sequential(share));
    let style = letters(HEADING, (HPos::Center, VPos::Center)).color(&ink);
    write_in(canvas, &format!("{:.1}", 100.0 * share), middle, style)
}

/// Shares of a row, 0 to 1; nothing where its class did not occur.
fn shares(confusion: &Confusion, row: usize) -> Vec<Option<f64>> {
    let counts = &confusion.rows()[row];
    let occurred: u64 = counts.iter().sum();
    counts.iter().map(|&count| (occurred > 0).then(|| count as f64 / occurred as f64)).collect()
}

/// The figure's data as CSV text, one line per cell: `spoken,recognised,count,per_cent`; per cent of the spoken class, empty if
/// it did not occur. A cell of the diagonal is the recall.
pub fn csv(confusion: &Confusion, labels: &[String]) -> String {
    let cell = |row: usize, column: usize| {
        let per_cent = shares(confusion, row)[column].map_or(String::new(), |share| (100.0 * share).to_string());
        let count = confusion.rows()[row][column].to_string();
        [labels[row].clone(), labels[column].clone(), count, per_cent]
    };
    let rows = (0..labels.len()).flat_map(|row| (0..labels.len()).map(move |column| cell(row, column)));
    csv_text(&["spoken", "recognised", "count", "per_cent"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class x: 3 right, 1 taken for y. Class z never occurs.
    fn example() -> (Confusion, Vec<String>) {
        let mut confusion = Confusion::new(3);
        [(0, 0), (0, 0), (0, 0), (0, 1), (1, 1)].into_iter().for_each(|(truth, taken)| confusion.count(truth, taken));
        (confusion, ["x", "y, or why", "z"].map(String::from).to_vec())
    }

    #[test]
    fn every_cell_has_its_share_of_its_row() {
        let (confusion, labels) = example();
        let svg = svg("Title", &confusion, &labels);
        for text in ["\n75.0\n", "\n25.0\n", "\n100.0\n", "\n75.0 %\n", "\nof 4\n", "\nof 0\n", "Title"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        // Three cells and the recall of the class that does not occur.
        assert_eq!(svg.matches("\n–\n").count(), 4);
    }

    #[test]
    fn the_table_has_a_line_a_cell() {
        let (confusion, labels) = example();
        let csv = csv(&confusion, &labels);
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[..3], ["spoken,recognised,count,per_cent", "x,x,3,75", "x,\"y, or why\",1,25"]);
        assert_eq!((lines.len(), lines[9]), (10, "z,z,0,"));
    }
}
