//! Audit a layer of your own: a gated unit `y = x ⊙ σ(w ⊙ x)`, one weight per column, whose backward has the sign of one term wrong.
//!
//! ```text
//! cargo run --release --example audit_your_layer
//! ```
//! prints which tensor is wrong, where, and by how much; then that all are right once the sign is corrected.

use reslstm::audit::{Along, Subject, TensorAudit, audit, in_order, random_point};
use reslstm::matrix::Matrix;
use reslstm::params::parameters;
use reslstm::scalar::Scalar;

/// The gated unit: its parameters, and nothing else. Also the type of its own gradient.
struct Gate<S> {
    /// `[columns]`
    w: Vec<S>,
}

parameters!(Gate { "w" => w });

/// What is audited: the gated unit on `[rows, columns]` inputs.
struct GateSubject {
    rows: usize,
    columns: usize,
    /// The deliberate error: `σ' = σ·(1 + σ)` instead of `σ·(1 − σ)`, in the last column alone.
    wrong_sign: bool,
}

impl Subject for GateSubject {
    type Layer<S: Scalar> = Gate<S>;

    fn zeros<S: Scalar>(&self) -> Gate<S> {
        Gate { w: vec![S::ZERO; self.columns] }
    }

    fn input_shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    fn forward<S: Scalar>(&self, gate: &Gate<S>, x: &Matrix<S>) -> Matrix<S> {
        let mut y = Matrix::zeros(self.rows, self.columns);
        for r in 0..self.rows {
            for c in 0..self.columns {
                y[(r, c)] = x[(r, c)] * (gate.w[c] * x[(r, c)]).sigmoid();
            }
        }
        y
    }

    fn backward<S: Scalar>(&self, gate: &Gate<S>, x: &Matrix<S>, dy: &Matrix<S>, grads: &mut Gate<S>) -> Matrix<S> {
        let mut dx = Matrix::zeros(self.rows, self.columns);
        for r in 0..self.rows {
            for c in 0..self.columns {
                // forward: y = x·s, s = σ(w·x)
                let s = (gate.w[c] * x[(r, c)]).sigmoid();
                let wrong = self.wrong_sign && c == self.columns - 1;
                let slope = if wrong { s * (S::ONE + s) } else { s * (S::ONE - s) };
                let ds = dy[(r, c)] * x[(r, c)];
                grads.w[c] += ds * slope * x[(r, c)];
                dx[(r, c)] = dy[(r, c)] * s + ds * slope * gate.w[c];
            }
        }
        dx
    }
}

/// One line per tensor: whether its gradient is right, and if not, where it is wrong.
fn verdict(tensor: &TensorAudit) -> String {
    let name = &tensor.name;
    if tensor.passes() {
        return format!("{name}: right, to {:.0e} of its largest element", tensor.dual.scaled_error);
    }
    let worst = &tensor.dual;
    format!(
        "{name}: WRONG at {:?}: backward computes {:.6}, dual numbers {:.6}, differences {:.6}",
        worst.at, worst.backward, worst.witness, tensor.differences.witness
    )
}

fn main() {
    for wrong_sign in [true, false] {
        println!("{}", if wrong_sign { "with the sign error" } else { "corrected" });
        let gate = GateSubject { rows: 3, columns: 4, wrong_sign };
        for tensor in audit(&gate, &random_point(&gate, 7), Along::Elements, in_order) {
            println!("  {}", verdict(&tensor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_names_the_tensor_and_the_element() {
        for wrong_sign in [true, false] {
            let gate = GateSubject { rows: 3, columns: 4, wrong_sign };
            let audits = audit(&gate, &random_point(&gate, 7), Along::Elements, in_order);
            assert_eq!(audits.len(), 2);
            for tensor in &audits {
                assert_eq!(tensor.passes(), !wrong_sign, "{tensor:?}");
                if wrong_sign {
                    assert_eq!(tensor.dual.at.last(), Some(&3), "the last column: {tensor:?}");
                    assert!(verdict(tensor).contains("WRONG at"));
                }
            }
            // Random directions show it too.
            let audits = audit(&gate, &random_point(&gate, 7), Along::Directions(1), in_order);
            assert!(audits.iter().all(|tensor| tensor.passes() != wrong_sign), "{audits:?}");
        }
    }
}
