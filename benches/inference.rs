//! Speed of a trained model in use: one clip at once, a stream frame by frame, sound to a label. ResLSTM-SA-h64, as bundled
//! with the command.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reslstm::audio::{Recording, write_wav16};
use reslstm::data::synth::{SAMPLE_RATE, synthesise};
use reslstm::matrix::Matrix;
use reslstm::models::{LivePredictor, ModelFile, Predictor, Stream, Tape};
use reslstm::packed::{Packed, Padding};
use reslstm::rng;
use std::hint::black_box;
use std::time::Duration;

/// Features a frame, and frames of a clip: RAVDESS's mean.
const INPUTS: usize = 46;
const FRAMES: usize = 87;

const MODEL: &[u8] = include_bytes!("../data/reslstm-sa-h64-ravdess.safetensors");

fn file() -> ModelFile {
    ModelFile::from_bytes(MODEL).expect("the bundled weights")
}

fn clip() -> Matrix<f32> {
    let mut stream = rng::Stream::new(0, "clip", 0);
    Matrix::from_vec(FRAMES, INPUTS, (0..FRAMES * INPUTS).map(|_| stream.normal() as f32).collect())
}

/// 87 frames of features, normalised, to scores; to probabilities and a label from features as they are.
fn whole_clip(c: &mut Criterion) {
    let (file, x, mut tape) = (file(), clip(), Tape::default());
    let layout = Packed::new(&[FRAMES], Padding::Ignored);
    let mut predictor = Predictor::new(file.clone()).expect("the bundled weights");
    let mut group = c.benchmark_group("one clip of 87 frames, features given");
    group.throughput(Throughput::Elements(FRAMES as u64));
    group.bench_function("forward", |b| {
        b.iter(|| {
            file.model().forward_eval(&layout, black_box(&x), &mut tape);
            tape.top.logits[(0, 0)]
        });
    });
    group.bench_function("predict", |b| b.iter(|| predictor.predict_features(black_box(&x)).unwrap()));
    group.finish();
}

/// One frame in, probabilities out.
fn streaming(c: &mut Criterion) {
    let (x, mut stream, mut t) = (clip(), Stream::new(file().model()), 0);
    let mut group = c.benchmark_group("streaming");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one frame", |b| {
        b.iter(|| {
            t = (t + 1) % FRAMES;
            stream.push(black_box(x.row(t)))[0]
        });
    });
    group.finish();
}

/// Synthetic speech, as bytes or samples, to a label. Throughput counts samples: 48,000 are a second of sound.
fn sound(c: &mut Criterion) {
    let samples = synthesise(0, &"03-01-05-02-01-01-01".parse().expect("a valid name")).samples;
    let wav = write_wav16(&samples, SAMPLE_RATE);
    let mut predictor = Predictor::new(file()).expect("the bundled weights");
    let mut live = LivePredictor::new(&file()).expect("the bundled weights");
    let predict = |predictor: &mut Predictor| {
        predictor.predict_recording(&Recording::from_wav(black_box(&wav)).unwrap()).unwrap()
    };
    let mut group = c.benchmark_group("sound to a label");
    group.throughput(Throughput::Elements(samples.len() as u64)).sample_size(40);
    group.bench_function("a WAV file", |b| b.iter(|| predict(&mut predictor)));
    group.bench_function("a WAV file, the model loaded for it", |b| {
        b.iter(|| predict(&mut Predictor::from_bytes(MODEL).unwrap()));
    });
    group.bench_function("live", |b| {
        b.iter(|| {
            live.push(black_box(&samples)).unwrap();
            live.finish().unwrap()
        });
    });
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = quick(); targets = whole_clip, streaming, sound }
criterion_main!(benches);
