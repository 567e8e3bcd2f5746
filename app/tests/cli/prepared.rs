//! Features of prepared recordings: the same from any sample rate, at any level, from a file and live.

use crate::test_dir::{CLIP, SMALL, TestDir, wav};
use rayon::prelude::*;
use reslstm::audio::{FeatureSettings, FrontEnd, LiveFrontEnd, Recording};
use reslstm::matrix::Matrix;
use reslstm::models::ModelFile;
use reslstm_cli::corpus::resample::{to_feature_rate, to_rate};
use reslstm_cli::corpus::{find_audio, npy, sound};
use std::path::PathBuf;

const RATE: u32 = FeatureSettings::SPEECH_RATE;

fn pcm16(recording: &Recording) -> Vec<u8> {
    let bytes: Vec<u8> = recording.samples.iter().flat_map(|x| ((x * 32_767.0).round() as i16).to_le_bytes()).collect();
    wav(1, 1, recording.sample_rate, 16, &bytes)
}

fn features(recording: Recording) -> Matrix<f32> {
    let settings = FeatureSettings::speech();
    let recording = to_feature_rate(recording, RATE, &settings).unwrap();
    FrontEnd::new(settings, RATE).unwrap().features(&recording.samples).unwrap()
}

#[test]
fn every_command_takes_recordings_of_every_rate() {
    let dir = TestDir::new("prepared");
    dir.does(&format!("train ../speech -o model.safetensors {SMALL} --inputs speech"));
    let metadata = ModelFile::from_bytes(&dir.read("model.safetensors")).unwrap().metadata().unwrap().clone();
    assert_eq!((metadata.sample_rate, metadata.features), (RATE, FeatureSettings::speech()));

    let clip = Recording::from_wav(&dir.read(CLIP)).unwrap();
    for rate in [48_000, 44_100, 22_050, 16_000] {
        let clip = to_rate(clip.clone(), rate).unwrap();
        dir.write(&format!("clips/{rate}.wav"), pcm16(&clip));
    }
    dir.does("features clips -o features --inputs speech");
    let of = |rate: u32| npy::from_bytes(&dir.read(&format!("features/{rate}.npy"))).unwrap();
    let expected = of(48_000);
    assert_eq!(expected.cols(), FeatureSettings::speech().width());
    for rate in [44_100, 22_050, 16_000] {
        assert!(of(rate).rows().abs_diff(expected.rows()) <= 1, "{rate} Hz");
    }
    dir.is_wrong_call(
        "features clips -o other --inputs speech --rate 48000",
        &["--rate: expected 16000 Hz, that of --inputs speech, got 48000"],
    );

    let probabilities = |line: &str| {
        let predicted = dir.does_json(line);
        let values = predicted["probabilities"].as_object().unwrap().values();
        values.map(|p| p.as_f64().unwrap()).collect::<Vec<f64>>()
    };
    let expected = probabilities("predict clips/48000.wav --model model.safetensors --json");
    for rate in [44_100, 22_050, 16_000] {
        let got = probabilities(&format!("predict clips/{rate}.wav --model model.safetensors --json"));
        let most = got.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(most < 0.05, "{rate} Hz: {got:?}, {expected:?}");
    }
    let ran = dir.run_with_stdin("predict --live --model model.safetensors --json", dir.read("clips/44100.wav"));
    assert!(ran.code == 0 && ran.stdout.lines().count() > 10, "{}", ran.stderr);
    let silent = Recording { sample_rate: RATE, samples: vec![0.0; 50_000] };
    let ran = dir.run_with_stdin("predict --live --model model.safetensors", pcm16(&silent));
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("nobody speaks in stdin"), "{}", ran.stderr);

    for options in ["", " --live"] {
        let scored = dir.does_json(&format!("eval model.safetensors ../speech --json{options}"));
        assert!(scored["clips"].as_u64().unwrap() > 0);
    }
    dir.does(&format!("cv ../speech -o cv --folds 0 {SMALL} --inputs speech"));
    dir.does("robustness cv ../speech");
    dir.does("explain clips/22050.wav -o page.html --model model.safetensors");
    dir.does("export model.safetensors -o model.onnx");
    dir.refuses_saying(
        "export model.safetensors -o front.onnx --with-front-end",
        &["of prepared recordings", "export without --with-front-end"],
    );
}

/// Largest difference of two matrices in these columns, and the mean one.
fn differences(a: &Matrix<f32>, b: &Matrix<f32>, columns: std::ops::Range<usize>) -> (f32, f32) {
    let pairs = a.iter_rows().zip(b.iter_rows()).flat_map(|(a, b)| a.iter().zip(b).enumerate());
    let all: Vec<f32> = pairs.filter(|(column, _)| columns.contains(column)).map(|(_, (a, b))| (a - b).abs()).collect();
    (all.iter().copied().fold(0.0, f32::max), all.iter().sum::<f32>() / all.len() as f32)
}

/// Each of some clips of RAVDESS, measured; none without them.
fn of_ravdess<T: Send>(measure: impl Fn(Recording) -> T + Sync) -> Option<Vec<T>> {
    let Some(ravdess) = std::env::var_os("RAVDESS_DIR").map(PathBuf::from) else {
        println!("skipped: RAVDESS_DIR is not set");
        return None;
    };
    let files: Vec<PathBuf> = find_audio(&ravdess).unwrap().into_iter().step_by(12).collect();
    let read = |path: &PathBuf| sound::decode(&std::fs::read(path).unwrap()).unwrap().recording;
    Some(files.par_iter().map(|path| measure(read(path))).collect())
}

fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values[values.len() / 2]
}

/// A recording of 48 kHz at 16 kHz, by a filter that is not the engine's: a sinc of 1,201 samples that falls from 7.8 to 8 kHz, below
/// Blackman's window.
fn filtered_to_16_khz(recording: &Recording) -> Recording {
    assert_eq!(recording.sample_rate, 3 * RATE);
    const HALF: usize = 600;
    let weight = |n: usize| {
        let (t, phase) = (n as f64 - HALF as f64, std::f64::consts::PI * n as f64 / HALF as f64);
        let cutoff = std::f64::consts::TAU * 7_900.0 / 48_000.0;
        let sinc = if t == 0.0 { cutoff } else { (cutoff * t).sin() / t } / std::f64::consts::PI;
        sinc * (0.42 - 0.5 * phase.cos() + 0.08 * (2.0 * phase).cos())
    };
    let weights: Vec<f32> = (0..=2 * HALF).map(|n| weight(n) as f32).collect();
    let padded = [&[0.0; HALF][..], &recording.samples, &[0.0; HALF]].concat();
    let sample = |window: &[f32]| window.iter().zip(&weights).map(|(x, w)| x * w).sum();
    Recording { sample_rate: RATE, samples: padded.windows(2 * HALF + 1).step_by(3).map(sample).collect() }
}

#[test]
fn ravdess_has_the_same_columns_from_48_and_16_khz() {
    let measured = of_ravdess(|recording| {
        let at_16_khz = filtered_to_16_khz(&recording);
        let (from_48, from_16) = (features(recording), features(at_16_khz));
        (from_48.rows() == from_16.rows()).then(|| differences(&from_48, &from_16, 1..34))
    });
    let Some(measured) = measured else { return };
    let clips = measured.len();
    let same: Vec<(f32, f32)> = measured.into_iter().flatten().collect();
    let largest = same.iter().map(|(most, _)| *most).fold(0.0, f32::max);
    let mean = median(same.iter().map(|(_, mean)| *mean).collect());
    println!("MFCC 1 to 33 from 48 and 16 kHz: {} of {clips} clips have as many frames;", same.len());
    println!("differences: largest {largest:.3}, mean in the median clip {mean:.4}");
    assert!(same.len() * 20 >= clips * 19 && mean < 0.05, "another anti-alias filter is all that differs");
}

#[test]
fn ravdess_has_the_same_columns_at_every_level() {
    let measured = of_ravdess(|recording| {
        let factors = [0.01, 0.0316, 1e-4];
        let expected = features(recording.clone());
        factors.map(|factor| {
            let samples = recording.samples.iter().map(|x| factor * x).collect();
            let got = features(Recording { samples, sample_rate: recording.sample_rate });
            // All but the level column.
            let level = FeatureSettings::speech().level_column().unwrap();
            let of = |columns| differences(&got, &expected, columns).0;
            (got.rows() == expected.rows()).then(|| of(0..level).max(of(level + 1..got.cols())))
        })
    });
    let Some(measured) = measured else { return };
    for (place, level) in [-40, -30, -80].into_iter().enumerate() {
        let same: Vec<f32> = measured.iter().filter_map(|of_clip| of_clip[place]).collect();
        let largest = same.iter().copied().fold(0.0, f32::max);
        let middle = median(same.clone());
        println!("{level} dB: {} of {} clips have as many frames;", same.len(), measured.len());
        println!("largest difference {largest:.4}, in the median clip {middle:.5}");
        assert!(same.len() * 20 >= measured.len() * 19 && middle < 0.01, "{level} dB");
    }
}

#[test]
fn live_levels_of_ravdess_end_as_those_of_the_clips() {
    let measured = of_ravdess(|recording| {
        let recording = to_feature_rate(recording, RATE, &FeatureSettings::speech()).unwrap();
        let mut batch = FrontEnd::new(FeatureSettings::speech(), RATE).unwrap();
        let clip = batch.features(&recording.samples).unwrap();
        let kept = batch.kept(&recording.samples).unwrap().len() as f32 / recording.samples.len() as f32;
        let mut live = LiveFrontEnd::new(FeatureSettings::speech(), RATE).unwrap();
        let mut rows = live.push(&recording.samples).unwrap().as_slice().to_vec();
        rows.extend_from_slice(live.finish().as_slice());
        let rows = Matrix::from_vec(rows.len() / clip.cols(), clip.cols(), rows);
        assert_eq!(rows.shape(), clip.shape());
        // Chroma and pitch are of the frame alone; the last frame comes after all speech.
        assert_eq!(differences(&rows, &clip, 34..48).0, 0.0);
        let last = clip.rows() - 1;
        assert_eq!(rows.row(last)[..49], clip.row(last)[..49], "with the level");
        let in_db = |t: usize| (rows[(t, 0)] - clip[(t, 0)]).abs() / 128f32.sqrt();
        (kept, [0, clip.rows() / 2, 3 * clip.rows() / 4].map(in_db))
    });
    let Some(measured) = measured else { return };
    println!("kept of a clip: {:.3} of it, median", median(measured.iter().map(|it| it.0).collect()));
    for (place, name) in ["first", "middle", "three quarters"].into_iter().enumerate() {
        let of_clips: Vec<f32> = measured.iter().map(|it| it.1[place]).collect();
        let most = of_clips.iter().copied().fold(0.0, f32::max);
        println!("mean band of the {name} frame, live and file: median {:.2} dB, most {most:.2}", median(of_clips));
    }
}
