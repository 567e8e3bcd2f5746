//! The clips of a corpus: every file of a folder, or every line of a manifest.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::known::{self, KnownCorpus};
use super::reading::Reading;
use super::segment::Segment;
use super::sound::is_sound_name;
use super::{all_faults, by_label, from_table, lookalikes};
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
    /// Several of these, [merged](Corpus::merge).
    Several,
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
            CorpusKind::Several => "several corpora",
        }
    }

    /// The terms for models trained on it; empty if they are unknown.
    fn terms(self) -> &'static str {
        match self {
            CorpusKind::Ravdess => {
                "Trained on RAVDESS (Livingstone & Russo, 2018), CC BY-NC-SA 4.0: name the source, no commercial use, \
                 share what you make of it under the same licence."
            }
            CorpusKind::Synthetic => "Trained on synthetic speech made by this program; nobody's voice is in it.",
            CorpusKind::Known(corpus) => &corpus.terms,
            CorpusKind::ByLabel | CorpusKind::Manifest | CorpusKind::Several => "",
        }
    }
}

/// Name of the file that marks a folder of synthetic speech.
pub const SYNTHETIC_NOTE: &str = "SYNTHETIC.txt";

/// The clips of a corpus with their labels; the recordings are not read yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Corpus {
    pub(super) labels: Labels,
    pub(super) entries: Vec<Entry>,
    pub(super) kind: CorpusKind,
    pub(super) notes: Vec<String>,
    pub(super) licence: String,
}

/// One clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its audio file.
    pub path: PathBuf,
    /// The part of the file, if it is not the whole.
    pub segment: Option<Segment>,
    /// Its name in errors and result files: the file name without its ending in RAVDESS, the path as written in a manifest,
    /// followed by the segment if it is one: `talk.wav#t=1.5,3.25`.
    pub name: String,
    /// Class index, `0..K`.
    pub label: usize,
    /// The speaker's name.
    pub speaker: String,
}

/// An [`Entry`] whose label is not a number yet.
pub(super) struct NamedClip {
    pub path: PathBuf,
    pub segment: Option<Segment>,
    pub name: String,
    pub label: String,
    pub speaker: String,
}

