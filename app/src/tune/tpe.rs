//! The sampler: the Tree-structured Parzen Estimator (Bergstra et al., 2011), with the defaults of Optuna 5.
//!
//! Past trials are split into a few good ones and the rest. `l` is the density of the good ones, `g` that of the rest, both over
//! all parameters at once. Of 24 points drawn from `l`, the one with the largest `l/g` is tried next. Running trials count as
//! not good, so that workers do not try nearby points ("constant liar").

use super::parzen::Parzen;
use super::space::{Distribution, Space};
use super::trial::{State, Trial};
use reslstm::rng::RandomStream;
use serde_json::{Map, Value};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Number of random trials before the first density is fitted.
pub const STARTUP_TRIALS: usize = 10;

/// Number of candidate points.
pub const CANDIDATES: usize = 24;

/// System attribute with the parameters of a running trial, for other workers: JSON in numbered parts.
pub const RELATIVE_PARAMETERS: &str = "tpe:relative_params";

/// Number of good trials among `observed` ones: a tenth, rounded up, at most 25.
pub fn good_count(observed: usize) -> usize {
    ((0.1 * observed as f64).ceil() as usize).min(25)
}

/// Splits trials into the `good` best ones and the rest, each sorted by number. Complete trials come before pruned ones, by
/// value. Pruned trials are ranked by their last step, then by its value, NaN being the worst. Running trials are never good;
/// failed and waiting ones are left out.
pub fn split<'a>(trials: &[&'a Trial], good: usize) -> (Vec<&'a Trial>, Vec<&'a Trial>) {
    let in_state = |state: State| trials.iter().copied().filter(move |trial| trial.state == state);
    let mut complete: Vec<&Trial> = in_state(State::Complete).collect();
    let value = |trial: &Trial| trial.value.unwrap_or(f64::NEG_INFINITY);
    complete.sort_by(|a, b| value(b).total_cmp(&value(a)));
    let mut pruned: Vec<&Trial> = in_state(State::Pruned).collect();
    let progress = |trial: &Trial| match trial.intermediate.last_key_value() {
        Some((&step, &last)) => (Some(step), if last.is_nan() { f64::NEG_INFINITY } else { last }),
        None => (None, 0.0),
    };
    pruned.sort_by(|a, b| {
        let ((step_a, last_a), (step_b, last_b)) = (progress(a), progress(b));
        Reverse(step_a).cmp(&Reverse(step_b)).then(last_b.total_cmp(&last_a))
    });
    let mut below: Vec<&Trial> = complete.into_iter().chain(pruned).collect();
    let mut above = below.split_off(good.min(below.len()));
    above.extend(in_state(State::Running));
    below.sort_by_key(|trial| trial.number);
    above.sort_by_key(|trial| trial.number);
    (below, above)
}

/// The density of `trials` over the parameters `names`; trials that lack one of them are left out.
pub fn density(space: &Space, names: &[&str], trials: &[&Trial]) -> Parzen {
    let distributions: Vec<&Distribution> = names.iter().filter_map(|name| space.get(name)).collect();
    let point = |trial: &&Trial| -> Option<Vec<f64>> {
        let shared = shared_parameters(trial);
        let coordinate = |(name, distribution): (&&str, &&Distribution)| {
            let number = trial.parameters.get(*name).copied();
            let number = number.or_else(|| distribution.to_number(shared.get(*name)?))?;
            distribution.can_be_observed(number).then_some(number)
        };
        names.iter().zip(&distributions).map(coordinate).collect()
    };
    Parzen::fit(&distributions, &trials.iter().filter_map(point).collect::<Vec<_>>())
}

/// Parameters that the worker of a running trial has published; empty once the trial is finished.
fn shared_parameters(trial: &Trial) -> Map<String, Value> {
    if trial.state.is_finished() {
        return Map::new();
    }
    let part = |i: usize| trial.system_attributes.get(&format!("{RELATIVE_PARAMETERS}:{i}"))?.as_str();
    let text: String = (0..).map_while(part).collect();
    // The worker may still be writing the parts.
    serde_json::from_str(&text).unwrap_or_default()
}

/// The next point to try, given `trials`. Parameters that all observed trials have in the same range are sampled jointly, each
/// other parameter by itself.
pub fn suggest(space: &Space, trials: &[&Trial], stream: &mut RandomStream) -> BTreeMap<String, f64> {
    let observed: Vec<&Trial> = trials.iter().copied().filter(|trial| trial.is_observed()).collect();
    let (single, open): (Vec<_>, Vec<_>) = space.iter().partition(|(_, distribution)| distribution.is_single());
    let mut point: BTreeMap<String, f64> = BTreeMap::new();
    for (name, distribution) in single {
        point.insert(name.into(), distribution.draw(stream));
    }
    if observed.len() < STARTUP_TRIALS {
        point.extend(open.into_iter().map(|(name, distribution)| (name.into(), distribution.draw(stream))));
        return point;
    }
    let everywhere = |(name, distribution): &(&str, &Distribution)| {
        observed.iter().all(|trial| trial.distributions.get(*name) == Some(*distribution))
    };
    let (joint, alone): (Vec<_>, Vec<_>) = open.into_iter().partition(everywhere);
    let (below, above) = split(trials, good_count(observed.len()));
    let mut groups: Vec<Vec<&str>> = alone.into_iter().map(|(name, _)| vec![name]).collect();
    if !joint.is_empty() {
        groups.insert(0, joint.into_iter().map(|(name, _)| name).collect());
    }
    for names in groups {
        let (l, g) = (density(space, &names, &below), density(space, &names, &above));
        let best = best_candidate(&l, &g, space, &names, stream);
        point.extend(names.into_iter().map(String::from).zip(best));
    }
    point
}

