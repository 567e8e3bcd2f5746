//! `bench`.

use crate::test_dir::TestDir;
use serde_json::Value;

#[test]
fn bench_measures_this_machine() {
    let bench = TestDir::new("bench").does_json("bench --json");
    let number = |value: &Value| value.as_f64().filter(|number| *number > 0.0).unwrap_or_else(|| panic!("{bench}"));
    let peak = number(&bench["peak_gflops"]);
    for (step, batch) in bench["steps"].as_array().unwrap().iter().zip([8, 16, 64]) {
        assert_eq!(step["batch"], batch);
        // Peak speed is above training speed; the test does not ask by how much.
        assert!(number(&step["gflops"]) < 1.2 * peak, "{bench}");
        assert!((number(&step["of_peak"]) - number(&step["gflops"]) / peak).abs() < 1e-9);
        // 24.0 GFLOP per epoch.
        let gflop = number(&step["gflops"]) * number(&step["fold_0_epoch_seconds"]);
        assert!((gflop - 24.04).abs() < 0.01, "{gflop}");
    }
    let column = |table: &str, name: &str| -> Vec<f64> {
        bench[table].as_array().unwrap().iter().map(|row| number(&row[name])).collect()
    };
    assert_eq!(column("models", "hidden"), [16.0, 32.0, 64.0, 128.0, 256.0, 512.0]);
    assert_eq!(column("data", "clips"), [10.0, 100.0, 1_000.0, 10_000.0]);
    assert_eq!((column("models", "gflops").len(), column("data", "us_a_frame").len()), (6, 4));
    let use_of = &bench["inference"];
    for name in ["clip_us", "frame_us", "live_frame_us", "features_ms", "wav_seconds", "wav_ms", "load_ms"] {
        number(&use_of[name]);
    }
}
