//! `corpus DATA`

use super::notes::Notes;
use super::options::DataOptions;
use super::{Done, Outcome, print_line, progress};
use crate::corpus::overview::{LabelCount, Overview, Seconds};
use crate::corpus::{Corpus, from_table};
use crate::files::{self, Existing};
use crate::report::table::{Column, Table};
use clap::Args;
use std::path::PathBuf;

/// Show what a folder of recordings is taken for, and write it as a table.
///
/// Clips, speakers, labels, sample rates, lengths, and clips with the same content. cv, train and eval take the
/// same data with the same options.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  reslstm corpus EMOVO
  reslstm corpus mine --speaker-from '([a-z]+)_[0-9]+$' -o mine.csv    # happy/anna_01.wav: label happy, speaker anna")]
pub struct CorpusCommand {
    /// Folder of a known corpus, folder with one subfolder per label, or manifest .csv
    data: PathBuf,
    /// Table to write, with the columns path,label,speaker
    #[arg(short, long, value_name = "TABLE.csv")]
    output: Option<PathBuf>,
    #[command(flatten)]
    reading: DataOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl CorpusCommand {
    pub fn run(self) -> Outcome {
        if let Some(output) = &self.output {
            files::check_writable(output, Existing::Refuse)?;
        }
        let corpus = Corpus::open(&self.data, &self.reading.reading())?;
        corpus.notes().iter().for_each(|note| message!("{note}"));
        let bar = progress::bar(corpus.entries().len() as u64, "reading", "clips");
        let notes = Notes::default();
        let overview = Overview::new(&corpus, || bar.inc(1), &|path, note| notes.add(path, note));
        bar.finish_and_clear();
        notes.print();
        if let Some(output) = &self.output {
            files::write_atomically(output, from_table::write(&corpus, output).as_bytes())?;
            message!("{}: {} clips", output.display(), overview.clips);
        }
        match self.json {
            true => print_line(serde_json::to_string(&overview)?)?,
            false => print_line(text(&overview))?,
        }
        for error in &overview.unread {
            message!("error: {error}");
        }
        Ok(if overview.unread.is_empty() { Done::Everything } else { Done::SomeFailed })
    }
}

fn text(overview: &Overview) -> String {
    let Overview { kind, licence: _, clips, speakers, labels, rates, seconds, duplicates, unread } = overview;
    let Seconds { min, median, max, total } = seconds;
    let mut table =
        Table::new(vec![Column::left("label", 12), Column::right("clips", 6), Column::right("speakers", 9)]);
    for LabelCount { label, clips, speakers } in labels {
        table.push(vec![label.clone().into(), (*clips).into(), (*speakers).into()]);
    }
    let range = |values: &mut dyn Iterator<Item = usize>| {
        let all: Vec<usize> = values.collect();
        match (all.iter().min(), all.iter().max()) {
            (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
            (Some(all), _) => all.to_string(),
            _ => "0".into(),
        }
    };
    let rates: Vec<String> = rates.iter().map(|(rate, clips)| format!("{rate} Hz ({clips} clips)")).collect();
    let mut lines = vec![
        format!("{kind}: {clips} clips of {} speakers, {} labels", speakers.len(), labels.len()),
        String::new(),
        table.text(),
        format!("clips per speaker  {}", range(&mut speakers.values().copied())),
        format!("sample rate        {}", rates.join(", ")),
        format!("length             {min:.2} to {max:.2} s, median {median:.2} s, {:.1} min in all", total / 60.0),
        format!(
            "same content       {}",
            if duplicates.is_empty() { "none".into() } else { duplicates.len().to_string() }
        ),
    ];
    lines.extend(duplicates.iter().map(|names| format!("  {}", names.join(" = "))));
    if !unread.is_empty() {
        lines.push(format!("not readable       {} clips", unread.len()));
    }
    lines.join("\n")
}
