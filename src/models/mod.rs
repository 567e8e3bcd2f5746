//! The two models of the paper, one type for either, the model file, and prediction.

pub mod architecture;
pub mod branches;
pub mod enrolment;
pub mod file;
mod in_place;
pub mod live;
mod long_clip;
pub mod lstm_sa;
mod metadata;
pub mod predictor;
pub mod res_lstm_sa;
pub(crate) mod stored;
pub mod stream;
pub(crate) mod tensors;
pub mod trace;
pub mod training_clips;

pub use architecture::{Architecture, Family};
pub use branches::{Branch, Branches};
pub use enrolment::{Enroller, Profile};
pub use file::ModelFile;
pub use live::{LivePredictor, Moment};
pub use lstm_sa::{LstmSa, LstmSaTape, PackedLstmSa};
pub use metadata::{MOST_GROWTH, Metadata};
pub use predictor::{Prediction, Predictor};
pub use res_lstm_sa::{PackedResLstmSa, ResLstmSa, ResLstmSaTape};
pub use stored::Precision;
pub use stream::StreamingModel;
pub use trace::{LstmTrace, Trace};
pub use training_clips::TrainingClips;

use crate::layers::Packing;
use crate::matrix::Matrix;
use crate::packed::Packed;
use crate::params::{Parameters, Path, Role};
use crate::rng;
use crate::scalar::Scalar;

/// A model of either family.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a training has a few models, and the weights are on the heap anyway")]
pub enum Model<S> {
    /// LSTM-SA
    LstmSa(LstmSa<S>),
    /// ResLSTM-SA
    ResLstmSa(ResLstmSa<S>),
}

/// Intermediate values of a [`Model`]'s forward pass, for its backward pass. LSTM-SA uses only `top`.
pub type Tape<S> = ResLstmSaTape<S>;

impl<S: Scalar> Model<S> {
    /// All zeros, for `inputs` `D` and `classes` `K`: a gradient before its first batch.
    pub fn zeros(architecture: Architecture, inputs: usize, classes: usize) -> Self {
        let (hidden, vectors) = (architecture.hidden(), architecture.vectors());
        match architecture.family() {
            Family::LstmSa => Model::LstmSa(LstmSa::zeros(inputs, hidden, vectors, classes)),
            Family::ResLstmSa => Model::ResLstmSa(ResLstmSa::zeros(inputs, hidden, vectors, classes)),
        }
    }

    /// The published initialisation, for `inputs` `D` and `classes` `K`.
    pub fn init(architecture: Architecture, inputs: usize, classes: usize, stream: &mut rng::RandomStream) -> Self {
        let (hidden, vectors) = (architecture.hidden(), architecture.vectors());
        match architecture.family() {
            Family::LstmSa => Model::LstmSa(LstmSa::init(inputs, hidden, vectors, classes, stream)),
            Family::ResLstmSa => Model::ResLstmSa(ResLstmSa::init(inputs, hidden, vectors, classes, stream)),
        }
    }

    /// The model's shape.
    pub fn architecture(&self) -> Architecture {
        let family = match self {
            Model::LstmSa(_) => Family::LstmSa,
            Model::ResLstmSa(_) => Family::ResLstmSa,
        };
        let [hidden, vectors] = self.top().attention.vector.shape();
        Architecture::of_shape(family, hidden, vectors)
    }

    /// Architecture, `D` and `K`.
    fn shape(&self) -> file::Shape {
        (self.architecture(), self.inputs(), self.classes())
    }

    /// The part that both families have.
    fn top(&self) -> &LstmSa<S> {
        match self {
            Model::LstmSa(model) => model,
            Model::ResLstmSa(model) => &model.top,
        }
    }

    /// `D`, features per frame.
    pub fn inputs(&self) -> usize {
        match self {
            Model::LstmSa(model) => model.lstm.inputs(),
            Model::ResLstmSa(model) => model.lstm1.inputs(),
        }
    }

    /// `K`, classes.
    pub fn classes(&self) -> usize {
        self.top().fc.bias.len()
    }

