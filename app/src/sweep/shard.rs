//! Shards: parts of a plan for separate processes.

use reslstm::error::{Error, Kind, Result};
use std::fmt;
use std::str::FromStr;

/// One of `count` parts of a plan, numbered from 1: `2/3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: usize,
    count: usize,
}

impl Shard {
    /// The whole plan.
    pub const WHOLE: Shard = Shard { number: 1, count: 1 };

    /// Shard `number` of `count`, from 1.
    ///
    /// # Errors
    /// [`Kind::Settings`] if `number` is not from 1 to `count`.
    pub fn new(number: usize, count: usize) -> Result<Self> {
        if !(1..=count).contains(&number) {
            let problem = format!("shard {number}/{count}: expected a number from 1 to the number of shards");
            return Err(Error::new(Kind::Settings, problem));
        }
        Ok(Shard { number, count })
    }

    /// This shard's jobs: every `count`-th, so that large and small models are spread evenly.
    pub fn select<T>(self, jobs: &[T]) -> impl Iterator<Item = &T> {
        jobs.iter().skip(self.number - 1).step_by(self.count)
    }

    /// The shard from a scheduler's environment variables, read through `variable`; `None` if they are not set. `count` is the
    /// number of shards, if the user gave it.
    ///
    /// - Slurm: `SLURM_ARRAY_TASK_ID`, in the range that `SLURM_ARRAY_TASK_MIN`, `MAX`, `COUNT` and `STEP` describe. The range
    ///   may start anywhere: the shard is `id/STEP mod count`, 0 being the last. If `count` is given, a part of the range can be
    ///   submitted again, and each task gets the same jobs as before.
    /// - Kubernetes: `JOB_COMPLETION_INDEX`, from 0. The number of completions is not in the environment, so `count` is required.
    ///
    /// # Errors
    /// [`Kind::Settings`] naming the variable if it is not a number, or the number of shards is unknown.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>, count: Option<usize>) -> Result<Option<Self>> {
        let number = |name: &str| -> Result<Option<usize>> {
            let Some(text) = variable(name) else { return Ok(None) };
            let wrong = |_| Error::new(Kind::Settings, format!("expected a number, got '{text}'")).at(name);
            text.trim().parse().map(Some).map_err(wrong)
        };
        if let Some(id) = number("SLURM_ARRAY_TASK_ID")? {
            let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
            let count = match count {
                Some(count) => count,
                None => {
                    let range = ["MIN", "MAX", "COUNT"].map(|end| number(&format!("SLURM_ARRAY_TASK_{end}")));
                    let [min, max, count] = range;
                    even_range(min?, max?, count?, step)?
                }
            };
            return match (id / step) % count.max(1) {
                0 => Shard::new(count, count),
                number => Shard::new(number, count),
            }
            .map(Some);
        }
        let Some(index) = number("JOB_COMPLETION_INDEX")? else { return Ok(None) };
        let Some(count) = count else {
            let problem = "expected the number of completions, which Kubernetes does not provide";
            return Err(Error::new(Kind::Settings, problem).at("JOB_COMPLETION_INDEX").advice("add --shards N"));
        };
        Shard::new(index.saturating_add(1), count).map(Some).map_err(|error| error.at("JOB_COMPLETION_INDEX"))
    }
}

