//! A density over several parameters at once, from observed points: one kernel around each point, and a prior kernel over
//! the whole range (Bergstra et al., *Algorithms for Hyper-Parameter Optimization*, 2011; joint kernels
//! as in Falkner et al., *BOHB*, 2018). Weights and widths are those of Optuna 5's default sampler.

use super::normal::{log_density, log_mass, truncated_quantile};
use super::space::Distribution;
use reslstm::rng::RandomStream;

/// Number of latest observations with full weight.
const FULL_WEIGHT: usize = 25;

/// A Parzen estimator: a mixture of products of kernels. Kernel `j` of every parameter belongs to observation `j`, the last
/// kernel to the prior.
#[derive(Clone, Debug)]
pub struct Parzen {
    /// One weight per kernel; they sum to 1.
    weights: Vec<f64>,
    parameters: Vec<Kernels>,
}

/// The kernels of one parameter.
#[derive(Clone, Debug)]
enum Kernels {
    /// Normal distributions, truncated to the range.
    Numeric(Numeric),
    /// One row per kernel, one probability per choice.
    Categorical(Vec<Vec<f64>>),
}

#[derive(Clone, Debug)]
struct Numeric {
    mu: Vec<f64>,
    sigma: Vec<f64>,
    /// Logarithm of each kernel's mass inside the range.
    log_inside: Vec<f64>,
    scale: Scale,
}

/// A range on the scale of the kernels: logarithms if the distribution is logarithmic, and half a step wider at both ends if it
/// has steps.
#[derive(Clone, Copy, Debug)]
struct Scale {
    low: f64,
    high: f64,
    log: bool,
    /// Half the distance between two values, before any logarithm; 0 for a continuous parameter.
    half_step: f64,
}

impl Scale {
    fn new(low: f64, high: f64, step: f64, log: bool) -> Self {
        let mut scale = Scale { low: 0.0, high: 0.0, log, half_step: step / 2.0 };
        (scale.low, scale.high) = (scale.apply(low - scale.half_step), scale.apply(high + scale.half_step));
        scale
    }

    fn apply(&self, value: f64) -> f64 {
        if self.log { value.ln() } else { value }
    }
}

impl Parzen {
    /// Fits an estimator to `observations`, oldest first; each holds one value per distribution.
    pub fn fit(distributions: &[&Distribution], observations: &[Vec<f64>]) -> Self {
        let mut weights = observation_weights(observations.len());
        weights.push(1.0);
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        let column = |i: usize| observations.iter().map(|point| point[i]).collect::<Vec<f64>>();
        let parameters =
            distributions.iter().enumerate().map(|(i, distribution)| Kernels::fit(distribution, column(i)));
        Parzen { parameters: parameters.collect(), weights }
    }

    /// Logarithm of the density at a point.
    ///
    /// # Formula
    /// ```text
    /// p(x) = Σⱼ wⱼ Πᵢ kᵢⱼ(xᵢ)
    /// ```
    pub fn log_density(&self, point: &[f64]) -> f64 {
        let kernel = |j: usize| -> f64 {
            let factors = self.parameters.iter().zip(point).map(|(kernels, &x)| kernels.log_density(j, x));
            factors.sum::<f64>() + self.weights[j].ln()
        };
        let terms: Vec<f64> = (0..self.weights.len()).map(kernel).collect();
        let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return largest;
        }
        terms.iter().map(|term| (term - largest).exp()).sum::<f64>().ln() + largest
    }

    /// Draws a point: a kernel by its weight, then each parameter from this kernel.
    pub fn sample(&self, stream: &mut RandomStream) -> Vec<f64> {
        let j = draw_index(&self.weights, stream);
        self.parameters.iter().map(|kernels| kernels.sample(j, stream)).collect()
    }
}

/// Weights of observations: the latest have full weight, older ones less.
///
/// # Formula
/// ```text
/// 1, …, 1                               fewer than 25
/// 1/n … 1 in n−25 even steps, 1 × 25    otherwise, oldest first
/// ```
fn observation_weights(n: usize) -> Vec<f64> {
    let old = n.saturating_sub(FULL_WEIGHT);
    let (first, steps) = (1.0 / n as f64, old.saturating_sub(1) as f64);
    let ramp = |i: usize| if i == 0 { first } else { first + (1.0 - first) * i as f64 / steps };
    (0..n).map(|i| if i < old { ramp(i) } else { 1.0 }).collect()
}

fn draw_index(probabilities: &[f64], stream: &mut RandomStream) -> usize {
    let u = stream.uniform();
    let mut sum = 0.0;
    let reached = probabilities.iter().position(|p| {
        sum += p;
        u < sum
    });
    // The sum may round to just below 1; then the last index fills the gap.
    reached.unwrap_or(probabilities.len() - 1)
}

