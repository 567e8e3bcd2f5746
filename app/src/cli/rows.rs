//! Predictions as lines of text, CSV or JSON.

use reslstm::models::Prediction;
use serde_json::json;
use std::io::Write;

/// The output format of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    Text,
    /// CSV with a header.
    Csv,
    /// One JSON object per line.
    Json,
}

/// The part of a recording that a prediction belongs to.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// A whole file.
    File(&'a str),
    /// A part of a file, from one second to another.
    Window(&'a str, f64, f64),
    /// A live recording up to this second.
    Time(f64),
}

impl Place<'_> {
    /// The file, and the seconds with their names.
    fn parts(&self) -> (Option<&str>, Vec<(&'static str, String)>) {
        match *self {
            Place::File(file) => (Some(file), Vec::new()),
            Place::Window(file, start, end) => {
                (Some(file), vec![("start", start.to_string()), ("end", end.to_string())])
            }
            // Frames are 43 ms apart: a tenth of a millisecond is precise enough.
            Place::Time(seconds) => (None, vec![("time", format!("{seconds:.4}"))]),
        }
    }

    fn text(&self) -> String {
        match *self {
            Place::File(file) => file.to_string(),
            Place::Window(file, start, end) => format!("{file} {start:.2}–{end:.2} s"),
            Place::Time(seconds) => format!("{seconds:7.2} s"),
        }
    }
}

impl Format {
    /// Writes the header of CSV: the names of the place's parts, and of the classes.
    pub fn write_header(self, out: &mut impl Write, place: &[&str], labels: &[String]) -> anyhow::Result<()> {
        if self == Format::Csv {
            write_csv(out, place.iter().chain(&["label"]).copied().chain(labels.iter().map(String::as_str)))?;
        }
        Ok(())
    }

    /// Writes the line of a prediction.
    pub fn write_row(
        self,
        out: &mut impl Write,
        place: Place,
        labels: &[String],
        prediction: &Prediction,
    ) -> anyhow::Result<()> {
        let (label, probabilities) = (&labels[prediction.label], &prediction.probabilities);
        let (file, seconds) = place.parts();
        match self {
            Format::Json => {
                // In class order and in plain decimals: serde_json would sort the labels and write exponents.
                let file = file.map_or(String::new(), |file| format!("\"file\": {}, ", json!(file)));
                let seconds: String = seconds.iter().map(|(name, value)| format!("\"{name}\": {value}, ")).collect();
                let pairs = labels.iter().zip(probabilities).map(|(label, p)| format!("{}: {p}", json!(label)));
                let (label, pairs) = (json!(label), pairs.collect::<Vec<_>>().join(", "));
                writeln!(out, "{{{file}{seconds}\"label\": {label}, \"probabilities\": {{{pairs}}}}}")?;
            }
            Format::Csv => {
                let mut fields: Vec<String> = file.map(String::from).into_iter().collect();
                fields.extend(seconds.into_iter().map(|(_, value)| value));
                fields.push(label.clone());
                fields.extend(probabilities.iter().map(f32::to_string));
                write_csv(out, fields.iter().map(String::as_str))?;
            }
            Format::Text => {
                let all = labels.iter().zip(probabilities).map(|(label, p)| format!("{label} {p:.3}"));
                writeln!(out, "{}: {label}  ({})", place.text(), all.collect::<Vec<_>>().join(", "))?;
            }
        }
        Ok(())
    }
}

fn write_csv<'a>(out: &mut impl Write, fields: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(fields)?;
    Ok(writer.flush()?)
}
