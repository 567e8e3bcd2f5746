//! From the probabilities of the networks to the prediction: the mean over branches, how unlike the training clips the clip is, and
//! a temperature that grows with it.

use super::graph::Value;
use reslstm::models::TrainingClips;

/// Axis of the frames in `[T,D]`, and of the columns in `[1,D]`.
const FRAMES: i64 = 0;
const COLUMNS: i64 = 1;

/// Names of the constants `μ` and `W`, as in a model file.
pub const MEAN: &str = "training.mean";
pub const WHITENING: &str = "training.whitening";

/// A column whose variance is below this share of its mean square does not change: what 32-bit floats leave of it is rounding.
const LEAST_VARIANCE: f32 = 1e-12;

/// `d`, a single number, of the normalised features `x` `[T,D]`.
///
/// # Formula
/// ```text
/// m = means and standard deviations of the columns        d = ‖W·(m − μ)‖
/// ```
/// A column that does not change has the standard deviation 1, as in the engine.
pub fn unlike<'g>(x: &Value<'g>, clips: &TrainingClips) -> Value<'g> {
    let width = clips.mean().len();
    let mean = x.constant(MEAN, &[width], clips.mean());
    let whitening = x.constant(WHITENING, &[width, width], clips.whitening().as_slice());
    let means = x.mean(FRAMES);
    let offsets = x - &means;
    let variance = (&offsets * &offsets).mean(FRAMES);
    let changes = variance.is_above((x * x).mean(FRAMES) * LEAST_VARIANCE);
    let stds = changes.choose(variance.sqrt(), 1.0);
    let offsets = means.followed_by(&[&stds], COLUMNS) - mean;
    whitening.matmul(&offsets.transposed()).transposed().sum_of_squares().without_axes(&[0]).sqrt()
}

/// The mean of the probabilities `[K]` of every branch.
pub fn mean<'g>(branches: &[Value<'g>]) -> Value<'g> {
    let (first, others) = branches.split_first().expect("a model has a branch");
    match others {
        [] => first.clone(),
        _ => others.iter().fold(first.clone(), |sum, other| sum + other) / branches.len() as f32,
    }
}

/// Probabilities `p` `[K]` at the temperature of the distance `d`.
///
/// # Formula
/// ```text
/// p ← p^(1/T(d)) / Σ p^(1/T(d)),   T(d) = T·d^B, between 0.001 and 1000
/// ```
pub fn temper<'g>(p: &Value<'g>, [temperature, growth]: [f64; 2], d: &Value<'g>) -> Value<'g> {
    let temperature = (d.power(growth as f32) * temperature as f32).or_at_least(1e-3).or_at_most(1e3);
    let powers = ((p / p.largest(0)).ln() / temperature).exp();
    &powers / powers.sum(0)
}
