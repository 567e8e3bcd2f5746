//! How `DATA` is read, the same in every command that takes it.

use crate::corpus::Reading;
use crate::corpus::reading::{Columns, SpeakerPattern};
use clap::Args;
use std::fmt;

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
}

/// The options that are given, as they are written after `DATA`; each begins with a blank.
impl fmt::Display for DataOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = |value: String| shell_escape::escape(value.into()).into_owned();
        if let Some(columns) = &self.columns {
            write!(f, " --columns {}", quote(columns.to_string()))?;
        }
        if let Some(pattern) = &self.speaker_from {
            write!(f, " --speaker-from {}", quote(pattern.to_string()))?;
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
        let given = ["--columns", "path=file", "--speaker-from", "([a-z]+)_", "--normalise-labels", "--song"];
        let reading = parse(&given);
        let expected = " --columns path=file --speaker-from '([a-z]+)_' --normalise-labels --song";
        assert_eq!(reading.to_string(), expected);
        assert!(reading.reading().song && reading.reading().normalise_labels);
    }
}
