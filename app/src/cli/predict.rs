//! `predict AUDIO|DIR|FEATURES.npy|-…`

use super::bundled::{self, model_file};
use super::gate::{Gate, SilenceNote};
use super::inputs::{self, Input, SoundFile};
use super::options::WrongCall;
use super::rows::{Format, Place, Span};
use super::timeline::{Interval, Timeline, Track};
use super::windows::Windows;
use super::{Outcome, clip, enrol, interrupt, live, progress};
use crate::corpus::resample::read_at_rate;
use crate::corpus::sound::Side;
use clap::{Args, ValueEnum};
use reslstm::audio::{Encoding, SampleFormat, SampleSink};
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{LivePredictor, Prediction, Predictor};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

/// Predict emotions of recordings or features.
///
/// Without --model, the bundled model `speech` is used; the other one, `paper`, is one network that takes recordings at 48,000 Hz as
/// they are. Both were trained on RAVDESS (acted English speech, CC BY-NC-SA 4.0: not for commercial use). Recordings at another
/// sample rate than the model's are resampled.
///
/// Every line has the level of the sound (root mean square, dBFS: decibels of full scale) and the share of it in which a voice is
/// heard. Where nobody speaks, as in pauses, hiss and hum, the label is `none`. In JSON and CSV, `gate` says why a label is not the
/// most probable class: `no speech` or `low probability`; it is null or empty where the label is a class, even one called none. The
/// probabilities are always those of the model. Feature files have no sound: their level and speech are null or empty.
///
/// `unlike` says how far the recording is from the clips that the model was trained on: near 1 for one like them, more for one unlike
/// them. It is null or empty for models that cannot say it.
///
/// With --live, each line is the prediction for all sound since the beginning. The floor of the features (80 dB below the loudest
/// mel band, librosa's `top_db`) and the tuning of the chroma features are estimated from the sound so far; for a file, from the
/// whole file. The label is `none` where nobody has spoken for three seconds.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  reslstm predict interview.wav --window 3 --step 1 --csv > emotions.csv
  reslstm features clip.wav --inputs speech -o f && reslstm predict f/clip.npy --json
  reslstm predict call.wav --side each --window 5 --csv
  reslstm predict talk.wav --window 2 --timeline textgrid > talk.TextGrid
  arecord -f S16_LE -r 48000 -d 4 | reslstm predict -
  arecord -f S16_LE -r 48000 | reslstm predict --live --step 0.5
  ffmpeg -i URL -f f32le -ac 2 -ar 44100 - | reslstm predict --live --format f32 --channels 2 --rate 44100")]
pub struct Predict {
    /// Recordings (WAV, FLAC, MP3, Ogg, Opus, M4A, AIFF), folders of recordings, tables (.csv) with a column path and, for parts of
    /// recordings, start and end, feature files (.npy), or - for a recording on stdin
    #[arg(required_unless_present = "live", conflicts_with = "live", value_name = "AUDIO|DIR|TABLE|FEATURES.npy|-")]
    inputs: Vec<PathBuf>,
    /// Model file, a PyTorch state dict in safetensors format, or a bundled model: speech or paper [default: speech]
    #[arg(short, long, value_name = "MODEL.safetensors")]
    model: Option<PathBuf>,
    /// Print JSON, one object per line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV with a header
    #[arg(long)]
    csv: bool,
    /// With --csv, leave texts as they are: without ' before what a spreadsheet would run
    #[arg(long, requires = "csv", hide_short_help = true)]
    raw: bool,
    /// Cut recordings into windows of S seconds and predict each
    #[arg(long, value_name = "S", group = "over_time")]
    window: Option<f64>,
    /// Seconds between windows [default: the window], or with --live between lines [default: every frame]
    #[arg(long, value_name = "S", requires = "over_time")]
    step: Option<f64>,
    /// Side of recordings with two channels: their mean, one of them, or each on lines of its own
    #[arg(long, value_name = "SIDE", value_enum, default_value_t)]
    side: Sides,
    /// Predict while sound arrives on stdin: WAV, or raw samples
    ///
    /// Prints one line per frame as soon as the frame is complete. A WAV file is recognised by its header, which says rate, format and
    /// channels. Raw samples are little-endian, 16-bit integers of one channel unless --format and --channels say otherwise; a note
    /// says so if they sound like something else.
    #[arg(long, group = "over_time")]
    live: bool,
    /// Sample rate of raw samples, with --live [default: the model's]
    #[arg(long, value_name = "HZ", conflicts_with = "inputs")]
    rate: Option<u32>,
    /// Format of raw samples, with --live [default: s16]
    #[arg(long, value_name = "FORMAT", value_enum, conflicts_with = "inputs")]
    format: Option<RawFormat>,
    /// Channels of raw samples, with --live: 1 to 16 [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "inputs")]
    channels: Option<usize>,
    /// Print intervals of one label for another program, with --window or --live
    ///
    /// Neighbouring windows with the same label become one interval. Where windows overlap, each one counts as far as its middle is
    /// the nearest. With --live, a label holds until the next one.
    #[arg(long, value_name = "FORMAT", value_enum, requires = "over_time", conflicts_with_all = ["json", "csv"])]
    timeline: Option<Timeline>,
    /// Recordings of the speaker, or a profile that enrol wrote
    ///
    /// All recordings must be of this speaker. The model must be trained with --enrolment.
    #[arg(long, value_name = "DIR|PROFILE")]
    enrol: Option<PathBuf>,
    /// Adapt to the speaker while listening, with --live
    ///
    /// Statistics of the speech so far take the place of a profile: three seconds of it count as one clip.
    #[arg(long, conflicts_with_all = ["inputs", "enrol"], hide_short_help = true)]
    adapt: bool,
    #[command(flatten)]
    gate: Gate,
}

