//! Random augmentation: in every epoch each training clip is changed a little, so that what is learned holds for other voices.
//!
//! | kind      | drawn per clip and epoch                                              | what it imitates                      |
//! |-----------|-----------------------------------------------------------------------|---------------------------------------|
//! | speed     | one of a few playing speeds of the recording, its features recomputed  | another speaker: pitch, formants and tempo move together |
//! | condition | instead of a speed, one of a few other [recording conditions](Condition) | a telephone, a room, people talking, a codec |
//! | stretch   | a factor by which the sequence of frames is made longer or shorter     | the same voice, speaking slower or faster |
//! | channel   | a normal number per normalised feature, added to all frames of the clip | another vocal tract, another microphone: a filter multiplies spectra, and so adds to MFCC |
//! | gain      | a number of decibels by which the clip is quieter                      | a voice further away, another recorder |
//! | noise     | a random number added to every normalised feature of every frame       | another room, another day              |
//!
//! Every draw comes from a stream named by seed, epoch and clip: nothing has to be saved, and neither the order of the
//! clips nor the number of threads changes a draw.

use crate::audio::FeatureSettings;
use crate::data::condition::Condition;
use crate::error::{Error, Kind, Result};
use crate::matrix::Matrix;
use crate::rng::RandomStream;
use serde::{Deserialize, Serialize};

/// What is drawn per clip and epoch; the default changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Augment {
    /// Playing speeds; 1 is the recording as it is.
    pub speeds: Vec<f64>,
    /// Other recording conditions; the speed is then 1.
    #[serde(skip_serializing_if = "is_default")]
    pub conditions: Vec<Condition>,
    /// How often a speed and a condition are drawn; `None`: each speed, 1 among them, and each condition is equally likely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<Shares>,
    /// The sequence is stretched by a factor between `1 − stretch` and `1 + stretch`.
    pub stretch: f64,
    /// Standard deviation of the shift of a feature over a whole clip, in standard deviations of the feature.
    #[serde(skip_serializing_if = "is_default")]
    pub channel: f64,
    /// The clip is quieter by 0 to `gain` dB.
    #[serde(skip_serializing_if = "is_default")]
    pub gain: f64,
    /// Standard deviation of the noise, in standard deviations of a feature.
    pub noise: f64,
}

/// How often a training clip is drawn other than as recorded, as probabilities; what is left of 1 is as recorded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shares {
    /// At one of the speeds other than 1, all equally likely.
    pub speeds: f64,
    /// In one of the conditions, all equally likely.
    pub conditions: f64,
}

/// Whether a setting has its default value, and is left out of files.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for Augment {
    fn default() -> Self {
        Augment {
            speeds: vec![1.0],
            conditions: Vec::new(),
            shares: None,
            stretch: 0.0,
            channel: 0.0,
            gain: 0.0,
            noise: 0.0,
        }
    }
}

