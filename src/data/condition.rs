//! How a recording may be heard: as it was made, or as a telephone, a small loudspeaker, noise or another voice would have it. What
//! each does to samples is with the feature `cli`, in `corpus::condition`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One way to hear a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// As it was made.
    #[default]
    AsRecorded,
    /// Played so many times as fast: pitch, formants and tempo together, as if somebody else spoke.
    Speed(f64),
    /// With white noise. It is `snr` decibels below the mean power of the whole recording, pauses included.
    Noise {
        /// Signal-to-noise ratio, dB.
        snr: f64,
    },
    /// Sampled 8,000 times a second, so that nothing above 4 kHz is left, and without what is below 300 Hz.
    Telephone,
    /// From a small loudspeaker: what is below 500 Hz falls by 24 dB an octave, what is above 8 kHz by 12 dB.
    SmallSpeaker,
    /// Recorded too loud by 12 dB: cut off at a quarter of its loudest sample.
    Clipped,
}

impl Condition {
    /// Those that `reslstm robustness` reports.
    pub const REPORTED: [Condition; 11] = [
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_is_written_as_it_is_read() {
        let text = r#"["as-recorded",{"noise":{"snr":20.0}},"telephone","small-speaker","clipped",{"speed":0.8}]"#;
        let read: Vec<Condition> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert_eq!(read[1], Condition::Noise { snr: 20.0 });
    }
}
