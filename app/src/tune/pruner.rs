//! Median pruning: stops a trial early if it does worse than half of the complete trials.

use super::trial::{State, Trial};

/// Number of complete trials before any trial is pruned.
pub const STARTUP_TRIALS: usize = 5;

/// First step at which a trial may be pruned: one step alone is not enough.
pub const WARM_UP_STEPS: u64 = 1;

/// Whether to prune a trial that reports `value` at `step`: the value is NaN, or below the median of the complete trials'
/// values at that step.
///
/// Optuna's pruner compares the best value so far, which suits rising curves. Our values are means over a growing number of
/// folds, and folds differ in difficulty: the best value so far would be that of the easiest fold.
pub fn should_prune(trials: &[&Trial], step: u64, value: f64) -> bool {
    let complete = || trials.iter().filter(|trial| trial.state == State::Complete);
    if step < WARM_UP_STEPS || complete().count() < STARTUP_TRIALS {
        return false;
    }
    let reported = complete().filter_map(|trial| trial.intermediate.get(&step).copied());
    let mut others: Vec<f64> = reported.filter(|value| !value.is_nan()).collect();
    if others.is_empty() {
        return false;
    }
    others.sort_by(f64::total_cmp);
    let median = 0.5 * (others[(others.len() - 1) / 2] + others[others.len() / 2]);
    value.is_nan() || value < median
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(number: usize, values: &[f64]) -> Trial {
        let intermediate = values.iter().enumerate().map(|(step, &value)| (step as u64, value)).collect();
        Trial { intermediate, ..Trial::new(number, number, State::Complete) }
    }

    #[test]
    fn trials_below_the_median_are_pruned_after_the_first_fold() {
        let values = [0.5, 0.1, 0.4, 0.2, 0.3, 0.6];
        let mut trials: Vec<Trial> = values.iter().enumerate().map(|(i, &x)| complete(i, &[0.9, x])).collect();
        let prunes = |trials: &[Trial], step, value| should_prune(&trials.iter().collect::<Vec<_>>(), step, value);
        assert!(
            prunes(&trials, 1, 0.349) && !prunes(&trials, 1, 0.35),
            "the median of an even number is the mean of the middle two"
        );
        assert!(prunes(&trials, 1, f64::NAN));
        assert!(!prunes(&trials, 0, 0.0), "not after the first fold");
        assert!(!prunes(&trials, 2, 0.0), "no complete trial has this step");
        trials.truncate(5);
        assert!(prunes(&trials, 1, 0.29) && !prunes(&trials, 1, 0.3));
        trials[0].state = State::Pruned;
        assert!(!prunes(&trials, 1, 0.0), "too few complete trials");
    }
}
