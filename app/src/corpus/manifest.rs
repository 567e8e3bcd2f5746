//! A corpus described by a table: one clip per line, with its file, label and speaker.
//!
//! ```text
//! path,label,speaker
//! anna/monday.wav,angry,anna
//! "ben/so, what.wav",neutral,ben
//! ```
//! Comma-separated values in UTF-8. The header has exactly these three columns, in any order. Spaces around a field are
//! ignored. The caller resolves relative paths, from the manifest's folder.

use std::collections::HashMap;
use std::io::Read;

use csv::{ReaderBuilder, StringRecord, Trim};

use reslstm::error::{Error, Kind, Result};
use reslstm::labels::Labels;

/// The columns, in the order in which errors list them.
const COLUMNS: [&str; 3] = ["path", "label", "speaker"];

/// A manifest: at least one row and two classes, no path twice, no field empty.
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
    /// The class name, one of the manifest's labels.
    pub label: String,
    /// The speaker's name, the same for all clips of one person.
    pub speaker: String,
    /// Line number, from 1.
    pub line: u64,
}

impl Manifest {
    /// Reads a table: an open file, or `text.as_bytes()`.
    ///
    /// The labels are those in the table: in RAVDESS's order if they are exactly its eight, otherwise sorted.
    ///
    /// # Errors
    /// [`Kind::Data`], with the line, if a column is missing, unknown or repeated, a row has too few or too many
    /// fields, a field is empty or not UTF-8, or a path occurs twice; also if there are no rows or only one label.
    /// [`Kind::Io`] if `table` cannot be read.
    ///
    /// ```
    /// use reslstm_cli::corpus::manifest::Manifest;
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
            let line = Lines::new(error.as_bytes()).number_at(error.utf8_error().valid_up_to());
            Error::new(Kind::Data, "expected text in UTF-8, found other bytes")
                .at(format!("line {line}"))
                .advice("save the table as UTF-8")
        })?;
        // Flexible, because our error for a row with a missing comma is clearer. Reading text in memory cannot fail otherwise.
        let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(text.as_bytes());
        let places = column_positions(reader.headers().expect("text in memory can be read"))?;
        let lines = Lines::new(text.as_bytes());
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.expect("text in memory can be read");
            let start = record.position().expect("a record that was read has a position").byte() as usize;
            rows.push(row(&record, places, lines.number_at(start))?);
        }
        check_paths(&rows)?;
        if rows.is_empty() {
            return Err(
                Error::new(Kind::Data, "expected one clip per line below the header, found no line").at("line 2")
            );
        }
        let labels = Labels::found(rows.iter().map(|row| row.label.as_str()))?;
        Ok(Manifest { labels, rows })
    }

    /// The classes in the table.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The clips, in the order of the table.
    pub fn rows(&self) -> &[ManifestRow] {
        &self.rows
    }
}

/// Positions of path, label and speaker in a row.
fn column_positions(header: &StringRecord) -> Result<[usize; 3]> {
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
            return Err(wrong(format!("the column `{column}` is repeated")));
        }
    }
    Ok(places)
}

/// Positions of line ends in a text, to find line numbers.
struct Lines<'a> {
    text: &'a [u8],
    feeds: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a [u8]) -> Self {
        Lines { text, feeds: (0..text.len()).filter(|&at| text[at] == b'\n').collect() }
    }

    /// Line number, from 1, of the first byte from `start` on that is not a line end. The csv crate's own line number is that of
    /// the end of the record before, ahead of blank lines and of the line feed of a Windows line end.
    fn number_at(&self, start: usize) -> u64 {
        let blank = self.text[start..].iter().take_while(|&&byte| byte == b'\r' || byte == b'\n').count();
        1 + self.feeds.partition_point(|&at| at < start + blank) as u64
    }
}

fn row(record: &StringRecord, places: [usize; 3], line: u64) -> Result<ManifestRow> {
    let wrong = |problem: String| Error::new(Kind::Data, problem).at(format!("line {line}"));
    if record.len() != COLUMNS.len() {
        return Err(wrong(format!("expected {} fields, found {}", COLUMNS.len(), record.len()))
            .advice("put a field that contains a comma into double quotes"));
    }
    if let Some((_, column)) = places.into_iter().zip(COLUMNS).find(|&(place, _)| record[place].is_empty()) {
        return Err(wrong(format!("the field `{column}` is empty")));
    }
    let [path, label, speaker] = places.map(|place| record[place].to_string());
    Ok(ManifestRow { path, label, speaker, line })
}

