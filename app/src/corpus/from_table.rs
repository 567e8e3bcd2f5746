//! The clips of a corpus that a [manifest] lists, and the manifest of a corpus.

use super::folders::{Corpus, CorpusKind, Entry, NamedClip};
use super::manifest::{self, Manifest, ManifestRow, Required};
use super::reading::{Columns, Reading};
use super::{all_faults, segment::Segment};
use crate::files;
use reslstm::error::{Error, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Whether the name of a file is that of a table.
pub fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ["csv", "tsv"].iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// A clip of a table, and where its file is.
#[derive(Clone, Debug, PartialEq)]
pub struct TableClip {
    /// The file.
    pub path: PathBuf,
    /// What the table says.
    pub row: ManifestRow,
}

/// The clips that the table at `path` lists, and what its reader should know.
///
/// # Errors
/// Those of [`Manifest::read`]; [`Kind::Data`](reslstm::error::Kind::Data) if files are missing, or a file is listed twice by different paths or as a whole and in
/// segments (the first ten are named, with their lines).
pub fn clips(path: &Path, columns: &Columns, required: Required) -> Result<(Vec<TableClip>, Vec<String>)> {
    let wrong = |error: Error| error.at(path.display());
    let manifest = Manifest::read(&files::read(path)?[..], columns, required).map_err(wrong)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut clips, mut faults) = (Vec::new(), Vec::new());
    let mut earlier: BTreeMap<PathBuf, Vec<(Option<Segment>, u64)>> = BTreeMap::new();
    for row in manifest.rows() {
        let ManifestRow { path, segment, line, .. } = row;
        // An absolute path replaces the folder it is joined to. Backslashes of a table made on Windows separate folders.
        let mut file = folder.join(path);
        let with_slashes = folder.join(path.replace('\\', "/"));
        if !file.exists() && with_slashes.exists() {
            file = with_slashes;
        }
        match fs::canonicalize(&file) {
            Err(_) if is_on_a_windows_drive(path) => {
                faults.push(format!("line {line}: {path}: on a Windows drive, which this system does not have"));
            }
            Err(error) => faults.push(format!("line {line}: {}: {error}", file.display())),
            Ok(real) if !real.is_file() => faults.push(format!("line {line}: {}: not a file", file.display())),
            Ok(real) => {
                // The manifest refuses a path written twice; this finds two paths to one file, as `a.wav` and `./a.wav`.
                let others = earlier.entry(real).or_default();
                let same = |(other, _): &&(Option<Segment>, u64)| other == segment;
                if let Some((_, first)) = others.iter().find(same) {
                    let what = if segment.is_some() { "the same segment of this file" } else { "the same file" };
                    faults.push(format!("line {line}: {path}: {what} as on line {first}"));
                } else if let Some((_, first)) = others.iter().find(|(other, _)| other.is_none() || segment.is_none()) {
                    faults.push(format!("line {line}: {path}: a file as a whole and a segment of it, line {first}"));
                }
                others.push((*segment, *line));
            }
        }
        clips.push(TableClip { path: file, row: row.clone() });
    }
    if !faults.is_empty() {
        let what = format!("expected one audio file per line, found {} lines without", faults.len());
        let advice = "relative paths start at the manifest's folder; / and \\ separate folders";
        return Err(wrong(all_faults(&what, &faults).advice(advice)));
    }
    Ok((clips, manifest.notes().to_vec()))
}

/// Whether a path begins as `C:\`.
fn is_on_a_windows_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic())
}

pub(super) fn open(path: &Path, reading: &Reading) -> Result<Corpus> {
    let (clips, notes) = clips(path, &reading.columns, Required::Corpus)?;
    let named = |TableClip { path, row }| {
        let name = row.name();
        let ManifestRow { label, speaker, segment, .. } = row;
        NamedClip { path, segment, name, label, speaker }
    };
    let clips = clips.into_iter().map(named).collect();
    let corpus = Corpus::of_clips(clips, CorpusKind::Manifest, notes, reading.normalise_labels);
    let mut corpus = corpus.map_err(|error| error.at(path.display()))?;
    corpus.notes.iter_mut().for_each(|note| *note = format!("{note} ({})", path.display()));
    Ok(corpus)
}

