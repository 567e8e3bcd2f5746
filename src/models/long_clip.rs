//! A clip of any length, read frame by frame: the probabilities of [`Model::forward_eval`] to the bit, and no more kept of a frame
//! than its hidden state. An hour at 48 kHz has 84,376 frames; with `H` = 64 that is 22 MB, where all intermediate values of a
//! ResLSTM-SA would be 400 MB.

use super::Model;
use super::stream::RunningLstms;
use crate::layers::softmax_cross_entropy::softmax;
use crate::layers::{Attention, AttentionTape, BatchNorm, PackedLinear};
use crate::matrix::Matrix;
use crate::packed::{Packed, Padding};
use crate::prelude::*;
use crate::scalar::Scalar;

/// A model in the middle of a long clip.
#[derive(Debug)]
pub(super) struct LongClip<S> {
    lstms: RunningLstms<S>,
    /// Hidden states of the frames so far, `[T,H]`.
    h: Vec<S>,
    attention: Attention<S>,
    bn: BatchNorm<S>,
    fc: PackedLinear<S>,
}

impl<S: Scalar> LongClip<S> {
    /// Before the first frame.
    pub(super) fn new(model: &Model<S>) -> Self {
        let top = model.top();
        LongClip {
            lstms: RunningLstms::new(model),
            h: Vec::new(),
            attention: top.attention.clone(),
            bn: top.bn.clone(),
            fc: PackedLinear::new(&top.fc),
        }
    }

    /// Reads the next frame `[D]`, normalised as in training.
    pub(super) fn push(&mut self, frame: &[S]) {
        self.h.extend_from_slice(self.lstms.push(frame));
    }

    /// Probabilities of the whole clip, `[1,K]`.
    ///
    /// # Panics
    /// If there was no frame.
    pub(super) fn finish(self) -> Matrix<S> {
        let hidden = self.bn.weight.len();
        let frames = self.h.len() / hidden;
        let h = Matrix::from_vec(frames, hidden, self.h);
        let (mut context, mut normalised) = (Matrix::default(), Matrix::default());
        let layout = Packed::new(&[frames], Padding::Ignored);
        self.attention.forward(&layout, &h, &mut AttentionTape::default(), &mut context);
        self.bn.forward_eval(&context, &mut normalised);
        let mut logits = Matrix::default();
        self.fc.forward(&normalised, &mut logits);
        let mut probabilities = Matrix::default();
        softmax(&logits, &mut probabilities);
        probabilities
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Tape;
    use crate::rng::RandomStream;

    #[test]
    fn frame_by_frame_a_clip_has_the_probabilities_of_the_whole() {
        let mut stream = RandomStream::new(6, "long clip", 0);
        for name in ["lstm-sa-h9", "reslstm-sa-h64", "reslstm-sa-h33-3vectors"] {
            let model = Model::<f32>::init(name.parse().unwrap(), 46, 8, &mut stream);
            let x = Matrix::from_vec(500, 46, (0..500 * 46).map(|_| stream.normal() as f32).collect());
            let (mut tape, mut expected) = (Tape::default(), Matrix::default());
            model.forward_eval(&Packed::new(&[500], Padding::Ignored), &x, &mut tape);
            softmax(&tape.top.logits, &mut expected);
            let mut clip = LongClip::new(&model);
            x.iter_rows().for_each(|frame| clip.push(frame));
            assert_eq!(clip.finish(), expected, "{name}");
        }
    }
}
