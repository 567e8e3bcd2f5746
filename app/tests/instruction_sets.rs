//! One seed gives the same bytes on AVX2 and AVX-512: the command trains the same model with either.

use assert_cmd::Command;
use reslstm::kernels::Level;
use std::path::Path;

fn train(folder: &Path, level: &str) -> Vec<u8> {
    let model = folder.join(format!("{level}.safetensors"));
    let cache = folder.join(format!("cache-{level}"));
    let mut command = Command::cargo_bin("reslstm").unwrap();
    command.current_dir(folder).env("RESLSTM_SIMD", level);
    command.args(["train", "speech", "--folds", "0", "--epochs", "2", "--arch", "reslstm-sa-h20", "--batch", "5"]);
    command.arg("-o").arg(&model).arg("--cache").arg(cache).assert().success();
    std::fs::read(model).unwrap()
}

#[test]
fn avx2_and_avx512_train_the_same_model() {
    if !Level::Avx512.available() {
        println!("skipped: this processor has no AVX-512 to compare with");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut synth = Command::cargo_bin("reslstm").unwrap();
    let corpus = ["synth", "speech", "--speakers", "6", "--statements", "1", "--repetitions", "1"];
    synth.current_dir(&folder).args(corpus).assert().success();
    assert!(train(folder.path(), "avx2") == train(folder.path(), "avx512"), "model files differ");
}
