//! Windows of a recording that is read in blocks.

use reslstm::error::Result;

/// Cuts windows out of samples that come in blocks: `step` samples apart; the last window ends with the recording; a recording
/// shorter than a window is one window. Holds the samples of two windows at most.
pub struct Windows {
    window: usize,
    step: usize,
    /// Place of the next window.
    next: usize,
    /// The latest samples, and the place of the first of them.
    held: Vec<f32>,
    first: usize,
}

impl Windows {
    /// Windows of so many samples every so many, both at least 1.
    pub fn new(window: usize, step: usize) -> Self {
        Windows { window, step, next: 0, held: Vec::new(), first: 0 }
    }

    /// Hands each window that the next `samples` complete to `take`, with its place.
    pub fn push(&mut self, samples: &[f32], mut take: impl FnMut(usize, &[f32]) -> Result<()>) -> Result<()> {
        self.held.extend_from_slice(samples);
        let end = self.first + self.held.len();
        while self.next + self.window <= end {
            take(self.next, &self.held[self.next - self.first..][..self.window])?;
            self.next += self.step;
        }
        // The last window may begin that early. Removed by the window, not by the block, so that few samples are moved.
        let needed = self.next.min(end.saturating_sub(self.window));
        if needed > self.first + self.window {
            self.held.drain(..needed - self.first);
            self.first = needed;
        }
        Ok(())
    }

    /// Hands the window that ends with the recording to `take`, unless it was complete before.
    pub fn finish(self, mut take: impl FnMut(usize, &[f32]) -> Result<()>) -> Result<()> {
        let end = self.first + self.held.len();
        let start = end.saturating_sub(self.window);
        // The window before the next one was the latest.
        let is_done = self.next > 0 && self.next - self.step + self.window == end;
        if is_done { Ok(()) } else { take(start, &self.held[start - self.first..]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The windows of a recording of `total` samples, which are their own places, in blocks of `block`.
    fn spans(total: usize, window: usize, step: usize, block: usize) -> Vec<(usize, usize)> {
        let samples: Vec<f32> = (0..total).map(|place| place as f32).collect();
        let mut windows = Windows::new(window, step);
        let mut spans = Vec::new();
        let mut take = |start: usize, cut: &[f32]| {
            assert_eq!(cut, &samples[start..start + cut.len()]);
            spans.push((start, start + cut.len()));
            Ok(())
        };
        for block in samples.chunks(block) {
            windows.push(block, &mut take).unwrap();
            assert!(windows.held.len() <= 2 * windows.window + block.len());
        }
        windows.finish(&mut take).unwrap();
        spans
    }

    #[test]
    fn windows_cover_the_recording() {
        for block in [1, 2, 3, 7, 100] {
            assert_eq!(spans(10, 4, 2, block), [(0, 4), (2, 6), (4, 8), (6, 10)]);
            assert_eq!(spans(9, 4, 3, block), [(0, 4), (3, 7), (5, 9)]);
            assert_eq!(spans(3, 4, 1, block), [(0, 3)]);
            assert_eq!(spans(4, 4, 1, block), [(0, 4)]);
            assert_eq!(spans(5, 4, 9, block), [(0, 4), (1, 5)]);
            assert_eq!(spans(20, 2, 9, block), [(0, 2), (9, 11), (18, 20)]);
            assert_eq!(spans(50, 4, 9, block), [(0, 4), (9, 13), (18, 22), (27, 31), (36, 40), (45, 49), (46, 50)]);
        }
    }
}
