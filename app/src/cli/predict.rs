//! `predict AUDIO|DIR|FEATURES.npy|-…`

use super::gate::{Gate, SilenceNote};
use super::inputs::{self, Input};
use super::options::WrongCall;
use super::rows::{Format, Place};
use super::{Outcome, clip, interrupt, live, progress};
use crate::corpus::npy;
use crate::corpus::resample::to_rate;
use anyhow::Context;
use clap::Args;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{ModelFile, Prediction, Predictor};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The weights that come with the command: ResLSTM-SA-h64, trained on all of RAVDESS.
pub(super) const BUNDLED: &[u8] = include_bytes!("../../data/reslstm-sa-h64-ravdess.safetensors");

/// Predict emotions of recordings or features.
///
/// Without --model, the bundled model is used. It was trained on RAVDESS (acted English speech, CC BY-NC-SA 4.0: not for
/// commercial use). Recordings at another sample rate than the model's are resampled.
///
/// Every line has the level of the sound (root mean square, dBFS: decibels of full scale) and the share of it in which a voice is
/// heard. Where nobody speaks, as in pauses, hiss and hum, the label is `none`. In JSON and CSV, `gate` says why a label is not the
/// most probable class: `no speech` or `low probability`; it is null or empty where the label is a class, even one called none. The
/// probabilities are always those of the model. Feature files have no sound: their level and speech are null or empty.
///
/// With --live, each line is the prediction for all sound since the beginning. The floor of the features (80 dB below the loudest
/// mel band, librosa's `top_db`) and the tuning of the chroma features are estimated from the sound so far; for a file, from the
/// whole file. The label is `none` where nobody has spoken for three seconds.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  reslstm predict interview.wav --window 3 --step 1 --csv > emotions.csv
  reslstm features clip.wav --inputs pitch -o f && reslstm predict f/clip.npy --json
  arecord -f S16_LE -r 48000 -d 4 | reslstm predict -
  arecord -t raw -f S16_LE -r 48000 | reslstm predict --live --step 0.5")]
pub struct Predict {
    /// Recordings (WAV, FLAC, MP3, Ogg, Opus, M4A, AIFF), folders of recordings, tables (.csv) with a column path and, for parts of
    /// recordings, start and end, feature files (.npy), or - for a recording on stdin
    #[arg(required_unless_present = "live", conflicts_with = "live", value_name = "AUDIO|DIR|TABLE|FEATURES.npy|-")]
    inputs: Vec<PathBuf>,
    /// Model file, or a PyTorch state dict in safetensors format [default: the bundled model]
    #[arg(short, long, value_name = "MODEL.safetensors")]
    model: Option<PathBuf>,
    /// Print JSON, one object per line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV with a header
    #[arg(long)]
    csv: bool,
    /// Cut recordings into windows of S seconds and predict each
    #[arg(long, value_name = "S", group = "over_time")]
    window: Option<f64>,
    /// Seconds between windows [default: the window], or with --live between lines [default: every frame]
    #[arg(long, value_name = "S", requires = "over_time")]
    step: Option<f64>,
    /// Predict while sound arrives on stdin: raw 16-bit little-endian samples, one channel
    ///
    /// Prints one line per frame as soon as the frame is complete.
    #[arg(long, group = "over_time")]
    live: bool,
    /// Sample rate on stdin, with --live [default: the model's]
    #[arg(long, value_name = "HZ", conflicts_with = "inputs")]
    rate: Option<u32>,
    #[command(flatten)]
    gate: Gate,
}

impl Predict {
    pub fn run(self) -> Outcome {
        let format = match (self.json, self.csv) {
            (true, _) => Format::Json,
            (_, true) => Format::Csv,
            _ => Format::Text,
        };
        if self.live {
            if let Some(step) = self.step {
                check_seconds("step", step).map_err(WrongCall)?;
            }
            return live::run(&model_file(self.model.as_deref())?, format, self.gate, self.rate, self.step);
        }
        let windows = self.windows().map_err(WrongCall)?;
        let mut predictor = Predictor::new(model_file(self.model.as_deref())?)?;
        let inputs = inputs::recordings(&self.inputs)?;
        interrupt::stop_flag();
        let bar = progress::bar(inputs.len() as u64, "predicting", "files");
        let mut out = std::io::stdout().lock();
        let columns: &[&str] = if windows.is_some() { &["file", "start", "end"] } else { &["file"] };
        format.write_header(&mut out, columns, predictor.labels())?;
        let (mut failures, mut resampled, mut silence) = (Vec::new(), BTreeSet::new(), SilenceNote::default());
        for input in &inputs {
            if interrupt::stopped() {
                failures.push(Error::new(Kind::Interrupted, "stopped before this file").at(input.path.display()));
                continue;
            }
            let file = input.to_string();
            match predict_input(&mut predictor, input, windows, &mut resampled) {
                Ok(predictions) => bar.suspend(|| -> anyhow::Result<()> {
                    for (span, prediction) in predictions {
                        let place = match span {
                            Some((start, end)) => Place::Window(&file, start, end),
                            None => Place::File(&file),
                        };
                        let refusal = self.gate.refusal(&prediction);
                        silence.print_once(place, refusal);
                        format.write_row(&mut out, place, predictor.labels(), &prediction, refusal)?;
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
        check_seconds("window", window)?;
        check_seconds("step", step)?;
        Ok(Some((window, step)))
    }
}

/// Checks a duration given by the user.
fn check_seconds(name: &str, seconds: f64) -> Result<()> {
    if (0.01..=86_400.0).contains(&seconds) {
        return Ok(());
    }
    Err(Error::new(Kind::Settings, format!("--{name}: expected 0.01 to 86,400 seconds, got {seconds}")))
}

type Predictions = Vec<(Option<(f64, f64)>, Prediction)>;

fn predict_input(
    predictor: &mut Predictor,
    input: &Input,
    windows: Option<(f64, f64)>,
    resampled: &mut BTreeSet<u32>,
) -> Result<Predictions> {
    if inputs::is_features(&input.path) {
        if windows.is_some() {
            return Err(Error::new(Kind::Settings, "windows are cut from recordings, but this is a feature file"));
        }
        let features = npy::from_bytes(&inputs::read(&input.path)?)?;
        return Ok(vec![(None, predictor.predict_features(&features)?)]);
    }
    let rate = predictor.sample_rate()?;
    let recording = inputs::recording(&input.path)?;
    let recording = match input.segment {
        Some(segment) => segment.of(&recording)?,
        None => recording,
    };
    if recording.sample_rate != rate && resampled.insert(recording.sample_rate) {
        eprintln!("note: resampled from {} Hz to {rate} Hz", recording.sample_rate);
    }
    let recording = to_rate(recording, rate)?;
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

/// Reads the model file at `path`, or the bundled model.
pub(super) fn model_file(path: Option<&Path>) -> anyhow::Result<ModelFile> {
    match path {
        Some(path) => Ok(clip::read_model(path)?),
        None => ModelFile::from_bytes(BUNDLED).context("the bundled model"),
    }
}

/// Windows over `total` samples, `step` samples apart. The last window ends with the recording; a recording shorter than a window
/// is one window.
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
