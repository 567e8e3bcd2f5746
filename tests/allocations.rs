//! After the largest batch has been seen, a training step allocates nothing; a stream never does after its construction, and live
//! prediction holds the same memory after a second and after ten minutes.

#![allow(unsafe_code)] // an allocator that counts is an unsafe trait

use reslstm::audio::{FeatureSettings, LiveFrontEnd};
use reslstm::data::batch::{Batch, Example};
use reslstm::matrix::Matrix;
use reslstm::models::{LivePredictor, Metadata, Model, ModelFile, Precision, StreamingModel, Tape};
use reslstm::optim::Adam;
use reslstm::packed::Padding;
use reslstm::params::Parameters;
use reslstm::rng;
use reslstm::train::Step;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    /// Bytes allocated and not freed.
    static HEAP: Cell<usize> = const { Cell::new(0) };
    /// The most of them at any time.
    static MOST: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes on to the system's allocator unchanged; the counters themselves never allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        HEAP.set(HEAP.get().wrapping_add(layout.size()));
        MOST.set(MOST.get().max(HEAP.get()));
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HEAP.set(HEAP.get().wrapping_sub(layout.size()));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_training_step_allocates_nothing_after_the_largest_batch() {
    for (arch, padding) in [("reslstm-sa-h16", Padding::Ignored), ("lstm-sa-h5-2vectors", Padding::Counted)] {
        let mut stream = rng::RandomStream::new(1, "clips", 0);
        let mut random = |n: usize| (0..n).map(|_| stream.normal() as f32).collect();
        let examples: Vec<Example<f32>> = (0..40)
            .map(|n| Example { frames: Matrix::from_vec(1 + n, 7, random((1 + n) * 7)), label: n % 3 })
            .collect();
        let architecture = arch.parse().unwrap();
        let mut model = Model::init(architecture, 7, 3, &mut rng::RandomStream::new(2, "init", 0));
        let mut adam = Adam::new(model.parameter_count(), 1e-3);
        let mut step = Step::new(&model);
        let (mut batch, mut tape, mut masks) =
            (Batch::default(), Tape::default(), rng::RandomStream::new(3, "dropout", 0));
        let mut step = |picks: &[usize]| {
            batch.fill(&examples, picks, padding);
            step.take(&mut model, &mut adam, &batch, &mut tape, (0.3, &mut masks), 1e-3);
        };
        step(&[32, 33, 34, 35, 36, 37, 38, 39]);
        let before = ALLOCATIONS.get();
        for picks in [&[0, 1, 2, 3][..], &[39, 5, 17, 30, 2], &[32, 33, 34, 35, 36, 37, 38, 39], &[7, 8]] {
            step(picks);
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "{arch}");
    }
}

#[test]
fn a_stream_allocates_nothing_after_its_construction() {
    for arch in ["reslstm-sa-h16", "lstm-sa-h5-2vectors"] {
        let model = Model::<f32>::init(arch.parse().unwrap(), 7, 3, &mut rng::RandomStream::new(2, "init", 0));
        let mut stream = StreamingModel::new(&model);
        let before = ALLOCATIONS.get();
        for t in 0..100 {
            stream.push(&[t as f32 / 50.0 - 1.0; 7]);
        }
        stream.reset();
        stream.push(&[0.5; 7]);
        assert_eq!(ALLOCATIONS.get() - before, 0, "{arch}");
    }
}

/// The most bytes that `work` needs at any time and leaves allocated, besides those before.
fn heap_of<T>(work: impl FnOnce() -> T) -> [usize; 2] {
    let before = HEAP.get();
    MOST.set(before);
    let _made = work();
    [MOST.get() - before, HEAP.get() - before]
}