/// Of candidates drawn from `l`, the first with the largest `l/g`.
fn best_candidate(l: &Parzen, g: &Parzen, space: &Space, names: &[&str], stream: &mut RandomStream) -> Vec<f64> {
    let mut best: Option<(f64, Vec<f64>)> = None;
    for _ in 0..CANDIDATES {
        let drawn = l.sample(stream);
        let on_steps = names.iter().zip(drawn).map(|(name, x)| space.get(name).map_or(x, |range| range.nearest(x)));
        let candidate: Vec<f64> = on_steps.collect();
        let ratio = l.log_density(&candidate) - g.log_density(&candidate);
        if best.as_ref().is_none_or(|(largest, _)| ratio > *largest) {
            best = Some((ratio, candidate));
        }
    }
    best.expect("at least one candidate").1
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn trial(number: usize, state: State, value: Option<f64>, intermediate: &[(u64, f64)]) -> Trial {
        let intermediate = intermediate.iter().copied().collect();
        Trial { value, intermediate, ..Trial::new(number, number, state) }
    }

    #[test]
    fn trials_are_ranked_by_value_then_by_progress() {
        let trials = [
            trial(0, State::Complete, Some(0.3), &[]),
            trial(1, State::Pruned, None, &[(0, 0.9)]),
            trial(2, State::Complete, Some(0.7), &[]),
            trial(3, State::Pruned, None, &[(0, 0.9), (1, f64::NAN)]),
            trial(4, State::Running, None, &[(0, 1.0)]),
            trial(5, State::Pruned, None, &[(1, 0.1)]),
            trial(6, State::Complete, Some(0.7), &[]),
            trial(7, State::Pruned, None, &[]),
            trial(8, State::Failed, None, &[]),
            trial(9, State::Waiting, None, &[]),
        ];
        let trials: Vec<&Trial> = trials.iter().collect();
        let best = |good| split(&trials, good).0.iter().map(|trial| trial.number).collect::<Vec<_>>();
        let order = [2, 6, 0, 5, 3, 1, 7];
        for good in 0..=7 {
            let mut expected = order[..good].to_vec();
            expected.sort_unstable();
            assert_eq!(best(good), expected);
        }
        let others = split(&trials, 2).1;
        assert_eq!(others.iter().map(|trial| trial.number).collect::<Vec<_>>(), [0, 1, 3, 4, 5, 7]);
        assert_eq!([1, 10, 11, 29, 30, 31, 250, 1000].map(good_count), [1, 1, 2, 3, 3, 4, 25, 25]);
    }

    #[test]
    fn published_parameters_count_while_the_trial_runs() {
        let space = Space::preset("paper").unwrap();
        let mut running = trial(0, State::Running, None, &[]);
        let text = json!({ "lr": 1e-4, "batch_size": 16 }).to_string();
        let (first, second) = text.split_at(9);
        running.system_attributes.insert(format!("{RELATIVE_PARAMETERS}:0"), first.into());
        running.system_attributes.insert(format!("{RELATIVE_PARAMETERS}:1"), second.into());
        running.parameters.insert("dropout".into(), 0.25);
        let names = ["batch_size", "dropout", "lr"];
        let density_at = |trial: &Trial, x| density(&space, &names, &[trial]).log_density(&[1.0, 0.25, x]);
        let prior = density(&space, &names, &[]).log_density(&[1.0, 0.25, 1e-4]);
        assert!(density_at(&running, 1e-4) > density_at(&running, 3e-5).max(prior));
        running.state = State::Failed;
        assert_eq!(density_at(&running, 1e-4), prior);
        running.state = State::Running;
        running.system_attributes.remove(&format!("{RELATIVE_PARAMETERS}:1"));
        assert_eq!(density_at(&running, 1e-4), prior, "an incomplete attribute is ignored");
    }

    #[test]
    fn it_finds_a_peak_that_random_points_rarely_find() {
        let space = Space::from_toml(
            "x = { type = \"float\", low = -10, high = 10 }\ny = { type = \"float\", low = 1e-4, high = 1, log = true }\n\
             n = { type = \"int\", low = 1, high = 8 }\nc = { type = \"categorical\", choices = [\"a\", \"b\", \"c\"] }\n\
             one = { type = \"int\", low = 3, high = 3 }",
        )
        .unwrap();
        let value = |point: &BTreeMap<String, f64>| {
            let (x, y) = (point["x"] - 3.0, point["y"].log10() + 2.0);
            -x * x - 4.0 * y * y - (point["n"] - 6.0).abs() - if point["c"] == 1.0 { 0.0 } else { 2.0 }
        };
        let best_of = |seed: u64| {
            let mut trials: Vec<Trial> = Vec::new();
            for number in 0..80 {
                let past: Vec<&Trial> = trials.iter().collect();
                let point = suggest(&space, &past, &mut RandomStream::new(seed, "trial", number as u64));
                assert!(space.iter().all(|(name, distribution)| distribution.contains(point[name])), "{point:?}");
                let mut new = trial(number, State::Complete, Some(value(&point)), &[]);
                new.parameters = point;
                // `n` is searched on its own, as another worker's range for it differs.
                new.distributions = space.iter().map(|(name, range)| (name.into(), range.clone())).collect();
                if number == 0 {
                    new.distributions.insert("n".into(), Distribution::Int { log: false, step: 1, low: 1, high: 9 });
                }
                trials.push(new);
            }
            trials.iter().map(|trial| trial.value.unwrap()).fold(f64::NEG_INFINITY, f64::max)
        };
        let mut bests: Vec<f64> = (0..9).map(best_of).collect();
        bests.sort_by(f64::total_cmp);
        // The best of 80 random points is about −3.5 (median of many searches).
        assert!(bests[4] > -1.5, "{bests:?}");
    }
}
