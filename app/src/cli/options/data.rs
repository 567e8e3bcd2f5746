//! How `DATA` is read, the same in every command that takes it.

use crate::cli::commands::quote;
use crate::corpus::Reading;
use crate::corpus::reading::{Columns, SpeakerPattern};
use crate::label_map::LabelMap;
use clap::Args;
use std::fmt;
use std::path::Path;

/// What files and tables leave open. The options are in `--help`, as `-h` is to fit a screen.
#[derive(Args, Clone, Debug, Default)]
pub struct DataOptions {
    /// Names of a table's columns, e.g. path=file,label=emotion,speaker=actor
    ///
    /// Columns are path, label, speaker, and start and end (seconds, or as 0 days 00:00:01.5), which make clips of the parts of a
    /// recording; start= and end= read no such columns. Without this option common names are understood, as file and emotion.
    #[arg(long, value_name = "COLUMN=NAME,…", hide_short_help = true)]
    columns: Option<Columns>,
    /// Merge labels, and speakers, that differ only in case, blanks, Unicode form or leading zeros
    ///
    /// Each group gets the name that most of its clips have. A note says what is merged.
    #[arg(long, hide_short_help = true)]
    normalise_labels: bool,
    /// Include the song clips of RAVDESS
    #[arg(long, hide_short_help = true)]
    song: bool,
    /// DATA has one subfolder per label; the group of this regular expression finds the speaker in a clip's path
    ///
    /// The path is below DATA and without its extension. For happy/anna_01.wav: '([a-z]+)_[0-9]+$'.
    #[arg(long, value_name = "REGEX", hide_short_help = true)]
    speaker_from: Option<SpeakerPattern>,
    /// Rename or drop labels, as a TOML file says
    ///
    /// The file has the labels of DATA with their new names, below a line `[labels]`: `fearful = "fear"`. Above it,
    /// `drop = ["boredom"]` leaves out the clips of these labels.
    #[arg(long, value_name = "FILE.toml", value_parser = read_map, hide_short_help = true)]
    map: Option<MapFile>,
}

/// A map of labels, and the file it was read from.
#[derive(Clone, Debug)]
struct MapFile {
    path: String,
    map: LabelMap,
}

fn read_map(path: &str) -> reslstm::error::Result<MapFile> {
    Ok(MapFile { path: path.into(), map: LabelMap::read(Path::new(path))? })
}

/// Whether names of one emotion are one label.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ExactLabels {
    /// Keep labels such as fear and fearful apart
    ///
    /// Without this option, fear and fearful, happy and happiness and joy, and other names of one emotion are one label, which a note
    /// says. Labels that differ in case only are one label too.
    #[arg(long, hide_short_help = true)]
    pub exact_labels: bool,
}

/// The options that are given, as they are written after `DATA`; each begins with a blank.
impl fmt::Display for DataOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(columns) = &self.columns {
            write!(f, " --columns {}", quote(&columns.to_string()))?;
        }
        if let Some(pattern) = &self.speaker_from {
            write!(f, " --speaker-from {}", quote(&pattern.to_string()))?;
        }
        if let Some(file) = &self.map {
            write!(f, " --map {}", quote(&file.path))?;
        }
        f.write_str(if self.normalise_labels { " --normalise-labels" } else { "" })?;
        f.write_str(if self.song { " --song" } else { "" })
    }
}

impl DataOptions {
    /// How the corpus is read.
    pub fn reading(&self) -> Reading {
        Reading {
            columns: self.columns.clone().unwrap_or_default(),
            normalise_labels: self.normalise_labels,
            song: self.song,
            speaker_from: self.speaker_from.clone(),
            map: self.map.as_ref().map(|file| file.map.clone()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        reading: DataOptions,
    }

    #[test]
    fn options_are_written_as_they_are_given() {
        let parse = |words: &[&str]| Command::try_parse_from([&["eval"], words].concat()).unwrap().reading;
        assert_eq!(parse(&[]).to_string(), "");
        let folder = tempfile::tempdir().unwrap();
        let map = folder.path().join("a map.toml");
        std::fs::write(&map, "drop = ['boredom']").unwrap();
        let map = map.to_str().unwrap();
        let given =
            ["--columns", "path=file", "--speaker-from", "([a-z]+)_", "--normalise-labels", "--song", "--map", map];
        let reading = parse(&given);
        let expected =
            format!(" --columns path=file --speaker-from '([a-z]+)_' --map '{map}' --normalise-labels --song");
        assert_eq!(reading.to_string(), expected);
        assert!(reading.reading().song && reading.reading().normalise_labels);
    }
}
