//! Label smoothing against PyTorch's definition, in numbers made by `tests/golden/smoothing/make_smoothing.py`.

use reslstm::layers::softmax_cross_entropy::{backward_smoothed, forward_smoothed};
use reslstm::matrix::Matrix;
use std::path::Path;

#[test]
fn golden_smoothed_loss_and_gradient_are_those_of_pytorchs_definition() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/smoothing/smoothing.json");
    let cases: Vec<serde_json::Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(cases.len() >= 4);
    for case in cases {
        let numbers = |name: &str| -> Vec<f64> { serde_json::from_value(case[name].clone()).unwrap() };
        let labels: Vec<usize> = serde_json::from_value(case["labels"].clone()).unwrap();
        let (weights, smoothing) = (numbers("weights"), case["smoothing"].as_f64().unwrap());
        let z = Matrix::from_vec(labels.len(), weights.len(), numbers("z"));
        let (mut p, mut dz) = (Matrix::default(), Matrix::default());
        let loss = forward_smoothed(&z, &labels, &weights, smoothing, &mut p);
        backward_smoothed(&p, &labels, &weights, smoothing, &mut dz);
        // Double precision both: sums of some twenty terms of size 1.
        approx::assert_abs_diff_eq!(loss, case["loss"].as_f64().unwrap(), epsilon = 1e-13);
        approx::assert_abs_diff_eq!(dz.as_slice(), &numbers("dz")[..], epsilon = 1e-14);
    }
}
