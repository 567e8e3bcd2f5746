//! A corpus described by a table: one clip per line, with its file, label and speaker.
//!
//! ```text
//! path,label,speaker
//! anna/monday.wav,angry,anna
//! "ben/so, what.wav",neutral,ben
//! ```
//! Values separated by commas, semicolons or tabs, in UTF-8 or, with a byte order mark, UTF-16. The header has these three columns in
//! any order, in upper or lower case, or columns of [another name](NAMES) for them. With columns `start` and `end`, a clip is a
//! [part](super::segment) of its file. Other columns are not used. Spaces around a field are ignored, and so is a `'`
//! before `=`, `+`, `-` or `@`, with which tables of this program keep spreadsheets from running a name. The caller resolves relative
//! paths, from the manifest's folder.

use std::collections::HashMap;
use std::io::Read;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::reading::Columns;
use super::segment::Segment;
use crate::csv_field;
use reslstm::error::{Error, Kind, Result};

/// Other names of each of [`Columns::ALL`]: those of Hugging Face's `metadata.csv`, audformat, nkululeko and common tables.
pub const NAMES: [&[&str]; 5] = [
    &["file", "file_name", "filename", "filepath", "wav", "audio"],
    &["emotion"],
    &["speaker_id", "spk", "actor"],
    &[],
    &[],
];

/// What may separate fields.
const SEPARATORS: [u8; 3] = *b",;\t";

/// The columns that a table must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// Path, label and speaker, to train and to score.
    Corpus,
    /// The path alone, to predict.
    Paths,
}

impl Required {
    /// How many of [`Columns::ALL`], from the first.
    fn count(self) -> usize {
        if self == Required::Corpus { 3 } else { 1 }
    }
}

/// A manifest: at least one row, no path or segment twice, no required field empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    rows: Vec<ManifestRow>,
    notes: Vec<String>,
}

/// One clip of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestRow {
    /// The audio file, as written.
    pub path: String,
    /// The class name; empty where it is not required and there is no such column.
    pub label: String,
    /// The speaker's name, the same for all clips of one person; may be empty as the label.
    pub speaker: String,
    /// The part of the file, if it is not the whole.
    pub segment: Option<Segment>,
    /// Line number, from 1.
    pub line: u64,
}

impl ManifestRow {
    /// The clip's name: its path, and its segment if it has one.
    pub fn name(&self) -> String {
        format!("{}{}", self.path, self.segment.map_or(String::new(), |segment| segment.to_string()))
    }
}

impl Manifest {
    /// Reads a table: an open file, or `text.as_bytes()`.
    ///
    /// # Errors
    /// [`Kind::Data`], with the line, if a column is missing or repeated, a row has too few or too many fields, a required field is
    /// empty or not UTF-8, a start or end is no time, or a path or segment occurs twice; also if there are no rows.
    /// [`Kind::Io`] if `table` cannot be read.
    ///
    /// ```
    /// use reslstm_cli::corpus::manifest::{Manifest, Required};
    ///
    /// let table = "speaker,path,emotion\nanna,1.wav,cross\nben,2.wav,calm\n";
    /// let manifest = Manifest::read(table.as_bytes(), &Default::default(), Required::Corpus)?;
    /// assert_eq!(manifest.rows()[1].speaker, "ben");
    /// assert_eq!(manifest.notes(), ["note: label is the column `emotion`"]);
    /// # Ok::<(), reslstm::error::Error>(())
    /// ```
    pub fn read(mut table: impl Read, columns: &Columns, required: Required) -> Result<Self> {
        let mut bytes = Vec::new();
        table.read_to_end(&mut bytes).map_err(|error| Error::io("manifest", error))?;
        let text = decoded(bytes)?;
        let separator = separator(text.lines().next().unwrap_or_default());
        // Flexible, because our error for a row with a missing comma is clearer. Reading text in memory cannot fail otherwise.
        let mut reader =
            ReaderBuilder::new().delimiter(separator).trim(Trim::All).flexible(true).from_reader(text.as_bytes());
        let header = reader.headers().expect("text in memory can be read").clone();
        let places = column_positions(&header, columns, required)?;
        let lines = Lines::new(text.as_bytes());
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.expect("text in memory can be read");
            let start = record.position().expect("a record that was read has a position").byte() as usize;
            let line = lines.number_at(start);
            let row = check_length(&record, &header, separator).and_then(|()| row(&record, places, required, line));
            rows.push(row.map_err(|error| error.at(format!("line {line}")))?);
        }
        check_clips(&rows)?;
        if rows.is_empty() {
            return Err(
                Error::new(Kind::Data, "expected one clip per line below the header, found no line").at("line 2")
            );
        }
        let notes = column_notes(&header, places, columns);
        Ok(Manifest { rows, notes })
    }

    /// What its reader should know: columns of other names, segments, columns that are not used.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The clips, in the order of the table.
    pub fn rows(&self) -> &[ManifestRow] {
        &self.rows
    }
}

