//! One seed gives the same bytes on AVX2 and AVX-512: features, training, predictions and model file. A process has one
//! instruction set, so the test runs itself once per set.

use reslstm::audio::{FeatureSettings, FrontEnd};
use reslstm::data::batch::{Batch, Example};
use reslstm::kernels::{Level, limit_level};
use reslstm::models::{Model, ModelFile, Predictor, Tape};
use reslstm::optim::Adam;
use reslstm::packed::Padding;
use reslstm::params::Parameters;
use reslstm::rng::RandomStream;
use reslstm::train::Step;
use std::process::Command;

/// Set in the processes that the test starts: the instruction set to use.
const LEVEL: &str = "TEST_LEVEL";
/// Set likewise: the file to write.
const OUTPUT: &str = "TEST_OUTPUT";

const RATE: u32 = 16_000;

/// A second or less of a harmonic tone in noise.
fn sound(clip: usize) -> Vec<f32> {
    let mut stream = RandomStream::new(1, "sound", clip as u64);
    let pitch = 110.0 + 13.0 * clip as f64;
    let tone = |n: usize| {
        (1..6).map(|k| (f64::from(k) * pitch * std::f64::consts::TAU * n as f64 / f64::from(RATE)).sin()).sum::<f64>()
    };
    (0..8_000 + 700 * clip).map(|n| (0.05 * tone(n) + 0.01 * stream.normal()) as f32).collect()
}

/// The bits of features, losses, model file and predictions.
fn bytes_of_a_training() -> Vec<u8> {
    let mut front_end = FrontEnd::new(FeatureSettings::default(), RATE).unwrap();
    let clips: Vec<_> = (0..12).map(|clip| front_end.features(&sound(clip)).unwrap()).collect();
    let mut bytes: Vec<u8> = clips.iter().flat_map(|clip| clip.as_slice()).flat_map(|x| x.to_le_bytes()).collect();
    let examples: Vec<_> = clips.iter().enumerate().map(|(n, x)| Example { frames: x.clone(), label: n % 3 }).collect();
    let inputs = clips[0].cols();
    let mut model =
        Model::<f32>::init("reslstm-sa-h20".parse().unwrap(), inputs, 3, &mut RandomStream::new(2, "init", 0));
    let (mut step, mut adam) = (Step::new(&model), Adam::new(model.parameter_count(), 1e-3));
    let (mut batch, mut tape, mut masks) = (Batch::default(), Tape::default(), RandomStream::new(3, "dropout", 0));
    for _ in 0..2 {
        for picks in [[0, 5, 7, 2, 9], [1, 3, 4, 6, 8], [11, 10, 0, 3, 5]] {
            batch.fill(&examples, &picks, Padding::Ignored);
            let loss = step.take(&mut model, &mut adam, &batch, &mut tape, (0.3, &mut masks), 1e-3);
            bytes.extend(loss.to_le_bytes());
        }
    }
    let file = ModelFile::new(model, None).unwrap();
    bytes.extend(file.to_bytes());
    let mut predictor = Predictor::new(file).unwrap();
    for clip in &clips {
        let prediction = predictor.predict_features(clip).unwrap();
        bytes.extend(prediction.probabilities.iter().flat_map(|p| p.to_le_bytes()));
    }
    bytes
}

#[test]
fn avx2_and_avx512_train_the_same_model() {
    if let Ok(level) = std::env::var(LEVEL) {
        let level: Level = level.parse().unwrap();
        limit_level(level).unwrap();
        assert_eq!(Level::current(), level);
        return std::fs::write(std::env::var(OUTPUT).unwrap(), bytes_of_a_training()).unwrap();
    }
    if !Level::Avx512.available() {
        println!("skipped: this processor has no AVX-512 to compare with");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [avx2, avx512] = [Level::Avx2, Level::Avx512].map(|level| {
        let output = folder.path().join(level.to_string());
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "avx2_and_avx512_train_the_same_model"]);
        let status = test.env(LEVEL, level.to_string()).env(OUTPUT, &output).status().unwrap();
        assert!(status.success(), "{level}");
        std::fs::read(output).unwrap()
    });
    assert!(avx2.len() > 100_000, "only {} bytes to compare", avx2.len());
    assert!(avx2 == avx512, "features, losses, model file or predictions differ");
}