    /// Scores `[N,K]` in training, into `tape.top.logits`: `x` `[F,D]` holds the packed frames, `tape.top.mask` the dropout mask.
    pub fn forward_train(&self, layout: &Packed, x: &Matrix<S>, tape: &mut Tape<S>) {
        match self {
            Model::LstmSa(model) => model.forward_train(layout, x, &mut tape.top),
            Model::ResLstmSa(model) => model.forward_train(layout, x, tape),
        }
    }

    /// Undoes [`forward_train`](Self::forward_train): adds the gradient of every parameter to `grads` and writes ∂L/∂x to `dx` if
    /// that is given; `dlogits` is `[N,K]`, `x` and `dx` are `[F,D]`.
    ///
    /// # Panics
    /// If `grads` is of another architecture.
    pub fn backward(
        &self,
        layout: &Packed,
        x: &Matrix<S>,
        tape: &mut Tape<S>,
        dlogits: &Matrix<S>,
        grads: &mut Self,
        dx: Option<&mut Matrix<S>>,
    ) {
        match (self, grads) {
            (Model::LstmSa(model), Model::LstmSa(grads)) => {
                model.backward(layout, x, &mut tape.top, dlogits, grads, dx);
            }
            (Model::ResLstmSa(model), Model::ResLstmSa(grads)) => model.backward(layout, x, tape, dlogits, grads, dx),
            _ => panic!("a gradient has the architecture of its model"),
        }
    }

    /// Divides all scores by `temperature`, by dividing the last layer's weights and bias: labels stay the same, probabilities become
    /// softer (above 1) or sharper (below 1).
    pub fn divide_scores(&mut self, temperature: f64) {
        let fc = match self {
            Model::LstmSa(model) => &mut model.fc,
            Model::ResLstmSa(model) => &mut model.top.fc,
        };
        let temperature = S::from_f64(temperature);
        fc.weight.as_mut_slice().iter_mut().chain(&mut fc.bias).for_each(|w| *w = *w / temperature);
    }

    /// Moves batch norm's running statistics to those of the last training forward.
    pub fn update_running(&mut self, tape: &Tape<S>) {
        match self {
            Model::LstmSa(model) => model.update_running(&tape.top),
            Model::ResLstmSa(model) => model.update_running(tape),
        }
    }

    /// Scores `[N,K]` in evaluation, into `tape.top.logits`: running statistics, no dropout, clips independent of each other.
    pub fn forward_eval(&self, layout: &Packed, x: &Matrix<S>, tape: &mut Tape<S>) {
        PackedModel::new(self, Packing::for_layout(layout)).forward_eval(layout, x, tape);
    }

    /// [`backward`](Self::backward) of [`forward_eval`](Self::forward_eval): the gradient of a trained model, for one clip or
    /// several.
    ///
    /// # Panics
    /// If `grads` is of another architecture.
    pub fn backward_eval(
        &self,
        layout: &Packed,
        x: &Matrix<S>,
        tape: &mut Tape<S>,
        dlogits: &Matrix<S>,
        grads: &mut Self,
        dx: Option<&mut Matrix<S>>,
    ) {
        match (self, grads) {
            (Model::LstmSa(model), Model::LstmSa(grads)) => {
                model.backward_eval(layout, x, &mut tape.top, dlogits, grads, dx);
            }
            (Model::ResLstmSa(model), Model::ResLstmSa(grads)) => {
                model.backward_eval(layout, x, tape, dlogits, grads, dx)
            }
            _ => panic!("a gradient has the architecture of its model"),
        }
    }
}

/// A [`Model`] packed for many evaluations: a copy, which later changes of the model do not reach.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a program has a few models, and the weights are on the heap anyway")]
pub enum PackedModel<S> {
    /// LSTM-SA
    LstmSa(PackedLstmSa<S>),
    /// ResLSTM-SA
    ResLstmSa(PackedResLstmSa<S>),
}