/// The text of a table in UTF-8, or in UTF-16 behind a byte order mark, as spreadsheets save it.
fn decoded(bytes: Vec<u8>) -> Result<String> {
    let wrong = |line: u64| {
        Error::new(Kind::Data, "expected text in UTF-8, found other bytes")
            .at(format!("line {line}"))
            .advice("save the table as UTF-8")
    };
    let utf16 = |from: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].as_chunks().0.iter().map(|&pair| from(pair)).collect();
        String::from_utf16(&units).map_err(|_| wrong(1))
    };
    match bytes.get(..2) {
        Some([0xff, 0xfe]) => utf16(u16::from_le_bytes),
        Some([0xfe, 0xff]) => utf16(u16::from_be_bytes),
        _ => String::from_utf8(bytes)
            .map_err(|error| wrong(Lines::new(error.as_bytes()).number_at(error.utf8_error().valid_up_to()))),
    }
}

/// The separator that occurs most often in the header.
fn separator(header: &str) -> u8 {
    let count = |separator: &u8| header.bytes().filter(|byte| byte == separator).count();
    // The last of equals is the largest: in reverse, that is the comma.
    SEPARATORS.into_iter().rev().max_by_key(count).expect("there are three")
}

/// Positions in a row of [`Columns::ALL`]; none where a column that is not required is missing.
type Places = [Option<usize>; 5];

fn column_positions(header: &StringRecord, columns: &Columns, required: Required) -> Result<Places> {
    let wrong = |problem: String, advice: &str| Err(Error::new(Kind::Data, problem).at("line 1").advice(advice));
    let found = || header.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut places = [None; 5];
    for (at, column) in Columns::ALL.into_iter().enumerate() {
        let named = |names: &[&str]| -> Vec<usize> {
            let is_one = |&index: &usize| names.iter().any(|name| header[index].eq_ignore_ascii_case(name));
            (0..header.len()).filter(is_one).collect()
        };
        let given = columns.get(column);
        let candidates = match given {
            Some("") => Vec::new(),
            Some(name) => named(&[name]),
            None => Some(named(&[column])).filter(|own| !own.is_empty()).unwrap_or_else(|| named(NAMES[at])),
        };
        places[at] = match (&candidates[..], given) {
            (&[only], _) => Some(only),
            ([], Some(name)) if !name.is_empty() => {
                let problem = format!("the column `{name}` is missing among {}", found());
                return wrong(problem, &format!("--columns {column}={name} names it"));
            }
            ([], _) if at >= required.count() => None,
            ([], _) if column == "speaker" && header.len() > 1 => {
                let problem = format!(
                    "the column `speaker` is missing among {}: without it, clips of one person would train and test a model, and \
                     scores would be too high",
                    found()
                );
                let advice = "add a column speaker, with the same name for all clips of one person, or name it as in --columns \
                              speaker=actor_id";
                return wrong(problem, advice);
            }
            ([], _) => {
                let advice = format!(
                    "the first line names the columns, path,label,speaker; or name it: --columns {column}=NAME"
                );
                return wrong(format!("the column `{column}` is missing among {}", found()), &advice);
            }
            (&[first, second, ..], _) => {
                let problem =
                    format!("expected one column for `{column}`, found `{}` and `{}`", &header[first], &header[second]);
                return wrong(problem, &format!("call the right one {column}, or name it: --columns {column}=NAME"));
            }
        };
    }
    Ok(places)
}