impl Kernels {
    fn fit(distribution: &Distribution, observed: Vec<f64>) -> Self {
        match distribution {
            Distribution::Categorical { choices } => Kernels::categorical(choices.len(), &observed),
            &Distribution::Float { low, high, log, step } => {
                Kernels::numeric(Scale::new(low, high, step.unwrap_or(0.0), log), observed)
            }
            &Distribution::Int { low, high, log, step } => {
                Kernels::numeric(Scale::new(low as f64, high as f64, step as f64, log), observed)
            }
        }
    }

    /// # Formula
    /// ```text
    /// kⱼ(c) = ([c = cⱼ] + 1/n) / (1 + K/n)     n kernels including the prior, K choices
    /// k_prior(c) = 1/K
    /// ```
    fn categorical(choices: usize, observed: &[f64]) -> Self {
        let share = 1.0 / (observed.len() + 1) as f64;
        let row = |choice: Option<usize>| {
            let mut row = vec![share; choices];
            if let Some(choice) = choice {
                row[choice] += 1.0;
            }
            let sum: f64 = row.iter().sum();
            row.iter().map(|p| p / sum).collect()
        };
        Kernels::Categorical(observed.iter().map(|&x| Some(x as usize)).chain([None]).map(row).collect())
    }

    /// The width of a kernel is the distance to the farther of its two neighbours; the outermost kernels have one neighbour
    /// only. It is at least a share of the range that shrinks with the number of kernels ("magic clip"), and at most the range.
    ///
    /// # Formula
    /// ```text
    /// σⱼ = clip(max(μⱼ − μⱼ₋₁, μⱼ₊₁ − μⱼ), (high − low) / min(100, 1 + n), high − low)     n kernels including the prior
    /// σ_prior = high − low,  μ_prior = (low + high) / 2
    /// ```
    fn numeric(scale: Scale, observed: Vec<f64>) -> Self {
        let Scale { low, high, .. } = scale;
        let mut mu: Vec<f64> = observed.into_iter().map(|x| scale.apply(x)).collect();
        let mut order: Vec<usize> = (0..mu.len()).collect();
        order.sort_by(|&a, &b| mu[a].total_cmp(&mu[b]));
        let mut sigma = vec![0.0; mu.len()];
        for (place, &j) in order.iter().enumerate() {
            let left = place.checked_sub(1).map(|before| mu[j] - mu[order[before]]);
            let right = order.get(place + 1).map(|&after| mu[after] - mu[j]);
            let reach = match (left, right) {
                (Some(left), Some(right)) => left.max(right),
                (Some(only), None) | (None, Some(only)) => only,
                // A single kernel reaches to the farther end of the range.
                (None, None) => (mu[j] - low).max(high - mu[j]),
            };
            let narrowest = (high - low) / (2.0 + mu.len() as f64).min(100.0);
            sigma[j] = reach.clamp(narrowest, high - low);
        }
        mu.push(0.5 * (low + high));
        sigma.push(high - low);
        let log_inside = mu.iter().zip(&sigma).map(|(mu, sigma)| log_mass((low - mu) / sigma, (high - mu) / sigma));
        Kernels::Numeric(Numeric { log_inside: log_inside.collect(), mu, sigma, scale })
    }

    fn log_density(&self, j: usize, x: f64) -> f64 {
        match self {
            Kernels::Categorical(rows) => rows[j][x as usize].ln(),
            Kernels::Numeric(numeric) => numeric.log_density(j, x),
        }
    }

    fn sample(&self, j: usize, stream: &mut RandomStream) -> f64 {
        match self {
            Kernels::Categorical(rows) => draw_index(&rows[j], stream) as f64,
            Kernels::Numeric(numeric) => numeric.sample(j, stream),
        }
    }
}

impl Numeric {
    /// # Formula
    /// ```text
    /// k(x) = φ((x − μ)/σ) / (σ · inside)                                   continuous
    /// k(x) = (Φ((x + step/2 − μ)/σ) − Φ((x − step/2 − μ)/σ)) / inside      with steps
    /// ```
    fn log_density(&self, j: usize, x: f64) -> f64 {
        let Scale { low, high, half_step, .. } = self.scale;
        let (mu, sigma) = (self.mu[j], self.sigma[j]);
        let z = |x: f64| (self.scale.apply(x) - mu) / sigma;
        if half_step > 0.0 {
            return log_mass(z(x - half_step), z(x + half_step)) - self.log_inside[j];
        }
        if !(low..=high).contains(&self.scale.apply(x)) {
            return f64::NEG_INFINITY;
        }
        log_density(z(x)) - sigma.ln() - self.log_inside[j]
    }

