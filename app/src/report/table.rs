//! One table, three writers: aligned text for a terminal, CSV for programs, HTML for a page.
//!
//! A column states its heading and alignment, and the names of its CSV fields. A cell holds a typed value: people see it rounded,
//! a CSV file has every digit.

use super::csv_text;
use crate::experiment::statistics::Interval;
use maud::{Markup, html};
use reslstm::train::Spread;

/// Columns, and rows of as many cells.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// Which side of a column its cells are aligned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

/// How the cells of a column are presented.
#[derive(Clone, Debug)]
pub struct Column {
    /// For people; `None` in a column of the CSV file alone.
    heading: Option<String>,
    /// The heading in HTML, if it is another one.
    page_heading: Option<&'static str>,
    align: Align,
    /// Width in the text, in characters; longer cells widen the column.
    width: usize,
    /// Spaces before the column in the text.
    gap: usize,
    /// Names of the CSV fields of a cell; without any, the column is for people alone.
    fields: &'static [&'static str],
}

impl Column {
    fn new(heading: Option<String>, align: Align, width: usize) -> Self {
        Column { heading, page_heading: None, align, width, gap: 1, fields: &[] }
    }

    /// A left-aligned column at least `width` characters wide.
    pub fn left(heading: impl Into<String>, width: usize) -> Self {
        Self::new(Some(heading.into()), Align::Left, width)
    }

    /// A right-aligned column at least `width` characters wide.
    pub fn right(heading: impl Into<String>, width: usize) -> Self {
        Self::new(Some(heading.into()), Align::Right, width)
    }

    /// A column of the CSV file alone.
    pub fn csv_only(fields: &'static [&'static str]) -> Self {
        Self::new(None, Align::Left, 0).csv(fields)
    }

    /// Names the CSV fields that a cell of this column fills.
    pub fn csv(self, fields: &'static [&'static str]) -> Self {
        Column { fields, ..self }
    }

    /// Sets the number of spaces before the column in the text; 1 otherwise.
    pub fn gap(self, gap: usize) -> Self {
        Column { gap, ..self }
    }

    /// Sets another heading in HTML.
    pub fn page_heading(self, heading: &'static str) -> Self {
        Column { page_heading: Some(heading), ..self }
    }
}

/// The output for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Medium {
    Text,
    Page,
}

/// A typed value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing. In the text the cell to the left may run into it.
    Empty,
    /// A value that does not exist: `–` for people, empty in CSV.
    Missing,
    /// Text, unchanged everywhere.
    Text(String),
    /// A whole number.
    Count(usize),
    /// A whole number, in the text as millions: `61.00 M`.
    Millions(usize),
    /// Finished and planned, two CSV fields. The text leaves the planned out when all are finished.
    Progress(usize, usize),
    /// A number with four decimals.
    Score(f64),
    /// The same with its sign.
    SignedScore(f64),
    /// A number with one decimal.
    OneDecimal(f64),
    /// A share from 0 to 1 in per cent: `11.5 %`.
    Percent(f64),
    /// Mean and standard deviation, two CSV fields: `0.3854 ± 0.0215`.
    Spread(f64, f64),
    /// The score of a single run, which has no deviation: two CSV fields, the second empty.
    SingleRun(f64),
    /// Two CSV fields: `[0.3506, 0.4183]`, on a page `0.3506–0.4183`.
    Interval(Interval),
    /// Two CSV fields: `[-0.0605, +0.0166]`.
    SignedInterval(Interval),
}

impl Cell {
    /// The cell that `cell` makes of a value, or [`Cell::Missing`].
    pub fn or_missing<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Self {
        value.map_or(Cell::Missing, cell)
    }

    /// The text on an HTML page.
    pub fn on_page(&self) -> String {
        self.shown(Medium::Page)
    }

