//! Several corpora as one.

use super::all_faults;
use super::common_labels::one_name_each;
use super::folders::{Corpus, CorpusKind, Entry};
use reslstm::error::{Error, Kind, Result};
use reslstm::labels::Labels;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// A corpus and its name.
type Named = (String, Corpus);

impl Corpus {
    /// Pools corpora, each with the path it was found at. Clips and speakers are named `CORPUS/NAME`
    /// ([`corpus_of`](reslstm::data::folds::corpus_of)), as equal names in two corpora are different people.
    ///
    /// The labels are those that all corpora have; clips of others are left out. Names of one emotion are one label, unless only equal
    /// names count (`exact`). Notes say both. The order of the corpora does not matter.
    ///
    /// # Errors
    /// [`Kind::Data`] if two corpora have one name or a file in common, or fewer than two labels are in all of them.
    pub fn merge(corpora: Vec<(PathBuf, Corpus)>, exact: bool) -> Result<Self> {
        let named = name_each(corpora)?;
        check_files(&named)?;
        let mut notes: Vec<String> = named.iter().flat_map(|(_, corpus)| corpus.notes.clone()).collect();
        let named = if exact { named } else { with_one_name_each(named, &mut notes)? };
        let shared = shared_labels(&named)?;
        notes.push(note_on_labels(&named, &shared));
        let licences: BTreeSet<&str> = named.iter().map(|(_, corpus)| corpus.licence()).collect();
        let licence = licences.into_iter().filter(|terms| !terms.is_empty()).collect::<Vec<_>>().join(" ");
        let mut entries = Vec::new();
        for (name, corpus) in named {
            let of_corpus = |entry: Entry| Entry {
                name: format!("{name}/{}", entry.name),
                speaker: format!("{name}/{}", entry.speaker),
                ..entry
            };
            let corpus = corpus.with_labels(|label| shared.contains(label).then(|| label.into()))?;
            entries.extend(corpus.entries.into_iter().map(of_corpus));
        }
        let labels = Labels::found(shared.iter().map(String::as_str))?;
        Ok(Corpus { licence, ..Corpus::new(labels, entries, CorpusKind::Several, notes) })
    }
}

/// Sorted by name: that of a known corpus, or of the folder or table. Where two known corpora are the same one, their folders' names.
fn name_each(corpora: Vec<(PathBuf, Corpus)>) -> Result<Vec<Named>> {
    let known = |corpus: &Corpus| match corpus.kind {
        CorpusKind::Ravdess | CorpusKind::Known(_) => Some(corpus.kind()),
        _ => None,
    };
    let mut times: HashMap<&str, usize> = HashMap::new();
    corpora.iter().filter_map(|(_, corpus)| known(corpus)).for_each(|name| *times.entry(name).or_default() += 1);
    let mut named: BTreeMap<String, (PathBuf, Corpus)> = BTreeMap::new();
    for (path, corpus) in corpora {
        let name = known(&corpus).filter(|name| times[name] == 1).map_or_else(|| file_name(&path), String::from);
        if let Some((first, _)) = named.get(&name) {
            let problem = format!(
                "expected DATA of different names, but {} and {} are both {name}",
                first.display(),
                path.display()
            );
            return Err(Error::new(Kind::Data, problem).advice("rename one of them: the name is that of its corpus"));
        }
        named.insert(name, (path, corpus));
    }
    Ok(named.into_iter().map(|(name, (_, corpus))| (name, corpus)).collect())
}

/// The name of a folder, or of a table without its extension.
fn file_name(path: &Path) -> String {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let name = if real.is_dir() { real.file_name() } else { real.file_stem() };
    name.unwrap_or(real.as_os_str()).to_string_lossy().into_owned()
}

