//! Preparation of a recording: long silence is left out, and the level of what is left is measured, while samples arrive.
//!
//! The [`SpeechDetector`] says which frames of 20 ms are voice. A sample is kept if at least 0.1 s of the 0.6 s around it are voice,
//! so that consonants stay, and pauses between words; a single click does not count. That is one rule for the silence before, after
//! and within speech: about 0.2 s are kept on either side of a voice, and a longer pause becomes as short as that.
//!
//! Later samples decide about a sample, as far as a margin and the 0.2 s that the detector needs. So samples wait in a buffer
//! of half a second, and the kept ones leave it in their order: those of a file and those of a microphone are the same.
//!
//! Level: the mean power of the frames that are voice, of those so far. Where there are none, that of everything.

use super::SpeechDetector;
use crate::error::Result;
use crate::kernels::{dot, simd};
use crate::prelude::*;

/// How far around a sample voice is looked for, in frames of the detector: 0.3 s on either side.
const MARGIN: usize = 15;
/// Level that speech is brought to, dB of full scale.
const REFERENCE_LEVEL: f64 = -20.0;
/// Frames of which the power is remembered until they are known to be voice or not.
const REMEMBERED: usize = 16;

/// The state of a recording's preparation.
#[derive(Clone)]
pub(super) struct Preparation {
    detector: SpeechDetector,
    /// Samples of a block, the time between two frames of the detector. Block `b` is the first two thirds of frame `b`.
    block: usize,
    /// Samples that are neither kept nor left out yet: whole blocks from `first` on, then a part of one.
    waiting: Vec<f32>,
    first: usize,
    /// Mean square of the latest blocks, block `b` at `b mod REMEMBERED`; and whether it is in `speech`.
    power: [f64; REMEMBERED],
    is_counted: [bool; REMEMBERED],
    /// Sum of the mean squares of the blocks that are voice, and their number.
    speech: f64,
    voices: usize,
    progress: Progress,
}

/// How far a preparation is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Progress {
    /// Samples of the recording that have arrived.
    pub(super) arrived: usize,
    /// Samples that are kept, and left out.
    kept: usize,
    left_out: usize,
    /// Of the kept samples before this one, the number that was left out before the latest gap.
    gap: usize,
    left_out_before_gap: usize,
}

impl Progress {
    /// Place in the recording of a kept sample, one of the latest half second.
    pub(super) fn place(&self, kept: usize) -> usize {
        kept + if kept < self.gap { self.left_out_before_gap } else { self.left_out }
    }

    /// Samples that are kept or left out: the place of the first that is neither.
    pub(super) fn decided(&self) -> usize {
        self.kept + self.left_out
    }
}

/// A block of a recording, when it is known what becomes of it.
pub(super) enum Block<'a> {
    Kept(&'a [f32]),
    LeftOut,
}

impl Preparation {
    /// Of recordings of `sample_rate` Hz, before the first sample.
    ///
    /// # Errors
    /// As [`SpeechDetector::new`].
    pub(super) fn new(sample_rate: u32) -> Result<Self> {
        let detector = SpeechDetector::new(sample_rate)?;
        let block = detector.hop();
        Ok(Preparation {
            waiting: Vec::with_capacity((MARGIN + SpeechDetector::LATEST_CHANGE + 8) * block),
            block,
            detector,
            first: 0,
            power: [0.0; REMEMBERED],
            is_counted: [false; REMEMBERED],
            speech: 0.0,
            voices: 0,
            progress: Progress::default(),
        })
    }

    /// Begins a new recording.
    pub(super) fn reset(&mut self) {
        self.detector.reset();
        self.waiting.clear();
        self.is_counted = [false; REMEMBERED];
        (self.first, self.speech, self.voices, self.progress) = (0, 0.0, 0, Progress::default());
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        self.progress
    }

    /// The gain, dB, that brings the speech so far to the reference; without any, all sound so far. 0 for digital silence.
    pub(super) fn gain(&self) -> f32 {
        let level = match self.voices {
            SpeechDetector::LEAST_FRAMES.. => 10.0 * (self.speech / self.voices as f64).log10(),
            _ => self.detector.sound().level,
        };
        if level.is_finite() { (REFERENCE_LEVEL - level) as f32 } else { 0.0 }
    }

    /// The level, dB of full scale, that a gain brings to the reference; that of digital silence, too, is the reference.
    pub(super) fn level(gain: f32) -> f32 {
        REFERENCE_LEVEL as f32 - gain
    }

    /// Takes the next samples of the recording, finite ones; hands each block about which they decide to `take`.
    ///
    /// # Errors
    /// Those of `take`.
    pub(super) fn push(&mut self, mut samples: &[f32], mut take: impl FnMut(&Self, Block) -> Result<()>) -> Result<()> {
        while !samples.is_empty() {
            let missing = self.block - self.waiting.len() % self.block;
            let (now, later) = samples.split_at(missing.min(samples.len()));
            self.waiting.extend_from_slice(now);
            self.progress.arrived += now.len();
            samples = later;
            if now.len() == missing {
                self.measure(self.block);
                self.decide(false, &mut take)?;
            }
        }
        Ok(())
    }

    /// Decides about all samples that wait: the recording ends.
    ///
    /// # Errors
    /// Those of `take`.
    pub(super) fn finish(&mut self, mut take: impl FnMut(&Self, Block) -> Result<()>) -> Result<()> {
        let part = self.waiting.len() % self.block;
        if part > 0 {
            self.measure(part);
        }
        self.decide(true, &mut take)
    }

    /// Gives the latest block, the last `length` samples that wait, to the detector, and adds the power of new voices.
    fn measure(&mut self, length: usize) {
        let block = &self.waiting[self.waiting.len() - length..];
        self.detector.push(block);
        let latest = (self.progress.arrived - 1) / self.block;
        let energy = f64::from(simd!(|level| dot(level, block, block)));
        self.power[latest % REMEMBERED] = energy / length as f64;
        self.is_counted[latest % REMEMBERED] = false;
        for frame in self.detector.latest_voices() {
            if !core::mem::replace(&mut self.is_counted[frame % REMEMBERED], true) {
                self.speech += self.power[frame % REMEMBERED];
                self.voices += 1;
            }
        }
    }

    /// Hands the blocks about which enough is known to `take`, in their order.
    fn decide(&mut self, at_end: bool, take: &mut impl FnMut(&Self, Block) -> Result<()>) -> Result<()> {
        let frames = self.detector.frames();
        let mut done = 0;
        while done < self.waiting.len() {
            let (from, until) = (self.first.saturating_sub(MARGIN), self.first + MARGIN + 1);
            let voice = (from..until.min(frames)).filter(|&frame| self.detector.is_voice(frame)).count();
            let is_kept = voice >= SpeechDetector::LEAST_FRAMES;
            // A later frame may change as many before it.
            if !is_kept && !at_end && until + SpeechDetector::LATEST_CHANGE > frames + 1 {
                break;
            }
            let end = (done + self.block).min(self.waiting.len());
            if is_kept {
                self.progress.kept += end - done;
                take(&*self, Block::Kept(&self.waiting[done..end]))?;
            } else {
                let Progress { kept, left_out, gap, left_out_before_gap, .. } = &mut self.progress;
                if *kept > *gap {
                    (*gap, *left_out_before_gap) = (*kept, *left_out);
                }
                *left_out += end - done;
                take(&*self, Block::LeftOut)?;
            }
            self.first += 1;
            done = end;
        }
        self.waiting.drain(..done);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
