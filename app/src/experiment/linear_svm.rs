//! A linear support vector machine: one against the rest, squared hinge loss, trained by dual coordinate descent as in LIBLINEAR
//! (Hsieh and others, 2008). scikit-learn's `LinearSVC(loss="squared_hinge", dual=True)`.
//!
//! | symbol | shape   | meaning                                                             |
//! |--------|---------|---------------------------------------------------------------------|
//! | `x`    | `[N,D]` | examples, each with a last column of ones for the bias               |
//! | `y`    | `[N]`   | +1 for the class, −1 for the rest                                    |
//! | `w`    | `[D]`   | weights of a class                                                   |
//! | `C`    |         | how much a mistake counts against large weights                      |
//! | `α`    | `[N]`   | dual variables: how much an example pulls at `w`                     |

use reslstm::rng::RandomStream;

/// Passes over the examples after which training ends even if it has not converged.
const MOST_PASSES: usize = 1000;

/// One weight vector per class.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearSvm {
    /// `[K]` of `[D+1]`, the bias last.
    weights: Vec<Vec<f64>>,
}

impl LinearSvm {
    /// Trains on examples `x` `[N,D]` with their classes `labels` `[N]`, below `classes`. Ends when the gradients of a pass are within
    /// `tolerance` of each other. The order of the examples is drawn by a stream of its own: equal examples give equal bits.
    pub fn train(x: &[Vec<f64>], labels: &[usize], classes: usize, c: f64, tolerance: f64) -> Self {
        let x: Vec<Vec<f64>> = x.iter().map(|x| with_one(x)).collect();
        let one_against_rest = |class: usize| {
            let y: Vec<f64> = labels.iter().map(|&label| if label == class { 1.0 } else { -1.0 }).collect();
            solve(&x, &y, c, tolerance)
        };
        LinearSvm { weights: (0..classes).map(one_against_rest).collect() }
    }

    /// `w·x` of each class.
    pub fn scores(&self, x: &[f64]) -> Vec<f64> {
        let x = with_one(x);
        self.weights.iter().map(|w| dot(w, &x)).collect()
    }

    /// The class of the largest score; of equals the first.
    pub fn predict(&self, x: &[f64]) -> usize {
        let scores = self.scores(x);
        (1..scores.len()).fold(0, |best, class| if scores[class] > scores[best] { class } else { best })
    }
}

/// The weights of one class against the rest.
///
/// # Formula
/// ```text
/// primal:  min_w  ½·w·w + C·Σₙ max(0, 1 − yₙ·w·xₙ)²
/// dual:    min_α  ½·Σₙₘ αₙ·αₘ·yₙ·yₘ·xₙ·xₘ + Σₙ αₙ²/(4C) − Σₙ αₙ      with α ≥ 0, and w = Σₙ αₙ·yₙ·xₙ
/// ```
/// # Derivation
/// Along one `αₙ` the dual is a parabola. Its gradient needs `w` alone, and its curvature is constant:
/// ```text
/// G = yₙ·w·xₙ − 1 + αₙ/(2C)          Q = xₙ·xₙ + 1/(2C)
/// ```
/// so its minimum with `αₙ ≥ 0` is at `max(0, αₙ − G/Q)`, and `w` follows by the change. At the solution `G` is 0 wherever `αₙ > 0`, and not
/// negative elsewhere; what is left of that decides when to stop.
fn solve(x: &[Vec<f64>], y: &[f64], c: f64, tolerance: f64) -> Vec<f64> {
    let diagonal = 0.5 / c;
    let curvature: Vec<f64> = x.iter().map(|x| dot(x, x) + diagonal).collect();
    let mut w = vec![0.0; x.first().map_or(0, Vec::len)];
    let mut alpha = vec![0.0f64; x.len()];
    let mut order: Vec<usize> = (0..x.len()).collect();
    for pass in 0..MOST_PASSES {
        RandomStream::new(0, "svm", pass as u64).shuffle(&mut order);
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for &n in &order {
            let gradient = y[n] * dot(&w, &x[n]) - 1.0 + alpha[n] * diagonal;
            // At α = 0 only a negative gradient can be followed.
            let projected = if alpha[n] == 0.0 { gradient.min(0.0) } else { gradient };
            (least, most) = (least.min(projected), most.max(projected));
            if projected != 0.0 {
                let before = alpha[n];
                alpha[n] = (before - gradient / curvature[n]).max(0.0);
                let change = (alpha[n] - before) * y[n];
                w.iter_mut().zip(&x[n]).for_each(|(w, x)| *w += change * x);
            }
        }
        if most - least < tolerance {
            break;
        }
    }
    w
}

fn with_one(x: &[f64]) -> Vec<f64> {
    x.iter().copied().chain([1.0]).collect()
}

/// The products are added in eight sums, each in the order of the columns.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden numbers of scikit-learn, by `tests/svm/make_svm.py` of this package.
    #[test]
    fn golden_weights_are_those_of_scikit_learn() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/svm/svm.json");
        let cases: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert!(cases.len() >= 3);
        for case in cases {
            let x: Vec<Vec<f64>> = serde_json::from_value(case["x"].clone()).unwrap();
            let labels: Vec<usize> = serde_json::from_value(case["labels"].clone()).unwrap();
            let expected: Vec<Vec<f64>> = serde_json::from_value(case["weights"].clone()).unwrap();
            let svm = LinearSvm::train(&x, &labels, expected.len(), case["c"].as_f64().unwrap(), 1e-10);
            for (got, expected) in svm.weights.iter().zip(&expected) {
                let largest = expected.iter().fold(0.0f64, |most, w| most.max(w.abs()));
                for (got, expected) in got.iter().zip(expected) {
                    // Both solvers stop at a gradient of 1e-10; the weights are smooth in it.
                    assert!((got - expected).abs() < 1e-6 * largest, "C {}: {got} {expected}", case["c"]);
                }
            }
            let predicted: Vec<usize> = x.iter().map(|x| svm.predict(x)).collect();
            assert_eq!(serde_json::json!(predicted), case["predicted"]);
        }
    }

    #[test]
    fn the_solution_fulfils_the_conditions_of_the_primal() {
        // The gradient of the primal at the solution: w = 2C·Σ max(0, 1 − y·w·x)·y·x.
        let mut stream = RandomStream::new(5, "svm", 0);
        let x: Vec<Vec<f64>> = (0..40).map(|_| (0..11).map(|_| stream.normal()).collect()).collect();
        let y: Vec<f64> = (0..40).map(|n| if x[n][0] + stream.normal() > 0.3 { 1.0 } else { -1.0 }).collect();
        for c in [0.01, 1.0] {
            let w = solve(&x, &y, c, 1e-10);
            for (column, &w_column) in w.iter().enumerate() {
                let hinge = |n: usize| (1.0 - y[n] * dot(&w, &x[n])).max(0.0);
                let sum: f64 = (0..40).map(|n| 2.0 * c * hinge(n) * y[n] * x[n][column]).sum();
                approx::assert_abs_diff_eq!(w_column, sum, epsilon = 1e-8);
            }
        }
    }
}
