//! Speed of ResLSTM-SA-h64 with the paper's 46 inputs, untrained: one whole clip, one clip frame by frame, and from sound to a
//! label.

mod sound;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reslstm::audio::{FeatureSettings, Recording, write_wav16};
use reslstm::labels::Labels;
use reslstm::matrix::Matrix;
use reslstm::models::{LivePredictor, Metadata, Model, ModelFile, Predictor, StreamingModel, Tape};
use reslstm::packed::{Packed, Padding};
use reslstm::rng::RandomStream;
use sound::{SAMPLE_RATE, sound};
use std::hint::black_box;
use std::time::Duration;

/// Features per frame, frames of an average clip, and classes, as in RAVDESS.
const INPUTS: usize = 46;
const FRAMES: usize = 87;
const CLASSES: usize = 8;

fn model() -> Model<f32> {
    let arch = "reslstm-sa-h64".parse().expect("a valid name");
    Model::init(arch, INPUTS, CLASSES, &mut RandomStream::new(0, "init", 0))
}

fn clip() -> Matrix<f32> {
    let mut stream = RandomStream::new(0, "clip", 0);
    Matrix::from_vec(FRAMES, INPUTS, (0..FRAMES * INPUTS).map(|_| stream.normal() as f32).collect())
}

/// Normalised features to scores; features to a prediction.
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

/// One frame to the probabilities of the clip so far.
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

/// A WAV file, or its samples, to a prediction. Throughput is in samples: one second of sound has 48,000.
fn sound_to_label(c: &mut Criterion) {
    let samples = sound();
    let wav = write_wav16(&samples, SAMPLE_RATE);
    let arch = "reslstm-sa-h64".to_string();
    let mut metadata = Metadata::new(arch, Labels::ravdess(), SAMPLE_RATE, FeatureSettings::default());
    (metadata.mean, metadata.std) = (vec![0.0; INPUTS], vec![10.0; INPUTS]);
    let file = ModelFile::new(model(), Some(metadata)).expect("a model");
    let bytes = file.to_bytes();
    let mut predictor = Predictor::new(file.clone()).expect("a model");
    let mut live = LivePredictor::new(&file).expect("a model");
    let predict = |predictor: &mut Predictor| {
        predictor.predict_recording(&Recording::from_wav(black_box(&wav)).unwrap()).unwrap()
    };
    let mut group = c.benchmark_group("sound to a label");
    group.throughput(Throughput::Elements(samples.len() as u64)).sample_size(40);
    group.bench_function("a WAV file", |b| b.iter(|| predict(&mut predictor)));
    group.bench_function("a WAV file, model loading included", |b| {
        b.iter(|| predict(&mut Predictor::from_bytes(&bytes).unwrap()));
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

criterion_group! { name = benches; config = quick(); targets = whole_clip, streaming, sound_to_label }
criterion_main!(benches);