    /// The text for people.
    fn shown(&self, medium: Medium) -> String {
        let page = medium == Medium::Page;
        match self {
            Cell::Empty => String::new(),
            Cell::Missing => "–".into(),
            Cell::Text(text) => text.clone(),
            Cell::Count(count) => count.to_string(),
            Cell::Millions(count) if page => count.to_string(),
            Cell::Millions(count) => format!("{:.2} M", *count as f64 / 1e6),
            Cell::Progress(finished, planned) if page || finished != planned => format!("{finished}/{planned}"),
            Cell::Progress(finished, _) => finished.to_string(),
            Cell::Score(value) => format!("{value:.4}"),
            Cell::SignedScore(value) => format!("{value:+.4}"),
            Cell::OneDecimal(value) => format!("{value:.1}"),
            Cell::Percent(share) => format!("{:.1} %", 100.0 * share),
            Cell::Spread(mean, std) => format!("{mean:.4} ± {std:.4}"),
            Cell::SingleRun(score) => format!("{score:.4}"),
            Cell::Interval(Interval { low, high }) if page => format!("{low:.4}–{high:.4}"),
            Cell::Interval(interval) => interval.to_string(),
            Cell::SignedInterval(interval) => format!("{interval:+}"),
        }
    }

    /// The CSV fields, every digit kept; `count` empty ones if the value is missing.
    fn fields(&self, count: usize) -> Vec<String> {
        let fields = match self {
            Cell::Empty | Cell::Missing => vec![String::new(); count],
            Cell::Text(text) => vec![text.clone()],
            Cell::Count(number) | Cell::Millions(number) => vec![number.to_string()],
            Cell::Progress(finished, planned) => vec![finished.to_string(), planned.to_string()],
            Cell::Score(value) | Cell::SignedScore(value) | Cell::OneDecimal(value) | Cell::Percent(value) => {
                vec![value.to_string()]
            }
            Cell::Spread(mean, std) => vec![mean.to_string(), std.to_string()],
            Cell::SingleRun(score) => vec![score.to_string(), String::new()],
            Cell::Interval(Interval { low, high }) | Cell::SignedInterval(Interval { low, high }) => {
                vec![low.to_string(), high.to_string()]
            }
        };
        assert_eq!(fields.len(), count, "a name for every CSV field");
        fields
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.into())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Cell::Count(count)
    }
}

impl From<&Spread> for Cell {
    fn from(spread: &Spread) -> Self {
        match spread.values.len() {
            1 => Cell::SingleRun(spread.mean),
            _ => Cell::Spread(spread.mean, spread.std),
        }
    }
}

