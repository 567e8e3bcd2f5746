//! Predictions as a timeline that other programs open: intervals with one label each.

use clap::ValueEnum;
use serde_json::json;
use std::io::Write;

/// A file format of timelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Timeline {
    /// Label track of Audacity: start, end and label, separated by tabs
    Audacity,
    /// TextGrid of Praat, in its long form
    Textgrid,
    /// Rich Transcription Time Marked, as NIST has it: one SPEAKER line per interval
    Rttm,
    /// CSV with a header
    Csv,
    /// JSON, one object per line
    Json,
}

/// A part of a recording with one label.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Seconds.
    pub start: f64,
    /// Seconds.
    pub end: f64,
    /// Name of the class; none where nobody speaks.
    pub label: Option<String>,
}

/// The intervals of one side of a recording.
#[derive(Clone, Debug)]
pub struct Track {
    /// Name of the side, where both are predicted.
    pub side: Option<&'static str>,
    /// In their order; neighbours have different labels or a gap between them.
    pub intervals: Vec<Interval>,
}

impl Track {
    /// The timeline of windows `(start, end, label)`, which are sorted. Where windows overlap, each one counts as far as its middle
    /// is the nearest. Neighbours of one label become one interval.
    pub fn of_windows(side: Option<&'static str>, windows: Vec<Interval>) -> Self {
        let mut track = Track { side, intervals: Vec::new() };
        let middle = |window: &Interval| (window.start + window.end) / 2.0;
        for (i, window) in windows.iter().enumerate() {
            let border = |other: &Interval| (middle(window) + middle(other)) / 2.0;
            let before = i.checked_sub(1).map(|before| &windows[before]).filter(|before| before.end > window.start);
            let after = windows.get(i + 1).filter(|after| after.start < window.end);
            track.push(Interval {
                start: before.map_or(window.start, border),
                end: after.map_or(window.end, border),
                label: window.label.clone(),
            });
        }
        track
    }

    /// Adds the next interval, to the latest if that ends where this begins and has the same label.
    pub fn push(&mut self, next: Interval) {
        match self.intervals.last_mut() {
            Some(latest) if latest.label == next.label && latest.end == next.start => latest.end = next.end,
            _ => self.intervals.push(next),
        }
    }
}

impl Timeline {
    /// Whether one document holds several recordings.
    pub fn names_files(self) -> bool {
        !matches!(self, Timeline::Audacity | Timeline::Textgrid)
    }

    /// Writes what comes before the first recording.
    pub fn write_header(self, out: &mut impl Write) -> anyhow::Result<()> {
        if self == Timeline::Csv {
            writeln!(out, "file,side,start,end,label")?;
        }
        Ok(())
    }

    /// Writes the timeline of a recording of `seconds`, which has one track, or one for each side.
    pub fn write(self, out: &mut impl Write, file: &str, seconds: f64, tracks: &[Track]) -> anyhow::Result<()> {
        if self == Timeline::Textgrid {
            return write_textgrid(out, seconds, tracks);
        }
        for (number, Track { side, intervals }) in tracks.iter().enumerate() {
            for Interval { start, end, label } in intervals {
                match (self, label) {
                    (Timeline::Audacity, Some(label)) => {
                        let side = side.map_or(String::new(), |side| format!("{side}: "));
                        writeln!(out, "{start:.6}\t{end:.6}\t{side}{label}")?;
                    }
                    (Timeline::Rttm, Some(label)) => {
                        let (file, label) = (without_blanks(file), without_blanks(label));
                        let (channel, duration) = (number + 1, end - start);
                        writeln!(
                            out,
                            "SPEAKER {file} {channel} {start:.3} {duration:.3} <NA> <NA> {label} <NA> <NA>"
                        )?;
                    }
                    (Timeline::Csv, label) => {
                        let (side, label) = (side.unwrap_or_default(), label.as_deref().unwrap_or("none"));
                        let mut writer = csv::Writer::from_writer(&mut *out);
                        writer.write_record([file, side, &format!("{start:.3}"), &format!("{end:.3}"), label])?;
                        writer.flush()?;
                    }
                    (Timeline::Json, label) => {
                        let side = side.map_or(String::new(), |side| format!("\"side\": {}, ", json!(side)));
                        let (file, label) = (json!(file), json!(label.as_deref().unwrap_or("none")));
                        writeln!(
                            out,
                            "{{\"file\": {file}, {side}\"start\": {start:.3}, \"end\": {end:.3}, \"label\": {label}}}"
                        )?;
                    }
                    // Where nobody speaks there is no event.
                    (Timeline::Audacity | Timeline::Rttm, None) => {}
                    (Timeline::Textgrid, _) => unreachable!("a TextGrid is written above"),
                }
            }
        }
        Ok(())
    }
}

/// Fields of RTTM are separated by blanks.
fn without_blanks(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join("_")
}

/// A TextGrid: one tier per track, whose intervals leave no gap. An interval without a label has an empty text.
fn write_textgrid(out: &mut impl Write, seconds: f64, tracks: &[Track]) -> anyhow::Result<()> {
    writeln!(out, "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n")?;
    writeln!(out, "xmin = 0\nxmax = {seconds:.6}\ntiers? <exists>\nsize = {}\nitem []:", tracks.len())?;
    for (number, Track { side, intervals }) in tracks.iter().enumerate() {
        let mut whole: Vec<(f64, f64, &str)> = Vec::new();
        let mut end = 0.0;
        for interval in intervals {
            if interval.start > end {
                whole.push((end, interval.start, ""));
            }
            whole.push((interval.start, interval.end, interval.label.as_deref().unwrap_or_default()));
            end = interval.end;
        }
        if seconds > end {
            whole.push((end, seconds, ""));
        }
        let name = side.map_or("emotion".to_string(), |side| format!("emotion {side}"));
        writeln!(out, "    item [{}]:\n        class = \"IntervalTier\"\n        name = \"{name}\"", number + 1)?;
        writeln!(out, "        xmin = 0\n        xmax = {seconds:.6}\n        intervals: size = {}", whole.len())?;
        for (number, (start, end, text)) in whole.into_iter().enumerate() {
            writeln!(out, "        intervals [{}]:", number + 1)?;
            writeln!(out, "            xmin = {start:.6}\n            xmax = {end:.6}")?;
            // A quotation mark is doubled.
            writeln!(out, "            text = \"{}\"", text.replace('"', "\"\""))?;
        }
    }
    Ok(())
}
