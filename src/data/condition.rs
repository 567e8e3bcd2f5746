//! Recording conditions: as recorded, over a telephone, from a small loudspeaker, in noise, in a room, through a codec, at another
//! sample rate or speed, quieter. The application applies them to samples, in its `corpus::condition`.

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
    /// Sampled at another rate, which limits the band to half of it, and resampled to its own rate.
    Rate {
        /// Sample rate, Hz.
        hz: u32,
    },
    /// With the reverberation of a room, 1 to 2.5 m from the speaker; as loud as before on average.
    Room {
        /// Reverberation time: until the sound energy has fallen by 60 dB, seconds.
        rt60: f64,
    },
    /// With eight other people talking, `snr` decibels below the mean power of the whole recording, pauses included.
    Babble {
        /// Signal-to-noise ratio, dB.
        snr: f64,
    },
    /// Eight bits of µ-law at 8,000 Hz (ITU-T G.711).
    MuLaw,
    /// A codec at 13 kbit/s and 8,000 Hz, like that of GSM telephones but not bit-exact.
    GsmLike,
    /// MP3 at 32 kbit/s.
    Mp3,
    /// Without the silence before and after the voice, but for 0.1 s. As recorded where nobody speaks.
    Trimmed,
}

impl Condition {
    /// The conditions that `reslstm robustness` reports. New ones come last.
    pub const REPORTED: [Condition; 32] = [
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
        Condition::Rate { hz: 8_000 },
        Condition::Rate { hz: 16_000 },
        Condition::Rate { hz: 22_050 },
        Condition::Rate { hz: 24_000 },
        Condition::Rate { hz: 32_000 },
        Condition::Rate { hz: 44_100 },
        Condition::Rate { hz: 48_000 },
        Condition::MuLaw,
        Condition::GsmLike,
        Condition::Mp3,
        Condition::Room { rt60: 0.3 },
        Condition::Room { rt60: 0.6 },
        Condition::Room { rt60: 1.0 },
        Condition::Babble { snr: 20.0 },
        Condition::Babble { snr: 10.0 },
        Condition::Babble { snr: 0.0 },
        Condition::Trimmed,
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
            Condition::Rate { hz } => write!(f, "rate {hz} Hz"),
            Condition::Room { rt60 } => write!(f, "room, RT60 {rt60} s"),
            Condition::Babble { snr } => write!(f, "babble, SNR {snr} dB"),
            Condition::MuLaw => f.write_str("µ-law"),
            Condition::GsmLike => f.write_str("GSM-like"),
            Condition::Mp3 => f.write_str("MP3, 32 kbit/s"),
            Condition::Trimmed => f.write_str("trimmed"),
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
            r#"{"speed":0.8},{"level":{"level":-20.0}},{"rate":{"hz":16000}},{"room":{"rt60":0.3}},"#,
            r#"{"babble":{"snr":10.0}},"mu-law","gsm-like","mp3"]"#
        );
        let read: Vec<Condition> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert_eq!(read[1], Condition::Noise { snr: 20.0 });
    }
}
