//! Whether raw samples are what they are taken for. A wrong format is no error that a decoder could see: it makes another sound.
//!
//! | what the samples are           | what they are taken for  | how it sounds, and what is looked for                               |
//! |--------------------------------|--------------------------|---------------------------------------------------------------------|
//! | big-endian, float, out of step | 16-bit integers          | loud noise: above −12 dB, neighbours correlated by less than 0.2    |
//! | 8-bit                          | 16-bit integers          | always at the limits: above −4 dB, or a tenth beyond 0.99           |
//! | two channels                   | one                      | the samples alternate: each second one follows a line of its own    |
//!
//! Of a sound with one channel, differences between neighbours do not depend on whether the first has an even or an odd place, and
//! are smaller than those between every second sample. Twice that, each by a wide margin, never holds for speech: no recording of
//! RAVDESS is suspected. Each second of sound above −60 dB is looked at.

/// Mean square of a second that is too quiet to be judged: −60 dB.
const QUIET: f64 = 1e-6;
/// Mean square of loud noise: −12 dB.
const LOUD: f64 = 0.0625;
/// Mean square that no sound has: −4 dB. A sine at full scale has −3 dB.
const EXTREME: f64 = 0.4;
/// Correlation of neighbours in noise.
const UNRELATED: f64 = 0.2;
/// A sample at the limit.
const AT_LIMIT: f32 = 0.99;
/// Share of the samples that may be at the limit.
const OFTEN: f64 = 0.1;
/// Ratio of mean square differences that shows two lines.
const TWO_LINES: f64 = 0.25;
/// Ratio of mean square differences at even and at odd places that shows pairs.
const PAIRS: f64 = 0.1;

/// Looks at raw samples as they come.
pub struct SignalCheck {
    /// Samples of the first channel of the current second.
    second: Vec<f32>,
    /// Samples of a second.
    length: usize,
    channels: usize,
    /// Each is noted once.
    noted: [bool; 3],
}

impl SignalCheck {
    /// Of samples at this rate, Hz, with so many channels in turn.
    pub fn new(sample_rate: u32, channels: usize) -> Self {
        let length = sample_rate as usize;
        SignalCheck { second: Vec::with_capacity(length), length, channels, noted: [false; 3] }
    }

