//! Recording conditions: as recorded, over a telephone, from a small loudspeaker, in noise, at another speed, quieter. The
//! application applies them to samples, in its `corpus::condition`.

use core::fmt;
use serde::{Deserialize, Serialize};

/// The condition in which a recording reaches the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Unchanged.
    #[default]
    AsRecorded,
    /// Played faster (above 1) or slower: pitch, formants and tempo change together, as with another speaker.
    Speed(f64),
    /// With white noise, `snr` decibels below the mean power of the whole recording, pauses included.
    Noise {
        /// Signal-to-noise ratio, dB.
        snr: f64,
    },
    /// Band from 300 Hz to 4 kHz, sampled at 8,000 Hz.
    Telephone,
    /// From a small loudspeaker: falls by 24 dB per octave below 500 Hz and by 12 dB per octave above 8 kHz.
    SmallSpeaker,
    /// Recorded too loud by 12 dB: cut off at a quarter of its loudest sample.
    Clipped,
    /// Quieter, as from further away: every sample times `10^(level/20)`.
    Level {
        /// Change of the level, dB: negative.
        level: f64,
    },
}

impl Condition {
    /// The conditions that `reslstm robustness` reports. New ones come last.
    pub const REPORTED: [Condition; 15] = [
        Condition::AsRecorded,
        Condition::Noise { snr: 20.0 },
        Condition::Noise { snr: 10.0 },
        Condition::Noise { snr: 0.0 },
        Condition::Telephone,
        Condition::SmallSpeaker,
        Condition::Clipped,
        Condition::Speed(0.8),
        Condition::Speed(0.9),
        Condition::Speed(1.1),
        Condition::Speed(1.25),
        Condition::Level { level: -10.0 },
        Condition::Level { level: -20.0 },
        Condition::Level { level: -30.0 },
        Condition::Level { level: -40.0 },
    ];
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::AsRecorded => f.write_str("as recorded"),
            Condition::Speed(speed) => write!(f, "speed {speed}"),
            Condition::Noise { snr } => write!(f, "noise, SNR {snr} dB"),
            Condition::Telephone => f.write_str("telephone"),
            Condition::SmallSpeaker => f.write_str("small speaker"),
            Condition::Clipped => f.write_str("clipped"),
            Condition::Level { level } => write!(f, "level {level} dB"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_is_written_as_it_is_read() {
        let text = concat!(
            r#"["as-recorded",{"noise":{"snr":20.0}},"telephone","small-speaker","clipped","#,
            r#"{"speed":0.8},{"level":{"level":-20.0}}]"#
        );
        let read: Vec<Condition> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert_eq!(read[1], Condition::Noise { snr: 20.0 });
    }
}