/// What is predicted of recordings with two channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Sides {
    /// The mean of all channels
    #[default]
    Mix,
    /// The first channel
    Left,
    /// The second channel
    Right,
    /// The first and the second channel, each on lines of its own
    Each,
}

impl Sides {
    fn list(self) -> &'static [Side] {
        match self {
            Sides::Mix => &[Side::Mix],
            Sides::Left => &[Side::Left],
            Sides::Right => &[Side::Right],
            Sides::Each => &[Side::Left, Side::Right],
        }
    }

    /// The name of a side in lines, where there are several.
    fn label(self, side: Side) -> Option<&'static str> {
        (self == Sides::Each).then(|| side.name())
    }
}

/// Formats of raw samples, all little-endian.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum RawFormat {
    /// 16-bit integers
    S16,
    /// 24-bit integers, three bytes each
    S24,
    /// 32-bit integers
    S32,
    /// 32-bit floats
    F32,
    /// 8-bit integers, of which 128 is silence
    U8,
    /// A-law (G.711)
    Alaw,
    /// µ-law (G.711)
    Mulaw,
}

impl RawFormat {
    fn encoding(self) -> Encoding {
        match self {
            RawFormat::S16 => Encoding::S16,
            RawFormat::S24 => Encoding::S24,
            RawFormat::S32 => Encoding::S32,
            RawFormat::F32 => Encoding::F32,
            RawFormat::U8 => Encoding::U8,
            RawFormat::Alaw => Encoding::ALaw,
            RawFormat::Mulaw => Encoding::MuLaw,
        }
    }
}