impl Table {
    /// Without rows.
    pub fn new(columns: Vec<Column>) -> Self {
        Table { columns, rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it does not have one cell per column.
    pub fn push(&mut self, row: Vec<Cell>) {
        assert_eq!(row.len(), self.columns.len(), "one cell per column");
        self.rows.push(row);
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Aligned text: the headings, then one line per row.
    pub fn text(&self) -> String {
        let columns = self.people();
        let headings = columns.iter().map(|&(_, column, heading)| (column, heading.to_string())).collect();
        let mut lines: Vec<Vec<(&Column, String)>> = vec![headings];
        lines.extend(
            self.rows.iter().map(|row| {
                columns.iter().map(|&(place, column, _)| (column, row[place].shown(Medium::Text))).collect()
            }),
        );
        // A cell before an empty one does not widen its column.
        let needed = |line: &Vec<(&Column, String)>, place: usize| {
            let runs_over = line.get(place + 1).is_some_and(|(_, next)| next.is_empty());
            if runs_over { 0 } else { line[place].1.chars().count() }
        };
        let widths: Vec<usize> = columns
            .iter()
            .enumerate()
            .map(|(place, (_, column, _))| lines.iter().map(|line| needed(line, place)).fold(column.width, usize::max))
            .collect();
        lines.iter().map(|line| text_line(line, &widths)).collect()
    }

    /// CSV text: the names of the fields, then one line per row, every digit kept.
    pub fn csv(&self) -> String {
        let header: Vec<&str> = self.columns.iter().flat_map(|column| column.fields).copied().collect();
        let rows = self.rows.iter().map(|row| {
            let cells = row.iter().zip(&self.columns).filter(|(_, column)| !column.fields.is_empty());
            cells.flat_map(|(cell, column)| cell.fields(column.fields.len()))
        });
        csv_text(&header, rows)
    }

    /// An HTML table whose first column names the rows.
    pub fn html(&self, caption: &str) -> Markup {
        let columns = self.people();
        html! {
            div.wide {
                table {
                    caption { (caption) }
                    thead {
                        tr {
                            @for (_, column, heading) in &columns {
                                th scope="col" { (column.page_heading.unwrap_or(heading)) }
                            }
                        }
                    }
                    tbody {
                        @for row in &self.rows {
                            tr {
                                @for (number, (place, ..)) in columns.iter().enumerate() {
                                    @let shown = row[*place].on_page();
                                    @if number == 0 { th scope="row" { (shown) } } @else { td { (shown) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The columns for people: place, column, heading.
    fn people(&self) -> Vec<(usize, &Column, &str)> {
        let shown = |(place, column): (usize, &'_ Column)| column.heading.is_some().then_some(place);
        let places = self.columns.iter().enumerate().filter_map(shown);
        places
            .map(|place| (place, &self.columns[place], self.columns[place].heading.as_deref().unwrap_or("")))
            .collect()
    }
}

/// A line of the text, without spaces at its end.
fn text_line(cells: &[(&Column, String)], widths: &[usize]) -> String {
    let (mut line, mut written, mut start) = (String::new(), 0, 0);
    for (place, ((column, text), width)) in cells.iter().zip(widths).enumerate() {
        start += if place == 0 { 0 } else { column.gap };
        if !text.is_empty() {
            let length = text.chars().count();
            let at = if column.align == Align::Left { start } else { start + width - length };
            line.extend(std::iter::repeat_n(' ', at.saturating_sub(written)));
            line += text;
            written = at.max(written) + length;
        }
        start += width;
    }
    line.truncate(line.trim_end().len());
    line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Table {
        let mut table = Table::new(vec![
            Column::left("name", 6).csv(&["name"]),
            Column::csv_only(&["size"]),
            Column::left("kind", 4),
            Column::right("runs", 4).csv(&["runs", "planned"]),
            Column::right("mean ± std", 10).gap(2).csv(&["mean", "std"]).page_heading("UAR"),
            Column::left("interval", 8).csv(&["low", "high"]),
        ]);
        let interval = Cell::Interval(Interval { low: 0.25, high: 0.75 });
        let spread = Cell::Spread(0.5, 1.0 / 3.0);
        table.push(vec!["<a, b>".into(), 7.into(), "x".into(), Cell::Progress(2, 3), spread.clone(), interval]);
        table.push(vec!["long name".into(), Cell::Missing, Cell::Empty, Cell::Progress(3, 3), spread, Cell::Missing]);
        table
    }

    #[test]
    fn text_is_aligned_and_a_cell_runs_into_an_empty_one() {
        let expected = "\
name   kind runs       mean ± std interval
<a, b> x     2/3  0.5000 ± 0.3333 [0.2500, 0.7500]
long name      3  0.5000 ± 0.3333 –
";
        assert_eq!(example().text(), expected);
    }

    #[test]
    fn csv_has_every_digit_and_quotes_where_it_must() {
        let expected = "\
name,size,runs,planned,mean,std,low,high
\"<a, b>\",7,2,3,0.5,0.3333333333333333,0.25,0.75
long name,,3,3,0.5,0.3333333333333333,,
";
        assert_eq!(example().csv(), expected);
    }

    #[test]
    fn html_is_escaped_and_its_first_column_names_the_rows() {
        let html = example().html("<c>").into_string();
        for text in [
            "<caption>&lt;c&gt;</caption>",
            "<th scope=\"col\">UAR</th>",
            "<tr><th scope=\"row\">&lt;a, b&gt;</th><td>x</td><td>2/3</td>",
            "<td>0.2500–0.7500</td></tr>",
            "<td>3/3</td>",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert!(!html.contains("size") && !html.contains("mean ± std"), "{html}");
    }
}
