//! Speed of the front end on one clip: WAV decoding, spectrogram, features, live features. Throughput is in samples: one second
//! of sound has 48,000.

mod sound;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reslstm::audio::{FeatureSettings, FrontEnd, LiveFrontEnd, Recording, write_wav16};
use sound::{SAMPLE_RATE, sound};
use std::hint::black_box;
use std::time::Duration;

fn front_end(c: &mut Criterion) {
    let samples = sound();
    let wav = write_wav16(&samples, SAMPLE_RATE);
    let new = || FrontEnd::new(FeatureSettings::default(), SAMPLE_RATE).expect("valid settings");
    let mut front_end = new();
    let mut live = LiveFrontEnd::new(FeatureSettings::default(), SAMPLE_RATE).expect("valid settings");
    let mut group = c.benchmark_group("front end");
    group.throughput(Throughput::Elements(samples.len() as u64));
    group.bench_function("WAV to samples", |b| b.iter(|| Recording::from_wav(black_box(&wav)).unwrap()));
    // The tuning needs the spectrogram only.
    group.bench_function("STFT and tuning", |b| b.iter(|| front_end.tuning(black_box(&samples)).unwrap()));
    group.bench_function("features, tuning given", |b| {
        b.iter(|| front_end.features_with_tuning(black_box(&samples), 0.1).unwrap());
    });
    group.bench_function("features", |b| b.iter(|| front_end.features(black_box(&samples)).unwrap()));
    group.bench_function("features, live", |b| {
        b.iter(|| {
            let complete = live.push(black_box(&samples)).unwrap().rows();
            complete + live.finish().rows()
        });
    });
    group.finish();
    c.bench_function("front end, setup and first clip", |b| b.iter(|| new().features(black_box(&samples)).unwrap()));
}

fn quick() -> Criterion {
    let times = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    times.sample_size(40)
}

criterion_group! { name = benches; config = quick(); targets = front_end }
criterion_main!(benches);
