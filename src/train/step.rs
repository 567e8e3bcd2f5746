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
    /// Weight of each class in the loss, `[K]`; `None` if every clip counts the same.
    class_weights: Option<Vec<S>>,
    /// Label smoothing, 0 for none.
    smoothing: f64,
    probabilities: Matrix<S>,
    dlogits: Matrix<S>,
}

impl<S: Scalar> Step<S> {
    /// Memory for models of this model's shape.
    pub fn new(model: &Model<S>) -> Self {
        let grads = Model::zeros(model.architecture(), model.inputs(), model.classes());
        let (probabilities, dlogits) = (Matrix::default(), Matrix::default());
        Step { grads, class_weights: None, smoothing: 0.0, probabilities, dlogits }
    }

    /// Weighs each clip's loss by its class: `weights` `[K]`, as [`cross_entropy::forward_weighted`] takes them.
    pub fn with_class_weights(self, weights: &[f64]) -> Self {
        Step { class_weights: Some(weights.iter().map(|&weight| S::from_f64(weight)).collect()), ..self }
    }

    /// Smooths the labels by `smoothing`, 0 to 1, as [`cross_entropy::forward_smoothed`] takes it.
    pub fn with_label_smoothing(self, smoothing: f64) -> Self {
        // The smoothed loss has weights; all 1 are none.
        let all_equal = || vec![S::ONE; self.grads.classes()];
        let class_weights =
            if smoothing > 0.0 { Some(self.class_weights.unwrap_or_else(all_equal)) } else { self.class_weights };
        Step { class_weights, smoothing, ..self }
    }

    /// Updates `model` and its running statistics by one step at learning rate `lr`. Dropout before the last layer has
    /// probability `rate` (0 to 1) and draws its mask from `masks`. Returns the mean loss over the batch, in nats; with class
    /// weights the weighted mean.
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
        let (logits, labels, p) = (&tape.top.logits, &batch.labels, &mut self.probabilities);
        let loss = match &self.class_weights {
            None => {
                let loss = cross_entropy::forward(logits, labels, p);
                cross_entropy::backward(p, labels, &mut self.dlogits);
                loss
            }
            Some(weights) if self.smoothing > 0.0 => {
                let loss = cross_entropy::forward_smoothed(logits, labels, weights, self.smoothing, p);
                cross_entropy::backward_smoothed(p, labels, weights, self.smoothing, &mut self.dlogits);
                loss
            }
            Some(weights) => {
                let loss = cross_entropy::forward_weighted(logits, labels, weights, p);
                cross_entropy::backward_weighted(p, labels, weights, &mut self.dlogits);
                loss
            }
        };
        self.grads.set_zero();
        model.backward(&batch.layout, &batch.x, tape, &self.dlogits, &mut self.grads, None);
        model.update_running(tape);
        adam.step(model, &self.grads, lr);
        loss
    }
}