/// Which columns of other names are read, whether clips are segments, and which columns are not used.
fn column_notes(header: &StringRecord, places: Places, columns: &Columns) -> Vec<String> {
    let used = || Columns::ALL.into_iter().zip(places).filter_map(|(column, place)| Some((column, place?)));
    let renamed: Vec<String> = used()
        .filter(|(column, place)| columns.get(column).is_none() && !header[*place].eq_ignore_ascii_case(column))
        .map(|(column, place)| format!("{column} is the column `{}`", &header[place]))
        .collect();
    let times: Vec<String> = used()
        .skip_while(|(column, _)| *column != "start" && *column != "end")
        .map(|(_, place)| format!("`{}`", &header[place]))
        .collect();
    let unused: Vec<String> = (0..header.len())
        .filter(|place| !places.contains(&Some(*place)))
        .map(|place| format!("`{}`", &header[place]))
        .collect();
    let mut notes = Vec::new();
    if !renamed.is_empty() {
        notes.push(format!("note: {}", renamed.join(", ")));
    }
    if !times.is_empty() {
        notes.push(format!("note: clips are the parts of recordings that {} say", times.join(" and ")));
    }
    if !unused.is_empty() {
        notes.push(format!("note: columns that are not used: {}", unused.join(", ")));
    }
    notes
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

fn check_length(record: &StringRecord, header: &StringRecord, separator: u8) -> Result<()> {
    if record.len() == header.len() {
        return Ok(());
    }
    let separator = match separator {
        b'\t' => "tab".to_string(),
        other => format!("`{}`", char::from(other)),
    };
    Err(Error::new(Kind::Data, format!("expected {} fields, found {}", header.len(), record.len()))
        .advice(format!("put a field that contains a {separator} into double quotes")))
}

fn row(record: &StringRecord, places: Places, required: Required, line: u64) -> Result<ManifestRow> {
    let field = |place: Option<usize>| place.map_or("", |place| &record[place]);
    let empty = |&(_, place): &(&str, Option<usize>)| field(place).is_empty();
    if let Some((column, _)) = Columns::ALL.into_iter().zip(places).take(required.count()).find(empty) {
        return Err(Error::new(Kind::Data, format!("the field `{column}` is empty")));
    }
    let [path, label, speaker, start, end] = places.map(field);
    let [path, label, speaker] = [path, label, speaker].map(csv_field::text);
    let segment = Segment::parse(start, end)?;
    Ok(ManifestRow { path: path.into(), label: label.into(), speaker: speaker.into(), segment, line })
}

/// Rows as a table, with columns `start` and `end` if there are segments. Their lines are those of the table.
pub fn table(rows: &[ManifestRow]) -> String {
    let columns = if rows.iter().any(|row| row.segment.is_some()) { 5 } else { 3 };
    let mut table = csv::Writer::from_writer(Vec::new());
    let written = "writing to memory";
    table.write_record(&Columns::ALL[..columns]).expect(written);
    for ManifestRow { path, label, speaker, segment, .. } in rows {
        let [start, end] = segment.map_or_else(Default::default, |segment| segment.columns());
        let row = [path, label, speaker, &start, &end];
        table.write_record(row[..columns].iter().map(|text| csv_field::field(text).into_owned())).expect(written);
    }
    String::from_utf8(table.into_inner().expect(written)).expect("made of text")
}

/// Refuses a clip that occurs twice: it could train and test a model.
fn check_clips(rows: &[ManifestRow]) -> Result<()> {
    let mut lines = HashMap::new();
    for row in rows {
        if let Some(first) = lines.insert(row.name(), row.line) {
            let what = if row.segment.is_some() { "segment" } else { "path" };
            let problem = format!("the {what} `{}` is on line {first} already", row.name());
            return Err(Error::new(Kind::Data, problem).at(format!("line {}", row.line)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
