//! A case: one batch, one set of weights, and any of the results that a program computes from them. Another program's results are
//! compared with this engine's, in `f64`, tensor by tensor; where they differ, known [faults](super::faults) are tried on them.
//!
//! A case is one safetensors file. `docs/audit.md` has the table of its keys.
//!
//! ```
//! use reslstm::audit::case::Case;
//! use reslstm::rng::RandomStream;
//!
//! let ours = Case::random("lstm-sa-h3".parse()?, 4, 3, 0)?;
//! let theirs = ours.to_bytes(); // here it would be a file of another program
//! let case = Case::read(&theirs)?;
//! for tensor in case.compare() {
//!     assert!(tensor.passes(), "{}: {:.1e} at {:?}", tensor.name, tensor.scaled_error, tensor.at);
//! }
//! # Ok::<(), reslstm::error::Error>(())
//! ```

mod diagnosis;
mod dropout;
mod read;
mod results;

pub use diagnosis::{Diagnosis, Explanation};

use super::pass::{Mode, Pass, Scratch};
use super::{indices, random_point, scaled_error, subjects::ModelSubject};
use crate::data::batch::{Batch, Example};
use crate::error::{Error, Kind, Result};
use crate::matrix::Matrix;
use crate::models::{Architecture, Model};
use crate::optim::Adam;
use crate::packed::{Packed, Padding};
use crate::params::Parameters;
use crate::rng::RandomStream;
use serde::Serialize;
use std::collections::BTreeMap;

/// How much two programs that compute in `f64` may differ, of a tensor's largest value: rounding is some 1e-14, and twenty steps of
/// Adam amplify it.
pub const BOUND: f64 = 1e-9;
/// The same where the other program's result is stored in `f32`. Gradients computed in `f32` are off by some 1e-6.
pub const SINGLE_BOUND: f64 = 1e-4;

/// A batch, weights, this engine's results and another program's.
#[derive(Clone, Debug)]
pub struct Case {
    model: Model<f64>,
    padding: Padding,
    form: Form,
    batch: Batch<f64>,
    adam: Option<AdamRun>,
    ours: Vec<Tensor>,
    theirs: BTreeMap<String, Theirs>,
    ignored: Vec<String>,
}

/// How the tensors with one row per frame are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `[N,T,…]`, clips in the caller's order.
    Padded {
        /// T
        steps: usize,
    },
    /// `[F,…]`, as PyTorch's `PackedSequence`.
    Packed,
}

/// Steps of Adam on the case's batch.
#[derive(Clone, Debug)]
struct AdamRun {
    /// Learning rate of every step.
    rates: Vec<f64>,
    weight_decay: f64,
    /// Numbers of the steps after which weights are compared, ascending, from 1.
    snapshots: Vec<usize>,
    /// Whether the rates were computed from a schedule, so that those of the file are a result.
    scheduled: bool,
}

/// A result, by name.
#[derive(Clone, Debug)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    values: Vec<f64>,
    /// Whether it has one row per frame, so that padded rows mean nothing.
    per_frame: bool,
}

/// Another program's result.
#[derive(Clone, Debug)]
struct Theirs {
    values: Vec<f64>,
    /// Stored in `f32`.
    single: bool,
}

/// One of the other program's results, compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The tensor's key.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// `max|theirs − ours| / max|ours|`; infinite where theirs is not a number.
    pub scaled_error: f64,
    /// Where the error is largest.
    pub at: Vec<usize>,
    /// What this engine computes there.
    pub ours: f64,
    /// What the other program computed there.
    pub theirs: f64,
    /// The largest error that passes: [`BOUND`] or [`SINGLE_BOUND`].
    pub bound: f64,
}

impl Compared {
    /// Whether the tensors agree.
    pub fn passes(&self) -> bool {
        self.scaled_error <= self.bound
    }

