//! Packed batches: clips of different lengths without padding.
//!
//! Clips are sorted by length, longest first, and their frames stored time-major: first frame 0 of every clip, then frame 1
//! of every clip that has one, and so on. Frame `t` of the clips still running is then a contiguous block of rows, and
//! its clips are the first rows of the block before:
//!
//! ```text
//! lengths 3, 2, 2:   t=0: clip 0, 1, 2    t=1: clip 0, 1, 2    t=2: clip 0
//! row                     0  1  2              3  4  5              6
//! ```
//!
//! A product over all frames is one product over all rows, batch norm sees real frames only, and no clip's result depends on
//! its neighbours.

use crate::prelude::*;
use core::ops::Range;

/// Whether the frames that padding would add are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// They are not counted (protocol *strict*).
    #[default]
    Ignored,
    /// As in the published notebook: zeros up to the longest clip of the batch enter the residual batch norm's
    /// statistics, and the attention softmax with score 0 (protocol *published*).
    Counted,
}

/// The layout of a packed batch: which row is which frame of which clip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Frames of each clip, `[N]`, descending.
    lengths: Vec<usize>,
    /// Row at which frame `t` begins, `[T + 1]`; the last is the number of rows.
    starts: Vec<usize>,
    padding: Padding,
}

impl Packed {
    /// A layout for clips of these lengths (frames), longest first.
    ///
    /// # Panics
    /// If there is no clip, a clip has no frame, or the lengths ascend.
    pub fn new(lengths: &[usize], padding: Padding) -> Self {
        let mut layout = Packed::default();
        layout.set(lengths.iter().copied(), padding);
        layout
    }

    /// Becomes the layout for other clips: their lengths (frames), longest first. Reuses memory.
    ///
    /// # Panics
    /// As [`Packed::new`].
    pub fn set(&mut self, lengths: impl Iterator<Item = usize>, padding: Padding) {
        self.padding = padding;
        self.lengths.clear();
        self.lengths.extend(lengths);
        assert!(self.lengths.is_sorted_by(|a, b| a >= b), "clips are sorted by length, longest first");
        assert!(self.lengths.last().is_some_and(|&shortest| shortest > 0), "a batch has clips, a clip has frames");
        self.starts.clear();
        self.starts.push(0);
        let (mut running, mut row) = (self.clips(), 0);
        for t in 0..self.lengths[0] {
            while self.lengths[running - 1] <= t {
                running -= 1;
            }
            row += running;
            self.starts.push(row);
        }
    }

    /// `N`, the number of clips.
    pub fn clips(&self) -> usize {
        self.lengths.len()
    }

    /// `T`, frames of the longest clip.
    pub fn steps(&self) -> usize {
        self.starts.len() - 1
    }

    /// `F`, all frames of all clips: the rows of every packed matrix.
    pub fn frames(&self) -> usize {
        self.starts[self.steps()]
    }

    /// Rows of frame `t`: clip 0, clip 1, … as far as they run.
    #[inline]
    pub fn rows(&self, t: usize) -> Range<usize> {
        self.starts[t]..self.starts[t + 1]
    }

    /// Row of frame `t` of clip `n`.
    #[inline]
    pub fn row(&self, t: usize, n: usize) -> usize {
        debug_assert!(t < self.lengths[n], "clip {n} has {} frames", self.lengths[n]);
        self.starts[t] + n
    }

    /// Frames of clip `n`.
    #[inline]
    pub fn length(&self, n: usize) -> usize {
        self.lengths[n]
    }

    /// Frames that padding would add to clip `n` and that count: 0 where padding is ignored.
    #[inline]
    pub fn padded(&self, n: usize) -> usize {
        match self.padding {
            Padding::Ignored => 0,
            Padding::Counted => self.steps() - self.lengths[n],
        }
    }

    /// Frames that padding would add to all clips and that count.
    pub fn padded_frames(&self) -> usize {
        (0..self.clips()).map(|n| self.padded(n)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_time_major_and_running_clips_contiguous() {
        let layout = Packed::new(&[3, 2, 2], Padding::Ignored);
        assert_eq!((layout.clips(), layout.steps(), layout.frames()), (3, 3, 7));
        assert_eq!([layout.rows(0), layout.rows(1), layout.rows(2)], [0..3, 3..6, 6..7]);
        assert_eq!(layout.row(1, 2), 5);
        assert_eq!(layout.padded_frames(), 0);
        assert_eq!(Packed::new(&[5, 3, 1], Padding::Counted).padded_frames(), 2 + 4);
    }
}
