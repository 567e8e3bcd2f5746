//! Batches: clips gathered into the packed layout.

use crate::matrix::Matrix;
use crate::packed::{Packed, Padding};
use crate::prelude::*;
use crate::scalar::Scalar;
use core::cmp::Reverse;

/// One clip as a model reads it.
#[derive(Clone, Debug)]
pub struct Example<S> {
    /// Normalised features, `[T,D]`.
    pub frames: Matrix<S>,
    /// Its class.
    pub label: usize,
}

/// Several clips, sorted by length and packed. Reused from batch to batch.
#[derive(Clone, Debug, Default)]
pub struct Batch<S> {
    /// Where each frame of each clip is, for `N` clips.
    pub layout: Packed,
    /// Normalised features, `[F,D]`: one row per frame of the batch, in the layout's order.
    pub x: Matrix<S>,
    /// Class of each clip, `[N]`, in the order of the layout.
    pub labels: Vec<usize>,
    /// For each clip of the layout its position in the `picks` of [`fill`](Batch::fill), `[N]`.
    pub order: Vec<usize>,
}

impl<S: Scalar> Batch<S> {
    /// Gathers `examples[picks[0]], examples[picks[1]], …`, longest first.
    ///
    /// # Panics
    /// If `picks` is empty, or a clip has no frame.
    pub fn fill(&mut self, examples: &[Example<S>], picks: &[usize], padding: Padding) {
        let length = |pick: usize| examples[picks[pick]].frames.rows();
        self.order.clear();
        self.order.extend(0..picks.len());
        self.order.sort_unstable_by_key(|&pick| (Reverse(length(pick)), pick));
        self.layout.set(self.order.iter().map(|&pick| length(pick)), padding);
        self.labels.clear();
        self.labels.extend(self.order.iter().map(|&pick| examples[picks[pick]].label));
        self.x.resize(self.layout.frames(), examples[picks[0]].frames.cols());
        for (n, &pick) in self.order.iter().enumerate() {
            for (t, frame) in examples[picks[pick]].frames.iter_rows().enumerate() {
                self.x.row_mut(self.layout.row(t, n)).copy_from_slice(frame);
            }
        }
    }
}

/// Cuts `clips` into batches of `size`. A last batch of one clip joins the batch before it: batch norm needs two clips.
pub fn batches(clips: &[usize], size: usize) -> impl Iterator<Item = &[usize]> {
    let mut rest = clips;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let take = if rest.len() <= size + 1 { rest.len() } else { size };
        let batch;
        (batch, rest) = rest.split_at(take);
        Some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_are_packed_longest_first() {
        let example = |first: f64, frames: usize, label| Example {
            frames: Matrix::from_vec(frames, 1, (0..frames).map(|t| first + t as f64).collect()),
            label,
        };
        let examples = [example(10.0, 1, 5), example(20.0, 3, 6), example(30.0, 3, 7)];
        let mut batch = Batch::default();
        batch.fill(&examples, &[0, 2, 1], Padding::Ignored);
        assert_eq!(batch.order, [1, 2, 0]);
        assert_eq!(batch.labels, [7, 6, 5]);
        assert_eq!(batch.x.as_slice(), [30.0, 20.0, 10.0, 31.0, 21.0, 32.0, 22.0]);
    }

    #[test]
    fn a_last_clip_alone_joins_the_batch_before_it() {
        let sizes = |n: usize, size| batches(&(0..n).collect::<Vec<_>>(), size).map(<[usize]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(9, 4), [4, 5]);
        assert_eq!(sizes(10, 4), [4, 4, 2]);
        assert_eq!(sizes(8, 4), [4, 4]);
        assert_eq!(sizes(1, 4), [1]);
        assert!(sizes(0, 4).is_empty());
        assert_eq!(batches(&[0, 1, 2], 1).map(<[usize]>::len).collect::<Vec<_>>(), [1, 2]);
    }
}
