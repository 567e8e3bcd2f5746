//! A trial: one point of the search space and its result.

use super::space::Distribution;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// State of a trial, with its number in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A worker runs it, or was killed while running it.
    Running = 0,
    /// Finished with a value.
    Complete = 1,
    /// Stopped early.
    Pruned = 2,
    /// Failed.
    Failed = 3,
    /// Queued by a user, not started.
    Waiting = 4,
}

impl State {
    /// The state with this number in the journal.
    pub fn from_number(number: u64) -> Option<Self> {
        use State::{Complete, Failed, Pruned, Running, Waiting};
        [Running, Complete, Pruned, Failed, Waiting].into_iter().find(|&state| state as u64 == number)
    }

    /// Whether the trial has ended.
    pub fn is_finished(self) -> bool {
        matches!(self, State::Complete | State::Pruned | State::Failed)
    }
}

/// A trial of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Position in its study, from 0.
    pub number: usize,
    /// Position in the journal over all studies, from 0.
    pub id: usize,
    /// Its state.
    pub state: State,
    /// Its value, once it is complete.
    pub value: Option<f64>,
    /// Parameters by name: numbers as they are, choices by their index.
    pub parameters: BTreeMap<String, f64>,
    /// The range of each parameter.
    pub distributions: BTreeMap<String, Distribution>,
    /// Intermediate values by step; may be NaN.
    pub intermediate: BTreeMap<u64, f64>,
    /// User attributes, set by its worker.
    pub user_attributes: Map<String, Value>,
    /// System attributes, set by its sampler.
    pub system_attributes: Map<String, Value>,
}

impl Trial {
    /// A trial without parameters, values or attributes.
    pub fn new(number: usize, id: usize, state: State) -> Self {
        Trial {
            number,
            id,
            state,
            value: None,
            parameters: BTreeMap::new(),
            distributions: BTreeMap::new(),
            intermediate: BTreeMap::new(),
            user_attributes: Map::new(),
            system_attributes: Map::new(),
        }
    }

    /// Parameters by name, choices by their value.
    pub fn values(&self) -> BTreeMap<String, Value> {
        let value =
            |(name, &number): (&String, &f64)| Some((name.clone(), self.distributions.get(name)?.to_value(number)));
        self.parameters.iter().filter_map(value).collect()
    }

    /// Whether the sampler uses it: it is complete or pruned.
    pub fn is_observed(&self) -> bool {
        matches!(self.state, State::Complete | State::Pruned)
    }
}
