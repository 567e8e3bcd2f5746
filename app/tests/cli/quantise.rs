//! `quantise`.

use crate::test_dir::{CLIP, TestDir};
use reslstm::models::{Model, ModelFile};
use reslstm::params::{Parameters, Path};
use reslstm::rng::RandomStream;
use serde_json::Value;

const BUNDLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/reslstm-sa-h64-ravdess.safetensors");

#[test]
fn a_quantised_model_is_smaller_and_every_command_reads_it() {
    let dir = TestDir::new("quantise");
    let predict = |model: &str| -> Value { dir.does_json(&format!("predict --json --no-gate {CLIP} --model {model}")) };
    let exact = predict("paper");
    let weights = 62_368.0; // parameters of the bundled model paper, see `info`
    for (kind, bytes, bound) in [("f16", 2.0 * weights + 12_000.0, 0.01), ("int8", 1.15 * weights + 12_000.0, 0.1)] {
        let said = dir.does(&format!("quantise --to {kind} -o {kind}.safetensors"));
        assert_eq!(said, "");
        let size = dir.read(&format!("{kind}.safetensors")).len();
        assert!((size as f64) < bytes, "{kind}: {size} bytes");
        let rounded = predict(&format!("{kind}.safetensors"));
        assert_eq!(rounded["label"], exact["label"]);
        for (label, p) in exact["probabilities"].as_object().unwrap() {
            let difference = (p.as_f64().unwrap() - rounded["probabilities"][label].as_f64().unwrap()).abs();
            assert!(difference < bound, "{kind}: {label} differs by {difference}");
        }
        let info = dir.does_json(&format!("info --json {kind}.safetensors"));
        assert_eq!(info["metadata"], dir.does_json(&format!("info --json {BUNDLED}"))["metadata"]);
    }
    dir.refuses_saying("quantise --to f16 -o f16.safetensors", &["f16.safetensors", "exists already"]);
    dir.is_wrong_call("quantise --to int4 -o x.safetensors", &["int4", "f16, int8"]);
}

#[test]
fn a_weight_beyond_the_largest_16_bit_float_is_refused() {
    let dir = TestDir::new("quantise-large");
    let mut model: Model<f32> = Model::init("lstm-sa-h2".parse().unwrap(), 46, 8, &mut RandomStream::new(1, "init", 0));
    model.visit_mut(&Path::ROOT, &mut |path, _, _, values| {
        if path.to_string() == "fc.weight" {
            values[3] = 65_520.0;
        }
    });
    dir.write("large.safetensors", ModelFile::new(model, None).unwrap().to_bytes());
    dir.refuses_saying(
        "quantise large.safetensors --to f16 -o f16.safetensors",
        &["tensor fc.weight: expected finite values, got inf in row 1, column 1", "weights beyond 65,504 need 32 bits"],
    );
    assert!(!dir.path("f16.safetensors").exists());
    // Rows of 8-bit integers have a scale.
    dir.does("quantise large.safetensors --to int8 -o int8.safetensors");
}
