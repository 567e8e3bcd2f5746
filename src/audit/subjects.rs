//! The crate's own layers and models as subjects of an audit.

use super::{Subject, cast};
use crate::layers::{
    Attention, AttentionTape, BatchNorm, BatchNormTape, Linear, LinearTape, Lstm, LstmTape, dropout, residual,
    softmax_cross_entropy,
};
use crate::matrix::Matrix;
use crate::models::{Architecture, Model, Tape};
use crate::packed::Packed;
use crate::params::{Parameters, Path, Role};
use crate::rng::RandomStream;
use crate::scalar::Scalar;

/// Parameters of a layer that has none.
#[derive(Clone, Copy, Debug)]
pub struct NoParameters;

impl<S> Parameters<S> for NoParameters {
    fn visit<'a>(&'a self, _: &Path<'_>, _: &mut dyn FnMut(&Path<'_>, Role, &[usize], &'a [S])) {}
    fn visit_mut(&mut self, _: &Path<'_>, _: &mut dyn FnMut(&Path<'_>, Role, &[usize], &mut [S])) {}
    fn visit_pairs(&mut self, _: &Self, _: &mut dyn FnMut(Role, &mut [S], &[S])) {}
}

/// [`Linear`] on `[rows, inputs]`.
pub struct LinearSubject {
    /// Rows of the input.
    pub rows: usize,
    /// `H`
    pub inputs: usize,
    /// `K`
    pub outputs: usize,
}

impl Subject for LinearSubject {
    type Layer<S: Scalar> = Linear<S>;

    fn zeros<S: Scalar>(&self) -> Linear<S> {
        Linear::zeros(self.inputs, self.outputs)
    }
    fn input_shape(&self) -> [usize; 2] {
        [self.rows, self.inputs]
    }
    fn forward<S: Scalar>(&self, layer: &Linear<S>, x: &Matrix<S>) -> Matrix<S> {
        let mut y = Matrix::default();
        layer.forward(x, &mut LinearTape::default(), &mut y);
        y
    }
    fn backward<S: Scalar>(
        &self,
        layer: &Linear<S>,
        x: &Matrix<S>,
        dy: &Matrix<S>,
        grads: &mut Linear<S>,
    ) -> Matrix<S> {
        let mut dx = Matrix::default();
        layer.backward(x, &mut LinearTape::default(), dy, grads, &mut dx);
        dx
    }
}

/// [`softmax_cross_entropy`] of `[N, classes]` scores: the output is the loss, `[1,1]`.
pub struct CrossEntropySubject {
    /// The right class of each row.
    pub labels: Vec<usize>,
    /// `K`
    pub classes: usize,
}

impl Subject for CrossEntropySubject {
    type Layer<S: Scalar> = NoParameters;

    fn zeros<S: Scalar>(&self) -> NoParameters {
        NoParameters
    }
    fn input_shape(&self) -> [usize; 2] {
        [self.labels.len(), self.classes]
    }
    fn forward<S: Scalar>(&self, _: &NoParameters, x: &Matrix<S>) -> Matrix<S> {
        Matrix::from_rows(&[[softmax_cross_entropy::forward(x, &self.labels, &mut Matrix::default())]])
    }
    fn backward<S: Scalar>(&self, _: &NoParameters, x: &Matrix<S>, dy: &Matrix<S>, _: &mut NoParameters) -> Matrix<S> {
        let (mut p, mut dz) = (Matrix::default(), Matrix::default());
        softmax_cross_entropy::forward(x, &self.labels, &mut p);
        softmax_cross_entropy::backward(&p, &self.labels, &mut dz);
        dz.as_mut_slice().iter_mut().for_each(|dz| *dz = *dz * dy[(0, 0)]);
        dz
    }
}

/// Class weights in a number type.
fn in_type<S: Scalar>(weights: &[f64]) -> Vec<S> {
    weights.iter().map(|&weight| S::from_f64(weight)).collect()
}

/// [`softmax_cross_entropy`] with a weight per class, of `[N,K]` scores: the output is the loss, `[1,1]`.
pub struct WeightedCrossEntropySubject {
    /// The right class of each row.
    pub labels: Vec<usize>,
    /// The weight of each class, `[K]`.
    pub weights: Vec<f64>,
}

impl Subject for WeightedCrossEntropySubject {
    type Layer<S: Scalar> = NoParameters;