impl Corpus {
    /// Finds the clips of `data`: a folder of RAVDESS or another [known corpus](super::known), or a manifest `.csv`.
    ///
    /// In a folder, every visible sound file at any depth must have a name of the corpus that most names are of, or, with a pattern for
    /// the speaker, be in a folder of its label. Songs are skipped unless they are asked for, and so are sound tracks of videos, which
    /// repeat the same recordings; both are counted. In a manifest, relative paths start at the manifest's folder.
    ///
    /// # Errors
    /// [`Kind::Data`] if `data` is neither a folder nor a manifest, holds no clips, a file with another name, or the same clip
    /// twice; if a manifest is malformed or names missing files (all are listed, with their lines). [`Kind::Io`] if a folder or
    /// the manifest cannot be read.
    pub fn open(data: &Path, reading: &Reading) -> Result<Self> {
        let wrong =
            |kind, found: &str| Error::new(kind, format!("{EXPECTED}, but {found}")).at(data.display()).advice(ADVICE);
        let found = fs::metadata(data).map_err(|error| {
            let found = match error.kind() {
                io::ErrorKind::NotFound => "it does not exist".into(),
                _ => error.to_string(),
            };
            wrong(Kind::Io, &found).with_cause(error)
        })?;
        let corpus = match &reading.speaker_from {
            Some(pattern) if found.is_dir() => by_label::open(data, pattern, reading.normalise_labels),
            None if found.is_dir() => open_folder(data, reading),
            None if from_table::is_table(data) => from_table::open(data, reading),
            None => Err(wrong(Kind::Data, "it is another kind of file")),
            Some(_) => {
                let problem = "expected a folder with one subfolder per label, as a pattern for the speaker is given";
                Err(Error::new(Kind::Data, problem).at(data.display()).advice("leave out --speaker-from"))
            }
        }?;
        corpus.relabelled(&reading.map, &data.display().to_string())
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
    pub fn licence(&self) -> &str {
        &self.licence
    }

    /// Of clips whose labels and speakers have names. Those that look alike are merged with a note, or named in a warning.
    pub(super) fn of_clips(
        mut clips: Vec<NamedClip>,
        kind: CorpusKind,
        mut notes: Vec<String>,
        normalise: bool,
    ) -> Result<Self> {
        let (mut names, mut speakers) = (Vec::new(), Vec::new());
        for NamedClip { label, speaker, .. } in &mut clips {
            names.push(label);
            speakers.push(speaker);
        }
        notes.extend(lookalikes::settle("labels", "classes", names, normalise));
        notes.extend(lookalikes::settle("speakers", "people", speakers, normalise));
        let labels = Labels::found(clips.iter().map(|clip| clip.label.as_str()))?;
        let entry = |NamedClip { path, segment, name, label, speaker }| {
            Ok(Entry { path, segment, name, label: labels.index_of(&label)?, speaker })
        };
        let entries = clips.into_iter().map(entry).collect::<Result<Vec<_>>>()?;
        Ok(Corpus::new(labels, entries, kind, notes))
    }

    pub(super) fn new(labels: Labels, mut entries: Vec<Entry>, kind: CorpusKind, notes: Vec<String>) -> Self {
        let start = |entry: &Entry| entry.segment.map_or(0.0, |segment| segment.start());
        entries.sort_by(|a, b| {
            let order = (a.path.file_name(), &a.path).cmp(&(b.path.file_name(), &b.path));
            order.then(start(a).total_cmp(&start(b)))
        });
        Corpus { labels, entries, kind, notes, licence: kind.terms().into() }
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

fn open_folder(folder: &Path, reading: &Reading) -> Result<Corpus> {
    let files = find_audio(folder)?;
    if files.is_empty() {
        let problem = format!("{EXPECTED}, but it holds no sound files");
        return Err(Error::new(Kind::Data, problem).at(folder.display()).advice(ADVICE));
    }
    let names: Vec<String> = files.iter().map(|file| known::name_of(folder, file)).collect();
    match KnownCorpus::of_names(names.iter().map(String::as_str)) {
        Some(corpus) => open_known(folder, corpus, files, names),
        None => open_ravdess(folder, &files, reading.song),
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
                let (label, speaker) = (label.to_string(), speaker.to_string());
                clips.push(NamedClip { path, segment: None, name, label, speaker });
            }
        }
    }
    if !faults.is_empty() {
        let what =
            format!("expected names of {}, found {} of {total} files with other names", corpus.name, faults.len());
        return wrong(all_faults(&what, &faults).advice("move these files away, or list the others in a table"));
    }
    let KnownCorpus { name, about, source, licence, .. } = corpus;
    let note = format!("note: recognised as {name}: {about} ({source}; licence: {licence})");
    Corpus::of_clips(clips, CorpusKind::Known(corpus), vec![note], false)
}

fn open_ravdess(folder: &Path, files: &[PathBuf], song: bool) -> Result<Corpus> {
    let wrong = |error: Error| error.at(folder.display());
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    let (mut songs, mut videos) = (0, 0);
    let mut first_of: BTreeMap<RavdessName, &Path> = BTreeMap::new();
    for path in files {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let shown = path.strip_prefix(folder).unwrap_or(path).display();
        match stem.parse::<RavdessName>() {
            Err(error) => faults.push(format!("{shown}: {error}")),
            Ok(name) if !name.is_audio_only() => videos += 1,
            Ok(name) if !name.is_speech() && !song => songs += 1,
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
                    segment: None,
                    name: name.to_string(),
                    label: name.label(),
                    speaker: name.speaker(),
                });
            }
        }
    }
    if entries.is_empty() && songs + videos == 0 {
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
        let problem =
            format!("expected spoken clips (03-01-….wav), found only {songs} of songs and {videos} of videos");
        return Err(wrong(Error::new(Kind::Data, problem).advice(format!("--song includes songs; {ADVICE}"))));
    }
    let synthetic = folder.join(SYNTHETIC_NOTE).exists();
    let kind = if synthetic { CorpusKind::Synthetic } else { CorpusKind::Ravdess };
    let sung = entries.iter().filter(|entry| entry.name.starts_with("03-02")).count();
    let counts = [
        (songs, "song clips of RAVDESS are left out (--song includes them)"),
        (videos, "sound tracks of videos of RAVDESS are left out, as they repeat its recordings"),
        (sung, "of the clips are songs"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let notes = counts.map(|(count, what)| format!("note: {count} {what}")).collect();
    Ok(Corpus::new(Labels::ravdess(), entries, kind, notes))
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

    fn open(data: &Path) -> Result<Corpus> {
        Corpus::open(data, &Reading::default())
    }

    fn error_of(data: &Path) -> String {
        let error = open(data).unwrap_err();
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
        let corpus = open(folder.path()).unwrap();
        assert_eq!(corpus.labels(), &Labels::ravdess());
        assert_eq!(corpus.kind, CorpusKind::Ravdess);
        let left_out = [
            "note: 1 song clips of RAVDESS are left out (--song includes them)",
            "note: 1 sound tracks of videos of RAVDESS are left out, as they repeat its recordings",
        ];
        assert_eq!(corpus.notes(), left_out);
        assert!(corpus.licence().contains("CC BY-NC-SA 4.0"));
        // Sorted by file name, not by folder.
        let entries: Vec<_> = corpus.entries().iter().map(|e| (e.name.as_str(), e.label, e.speaker.as_str())).collect();
        let expected =
            [("03-01-01-01-02-02-24", 0, "24"), ("03-01-06-01-02-01-12", 5, "12"), ("03-01-08-02-01-01-02", 7, "02")];
        assert_eq!(entries, expected);
        let with_song = Corpus::open(folder.path(), &Reading { song: true, ..Reading::default() }).unwrap();
        let names: Vec<_> = with_song.entries().iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names[3..], ["03-02-03-01-01-01-02"]);
        assert_eq!((with_song.entries().len(), with_song.notes()[1].as_str()), (4, "note: 1 of the clips are songs"));
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
        let corpus = open(folder.path()).unwrap();
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
        assert!(
            message.contains("found only 1 of songs and 0 of videos (--song includes songs; RAVDESS is"),
            "{message}"
        );
        let message = error_of(&folder.path().join("data.txt"));
        assert!(message.contains("path,label,speaker, but it is another kind of file (RAVDESS is"), "{message}");
        let error = open(&folder.path().join("missing")).unwrap_err();
        assert_eq!(error.kind(), Kind::Io);
        assert!(error.to_string().contains("path,label,speaker, but it does not exist (RAVDESS is"), "{error}");
    }
}
