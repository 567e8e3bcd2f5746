//! Speed of a model in use: one clip at once and a stream frame by frame, by ResLSTM-SA-h64 of the paper's 46 inputs; sound to a
//! label, by the model bundled with the command.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reslstm::audio::{Recording, write_wav16};
use reslstm::data::synth::{SAMPLE_RATE, synthesise};
use reslstm::matrix::Matrix;
use reslstm::models::{LivePredictor, Model, ModelFile, Predictor, StreamingModel, Tape};
use reslstm::packed::{Packed, Padding};
use reslstm::rng;
use std::hint::black_box;
use std::time::Duration;

/// Features a frame, frames of a clip in the mean, and classes: RAVDESS's.
const INPUTS: usize = 46;
const FRAMES: usize = 87;
const CLASSES: usize = 8;

const BUNDLED: &[u8] = include_bytes!("../data/reslstm-sa-h64-ravdess.safetensors");

fn model() -> Model<f32> {
    let arch = "reslstm-sa-h64".parse().expect("a valid name");
    Model::init(arch, INPUTS, CLASSES, &mut rng::Stream::new(0, "init", 0))
}

fn clip() -> Matrix<f32> {
    let mut stream = rng::Stream::new(0, "clip", 0);
    Matrix::from_vec(FRAMES, INPUTS, (0..FRAMES * INPUTS).map(|_| stream.normal() as f32).collect())
}

/// 87 frames of features, normalised, to scores; to probabilities and a label from features as they are.
fn whole_clip(c: &mut Criterion) {
    let (model, x, mut tape) = (model(), clip(), Tape::default());
    let layout = Packed::new(&[FRAMES], Padding::Ignored);
    let file = ModelFile::new(model.clone(), None).expect("a model");
    let mut predictor = Predictor::new(file).expect("a model");
    let mut group = c.benchmark_group("one clip of 87 frames, features given");
    group.throughput(Throughput::Elements(FRAMES as u64));
    group.bench_function("forward", |b| {
        b.iter(|| {
            model.forward_eval(&layout, black_box(&x), &mut tape);
            tape.top.logits[(0, 0)]
        });
    });
    group.bench_function("predict", |b| b.iter(|| predictor.predict_features(black_box(&x)).unwrap()));
    group.finish();
}

/// One frame in, probabilities out.
fn streaming(c: &mut Criterion) {
    let (x, mut stream, mut t) = (clip(), StreamingModel::new(&model()), 0);
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
    let file = ModelFile::from_bytes(BUNDLED).expect("the bundled weights");
    let mut predictor = Predictor::new(file.clone()).expect("the bundled weights");
    let mut live = LivePredictor::new(&file).expect("the bundled weights");
    let predict = |predictor: &mut Predictor| {
        predictor.predict_recording(&Recording::from_wav(black_box(&wav)).unwrap()).unwrap()
    };
    let mut group = c.benchmark_group("sound to a label");
    group.throughput(Throughput::Elements(samples.len() as u64)).sample_size(40);
    group.bench_function("a WAV file", |b| b.iter(|| predict(&mut predictor)));
    group.bench_function("a WAV file, the model loaded for it", |b| {
        b.iter(|| predict(&mut Predictor::from_bytes(BUNDLED).unwrap()));
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