    fn zeros<S: Scalar>(&self) -> NoParameters {
        NoParameters
    }
    fn input_shape(&self) -> [usize; 2] {
        [self.labels.len(), self.weights.len()]
    }
    fn forward<S: Scalar>(&self, _: &NoParameters, x: &Matrix<S>) -> Matrix<S> {
        let mut p = Matrix::default();
        Matrix::from_rows(&[[softmax_cross_entropy::forward_weighted(
            x,
            &self.labels,
            &in_type(&self.weights),
            &mut p,
        )]])
    }
    fn backward<S: Scalar>(&self, _: &NoParameters, x: &Matrix<S>, dy: &Matrix<S>, _: &mut NoParameters) -> Matrix<S> {
        let (mut p, mut dz) = (Matrix::default(), Matrix::default());
        softmax_cross_entropy::softmax(x, &mut p);
        softmax_cross_entropy::backward_weighted(&p, &self.labels, &in_type(&self.weights), &mut dz);
        dz.as_mut_slice().iter_mut().for_each(|dz| *dz = *dz * dy[(0, 0)]);
        dz
    }
}

/// [`softmax_cross_entropy`] with class weights and label smoothing, of `[N,K]` scores: the output is the loss, `[1,1]`.
pub struct SmoothedCrossEntropySubject {
    /// The right class of each row.
    pub labels: Vec<usize>,
    /// The weight of each class, `[K]`.
    pub weights: Vec<f64>,
    /// Label smoothing, 0 to 1.
    pub smoothing: f64,
}

impl Subject for SmoothedCrossEntropySubject {
    type Layer<S: Scalar> = NoParameters;

    fn zeros<S: Scalar>(&self) -> NoParameters {
        NoParameters
    }
    fn input_shape(&self) -> [usize; 2] {
        [self.labels.len(), self.weights.len()]
    }
    fn forward<S: Scalar>(&self, _: &NoParameters, x: &Matrix<S>) -> Matrix<S> {
        let (weights, mut p) = (in_type(&self.weights), Matrix::default());
        let loss = softmax_cross_entropy::forward_smoothed(x, &self.labels, &weights, self.smoothing, &mut p);
        Matrix::from_rows(&[[loss]])
    }
    fn backward<S: Scalar>(&self, _: &NoParameters, x: &Matrix<S>, dy: &Matrix<S>, _: &mut NoParameters) -> Matrix<S> {
        let (mut p, mut dz) = (Matrix::default(), Matrix::default());
        softmax_cross_entropy::softmax(x, &mut p);
        softmax_cross_entropy::backward_smoothed(&p, &self.labels, &in_type(&self.weights), self.smoothing, &mut dz);
        dz.as_mut_slice().iter_mut().for_each(|dz| *dz = *dz * dy[(0, 0)]);
        dz
    }
}

/// [`dropout`] with a drawn mask.
pub struct DropoutSubject {
    /// 0 where a feature is switched off.
    pub mask: Matrix<f64>,
}

impl Subject for DropoutSubject {
    type Layer<S: Scalar> = NoParameters;

    fn zeros<S: Scalar>(&self) -> NoParameters {
        NoParameters
    }
    fn input_shape(&self) -> [usize; 2] {
        self.mask.shape()
    }
    fn forward<S: Scalar>(&self, _: &NoParameters, x: &Matrix<S>) -> Matrix<S> {
        let mut y = Matrix::default();
        dropout::forward(x, &cast(&self.mask), &mut y);
        y
    }
    fn backward<S: Scalar>(&self, _: &NoParameters, _: &Matrix<S>, dy: &Matrix<S>, _: &mut NoParameters) -> Matrix<S> {
        let mut dx = Matrix::default();
        dropout::backward(dy, &cast(&self.mask), &mut dx);
        dx
    }
}

/// [`residual`] around a [`Linear`] of `width` inputs and outputs.
pub struct ResidualSubject {
    /// Rows of the input.
    pub rows: usize,
    /// Columns of the input.
    pub width: usize,
}

impl ResidualSubject {
    fn inner(&self) -> LinearSubject {
        LinearSubject { rows: self.rows, inputs: self.width, outputs: self.width }
    }
}

impl Subject for ResidualSubject {
    type Layer<S: Scalar> = Linear<S>;

