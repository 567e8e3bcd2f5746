//! `features AUDIO|DIR… -o DIR`

use super::inputs::{self, Input};
use super::notes::Notes;
use super::options::{WrongCall, check_rate};
use super::source::PAPER_RATE;
use super::{Outcome, interrupt, progress};
use crate::corpus::{self, ClipFeatures, ClipSource, Work, npy, sound};
use crate::files::{self, Existing};
use clap::{Args, ValueEnum};
use reslstm::audio::FeatureSettings;
use reslstm::data::condition::Condition;
use reslstm::error::{Error, Kind};
use reslstm::matrix::Matrix;
use reslstm::train::{Inputs, Settings};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Write features of recordings, one file per clip.
///
/// A file has one row per frame: by default 34 MFCC, then 12 chroma, as librosa computes them, not normalised. Subfolders are
/// kept, and the feature cache is not used. Of recordings that differ in their ending alone, as clip.wav and clip.mp3, the files
/// keep it: clip.wav.npy. If a recording is broken, it is reported, the others are written, and the exit code is 1.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm features ravdess -o features --format csv")]
pub struct Features {
    /// Recordings (WAV, FLAC, MP3, Ogg, Opus, M4A, AIFF), folders of recordings, or tables (.csv) with a column path and, for parts
    /// of recordings, start and end
    #[arg(required = true, value_name = "AUDIO|DIR|TABLE")]
    inputs: Vec<PathBuf>,
    /// Folder for the feature files
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Feature set: paper, deltas, all, pitch, voice or speech
    ///
    /// paper: 34 MFCC and 12 chroma; deltas: 34 MFCC and 12 deltas; all: these three; pitch: all, voicing and pitch; voice: pitch
    /// without chroma; speech: the columns of pitch, all at 16,000 Hz, long silence left out, speech at one level.
    #[arg(long = "inputs", value_name = "NAME", default_value_t)]
    kinds: Inputs,
    /// Window length in milliseconds [default: 4096 samples at every sample rate; 85.33 with --hop-ms]
    ///
    /// The transform has the next power of two, with zeros around the window (librosa's win_length). At 48,000 Hz 85.33 ms are 4096
    /// samples.
    #[arg(long, value_name = "MS")]
    window_ms: Option<f64>,
    /// Milliseconds from one frame to the next [default: 2048 samples at every sample rate; 42.67 with --window-ms]
    #[arg(long, value_name = "MS")]
    hop_ms: Option<f64>,
    /// Resample recordings to this sample rate [default: each keeps its own; with --inputs speech 16,000]
    #[arg(long, value_name = "HZ")]
    rate: Option<u32>,
    /// File format
    #[arg(long, value_enum, default_value_t = Format::Npy)]
    format: Format,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// NumPy, float32
    Npy,
    /// Text with a header; numbers keep all digits
    Csv,
}

