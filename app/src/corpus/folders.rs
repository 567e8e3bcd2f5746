//! The clips of a corpus: every file of a RAVDESS folder, or every line of a manifest.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::all_faults;
use super::known::{self, KnownCorpus};
use super::manifest::ManifestRow;
use super::sound::is_sound_name;
use crate::corpus::manifest::Manifest;
use crate::files;
use reslstm::error::{Error, Kind, Result};
use reslstm::labels::Labels;
use reslstm::labels::RavdessName;

/// What a corpus is, for errors.
const EXPECTED: &str = "expected a folder of a known corpus or a .csv with the columns path,label,speaker";
const ADVICE: &str = "RAVDESS is on Zenodo, record 1188976";

/// Kind of a corpus.
#[derive(Clone, Copy, Debug)]
pub(super) enum CorpusKind {
    /// A folder of files with RAVDESS's names.
    Ravdess,
    /// A folder of the same layout with synthetic speech, marked by a file [`SYNTHETIC_NOTE`].
    Synthetic,
    /// A folder of another known corpus.
    Known(&'static KnownCorpus),
    /// A folder with one subfolder per label.
    ByLabel,
    /// A manifest table.
    Manifest,
}

impl PartialEq for CorpusKind {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl CorpusKind {
    fn name(self) -> &'static str {
        match self {
            CorpusKind::Ravdess => "RAVDESS",
            CorpusKind::Synthetic => "synthetic speech",
            CorpusKind::Known(corpus) => &corpus.name,
            CorpusKind::ByLabel => "a folder per label",
            CorpusKind::Manifest => "a table",
        }
    }
}

/// Name of the file that marks a folder of synthetic speech.
pub const SYNTHETIC_NOTE: &str = "SYNTHETIC.txt";

/// The clips of a corpus with their labels; the recordings are not read yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Corpus {
    labels: Labels,
    entries: Vec<Entry>,
    kind: CorpusKind,
    notes: Vec<String>,
}

/// One clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its audio file.
    pub path: PathBuf,
    /// Its name in errors and result files: the file name without its ending in RAVDESS, the path as written in a manifest.
    pub name: String,
    /// Class index, `0..K`.
    pub label: usize,
    /// The speaker's name.
    pub speaker: String,
}

impl Corpus {
    /// Finds the clips of `data`: a folder of RAVDESS or another [known corpus](super::known), or a manifest `.csv`.
    ///
    /// In a folder, every visible sound file at any depth must have a name of the corpus that most names are of. Songs are skipped, and so are sound tracks
    /// of videos, which repeat the same recordings; both are counted. In a manifest, relative paths start at the manifest's
    /// folder.
    ///
    /// # Errors
    /// [`Kind::Data`] if `data` is neither a folder nor a manifest, holds no clips, a file with another name, or the same clip
    /// twice; if a manifest is malformed or names missing files (all are listed, with their lines). [`Kind::Io`] if a folder or
    /// the manifest cannot be read.
    pub fn open(data: &Path) -> Result<Self> {
        let wrong =
            |kind, found: &str| Error::new(kind, format!("{EXPECTED}, but {found}")).at(data.display()).advice(ADVICE);
        let found = fs::metadata(data).map_err(|error| {
            let found = match error.kind() {
                io::ErrorKind::NotFound => "it does not exist".into(),
                _ => error.to_string(),
            };
            wrong(Kind::Io, &found).with_cause(error)
        })?;
        if found.is_dir() {
            return open_folder(data);
        }
        if data.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            return open_manifest(data);
        }
        Err(wrong(Kind::Data, "it is another kind of file"))
    }

    /// The class names.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The clips, sorted by the name of their file, then by path: the published protocol batches test clips in this order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What its reader should know: what is left out, how a table was understood.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What the data was taken for: the name of the corpus, `synthetic speech` or `a table`.
    pub fn kind(&self) -> &'static str {
        self.kind.name()
    }

    /// The terms for models trained on these recordings; empty if they are unknown.
    pub fn licence(&self) -> &'static str {
        match self.kind {
            CorpusKind::Ravdess => {
                "Trained on RAVDESS (Livingstone & Russo, 2018), CC BY-NC-SA 4.0: name the source, no commercial use, \
                 share what you make of it under the same licence."
            }
            CorpusKind::Synthetic => "Trained on synthetic speech made by this program; nobody's voice is in it.",
            CorpusKind::Known(corpus) => &corpus.terms,
            CorpusKind::ByLabel | CorpusKind::Manifest => "",
        }
    }

    pub(super) fn new(labels: Labels, mut entries: Vec<Entry>, kind: CorpusKind, notes: Vec<String>) -> Self {
        entries.sort_by(|a, b| (a.path.file_name(), &a.path).cmp(&(b.path.file_name(), &b.path)));
        Corpus { labels, entries, kind, notes }
    }
}

