//! Backward passes of an LSTM of which one is wrong.

use reslstm::audit::faults::Fault;
use reslstm::audit::subjects::LstmSubject;
use reslstm::audit::{Along, Subject, TensorAudit, audit, in_order, plain, random_point};
use reslstm::layers::Lstm;
use reslstm::matrix::Matrix;
use reslstm::packed::{Packed, Padding};
use reslstm::scalar::Scalar;
use serde_json::json;
use wasm_bindgen::prelude::*;

/// The faults that can be planted, by number; number 0 is no fault.
pub const FAULTS: [Fault; 9] = [
    Fault::None,
    Fault::ForgetPathMissing,
    Fault::HiddenPathMissing,
    Fault::ForgetGateSeesTheNewCell,
    Fault::TanhSlopeNotSquared,
    Fault::OutputGateSlopeMissing,
    Fault::InputAndForgetGatesSwapped,
    Fault::SecondBiasForgotten,
    Fault::HiddenStateOfTheSameFrame,
];

/// An LSTM whose backward has a fault.
struct Faulty {
    inner: LstmSubject,
    fault: Fault,
}

impl Subject for Faulty {
    type Layer<S: Scalar> = Lstm<S>;

    fn zeros<S: Scalar>(&self) -> Lstm<S> {
        self.inner.zeros()
    }
    fn input_shape(&self) -> [usize; 2] {
        self.inner.input_shape()
    }
    fn forward<S: Scalar>(&self, layer: &Lstm<S>, x: &Matrix<S>) -> Matrix<S> {
        self.inner.forward(layer, x)
    }
    fn backward<S: Scalar>(&self, layer: &Lstm<S>, x: &Matrix<S>, dy: &Matrix<S>, grads: &mut Lstm<S>) -> Matrix<S> {
        plain::lstm(layer, &self.inner.layout, x, dy, grads, self.fault)
    }
}

/// Number of faults, the absence of one included.
#[wasm_bindgen]
pub fn fault_count() -> usize {
    FAULTS.len()
}

/// What a fault does, in a sentence.
#[wasm_bindgen]
pub fn fault_sentence(number: usize) -> String {
    FAULTS[number].sentence()
}

/// JSON: for each tensor of a small LSTM its name, the largest error of a backward with fault `number` against dual numbers, in shares of
/// the largest gradient, and the two numbers there.
#[wasm_bindgen]
pub fn audit_fault(number: usize, seed: u32) -> String {
    let layout = Packed::new(&[5], Padding::Ignored);
    let subject = Faulty { inner: LstmSubject { layout, inputs: 2, hidden: 2 }, fault: FAULTS[number] };
    let audits = audit(&subject, &random_point(&subject, u64::from(seed)), Along::Elements, in_order);
    let entry = |TensorAudit { name, dual, .. }: &TensorAudit| json!({ "name": name, "error": dual.scaled_error, "at": dual.at, "backward": dual.backward, "dual": dual.witness });
    json!(audits.iter().map(entry).collect::<Vec<_>>()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pass_without_a_fault_agrees_with_dual_numbers() {
        for (number, fault) in FAULTS.iter().enumerate() {
            let audits: Vec<serde_json::Value> = serde_json::from_str(&audit_fault(number, 3)).unwrap();
            let worst = audits.iter().map(|it| it["error"].as_f64().unwrap()).fold(0.0, f64::max);
            assert!(if number == 0 { worst < 1e-12 } else { worst > 1e-4 }, "{fault:?}: {worst}");
        }
    }
}