impl Augment {
    /// Names of the presets.
    pub const PRESETS: [&'static str; 3] = ["voices", "anywhere", "speech"];

    /// A preset by name. `voices`: five speeds from 0.84 to 1.19, stretch 0.2, noise 0.5. `anywhere`: the same, plus telephone,
    /// small loudspeaker, and white noise at 20 and 10 dB. `speech`: the speeds and noise of `voices`, without stretch, and how people
    /// record: telephone and three codecs, five sample rates, two rooms, babble and white noise at 20 and 10 dB, trimmed; 3 of 5 clips
    /// at another speed, 1 of 5 in a condition. Chosen in `data/results/voices`.
    pub fn preset(name: &str) -> Option<Self> {
        let voices =
            Augment { speeds: vec![0.84, 0.92, 1.0, 1.09, 1.19], stretch: 0.2, noise: 0.5, ..Augment::default() };
        let [quiet, loud] = [20.0, 10.0].map(|snr| Condition::Noise { snr });
        let recorded = || {
            let rates = [8_000, 11_025, 16_000, 22_050, 32_000].map(|hz| Condition::Rate { hz });
            let rooms = [0.3, 0.6].map(|rt60| Condition::Room { rt60 });
            let babble = [20.0, 10.0].map(|snr| Condition::Babble { snr });
            let codecs = [Condition::MuLaw, Condition::GsmLike, Condition::Mp3, Condition::Telephone];
            [&codecs[..], &rates, &rooms, &babble, &[quiet, loud, Condition::Trimmed]].concat()
        };
        match name {
            "voices" => Some(voices),
            "anywhere" => {
                Some(Augment { conditions: vec![Condition::Telephone, Condition::SmallSpeaker, quiet, loud], ..voices })
            }
            "speech" => {
                let shares = Some(Shares { speeds: 0.6, conditions: 0.2 });
                Some(Augment { conditions: recorded(), shares, stretch: 0.0, ..voices })
            }
            _ => None,
        }
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// [`Kind::Settings`], naming the first that is not.
    pub fn check(&self) -> Result<()> {
        let wrong = |name: &str, expected: &str, got: &dyn std::fmt::Debug| {
            Err(Error::new(Kind::Settings, format!("augment.{name}: expected {expected}, got {got:?}")))
        };
        if self.speeds.is_empty() || self.speeds.iter().any(|speed| !(0.5..=2.0).contains(speed)) {
            return wrong("speeds", "at least one, each from 0.5 to 2", &self.speeds);
        }
        let possible = |condition: &Condition| match condition {
            Condition::AsRecorded | Condition::Speed(_) | Condition::Level { .. } => false,
            Condition::Noise { snr } | Condition::Babble { snr } => (-100.0..=100.0).contains(snr),
            Condition::Rate { hz } => (2_000..=192_000).contains(hz),
            Condition::Room { rt60 } => (0.1..=2.0).contains(rt60),
            Condition::Telephone
            | Condition::SmallSpeaker
            | Condition::Clipped
            | Condition::MuLaw
            | Condition::GsmLike
            | Condition::Mp3
            | Condition::Trimmed => true,
        };
        if let Some(condition) = self.conditions.iter().find(|condition| !possible(condition)) {
            let expected = "telephone, small-speaker, clipped, mu-law, gsm-like, mp3, trimmed, noise or babble with an snr of -100 to 100 dB, \
                            rate with hz of 2,000 to 192,000, or room with an rt60 of 0.1 to 2 s (speeds and gain have the others)";
            return wrong("conditions", expected, condition);
        }
        if let Some(Shares { speeds, conditions }) = self.shares {
            let possible = |share: f64, is_empty: bool| share == 0.0 || (share > 0.0 && !is_empty);
            let speeds_fit = possible(speeds, self.other_speeds().is_empty());
            if !(speeds_fit && possible(conditions, self.conditions.is_empty()) && speeds + conditions <= 1.0) {
                let expected =
                    "probabilities of at most 1 together, and 0 where there is no other speed or no condition";
                return wrong("shares", expected, &(speeds, conditions));
            }
        }
        if !(0.0..=0.5).contains(&self.stretch) {
            return wrong("stretch", "0 to 0.5", &self.stretch);
        }
        if !(0.0..=100.0).contains(&self.gain) {
            return wrong("gain", "0 to 100 dB", &self.gain);
        }
        for (name, strength) in [("channel", self.channel), ("noise", self.noise)] {
            if !(0.0..=10.0).contains(&strength) {
                return wrong(name, "0 to 10", &strength);
            }
        }
        Ok(())
    }

    /// The speeds other than 1, slowest first.
    pub fn other_speeds(&self) -> Vec<Condition> {
        let mut speeds: Vec<f64> = self.speeds.iter().copied().filter(|&speed| speed != 1.0).collect();
        speeds.sort_by(f64::total_cmp);
        speeds.dedup();
        speeds.into_iter().map(Condition::Speed).collect()
    }

    /// The conditions, other than as recorded, in which features are needed too.
    pub fn other_conditions(&self) -> Vec<Condition> {
        [self.other_speeds(), self.conditions.clone()].concat()
    }

    /// Whether clips are drawn in this condition: it is as recorded, listed, or a level within the gain.
    pub fn draws(&self, condition: Condition) -> bool {
        match condition {
            Condition::AsRecorded => true,
            Condition::Level { level } => -level <= self.gain,
            other => self.other_conditions().contains(&other),
        }
    }

    /// The condition of the next clip.
    fn draw(&self, stream: &mut RandomStream) -> Condition {
        let Some(shares) = self.shares else {
            let drawn = stream.below(self.speeds.len() + self.conditions.len());
            return match self.speeds.get(drawn) {
                Some(1.0) => Condition::AsRecorded,
                Some(&speed) => Condition::Speed(speed),
                None => self.conditions[drawn - self.speeds.len()],
            };
        };
        let drawn = stream.uniform();
        if drawn < shares.speeds {
            let speeds = self.other_speeds();
            speeds[stream.below(speeds.len())]
        } else if drawn < shares.speeds + shares.conditions {
            self.conditions[stream.below(self.conditions.len())]
        } else {
            Condition::AsRecorded
        }
    }

    /// Writes one augmented clip to `out`: `features_in` gives the clip's normalised features in a condition, `decibel` is what one
    /// decibel adds to their first column, `stream` the draws.
    pub fn vary<'a>(
        &self,
        features_in: impl FnOnce(Condition) -> &'a Matrix<f32>,
        decibel: f32,
        stream: &mut RandomStream,
        out: &mut Matrix<f32>,
    ) {
        let frames = features_in(self.draw(stream));
        let factor = stream.between(1.0 - self.stretch, 1.0 + self.stretch);
        stretch(frames, ((frames.rows() as f64 * factor).round() as usize).max(1), out);
        if self.channel > 0.0 {
            change_channel(self.channel, stream, out);
        }
        if self.gain > 0.0 {
            change_level(-stream.between(0.0, self.gain) as f32 * decibel, out);
        }
        if self.noise > 0.0 {
            add_noise(self.noise, stream, out);
        }
    }
}

/// What one decibel of level adds to the first column of features, whose standard deviation is `std`. The other columns do not
/// depend on the level.
///
/// # Formula
/// ```text
/// MFCC₀ = 1/√M · Σ dB of the M mel bands                 so g decibels in every band add g·√M
/// ```
/// The front end's least band of −100 dB, which does not move with the level, is left out of account.
pub fn per_decibel(features: &FeatureSettings, std: f64) -> f32 {
    ((features.mel_bands as f64).sqrt() / std) as f32
}

/// Adds `change` to the first column of `x` `[T,D]`.
fn change_level(change: f32, x: &mut Matrix<f32>) {
    let columns = x.cols();
    x.as_mut_slice().iter_mut().step_by(columns).for_each(|level| *level += change);
}

/// `x` `[T,D]` as a sequence of `frames` frames, into `y` `[frames,D]`: its first and last frame stay the first and last, and what
/// lies between is interpolated linearly.
///
/// # Formula
/// ```text
/// y[s] = (1 − w)·x[k] + w·x[k+1]      k + w = s·(T − 1)/(frames − 1),  k whole, 0 ≤ w < 1
/// ```
/// # Panics
/// If `x` has no frame, or `frames` is 0.
pub fn stretch(x: &Matrix<f32>, frames: usize, y: &mut Matrix<f32>) {
    assert!(x.rows() > 0 && frames > 0, "a clip has frames");
    y.resize(frames, x.cols());
    let step = if frames == 1 { 0.0 } else { (x.rows() - 1) as f64 / (frames - 1) as f64 };
    for s in 0..frames {
        let place = s as f64 * step;
        // Rounding may lead a hair beyond the last frame.
        let k = (place as usize).min(x.rows() - 1);
        let w = (place - k as f64) as f32;
        let next = x.row((k + 1).min(x.rows() - 1));
        for ((y, &x), &next) in y.row_mut(s).iter_mut().zip(x.row(k)).zip(next) {
            *y = (1.0 - w) * x + w * next;
        }
    }
}

/// Adds to every column of `x` `[T,D]` a normal number of mean 0 and standard deviation `strength`, one for all its frames.
pub fn change_channel(strength: f64, stream: &mut RandomStream, x: &mut Matrix<f32>) {
    for column in 0..x.cols() {
        let shift = (strength * stream.normal()) as f32;
        for frame in 0..x.rows() {
            x[(frame, column)] += shift;
        }
    }
}

/// Adds to every value of `x` a [nearly normal](RandomStream::nearly_normal) number of mean 0 and standard deviation `strength`.
pub fn add_noise(strength: f64, stream: &mut RandomStream, x: &mut Matrix<f32>) {
    for value in x.as_mut_slice() {
        *value += strength as f32 * stream.nearly_normal();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FrontEnd;

    #[test]
    fn a_sequence_keeps_its_ends_and_its_course() {
        let x = Matrix::from_rows(&[[0.0, 1.0], [1.0, 0.0], [4.0, -1.0]]);
        let mut y = Matrix::default();
        stretch(&x, 5, &mut y);
        assert_eq!(y, Matrix::from_rows(&[[0.0, 1.0], [0.5, 0.5], [1.0, 0.0], [2.5, -0.5], [4.0, -1.0]]));
        stretch(&x, 2, &mut y);
        assert_eq!(y, Matrix::from_rows(&[[0.0, 1.0], [4.0, -1.0]]));
        stretch(&x, 3, &mut y);
        assert_eq!(y, x);
        stretch(&x, 1, &mut y);
        assert_eq!(y.as_slice(), [0.0, 1.0]);
        stretch(&Matrix::from_rows(&[[7.0, 8.0]]), 3, &mut y);
        assert_eq!(y.as_slice(), [7.0, 8.0, 7.0, 8.0, 7.0, 8.0]);
        // A straight line stays one, at any length.
        let line = Matrix::from_vec(90, 1, (0..90).map(|t| t as f32).collect());
        for frames in 2..120 {
            stretch(&line, frames, &mut y);
            for s in 0..frames {
                let expected = s as f32 * 89.0 / (frames - 1) as f32;
                approx::assert_abs_diff_eq!(y[(s, 0)], expected, epsilon = 1e-4);
            }
        }
    }

    #[test]
    fn noise_has_the_given_strength() {
        let mut x = Matrix::from_vec(500, 46, vec![3.0; 500 * 46]);
        add_noise(0.5, &mut RandomStream::new(1, "noise", 0), &mut x);
        let n = x.as_slice().len() as f64;
        let mean = x.as_slice().iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let deviation = (x.as_slice().iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n).sqrt();
        // Standard errors 0.0033 and 0.0023: five of them.
        assert!((mean - 3.0).abs() < 0.017 && (deviation - 0.5).abs() < 0.012, "{mean} {deviation}");
    }

    #[test]
    fn a_channel_shifts_each_column_by_one_amount_in_all_frames() {
        let frames = Matrix::from_vec(3, 2000, (0..6000).map(|n| (n % 7) as f32).collect());
        let mut x = frames.clone();
        change_channel(0.4, &mut RandomStream::new(1, "channel", 0), &mut x);
        let shifts: Vec<f64> = (0..2000).map(|column| f64::from(x[(0, column)] - frames[(0, column)])).collect();
        for (column, &shift) in shifts.iter().enumerate() {
            for frame in 1..3 {
                approx::assert_abs_diff_eq!(
                    f64::from(x[(frame, column)] - frames[(frame, column)]),
                    shift,
                    epsilon = 1e-5
                );
            }
        }
        let deviation = (shifts.iter().map(|shift| shift * shift).sum::<f64>() / 2000.0).sqrt();
        // Standard error 0.0063: five of them.
        assert!((deviation - 0.4).abs() < 0.032, "{deviation}");
    }

    #[test]
    fn a_gain_moves_the_first_column_alone_as_the_front_end_does() {
        let settings = FeatureSettings::default().with(|s| (s.n_fft, s.hop, s.mel_bands) = (512, 256, 64)).unwrap();
        let mut front_end = FrontEnd::new(settings.clone(), 16_000).unwrap();
        let mut noise = RandomStream::new(4, "noise", 0);
        let samples: Vec<f32> = (0..8_000).map(|_| (0.1 * noise.normal()) as f32).collect();
        let quieter: Vec<f32> = samples.iter().map(|x| 0.1 * x).collect();
        let mut features = front_end.features(&samples).unwrap();
        change_level(-20.0 * per_decibel(&settings, 1.0), &mut features);
        for (got, expected) in features.iter_rows().zip(front_end.features(&quieter).unwrap().iter_rows()) {
            for (got, expected) in got.iter().zip(expected) {
                approx::assert_abs_diff_eq!(got, expected, epsilon = 2e-3);
            }
        }
        let (mut out, augment) = (Matrix::default(), Augment { gain: 30.0, ..Augment::default() });
        let shifts: Vec<f32> = (0..4_000)
            .map(|clip| {
                augment.vary(|_| &features, 0.5, &mut RandomStream::new(2, "augment", clip), &mut out);
                assert_eq!(out.row(3)[1..], features.row(3)[1..]);
                out[(3, 0)] - features[(3, 0)]
            })
            .collect();
        assert!(shifts.iter().all(|shift| (-15.001..=0.001).contains(shift)));
        // Uniform between −15 and 0: the mean has a standard error of 0.07.
        assert!((shifts.iter().sum::<f32>() / 4_000.0 + 7.5).abs() < 0.35);
    }

    #[test]
    fn every_speed_condition_and_length_is_drawn() {
        let clips: Vec<Matrix<f32>> = (0..4).map(|clip| Matrix::from_vec(100, 1, vec![clip as f32; 100])).collect();
        let (speeds, conditions) = (vec![0.9, 1.0, 1.1], vec![Condition::Clipped]);
        let ways = [Condition::Speed(0.9), Condition::AsRecorded, Condition::Speed(1.1), Condition::Clipped];
        let augment = Augment { speeds, conditions, stretch: 0.2, ..Augment::default() };
        let (mut drawn, mut lengths, mut out) = ([0; 4], Vec::new(), Matrix::default());
        for clip in 0..4000 {
            let frames = |condition| &clips[ways.iter().position(|&way| way == condition).unwrap()];
            augment.vary(frames, 1.0, &mut RandomStream::new(2, "augment", clip), &mut out);
            drawn[out[(0, 0)] as usize] += 1;
            lengths.push(out.rows());
        }
        // 1000 expected, standard deviation 27.
        assert!(drawn.iter().all(|&n| (860..1140).contains(&n)), "{drawn:?}");
        assert_eq!((lengths.iter().min(), lengths.iter().max()), (Some(&80), Some(&120)));
        // With shares: a tenth as recorded, half of the others at a speed.
        let shares = Some(Shares { speeds: 0.45, conditions: 0.45 });
        let (mut drawn, shared) = ([0; 4], Augment { shares, ..augment });
        for clip in 0..4000 {
            let condition = shared.draw(&mut RandomStream::new(3, "augment", clip));
            drawn[ways.iter().position(|&way| way == condition).unwrap()] += 1;
        }
        let near = |got: i32, expected: i32| (got - expected).abs() < 170;
        assert!(near(drawn[0], 900) && near(drawn[1], 400) && near(drawn[2], 900) && near(drawn[3], 1800), "{drawn:?}");
        let same = Augment::default();
        same.vary(|_| &clips[1], 1.0, &mut RandomStream::new(2, "augment", 0), &mut out);
        assert_eq!(out, clips[1]);
    }

    #[test]
    fn values_out_of_range_are_named() {
        for preset in Augment::PRESETS {
            assert!(Augment::preset(preset).unwrap().check().is_ok());
        }
        assert!(Augment::default().check().is_ok());
        let shares = |speeds, conditions| Augment { shares: Some(Shares { speeds, conditions }), ..Augment::default() };
        let anywhere = || Augment::preset("anywhere").unwrap();
        for (augment, name) in [
            (Augment { speeds: vec![], ..Augment::default() }, "augment.speeds"),
            (Augment { speeds: vec![1.0, 2.5], ..Augment::default() }, "augment.speeds"),
            (Augment { conditions: vec![Condition::Speed(0.9)], ..Augment::default() }, "augment.conditions"),
            (
                Augment { conditions: vec![Condition::Noise { snr: f64::NAN }], ..Augment::default() },
                "augment.conditions",
            ),
            (Augment { stretch: -0.1, ..Augment::default() }, "augment.stretch"),
            (Augment { channel: -0.1, ..Augment::default() }, "augment.channel"),
            (Augment { gain: 101.0, ..Augment::default() }, "augment.gain"),
            (
                Augment { conditions: vec![Condition::Level { level: -20.0 }], ..Augment::default() },
                "augment.conditions",
            ),
            (Augment { conditions: vec![Condition::Rate { hz: 0 }], ..Augment::default() }, "augment.conditions"),
            (Augment { conditions: vec![Condition::Room { rt60: 0.0 }], ..Augment::default() }, "augment.conditions"),
            (shares(0.5, 0.0), "augment.shares"),
            (shares(0.0, 0.5), "augment.shares"),
            (shares(-0.1, 0.0), "augment.shares"),
            (shares(f64::NAN, 0.0), "augment.shares"),
            (Augment { shares: shares(0.6, 0.6).shares, ..anywhere() }, "augment.shares"),
            (Augment { noise: f64::NAN, ..Augment::default() }, "augment.noise"),
        ] {
            let error = augment.check().unwrap_err();
            assert!(error.kind() == Kind::Settings && error.to_string().starts_with(name), "{error}");
        }
        let anywhere = anywhere();
        assert!(anywhere.draws(Condition::Telephone) && anywhere.draws(Condition::Speed(0.92)));
        assert!(!anywhere.draws(Condition::Mp3) && !anywhere.draws(Condition::Level { level: -10.0 }));
        assert!(Augment { gain: 10.0, ..anywhere.clone() }.draws(Condition::Level { level: -10.0 }));
        assert_eq!(anywhere.other_speeds(), [0.84, 0.92, 1.09, 1.19].map(Condition::Speed));
        assert_eq!(anywhere.other_conditions().len(), 4 + 4);
    }
}
