//! Speed of each layer on a batch of 16 clips of ResLSTM-SA-h64, forward and backward. The LSTM and a whole step are in `engine.rs`.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use reslstm::layers::{Attention, AttentionTape, BatchNorm, BatchNormTape, Linear, LinearTape};
use reslstm::layers::{dropout, residual, softmax_cross_entropy};
use reslstm::matrix::Matrix;
use reslstm::packed::{Packed, Padding};
use reslstm::rng::RandomStream;
use std::hint::black_box;
use std::time::Duration;

/// Features per frame, and frames per clip: the mean of RAVDESS.
const INPUTS: usize = 46;
const FRAMES: usize = 87;
const HIDDEN: usize = 64;
const CLIPS: usize = 16;
const CLASSES: usize = 8;

fn random(rows: usize, cols: usize) -> Matrix<f32> {
    let mut stream = RandomStream::new(0, "bench", (rows * cols) as u64);
    Matrix::from_vec(rows, cols, (0..rows * cols).map(|_| stream.normal() as f32).collect())
}

fn init() -> RandomStream {
    RandomStream::new(0, "init", 0)
}

/// A group whose throughput counts the values of its input.
fn group<'a>(c: &'a mut Criterion, name: &str, x: &Matrix<f32>) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(format!("{name} {:?}", x.shape()));
    group.throughput(Throughput::Elements((x.rows() * x.cols()) as u64));
    group
}

fn attention(c: &mut Criterion) {
    let layout = Packed::new(&[FRAMES; CLIPS], Padding::Ignored);
    let (h, dcontext) = (random(layout.frames(), HIDDEN), random(CLIPS, HIDDEN));
    let layer = Attention::init(HIDDEN, 1, &mut init());
    let (mut tape, mut grads) = (AttentionTape::default(), Attention::zeros(HIDDEN, 1));
    let (mut context, mut dh) = (Matrix::default(), Matrix::default());
    let mut group = group(c, "attention", &h);
    group.bench_function("forward", |b| b.iter(|| layer.forward(&layout, black_box(&h), &mut tape, &mut context)));
    group.bench_function("backward", |b| {
        b.iter(|| layer.backward(&layout, &h, &mut tape, black_box(&dcontext), &mut grads, &mut dh));
    });
}

fn batch_norm(c: &mut Criterion) {
    let (x, dy) = (random(CLIPS * FRAMES, INPUTS), random(CLIPS * FRAMES, INPUTS));
    let layer = BatchNorm::init(INPUTS);
    let (mut tape, mut grads) = (BatchNormTape::default(), BatchNorm::init(INPUTS));
    let (mut y, mut dx) = (Matrix::default(), Matrix::default());
    let mut group = group(c, "batch norm", &x);
    group.bench_function("forward, training", |b| b.iter(|| layer.forward_train(black_box(&x), 0, &mut tape, &mut y)));
    group.bench_function("backward", |b| b.iter(|| layer.backward(&mut tape, black_box(&dy), &mut grads, &mut dx)));
    group.bench_function("forward, evaluation", |b| b.iter(|| layer.forward_eval(black_box(&x), &mut y)));
}

fn residual_connection(c: &mut Criterion) {
    let (x, fx) = (random(CLIPS * FRAMES, INPUTS), random(CLIPS * FRAMES, INPUTS));
    let (mut y, mut dx) = (Matrix::default(), Matrix::zeros(CLIPS * FRAMES, INPUTS));
    let mut group = group(c, "residual connection", &x);
    group.bench_function("forward", |b| b.iter(|| residual::forward(black_box(&x), &fx, &mut y)));
    group.bench_function("backward", |b| b.iter(|| residual::backward(black_box(&fx), &mut dx)));
}

fn dropout_layer(c: &mut Criterion) {
    let x = random(CLIPS, HIDDEN);
    let (mut mask, mut y, mut stream) = (Matrix::default(), Matrix::default(), RandomStream::new(0, "dropout", 0));
    let mut group = group(c, "dropout", &x);
    group.bench_function("mask", |b| b.iter(|| dropout::draw_mask(0.4, CLIPS, HIDDEN, &mut stream, &mut mask)));
    dropout::draw_mask(0.4, CLIPS, HIDDEN, &mut stream, &mut mask);
    group.bench_function("forward", |b| b.iter(|| dropout::forward(black_box(&x), &mask, &mut y)));
    group.bench_function("backward", |b| b.iter(|| dropout::backward(black_box(&x), &mask, &mut y)));
}

fn linear(c: &mut Criterion) {
    let (x, dy) = (random(CLIPS, HIDDEN), random(CLIPS, CLASSES));
    let layer = Linear::init(HIDDEN, CLASSES, &mut init());
    let (mut tape, mut grads) = (LinearTape::default(), Linear::zeros(HIDDEN, CLASSES));
    let (mut y, mut dx) = (Matrix::default(), Matrix::default());
    let mut group = group(c, "linear", &x);
    group.bench_function("forward", |b| b.iter(|| layer.forward(black_box(&x), &mut tape, &mut y)));
    group.bench_function("backward", |b| b.iter(|| layer.backward(&x, &mut tape, black_box(&dy), &mut grads, &mut dx)));
}

fn cross_entropy(c: &mut Criterion) {
    let (z, labels) = (random(CLIPS, CLASSES), (0..CLIPS).map(|n| n % CLASSES).collect::<Vec<_>>());
    let (mut p, mut dz) = (Matrix::default(), Matrix::default());
    let mut group = group(c, "softmax and cross-entropy", &z);
    group.bench_function("forward", |b| b.iter(|| softmax_cross_entropy::forward(black_box(&z), &labels, &mut p)));
    softmax_cross_entropy::forward(&z, &labels, &mut p);
    group.bench_function("backward", |b| b.iter(|| softmax_cross_entropy::backward(black_box(&p), &labels, &mut dz)));
}

fn quick() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(500))
}

criterion_group! {
    name = benches;
    config = quick();
    targets = attention, batch_norm, residual_connection, dropout_layer, linear, cross_entropy
}
criterion_main!(benches);
