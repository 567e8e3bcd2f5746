//! Speed of the engine: products by shape, an LSTM layer, a whole training step, an epoch. A slow kernel passes every test, but shows here.
//!
//! `cargo bench` prints time and throughput; throughput counts floating-point operations, so `Gelem/s` reads as GFLOP/s.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use reslstm::data::batch::{Batch, Example};
use reslstm::data::{Clip, Dataset};
use reslstm::kernels::{Panels, Start, Term, add_outer, product};
use reslstm::labels::Labels;
use reslstm::layers::{Lstm, LstmTape};
use reslstm::matrix::Matrix;
use reslstm::models::{Model, Tape};
use reslstm::optim::Adam;
use reslstm::packed::{Packed, Padding};
use reslstm::params::Parameters;
use reslstm::rng::RandomStream;
use reslstm::train::{Settings, Step, Task, Training};
use std::hint::black_box;
use std::time::Duration;

/// Features per frame, and frames per clip: the mean of RAVDESS.
const INPUTS: usize = 46;
const FRAMES: usize = 87;

fn random(n: usize) -> Vec<f32> {
    let mut stream = RandomStream::new(0, "bench", n as u64);
    (0..n).map(|_| stream.normal() as f32).collect()
}

/// One gate of one time step: `x·W_ihᵀ + h·W_hhᵀ` for 1 to 64 clips.
fn recurrent_product(c: &mut Criterion) {
    let mut group = c.benchmark_group("recurrent product, one gate");
    for hidden in [46, 64] {
        let (mut w_ih, mut w_hh) = (Panels::default(), Panels::default());
        w_ih.pack_transposed(&random(hidden * INPUTS), INPUTS);
        w_hh.pack_transposed(&random(hidden * hidden), hidden);
        let bias = random(hidden);
        for clips in [1, 8, 16, 64] {
            let (x, h) = (random(clips * INPUTS), random(clips * hidden));
            let mut out = vec![0.0; clips * hidden];
            group.throughput(Throughput::Elements((2 * clips * hidden * (INPUTS + hidden)) as u64));
            group.bench_function(BenchmarkId::new(format!("H={hidden}"), clips), |b| {
                let terms = [Term { a: &x, b: &w_ih }, Term { a: &h, b: &w_hh }];
                b.iter(|| product(Start::Row(&bias), &terms, black_box(&mut out)));
            });
        }
    }
    group.finish();
}

/// The gradient of one gate's weights over 256 frames.
fn weight_gradient(c: &mut Criterion) {
    let mut group = c.benchmark_group("weight gradient, 256 frames");
    for (rows, columns) in [(64, 46), (64, 64), (46, 46)] {
        let (a, b) = (random(256 * rows), random(256 * columns));
        let mut packed = Panels::default();
        packed.pack(&b, columns);
        let mut out = vec![0.0; rows * columns];
        group.throughput(Throughput::Elements((2 * 256 * rows * columns) as u64));
        group.bench_function(format!("{rows}x{columns}"), |bench| {
            bench.iter(|| add_outer(&a, &packed, black_box(&mut out)));
        });
    }
    group.finish();
}

/// Forward and backward of LSTM2 of ResLSTM-SA-h64.
fn lstm(c: &mut Criterion) {
    let mut group = c.benchmark_group("LSTM 46 to 64, 87 frames");
    let layer = Lstm::<f32>::init(INPUTS, 64, &mut RandomStream::new(0, "init", 0));
    for clips in [1, 8, 64] {
        let layout = Packed::new(&vec![FRAMES; clips], Padding::Ignored);
        let x = Matrix::from_vec(layout.frames(), INPUTS, random(layout.frames() * INPUTS));
        let dh = Matrix::from_vec(layout.frames(), 64, random(layout.frames() * 64));
        let (mut tape, mut grads, mut dx) = (LstmTape::default(), Lstm::zeros(INPUTS, 64), Matrix::default());
        let forward = 2 * layout.frames() * 4 * 64 * (INPUTS + 64);
        group.throughput(Throughput::Elements(forward as u64));
        group.bench_function(BenchmarkId::new("forward", clips), |b| b.iter(|| layer.forward(&layout, &x, &mut tape)));
        group.throughput(Throughput::Elements(2 * forward as u64));
        group.bench_function(BenchmarkId::new("backward", clips), |b| {
            b.iter(|| layer.backward(&layout, &x, &mut tape, &dh, &mut grads, Some(&mut dx)));
        });
    }
    group.finish();
}