    /// What is suspicious of the next `samples`, whole frames, and was not noted before. Each is one clause.
    pub fn push(&mut self, samples: &[f32]) -> Vec<&'static str> {
        let mut notes = Vec::new();
        for &sample in samples.iter().step_by(self.channels) {
            self.second.push(sample);
            if self.second.len() == self.length {
                self.judge(&mut notes);
                self.second.clear();
            }
        }
        notes
    }

    /// What is suspicious of what is left at the end, if that is half a second or more.
    pub fn finish(&mut self) -> Vec<&'static str> {
        let mut notes = Vec::new();
        if self.second.len() >= self.length / 2 {
            self.judge(&mut notes);
        }
        self.second.clear();
        notes
    }

    fn judge(&mut self, notes: &mut Vec<&'static str>) {
        let x: Vec<f64> = self.second.iter().map(|&sample| sample.into()).collect();
        let mean_square = |differences: &mut dyn Iterator<Item = f64>| {
            let (sum, count) = differences.fold((0.0, 0), |(sum, count), x| (sum + x * x, count + 1));
            sum / f64::from(count.max(1))
        };
        let power = mean_square(&mut x.iter().copied());
        if power < QUIET {
            return;
        }
        let difference = |from: usize, step: usize, lag: usize| {
            mean_square(&mut x.iter().zip(&x[lag..]).skip(from).step_by(step).map(|(a, b)| b - a))
        };
        let [neighbours, even, odd, seconds] =
            [(0, 1, 1), (0, 2, 1), (1, 2, 1), (0, 1, 2)].map(|(a, b, c)| difference(a, b, c));
        let at_limit = self.second.iter().filter(|sample| sample.abs() > AT_LIMIT).count();
        // (b − a)² = a² + b² − 2ab
        let is_noise = power > LOUD && (1.0 - neighbours / (2.0 * power)).abs() < UNRELATED;
        let is_clipped = power > EXTREME || at_limit as f64 > OFTEN * x.len() as f64;
        let alternates = seconds < TWO_LINES * neighbours || even < PAIRS * odd || odd < PAIRS * even;
        for (kind, is_found, note) in [
            (
                0,
                is_clipped,
                "the samples are at their limits most of the time, as 8-bit samples are when taken for 16-bit ones",
            ),
            (
                1,
                self.channels == 1 && alternates,
                "the samples alternate between two sounds, as those of two channels do when taken for one",
            ),
            (
                2,
                is_noise && !is_clipped,
                "the sound is loud noise, as samples are that have another format, or big-endian numbers, or are out of step",
            ),
        ] {
            if is_found && !self.noted[kind] {
                self.noted[kind] = true;
                notes.push(note);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::audio::{Encoding, SampleFormat, write_wav16};
    use reslstm::rng::RandomStream;

    const RATE: u32 = 16_000;

    /// Everything that is suspicious of these bytes, taken for that.
    fn findings(bytes: &[u8], encoding: Encoding, channels: usize) -> Vec<&'static str> {
        let format = SampleFormat::raw(encoding, channels).unwrap();
        let mut samples = Vec::new();
        format.decode(&bytes[..bytes.len() - bytes.len() % format.frame_bytes()], &mut samples);
        let mut check = SignalCheck::new(RATE, channels);
        let mut notes = check.push(&samples);
        notes.extend(check.finish());
        notes
    }

    /// A voice of this pitch, Hz, with pauses, for two seconds. `pause` is its part of every half a second.
    fn voice(hz: f64, pause: f64) -> Vec<f32> {
        let mut stream = RandomStream::new(1, "voice", hz as u64);
        let sample = |i: u32| {
            let time = f64::from(i) / f64::from(RATE);
            let is_voiced = (2.0 * time).fract() >= pause;
            let harmonics = (1..30).map(f64::from).map(|h| (std::f64::consts::TAU * h * hz * time).sin() / h);
            (if is_voiced { 0.1 * harmonics.sum::<f64>() } else { 0.0 }) as f32 + 0.002 * stream.nearly_normal()
        };
        (0..2 * RATE).map(sample).collect()
    }

    fn s16(samples: &[f32]) -> Vec<u8> {
        write_wav16(samples, RATE)[44..].to_vec()
    }

    fn stereo(left: &[f32], right: &[f32]) -> Vec<u8> {
        s16(&left.iter().zip(right).flat_map(|(&l, &r)| [l, r]).collect::<Vec<_>>())
    }

    #[test]
    fn speech_and_silence_are_not_suspected() {
        for clip in [voice(110.0, 0.3), voice(230.0, 0.0)] {
            assert_eq!(findings(&s16(&clip), Encoding::S16, 1), [""; 0]);
            assert_eq!(findings(&stereo(&clip, &clip), Encoding::S16, 2), [""; 0]);
            for gain in [0.01, 4.0] {
                let other: Vec<f32> = clip.iter().map(|sample| sample * gain).collect();
                assert_eq!(findings(&s16(&other), Encoding::S16, 1), [""; 0], "times {gain}");
            }
        }
        assert_eq!(findings(&[0; 64_000], Encoding::S16, 1), [""; 0]);
    }

    #[test]
    fn speech_in_another_format_is_suspected() {
        for (clip, other) in [(voice(110.0, 0.3), voice(180.0, 0.1)), (voice(230.0, 0.0), voice(95.0, 0.2))] {
            let bytes = s16(&clip);
            let swapped: Vec<u8> = bytes.chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect();
            let float: Vec<u8> = clip.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            let bytes8: Vec<u8> = clip.iter().map(|sample| (sample * 127.0 + 128.0) as u8).collect();
            let silent = vec![0.0; clip.len()];
            for (what, bytes, word) in [
                ("big-endian", swapped, "loud noise"),
                ("out of step", bytes[1..].to_vec(), "loud noise"),
                ("float", float, "loud noise"),
                ("8-bit", bytes8, "at their limits"),
                ("the same in both channels", stereo(&clip, &clip), "alternate"),
                ("one channel silent", stereo(&clip, &silent), "alternate"),
                ("two voices", stereo(&clip, &other), "alternate"),
            ] {
                let findings = findings(&bytes, Encoding::S16, 1);
                assert!(findings.len() == 1 && findings[0].contains(word), "{what}: {findings:?}");
            }
        }
    }
}
