//! Samples, in portions of any size, to frames of one length.

use super::FeatureSettings;
use crate::error::Result;
use crate::prelude::*;

/// The frames of a recording. Frame `t` has sample `t·hop` in its middle; before the first and after the last sample there is
/// silence.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    hop: usize,
    /// Samples of a frame before its middle.
    half: usize,
    /// Samples of a frame up to the last that its window does not take to zero: `n_fft`, or fewer with a shorter window.
    end: usize,
    /// The samples of the next frame so far, up to `[end]`.
    window: Vec<f32>,
    /// Samples so far.
    samples: usize,
    /// Frames so far.
    frames: usize,
}

impl Frames {
    /// Before the first sample.
    pub(super) fn new(settings: &FeatureSettings) -> Self {
        let FeatureSettings { n_fft, hop, .. } = *settings;
        let end = (n_fft - settings.window()) / 2 + settings.window();
        let mut frames = Frames { hop, half: n_fft / 2, end, window: Vec::with_capacity(end), samples: 0, frames: 0 };
        frames.reset();
        frames
    }

    /// Begins a new recording.
    pub(super) fn reset(&mut self) {
        (self.samples, self.frames) = (0, 0);
        self.window.clear();
        // Half the first frame lies before the first sample.
        self.window.resize(self.half, 0.0);
    }

    /// Samples so far.
    pub(super) fn samples(&self) -> usize {
        self.samples
    }

    /// Samples from the middle of a frame until it is complete.
    pub(super) fn delay(&self) -> usize {
        self.end - self.half
    }

    /// Hands each frame `[end]` that the next `samples` complete to `take`.
    pub(super) fn push(&mut self, samples: &[f32], take: impl FnMut(&[f32]) -> Result<()>) -> Result<()> {
        self.samples += samples.len();
        self.complete(samples, take)
    }

    /// Hands each frame `[end]` that reaches beyond the end to `take`; none if there were no samples. A recording of `n` samples
    /// has `1 + n / hop` frames in total.
    pub(super) fn finish(&mut self, mut take: impl FnMut(&[f32]) -> Result<()>) -> Result<()> {
        let frames = if self.samples == 0 { 0 } else { 1 + self.samples / self.hop };
        while self.frames < frames {
            let missing = self.end - self.window.len();
            self.complete(&vec![0.0; missing], &mut take)?;
        }
        Ok(())
    }

    fn complete(&mut self, mut samples: &[f32], mut take: impl FnMut(&[f32]) -> Result<()>) -> Result<()> {
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(self.end - self.window.len()));
            self.window.extend_from_slice(now);
            samples = later;
            if self.window.len() == self.end {
                take(&self.window)?;
                self.window.drain(..self.hop);
                self.frames += 1;
            }
        }
        Ok(())
    }
}
