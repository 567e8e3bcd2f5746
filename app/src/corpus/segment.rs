//! Parts of recordings: clips that share a file.

use reslstm::audio::Recording;
use reslstm::error::{Error, Kind, Result};
use std::fmt;
use std::ops::Range;

/// What a table may state beyond the end of a recording, as its times are rounded, seconds.
const ROUNDING: f64 = 0.01;

/// A part of a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Where it begins, seconds.
    start: f64,
    /// Where it ends, seconds; the end of the recording if there is none.
    end: Option<f64>,
}

/// As a media fragment of the W3C: `#t=1.5,3.25`.
impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#t={}", self.start)?;
        self.end.map_or(Ok(()), |end| write!(f, ",{end}"))
    }
}

impl Segment {
    /// The part between two times as a table has them, each in seconds, as `0 days 00:00:01.5`, or empty. `None` for a whole recording.
    ///
    /// # Errors
    /// [`Kind::Data`] if one is not a time, or the end is not after the start.
    pub fn parse(start: &str, end: &str) -> Result<Option<Self>> {
        let (start, end) = (seconds(start)?.unwrap_or(0.0), seconds(end)?);
        if let Some(end) = end.filter(|&end| end <= start) {
            return Err(Error::new(Kind::Data, format!("expected an end after the start at {start} s, got {end} s")));
        }
        Ok((start > 0.0 || end.is_some()).then_some(Segment { start, end }))
    }

    /// Where it begins, seconds.
    pub fn start(&self) -> f64 {
        self.start
    }

    /// Start and end, seconds, as a table has them.
    pub fn columns(&self) -> [String; 2] {
        [self.start.to_string(), self.end.map_or(String::new(), |end| end.to_string())]
    }

    /// This part of a recording.
    ///
    /// # Errors
    /// [`Kind::Data`] if it is not within the recording (an end may lie 10 ms beyond, as tables round their times), or is shorter
    /// than a sample.
    pub fn of(&self, recording: &Recording) -> Result<Recording> {
        let Recording { sample_rate, samples } = recording;
        let samples = samples[self.places(*sample_rate, samples.len())?].to_vec();
        Ok(Recording { sample_rate: *sample_rate, samples })
    }

    /// The places of its samples in any recording at `rate` Hz: the first, and the one after the last.
    pub fn wanted_places(&self, rate: u32) -> (usize, usize) {
        let at = |seconds: f64| (seconds * f64::from(rate)).round() as usize;
        (at(self.start), self.end.map_or(usize::MAX, at))
    }

    /// The places of its samples in a recording of `total` samples at `rate` Hz.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn places(&self, rate: u32, total: usize) -> Result<Range<usize>> {
        let length = total as f64 / f64::from(rate);
        let end = self.end.unwrap_or(length);
        if self.start >= length || end > length + ROUNDING {
            let (start, length) = (self.start, length);
            let problem = format!("expected a segment within the recording's {length:.3} s, got {start} to {end} s");
            return Err(Error::new(Kind::Data, problem).advice("start and end are in seconds; correct the table"));
        }
        let (first, after_last) = self.wanted_places(rate);
        let places = first.min(total)..after_last.min(total);
        if places.is_empty() {
            let problem = format!("expected a segment of at least one sample, got {} to {end} s", self.start);
            return Err(Error::new(Kind::Data, problem).advice("leave it out"));
        }
        Ok(places)
    }
}

/// A time in seconds: a number, or as pandas and audformat write it, `0 days 00:00:01.5` or `00:00:01.5`. `None` if it is empty or
/// `NaT`, `NaN`, `None`.
fn seconds(text: &str) -> Result<Option<f64>> {
    let wrong = || {
        let problem = format!("expected a time in seconds or as 0 days 00:00:01.5, got '{text}'");
        Error::new(Kind::Data, problem).advice("if the column is no time of a segment: --columns start=,end=")
    };
    if ["", "nat", "nan", "none"].contains(&text.to_lowercase().as_str()) {
        return Ok(None);
    }
    let number = |text: &str| -> Result<f64> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        text.parse().ok().filter(|_| digits).ok_or_else(wrong)
    };
    let (days, time) = match text.split_once(" day") {
        Some((days, rest)) => (number(days)?, rest.trim_start_matches('s').trim()),
        None => (0.0, text),
    };
    // Hours, minutes, seconds from the right; `0 days` has none of them.
    let mut total = 24.0 * 3600.0 * days;
    if !time.is_empty() {
        let parts = time.split(':').map(number).collect::<Result<Vec<f64>>>()?;
        if parts.len() > 3 || (parts.len() == 1 && time != text) {
            return Err(wrong());
        }
        total += parts.into_iter().fold(0.0, |sum, part| 60.0 * sum + part);
    }
    Ok(Some(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_timedeltas() {
        for (text, expected) in [
            ("1.5", Some(1.5)),
            ("0", Some(0.0)),
            ("12", Some(12.0)),
            ("0 days 00:00:01.5", Some(1.5)),
            ("0 days 00:00:00.200000000", Some(0.2)),
            ("0 days", Some(0.0)),
            ("1 days 00:01:01", Some(86_461.0)),
            ("00:02:03.25", Some(123.25)),
            ("2:03", Some(123.0)),
            ("NaT", None),
            ("", None),
        ] {
            assert_eq!(seconds(text).unwrap(), expected, "{text}");
        }
        for text in ["-1", "soon", "1,5", "1:2:3:4", "1e3", "inf", "0 days 5", "x days 00:00:01", ":", "1.5.2"] {
            let error = seconds(text).unwrap_err();
            assert!(error.kind() == Kind::Data && error.to_string().contains(&format!("got '{text}'")), "{error}");
        }
    }

    #[test]
    fn a_segment_is_its_samples() {
        let recording = Recording { sample_rate: 1000, samples: (0..3000).map(|n| n as f32).collect() };
        let cut = |start: &str, end: &str| Segment::parse(start, end).unwrap().unwrap().of(&recording);
        let ends = |start: &str, end: &str| {
            let samples = cut(start, end).unwrap().samples;
            (samples[0], samples[samples.len() - 1], samples.len())
        };
        assert_eq!(ends("1.5", "2.25"), (1500.0, 2249.0, 750));
        assert_eq!(ends("0", "0 days 00:00:00.0015"), (0.0, 1.0, 2));
        assert_eq!(ends("2.9", "NaT"), (2900.0, 2999.0, 100));
        assert_eq!(ends("2.9", "3.009"), (2900.0, 2999.0, 100));
        for (start, end, problem) in [
            ("2", "3.02", "expected a segment within the recording's 3.000 s, got 2 to 3.02 s"),
            ("3", "", "expected a segment within the recording's 3.000 s, got 3 to 3 s"),
            ("1", "1.0001", "expected a segment of at least one sample, got 1 to 1.0001 s"),
        ] {
            let error = cut(start, end).unwrap_err();
            assert!(error.kind() == Kind::Data && error.to_string().starts_with(problem), "{error}");
        }
    }

    #[test]
    fn a_whole_recording_is_no_segment_and_an_end_comes_after_the_start() {
        assert_eq!(Segment::parse("0 days", "NaT").unwrap(), None);
        assert_eq!(Segment::parse("", "").unwrap(), None);
        let error = Segment::parse("2", "2").unwrap_err().to_string();
        assert_eq!(error, "expected an end after the start at 2 s, got 2 s");
        let shown = |start: &str, end: &str| Segment::parse(start, end).unwrap().unwrap().to_string();
        assert_eq!((shown("1.5", "3.25"), shown("1", "")), ("#t=1.5,3.25".into(), "#t=1".into()));
    }
}