    fn zeros<S: Scalar>(&self) -> Linear<S> {
        self.inner().zeros()
    }
    fn input_shape(&self) -> [usize; 2] {
        self.inner().input_shape()
    }
    fn forward<S: Scalar>(&self, layer: &Linear<S>, x: &Matrix<S>) -> Matrix<S> {
        let mut y = Matrix::default();
        residual::forward(x, &self.inner().forward(layer, x), &mut y);
        y
    }
    fn backward<S: Scalar>(
        &self,
        layer: &Linear<S>,
        x: &Matrix<S>,
        dy: &Matrix<S>,
        grads: &mut Linear<S>,
    ) -> Matrix<S> {
        let mut dx = self.inner().backward(layer, x, dy, grads);
        residual::backward(dy, &mut dx);
        dx
    }
}

/// [`BatchNorm`] in training, with `padded` further rows of zeros.
pub struct BatchNormSubject {
    /// Rows of the input.
    pub rows: usize,
    /// Padded rows that count.
    pub padded: usize,
    /// `C`
    pub features: usize,
}

impl Subject for BatchNormSubject {
    type Layer<S: Scalar> = BatchNorm<S>;

    fn zeros<S: Scalar>(&self) -> BatchNorm<S> {
        let mut layer = BatchNorm::init(self.features);
        layer.set_zero();
        layer
    }
    fn input_shape(&self) -> [usize; 2] {
        [self.rows, self.features]
    }
    fn forward<S: Scalar>(&self, layer: &BatchNorm<S>, x: &Matrix<S>) -> Matrix<S> {
        let mut y = Matrix::default();
        layer.forward_train(x, self.padded, &mut BatchNormTape::default(), &mut y);
        y
    }
    fn backward<S: Scalar>(
        &self,
        layer: &BatchNorm<S>,
        x: &Matrix<S>,
        dy: &Matrix<S>,
        grads: &mut BatchNorm<S>,
    ) -> Matrix<S> {
        let (mut tape, mut y, mut dx) = (BatchNormTape::default(), Matrix::default(), Matrix::default());
        layer.forward_train(x, self.padded, &mut tape, &mut y);
        layer.backward(&mut tape, dy, grads, &mut dx);
        dx
    }
}

/// [`Attention`] over hidden states `[F,H]`.
pub struct AttentionSubject {
    /// Clips and their lengths.
    pub layout: Packed,
    /// `H`
    pub hidden: usize,
    /// `V`
    pub vectors: usize,
}

impl Subject for AttentionSubject {
    type Layer<S: Scalar> = Attention<S>;

    fn zeros<S: Scalar>(&self) -> Attention<S> {
        Attention::zeros(self.hidden, self.vectors)
    }
    fn input_shape(&self) -> [usize; 2] {
        [self.layout.frames(), self.hidden]
    }
    fn forward<S: Scalar>(&self, layer: &Attention<S>, x: &Matrix<S>) -> Matrix<S> {
        let mut context = Matrix::default();
        layer.forward(&self.layout, x, &mut AttentionTape::default(), &mut context);
        context
    }
    fn backward<S: Scalar>(
        &self,
        layer: &Attention<S>,
        x: &Matrix<S>,
        dy: &Matrix<S>,
        grads: &mut Attention<S>,
    ) -> Matrix<S> {
        let (mut tape, mut context, mut dh) = (AttentionTape::default(), Matrix::default(), Matrix::default());
        layer.forward(&self.layout, x, &mut tape, &mut context);
        layer.backward(&self.layout, x, &mut tape, dy, grads, &mut dh);
        dh
    }
}

/// [`Lstm`] over frames `[F,D]`: the output is every hidden state, `[F,H]`.
pub struct LstmSubject {
    /// Clips and their lengths.
    pub layout: Packed,
    /// `D`
    pub inputs: usize,
    /// `H`
    pub hidden: usize,
}

impl Subject for LstmSubject {
    type Layer<S: Scalar> = Lstm<S>;

    fn zeros<S: Scalar>(&self) -> Lstm<S> {
        Lstm::zeros(self.inputs, self.hidden)
    }
    fn input_shape(&self) -> [usize; 2] {
        [self.layout.frames(), self.inputs]
    }
    fn forward<S: Scalar>(&self, layer: &Lstm<S>, x: &Matrix<S>) -> Matrix<S> {
        let mut tape = LstmTape::default();
        layer.forward(&self.layout, x, &mut tape);
        tape.h
    }
    fn backward<S: Scalar>(&self, layer: &Lstm<S>, x: &Matrix<S>, dy: &Matrix<S>, grads: &mut Lstm<S>) -> Matrix<S> {
        let (mut tape, mut dx) = (LstmTape::default(), Matrix::default());
        layer.forward(&self.layout, x, &mut tape);
        layer.backward(&self.layout, x, &mut tape, dy, grads, Some(&mut dx));
        dx
    }
}