/// Refuses a path that occurs twice: the same clip could train and test a model.
fn check_paths(rows: &[ManifestRow]) -> Result<()> {
    let mut lines = HashMap::new();
    for row in rows {
        if let Some(first) = lines.insert(&row.path, row.line) {
            let problem = format!("the path `{}` is on line {first} already", row.path);
            return Err(Error::new(Kind::Data, problem).at(format!("line {}", row.line)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(table: &str) -> String {
        let error = Manifest::read(table.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        error.to_string()
    }

    #[test]
    fn columns_come_in_any_order_and_lines_are_counted() {
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
    fn a_byte_order_mark_is_ignored() {
        let manifest = Manifest::read("\u{feff}path,label,speaker\n1,a,x\n2,b,x\n".as_bytes()).unwrap();
        assert_eq!(manifest.rows()[0].path, "1");
    }

    #[test]
    fn the_eight_emotions_of_ravdess_keep_its_order() {
        let mut table = "path,label,speaker\n".to_string();
        for (index, label) in Labels::ravdess().names().iter().enumerate().rev() {
            table += &format!("{index}.wav,{label},x\n");
        }
        assert_eq!(Manifest::read(table.as_bytes()).unwrap().labels(), &Labels::ravdess());
    }

    #[test]
    fn an_error_in_the_header_shows_the_right_header() {
        let advice = "(the first line names the columns: path,label,speaker)";
        assert_eq!(error_of("path,label\n1,a\n"), format!("line 1: the column `speaker` is missing {advice}"));
        assert_eq!(error_of(""), format!("line 1: the column `path` is missing {advice}"));
        assert_eq!(error_of("path,label,speaker,path\n"), format!("line 1: the column `path` is repeated {advice}"));
        for (header, unknown) in [
            ("path,label,speaker,age", "age"),
            ("Path,label,speaker", "Path"),
            ("path;label;speaker", "path;label;speaker"),
            ("1.wav,angry,anna", "1.wav"),
        ] {
            let expected = format!("line 1: expected the columns path, label, speaker, found `{unknown}` {advice}");
            assert_eq!(error_of(&format!("{header}\n")), expected);
        }
    }

    #[test]
    fn an_error_in_a_row_names_its_line() {
        let table = |row: &str| error_of(&format!("path,label,speaker\n1.wav,a,x\n\n2.wav,b,y\n{row}\n"));
        let advice = "(put a field that contains a comma into double quotes)";
        assert_eq!(table("3.wav,a"), format!("line 5: expected 3 fields, found 2 {advice}"));
        assert_eq!(table("3.wav,a,x,"), format!("line 5: expected 3 fields, found 4 {advice}"));
        assert_eq!(table(",a,x"), "line 5: the field `path` is empty");
        assert_eq!(table("3.wav, ,x"), "line 5: the field `label` is empty");
        assert_eq!(table("3.wav,a,"), "line 5: the field `speaker` is empty");
        assert_eq!(table("2.wav,a,x"), "line 5: the path `2.wav` is on line 4 already");
    }

    #[test]
    fn a_manifest_has_at_least_one_row_and_two_labels() {
        let expected = "line 2: expected one clip per line below the header, found no line";
        assert_eq!(error_of("path,label,speaker\n"), expected);
        assert_eq!(error_of("path,label,speaker\n\n\n"), expected);
        let one = error_of("path,label,speaker\n1,calm,x\n2,calm,y\n");
        assert_eq!(one, "labels: expected at least 2 classes to tell apart, found 1: [\"calm\"]");
    }

    #[test]
    fn text_that_is_not_utf_8_is_refused_with_its_line() {
        let error = Manifest::read(&b"path,label,speaker\n1.wav,a,x\n\xe9.wav,b,y\n"[..]).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        assert!(error.to_string().starts_with("line 3: expected text in UTF-8"), "{error}");
    }

    #[test]
    fn an_unreadable_table_is_an_io_error() {
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
