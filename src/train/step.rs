//! One step of training: a batch forward, its loss, the gradients back, Adam.

use crate::data::batch::Batch;
use crate::layers::{dropout, softmax_cross_entropy as cross_entropy};
use crate::matrix::Matrix;
use crate::models::{Model, Tape};
use crate::optim::Adam;
use crate::params::Parameters;
use crate::rng::RandomStream;
use crate::scalar::Scalar;

/// Memory of a step beyond the forward's, reused from batch to batch: after the largest batch a step allocates nothing.
#[derive(Clone, Debug)]
pub struct Step<S> {
    grads: Model<S>,
    probabilities: Matrix<S>,
    dlogits: Matrix<S>,
}

impl<S: Scalar> Step<S> {
    /// For models of the shape of this one.
    pub fn new(model: &Model<S>) -> Self {
        let grads = Model::zeros(model.architecture(), model.inputs(), model.classes());
        Step { grads, probabilities: Matrix::default(), dlogits: Matrix::default() }
    }

    /// Moves `model` one step at learning rate `lr`, and its running statistics with it; returns the batch's mean loss, in
    /// nats. `rate` of the features in front of the last layer are switched off, as `masks` draws.
    pub fn take(
        &mut self,
        model: &mut Model<S>,
        adam: &mut Adam<S>,
        batch: &Batch<S>,
        tape: &mut Tape<S>,
        (rate, masks): (f64, &mut RandomStream),
        lr: f64,
    ) -> S {
        let hidden = model.architecture().hidden();
        dropout::draw_mask(rate, batch.layout.clips(), hidden, masks, &mut tape.top.mask);
        model.forward_train(&batch.layout, &batch.x, tape);
        let loss = cross_entropy::forward(&tape.top.logits, &batch.labels, &mut self.probabilities);
        cross_entropy::backward(&self.probabilities, &batch.labels, &mut self.dlogits);
        self.grads.set_zero();
        model.backward(&batch.layout, &batch.x, tape, &self.dlogits, &mut self.grads, None);
        model.update_running(tape);
        adam.step(model, &self.grads, lr);
        loss
    }
}