/// A corpus as a table, to be saved at `path`: clips below its folder by relative paths, others by absolute ones. Segments have
/// columns `start` and `end`.
pub fn write(corpus: &Corpus, path: &Path) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = absolute(path).parent().map(Path::to_path_buf).unwrap_or_default();
    let row = |entry: &Entry| {
        let clip = absolute(&entry.path);
        let path = clip.strip_prefix(&folder).unwrap_or(&clip).to_string_lossy().into_owned();
        let (label, speaker) = (corpus.labels().name(entry.label).into(), entry.speaker.clone());
        ManifestRow { path, label, speaker, segment: entry.segment, line: 0 }
    };
    manifest::table(&corpus.entries().iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::labels::Labels;
    use tempfile::TempDir;

    fn folder_of(files: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"not read here").unwrap();
        }
        folder
    }

    /// The corpus of a table in `folder`.
    fn open_table(folder: &TempDir, table: &str, reading: &Reading) -> Result<Corpus> {
        let path = folder.path().join("corpus.csv");
        fs::write(&path, table).unwrap();
        Corpus::open(&path, reading)
    }

    /// Name, label and speaker of every clip.
    fn shown(corpus: &Corpus) -> Vec<(&str, &str, &str)> {
        let entries = corpus.entries().iter();
        entries.map(|it| (it.name.as_str(), corpus.labels().name(it.label), it.speaker.as_str())).collect()
    }

    #[test]
    fn paths_of_a_manifest_start_at_its_folder() {
        let folder = folder_of(&["clips/b.wav", "z/a.wav"]);
        let absolute = folder.path().join("z/a.wav");
        let table = format!("path,label,speaker\nclips/b.wav,cross,ben\n{},calm,anna\n", absolute.display());
        let path = folder.path().join("corpus.CSV");
        fs::write(&path, table).unwrap();
        let corpus = Corpus::open(&path, &Reading::default()).unwrap();
        assert_eq!(corpus.labels().names(), ["calm", "cross"]);
        assert_eq!((corpus.kind(), corpus.licence()), ("a table", ""));
        let [a, b] = corpus.entries() else { panic!("{corpus:?}") };
        assert_eq!((&a.path, a.label, a.speaker.as_str()), (&absolute, 0, "anna"));
        assert_eq!((b.name.as_str(), b.label, b.speaker.as_str()), ("clips/b.wav", 1, "ben"));
        assert_eq!(b.path, folder.path().join("clips/b.wav"));
    }

    #[test]
    fn missing_files_of_a_manifest_are_listed_with_their_lines() {
        let folder = folder_of(&["a.wav"]);
        let path = folder.path().join("corpus.csv");
        let mut table = "path,label,speaker\na.wav,calm,x\n./a.wav,cross,x\n.,cross,y\n".to_string();
        for clip in 0..9 {
            table += &format!("gone-{clip}.wav,cross,y\n");
        }
        fs::write(&path, table).unwrap();
        let error_of = || Corpus::open(&path, &Reading::default()).unwrap_err().to_string();
        let message = error_of();
        assert!(
            message.contains("corpus.csv: expected one audio file per line, found 11 lines without\n"),
            "{message}"
        );
        assert!(message.contains("\n  line 3: ./a.wav: the same file as on line 2\n"), "{message}");
        assert!(message.contains("\n  line 4: ") && message.contains(": not a file\n"), "{message}");
        assert!(message.contains("\n  line 12: ") && message.contains("gone-7.wav: "), "{message}");
        assert!(
            message
                .ends_with("\n  and 1 more (relative paths start at the manifest's folder; / and \\ separate folders)"),
            "{message}"
        );

        fs::write(&path, "path,label\n").unwrap();
        assert!(error_of().contains("corpus.csv: line 1: the column `speaker` is missing"));
    }

    #[test]
    fn the_eight_emotions_of_ravdess_keep_its_order_and_there_are_at_least_two_labels() {
        let files: Vec<String> = (0..8).map(|n| format!("{n}.wav")).collect();
        let folder = folder_of(&files.iter().map(String::as_str).collect::<Vec<_>>());
        let mut table = "path,label,speaker\n".to_string();
        for (index, label) in Labels::ravdess().names().iter().enumerate().rev() {
            table += &format!("{index}.wav,{label},x\n");
        }
        assert_eq!(open_table(&folder, &table, &Reading::default()).unwrap().labels(), &Labels::ravdess());
        let one = "path,label,speaker\n1.wav,calm,x\n2.wav,calm,y\n";
        let error = open_table(&folder, one, &Reading::default()).unwrap_err().to_string();
        assert!(
            error.contains("corpus.csv: labels: expected at least 2 classes to tell apart, found 1: [\"calm\"]"),
            "{error}"
        );
    }

    #[test]
    fn names_that_look_alike_are_warned_of_or_merged() {
        let folder = folder_of(&["1.wav", "2.wav", "3.wav", "4.wav", "5.wav"]);
        let table = "path,label,speaker\n1.wav,High,01\n2.wav,high,1\n3.wav,\u{200b}low,anna\n4.wav,low,Anna\n5.wav,high,anna\n";
        let corpus = open_table(&folder, table, &Reading::default()).unwrap();
        let notes = corpus.notes().join("\n");
        for pair in ["`High` and `high`", "`low` and `\\u{200b}low`", "`01` and `1`", "`Anna` and `anna`"] {
            assert!(notes.contains(&format!("{pair} look alike")), "{pair}: {notes}");
        }
        assert_eq!(corpus.labels().count(), 4);
        let reading = Reading { normalise_labels: true, ..Reading::default() };
        let corpus = open_table(&folder, table, &reading).unwrap();
        let expected = [
            ("1.wav", "high", "01"),
            ("2.wav", "high", "01"),
            ("3.wav", "low", "anna"),
            ("4.wav", "low", "anna"),
            ("5.wav", "high", "anna"),
        ];
        assert_eq!(shown(&corpus), expected);
        assert!(
            corpus.notes()[0].starts_with("note: labels `High` and `high` are merged as `high` ("),
            "{:?}",
            corpus.notes()
        );
        assert_eq!(corpus.notes().len(), 4);
    }

    #[test]
    fn a_file_is_whole_or_in_segments_and_a_written_table_is_the_corpus_again() {
        let folder = folder_of(&["a.wav", "b.wav"]);
        let table =
            "path,label,speaker,start,end\na.wav,low,x,2,3.5\na.wav,high,x,10,\na.wav,low,x,0.5,1\nb.wav,low,y,,\n";
        let corpus = open_table(&folder, table, &Reading::default()).unwrap();
        let names: Vec<_> = shown(&corpus).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["a.wav#t=0.5,1", "a.wav#t=2,3.5", "a.wav#t=10", "b.wav"]);
        let written = write(&corpus, &folder.path().join("again.csv"));
        let first = "path,label,speaker,start,end\na.wav,low,x,0.5,1\n";
        assert!(written.starts_with(first) && written.ends_with("\na.wav,high,x,10,\nb.wav,low,y,,\n"), "{written}");
        assert_eq!(open_table(&folder, &written, &Reading::default()).unwrap(), corpus);
        for (row, problem) in [
            ("./a.wav,low,x,2,3.5", "line 6: ./a.wav: the same segment of this file as on line 2"),
            ("./a.wav,low,x,,", "line 6: ./a.wav: a file as a whole and a segment of it, line 2"),
            ("./b.wav,low,x,1,2", "line 6: ./b.wav: a file as a whole and a segment of it, line 5"),
        ] {
            let error = open_table(&folder, &format!("{table}{row}\n"), &Reading::default()).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn backslashes_of_a_table_made_on_windows_separate_folders() {
        let folder = folder_of(&["clips/a.wav", "clips/b.wav"]);
        let table = "path,label,speaker\nclips\\a.wav,low,x\n.\\clips\\b.wav,high,y\n";
        let corpus = open_table(&folder, table, &Reading::default()).unwrap();
        assert_eq!(corpus.entries()[0].path, folder.path().join("clips/a.wav"));
        let error = open_table(&folder, "path,label,speaker\nC:\\clips\\a.wav,low,x\n", &Reading::default());
        let error = error.unwrap_err().to_string();
        let problem = "\n  line 2: C:\\clips\\a.wav: on a Windows drive, which this system does not have (relative paths start at";
        assert!(error.contains(problem), "{error}");
    }
}
