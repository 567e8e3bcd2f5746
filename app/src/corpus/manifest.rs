//! A corpus described by a table: one clip per line, with its file, label and speaker.
//!
//! ```text
//! path,label,speaker
//! anna/monday.wav,angry,anna
//! "ben/so, what.wav",neutral,ben
//! ```
//! Values separated by commas, semicolons or tabs, in UTF-8 or, with a byte order mark, UTF-16. The header has these three columns in
//! any order, in upper or lower case, or columns of [another name](NAMES) for them. Other columns are not used. Spaces around a field
//! are ignored. The caller resolves relative paths, from the manifest's folder.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::{Corpus, lookalikes};
use reslstm::error::{Error, Kind, Result};
use reslstm::labels::Labels;

/// The columns, in the order in which errors list them.
const COLUMNS: [&str; 3] = ["path", "label", "speaker"];

/// Other names of each column: those of Hugging Face's `metadata.csv`, audformat, nkululeko and common tables.
pub const NAMES: [&[&str]; 3] =
    [&["file", "file_name", "filename", "filepath", "wav", "audio"], &["emotion"], &["speaker_id", "spk", "actor"]];

/// What may separate fields.
const SEPARATORS: [u8; 3] = *b",;\t";

/// A manifest: at least one row and two classes, no path twice, no field empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    labels: Labels,
    rows: Vec<ManifestRow>,
    notes: Vec<String>,
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
    /// [`Kind::Data`], with the line, if a column is missing or repeated, a row has too few or too many fields, a field is empty or
    /// not UTF-8, or a path occurs twice; also if there are no rows or only one label.
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
        let text = decoded(bytes)?;
        let separator = separator(text.lines().next().unwrap_or_default());
        // Flexible, because our error for a row with a missing comma is clearer. Reading text in memory cannot fail otherwise.
        let mut reader =
            ReaderBuilder::new().delimiter(separator).trim(Trim::All).flexible(true).from_reader(text.as_bytes());
        let header = reader.headers().expect("text in memory can be read").clone();
        let places = column_positions(&header)?;
        let lines = Lines::new(text.as_bytes());
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.expect("text in memory can be read");
            let start = record.position().expect("a record that was read has a position").byte() as usize;
            rows.push(row(&record, &header, places, lines.number_at(start), separator)?);
        }
        check_paths(&rows)?;
        if rows.is_empty() {
            return Err(
                Error::new(Kind::Data, "expected one clip per line below the header, found no line").at("line 2")
            );
        }
        let labels = Labels::found(rows.iter().map(|row| row.label.as_str()))?;
        let mut notes = column_notes(&header, places);
        notes.extend(lookalikes::warnings("labels", "classes", rows.iter().map(|row| &row.label)));
        notes.extend(lookalikes::warnings("speakers", "people", rows.iter().map(|row| &row.speaker)));
        Ok(Manifest { labels, rows, notes })
    }

    /// What its reader should know: columns of other names, columns that are not used, names that look alike.
    pub fn notes(&self) -> &[String] {
        &self.notes
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

/// A corpus as a table, to be saved at `path`: clips below its folder by relative paths, others by absolute ones.
pub fn write(corpus: &Corpus, path: &Path) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = absolute(path).parent().map(Path::to_path_buf).unwrap_or_default();
    let mut table = csv::Writer::from_writer(Vec::new());
    let written = "writing to memory";
    table.write_record(COLUMNS).expect(written);
    for entry in corpus.entries() {
        let clip = absolute(&entry.path);
        let clip = clip.strip_prefix(&folder).unwrap_or(&clip).to_string_lossy().into_owned();
        table.write_record([&clip, corpus.labels().name(entry.label), &entry.speaker]).expect(written);
    }
    String::from_utf8(table.into_inner().expect(written)).expect("made of text")
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

/// Positions of path, label and speaker in a row.
fn column_positions(header: &StringRecord) -> Result<[usize; 3]> {
    let wrong = |problem: String, advice: &str| Err(Error::new(Kind::Data, problem).at("line 1").advice(advice));
    let found = || header.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut places = [0; 3];
    for ((place, column), others) in places.iter_mut().zip(COLUMNS).zip(NAMES) {
        let named = |names: &[&str]| -> Vec<usize> {
            let is_one = |&index: &usize| names.iter().any(|name| header[index].eq_ignore_ascii_case(name));
            (0..header.len()).filter(is_one).collect()
        };
        let own = named(&[column]);
        let candidates = if own.is_empty() { named(others) } else { own };
        *place = match candidates[..] {
            [only] => only,
            [] if column == "speaker" && header.len() > 1 => {
                let problem = format!(
                    "the column `speaker` is missing among {}: without it, clips of one person would train and test a model, and \
                     scores would be too high",
                    found()
                );
                return wrong(problem, "add a column speaker, with the same name for all clips of one person");
            }
            [] => {
                let advice = "the first line names the columns: path,label,speaker";
                return wrong(format!("the column `{column}` is missing among {}", found()), advice);
            }
            [first, second, ..] => {
                let problem =
                    format!("expected one column for `{column}`, found `{}` and `{}`", &header[first], &header[second]);
                return wrong(problem, &format!("call the right one {column}"));
            }
        };
    }
    Ok(places)
}

/// Which columns of other names are read, and which are not used.
fn column_notes(header: &StringRecord, places: [usize; 3]) -> Vec<String> {
    let renamed: Vec<String> = COLUMNS
        .into_iter()
        .zip(places)
        .filter(|(column, place)| !header[*place].eq_ignore_ascii_case(column))
        .map(|(column, place)| format!("{column} is the column `{}`", &header[place]))
        .collect();
    let unused: Vec<String> = (0..header.len())
        .filter(|place| !places.contains(place))
        .map(|place| format!("`{}`", &header[place]))
        .collect();
    let mut notes = Vec::new();
    if !renamed.is_empty() {
        notes.push(format!("note: {}", renamed.join(", ")));
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

fn row(
    record: &StringRecord,
    header: &StringRecord,
    places: [usize; 3],
    line: u64,
    separator: u8,
) -> Result<ManifestRow> {
    let wrong = |problem: String| Error::new(Kind::Data, problem).at(format!("line {line}"));
    if record.len() != header.len() {
        let separator = match separator {
            b'\t' => "tab".to_string(),
            other => format!("`{}`", char::from(other)),
        };
        return Err(wrong(format!("expected {} fields, found {}", header.len(), record.len()))
            .advice(format!("put a field that contains a {separator} into double quotes")));
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
        let speaker = error_of("path,label\n1,a\n");
        assert!(speaker.starts_with("line 1: the column `speaker` is missing among `path`, `label`: "), "{speaker}");
        assert!(
            speaker.ends_with("(add a column speaker, with the same name for all clips of one person)"),
            "{speaker}"
        );
        assert_eq!(error_of(""), format!("line 1: the column `path` is missing among  {advice}"));
        let found = "`1.wav`, `angry`, `anna`";
        assert_eq!(
            error_of("1.wav,angry,anna\n"),
            format!("line 1: the column `path` is missing among {found} {advice}")
        );
        for (header, expected) in [
            (
                "path,label,speaker,path",
                "expected one column for `path`, found `path` and `path` (call the right one path)",
            ),
            (
                "wav,file,label,speaker",
                "expected one column for `path`, found `wav` and `file` (call the right one path)",
            ),
        ] {
            assert_eq!(error_of(&format!("{header}\n")), format!("line 1: {expected}"));
        }
    }

    #[test]
    fn tables_as_spreadsheets_and_other_tools_write_them_are_read() {
        let plain = Manifest::read("path,label,speaker\n1.wav,a,x\n2.wav,b,y\n".as_bytes()).unwrap();
        assert!(plain.notes().is_empty());
        let read = |table: &[u8], notes: &[&str]| {
            let manifest = Manifest::read(table).unwrap();
            assert_eq!(
                (manifest.rows(), manifest.notes()),
                (plain.rows(), &notes.iter().map(|it| it.to_string()).collect::<Vec<_>>()[..])
            );
        };
        read(b"path;label;speaker\r\n1.wav;a;x\r\n2.wav;b;y\r\n", &[]);
        read(b"path\tlabel\tspeaker\n1.wav\ta\tx\n2.wav\tb\ty\n", &[]);
        read(b"Path,LABEL,Speaker\n1.wav,a,x\n2.wav,b,y\n", &[]);
        read(
            b",path,label,speaker,age\n0,1.wav,a,x,7\n1,2.wav,b,y,8\n",
            &["note: columns that are not used: ``, `age`"],
        );
        // Hugging Face, audformat, nkululeko.
        read(
            b"file_name,emotion,speaker_id\n1.wav,a,x\n2.wav,b,y\n",
            &[
                "note: path is the column `file_name`, label is the column `emotion`, speaker is the column `speaker_id`",
            ],
        );
        // The column's own name counts where there are both.
        read(
            b"path,emotion,label,speaker\n1.wav,q,a,x\n2.wav,q,b,y\n",
            &["note: columns that are not used: `emotion`"],
        );
        for (mark, bytes) in [([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]), ([0xfe, 0xff], u16::to_be_bytes)]
        {
            let text = "path,label,speaker\n1.wav,a,x\n2.wav,b,y\n".encode_utf16().flat_map(bytes);
            read(&mark.into_iter().chain(text).collect::<Vec<u8>>(), &[]);
        }
    }

    #[test]
    fn names_that_look_alike_are_in_a_warning() {
        let table = "path,label,speaker\n1,High,01\n2,high,1\n3,\u{200b}low,anna\n4,low,Anna\n";
        let notes = Manifest::read(table.as_bytes()).unwrap().notes().join("\n");
        for pair in ["`High` and `high`", "`low` and `\\u{200b}low`", "`01` and `1`", "`Anna` and `anna`"] {
            assert!(notes.contains(pair), "{pair}: {notes}");
        }
    }

    #[test]
    fn an_error_in_a_row_names_its_line() {
        let table = |row: &str| error_of(&format!("path,label,speaker\n1.wav,a,x\n\n2.wav,b,y\n{row}\n"));
        let advice = "(put a field that contains a `,` into double quotes)";
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
