//! The results of a case by key, and the file.

use super::{Case, Form, Mode, Pass, Tensor};
use crate::matrix::Matrix;
use crate::models::{Model, tensors};
use crate::packed::Padding;
use crate::params::{Parameters, Path, Role};

impl Case {
    /// Rows of a stored tensor with one row per frame.
    pub(super) fn stored_rows(&self) -> usize {
        match self.form {
            Form::Padded { steps } => self.clips() * steps,
            Form::Packed => self.batch.layout.frames(),
        }
    }

    /// For every real frame its row in the batch, and in a stored tensor.
    pub(super) fn frame_rows(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let layout = &self.batch.layout;
        (0..layout.steps()).flat_map(move |t| {
            layout.rows(t).enumerate().map(move |(n, row)| match self.form {
                Form::Padded { steps } => (row, self.batch.order[n] * steps + t),
                Form::Packed => (row, row),
            })
        })
    }

    /// A tensor with one row of `width` values per frame; without `width`, one number per frame.
    fn frames(&self, name: &str, width: Option<usize>, values: &[f64]) -> Tensor {
        let columns = width.unwrap_or(1);
        let mut stored = vec![0.0; self.stored_rows() * columns];
        for (row, to) in self.frame_rows() {
            stored[to * columns..][..columns].copy_from_slice(&values[row * columns..][..columns]);
        }
        let mut shape = match self.form {
            Form::Padded { steps } => vec![self.clips(), steps],
            Form::Packed => vec![self.batch.layout.frames()],
        };
        shape.extend(width);
        Tensor { name: name.into(), shape, values: stored, per_frame: true }
    }

    /// Scores, clips in the order of the file.
    fn clips_tensor(&self, name: &str, values: &Matrix<f64>) -> Tensor {
        let mut stored = Matrix::zeros(values.rows(), values.cols());
        for (n, &clip) in self.batch.order.iter().enumerate() {
            stored.row_mut(clip).copy_from_slice(values.row(n));
        }
        tensor(name, &stored.shape(), stored.as_slice())
    }

    /// The key of the batch's frames.
    pub(super) fn input_key(&self) -> &'static str {
        match self.form {
            Form::Padded { .. } => "in.x",
            Form::Packed => "in.data",
        }
    }

    /// Results of one pass in training mode, and of one in evaluation mode.
    pub(super) fn single_pass(&self, pass: &mut impl FnMut(&Model<f64>, Mode) -> Pass) -> Vec<Tensor> {
        let mut results = Vec::new();
        // Batch norm has no batch statistics of one clip.
        if self.clips() > 1 {
            let training = pass(&self.model, Mode::Training);
            self.list_pass("out", "grad", &training, &mut results);
            list_model("after", Role::Buffer, &training.after, &mut results);
        }
        self.list_pass("eval", "eval.grad", &pass(&self.model, Mode::Evaluation), &mut results);
        results
    }

    fn list_pass(&self, out: &str, grad: &str, pass: &Pass, results: &mut Vec<Tensor>) {
        results.push(tensor(&format!("{out}.loss"), &[1], &[pass.loss]));
        results.push(self.clips_tensor(&format!("{out}.logits"), &pass.logits));
        results.push(self.frames(&format!("{out}.attention"), None, &pass.attention));
        list_model(grad, Role::Parameter, &pass.grads, results);
        let input = format!("{grad}.{}", self.input_key());
        results.push(self.frames(&input, Some(self.batch.x.cols()), pass.dx.as_slice()));
    }

    /// Weights after steps of an optimiser on the case's batch: `step` gets the model, its gradient and the learning rate.
    pub(super) fn adam_steps(
        &self,
        pass: &mut impl FnMut(&Model<f64>, Mode) -> Pass,
        mut step: impl FnMut(&mut Model<f64>, &Model<f64>, f64),
    ) -> Vec<Tensor> {
        let mut results = Vec::new();
        let Some(run) = &self.adam else { return results };
        if run.scheduled {
            results.push(tensor("adam.lr", &[run.rates.len()], &run.rates));
        }
        let mut model = self.model.clone();
        for k in 1..=run.snapshots.last().copied().unwrap_or(0) {
            let grads = pass(&model, Mode::Training).grads;
            step(&mut model, &grads, run.rates[k - 1]);
            if run.snapshots.contains(&k) {
                list_model(&format!("adam.{k}"), Role::Parameter, &model, &mut results);
            }
        }
        results
    }

    /// The bytes of a file with the batch, the weights and this engine's results: a case that passes. The same case gives the same
    /// bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut tensors = vec![self.frames(self.input_key(), Some(self.batch.x.cols()), self.batch.x.as_slice())];
        self.model.visit(&Path::ROOT, &mut |path, _, shape, values| {
            tensors.push(tensor(&format!("param.{path}"), shape, values));
        });
        if let Some(run) = &self.adam {
            tensors.push(tensor("adam.weight_decay", &[1], &[run.weight_decay]));
            if !run.scheduled {
                tensors.push(tensor("adam.lr", &[run.rates.len()], &run.rates));
            }
        }
        tensors.extend(self.ours.iter().cloned());
        let layout = &self.batch.layout;
        let mut counts: Vec<(&str, Vec<usize>)> = Vec::new();
        let stored = |of: &dyn Fn(usize) -> usize| {
            let mut values = vec![0; self.clips()];
            self.batch.order.iter().enumerate().for_each(|(n, &clip)| values[clip] = of(n));
            values
        };
        counts.push(("in.labels", stored(&|n| self.batch.labels[n])));
        match self.form {
            Form::Padded { .. } => counts.push(("in.lengths", stored(&|n| layout.length(n)))),
            Form::Packed => {
                counts.push(("in.batch_sizes", (0..layout.steps()).map(|t| layout.rows(t).len()).collect()));
                counts.push(("in.sorted_indices", self.batch.order.clone()));
            }
        }
        let floats = tensors.into_iter().map(|Tensor { name, shape, values, .. }| {
            let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            (name, tensors::Tensor { dtype: "F64", shape, data })
        });
        let integers = counts.into_iter().map(|(name, values)| {
            let data = values.iter().flat_map(|&value| (value as i64).to_le_bytes()).collect();
            (name.to_string(), tensors::Tensor { dtype: "I64", shape: vec![values.len()], data })
        });
        let padding = if self.padding == Padding::Counted { "counted" } else { "ignored" };
        tensors::write(&floats.chain(integers).collect(), &[("padding".to_string(), padding.to_string())].into())
    }
}

fn tensor(name: &str, shape: &[usize], values: &[f64]) -> Tensor {
    Tensor { name: name.into(), shape: shape.to_vec(), values: values.to_vec(), per_frame: false }
}

fn list_model(prefix: &str, wanted: Role, model: &Model<f64>, results: &mut Vec<Tensor>) {
    model.visit(&Path::ROOT, &mut |path, role, shape, values| {
        if role == wanted {
            results.push(tensor(&format!("{prefix}.{path}"), shape, values));
        }
    });
}
