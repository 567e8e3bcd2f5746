//! A corpus without a table and without names that are known: one folder per label, and the speaker somewhere in the names.

use super::folders::{Corpus, CorpusKind, NamedClip, find_audio};
use super::reading::SpeakerPattern;
use super::{all_faults, known};
use reslstm::error::{Error, Result};
use std::path::Path;

/// The clips of a folder with one subfolder per label. `speaker_from` is matched against the path of each clip below the folder,
/// without its extension and with `/` between folders; its group is the speaker.
///
/// # Errors
/// [`Kind::Data`](reslstm::error::Kind::Data) if there are no clips, or clips without a label's folder or a speaker (the first ten are
/// named); [`Kind::Io`](reslstm::error::Kind::Io) if a folder cannot be read.
pub fn open(folder: &Path, speaker_from: &SpeakerPattern, normalise: bool) -> Result<Corpus> {
    let (mut clips, mut faults) = (Vec::new(), Vec::new());
    for path in find_audio(folder)? {
        let name = known::name_of(folder, &path);
        let label = name.rsplit('/').nth(1).map(String::from);
        match (label, speaker_from.find(&name)) {
            (Some(label), Some(speaker)) => clips.push(NamedClip { path, segment: None, name, label, speaker }),
            (None, _) => faults.push(format!("{name}: in no folder of a label")),
            (_, None) => faults.push(format!("{name}: no speaker by '{speaker_from}'")),
        }
    }
    let wrong = |error: Error| error.at(folder.display());
    if !faults.is_empty() {
        let what =
            format!("expected a folder per label and a speaker in each name, found {} clips without", faults.len());
        let advice = "another pattern, or a table with the columns path,label,speaker";
        return Err(wrong(all_faults(&what, &faults).advice(advice)));
    }
    let corpus = Corpus::of_clips(clips, CorpusKind::ByLabel, Vec::new(), normalise);
    corpus.map_err(|error| wrong(error.advice("one folder per label: happy/anna_01.wav")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_label_and_the_pattern_finds_the_speaker() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"not read here").unwrap();
        };
        ["happy/anna_01.wav", "happy/ben_01.wav", "part 2/sad/anna_02.wav"].into_iter().for_each(write);
        let pattern: SpeakerPattern = "([a-z]+)_[0-9]+$".parse().unwrap();
        let corpus = open(folder.path(), &pattern, false).unwrap();
        let entries: Vec<_> = corpus.entries().iter().map(|e| (e.name.as_str(), e.label, e.speaker.as_str())).collect();
        assert_eq!(
            entries,
            [("happy/anna_01", 0, "anna"), ("part 2/sad/anna_02", 1, "anna"), ("happy/ben_01", 0, "ben")]
        );
        assert_eq!(corpus.labels().names(), ["happy", "sad"]);

        // Folders that look alike are two labels, or one if asked for.
        write("Sad/ben_02.wav");
        let warned = open(folder.path(), &pattern, false).unwrap();
        assert!(warned.labels().count() == 3 && warned.notes()[0].contains("`Sad` and `sad` look alike"));
        assert_eq!(open(folder.path(), &pattern, true).unwrap().labels().names(), ["Sad", "happy"]);

        ["carl_03.wav", "sad/4.wav"].into_iter().for_each(write);
        let error = open(folder.path(), &pattern, false).unwrap_err().to_string();
        assert!(
            error.contains("found 2 clips without\n  carl_03: in no folder of a label\n  sad/4: no speaker by"),
            "{error}"
        );
    }
}
