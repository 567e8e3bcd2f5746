//! One training step: forward, loss, backward, Adam.

use crate::data::batch::Batch;
use crate::layers::{dropout, softmax_cross_entropy as cross_entropy};
use crate::matrix::Matrix;
use crate::models::{Model, Tape};
use crate::optim::Adam;
use crate::params::Parameters;
use crate::rng::RandomStream;
use crate::scalar::Scalar;

/// Gradients and other memory of a step, without the forward tape. Reused: after the largest batch, a step allocates nothing.
#[derive(Clone, Debug)]
pub struct Step<S> {
    grads: Model<S>,
    probabilities: Matrix<S>,
    dlogits: Matrix<S>,
}

impl<S: Scalar> Step<S> {
    /// Memory for models of this model's shape.
    pub fn new(model: &Model<S>) -> Self {
        let grads = Model::zeros(model.architecture(), model.inputs(), model.classes());
        Step { grads, probabilities: Matrix::default(), dlogits: Matrix::default() }
    }

    /// Updates `model` and its running statistics by one step at learning rate `lr`. Dropout before the last layer has
    /// probability `rate` (0 to 1) and draws its mask from `masks`. Returns the mean loss over the batch, in nats.
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
