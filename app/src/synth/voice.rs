//! Speakers: each has a voice and a personal expression of emotions.

use super::emotion::{Change, Expression, PROPERTIES, RECIPES, SPREAD};
use reslstm::labels::RavdessName;
use reslstm::rng::RandomStream;

/// Deviation of a speaker from the average one in all emotions, in units of [`SPREAD`].
const HABIT: f64 = 0.3;
/// Deviation of a speaker's version of an emotion from the recipe, in units of [`SPREAD`].
const OWN_STYLE: f64 = 0.2;
/// Deviation of a take from the speaker's version, in units of [`SPREAD`].
const TAKE: f64 = 0.3;

/// A speaker.
#[derive(Clone, Debug, PartialEq)]
pub struct Voice {
    /// Mean F0 of neutral speech, Hz.
    pub(super) f0: f64,
    /// Factor of all formants, 1 for a man of average height; larger for a shorter vocal tract.
    pub(super) tract: f64,
    /// Share of a cycle in which the vocal folds let air through.
    pub(super) open: f64,
    /// Strength of the emotions; 1 is average.
    pub(super) expressiveness: f64,
    /// Permanent differences from the average voice.
    pub(super) habit: Change,
    /// Differences from the recipe of each emotion.
    pub(super) style: [Change; 8],
}

impl Voice {
    /// The voice of an actor, 1 to 24; odd numbers are men, as in RAVDESS. A function of the seed and the number alone.
    pub fn of_speaker(seed: u64, actor: usize) -> Self {
        let chance = &mut RandomStream::new(seed, "synth voice", actor as u64);
        let male = actor % 2 == 1;
        // A woman's vocal tract is about a seventh shorter than a man's, her F0 a little less than an octave higher.
        let (f0, tract, open) = if male { (118.0, 1.0, 0.56) } else { (205.0, 1.16, 0.64) };
        Voice {
            f0: f0 * semitones(1.5 * bounded_normal(chance)),
            tract: tract * (1.0 + 0.03 * bounded_normal(chance)),
            open: open + 0.04 * bounded_normal(chance),
            expressiveness: 1.0 + 0.2 * bounded_normal(chance),
            habit: spread(HABIT, chance),
            style: std::array::from_fn(|_| spread(OWN_STYLE, chance)),
        }
    }

    /// How this speaker expresses the emotion of a clip, with the random variation of a take.
    pub(super) fn express(&self, name: &RavdessName, chance: &mut RandomStream) -> Expression {
        let emotion = name.label();
        let strength = self.expressiveness * if name.is_strong() { 1.0 } else { 0.75 };
        let take = spread(TAKE, chance);
        let change: Change =
            std::array::from_fn(|p| self.habit[p] + strength * RECIPES[emotion][p] + self.style[emotion][p] + take[p]);
        change.into()
    }
}

/// Frequency factor of an interval in semitones.
pub(super) fn semitones(count: f64) -> f64 {
    (count / 12.0).exp2()
}

/// Standard normal, limited to ±2.5: more extreme voices would not sound human.
fn bounded_normal(chance: &mut RandomStream) -> f64 {
    chance.normal().clamp(-2.5, 2.5)
}

fn spread(size: f64, chance: &mut RandomStream) -> Change {
    let mut change = [0.0; PROPERTIES];
    for (change, spread) in change.iter_mut().zip(SPREAD) {
        *change = size * spread * bounded_normal(chance);
    }
    change
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_is_a_function_of_seed_and_actor() {
        assert_eq!(Voice::of_speaker(3, 7), Voice::of_speaker(3, 7));
        assert_ne!(Voice::of_speaker(3, 7), Voice::of_speaker(4, 7));
        assert_ne!(Voice::of_speaker(3, 7), Voice::of_speaker(3, 9));
    }

    #[test]
    fn men_speak_lower_and_through_longer_tracts() {
        let mean = |actors: [usize; 12], of: fn(&Voice) -> f64| {
            actors.iter().map(|&actor| of(&Voice::of_speaker(0, actor))).sum::<f64>() / 12.0
        };
        let (men, women) = (std::array::from_fn(|n| 2 * n + 1), std::array::from_fn(|n| 2 * n + 2));
        // Means of twelve voices each: standard errors are about 4 % for F0 and 1 % for tracts.
        assert!((100.0..140.0).contains(&mean(men, |voice| voice.f0)));
        assert!((175.0..240.0).contains(&mean(women, |voice| voice.f0)));
        let ratio = mean(women, |voice| voice.tract) / mean(men, |voice| voice.tract);
        assert!((1.12..1.20).contains(&ratio), "{ratio}");
    }

    #[test]
    fn strong_emotions_are_further_from_neutral() {
        let chance = || RandomStream::new(0, "test", 0);
        let normal: RavdessName = "03-01-05-01-01-01-03".parse().unwrap();
        let strong: RavdessName = "03-01-05-02-01-01-03".parse().unwrap();
        let voice = Voice::of_speaker(0, 3);
        let difference = voice.express(&strong, &mut chance()).energy - voice.express(&normal, &mut chance()).energy;
        // The same take, so only the strength differs: a quarter of the recipe's 11 dB.
        assert!((difference - voice.expressiveness * 0.25 * 11.0).abs() < 1e-12, "{difference}");
    }

    #[test]
    fn an_octave_is_twelve_semitones() {
        assert_eq!((semitones(12.0), semitones(-24.0)), (2.0, 0.25));
    }
}
