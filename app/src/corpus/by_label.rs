//! A corpus without a table and without names that are known: one folder per label, and the speaker somewhere in the names.

use super::folders::{Corpus, CorpusKind, Entry, find_audio};
use super::{all_faults, known};
use regex::Regex;
use reslstm::error::{Error, Kind, Result};
use reslstm::labels::Labels;
use std::path::Path;

/// The clips of a folder with one subfolder per label. `speaker_from` is matched against the path of each clip below the folder,
/// without its extension and with `/` between folders; its first group is the speaker.
///
/// # Errors
/// [`Kind::Settings`] if the pattern has no group; [`Kind::Data`] if there are no clips, or clips without a label's folder or a speaker
/// (the first ten are named); [`Kind::Io`] if a folder cannot be read.
pub fn open(folder: &Path, speaker_from: &Regex) -> Result<Corpus> {
    if speaker_from.captures_len() != 2 {
        let problem = format!("expected a pattern with one group, got '{speaker_from}'");
        return Err(Error::new(Kind::Settings, problem).advice("for anna_01.wav: '([a-z]+)_[0-9]+$'"));
    }
    let (mut clips, mut faults) = (Vec::new(), Vec::new());
    for path in find_audio(folder)? {
        let name = known::name_of(folder, &path);
        let label = name.rsplit('/').nth(1).map(String::from);
        let speaker = speaker_from.captures(&name).and_then(|found| Some(found.get(1)?.as_str().to_string()));
        match (label, speaker) {
            (Some(label), Some(speaker)) => clips.push((path, name, label, speaker)),
            (None, _) => faults.push(format!("{name}: in no folder of a label")),
            (_, None) => faults.push(format!("{name}: no speaker by '{speaker_from}'")),
        }
    }
    let wrong = |error: Error| Err(error.at(folder.display()));
    if !faults.is_empty() {
        let what =
            format!("expected a folder per label and a speaker in each name, found {} clips without", faults.len());
        return wrong(
            all_faults(&what, &faults).advice("another pattern, or a table with the columns path,label,speaker"),
        );
    }
    let labels = Labels::found(clips.iter().map(|(_, _, label, _)| label.as_str()));
    let advice = "one folder per label: happy/anna_01.wav";
    let labels = labels.map_err(|error| error.advice(advice).at(folder.display()))?;
    let entry = |(path, name, label, speaker): (_, _, String, _)| {
        Ok(Entry { path, name, label: labels.index_of(&label)?, speaker })
    };
    let entries = clips.into_iter().map(entry).collect::<Result<Vec<_>>>()?;
    Ok(Corpus::new(labels, entries, CorpusKind::ByLabel, Vec::new()))
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
        let pattern = Regex::new("([a-z]+)_[0-9]+$").unwrap();
        let corpus = open(folder.path(), &pattern).unwrap();
        let entries: Vec<_> = corpus.entries().iter().map(|e| (e.name.as_str(), e.label, e.speaker.as_str())).collect();
        assert_eq!(
            entries,
            [("happy/anna_01", 0, "anna"), ("part 2/sad/anna_02", 1, "anna"), ("happy/ben_01", 0, "ben")]
        );
        assert_eq!(corpus.labels().names(), ["happy", "sad"]);

        let error = open(folder.path(), &Regex::new("[a-z]+").unwrap()).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().contains("expected a pattern with one group")),
            (Kind::Settings, true)
        );
        ["carl_03.wav", "sad/4.wav"].into_iter().for_each(write);
        let error = open(folder.path(), &pattern).unwrap_err().to_string();
        assert!(
            error.contains("found 2 clips without\n  carl_03: in no folder of a label\n  sad/4: no speaker by"),
            "{error}"
        );
    }
}