    fn sample(&self, j: usize, stream: &mut RandomStream) -> f64 {
        let Scale { low, high, log, .. } = self.scale;
        let (mu, sigma) = (self.mu[j], self.sigma[j]);
        let value = mu + sigma * truncated_quantile(stream.uniform(), (low - mu) / sigma, (high - mu) / sigma);
        if log { value.exp() } else { value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const UNIFORM: Distribution = Distribution::Float { low: -1.0, high: 3.0, log: false, step: None };
    const LOG: Distribution = Distribution::Float { low: 1e-5, high: 1e-1, log: true, step: None };
    const INT: Distribution = Distribution::Int { low: 1, high: 6, log: false, step: 1 };
    const LOG_INT: Distribution = Distribution::Int { low: 1, high: 20, log: true, step: 1 };

    fn observations(n: usize) -> Vec<Vec<f64>> {
        let mut stream = RandomStream::new(3, "observations", n as u64);
        let point = |_| {
            let exponent = stream.between(-5.0, -1.0);
            vec![stream.between(-1.0, 3.0), 10f64.powf(exponent), 1.0 + stream.below(6) as f64, stream.below(3) as f64]
        };
        (0..n).map(point).collect()
    }

    /// Integral of the density over its range, on a fine grid.
    fn integral(distribution: &Distribution, observed: &[Vec<f64>]) -> f64 {
        let parzen = Parzen::fit(&[distribution], observed);
        let density = |x: f64| parzen.log_density(&[x]).exp();
        match distribution {
            Distribution::Categorical { choices } => (0..choices.len()).map(|c| density(c as f64)).sum(),
            &Distribution::Int { low, high, .. } => (low..=high).map(|x| density(x as f64)).sum(),
            &Distribution::Float { low, high, log, .. } => {
                let (low, high) = if log { (low.ln(), high.ln()) } else { (low, high) };
                let width = (high - low) / 20_000.0;
                // The density of a logarithmic parameter is over its logarithm.
                let at = |i: i32| low + (f64::from(i) + 0.5) * width;
                (0..20_000).map(|i| density(if log { at(i).exp() } else { at(i) }) * width).sum()
            }
        }
    }

    #[test]
    fn densities_integrate_to_one() {
        let categorical = Distribution::Categorical { choices: vec![json!(4), json!("b"), json!(null)] };
        for n in [0, 1, 2, 7, 60] {
            let all = observations(n);
            for (i, distribution) in [&UNIFORM, &LOG, &INT, &categorical].into_iter().enumerate() {
                let observed: Vec<Vec<f64>> = all.iter().map(|point| vec![point[i]]).collect();
                let integral = integral(distribution, &observed);
                assert!((integral - 1.0).abs() < 1e-6, "{distribution:?}, {n} observations: {integral}");
            }
        }
        assert!((integral(&LOG_INT, &[vec![3.0], vec![20.0]]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn samples_follow_the_density() {
        let parzen = Parzen::fit(&[&INT, &UNIFORM], &[vec![2.0, 0.0], vec![2.0, 0.5], vec![6.0, 2.5]]);
        let mut stream = RandomStream::new(1, "samples", 0);
        let (mut below, total) = ([0.0; 6], 40_000);
        for _ in 0..total {
            let point = parzen.sample(&mut stream);
            assert!((-1.0..=3.0).contains(&point[1]), "{point:?}");
            // The samples of a stepped parameter are rounded by the caller.
            below[(point[0].round() as usize).clamp(1, 6) - 1] += 1.0 / f64::from(total);
        }
        let alone = Parzen::fit(&[&INT], &[vec![2.0], vec![2.0], vec![6.0]]);
        for (i, share) in below.into_iter().enumerate() {
            let expected = alone.log_density(&[(i + 1) as f64]).exp();
            // Five standard errors of a share of 40,000.
            assert!((share - expected).abs() < 0.0125, "{}: {share}, expected {expected}", i + 1);
        }
    }

    #[test]
    fn old_observations_have_less_weight() {
        assert_eq!(observation_weights(3), [1.0; 3]);
        assert_eq!(observation_weights(25), [1.0; 25]);
        assert_eq!(observation_weights(26)[..2], [1.0 / 26.0, 1.0]);
        let weights = observation_weights(29);
        let expected = [1.0 / 29.0, 1.0 / 29.0 + 28.0 / 87.0, 1.0 / 29.0 + 56.0 / 87.0, 1.0, 1.0];
        for (weight, expected) in weights.iter().zip(expected) {
            assert!((weight - expected).abs() < 1e-15, "{weights:?}");
        }
    }
}
