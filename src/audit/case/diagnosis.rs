//! Which known fault explains another program's results.

use super::dropout;
use super::{Case, Compared, Mode};
use crate::audit::faults::{Fault, Planted};
use crate::audit::plain::network::{Faulty, PlainAdam};
use crate::matrix::Matrix;
use crate::params::{Parameters, Path};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Known faults that explain the tensors beyond their bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The fault that explains most tensors first; then the one that explains most of the rest; and so on.
    pub explanations: Vec<Explanation>,
    /// Keys of the tensors beyond their bound that no known fault explains.
    pub unexplained: Vec<String>,
}

/// A fault, and what it explains.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The fault; more than one where they give the same numbers.
    pub faults: Vec<Planted>,
    /// What they do, as sentences.
    pub sentences: Vec<String>,
    /// Keys of the tensors that are within their bound if the fault is planted here too.
    pub tensors: Vec<String>,
    /// Dropout probability, if dropout is left on and scales what it keeps by 1/(1 − p).
    pub dropout: Option<f64>,
}

/// A fault that explains something and contradicts nothing.
struct Candidate {
    planted: Planted,
    dropout: Option<f64>,
    tensors: BTreeSet<String>,
}

impl Case {
    /// Tries every known fault on `rows`, the result of [`compare`](Self::compare). A fault explains a tensor beyond its bound if that is within the bound once the fault is planted in
    /// this engine's computation; a fault that moves another tensor beyond its bound is discarded.
    ///
    /// Every fault is a task. `run` gets their number and a function that runs one of them, as in [`audit`](crate::audit::audit).
    ///
    /// # Panics
    /// If `run` leaves out a task.
    pub fn diagnose(&self, rows: &[Compared], run: impl FnOnce(usize, &(dyn Fn(usize) + Sync))) -> Diagnosis {
        let mut left: BTreeSet<String> = names(rows, false);
        let (wrong, right) = (left.clone(), names(rows, true));
        let known = if wrong.is_empty() { Vec::new() } else { Planted::all(self.model.architecture()) };
        let tried: Vec<OnceLock<Option<Candidate>>> = known.iter().map(|_| OnceLock::new()).collect();
        run(known.len(), &|n| {
            tried[n].get_or_init(|| self.explained(known[n].clone(), &wrong, &right));
        });
        let tried = tried.into_iter().map(|candidate| candidate.into_inner().expect("every task is run"));
        let mut candidates: Vec<Candidate> = tried.flatten().collect();
        if candidates.iter().all(|it| it.tensors.len() < wrong.len()) {
            candidates.extend(self.explained_by_dropout(&wrong, &right));
        }
        let mut explanations = Vec::new();
        while let Some(most) =
            candidates.iter().map(|it| it.tensors.intersection(&left).count()).max().filter(|&most| most > 0)
        {
            let best = |it: &&Candidate| it.tensors.intersection(&left).count() == most;
            let first: BTreeSet<String> = candidates.iter().find(best).expect("the best").tensors.clone();
            let equal: Vec<&Candidate> = candidates.iter().filter(|it| it.tensors == first).collect();
            explanations.push(Explanation {
                faults: equal.iter().map(|it| it.planted.clone()).collect(),
                sentences: equal.iter().map(|it| it.planted.to_string()).collect(),
                tensors: self.in_order(first.intersection(&left)),
                dropout: equal.iter().find_map(|it| it.dropout),
            });
            left = left.difference(&first).cloned().collect();
        }
        Diagnosis { explanations, unexplained: self.in_order(left.iter()) }
    }

    /// Keys in the order of the comparison.
    fn in_order<'a>(&self, names: impl Iterator<Item = &'a String>) -> Vec<String> {
        let names: BTreeSet<&String> = names.collect();
        self.ours.iter().map(|tensor| &tensor.name).filter(|name| names.contains(name)).cloned().collect()
    }

    fn explained(&self, planted: Planted, wrong: &BTreeSet<String>, right: &BTreeSet<String>) -> Option<Candidate> {
        let mut tensors: BTreeSet<String> =
            self.agreeing(&planted, [None, None], false, right)?.intersection(wrong).cloned().collect();
        // Steps of Adam are computed last: they take longest, and most faults have been discarded before.
        let only_adam = wrong.iter().all(|name| name.starts_with("adam."));
        if only_adam || (!tensors.is_empty() && self.adam.is_some()) {
            tensors = self.agreeing(&planted, [None, None], true, right)?.intersection(wrong).cloned().collect();
        }
        (!tensors.is_empty()).then_some(Candidate { planted, dropout: None, tensors })
    }

    /// Dropout with the masks that fit the results. Every step of Adam draws another one, so its weights follow, unchecked.
    fn explained_by_dropout(&self, wrong: &BTreeSet<String>, right: &BTreeSet<String>) -> Vec<Candidate> {
        let masks = dropout::masks(self, wrong);
        let kept = |mask: &Matrix<f64>| mask.as_slice().iter().copied().find(|&kept| kept > 0.0);
        let Some(kept) = masks.iter().flatten().find_map(kept) else { return Vec::new() };
        let candidate = |fault| {
            let planted = Planted::new(fault, "");
            let agreeing = self.agreeing(&planted, [masks[0].as_ref(), masks[1].as_ref()], false, right)?;
            let mut tensors: BTreeSet<String> = agreeing.intersection(wrong).cloned().collect();
            if !tensors.is_empty() && masks[0].is_some() {
                tensors.extend(wrong.iter().filter(|name| name.starts_with("adam.")).cloned());
            }
            let dropout = (kept > 1.0 + 1e-6).then_some(1.0 - 1.0 / kept);
            (!tensors.is_empty()).then_some(Candidate { planted, dropout, tensors })
        };
        [Fault::DropoutLeftOn, Fault::MaskNotScaled].into_iter().filter_map(candidate).collect()
    }

    /// Keys of the tensors that agree with a faulty network's, given its dropout masks in training and evaluation; none if one of
    /// the `right` tensors does not.
    fn agreeing(
        &self,
        planted: &Planted,
        [training, evaluation]: [Option<&Matrix<f64>>; 2],
        with_adam: bool,
        right: &BTreeSet<String>,
    ) -> Option<BTreeSet<String>> {
        let mut pass = |model: &_, mode| {
            let mask = if mode == Mode::Training { training } else { evaluation };
            Faulty { planted, padding: self.padding, mask }.pass(model, &self.batch, mode)
        };
        let mut ours = self.single_pass(&mut pass);
        if with_adam {
            let mut has_gradient = Vec::new();
            self.model.visit(&Path::ROOT, &mut |path, _, _, _| {
                has_gradient.push(self.theirs.contains_key(&format!("grad.{path}")));
            });
            let mut adam = PlainAdam::new(&self.model, self.weight_decay(), planted.fault, has_gradient);
            ours.extend(self.adam_steps(&mut pass, |model, grads, rate| adam.step(model, grads, rate)));
        }
        let rows = self.compare_with(&ours);
        names(&rows, false).is_disjoint(right).then(|| names(&rows, true))
    }

    /// The other program's values of a result.
    pub(super) fn theirs(&self, key: &str) -> Option<&[f64]> {
        self.theirs.get(key).map(|theirs| theirs.values.as_slice())
    }
}

/// Keys of the rows that pass, or of those that do not.
fn names(rows: &[Compared], passing: bool) -> BTreeSet<String> {
    rows.iter().filter(|row| row.passes() == passing).map(|row| row.name.clone()).collect()
}