    /// Elements of the tensor.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Case {
    /// A case of this engine's own: a model, and clips with their labels.
    ///
    /// # Errors
    /// [`Kind::Data`] if there is no clip, a clip has no frame or another number of features than the model's inputs, a label is
    /// not one of its classes, or a number is not finite.
    pub fn new(model: Model<f64>, clips: &[Example<f64>], padding: Padding) -> Result<Self> {
        let wrong = |problem: String| Err(Error::new(Kind::Data, problem));
        if clips.is_empty() {
            return wrong("expected at least one clip, got none".into());
        }
        for (n, Example { frames, label }) in clips.iter().enumerate() {
            if frames.rows() == 0 || frames.cols() != model.inputs() {
                let [rows, columns] = frames.shape();
                return wrong(format!(
                    "clip {n}: expected frames of {} features, got {rows} × {columns}",
                    model.inputs()
                ));
            }
            if *label >= model.classes() {
                return wrong(format!("clip {n}: expected a label below {}, got {label}", model.classes()));
            }
            if let Some(at) = frames.as_slice().iter().position(|x| !x.is_finite()) {
                let x = frames.as_slice()[at];
                return wrong(format!("clip {n}: expected finite features, got {x} in frame {}", at / frames.cols()));
            }
        }
        let mut batch = Batch::default();
        batch.fill(clips, &(0..clips.len()).collect::<Vec<_>>(), padding);
        let form = Form::Padded { steps: batch.layout.steps() };
        Ok(Case::from_parts(model, padding, form, batch, None))
    }

    /// A case with random weights and three random clips of 4, 3 and 2 frames, `inputs` `D` and `classes` `K`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn random(architecture: Architecture, inputs: usize, classes: usize, seed: u64) -> Result<Self> {
        let layout = Packed::new(&[4, 3, 2], Padding::Ignored);
        let subject = ModelSubject::new(architecture, layout, inputs, classes, 0.0);
        let point = random_point(&subject, seed);
        let mut stream = RandomStream::new(seed, "labels", 0);
        let clip = |n: usize| {
            let rows = (0..subject.layout.length(n)).flat_map(|t| point.x.row(subject.layout.row(t, n)).to_vec());
            let frames = Matrix::from_vec(subject.layout.length(n), inputs, rows.collect());
            Example { frames, label: stream.below(classes) }
        };
        let clips: Vec<Example<f64>> = (0..3).map(clip).collect();
        Case::new(point.layer, &clips, Padding::Ignored)
    }

    fn from_parts(model: Model<f64>, padding: Padding, form: Form, batch: Batch<f64>, adam: Option<AdamRun>) -> Self {
        let (theirs, ignored) = (BTreeMap::new(), Vec::new());
        let mut case = Case { model, padding, form, batch, adam, ours: Vec::new(), theirs, ignored };
        let mut adam = Adam::new(case.model.parameter_count(), case.weight_decay());
        let mut scratch = Scratch::new(&case.batch);
        let mut pass = |model: &Model<f64>, mode| scratch.pass(model, &case.batch, mode);
        let mut ours = case.single_pass(&mut pass);
        ours.extend(case.adam_steps(&mut pass, |model, grads, rate| adam.step(model, grads, rate)));
        case.ours = ours;
        case
    }

    fn weight_decay(&self) -> f64 {
        self.adam.as_ref().map_or(0.0, |run| run.weight_decay)
    }

    /// The weights, and the running statistics before the pass.
    pub fn model(&self) -> &Model<f64> {
        &self.model
    }

    /// `N`
    pub fn clips(&self) -> usize {
        self.batch.layout.clips()
    }

    /// Whether padded frames are counted.
    pub fn padding(&self) -> Padding {
        self.padding
    }

    /// Keys of the file that are no input and no result that is known here, sorted.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Every result of the other program against this engine's.
    pub fn compare(&self) -> Vec<Compared> {
        self.compare_with(&self.ours)
    }

    /// Every result of the other program against `ours`.
    fn compare_with(&self, ours: &[Tensor]) -> Vec<Compared> {
        let pairs = ours.iter().filter_map(|ours| Some((ours, self.theirs.get(&ours.name)?)));
        pairs.map(|(ours, theirs)| self.compare_tensor(ours, theirs)).collect()
    }

    fn compare_tensor(&self, ours: &Tensor, theirs: &Theirs) -> Compared {
        let mut values = theirs.values.clone();
        if ours.per_frame {
            // What stands in padded rows is nobody's result.
            let width = values.len() / self.stored_rows();
            let mut padded = vec![true; self.stored_rows()];
            self.frame_rows().for_each(|(_, stored)| padded[stored] = false);
            for row in (0..padded.len()).filter(|&row| padded[row]) {
                let row = row * width..(row + 1) * width;
                values[row.clone()].copy_from_slice(&ours.values[row]);
            }
        }
        let (worst, scaled_error) = scaled_error(&values, &ours.values);
        Compared {
            name: ours.name.clone(),
            shape: ours.shape.clone(),
            scaled_error,
            at: indices(worst, &ours.shape),
            ours: ours.values[worst],
            theirs: values[worst],
            bound: if theirs.single { SINGLE_BOUND } else { BOUND },
        }
    }
}

#[cfg(test)]
mod tests;