/// Refuses a file that is in two corpora: it could train and test a model.
fn check_files(named: &[Named]) -> Result<()> {
    let mut first_of: HashMap<PathBuf, &str> = HashMap::new();
    let mut faults = Vec::new();
    for (name, corpus) in named {
        for entry in &corpus.entries {
            let Ok(real) = fs::canonicalize(&entry.path) else { continue };
            match first_of.insert(real, name) {
                Some(first) if first != name => faults.push(format!("{}: in {first} and {name}", entry.path.display())),
                _ => {}
            }
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    let what = format!("expected every clip in one DATA, found {} in two", faults.len());
    Err(all_faults(&what, &faults).advice("name each DATA once"))
}

/// The corpora with one name for each emotion that they name differently, and a note for each label that changes.
fn with_one_name_each(named: Vec<Named>, notes: &mut Vec<String>) -> Result<Vec<Named>> {
    let renamed = one_name_each(&named.iter().map(|(_, corpus)| &corpus.labels[..]).collect::<Vec<_>>());
    let mut result = Vec::new();
    for (name, corpus) in named {
        for (old, new) in renamed.iter().filter(|(old, _)| corpus.labels.contains(old)) {
            notes.push(format!("note: `{old}` of {name} counts as `{new}` (--exact-labels keeps them apart)"));
        }
        let new_label = |label: &str| Some(renamed.get(label).map_or(label, String::as_str).to_string());
        result.push((name, corpus.with_labels(new_label)?));
    }
    Ok(result)
}

/// The labels that all corpora have, at least two.
fn shared_labels(named: &[Named]) -> Result<BTreeSet<String>> {
    let mut shared: BTreeSet<String> = named[0].1.labels.iter().cloned().collect();
    shared.retain(|label| named.iter().all(|(_, corpus)| corpus.labels.contains(label)));
    if shared.len() < 2 {
        let found = shared.first().map_or("none".into(), |label| format!("only {label}"));
        let all: Vec<String> =
            named.iter().map(|(name, corpus)| format!("{name}: {}", corpus.labels.join(", "))).collect();
        let what = format!("expected at least two labels that all DATA have, found {found}");
        return Err(all_faults(&what, &all).advice("--map FILE.toml gives labels other names"));
    }
    Ok(shared)
}

/// Which labels are used, and how many clips of others are left out.
fn note_on_labels(named: &[Named], shared: &BTreeSet<String>) -> String {
    let labels = shared.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let mut left_out = Vec::new();
    for (name, corpus) in named {
        let others = corpus.labels.iter().filter(|label| !shared.contains(*label));
        left_out.extend(others.map(|label| format!("{label} of {name} ({} clips)", corpus.clips_of(label))));
    }
    let left_out = if left_out.is_empty() { String::new() } else { format!("; left out: {}", left_out.join(", ")) };
    format!("note: labels that all DATA have: {labels}{left_out}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Reading;
    use reslstm::data::folds::corpus_of;

    /// A table of this name whose clips are `SPEAKER LABEL`, each a file of its own.
    fn table(folder: &Path, name: &str, clips: &[(&str, &str)]) -> (PathBuf, Corpus) {
        let folder = folder.join(format!("of {name}"));
        fs::create_dir_all(&folder).unwrap();
        let mut text = "path,label,speaker\n".to_string();
        for (n, (speaker, label)) in clips.iter().enumerate() {
            fs::write(folder.join(format!("{n}.wav")), "").unwrap();
            text += &format!("{n}.wav,{label},{speaker}\n");
        }
        let path = folder.join(format!("{name}.csv"));
        fs::write(&path, text).unwrap();
        (path.clone(), Corpus::open(&path, &Reading::default()).unwrap())
    }

    #[test]
    fn shared_labels_are_kept_and_speakers_are_named_by_corpus() {
        let dir = tempfile::tempdir().unwrap();
        let a = table(dir.path(), "a", &[("anna", "fear"), ("anna", "sad"), ("ben", "bored"), ("ben", "bored")]);
        let b = table(dir.path(), "b", &[("anna", "sadness"), ("zoe", "fearful"), ("zoe", "fearful")]);
        let merged = Corpus::merge(vec![b.clone(), a.clone()], false).unwrap();
        assert_eq!(merged, Corpus::merge(vec![a.clone(), b.clone()], false).unwrap(), "the order does not matter");
        assert_eq!(merged.labels.names(), ["fear", "sad"]);
        let clips: BTreeSet<(&str, &str, usize)> =
            merged.entries.iter().map(|it| (it.name.as_str(), it.speaker.as_str(), it.label)).collect();
        let expected = [
            ("a/0.wav", "a/anna", 0),
            ("a/1.wav", "a/anna", 1),
            ("b/0.wav", "b/anna", 1),
            ("b/1.wav", "b/zoe", 0),
            ("b/2.wav", "b/zoe", 0),
        ];
        assert_eq!(clips, expected.into());
        assert!(merged.entries.iter().all(|entry| ["a", "b"].contains(&corpus_of(&entry.speaker).unwrap())));
        let notes = merged.notes.join("\n");
        for part in [
            "`fearful` of b counts as `fear` (--exact-labels",
            "`sadness` of b counts as `sad`",
            "labels that all DATA have: fear, sad; left out: bored of a (2 clips)",
        ] {
            assert!(notes.contains(part), "{part}: {notes}");
        }
        let error = Corpus::merge(vec![a, b], true).unwrap_err().to_string();
        assert!(
            error.starts_with("expected at least two labels that all DATA have, found none\n  a: bored, "),
            "{error}"
        );
        assert!(error.ends_with("(--map FILE.toml gives labels other names)"), "{error}");
    }

    #[test]
    fn the_same_data_twice_and_equal_names_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let clips = [("x", "fear"), ("x", "sad")];
        let (path, corpus) = table(dir.path(), "a", &clips);
        let copy = path.with_file_name("copy.csv");
        fs::copy(&path, &copy).unwrap();
        let both =
            vec![(path.clone(), corpus.clone()), (copy.clone(), Corpus::open(&copy, &Reading::default()).unwrap())];
        let error = Corpus::merge(both, false).unwrap_err().to_string();
        assert!(error.starts_with("expected every clip in one DATA, found 2 in two\n"), "{error}");
        let other = table(&dir.path().join("elsewhere"), "a", &clips);
        let error = Corpus::merge(vec![(path, corpus), other], false).unwrap_err().to_string();
        assert!(error.contains("a.csv are both a (rename one of them"), "{error}");
    }

    #[test]
    fn known_corpora_have_their_own_names_and_terms() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |name: &str, files: &[&str]| {
            for file in files {
                let path = dir.path().join(name).join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            (dir.path().join(name), Corpus::open(&dir.path().join(name), &Reading::default()).unwrap())
        };
        let emovo = folder("one", &["f1/dis-f1-b1.wav", "f1/gio-f1-b1.wav", "f1/neu-f1-b1.wav"]);
        let again = folder("two", &["f1/dis-f1-b1.wav", "f1/gio-f1-b1.wav"]);
        let urdu = folder("three", &["Happy/SM1_F10_H010.wav", "Neutral/SM1_F10_N010.wav"]);
        let corpora = |merged: &Corpus| -> BTreeSet<String> {
            merged.entries.iter().map(|entry| corpus_of(&entry.speaker).unwrap().to_string()).collect()
        };
        let merged = Corpus::merge(vec![emovo.clone(), urdu], false).unwrap();
        assert_eq!(corpora(&merged), ["EMOVO", "URDU"].map(String::from).into());
        assert!(merged.licence().contains("Trained on EMOVO") && merged.licence().contains("Trained on URDU"));
        let merged = Corpus::merge(vec![emovo, again], false).unwrap();
        assert_eq!(corpora(&merged), ["one", "two"].map(String::from).into());
        assert_eq!(merged.licence().matches("Trained on EMOVO").count(), 1);
    }
}
