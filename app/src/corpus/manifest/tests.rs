//! Tables as people and programs write them.

use super::*;

/// A table that a corpus is read from.
fn read(table: &[u8], columns: &str) -> Result<Manifest> {
    let columns = if columns.is_empty() { Columns::default() } else { columns.parse().unwrap() };
    Manifest::read(table, &columns, Required::Corpus)
}

fn error_of(table: &str) -> String {
    let error = read(table.as_bytes(), "").unwrap_err();
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
    let manifest = read(table.as_bytes(), "").unwrap();
    let row = |path: &str, label: &str, speaker: &str, line| ManifestRow {
        path: path.into(),
        label: label.into(),
        speaker: speaker.into(),
        segment: None,
        line,
    };
    let rows = [
        row("b/1.wav", "sad", "02", 2),
        row("a, b.wav", "angry", "10", 4),
        row("two\nlines.wav", "sad", "02", 5),
        row("c", "sad", "3", 7),
    ];
    assert_eq!(manifest.rows(), rows);
}

#[test]
fn a_byte_order_mark_is_ignored() {
    let manifest = read("\u{feff}path,label,speaker\n1,a,x\n2,b,x\n".as_bytes(), "").unwrap();
    assert_eq!(manifest.rows()[0].path, "1");
}

#[test]
fn an_error_in_the_header_shows_the_right_header() {
    let advice = "(the first line names the columns, path,label,speaker; or name it: --columns path=NAME)";
    let speaker = error_of("path,label\n1,a\n");
    assert!(speaker.starts_with("line 1: the column `speaker` is missing among `path`, `label`: "), "{speaker}");
    assert!(
        speaker.ends_with("the same name for all clips of one person, or name it as in --columns speaker=actor_id)"),
        "{speaker}"
    );
    assert_eq!(error_of(""), format!("line 1: the column `path` is missing among  {advice}"));
    let found = "`1.wav`, `angry`, `anna`";
    assert_eq!(error_of("1.wav,angry,anna\n"), format!("line 1: the column `path` is missing among {found} {advice}"));
    for (header, expected) in [
        (
            "path,label,speaker,path",
            "expected one column for `path`, found `path` and `path` (call the right one path, or name it: --columns path=NAME)",
        ),
        (
            "wav,file,label,speaker",
            "expected one column for `path`, found `wav` and `file` (call the right one path, or name it: --columns path=NAME)",
        ),
    ] {
        assert_eq!(error_of(&format!("{header}\n")), format!("line 1: {expected}"));
    }
}

#[test]
fn tables_as_spreadsheets_and_other_tools_write_them_are_read() {
    let plain = read(b"path,label,speaker\n1.wav,a,x\n2.wav,b,y\n", "").unwrap();
    assert!(plain.notes().is_empty());
    let reads_alike = |table: &[u8], notes: &[&str]| {
        let manifest = read(table, "").unwrap();
        assert_eq!(
            (manifest.rows(), manifest.notes()),
            (plain.rows(), &notes.iter().map(|it| it.to_string()).collect::<Vec<_>>()[..])
        );
    };
    reads_alike(b"path;label;speaker\r\n1.wav;a;x\r\n2.wav;b;y\r\n", &[]);
    reads_alike(b"path\tlabel\tspeaker\n1.wav\ta\tx\n2.wav\tb\ty\n", &[]);
    reads_alike(b"Path,LABEL,Speaker\n1.wav,a,x\n2.wav,b,y\n", &[]);
    reads_alike(
        b",path,label,speaker,age\n0,1.wav,a,x,7\n1,2.wav,b,y,8\n",
        &["note: columns that are not used: ``, `age`"],
    );
    // Hugging Face, audformat, nkululeko.
    reads_alike(
        b"file_name,emotion,speaker_id\n1.wav,a,x\n2.wav,b,y\n",
        &["note: path is the column `file_name`, label is the column `emotion`, speaker is the column `speaker_id`"],
    );
    // The column's own name counts where there are both.
    reads_alike(
        b"path,emotion,label,speaker\n1.wav,q,a,x\n2.wav,q,b,y\n",
        &["note: columns that are not used: `emotion`"],
    );
    for (mark, bytes) in [([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]), ([0xfe, 0xff], u16::to_be_bytes)] {
        let text = "path,label,speaker\n1.wav,a,x\n2.wav,b,y\n".encode_utf16().flat_map(bytes);
        reads_alike(&mark.into_iter().chain(text).collect::<Vec<u8>>(), &[]);
    }
}

