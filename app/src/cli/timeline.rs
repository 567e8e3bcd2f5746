//! Predictions as a timeline that other programs open: intervals with one label each.

use super::rows::{self, Format};
use crate::terminal::{printable, printable_line};
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
    fn push(&mut self, next: Interval) {
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
        for (channel, Track { side, intervals }) in tracks.iter().enumerate() {
            for interval in intervals {
                self.write_interval(out, file, (channel, *side), interval)?;
            }
        }
        Ok(())
    }

    /// Writes one interval; nothing where a TextGrid is written at the end. `channel` counts the sides, from 0.
    fn write_interval(
        self,
        out: &mut impl Write,
        file: &str,
        (channel, side): (usize, Option<&str>),
        Interval { start, end, label }: &Interval,
    ) -> anyhow::Result<()> {
        match (self, label.as_deref()) {
            (Timeline::Audacity, Some(label)) => {
                let side = side.map_or(String::new(), |side| format!("{side}: "));
                writeln!(out, "{start:.6}\t{end:.6}\t{side}{}", printable_line(label))?;
            }
            (Timeline::Rttm, Some(label)) => {
                let (file, label) = (without_blanks(file), without_blanks(label));
                let (channel, duration) = (channel + 1, end - start);
                writeln!(out, "SPEAKER {file} {channel} {start:.3} {duration:.3} <NA> <NA> {label} <NA> <NA>")?;
            }
            (Timeline::Csv, label) => {
                let (side, label) = (side.unwrap_or_default(), label.unwrap_or("none"));
                let (start, end) = (format!("{start:.3}"), format!("{end:.3}"));
                rows::write_csv(out, Format::Csv, [file, side, &start, &end, label].into_iter())?;
            }
            (Timeline::Json, label) => {
                let side = side.map_or(String::new(), |side| format!("\"side\": {}, ", json!(side)));
                let (file, label) = (json!(file), json!(label.unwrap_or("none")));
                let line =
                    format!("{{\"file\": {file}, {side}\"start\": {start:.3}, \"end\": {end:.3}, \"label\": {label}}}");
                writeln!(out, "{}", printable(&line))?;
            }
            // Where nobody speaks there is no event.
            (Timeline::Audacity | Timeline::Rttm, None) | (Timeline::Textgrid, _) => {}
        }
        Ok(())
    }
}

/// The name of a live recording.
const STDIN: &str = "stdin";

/// The timeline of one side of a live recording: each label holds until the next one. An interval is written when it ends, a
/// TextGrid, which begins with their number, at the end.
pub struct LiveTimeline {
    format: Timeline,
    channel: usize,
    track: Track,
    /// The interval that has not ended yet, if it has begun.
    current: Option<Interval>,
}

impl LiveTimeline {
    /// Before the first label. `channel` counts the sides, from 0.
    pub fn new(format: Timeline, channel: usize, side: Option<&'static str>) -> Self {
        LiveTimeline { format, channel, track: Track { side, intervals: Vec::new() }, current: None }
    }

    /// The label from `time` on, seconds.
    pub fn push(&mut self, out: &mut impl Write, time: f64, label: Option<String>) -> anyhow::Result<()> {
        if self.current.as_ref().is_none_or(|current| current.label != label) {
            self.end(out, time)?;
            self.current = Some(Interval { start: time, end: time, label });
        }
        Ok(())
    }

    /// Ends the current interval.
    fn end(&mut self, out: &mut impl Write, time: f64) -> anyhow::Result<()> {
        if let Some(mut ended) = self.current.take().filter(|current| current.start < time) {
            ended.end = time;
            self.format.write_interval(out, STDIN, (self.channel, self.track.side), &ended)?;
            if self.format == Timeline::Textgrid {
                self.track.intervals.push(ended);
            }
            out.flush()?;
        }
        Ok(())
    }

    /// Writes what is left of a recording of `seconds`, of all its sides.
    pub fn finish(mut timelines: Vec<Self>, out: &mut impl Write, seconds: f64) -> anyhow::Result<()> {
        for timeline in &mut timelines {
            timeline.end(out, seconds)?;
        }
        if timelines.first().is_some_and(|timeline| timeline.format == Timeline::Textgrid) {
            let tracks: Vec<Track> = timelines.into_iter().map(|timeline| timeline.track).collect();
            write_textgrid(out, seconds, &tracks)?;
        }
        Ok(())
    }
}

/// Fields of RTTM are separated by blanks.
fn without_blanks(text: &str) -> String {
    printable(text).split_whitespace().collect::<Vec<_>>().join("_")
}