/// Every visible sound file, of a kind that is read or not, by its name, in `folder` and its subfolders, sorted by path. A folder that links reach
/// more than once is searched once.
///
/// # Errors
/// [`Kind::Io`] if a folder cannot be read, naming it.
pub fn find_audio(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    search(folder, &mut HashSet::new(), &mut found)?;
    found.sort();
    Ok(found)
}

fn search(folder: &Path, searched: &mut HashSet<PathBuf>, found: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |error| Error::io(folder.display(), error);
    if !searched.insert(fs::canonicalize(folder).map_err(failed)?) {
        return Ok(());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Hidden files: those that archives made on a Mac add to every file (`._03-01-….wav`), trash, caches.
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    // The same order on every system, so that of two links to one folder the same is followed.
    paths.sort();
    for path in paths {
        if path.is_dir() {
            search(&path, searched, found)?;
        } else if is_sound_name(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn open_folder(folder: &Path) -> Result<Corpus> {
    let files = find_audio(folder)?;
    if files.is_empty() {
        let problem = format!("{EXPECTED}, but it holds no sound files");
        return Err(Error::new(Kind::Data, problem).at(folder.display()).advice(ADVICE));
    }
    let names: Vec<String> = files.iter().map(|file| known::name_of(folder, file)).collect();
    match KnownCorpus::of_names(names.iter().map(String::as_str)) {
        Some(corpus) => open_known(folder, corpus, files, names),
        None => open_ravdess(folder, &files),
    }
}

fn open_known(folder: &Path, corpus: &'static KnownCorpus, files: Vec<PathBuf>, names: Vec<String>) -> Result<Corpus> {
    let wrong = |error: Error| Err(error.at(folder.display()));
    let (mut clips, mut faults, total) = (Vec::new(), Vec::new(), files.len());
    let mut first_of: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (path, name) in files.into_iter().zip(names) {
        match corpus.parse(&name) {
            None => faults.push(format!("{}: not a name of {}", path.display(), corpus.name)),
            Some((label, speaker)) => {
                if let Some(first) = first_of.insert(name.clone(), path.clone()) {
                    let (first, second) = (first.display(), path.display());
                    let problem = format!("expected every clip once, found {first} and {second}");
                    return wrong(Error::new(Kind::Data, problem).advice("keep one of the two formats"));
                }
                clips.push((path, label.to_string(), speaker.to_string(), name));
            }
        }
    }
    if !faults.is_empty() {
        let what =
            format!("expected names of {}, found {} of {total} files with other names", corpus.name, faults.len());
        return wrong(all_faults(&what, &faults).advice("move these files away, or list the others in a table"));
    }
    let labels = Labels::found(clips.iter().map(|(_, label, ..)| label.as_str()))?;
    let entry = |(path, label, speaker, name): (PathBuf, String, String, String)| {
        Ok(Entry { path, name, label: labels.index_of(&label)?, speaker })
    };
    let entries = clips.into_iter().map(entry).collect::<Result<Vec<_>>>()?;
    let KnownCorpus { name, about, source, licence, .. } = corpus;
    let note = format!("note: recognised as {name}: {about} ({source}; licence: {licence})");
    Ok(Corpus::new(labels, entries, CorpusKind::Known(corpus), vec![note]))
}

fn open_ravdess(folder: &Path, files: &[PathBuf]) -> Result<Corpus> {
    let wrong = |error: Error| error.at(folder.display());
    let (mut entries, mut faults, mut skipped) = (Vec::new(), Vec::new(), 0);
    let mut first_of: BTreeMap<RavdessName, &Path> = BTreeMap::new();
    for path in files {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let shown = path.strip_prefix(folder).unwrap_or(path).display();
        match stem.parse::<RavdessName>() {
            Err(error) => faults.push(format!("{shown}: {error}")),
            Ok(name) if !(name.is_audio_only() && name.is_speech()) => skipped += 1,
            Ok(name) => {
                if let Some(first) = first_of.insert(name, path) {
                    let first = first.strip_prefix(folder).unwrap_or(first).display();
                    return Err(wrong(
                        Error::new(Kind::Data, format!("expected every clip once, found {first} and {shown}"))
                            .advice("some downloads hold the corpus twice: give the folder of one copy"),
                    ));
                }
                entries.push(Entry {
                    path: path.clone(),
                    name: name.to_string(),
                    label: name.label(),
                    speaker: name.speaker(),
                });
            }
        }
    }
    if entries.is_empty() && skipped == 0 {
        let known: Vec<&str> = KnownCorpus::all().iter().map(|corpus| corpus.name.as_str()).collect();
        let what = format!(
            "expected file names of a known corpus (RAVDESS, {}), found {} files with other names",
            known.join(", "),
            faults.len()
        );
        let advice = "describe it by a manifest .csv with the columns path,label,speaker";
        return Err(wrong(Error::new(Kind::Data, what).advice(advice)));
    }
    if !faults.is_empty() {
        let what = format!("expected RAVDESS names, found {} of {} files with other names", faults.len(), files.len());
        return Err(wrong(all_faults(&what, &faults).advice("describe another corpus by a manifest .csv")));
    }
    if entries.is_empty() {
        let problem = format!("expected spoken clips (03-01-….wav), found only {skipped} of songs and videos");
        return Err(wrong(Error::new(Kind::Data, problem).advice(ADVICE)));
    }
    let synthetic = folder.join(SYNTHETIC_NOTE).exists();
    let kind = if synthetic { CorpusKind::Synthetic } else { CorpusKind::Ravdess };
    let notes = match skipped {
        0 => Vec::new(),
        _ => vec![format!("note: {skipped} songs and videos of RAVDESS are left out")],
    };
    Ok(Corpus::new(Labels::ravdess(), entries, kind, notes))
}

fn open_manifest(path: &Path) -> Result<Corpus> {
    let wrong = |error: Error| error.at(path.display());
    let manifest = Manifest::read(&files::read(path)?[..]).map_err(wrong)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    let mut lines: BTreeMap<PathBuf, u64> = BTreeMap::new();
    for ManifestRow { path, label, speaker, line } in manifest.rows() {
        // An absolute path replaces the folder it is joined to. Backslashes of a table made on Windows separate folders.
        let mut file = folder.join(path);
        let with_slashes = folder.join(path.replace('\\', "/"));
        if !file.exists() && with_slashes.exists() {
            file = with_slashes;
        }
        match fs::canonicalize(&file) {
            Err(error) => faults.push(format!("line {line}: {}: {error}", file.display())),
            Ok(real) if !real.is_file() => faults.push(format!("line {line}: {}: not a file", file.display())),
            Ok(real) => {
                // The manifest refuses a path written twice; this finds two paths to one file, as `a.wav` and `./a.wav`.
                if let Some(first) = lines.insert(real, *line) {
                    faults.push(format!("line {line}: {path}: the same file as on line {first}"));
                }
            }
        }
        entries.push(Entry {
            path: file,
            name: path.clone(),
            label: manifest.labels().index_of(label)?,
            speaker: speaker.clone(),
        });
    }
    if !faults.is_empty() {
        let what = format!("expected one audio file per line, found {} lines without", faults.len());
        return Err(wrong(all_faults(&what, &faults).advice("relative paths start at the manifest's folder")));
    }
    let notes = manifest.notes().iter().map(|note| format!("{note} ({})", path.display())).collect();
    Ok(Corpus::new(manifest.labels().clone(), entries, CorpusKind::Manifest, notes))
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn error_of(data: &Path) -> String {
        let error = Corpus::open(data).unwrap_err();
        assert_eq!(error.kind(), Kind::Data, "{error}");
        error.to_string()
    }

    #[test]
    fn audio_is_found_at_any_depth_and_in_any_case() {
        let folder = folder_of(&[
            "b/2.WAV",
            "b/1.wav",
            "a.Wav",
            "c/d/e.FLAC",
            "c.mp3",
            "c.txt",
            "._a.wav",
            ".trash/x.wav",
            "wav",
        ]);
        let found = find_audio(folder.path()).unwrap();
        let found: Vec<_> = found.iter().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
        assert_eq!(found, ["a.Wav", "b/1.wav", "b/2.WAV", "c/d/e.FLAC", "c.mp3"].map(Path::new));
        let missing = folder.path().join("missing");
        assert_eq!(find_audio(&missing).unwrap_err().kind(), Kind::Io);
    }

    #[cfg(unix)]
    #[test]
    fn circular_links_are_followed_once() {
        let folder = folder_of(&["a/1.wav"]);
        for (target, link) in [("..", "a/up"), (".", "a/self"), ("a", "b"), ("nowhere", "broken")] {
            std::os::unix::fs::symlink(target, folder.path().join(link)).unwrap();
        }
        assert_eq!(find_audio(folder.path()).unwrap(), [folder.path().join("a/1.wav")]);
    }

    #[test]
    fn ravdess_labels_come_from_file_names() {
        let folder = folder_of(&[
            "Actor_12/03-01-06-01-02-01-12.wav",
            "Actor_02/03-01-08-02-01-01-02.wav",
            "Actor_02/03-02-03-01-01-01-02.wav", // sung
            "Actor_02/01-01-03-01-01-01-02.wav", // of a video
            "Actor_24/03-01-01-01-02-02-24.wav",
            "Actor_02/notes.txt",
        ]);
        let corpus = Corpus::open(folder.path()).unwrap();
        assert_eq!(corpus.labels(), &Labels::ravdess());
        assert_eq!(corpus.kind, CorpusKind::Ravdess);
        assert_eq!(corpus.notes(), ["note: 2 songs and videos of RAVDESS are left out"]);
        assert!(corpus.licence().contains("CC BY-NC-SA 4.0"));
        // Sorted by file name, not by folder.
        let entries: Vec<_> = corpus.entries().iter().map(|e| (e.name.as_str(), e.label, e.speaker.as_str())).collect();
        let expected =
            [("03-01-01-01-02-02-24", 0, "24"), ("03-01-06-01-02-01-12", 5, "12"), ("03-01-08-02-01-01-02", 7, "02")];
        assert_eq!(entries, expected);
        assert_eq!(corpus.entries()[1].path, folder.path().join("Actor_12/03-01-06-01-02-01-12.wav"));
    }

    #[test]
    fn files_without_a_ravdess_name_are_listed() {
        let mut names: Vec<String> = (0..12).map(|take| format!("take-{take:02}.wav")).collect();
        names.push("Actor_01/03-01-09-01-01-01-01.wav".into());
        names.push("Actor_01/03-01-08-01-01-01-01.wav".into());
        let folder = folder_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let message = error_of(folder.path());
        assert!(message.contains("expected RAVDESS names, found 13 of 14 files with other names\n"), "{message}");
        assert!(message.contains("field `emotion`: expected 01 to 08"), "{message}");
        assert!(message.contains("take-08.wav") && !message.contains("take-09.wav"), "{message}");
        assert!(message.contains("\n  and 3 more (describe another corpus by a manifest .csv)"), "{message}");
    }

    #[test]
    fn a_folder_of_no_known_corpus_is_refused_naming_those_there_are() {
        let message = error_of(folder_of(&["happy/anna_1.wav", "sad/ben_2.wav"]).path());
        let expected = "expected file names of a known corpus (RAVDESS, AESDD, CaFE, CREMA-D, ";
        assert!(message.contains(expected) && message.contains("found 2 files with other names ("), "{message}");
    }

    #[test]
    fn another_known_corpus_is_recognised_by_most_of_its_names() {
        let folder = folder_of(&["f1/dis-f1-b1.wav", "m2/gio-m2-n5.wav", "m2/neu-m2-l1.wav"]);
        let corpus = Corpus::open(folder.path()).unwrap();
        assert_eq!(
            (corpus.kind(), corpus.labels().names()),
            ("EMOVO", &["disgust", "happy", "neutral"].map(String::from)[..])
        );
        let entries: Vec<_> = corpus.entries().iter().map(|e| (e.name.as_str(), e.label, e.speaker.as_str())).collect();
        assert_eq!(entries, [("f1/dis-f1-b1", 0, "f1"), ("m2/gio-m2-n5", 1, "m2"), ("m2/neu-m2-l1", 2, "m2")]);
        assert!(
            corpus.licence().starts_with("Trained on EMOVO (Costantini and others, LREC 2014)."),
            "{}",
            corpus.licence()
        );
        let note = "note: recognised as EMOVO: acted Italian (Costantini and others, LREC 2014; licence: for research)";
        assert_eq!(corpus.notes(), [note]);
        // A file more with another name is named; two files of one clip are too.
        fs::write(folder.path().join("m2/test.wav"), b"").unwrap();
        let message = error_of(folder.path());
        assert!(message.contains("expected names of EMOVO, found 1 of 4 files with other names\n"), "{message}");
        assert!(message.contains("test.wav: not a name of EMOVO"), "{message}");
        fs::rename(folder.path().join("m2/test.wav"), folder.path().join("m2/neu-m2-l1.WAV")).unwrap();
        assert!(error_of(folder.path()).contains("expected every clip once, found "));
    }

    #[test]
    fn a_corpus_with_a_second_copy_is_refused() {
        let folder = folder_of(&["Actor_01/03-01-08-01-01-01-01.wav", "copy/Actor_01/03-01-08-01-01-01-01.wav"]);
        let message = error_of(folder.path());
        let expected = "expected every clip once, found Actor_01/03-01-08-01-01-01-01.wav and copy/Actor_01/";
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn without_a_corpus_the_error_explains_data() {
        let folder = folder_of(&["only/notes.txt", "data.txt", "sung/03-02-03-01-01-01-02.wav"]);
        let message = error_of(&folder.path().join("only"));
        assert!(
            message.contains("a folder of a known corpus or a .csv") && message.contains("holds no sound"),
            "{message}"
        );
        let message = error_of(&folder.path().join("sung"));
        assert!(message.contains("found only 1 of songs and videos (RAVDESS is"), "{message}");
        let message = error_of(&folder.path().join("data.txt"));
        assert!(message.contains("path,label,speaker, but it is another kind of file (RAVDESS is"), "{message}");
        let error = Corpus::open(&folder.path().join("missing")).unwrap_err();
        assert_eq!(error.kind(), Kind::Io);
        assert!(error.to_string().contains("path,label,speaker, but it does not exist (RAVDESS is"), "{error}");
    }

    #[test]
    fn paths_of_a_manifest_start_at_its_folder() {
        let folder = folder_of(&["clips/b.wav", "z/a.wav"]);
        let absolute = folder.path().join("z/a.wav");
        let table = format!("path,label,speaker\nclips/b.wav,cross,ben\n{},calm,anna\n", absolute.display());
        let path = folder.path().join("corpus.CSV");
        fs::write(&path, table).unwrap();
        let corpus = Corpus::open(&path).unwrap();
        assert_eq!(corpus.labels().names(), ["calm", "cross"]);
        assert_eq!((corpus.kind, corpus.licence()), (CorpusKind::Manifest, ""));
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
        let message = error_of(&path);
        assert!(
            message.contains("corpus.csv: expected one audio file per line, found 11 lines without\n"),
            "{message}"
        );
        assert!(message.contains("\n  line 3: ./a.wav: the same file as on line 2\n"), "{message}");
        assert!(message.contains("\n  line 4: ") && message.contains(": not a file\n"), "{message}");
        assert!(message.contains("\n  line 12: ") && message.contains("gone-7.wav: "), "{message}");
        assert!(message.ends_with("\n  and 1 more (relative paths start at the manifest's folder)"), "{message}");

        fs::write(&path, "path,label\n").unwrap();
        assert!(error_of(&path).contains("corpus.csv: line 1: the column `speaker` is missing"));
    }
}
