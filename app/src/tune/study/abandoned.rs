//! Trials left running: a worker that is killed tells no result, and of Optuna's workers nobody can know whether they live.

use super::{Study, USER_ATTRIBUTE, end_line};
use crate::tune::trial::{State, Trial};
use reslstm::error::{Error, Kind, Result};

impl Study {
    /// Ends running trials that nobody works on any more, as failed. Those that failed already stay as they are.
    ///
    /// # Errors
    /// [`Kind::Settings`] if there is no such trial, it has another end, or a worker of this program works on it; [`Kind::Io`]
    /// or [`Kind::Data`], from the journal. Then none is ended.
    pub fn fail(&self, numbers: &[usize]) -> Result<()> {
        self.journal().update(|replay| {
            let trials = replay.trials(self.id);
            let mut lines = Vec::new();
            for &number in numbers {
                let wrong = |problem: &str| Err(Error::new(Kind::Settings, problem).at(format!("trial {number}")));
                match trials.get(number).map(|trial| (trial, trial.state)) {
                    None => return wrong(&format!("expected the number of one of {} trials", trials.len())),
                    Some((trial, State::Running)) if self.is_worked_on(trial)? => {
                        return wrong("expected a trial that nobody works on, but its process is alive");
                    }
                    Some((trial, State::Running)) => lines.push(end_line(trial.id, State::Failed, None)),
                    Some((_, State::Failed)) => {}
                    Some((_, state)) => return wrong(&format!("expected a running trial, but it is {state:?}")),
                }
            }
            Ok((lines, ()))
        })
    }

    /// Numbers of the running trials on which no worker of this program works: those of Optuna, whose workers leave no sign of
    /// life, and those of dead workers.
    ///
    /// # Errors
    /// [`Kind::Io`] or [`Kind::Data`], from the journal or a trial's folder.
    pub fn maybe_abandoned(&self) -> Result<Vec<usize>> {
        self.journal().update(|replay| {
            let mut numbers = Vec::new();
            for trial in replay.trials(self.id).into_iter().filter(|trial| trial.state == State::Running) {
                if !self.is_worked_on(trial)? {
                    numbers.push(trial.number);
                }
            }
            Ok((Vec::new(), numbers))
        })
    }

    /// Whether a worker of this program is known to work on a running trial.
    fn is_worked_on(&self, trial: &Trial) -> Result<bool> {
        let ours = trial.user_attributes.contains_key(USER_ATTRIBUTE) && self.trial_folder(trial.id).exists();
        Ok(ours && self.try_hold(trial.id)?.is_none())
    }
}
