//! No frame of live prediction costs much more than another: instructions per frame, counted by callgrind.

use reslstm::audio::FeatureSettings;
use reslstm::models::{LivePredictor, Metadata, Model, ModelFile};
use reslstm::rng::RandomStream;
use std::path::Path;
use std::process::Command;

const RATE: u32 = 48_000;
/// The part of the recording that does not count: the first second.
const FIRST: usize = 24;

/// Counting begins anew with a call of this.
#[inline(never)]
fn begin_counting() {
    std::hint::black_box(());
}

/// Prediction for the one frame that `samples` complete. Its instructions are counted.
#[inline(never)]
fn one_frame(live: &mut LivePredictor, samples: &[f32]) -> usize {
    live.push(samples).unwrap().len()
}

/// The size of the bundled model, with the paper's features.
fn live_predictor() -> LivePredictor {
    let settings = FeatureSettings::default();
    let columns = settings.width();
    let labels = vec!["calm".to_string(), "cross".to_string()].try_into().unwrap();
    let mut metadata = Metadata::new("reslstm-sa-h64".into(), labels, RATE, settings);
    (metadata.mean, metadata.std) = (vec![0.0; columns], vec![1.0; columns]);
    let architecture = "reslstm-sa-h64".parse().unwrap();
    let model = Model::init(architecture, columns, 2, &mut RandomStream::new(2, "init", 0));
    LivePredictor::new(&ModelFile::new(model, Some(metadata)).unwrap()).unwrap()
}

/// What callgrind runs: 20 s of a voice whose pitch changes, and with it the tuning.
#[test]
#[ignore = "a test below runs it, under valgrind"]
fn voice_under_valgrind() {
    stream(20, 0.1, 0.001);
}

/// What callgrind runs: 45 s of noise, which has the most peaks, so that those that are kept become a sample.
#[test]
#[ignore = "a test below runs it, under valgrind"]
fn noise_under_valgrind() {
    stream(45, 0.01, 0.1);
}

/// Streams so many seconds of voice and noise of these loudnesses, frame by frame.
fn stream(seconds: usize, voice: f64, noise: f32) {
    let hop = FeatureSettings::default().hop;
    let mut live = live_predictor();
    let mut stream = RandomStream::new(3, "sound", 0);
    // One period of a voice, made once: sines under valgrind cost more than the prediction.
    let period = 1 << 14;
    let turn = |n: usize| n as f64 / period as f64 * std::f64::consts::TAU;
    let of_period = |n: usize| (1..20).map(|h| (turn(n) * f64::from(h)).sin() / f64::from(h)).sum();
    let wave: Vec<f64> = (0..period).map(of_period).collect();
    let mut phase = 0.0f64;
    for t in 0..seconds * RATE as usize / hop {
        let step = 150.0 * (0.3 * (t as f64 / 5.0).sin()).exp2() / f64::from(RATE);
        let sample = |_| {
            phase = (phase + step).fract();
            (voice * wave[(phase * period as f64) as usize]) as f32 + noise * stream.nearly_normal()
        };
        let samples: Vec<f32> = (0..hop).map(sample).collect();
        begin_counting();
        assert_eq!(one_frame(&mut live, &samples), 1);
    }
}

/// Instructions of each call of [`one_frame`] in a test; none without valgrind.
fn count(test: &str, folder: &Path) -> Option<Vec<u64>> {
    let out = folder.join("frame");
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-before=*begin_counting*", "--dump-after=*one_frame*", "--dump-line=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--test-threads=1"])
        .output()
        .ok()?;
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let dumps = (1..).map_while(|place| std::fs::read_to_string(format!("{}.{place}", out.display())).ok());
    let of_frame = |dump: String| {
        let total = dump.lines().find_map(|line| line.strip_prefix("summary: "))?;
        dump.contains("Trigger: --dump-after").then(|| total.trim().parse().unwrap())
    };
    Some(dumps.filter_map(of_frame).collect())
}

/// No frame after the first second has more than twice the instructions of the median frame.
fn assert_even(test: &str, seconds: usize) {
    if cfg!(debug_assertions) {
        eprintln!("skipped: instructions count in an optimised build (cargo test --release)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(counts) = count(test, folder.path()) else {
        eprintln!("skipped: valgrind is not installed");
        return;
    };
    assert!(counts.len() >= 23 * seconds, "{} frames", counts.len());
    let counts = &counts[FIRST..];
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    let (median, most) = (sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
    let at = FIRST + counts.iter().position(|&count| count == most).unwrap();
    eprintln!("{test}: {} to {most} instructions per frame, median {median}; the most in frame {at}", sorted[0]);
    assert!(most <= 2 * median, "{test}: frame {at} has {most} instructions, the median is {median}");
}

#[test]
fn no_live_frame_of_a_voice_costs_more_than_twice_the_median() {
    assert_even("voice_under_valgrind", 20);
}

#[test]
fn no_live_frame_of_noise_costs_more_than_twice_the_median() {
    assert_even("noise_under_valgrind", 45);
}
