//! One point of the space, and how it went.

use super::space::Distribution;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What became of a trial; the numbers are those of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Somebody works on it, or died working.
    Running = 0,
    /// It has a value.
    Complete = 1,
    /// Given up before its end.
    Pruned = 2,
    /// It went wrong.
    Failed = 3,
    /// Somebody wants it tried.
    Waiting = 4,
}

impl State {
    /// Of its number.
    pub fn of(number: u64) -> Option<Self> {
        use State::{Complete, Failed, Pruned, Running, Waiting};
        [Running, Complete, Pruned, Failed, Waiting].into_iter().find(|&state| state as u64 == number)
    }

    /// Whether nothing about it changes any more.
    pub fn is_finished(self) -> bool {
        matches!(self, State::Complete | State::Pruned | State::Failed)
    }
}

/// A trial of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// In the order of the study, from 0.
    pub number: usize,
    /// In the order of the journal, from 0, over all its studies.
    pub id: usize,
    /// What became of it.
    pub state: State,
    /// Its value, when it is complete.
    pub value: Option<f64>,
    /// Where it is tried: numbers as they are, choices by their index.
    pub parameters: BTreeMap<String, f64>,
    /// Where each parameter came from.
    pub distributions: BTreeMap<String, Distribution>,
    /// Values on the way, by step; may be NaN.
    pub intermediate: BTreeMap<u64, f64>,
    /// What its worker says about it.
    pub user_attributes: Map<String, Value>,
    /// What its sampler says about it.
    pub system_attributes: Map<String, Value>,
}

impl Trial {
    /// A trial of which nothing is known yet.
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

    /// Where it is tried, choices as what they are.
    pub fn values(&self) -> BTreeMap<String, Value> {
        let value =
            |(name, &number): (&String, &f64)| Some((name.clone(), self.distributions.get(name)?.to_value(number)));
        self.parameters.iter().filter_map(value).collect()
    }

    /// Whether the sampler learns from its result: it has one, or was given up.
    pub fn is_observed(&self) -> bool {
        matches!(self.state, State::Complete | State::Pruned)
    }
}