#[test]
fn tables_of_other_tools_are_read_as_they_are() {
    let row = |path: &str, label: &str, speaker: &str, times: [&str; 2]| {
        let segment = Segment::parse(times[0], times[1]).unwrap();
        (path.to_string(), label.to_string(), speaker.to_string(), segment)
    };
    let rows = |table: &str, columns: &str| {
        let manifest = read(table.as_bytes(), columns).unwrap();
        let rows = manifest.rows().iter().cloned();
        (rows.map(|row| (row.path, row.label, row.speaker, row.segment)).collect::<Vec<_>>(), manifest.notes)
    };
    // A metadata.csv of Hugging Face's audiofolder.
    let (found, notes) = rows("file_name,transcription,emotion,speaker_id\ndata/1.wav,hello,a,x\n", "");
    assert_eq!(found, [row("data/1.wav", "a", "x", ["", ""])]);
    let renamed =
        "note: path is the column `file_name`, label is the column `emotion`, speaker is the column `speaker_id`";
    assert_eq!(notes, [renamed, "note: columns that are not used: `transcription`"]);
    // audformat: db.tables["emotion"].df.to_csv(), segmented and whole.
    let table = "file,start,end,emotion,emotion.agreement,speaker\n\
                 audio/1.wav,0 days 00:00:00,0 days 00:00:01.500000,a,0.8,x\n\
                 audio/1.wav,0 days 00:00:01.500000,0 days 00:00:02.25,b,0.7,x\n\
                 audio/2.wav,0 days,NaT,b,1.0,y\n";
    let (found, notes) = rows(table, "");
    let expected = [
        row("audio/1.wav", "a", "x", ["0", "1.5"]),
        row("audio/1.wav", "b", "x", ["1.5", "2.25"]),
        row("audio/2.wav", "b", "y", ["", ""]),
    ];
    assert_eq!(found, expected);
    assert_eq!(notes[1], "note: clips are the parts of recordings that `start` and `end` say");
    // nkululeko.
    let (found, _) = rows("file,speaker,gender,emotion\n1.wav,x,female,a\n", "");
    assert_eq!(found, [row("1.wav", "a", "x", ["", ""])]);
    let (found, _) = rows("file,start,end,speaker,gender,emotion\n1.wav,0.5,2,x,male,a\n", "");
    assert_eq!(found, [row("1.wav", "a", "x", ["0.5", "2"])]);
}

#[test]
fn columns_can_be_named() {
    let table = "clip,path,mood,who,from,until\n1.wav,/old,a,x,0.5,1\n";
    let columns = "path=clip,label=Mood,speaker=who,start=from,end=until";
    let manifest = read(table.as_bytes(), columns).unwrap();
    let [row] = manifest.rows() else { panic!("{manifest:?}") };
    assert_eq!((row.name().as_str(), row.label.as_str(), row.speaker.as_str()), ("1.wav#t=0.5,1", "a", "x"));
    let notes = [
        "note: clips are the parts of recordings that `from` and `until` say",
        "note: columns that are not used: `path`",
    ];
    assert_eq!(manifest.notes(), notes);
    let error = read(table.as_bytes(), "path=wave").unwrap_err().to_string();
    let expected = "line 1: the column `wave` is missing among `clip`, `path`, `mood`, `who`, `from`, `until` (--columns \
                    path=wave names it)";
    assert_eq!(error, expected);
    // Columns of these names that are no times.
    let dated = "path,label,speaker,start\n1.wav,a,x,2020-01-01\n";
    let expected = "line 2: expected a time in seconds or as 0 days 00:00:01.5, got '2020-01-01' (if the column is no time of a \
                    segment: --columns start=,end=)";
    assert_eq!(error_of(dated), expected);
    assert_eq!(read(dated.as_bytes(), "start=").unwrap().rows()[0].segment, None);
}

#[test]
fn to_predict_a_table_needs_paths_alone() {
    let table = "file,start\n1.wav,2\n2.wav,\n";
    let manifest = Manifest::read(table.as_bytes(), &Columns::default(), Required::Paths).unwrap();
    let names: Vec<String> = manifest.rows().iter().map(ManifestRow::name).collect();
    assert_eq!(names, ["1.wav#t=2", "2.wav"]);
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
    let twice = error_of("path,label,speaker,start,end\n1.wav,a,x,0,1\n1.wav,a,x,1,2\n1.wav,b,x,0,1.0\n");
    assert_eq!(twice, "line 4: the segment `1.wav#t=0,1` is on line 2 already");
    let reversed = error_of("path,label,speaker,start,end\n1.wav,a,x,2,1\n");
    assert_eq!(reversed, "line 2: expected an end after the start at 2 s, got 1 s");
}

#[test]
fn a_manifest_has_at_least_one_row() {
    let expected = "line 2: expected one clip per line below the header, found no line";
    assert_eq!(error_of("path,label,speaker\n"), expected);
    assert_eq!(error_of("path,label,speaker\n\n\n"), expected);
}

#[test]
fn text_that_is_not_utf_8_is_refused_with_its_line() {
    let error = read(b"path,label,speaker\n1.wav,a,x\n\xe9.wav,b,y\n", "").unwrap_err();
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
    let error = Manifest::read(Broken, &Columns::default(), Required::Corpus).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (Kind::Io, "manifest: the disk is gone".into()));
}