impl<S: Scalar> PackedModel<S> {
    /// A packed copy of `model`.
    pub fn new(model: &Model<S>, packing: Packing) -> Self {
        match model {
            Model::LstmSa(model) => PackedModel::LstmSa(PackedLstmSa::new(model, packing)),
            Model::ResLstmSa(model) => PackedModel::ResLstmSa(PackedResLstmSa::new(model, packing)),
        }
    }

    /// Scores in evaluation, into `tape.top.logits`: [`Model::forward_eval`] of the model that was copied, to the bit.
    ///
    /// # Panics
    /// If `x` is not `[F,D]` for this layout; if the weights are packed for one clip, and there are more.
    pub fn forward_eval(&self, layout: &Packed, x: &Matrix<S>, tape: &mut Tape<S>) {
        match self {
            PackedModel::LstmSa(model) => model.forward_eval(layout, x, &mut tape.top),
            PackedModel::ResLstmSa(model) => model.forward_eval(layout, x, tape),
        }
    }
}

impl<S: Scalar> Parameters<S> for Model<S> {
    fn visit<'a>(&'a self, path: &Path<'_>, see: &mut dyn FnMut(&Path<'_>, Role, &[usize], &'a [S])) {
        match self {
            Model::LstmSa(model) => model.visit(path, see),
            Model::ResLstmSa(model) => model.visit(path, see),
        }
    }
    fn visit_mut(&mut self, path: &Path<'_>, see: &mut dyn FnMut(&Path<'_>, Role, &[usize], &mut [S])) {
        match self {
            Model::LstmSa(model) => model.visit_mut(path, see),
            Model::ResLstmSa(model) => model.visit_mut(path, see),
        }
    }
    fn visit_pairs(&mut self, other: &Self, see: &mut dyn FnMut(Role, &mut [S], &[S])) {
        match (self, other) {
            (Model::LstmSa(model), Model::LstmSa(other)) => model.visit_pairs(other, see),
            (Model::ResLstmSa(model), Model::ResLstmSa(other)) => model.visit_pairs(other, see),
            _ => panic!("a gradient has the architecture of its model"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{assert_gradients, subjects::LossSubject, subjects::ModelSubject};
    use crate::packed::Padding;

    #[test]
    fn the_backward_is_the_derivative_of_the_forward() {
        for name in ["lstm-sa-h2", "reslstm-sa-h2", "reslstm-sa-h3-2vectors"] {
            for padding in [Padding::Ignored, Padding::Counted] {
                let layout = Packed::new(&[5, 3, 2], padding);
                assert_gradients(&ModelSubject::new(name.parse().unwrap(), layout, 7, 4, 0.3));
            }
        }
    }

    #[test]
    fn divided_scores_are_the_scores_divided() {
        for name in ["lstm-sa-h3", "reslstm-sa-h3"] {
            let mut model = Model::<f64>::init(name.parse().unwrap(), 5, 4, &mut rng::RandomStream::new(1, "init", 0));
            let x = Matrix::from_vec(6, 5, (0..30).map(|n| f64::from(n % 7) - 3.0).collect());
            let (layout, mut tape) = (Packed::new(&[6], Padding::Ignored), Tape::default());
            model.forward_eval(&layout, &x, &mut tape);
            let scores = tape.top.logits.clone();
            model.divide_scores(2.5);
            model.forward_eval(&layout, &x, &mut tape);
            for (got, score) in tape.top.logits.as_slice().iter().zip(scores.as_slice()) {
                approx::assert_abs_diff_eq!(*got, score / 2.5, epsilon = 1e-14);
            }
        }
    }

    #[test]
    fn the_backward_in_evaluation_is_the_derivative_of_the_forward() {
        for name in ["lstm-sa-h2", "reslstm-sa-h2", "reslstm-sa-h3-2vectors"] {
            for lengths in [&[5, 3, 2][..], &[4], &[1]] {
                let labels = [3, 0, 1][..lengths.len()].to_vec();
                let layout = Packed::new(lengths, Padding::Ignored);
                let architecture = name.parse().unwrap();
                assert_gradients(&LossSubject { architecture, layout, inputs: 7, classes: 4, labels });
            }
        }
    }
}
