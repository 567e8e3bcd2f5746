//! A corpus described by a table: one clip a line, with its file, what is felt in it and who speaks.
//!
//! ```text
//! path,label,speaker
//! anna/monday.wav,angry,anna
//! "ben/so, what.wav",neutral,ben
//! ```
//! Comma-separated values in UTF-8, a header with exactly these three columns in any order. Spaces around a field are
//! not part of it. Where a relative path starts from is the caller's business: the folder the manifest lies in.

use std::collections::HashMap;
use std::io::Read;

use csv::{ReaderBuilder, StringRecord, Trim};

use reslstm::error::{Error, Kind, Result};
use reslstm::labels::Labels;

/// The columns, in the order in which errors list them.
const COLUMNS: [&str; 3] = ["path", "label", "speaker"];

/// A corpus as a table describes it: at least one row, at least two classes, no path twice, no field empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    labels: Labels,
    rows: Vec<ManifestRow>,
}

/// One clip of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestRow {
    /// The audio file, as written.
    pub path: String,
    /// The class name; one of the manifest's labels.
    pub label: String,
    /// Who speaks; any name that is the same for all clips of one person.
    pub speaker: String,
    /// The line it stands on, the first being 1.
    pub line: u64,
}

impl Manifest {
    /// Reads a table: an open file, or `text.as_bytes()`.
    ///
    /// The labels are those that occur: in RAVDESS's order if they are exactly its eight, otherwise alphabetical.
    ///
    /// # Errors
    /// [`Kind::Data`], with the line, if a column is missing, unknown or there twice, a row has too few or too many
    /// fields, a field is empty or not UTF-8, a path occurs twice; and if there are no rows or only one label.
    /// [`Kind::Io`] if `table` cannot be read.
    ///
    /// ```
    /// use crate::corpus::manifest::Manifest;
    ///
    /// let manifest = Manifest::read("speaker,path,label\nanna,1.wav,cross\nben,2.wav,calm\n".as_bytes())?;
    /// assert_eq!(manifest.labels().names(), ["calm", "cross"]);
    /// assert_eq!(manifest.rows()[1].speaker, "ben");
    /// # Ok::<(), reslstm::error::Error>(())
    /// ```
    pub fn read(mut table: impl Read) -> Result<Self> {
        let mut bytes = Vec::new();
        table.read_to_end(&mut bytes).map_err(|error| Error::io("manifest", error))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = Lines::of(error.as_bytes()).number_at(error.utf8_error().valid_up_to());
            Error::new(Kind::Data, "expected text in UTF-8, found other bytes")
                .at(format!("line {line}"))
                .advice("save the table as UTF-8")
        })?;
        // Flexible, because a row with a missing comma is better described here. Text in memory leaves nothing else to
        // fail.
        let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(text.as_bytes());
        let places = places_of_columns(reader.headers().expect("text in memory can be read"))?;
        let lines = Lines::of(text.as_bytes());
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.expect("text in memory can be read");
            let start = record.position().expect("a record that was read has a position").byte() as usize;
            rows.push(row(&record, places, lines.number_at(start))?);
        }
        check_paths(&rows)?;
        if rows.is_empty() {
            return Err(Error::new(Kind::Data, "expected a clip a line below the header, found no line").at("line 2"));
        }
        let labels = Labels::found(rows.iter().map(|row| row.label.as_str()))?;
        Ok(Manifest { labels, rows })
    }

    /// The classes that occur.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The clips, in the order of the table.
    pub fn rows(&self) -> &[ManifestRow] {
        &self.rows
    }
}

/// Where path, label and speaker stand in a row.
fn places_of_columns(header: &StringRecord) -> Result<[usize; 3]> {
    let wrong = |problem: String| {
        let advice = format!("the first line names the columns: {}", COLUMNS.join(","));
        Error::new(Kind::Data, problem).at("line 1").advice(advice)
    };
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        return Err(wrong(format!("expected the columns {}, found `{unknown}`", COLUMNS.join(", "))));
    }
    let mut places = [0; 3];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let mut found = (0..header.len()).filter(|&index| &header[index] == column);
        *place = found.next().ok_or_else(|| wrong(format!("the column `{column}` is missing")))?;
        if found.next().is_some() {
            return Err(wrong(format!("the column `{column}` is there twice")));
        }
    }
    Ok(places)
}

/// Where the lines of a text end.
struct Lines<'a> {
    text: &'a [u8],
    feeds: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a [u8]) -> Self {
        Lines { text, feeds: (0..text.len()).filter(|&at| text[at] == b'\n').collect() }
    }

    /// The line of the first byte from `start` on that ends no line, the first line being 1. The csv crate's own count
    /// is of where it stopped reading before: ahead of blank lines, and of the line feed of a Windows line end.
    fn number_at(&self, start: usize) -> u64 {
        let blank = self.text[start..].iter().take_while(|&&byte| byte == b'\r' || byte == b'\n').count();
        1 + self.feeds.partition_point(|&at| at < start + blank) as u64
    }
}

fn row(record: &StringRecord, places: [usize; 3], line: u64) -> Result<ManifestRow> {
    let wrong = |problem: String| Error::new(Kind::Data, problem).at(format!("line {line}"));
    if record.len() != COLUMNS.len() {
        return Err(wrong(format!("expected {} fields, found {}", COLUMNS.len(), record.len()))
            .advice("a field that contains a comma stands in double quotes"));
    }
    if let Some((_, column)) = places.into_iter().zip(COLUMNS).find(|&(place, _)| record[place].is_empty()) {
        return Err(wrong(format!("the field `{column}` is empty")));
    }
    let [path, label, speaker] = places.map(|place| record[place].to_string());
    Ok(ManifestRow { path, label, speaker, line })
}

