//! `predict AUDIO|DIR|FEATURES.npy|-…`

use super::inputs::{self, Input};
use super::{Outcome, interrupt, progress, resample};
use anyhow::Context;
use clap::Args;
use reslstm::audio::Recording;
use reslstm::corpus::npy;
use reslstm::error::{Error, Kind, Result};
use reslstm::files;
use reslstm::models::{Prediction, Predictor};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The weights that come with the command: ResLSTM-SA-h64, trained on all of RAVDESS.
const BUNDLED: &[u8] = include_bytes!("../../data/reslstm-sa-h64-ravdess.safetensors");

/// Recognise the emotion of recordings, or of features.
#[derive(Debug, Args)]
#[command(
    after_help = "Without --model: the bundled weights, trained on RAVDESS (acted English speech, CC BY-NC-SA 4.0: not for \
                  commercial use). A recording at another rate than the model's is resampled.

Examples:
  reslstm predict interview.wav --window 3 --step 1 --csv > emotions.csv
  reslstm features clip.wav -o f && reslstm predict f/clip.npy --json
  arecord -f S16_LE -r 48000 -d 4 | reslstm predict -"
)]
pub struct Predict {
    /// Recordings (.wav), folders of them, features (.npy, as the features command writes them), or - for a WAV on stdin
    #[arg(required = true, value_name = "AUDIO|DIR|FEATURES.npy|-")]
    inputs: Vec<PathBuf>,
    /// A model file; a PyTorch state dict saved as safetensors will do
    #[arg(short, long, value_name = "MODEL.safetensors")]
    model: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// A table with a header
    #[arg(long)]
    csv: bool,
    /// Label a long recording over time: windows of S seconds, each a clip of its own
    #[arg(long, value_name = "S")]
    window: Option<f64>,
    /// Seconds from one window to the next [the window]
    #[arg(long, value_name = "S", requires = "window")]
    step: Option<f64>,
}

/// A prediction and where it belongs.
struct Row<'a> {
    file: &'a str,
    /// Seconds, where there are windows.
    span: Option<(f64, f64)>,
    prediction: Prediction,
}

