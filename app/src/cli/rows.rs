//! Predictions as lines of text, CSV or JSON.

use super::gate::Refusal;
use crate::csv_field;
use crate::terminal::{printable, printable_line};
use reslstm::models::Prediction;
use serde_json::json;
use std::io::Write;

/// The output format of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    Text,
    /// CSV with a header, in which a spreadsheet takes no text for a formula.
    Csv,
    /// CSV with the texts as they are.
    RawCsv,
    /// One JSON object per line.
    Json,
}

/// The part of a recording that a prediction belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The file; none on stdin, live.
    pub file: Option<&'a str>,
    /// The side of a recording with two, where both are predicted.
    pub side: Option<&'static str>,
    /// The time.
    pub span: Span,
}

/// The part of the time.
#[derive(Clone, Copy, Debug)]
pub enum Span {
    /// All of it.
    Whole,
    /// From one second to another.
    Window(f64, f64),
    /// Up to this second.
    UpTo(f64),
}

impl Place<'_> {
    /// Names and values of its texts.
    fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.file.map(|file| ("file", file)).into_iter().chain(self.side.map(|side| ("side", side)))
    }

    /// Names and values of its times, seconds.
    fn seconds(&self) -> Vec<(&'static str, String)> {
        match self.span {
            Span::Whole => Vec::new(),
            Span::Window(start, end) => vec![("start", start.to_string()), ("end", end.to_string())],
            // Frames are 43 ms apart: a tenth of a millisecond is precise enough.
            Span::UpTo(seconds) => vec![("time", format!("{seconds:.4}"))],
        }
    }

    /// The place in words.
    pub fn text(&self) -> String {
        let time = match self.span {
            Span::Whole => None,
            Span::Window(start, end) => Some(format!("{start:.2}–{end:.2} s")),
            Span::UpTo(seconds) => Some(format!("{seconds:7.2} s")),
        };
        let parts = [self.file.map(String::from), self.side.map(String::from), time];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

impl Format {
    /// Writes the header of CSV: the names of the place's parts, `label`, the classes, then what is known of the sound, of
    /// the gate and of the training clips. These last four came later: a reader of the columns before them needs no change.
    pub fn write_header(self, out: &mut impl Write, place: &[&str], labels: &[String]) -> anyhow::Result<()> {
        if matches!(self, Format::Csv | Format::RawCsv) {
            let classes = labels.iter().map(String::as_str);
            write_csv(
                out,
                self,
                place.iter().chain(&["label"]).copied().chain(classes).chain(["level", "speech", "gate", "unlike"]),
            )?;
        }
        Ok(())
    }

    /// Writes the line of a prediction. With a `refusal`, the label is that of the refusal.
    ///
    /// Level in dBFS: `null` in JSON and `-inf` elsewhere for digital silence. Level and speech are unknown (`null`, empty) for
    /// features.
    pub fn write_row(
        self,
        out: &mut impl Write,
        place: Place,
        labels: &[String],
        prediction: &Prediction,
        refusal: Option<Refusal>,
    ) -> anyhow::Result<()> {
        let probabilities = &prediction.probabilities;
        let label = refusal.map_or(labels[prediction.label].as_str(), |refusal| refusal.label());
        let (texts, seconds) = (place.texts(), place.seconds());
        match self {
            Format::Json => {
                // In class order and in plain decimals: serde_json would sort the labels and write exponents.
                let texts: String = texts.map(|(name, text)| format!("\"{name}\": {}, ", json!(text))).collect();
                let seconds: String = seconds.iter().map(|(name, value)| format!("\"{name}\": {value}, ")).collect();
                let pairs = labels.iter().zip(probabilities).map(|(label, p)| format!("{}: {p}", json!(label)));
                let (label, pairs) = (json!(label), pairs.collect::<Vec<_>>().join(", "));
                let or_null = |number: Option<String>| number.unwrap_or_else(|| "null".into());
                let level = prediction.sound.filter(|sound| sound.level.is_finite());
                let level = or_null(level.map(|sound| format!("{:.2}", sound.level)));
                let speech = or_null(prediction.sound.map(|sound| format!("{:.4}", sound.speech)));
                let gate = json!(refusal.map(Refusal::reason));
                let unlike = prediction.unlike.filter(|unlike| unlike.is_finite());
                let unlike = or_null(unlike.map(|unlike| format!("{unlike:.3}")));
                let line = format!(
                    "{{{texts}{seconds}\"label\": {label}, \"probabilities\": {{{pairs}}}, \"level\": {level}, \
                     \"speech\": {speech}, \"gate\": {gate}, \"unlike\": {unlike}}}"
                );
                writeln!(out, "{}", printable(&line))?;
            }
            Format::Csv | Format::RawCsv => {
                let mut fields: Vec<String> = texts.map(|(_, text)| text.into()).collect();
                fields.extend(seconds.into_iter().map(|(_, value)| value));
                fields.push(label.into());
                fields.extend(probabilities.iter().map(f32::to_string));
                let sound = |text: &dyn Fn(f64, f64) -> String| {
                    prediction.sound.map_or(String::new(), |sound| text(sound.level, sound.speech))
                };
                fields.push(sound(&|level, _| format!("{level:.2}")));
                fields.push(sound(&|_, speech| format!("{speech:.4}")));
                fields.push(refusal.map_or("", Refusal::reason).into());
                fields.push(prediction.unlike.map_or(String::new(), |unlike| format!("{unlike:.3}")));
                write_csv(out, self, fields.iter().map(String::as_str))?;
            }
            Format::Text => {
                let all = labels.iter().zip(probabilities).map(|(label, p)| format!("{label} {p:.3}"));
                let sound = prediction.sound.map_or(String::new(), |sound| format!("  {sound}"));
                let unlike = prediction.unlike.map_or(String::new(), |unlike| format!("  unlike {unlike:.1}"));
                let line =
                    format!("{}: {label}  ({}){sound}{unlike}", place.text(), all.collect::<Vec<_>>().join(", "));
                writeln!(out, "{}", printable_line(&line))?;
            }
        }
        Ok(())
    }
}

/// Writes a line of CSV. `format` says whether texts stay as they are.
pub fn write_csv<'a>(
    out: &mut impl Write,
    format: Format,
    fields: impl Iterator<Item = &'a str>,
) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    match format {
        Format::RawCsv => writer.write_record(fields)?,
        _ => writer.write_record(fields.map(|text| printable(&csv_field::field(text))))?,
    }
    Ok(writer.flush()?)
}