/// A clip that stands twice could train and test the same model.
fn check_paths(rows: &[ManifestRow]) -> Result<()> {
    let mut lines = HashMap::new();
    for row in rows {
        if let Some(first) = lines.insert(&row.path, row.line) {
            let problem = format!("the path `{}` stands on line {first} already", row.path);
            return Err(Error::new(Kind::Data, problem).at(format!("line {}", row.line)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(table: &str) -> String {
        let error = Manifest::read(table.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        error.to_string()
    }

    #[test]
    fn columns_stand_in_any_order_and_lines_are_counted() {
        let table = [
            "label, speaker ,path\r\nsad,02,b/1.wav\r\n",
            "\r\nangry, 10 ,\"a, b.wav\"\r\n",
            "sad,02,\"two\nlines.wav\"\r\nsad,3,c",
        ]
        .concat();
        let manifest = Manifest::read(table.as_bytes()).unwrap();
        let row = |path: &str, label: &str, speaker: &str, line| ManifestRow {
            path: path.into(),
            label: label.into(),
            speaker: speaker.into(),
            line,
        };
        let rows = [
            row("b/1.wav", "sad", "02", 2),
            row("a, b.wav", "angry", "10", 4),
            row("two\nlines.wav", "sad", "02", 5),
            row("c", "sad", "3", 7),
        ];
        assert_eq!(manifest.rows(), rows);
        assert_eq!(manifest.labels().names(), ["angry", "sad"]);
    }

    #[test]
    fn a_spreadsheet_s_byte_order_mark_is_no_part_of_the_header() {
        let manifest = Manifest::read("\u{feff}path,label,speaker\n1,a,x\n2,b,x\n".as_bytes()).unwrap();
        assert_eq!(manifest.rows()[0].path, "1");
    }

    #[test]
    fn all_eight_emotions_of_ravdess_come_in_its_order() {
        let mut table = "path,label,speaker\n".to_string();
        for (index, label) in Labels::ravdess().names().iter().enumerate().rev() {
            table += &format!("{index}.wav,{label},x\n");
        }
        assert_eq!(Manifest::read(table.as_bytes()).unwrap().labels(), &Labels::ravdess());
    }

    #[test]
    fn a_wrong_header_is_answered_with_the_right_one() {
        let advice = "(the first line names the columns: path,label,speaker)";
        assert_eq!(refusal("path,label\n1,a\n"), format!("line 1: the column `speaker` is missing {advice}"));
        assert_eq!(refusal(""), format!("line 1: the column `path` is missing {advice}"));
        assert_eq!(refusal("path,label,speaker,path\n"), format!("line 1: the column `path` is there twice {advice}"));
        for (header, unknown) in [
            ("path,label,speaker,age", "age"),
            ("Path,label,speaker", "Path"),
            ("path;label;speaker", "path;label;speaker"),
            ("1.wav,angry,anna", "1.wav"),
        ] {
            let expected = format!("line 1: expected the columns path, label, speaker, found `{unknown}` {advice}");
            assert_eq!(refusal(&format!("{header}\n")), expected);
        }
    }

    #[test]
    fn a_wrong_row_is_named_by_its_line() {
        let table = |row: &str| refusal(&format!("path,label,speaker\n1.wav,a,x\n\n2.wav,b,y\n{row}\n"));
        let advice = "(a field that contains a comma stands in double quotes)";
        assert_eq!(table("3.wav,a"), format!("line 5: expected 3 fields, found 2 {advice}"));
        assert_eq!(table("3.wav,a,x,"), format!("line 5: expected 3 fields, found 4 {advice}"));
        assert_eq!(table(",a,x"), "line 5: the field `path` is empty");
        assert_eq!(table("3.wav, ,x"), "line 5: the field `label` is empty");
        assert_eq!(table("3.wav,a,"), "line 5: the field `speaker` is empty");
        assert_eq!(table("2.wav,a,x"), "line 5: the path `2.wav` stands on line 4 already");
    }

    #[test]
    fn without_rows_or_with_one_label_there_is_nothing_to_learn() {
        let expected = "line 2: expected a clip a line below the header, found no line";
        assert_eq!(refusal("path,label,speaker\n"), expected);
        assert_eq!(refusal("path,label,speaker\n\n\n"), expected);
        let one = refusal("path,label,speaker\n1,calm,x\n2,calm,y\n");
        assert_eq!(one, "labels: expected at least 2 classes to tell apart, found 1: [\"calm\"]");
    }

    #[test]
    fn text_that_is_not_utf_8_is_named_by_its_line() {
        let error = Manifest::read(&b"path,label,speaker\n1.wav,a,x\n\xe9.wav,b,y\n"[..]).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        assert!(error.to_string().starts_with("line 3: expected text in UTF-8"), "{error}");
    }

    #[test]
    fn a_table_that_cannot_be_read_is_an_error_of_reading() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("the disk is gone"))
            }
        }
        let error = Manifest::read(Broken).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (Kind::Io, "manifest: the disk is gone".into()));
    }
}
