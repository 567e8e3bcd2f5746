//! Time measurements of training and prediction.

use crate::synth;
use reslstm::audio::{FrontEnd, Recording, write_wav16};
use reslstm::data::batch::{Batch, Example, batches};
use reslstm::error::Result;
use reslstm::matrix::Matrix;
use reslstm::models::{Architecture, LivePredictor, Model, ModelFile, Predictor, StreamingModel, Tape};
use reslstm::optim::Adam;
use reslstm::packed::Padding;
use reslstm::params::Parameters;
use reslstm::rng;
use reslstm::train::Step;
use serde::Serialize;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Features per frame, mean frames per clip, and classes, as in RAVDESS.
const INPUTS: usize = 46;
const FRAMES: usize = 87;
const CLASSES: usize = 8;
/// Time for each measurement.
const BUDGET: Duration = Duration::from_millis(500);

/// Time of the fastest call of `work`, seconds. Calls are repeated for `budget`, after one to warm up.
pub fn fastest(budget: Duration, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    let mut fastest = f64::INFINITY;
    while fastest.is_infinite() || start.elapsed() < budget {
        let start = Instant::now();
        work();
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    fastest
}

/// Time of a training.
pub struct TrainingTime {
    arch: Architecture,
    /// Number of frames.
    pub frames: usize,
    /// Their training time, seconds.
    pub seconds: f64,
}

impl TrainingTime {
    /// Measures one step on a batch.
    pub fn step(arch: Architecture, batch: usize) -> Self {
        let mut work = Work::new(arch, batch);
        let all: Vec<usize> = (0..batch).collect();
        TrainingTime { arch, frames: work.frames(), seconds: fastest(BUDGET, || work.train(&all, batch)) }
    }

    /// Measures one pass over `clips` clips, in random order.
    pub fn epoch(arch: Architecture, batch: usize, clips: usize) -> Self {
        let mut work = Work::new(arch, clips);
        let mut order: Vec<usize> = (0..clips).collect();
        rng::RandomStream::new(0, "order", 0).shuffle(&mut order);
        // Memory is allocated after a few clips: no need to warm up on thousands.
        work.train(&order[..clips.min(100)], batch);
        let (frames, start) = (work.frames(), Instant::now());
        work.train(&order, batch);
        let mut seconds = start.elapsed().as_secs_f64();
        while start.elapsed() < BUDGET {
            let start = Instant::now();
            work.train(&order, batch);
            seconds = seconds.min(start.elapsed().as_secs_f64());
        }
        TrainingTime { arch, frames, seconds }
    }

    /// Speed of the LSTMs' products, GFLOP/s. Per frame these are the multiply-adds of the forward pass and twice as many
    /// backward (for the weights and for the input), two operations each. Other work of a step counts as time only.
    pub fn gflops(&self) -> f64 {
        let forward = self.arch.multiply_adds(INPUTS);
        (3 * 2 * forward * self.frames) as f64 / self.seconds / 1e9
    }
}

/// An untrained model with the paper's inputs.
fn untrained(arch: Architecture) -> Model<f32> {
    Model::init(arch, INPUTS, CLASSES, &mut rng::RandomStream::new(0, "init", 0))
}

/// A training on random features.
struct Work {
    examples: Vec<Example<f32>>,
    model: Model<f32>,
    step: Step<f32>,
    adam: Adam<f32>,
    batch: Batch<f32>,
    tape: Tape<f32>,
    masks: rng::RandomStream,
}

impl Work {
    fn new(arch: Architecture, clips: usize) -> Self {
        let model = untrained(arch);
        // The full number of clips in memory, but copies of a few: drawing them all would take longer than training on them.
        let few: Vec<_> = (0..clips.min(48)).map(|n| features(FRAMES - 12 + n % 24, n)).collect();
        Work {
            examples: (0..clips).map(|n| Example { frames: few[n % few.len()].clone(), label: n % CLASSES }).collect(),
            step: Step::new(&model),
            adam: Adam::new(model.parameter_count(), 1e-3),
            model,
            batch: Batch::default(),
            tape: Tape::default(),
            masks: rng::RandomStream::new(0, "dropout", 0),
        }
    }

    fn frames(&self) -> usize {
        self.examples.iter().map(|example| example.frames.rows()).sum()
    }

    fn train(&mut self, clips: &[usize], size: usize) {
        for picks in batches(clips, size) {
            self.batch.fill(&self.examples, picks, Padding::Ignored);
            let dropout = (0.4, &mut self.masks);
            self.step.take(&mut self.model, &mut self.adam, &self.batch, &mut self.tape, dropout, 1e-4);
        }
    }
}

/// Random features `[frames,D]`, seeded by `index`.
fn features(frames: usize, index: usize) -> Matrix<f32> {
    let mut stream = rng::RandomStream::new(0, "features", index as u64);
    Matrix::from_vec(frames, INPUTS, (0..frames * INPUTS).map(|_| stream.normal() as f32).collect())
}

/// Time of predictions.
#[derive(Clone, Debug, Serialize)]
pub struct Inference {
    /// From features of a clip to probabilities, µs.
    pub clip_us: f64,
    /// From features of one frame to probabilities, µs.
    pub frame_us: f64,
    /// From samples of one frame to probabilities, µs.
    pub live_frame_us: f64,
    /// From one second of sound to features, ms.
    pub features_ms: f64,
    /// Duration of the WAV file, s.
    pub wav_seconds: f64,
    /// From its bytes to probabilities, ms.
    pub wav_ms: f64,
    /// The same, reading the model from its bytes first, ms.
    pub load_ms: f64,
}

impl Inference {
    /// Measures prediction from features by an untrained model, and from sound by the model in `bundled`.
    pub fn measure(arch: Architecture, bundled: &[u8]) -> Result<Self> {
        let model = untrained(arch);
        let file = ModelFile::from_bytes(bundled)?;
        let mut predictor = Predictor::new(file.clone())?;
        let mut of_features = Predictor::new(ModelFile::new(model.clone(), None)?)?;
        let name = "03-01-05-02-01-01-01".parse().expect("a valid name");
        let samples = synth::synthesise(0, &name).samples;
        let wav = write_wav16(&samples, synth::SAMPLE_RATE);
        let seconds = samples.len() as f64 / f64::from(synth::SAMPLE_RATE);
        let clip = features(FRAMES, 0);

        // Errors are handled here once: the measurements repeat the same calls.
        of_features.predict_features(&clip)?;
        predictor.predict_recording(&Recording::from_wav(&wav)?)?;
        let ok = "as before";
        let predict_features = || {
            black_box(of_features.predict_features(&clip).expect(ok));
        };
        let clip_us = 1e6 * fastest(BUDGET, predict_features);
        let mut stream = StreamingModel::new(&model);
        let push_all = || {
            for frame in clip.iter_rows() {
                black_box(stream.push(frame));
            }
        };
        let frame_us = 1e6 / FRAMES as f64 * fastest(BUDGET, push_all);
        let mut live = LivePredictor::new(&file)?;
        let frames = 1 + samples.len() / predictor.metadata().expect(ok).features.hop;
        let listen = || {
            live.push(&samples).expect(ok);
            black_box(live.finish().expect(ok));
        };
        let live_frame_us = 1e6 / frames as f64 * fastest(BUDGET, listen);
        let mut front_end = FrontEnd::new(predictor.metadata().expect(ok).features.clone(), synth::SAMPLE_RATE)?;
        let make_features = || {
            black_box(front_end.features(&samples).expect(ok));
        };
        let features_ms = 1e3 / seconds * fastest(BUDGET, make_features);
        let predict = |predictor: &mut Predictor| {
            let recording = Recording::from_wav(&wav).expect(ok);
            black_box(predictor.predict_recording(&recording).expect(ok));
        };
        let wav_ms = 1e3 * fastest(BUDGET, || predict(&mut predictor));
        let load_ms = 1e3 * fastest(BUDGET, || predict(&mut Predictor::from_bytes(bundled).expect(ok)));
        Ok(Inference { clip_us, frame_us, live_frame_us, features_ms, wav_seconds: seconds, wav_ms, load_ms })
    }
}