/// Number of tasks of an array with evenly spaced ids; only then the id gives the task's position.
fn even_range(min: Option<usize>, max: Option<usize>, count: Option<usize>, step: usize) -> Result<usize> {
    match (min, max, count) {
        (Some(min), Some(max), Some(count)) if count > 0 && max.checked_sub(min) == (count - 1).checked_mul(step) => {
            Ok(count)
        }
        _ => {
            let shown = |value: Option<usize>| value.map_or("nothing".into(), |value| value.to_string());
            let problem = format!(
                "expected an even range of task ids, as --array=1-8 makes, got MIN {}, MAX {}, COUNT {}, STEP {step}",
                shown(min),
                shown(max),
                shown(count)
            );
            Err(Error::new(Kind::Settings, problem).at("SLURM_ARRAY_TASK_ID").advice("add --shards N"))
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('/').and_then(|(number, count)| Some((number.parse().ok()?, count.parse().ok()?)));
        let invalid = || Error::new(Kind::Settings, format!("expected a shard such as 2/3, got '{text}'"));
        let (number, count) = parts.ok_or_else(invalid)?;
        Shard::new(number, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn environment(variables: &[(&str, usize)], count: Option<usize>) -> Result<Option<Shard>> {
        let variables: BTreeMap<&str, usize> = variables.iter().copied().collect();
        Shard::from_environment(|name| variables.get(name).map(ToString::to_string), count)
    }

    fn slurm(id: usize, [min, max, count, step]: [usize; 4], named: Option<usize>) -> Result<Option<Shard>> {
        let name = |end: &str| format!("SLURM_ARRAY_TASK_{end}");
        let values = [("ID", id), ("MIN", min), ("MAX", max), ("COUNT", count), ("STEP", step)];
        let named_values = values.map(|(end, value)| (name(end), value));
        environment(&named_values.each_ref().map(|(name, value)| (name.as_str(), *value)), named)
    }

    /// Asserts that these tasks have all shards.
    fn assert_all(tasks: impl Iterator<Item = Result<Option<Shard>>>, count: usize) {
        let mut numbers: Vec<usize> = tasks.map(|shard| shard.unwrap().unwrap().number).collect();
        numbers.sort();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
    }

    #[test]
    fn each_job_is_in_one_shard() {
        for count in 1..12 {
            let shares =
                (1..=count).flat_map(|number| Shard::new(number, count).unwrap().select(&[1, 2, 3, 4, 5, 6, 7]));
            let mut jobs: Vec<i32> = shares.copied().collect();
            jobs.sort();
            assert_eq!(jobs, [1, 2, 3, 4, 5, 6, 7]);
        }
        let second: Shard = "2/3".parse().unwrap();
        assert_eq!(second.select(&[1, 2, 3, 4, 5, 6]).collect::<Vec<_>>(), [&2, &5]);
        assert_eq!(second.to_string(), "2/3");
    }

    #[test]
    fn invalid_shards_are_refused() {
        for text in ["4/3", "0/3", "0/0", "1/0", "-1/3", "1", "a/b", "1/2/3", ""] {
            assert_eq!(text.parse::<Shard>().unwrap_err().kind(), Kind::Settings, "{text}");
        }
        let error = "4/3".parse::<Shard>().unwrap_err().to_string();
        assert_eq!(error, "shard 4/3: expected a number from 1 to the number of shards");
    }

    #[test]
    fn every_evenly_spaced_slurm_array_is_understood() {
        for (min, count, step) in [(0, 4, 1), (1, 4, 1), (17, 5, 1), (0, 5, 5), (1, 5, 5), (3, 4, 2), (2, 1, 1)] {
            let max = min + (count - 1) * step;
            let task = |place: usize| slurm(min + place * step, [min, max, count, step], None);
            assert_all((0..count).map(task), count);
        }
        assert_eq!(slurm(3, [1, 8, 8, 1], None).unwrap(), Some(Shard::new(3, 8).unwrap()));
        let uneven = slurm(5, [1, 7, 3, 1], None).unwrap_err().to_string();
        assert!(uneven.contains("got MIN 1, MAX 7, COUNT 3, STEP 1 (add --shards N)"), "{uneven}");
        assert!(environment(&[("SLURM_ARRAY_TASK_ID", 5)], None).is_err());
    }

    #[test]
    fn a_resubmitted_part_of_an_array_has_the_same_jobs() {
        for id in [1, 5, 7, 8] {
            let whole = slurm(id, [1, 8, 8, 1], None).unwrap();
            assert_eq!(slurm(id, [id, id, 1, 1], Some(8)).unwrap(), whole);
            assert_eq!(slurm(id, [1, 7, 3, 1], Some(8)).unwrap(), whole);
        }
    }

    #[test]
    fn the_kubernetes_index_starts_at_0() {
        assert_all((0..4).map(|index| environment(&[("JOB_COMPLETION_INDEX", index)], Some(4))), 4);
        for (index, count, problem) in [(0, None, "--shards N"), (4, Some(4), "shard 5/4"), (0, Some(0), "shard 1/0")] {
            let error = environment(&[("JOB_COMPLETION_INDEX", index)], count).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        assert_eq!(environment(&[], None).unwrap(), None);
        let error = Shard::from_environment(|_| Some("first".into()), None).unwrap_err().to_string();
        assert_eq!(error, "SLURM_ARRAY_TASK_ID: expected a number, got 'first'");
    }
}