#[test]
fn weights_in_static_bytes_are_not_copied() {
    const RATE: u32 = 16_000;
    let settings = FeatureSettings::default();
    let columns = settings.width();
    let labels = vec!["calm".to_string(), "cross".to_string()].try_into().unwrap();
    let mut metadata = Metadata::new("reslstm-sa-h128".into(), labels, RATE, settings.clone());
    (metadata.mean, metadata.std) = (vec![0.0; columns], vec![1.0; columns]);
    let model =
        Model::init(metadata.architecture.parse().unwrap(), columns, 2, &mut rng::RandomStream::new(2, "init", 0));
    let file = ModelFile::new(model, Some(metadata)).unwrap();
    let front_end = heap_of(|| LiveFrontEnd::new(settings, RATE));
    let copied = heap_of(|| LivePredictor::new(&file));
    // 105,000 weights, 420 kB.
    assert!(copied[1] - front_end[1] > 420_000);
    for bytes in [file.to_bytes(), file.to_bytes_with(Precision::F16), file.to_bytes_with(Precision::I8)] {
        let bytes: &'static [u8] = bytes.leak();
        let in_place = heap_of(|| LivePredictor::from_static(bytes).map_err(|error| panic!("{error}")));
        assert!(in_place[1] - front_end[1] < 60_000, "in place: {in_place:?}, front end {front_end:?}");
        assert!(in_place[0] - front_end[0] < 60_000, "in place: {in_place:?}, front end {front_end:?}");
    }
}

#[test]
fn live_prediction_holds_the_same_memory_after_ten_minutes() {
    let settings = FeatureSettings::default().with(|settings| (settings.pitch, settings.deltas) = (2, 3)).unwrap();
    for settings in [settings, FeatureSettings::speech()] {
        assert_memory_stays(settings);
    }
}

fn assert_memory_stays(settings: FeatureSettings) {
    const RATE: u32 = 16_000;
    let columns = settings.width();
    let labels = vec!["calm".to_string(), "cross".to_string()].try_into().unwrap();
    let mut metadata = Metadata::new("reslstm-sa-h8".into(), labels, RATE, settings);
    (metadata.mean, metadata.std) = (vec![0.0; columns], vec![1.0; columns]);
    let architecture = "reslstm-sa-h8".parse().unwrap();
    let model = Model::init(architecture, columns, 2, &mut rng::RandomStream::new(2, "init", 0));
    let mut live = LivePredictor::new(&ModelFile::new(model, Some(metadata)).unwrap()).unwrap();
    // A voice whose pitch and vowels change; and noise, which has the most peaks, under tones that move the tuning.
    let (mut phase, mut t) = (0.0f64, 0.0f64);
    let mut sample = || {
        (t, phase) = (t + 1.0 / f64::from(RATE), phase + (140.0 + 30.0 * (5.0 * t).sin()) / f64::from(RATE));
        let formant = |h: f64| (-((140.0 * h - 800.0 - 500.0 * (18.0 * t).sin()) / 300.0).powi(2)).exp();
        let harmonics = (1..12).map(f64::from).map(|h| formant(h) * (std::f64::consts::TAU * h * phase).sin());
        (0.1 * harmonics.sum::<f64>()) as f32
    };
    let voice: Vec<f32> = (0..RATE).map(|_| sample()).collect();
    let mut stream = rng::RandomStream::new(7, "sound", 0);
    let mut second = |second: usize| -> Vec<f32> {
        if second % 10 < 3 {
            return voice.clone();
        }
        let hz = 300.0 * (0.07 * (second % 40) as f64).exp2();
        let sample = |i: usize| (0.2 * (hz * i as f64 / 2546.5).sin()) as f32 + 0.1 * stream.nearly_normal();
        (0..RATE as usize).map(sample).collect()
    };
    let mut heap = [0; 600];
    for (t, heap) in heap.iter_mut().enumerate() {
        let sound = second(t);
        for portion in sound.chunks(RATE as usize / 50) {
            live.push(portion).unwrap();
        }
        drop(sound);
        *heap = HEAP.get();
    }
    assert_eq!((heap[0], heap[10]), (heap[599], heap[599]), "after 1 s, 11 s and 600 s");
}
