//! The standard normal distribution in logarithms, since probabilities themselves would underflow.

use std::f64::consts::{LN_2, PI, SQRT_2};

/// Beyond this number of standard deviations `erfc` underflows, and the asymptotic series is used.
const FAR: f64 = 20.0;

/// Logarithm of the density at `z`.
///
/// # Formula
/// ```text
/// ln φ(z) = −z²/2 − ln √(2π)
/// ```
pub fn log_density(z: f64) -> f64 {
    -0.5 * z * z - 0.5 * (2.0 * PI).ln()
}

/// Logarithm of the probability of a value of at most `z`.
///
/// # Formula
/// ```text
/// Φ(z) = erfc(−z/√2) / 2
/// Φ(z) ~ φ(z)/|z| · (1 − 1/z² + 1·3/z⁴ − 1·3·5/z⁶ + …)        far to the left
/// ```
pub fn log_probability(z: f64) -> f64 {
    if z > 6.0 {
        // ln(1 − q) = −q to rounding, for so small a q.
        return -0.5 * libm::erfc(z / SQRT_2);
    }
    if z > -FAR {
        return libm::erfc(-z / SQRT_2).ln() - LN_2;
    }
    let (mut sum, mut term) = (0.0, 1.0);
    for k in 1.. {
        sum += term;
        term *= -f64::from(2 * k - 1) / (z * z);
        if term.abs() < f64::EPSILON {
            break;
        }
    }
    log_density(z) - (-z).ln() + sum.ln()
}

/// Logarithm of the probability of a value between `a` and `b`.
///
/// # Formula
/// ```text
/// ln(Φ(b) − Φ(a))          a and b left of 0; right of 0 mirrored, as the left tail is exact
/// ln(1 − Φ(a) − Φ(−b))     a left of 0, b right of it
/// ```
pub fn log_mass(a: f64, b: f64) -> f64 {
    if a > 0.0 {
        return log_mass(-b, -a);
    }
    if b > 0.0 {
        let outside = 0.5 * libm::erfc(-a / SQRT_2) + 0.5 * libm::erfc(b / SQRT_2);
        return (-outside).ln_1p();
    }
    let (upper, lower) = (log_probability(b), log_probability(a));
    upper + (-(lower - upper).exp()).ln_1p()
}

/// Quantile `q` in `[0, 1)` of the normal distribution truncated to `[a, b]`, by bisection.
pub fn truncated_quantile(q: f64, a: f64, b: f64) -> f64 {
    let target = q.ln() + log_mass(a, b);
    let (mut low, mut high) = (a, b);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle.clamp(a, b);
        }
        match log_mass(a, middle) < target {
            true => low = middle,
            false => high = middle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn probabilities_agree_with_published_tables() {
        // Abramowitz and Stegun, tables 26.1 and 26.2.
        assert_relative_eq!(log_probability(0.0).exp(), 0.5, max_relative = 1e-15);
        assert_relative_eq!(log_probability(1.0).exp(), 0.841_344_746_068_543, max_relative = 1e-14);
        assert_relative_eq!(log_probability(-2.0).exp(), 0.022_750_131_948_179, max_relative = 1e-12);
        assert_relative_eq!(log_probability(-10.0) / std::f64::consts::LN_10, -23.118_05, max_relative = 1e-6);
        assert_relative_eq!(log_probability(-50.0) / std::f64::consts::LN_10, -544.966_34, max_relative = 1e-7);
    }

    #[test]
    fn the_branches_agree_where_they_meet() {
        for edge in [-FAR, 6.0] {
            let (left, right) = (log_probability(edge), log_probability(edge + 1e-12));
            assert_relative_eq!(left, right, max_relative = 1e-10);
        }
    }

    #[test]
    fn the_mass_of_an_interval_is_the_sum_over_its_parts() {
        for (a, b, c) in
            [(-30.0, -29.9, -29.0), (-1.0, -0.5, 0.7), (-0.5, 0.0, 0.5), (8.0, 8.1, 9.0), (-3.0, 2.0, 40.0)]
        {
            let parts = (log_mass(a, b) - log_mass(a, c)).exp() + (log_mass(b, c) - log_mass(a, c)).exp();
            assert_relative_eq!(parts, 1.0, max_relative = 1e-11);
        }
    }

    #[test]
    fn quantiles_invert_the_distribution_and_stay_inside() {
        for (a, b) in [(-1.0, 2.0), (5.0, 6.0), (-40.0, -39.0), (-0.01, 0.01)] {
            for q in [0.0, 1e-9, 0.3, 0.999] {
                let x = truncated_quantile(q, a, b);
                assert!((a..=b).contains(&x), "{a} {b} {q}: {x}");
                let back = if x > a { (log_mass(a, x) - log_mass(a, b)).exp() } else { 0.0 };
                assert!((back - q).abs() < 1e-9, "{a} {b} {q}: {back}");
            }
        }
    }
}