/// One training step of ResLSTM-SA-h64 on one batch: gather, forward, backward, Adam.
fn training_step(c: &mut Criterion) {
    let mut group = c.benchmark_group("training step, ResLSTM-SA-h64");
    let architecture = "reslstm-sa-h64".parse().expect("a valid name");
    for clips in [8, 16, 64] {
        let example = |n: usize| {
            let frames = FRAMES - 12 + n % 24;
            Example { frames: Matrix::from_vec(frames, INPUTS, random(frames * INPUTS)), label: n % 8 }
        };
        let examples: Vec<Example<f32>> = (0..clips).map(example).collect();
        let picks: Vec<usize> = (0..clips).collect();
        let mut model = Model::<f32>::init(architecture, INPUTS, 8, &mut RandomStream::new(0, "init", 0));
        let mut step = Step::new(&model);
        let mut adam = Adam::new(model.parameter_count(), 1e-3);
        let (mut batch, mut tape, mut masks) = (Batch::default(), Tape::default(), RandomStream::new(0, "dropout", 0));
        let frames: usize = examples.iter().map(|example| example.frames.rows()).sum();
        let multiply_adds = 4 * INPUTS * (INPUTS + INPUTS) + 4 * 64 * (INPUTS + 64);
        group.throughput(Throughput::Elements((3 * 2 * frames * multiply_adds) as u64));
        group.bench_function(BenchmarkId::from_parameter(clips), |b| {
            b.iter(|| {
                batch.fill(&examples, &picks, Padding::Ignored);
                step.take(&mut model, &mut adam, &batch, &mut tape, (0.2, &mut masks), 1e-4)
            });
        });
    }
    group.finish();
}

/// A whole epoch over 240 clips, a fifth of RAVDESS's training speakers: shuffle, masks, every batch.
fn epoch(c: &mut Criterion) {
    let mut group = c.benchmark_group("epoch of 240 clips, ResLSTM-SA-h64");
    group.sample_size(10);
    let frames = |n: usize| FRAMES - 12 + n % 24;
    let clip = |n: usize| Clip {
        name: format!("clip {n}"),
        label: n % 8,
        speaker: "somebody".into(),
        features: Matrix::from_vec(frames(n), INPUTS, random(frames(n) * INPUTS)),
    };
    let dataset = Dataset::new(Labels::ravdess(), (0..240).map(clip).collect()).expect("valid clips");
    let default = Settings::default().check().expect("valid settings");
    let task = Task::for_all(&dataset, &default).expect("clips of all classes");
    let multiply_adds = 4 * INPUTS * (INPUTS + INPUTS) + 4 * 64 * (INPUTS + 64);
    group.throughput(Throughput::Elements((3 * 2 * multiply_adds * (0..240).map(frames).sum::<usize>()) as u64));
    for batch in [8, 16, 64] {
        let settings = Settings::default().with(|it| it.batch = batch).check().expect("valid settings");
        let mut training = Training::new(&settings, &task, 0);
        group.bench_function(BenchmarkId::new("batch", batch), |b| b.iter(|| training.epoch(&|| 0.0).unwrap().loss));
    }
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

criterion_group! {
    name = benches;
    config = quick();
    targets = recurrent_product, weight_gradient, lstm, training_step, epoch
}
criterion_main!(benches);
