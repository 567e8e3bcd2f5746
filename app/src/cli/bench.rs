//! `bench`

mod measure;

use super::{Done, Outcome, bundled, print_line, progress};
use clap::Args;
use measure::{Inference, TrainingTime};
use reslstm::kernels::{Level, peak};
use reslstm::models::Architecture;
use serde::Serialize;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// Architecture of the measurements.
const ARCH: &str = "reslstm-sa-h64";
/// Number of frames of RAVDESS's fold 0, training speakers.
const FOLD_0_FRAMES: f64 = 88_881.0;
const BATCHES: [usize; 3] = [8, 16, 64];
const HIDDEN: [usize; 6] = [16, 32, 64, 128, 256, 512];
const CLIPS: [usize; 4] = [10, 100, 1_000, 10_000];

/// Measure the speed of training, prediction and features on this machine.
///
/// Runs on one thread for about 15 seconds; run nothing else meanwhile for reliable figures. No corpus is needed: training uses
/// random features, the front end synthetic speech.
#[derive(Debug, Args)]
#[command(after_help = "Example: reslstm bench --json > bench.json")]
pub struct Bench {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub fn run(self) -> Outcome {
        let bar =
            progress::bar((1 + BATCHES.len() + HIDDEN.len() + CLIPS.len() + 1) as u64, "measuring", "measurements");
        let mut count = 0;
        let seconds = measure::fastest(Duration::from_millis(300), || count = peak::multiply_adds());
        // A multiply-add counts as two operations.
        let peak = (2 * count) as f64 / seconds / 1e9;
        bar.inc(1);
        let arch: Architecture = ARCH.parse()?;
        let steps = BATCHES.map(|batch| {
            let training = TrainingTime::step(arch, batch);
            bar.inc(1);
            StepSpeed {
                batch,
                ms: 1e3 * training.seconds,
                gflops: training.gflops(),
                of_peak: training.gflops() / peak,
                fold_0_epoch_seconds: FOLD_0_FRAMES * training.seconds / training.frames as f64,
            }
        });
        let models = HIDDEN.map(|hidden| {
            let arch = Architecture::new(arch.family(), hidden, arch.vectors()).expect("valid sizes");
            let training = TrainingTime::step(arch, 16);
            bar.inc(1);
            ModelSpeed { hidden, gflops: training.gflops() }
        });
        let data = CLIPS.map(|clips| {
            let training = TrainingTime::epoch(arch, 8, clips);
            bar.inc(1);
            DataSpeed { clips, us_a_frame: 1e6 * training.seconds / training.frames as f64 }
        });
        let inference = Inference::measure(arch, bundled::PAPER.bytes)?;
        bar.finish_and_clear();
        let report = Report {
            version: env!("CARGO_PKG_VERSION"),
            level: Level::current(),
            arch: ARCH,
            peak_gflops: peak,
            steps,
            models,
            data,
            inference,
        };
        if self.json {
            print_line(serde_json::to_string(&report)?)?;
        } else {
            print_line(report)?;
        }
        Ok(Done::Everything)
    }
}

/// Speed of a training step.
#[derive(Clone, Debug, Serialize)]
struct StepSpeed {
    batch: usize,
    ms: f64,
    gflops: f64,
    of_peak: f64,
    fold_0_epoch_seconds: f64,
}

/// Training speed by size of the model.
#[derive(Clone, Debug, Serialize)]
struct ModelSpeed {
    hidden: usize,
    gflops: f64,
}

/// Training speed by size of the data.
#[derive(Clone, Debug, Serialize)]
struct DataSpeed {
    clips: usize,
    us_a_frame: f64,
}

/// All measurements; as text they fit on one screen.
#[derive(Clone, Debug, Serialize)]
struct Report {
    version: &'static str,
    #[serde(serialize_with = "name_of")]
    level: Level,
    arch: &'static str,
    peak_gflops: f64,
    steps: [StepSpeed; BATCHES.len()],
    models: [ModelSpeed; HIDDEN.len()],
    data: [DataSpeed; CLIPS.len()],
    inference: Inference,
}

fn name_of<S: serde::Serializer>(level: &Level, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(level)
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Report { version, level, arch, peak_gflops, inference, .. } = self;
        writeln!(f, "reslstm {version}, {level}, one thread; every figure is the fastest of several rounds\n")?;
        writeln!(f, "peak of multiply-adds, measured              {peak_gflops:>8.1} GFLOP/s\n")?;
        writeln!(f, "training {arch}, clips of 87 frames of 46 features")?;
        writeln!(f, "  batch    ms/step  GFLOP/s  of the peak  epoch of RAVDESS fold 0 (88,881 frames)")?;
        for StepSpeed { batch, ms, gflops, of_peak, fold_0_epoch_seconds } in &self.steps {
            writeln!(
                f,
                "  {batch:>5}  {ms:>9.2}  {gflops:>7.1}  {:>9.1} %  {fold_0_epoch_seconds:.3} s",
                100.0 * of_peak
            )?;
        }
        writeln!(f, "\nby model size, batch 16")?;
        line(f, "hidden units", self.models.iter().map(|model| model.hidden.to_string()))?;
        line(f, "GFLOP/s", self.models.iter().map(|model| format!("{:.1}", model.gflops)))?;
        writeln!(f, "by number of clips, batch 8")?;
        line(f, "clips", self.data.iter().map(|data| data.clips.to_string()))?;
        line(f, "µs/frame", self.data.iter().map(|data| format!("{:.2}", data.us_a_frame)))?;

        let Inference { clip_us, frame_us, live_frame_us, features_ms, wav_seconds, wav_ms, load_ms } = inference;
        writeln!(f, "\nprediction by {arch}, from features")?;
        writeln!(f, "  a clip of 87 frames                        {clip_us:>8.1} µs")?;
        writeln!(f, "  streaming, per frame                       {frame_us:>8.2} µs")?;
        writeln!(f, "prediction by {}, from sound", bundled::PAPER)?;
        writeln!(f, "  live, per frame                            {live_frame_us:>8.1} µs")?;
        writeln!(f, "  features, per second of sound              {features_ms:>8.3} ms")?;
        writeln!(f, "  a WAV file of {wav_seconds:.1} s                        {wav_ms:>8.2} ms")?;
        write!(f, "  the same, loading the model first          {load_ms:>8.2} ms")
    }
}

/// Writes a row of figures.
fn line(f: &mut Formatter<'_>, what: &str, figures: impl Iterator<Item = String>) -> fmt::Result {
    write!(f, "  {what:<12}")?;
    for figure in figures {
        write!(f, "  {figure:>7}")?;
    }
    writeln!(f)
}
