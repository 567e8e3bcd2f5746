//! Levels of the frames so far: the loudest, and the noise floor.

/// How far above the noise floor a frame must lie, dB …
const ABOVE_FLOOR: f64 = 6.0;
/// … unless it is so near the loudest frame, dB: somebody may speak from beginning to end, and then the floor is speech.
const NEAR_LOUDEST: f64 = 12.0;
/// One of so many frames is not louder than the noise floor.
const FLOOR: u32 = 10;
/// Frames after which the levels so far count half: 30 s. One bang is forgotten, and so is another room.
const FORGET: usize = 1_500;
/// The quietest level that is told from silence, dB, and the range of levels above it: a sample of 2³¹ has 187 dB.
const QUIETEST: f64 = -300.0;
const LEVELS: usize = 500;

/// Levels of the frames so far: how many there are of each whole decibel, older ones counting less.
#[derive(Clone)]
pub(super) struct Levels {
    counts: [u32; LEVELS],
    /// Place of the last count that is not 0.
    loudest: usize,
    until_forgetting: usize,
}

impl Default for Levels {
    fn default() -> Self {
        Levels { counts: [0; LEVELS], loudest: 0, until_forgetting: FORGET }
    }
}

impl Levels {
    /// Counts the level of a frame, dB; silence is left out.
    pub(super) fn add(&mut self, level: f64) {
        if level < QUIETEST {
            return;
        }
        let place = ((level - QUIETEST) as usize).min(LEVELS - 1);
        self.counts[place] += 1;
        self.loudest = self.loudest.max(place);
        self.until_forgetting -= 1;
        if self.until_forgetting == 0 {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.loudest = self.counts.iter().rposition(|&count| count > 0).unwrap_or(0);
            self.until_forgetting = FORGET;
        }
    }

    /// The loudest level, dB.
    pub(super) fn loudest(&self) -> f64 {
        QUIETEST + self.loudest as f64
    }

    /// The least level of a frame that counts: above the noise floor, or near the loudest.
    pub(super) fn least(&self) -> f64 {
        let all: u32 = self.counts.iter().sum();
        let mut quieter = 0;
        let is_floor = |&count: &u32| {
            quieter += count;
            quieter * FLOOR >= all
        };
        let floor = QUIETEST + self.counts.iter().position(is_floor).unwrap_or(0) as f64;
        (floor + ABOVE_FLOOR).min(self.loudest() - NEAR_LOUDEST)
    }
}