impl Features {
    pub fn run(self) -> Outcome {
        let settings = Settings::default().with(|settings| {
            (settings.inputs, settings.window_ms, settings.hop_ms) = (self.kinds, self.window_ms, self.hop_ms);
        });
        let settings = settings.check().map_err(|error| WrongCall(Error::new(error.kind(), format!("--{error}"))))?;
        self.rate.map_or(Ok(()), check_rate)?;
        let own_rate = self.kinds.sample_rate();
        if let (Some(expected), Some(got)) = (own_rate, self.rate.filter(|&rate| Some(rate) != own_rate)) {
            let problem = format!("--rate: expected {expected} Hz, that of --inputs {}, got {got}", self.kinds);
            return Err(WrongCall(Error::new(Kind::Settings, problem)).into());
        }
        let resample_to = own_rate.or(self.rate);
        let inputs = inputs::recordings(&self.inputs)?;
        let extension = if self.format == Format::Npy { "npy" } else { "csv" };
        let existing = if self.force { Existing::Replace } else { Existing::Refuse };
        let relative: BTreeSet<&Path> = inputs.iter().map(|input| input.relative.as_path()).collect();
        let mut endings = HashMap::new();
        relative.iter().for_each(|path| *endings.entry(path.with_extension("")).or_insert(0) += 1);
        // Names that differ in their endings alone keep them.
        let output = |input: &Input| {
            let ending = input.relative.extension().unwrap_or_default().to_string_lossy();
            self.output.join(match endings[&input.relative.with_extension("")] {
                1 => input.relative.with_extension(extension),
                _ => input.relative.with_extension(format!("{ending}.{extension}")),
            })
        };
        let mut outputs = HashMap::new();
        for input in &inputs {
            files::check_writable(&output(input), existing)
                .map_err(|error| error.advice("--force overwrites existing files"))?;
            if let Some(other) = outputs.insert(output(input), &input.path) {
                let problem =
                    format!("{} and {} would both be written to this file", other.display(), input.path.display());
                let error = Error::new(Kind::Settings, problem).at(output(input).display());
                return Err(error.advice("give their common folder instead: subfolders are kept").into());
            }
        }
        let bar = progress::bar(inputs.len() as u64, "features", "clips");
        let (progress, stop) = (&|_, _| bar.inc(1), interrupt::stop_flag());
        let (notes, mut failures) = (Notes::default(), Vec::new());
        let note = &|path: &Path, note| notes.add(path, note);
        let by_rate = by_rate(resample_to, &inputs);
        for (&rate, inputs) in &by_rate {
            let features = settings.features(rate)?;
            let condition = Condition::AsRecorded;
            let work = Work { settings: &features, rate: resample_to, condition, cache: None, progress, note, stop };
            let write = |index: usize, clip: ClipFeatures| {
                let bytes = match self.format {
                    Format::Npy => npy::to_bytes(&clip.features),
                    Format::Csv => csv_text(&features, &clip.features).into_bytes(),
                };
                files::write_replaceable(&output(inputs[index]), &bytes)
            };
            let clips: Vec<ClipSource<'_>> =
                inputs.iter().map(|input| ClipSource { path: &input.path, segment: input.segment }).collect();
            failures.extend(corpus::extract(&clips, &work, write)?.into_iter().filter_map(Result::err));
        }
        bar.finish_and_clear();
        notes.print();
        if settings.frames_follow_sample_rate() {
            by_rate.iter().for_each(|(&rate, inputs)| note_frames(rate, inputs.len()));
        }
        inputs::summarise(failures, inputs.len())
    }
}

/// The recordings by the sample rate of their features; those that cannot be read as at the paper's, as their errors come later.
fn by_rate(resample_to: Option<u32>, inputs: &[Input]) -> BTreeMap<u32, Vec<&Input>> {
    let mut by_rate: BTreeMap<u32, Vec<&Input>> = BTreeMap::new();
    for input in inputs {
        let rate = resample_to.or_else(|| sound::sample_rate(&input.path)).unwrap_or(PAPER_RATE);
        by_rate.entry(rate).or_default().push(input);
    }
    by_rate
}

/// Says that frames in samples have another duration at this rate.
fn note_frames(rate: u32, recordings: usize) {
    if rate != PAPER_RATE {
        let ms = 4096.0 * 1000.0 / f64::from(rate);
        message!(
            "note: {recordings} recordings at {rate} Hz: windows of 4096 samples are {ms:.2} ms there, and 85.33 ms at {PAPER_RATE} Hz; \
             --window-ms 85.33 and --rate HZ make them alike"
        );
    }
}

/// CSV with the header `mfcc_0,…,chroma_11` and one line per frame. Numbers read back to the same bits.
fn csv_text(settings: &FeatureSettings, features: &Matrix<f32>) -> String {
    let columns =
        |(kind, count): (&'static str, usize)| (0..count).map(move |k| format!("{}_{k}", kind.to_lowercase()));
    let header: Vec<String> = settings.kinds().flat_map(columns).collect();
    let mut text = header.join(",") + "\n";
    for row in features.iter_rows() {
        let row: Vec<String> = row.iter().map(f32::to_string).collect();
        text += &row.join(",");
        text.push('\n');
    }
    text
}