/// A TextGrid: one tier per track, whose intervals leave no gap. An interval without a label has an empty text.
fn write_textgrid(out: &mut impl Write, seconds: f64, tracks: &[Track]) -> anyhow::Result<()> {
    writeln!(out, "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n")?;
    writeln!(out, "xmin = 0\nxmax = {seconds:.6}\ntiers? <exists>\nsize = {}\nitem []:", tracks.len())?;
    for (number, Track { side, intervals }) in tracks.iter().enumerate() {
        let mut whole: Vec<(f64, f64, String)> = Vec::new();
        let mut end = 0.0;
        for interval in intervals {
            if interval.start > end {
                whole.push((end, interval.start, String::new()));
            }
            whole.push((interval.start, interval.end, interval.label.as_deref().map(printable).unwrap_or_default()));
            end = interval.end;
        }
        if seconds > end {
            whole.push((end, seconds, String::new()));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(start: f64, end: f64, label: &str) -> Interval {
        Interval { start, end, label: (label != "none").then(|| label.into()) }
    }

    #[test]
    fn neighbours_of_one_label_become_one_interval() {
        let track = |windows: &[(f64, f64, &str)]| {
            let windows = windows.iter().map(|&(start, end, label)| interval(start, end, label)).collect();
            Track::of_windows(None, windows).intervals
        };
        // Side by side.
        let got =
            track(&[(0.0, 2.0, "sad"), (2.0, 4.0, "sad"), (4.0, 6.0, "none"), (6.0, 8.0, "none"), (8.0, 9.0, "sad")]);
        assert_eq!(got, [interval(0.0, 4.0, "sad"), interval(4.0, 8.0, "none"), interval(8.0, 9.0, "sad")]);
        // Overlapping, the last moved back: borders lie between the middles 1.5, 2.5, 3.5, 4.
        let got = track(&[(0.0, 3.0, "calm"), (1.0, 4.0, "sad"), (2.0, 5.0, "sad"), (2.5, 5.5, "calm")]);
        assert_eq!(got, [interval(0.0, 2.0, "calm"), interval(2.0, 3.75, "sad"), interval(3.75, 5.5, "calm")]);
        // With gaps, which stay.
        let got = track(&[(0.0, 1.0, "sad"), (5.0, 6.0, "sad")]);
        assert_eq!(got, [interval(0.0, 1.0, "sad"), interval(5.0, 6.0, "sad")]);
        assert_eq!(track(&[]), []);
    }

    fn written(write: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_live_label_holds_until_the_next_one() {
        for format in [Timeline::Csv, Timeline::Json, Timeline::Rttm, Timeline::Audacity, Timeline::Textgrid] {
            let live = written(|out| {
                let mut timeline = LiveTimeline::new(format, 0, None);
                for (time, label) in
                    [(0.0, None), (0.5, Some("sad")), (1.0, Some("sad")), (1.5, Some("calm")), (2.0, None)]
                {
                    timeline.push(out, time, label.map(String::from))?;
                }
                LiveTimeline::finish(vec![timeline], out, 2.25)
            });
            let intervals = vec![
                interval(0.0, 0.5, "none"),
                interval(0.5, 1.5, "sad"),
                interval(1.5, 2.0, "calm"),
                interval(2.0, 2.25, "none"),
            ];
            let whole = written(|out| format.write(out, STDIN, 2.25, &[Track { side: None, intervals }]));
            assert_eq!(live, whole, "{format:?}");
        }
    }

    #[test]
    fn texts_are_written_as_each_format_has_them() {
        let tracks = [Track { side: None, intervals: vec![interval(0.0, 1.0, "fed \"up\"")] }];
        let of = |format: Timeline| written(|out| format.write(out, "my call.wav", 1.5, &tracks));
        assert!(of(Timeline::Textgrid).contains("text = \"fed \"\"up\"\"\"\n"), "quotation marks are doubled");
        assert_eq!(of(Timeline::Rttm), "SPEAKER my_call.wav 1 0.000 1.000 <NA> <NA> fed_\"up\" <NA> <NA>\n");
        assert_eq!(of(Timeline::Csv), "my call.wav,,0.000,1.000,\"fed \"\"up\"\"\"\n");
        assert_eq!(of(Timeline::Audacity), "0.000000\t1.000000\tfed \"up\"\n");

        // Of strangers: no label looks like another line, and JSON keeps its value.
        let hostile = "sad\n0.0\t9.0\tcalm\u{1b}[2J";
        let tracks = [Track { side: None, intervals: vec![interval(0.0, 1.0, hostile)] }];
        let of = |format: Timeline| written(|out| format.write(out, "a\u{1b}\nb.wav", 1.5, &tracks));
        for format in [Timeline::Audacity, Timeline::Rttm, Timeline::Json] {
            let line = of(format);
            assert!(line.lines().count() == 1 && !line.contains('\u{1b}'), "{line}");
        }
        let json: serde_json::Value = serde_json::from_str(&of(Timeline::Json)).unwrap();
        assert_eq!((&json["file"], &json["label"]), (&"a\u{1b}\nb.wav".into(), &hostile.into()));
    }
}