impl Predict {
    pub fn run(self) -> Outcome {
        let format = match (self.json, self.csv) {
            (true, _) => Format::Json,
            (_, true) if self.raw => Format::RawCsv,
            (_, true) => Format::Csv,
            _ => Format::Text,
        };
        if self.live {
            if let Some(step) = self.step {
                check_seconds("step", step).map_err(WrongCall)?;
            }
            let raw = SampleFormat::raw(self.format.unwrap_or(RawFormat::S16).encoding(), self.channels.unwrap_or(1));
            let raw = raw.map_err(|error| WrongCall(error.at("--channels")))?;
            let sides = self.side.list().iter().map(|&side| (side, self.side.label(side))).collect();
            let stream = live::Stream { raw, rate: self.rate, sides };
            let output =
                live::Output { format, timeline: self.timeline, gate: self.gate, step: self.step.unwrap_or(0.0) };
            let file = model_file(self.model.as_deref(), &bundled::SPEECH)?;
            let mut predictor = LivePredictor::new(&file)?;
            if let Some(path) = &self.enrol {
                predictor = predictor.with_profile(&enrol::profile(&file, path)?)?;
            }
            if self.adapt {
                predictor = predictor.adapting()?;
            }
            return live::run(predictor, stream, output);
        }
        let windows = self.windows().map_err(WrongCall)?;
        let mut predictor = Predictor::new(model_file(self.model.as_deref(), &bundled::SPEECH)?)?;
        if let Some(path) = &self.enrol {
            let profile = enrol::profile(predictor.file(), path)?;
            predictor.set_profile(Some(&profile))?;
        }
        let inputs = inputs::recordings(&self.inputs)?;
        if let Some(timeline) = self.timeline.filter(|timeline| !timeline.names_files() && inputs.len() > 1) {
            let name = timeline.to_possible_value().expect("every format has a name");
            let (name, count) = (name.get_name(), inputs.len());
            let problem = format!("--timeline {name}: expected one recording, got {count}");
            return Err(
                WrongCall(Error::new(Kind::Settings, problem).advice("rttm, csv and json name the file")).into()
            );
        }
        interrupt::stop_flag();
        let bar = progress::bar(inputs.len() as u64, "predicting", "files");
        let mut out = std::io::stdout().lock();
        let mut columns = vec!["file"];
        columns.extend((self.side == Sides::Each).then_some("side"));
        columns.extend(windows.map_or(&[][..], |_| &["start", "end"]));
        match self.timeline {
            Some(timeline) => timeline.write_header(&mut out)?,
            None => format.write_header(&mut out, &columns, predictor.labels())?,
        }
        let (mut failures, mut resampled, mut silence) = (Vec::new(), BTreeSet::new(), SilenceNote::default());
        for input in &inputs {
            if interrupt::stopped() {
                failures.push(Error::new(Kind::Interrupted, "stopped before this file").at(input.path.display()));
                continue;
            }
            let file = input.to_string();
            match predict_input(&mut predictor, input, self.side, windows, &mut resampled) {
                Ok(predictions) => bar.suspend(|| -> anyhow::Result<()> {
                    if let Some(timeline) = self.timeline {
                        let (seconds, tracks) = self.tracks(predictions);
                        return timeline.write(&mut out, &file, seconds, &tracks);
                    }
                    for (side, span, prediction) in predictions {
                        let place = Place { file: Some(&file), side, span };
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

    /// Timelines of the windows of a recording, and its length, seconds.
    fn tracks(&self, predictions: Predictions) -> (f64, Vec<Track>) {
        let mut seconds = 0.0;
        let mut sides: Vec<(Option<&'static str>, Vec<Interval>)> = Vec::new();
        for (side, span, prediction) in predictions {
            let Span::Window(start, end) = span else { continue };
            seconds = end;
            if sides.last().is_none_or(|(last, _)| *last != side) {
                sides.push((side, Vec::new()));
            }
            let (_, windows) = sides.last_mut().expect("one was added");
            windows.push(Interval { start, end, label: self.gate.label(&prediction) });
        }
        (seconds, sides.into_iter().map(|(side, windows)| Track::of_windows(side, windows)).collect())
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

/// Side and time of each prediction.
type Predictions = Vec<(Option<&'static str>, Span, Prediction)>;

fn predict_input(
    predictor: &mut Predictor,
    input: &Input,
    sides: Sides,
    windows: Option<(f64, f64)>,
    resampled: &mut BTreeSet<u32>,
) -> Result<Predictions> {
    if inputs::is_features(&input.path) {
        if windows.is_some() {
            return Err(Error::new(Kind::Settings, "windows are cut from recordings, but this is a feature file"));
        }
        if sides != Sides::Mix {
            return Err(Error::new(Kind::Settings, "--side is for recordings, but this is a feature file"));
        }
        let features = clip::features(predictor, &input.path, input.segment)?;
        return Ok(vec![(None, Span::Whole, predictor.predict_features(&features)?)]);
    }
    let rate = predictor.sample_rate()?;
    let features = clip::metadata(predictor).features.clone();
    let mut file = SoundFile::open(&input.path)?;
    let mut is_noted = false;
    let mut predictions = Vec::new();
    for &side in sides.list() {
        // Called once or twice for each side: a recording of any length is read in blocks.
        let mut read = |sink: &mut SampleSink| {
            let mut sound = file.reader(side, input.segment)?;
            if sound.sample_rate() != rate && resampled.insert(sound.sample_rate()) {
                message!("note: resampled from {} Hz to {rate} Hz", sound.sample_rate());
            }
            read_at_rate(&mut sound, rate, &features, &mut |samples| {
                if interrupt::stopped() {
                    return Err(Error::new(Kind::Interrupted, "stopped within this file"));
                }
                sink(samples)
            })?;
            if !std::mem::replace(&mut is_noted, true) {
                sound.into_notes().iter().for_each(|note| inputs::print_note(&input.path, note));
            }
            Ok(())
        };
        let label = sides.label(side);
        match windows {
            None => predictions.push((label, Span::Whole, predictor.predict_blocks(read)?)),
            Some((window, step)) => {
                let seconds = |sample: usize| sample as f64 / rate as f64;
                let to_samples = |seconds: f64| ((seconds * rate as f64).round() as usize).max(1);
                let mut take = |start: usize, samples: &[f32]| {
                    let span = Span::Window(seconds(start), seconds(start + samples.len()));
                    predictions.push((label, span, predictor.predict_samples(samples)?));
                    Ok(())
                };
                let mut windows = Windows::new(to_samples(window), to_samples(step));
                read(&mut |samples| windows.push(samples, &mut take))?;
                windows.finish(&mut take)?;
            }
        }
    }
    Ok(predictions)
}