impl Predict {
    pub fn run(self) -> Outcome {
        let windows = self.windows()?;
        let mut predictor = match &self.model {
            Some(path) => Predictor::from_bytes(&files::read(path)?).map_err(|error| error.at(path.display()))?,
            None => Predictor::from_bytes(BUNDLED).context("the bundled weights")?,
        };
        let inputs = inputs::recordings(&self.inputs)?;
        interrupt::stop_flag();
        let bar = progress::bar(inputs.len() as u64, "predicting");
        let mut out = std::io::stdout().lock();
        self.write_header(&mut out, predictor.labels(), windows.is_some())?;
        let (mut failures, mut resampled) = (Vec::new(), BTreeSet::new());
        for input in &inputs {
            if interrupt::stopped() {
                failures.push(Error::new(Kind::Interrupted, "stopped before this one").at(input.path.display()));
                continue;
            }
            let file = input.path.display().to_string();
            match predict_input(&mut predictor, input, windows, &mut resampled) {
                Ok(predictions) => bar.suspend(|| -> anyhow::Result<()> {
                    for (span, prediction) in predictions {
                        self.write_row(&mut out, predictor.labels(), &Row { file: &file, span, prediction })?;
                    }
                    Ok(())
                })?,
                Err(error) => failures.push(error.at(if file == "-" { "stdin" } else { &file })),
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        out.flush()?;
        inputs::summarise(failures, inputs.len())
    }

    /// Window and step, in seconds.
    fn windows(&self) -> Result<Option<(f64, f64)>> {
        let Some(window) = self.window else { return Ok(None) };
        let step = self.step.unwrap_or(window);
        for (name, seconds) in [("window", window), ("step", step)] {
            if !(0.01..=86_400.0).contains(&seconds) {
                return Err(Error::new(
                    Kind::Settings,
                    format!("{name}: expected 0.01 to 86,400 seconds, got {seconds}"),
                ));
            }
        }
        Ok(Some((window, step)))
    }

    fn write_header(&self, out: &mut impl Write, labels: &[String], windows: bool) -> anyhow::Result<()> {
        if self.csv {
            let span: &[&str] = if windows { &["start", "end"] } else { &[] };
            let columns =
                ["file"].iter().chain(span).chain(&["label"]).copied().chain(labels.iter().map(String::as_str));
            write_csv(out, columns)?;
        }
        Ok(())
    }

    fn write_row(&self, out: &mut impl Write, labels: &[String], row: &Row<'_>) -> anyhow::Result<()> {
        let label = &labels[row.prediction.label];
        let probabilities = &row.prediction.probabilities;
        if self.json {
            // Labels in class order, which a JSON map of this library would sort: so the line is put together here.
            let pairs = labels.iter().zip(probabilities).map(|(label, p)| format!("{}: {p}", json!(label)));
            let span = row.span.map_or(String::new(), |(start, end)| format!("\"start\": {start}, \"end\": {end}, "));
            let pairs = pairs.collect::<Vec<_>>().join(", ");
            let (file, label) = (json!(row.file), json!(label));
            writeln!(out, "{{\"file\": {file}, {span}\"label\": {label}, \"probabilities\": {{{pairs}}}}}")?;
        } else if self.csv {
            let span = row.span.map(|(start, end)| [start.to_string(), end.to_string()]);
            let mut fields = vec![row.file.to_string()];
            fields.extend(span.into_iter().flatten());
            fields.push(label.clone());
            fields.extend(probabilities.iter().map(f32::to_string));
            write_csv(out, fields.iter().map(String::as_str))?;
        } else {
            let span = row.span.map_or(String::new(), |(start, end)| format!(" {start:.2}–{end:.2} s"));
            let all = labels.iter().zip(probabilities).map(|(label, p)| format!("{label} {p:.3}"));
            writeln!(out, "{}{span}: {label}  ({})", row.file, all.collect::<Vec<_>>().join(", "))?;
        }
        Ok(())
    }
}

fn write_csv<'a>(out: &mut impl Write, fields: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(fields)?;
    Ok(writer.flush()?)
}

type Predictions = Vec<(Option<(f64, f64)>, Prediction)>;

fn predict_input(
    predictor: &mut Predictor,
    input: &Input,
    windows: Option<(f64, f64)>,
    resampled: &mut BTreeSet<u32>,
) -> Result<Predictions> {
    let is_features = input.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"));
    if is_features {
        if windows.is_some() {
            return Err(Error::new(Kind::Settings, "windows are cut from recordings, and this is a feature file"));
        }
        let features = npy::from_bytes(&read_input(&input.path)?)?;
        return Ok(vec![(None, predictor.predict_features(&features)?)]);
    }
    let rate = predictor.sample_rate()?;
    let recording = Recording::from_wav(&read_input(&input.path)?)?;
    if recording.sample_rate != rate && resampled.insert(recording.sample_rate) {
        eprintln!("note: {} Hz is resampled to the model's {rate} Hz", recording.sample_rate);
    }
    let recording = resample::to_rate(recording, rate)?;
    let Some((window, step)) = windows else {
        return Ok(vec![(None, predictor.predict_recording(&recording)?)]);
    };
    let samples = &recording.samples;
    let seconds = |sample: usize| sample as f64 / rate as f64;
    let cut = |(start, end): (usize, usize)| {
        Ok((Some((seconds(start), seconds(end))), predictor.predict_samples(&samples[start..end])?))
    };
    let to_samples = |seconds: f64| ((seconds * rate as f64).round() as usize).max(1);
    spans(samples.len(), to_samples(window), to_samples(step)).into_iter().map(cut).collect()
}

/// Windows over `total` samples, `step` apart. The last is moved back to end with the recording; a recording shorter than a
/// window is one window.
fn spans(total: usize, window: usize, step: usize) -> Vec<(usize, usize)> {
    if total <= window {
        return vec![(0, total)];
    }
    let mut spans: Vec<_> = (0..=total - window).step_by(step).map(|start| (start, start + window)).collect();
    if spans.last().is_some_and(|&(_, end)| end < total) {
        spans.push((total - window, total));
    }
    spans
}

/// All bytes of an input. Its name is added once, to every error of it.
fn read_input(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_end(&mut bytes),
        false => std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    read.map_err(|error| Error::new(Kind::Io, error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::spans;

    #[test]
    fn windows_cover_the_recording() {
        assert_eq!(spans(10, 4, 2), [(0, 4), (2, 6), (4, 8), (6, 10)]);
        assert_eq!(spans(9, 4, 3), [(0, 4), (3, 7), (5, 9)]);
        assert_eq!(spans(3, 4, 1), [(0, 3)]);
        assert_eq!(spans(4, 4, 1), [(0, 4)]);
    }
}