/// A whole [`Model`] in training, dropout mask drawn: the output is the logits, `[N,K]`.
pub struct ModelSubject {
    /// Which model.
    pub architecture: Architecture,
    /// Clips and their lengths.
    pub layout: Packed,
    /// `D`
    pub inputs: usize,
    /// `K`
    pub classes: usize,
    /// Dropout mask, `[N,H]`.
    pub mask: Matrix<f64>,
}

impl ModelSubject {
    /// With a mask drawn at `dropout`.
    pub fn new(architecture: Architecture, layout: Packed, inputs: usize, classes: usize, dropout: f64) -> Self {
        let mut mask = Matrix::default();
        let mut stream = RandomStream::new(0, "dropout", 0);
        dropout::draw_mask(dropout, layout.clips(), architecture.hidden(), &mut stream, &mut mask);
        ModelSubject { architecture, layout, inputs, classes, mask }
    }

    fn run<S: Scalar>(&self, model: &Model<S>, x: &Matrix<S>) -> Tape<S> {
        let mut tape = Tape::default();
        tape.top.mask = cast(&self.mask);
        model.forward_train(&self.layout, x, &mut tape);
        tape
    }
}

impl Subject for ModelSubject {
    type Layer<S: Scalar> = Model<S>;

    fn zeros<S: Scalar>(&self) -> Model<S> {
        Model::zeros(self.architecture, self.inputs, self.classes)
    }
    fn input_shape(&self) -> [usize; 2] {
        [self.layout.frames(), self.inputs]
    }
    fn forward<S: Scalar>(&self, model: &Model<S>, x: &Matrix<S>) -> Matrix<S> {
        self.run(model, x).top.logits
    }
    fn backward<S: Scalar>(&self, model: &Model<S>, x: &Matrix<S>, dy: &Matrix<S>, grads: &mut Model<S>) -> Matrix<S> {
        let (mut tape, mut dx) = (self.run(model, x), Matrix::default());
        model.backward(&self.layout, x, &mut tape, dy, grads, Some(&mut dx));
        dx
    }
}

/// The loss of a whole [`Model`] in evaluation: running statistics, no dropout, cross-entropy; the output is `[1,1]`. One clip alone
/// is a batch too.
pub struct LossSubject {
    /// Which model.
    pub architecture: Architecture,
    /// Clips and their lengths.
    pub layout: Packed,
    /// `D`
    pub inputs: usize,
    /// `K`
    pub classes: usize,
    /// The right class of each clip.
    pub labels: Vec<usize>,
}

impl Subject for LossSubject {
    type Layer<S: Scalar> = Model<S>;

    fn zeros<S: Scalar>(&self) -> Model<S> {
        Model::zeros(self.architecture, self.inputs, self.classes)
    }
    fn input_shape(&self) -> [usize; 2] {
        [self.layout.frames(), self.inputs]
    }
    fn forward<S: Scalar>(&self, model: &Model<S>, x: &Matrix<S>) -> Matrix<S> {
        let mut tape = Tape::default();
        model.forward_eval(&self.layout, x, &mut tape);
        Matrix::from_rows(&[[softmax_cross_entropy::forward(&tape.top.logits, &self.labels, &mut Matrix::default())]])
    }
    fn backward<S: Scalar>(&self, model: &Model<S>, x: &Matrix<S>, dy: &Matrix<S>, grads: &mut Model<S>) -> Matrix<S> {
        let (mut tape, mut p, mut dlogits, mut dx) =
            (Tape::default(), Matrix::default(), Matrix::default(), Matrix::default());
        model.forward_eval(&self.layout, x, &mut tape);
        softmax_cross_entropy::forward(&tape.top.logits, &self.labels, &mut p);
        softmax_cross_entropy::backward(&p, &self.labels, &mut dlogits);
        dlogits.as_mut_slice().iter_mut().for_each(|dz| *dz = *dz * dy[(0, 0)]);
        model.backward_eval(&self.layout, x, &mut tape, &dlogits, grads, Some(&mut dx));
        dx
    }
}
