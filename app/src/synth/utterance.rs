//! Sentences: RAVDESS's two sentences as phones, and the controls of the synthesiser over time.

use std::ops::Range;

use super::emotion::Expression;
use super::voice::{Voice, semitones};
use reslstm::rng::RandomStream;

/// Time from one frame of the controls to the next, seconds.
pub(super) const STEP: f64 = 0.001;

/// Silence before and after the speech, ms.
const PAUSE: f64 = 150.0;

/// A phone: the target of the controls for a time.
#[derive(Clone, Copy, Debug)]
struct Phone {
    /// Duration at an ordinary rate, ms.
    ms: f64,
    /// The first three formants of a man, Hz.
    formants: [f64; 3],
    /// Strength of the voice, 0 to 1.
    voice: f64,
    /// Strength of breath through open vocal folds, 0 to 1.
    breath: f64,
    /// Strength of the noise at a narrow place in the mouth, 0 to 1.
    hiss: f64,
    /// Where that noise is strongest, Hz.
    hiss_hz: f64,
    /// Stress, 0 to 1.
    stress: f64,
}

const fn vowel(ms: f64, formants: [f64; 3], stress: f64) -> Phone {
    Phone { ms, formants, voice: 1.0, breath: 0.0, hiss: 0.0, hiss_hz: 3000.0, stress }
}

/// A consonant without noise: nasals, r, and the murmur behind the closure of b, d, g.
const fn murmur(ms: f64, formants: [f64; 3], voice: f64) -> Phone {
    Phone { ms, formants, voice, breath: 0.0, hiss: 0.0, hiss_hz: 3000.0, stress: 0.0 }
}

const fn fricative(ms: f64, formants: [f64; 3], voice: f64, hiss: f64, hiss_hz: f64) -> Phone {
    Phone { ms, formants, voice, breath: 0.0, hiss, hiss_hz, stress: 0.0 }
}

/// Release of a closure.
const fn burst(ms: f64, formants: [f64; 3], hiss: f64, hiss_hz: f64) -> Phone {
    Phone { ms, formants, voice: 0.0, breath: 0.3, hiss, hiss_hz, stress: 0.0 }
}

const fn breath(ms: f64, formants: [f64; 3]) -> Phone {
    Phone { ms, formants, voice: 0.0, breath: 1.0, hiss: 0.0, hiss_hz: 3000.0, stress: 0.0 }
}

const FRONT: [f64; 3] = [300.0, 1950.0, 2600.0]; // tongue towards the palate: k, g
const TEETH: [f64; 3] = [300.0, 1650.0, 2600.0]; // tongue towards the teeth: d, t, s, z
const LIPS: [f64; 3] = [280.0, 950.0, 2250.0]; // b
const KIT: [f64; 3] = [400.0, 1920.0, 2560.0];
const ARM: [f64; 3] = [690.0, 1150.0, 2450.0];
const TALK: [f64; 3] = [590.0, 880.0, 2430.0];
const R: [f64; 3] = [430.0, 1180.0, 1650.0];
const ABOUT: [f64; 3] = [520.0, 1350.0, 2450.0];
const NG: [f64; 3] = [280.0, 1750.0, 2350.0];

const KIDS_ARE_TALKING: &[Phone] = &[
    burst(15.0, FRONT, 0.8, 2300.0),
    breath(35.0, FRONT),
    vowel(90.0, KIT, 0.8),
    murmur(45.0, TEETH, 0.2),
    fricative(70.0, TEETH, 0.3, 0.35, 6500.0),
    vowel(80.0, ARM, 0.1),
    murmur(50.0, R, 0.7),
    murmur(60.0, TEETH, 0.0),
    burst(15.0, TEETH, 0.8, 4500.0),
    breath(35.0, TALK),
    vowel(140.0, TALK, 1.0),
    murmur(55.0, FRONT, 0.0),
    burst(15.0, FRONT, 0.7, 1800.0),
    breath(20.0, KIT),
    vowel(65.0, KIT, 0.1),
    murmur(75.0, NG, 0.45),
];

const DOGS_ARE_SITTING: &[Phone] = &[
    murmur(40.0, TEETH, 0.2),
    burst(10.0, TEETH, 0.5, 4000.0),
    vowel(140.0, TALK, 0.8),
    murmur(50.0, FRONT, 0.2),
    burst(10.0, FRONT, 0.4, 1900.0),
    fricative(70.0, TEETH, 0.3, 0.35, 6500.0),
    vowel(80.0, ARM, 0.1),
    murmur(50.0, R, 0.7),
    fricative(110.0, TEETH, 0.0, 0.6, 6800.0),
    vowel(95.0, KIT, 1.0),
    murmur(55.0, TEETH, 0.0),
    burst(12.0, TEETH, 0.6, 4500.0),
    breath(15.0, KIT),
    vowel(65.0, KIT, 0.1),
    murmur(75.0, NG, 0.45),
];

const BY_THE_DOOR: &[Phone] = &[
    murmur(55.0, LIPS, 0.15),
    burst(8.0, LIPS, 0.4, 900.0),
    vowel(85.0, ARM, 0.6),
    vowel(65.0, KIT, 0.3),
    fricative(40.0, TEETH, 0.4, 0.1, 5500.0),
    vowel(55.0, ABOUT, 0.0),
    murmur(50.0, TEETH, 0.2),
    burst(10.0, TEETH, 0.5, 4000.0),
    vowel(170.0, TALK, 0.9),
    // Still part of the stressed syllable: the contour's end is here.
    Phone { stress: 0.6, ..murmur(140.0, R, 0.7) },
];

/// The controls of the synthesiser at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Hz.
    pub f0: f64,
    /// The first three formants, Hz.
    pub formants: [f64; 3],
    /// As in [`Phone`].
    pub voice: f64,
    pub breath: f64,
    pub hiss: f64,
    pub hiss_hz: f64,
}

/// A critically damped movement towards a jumping target: two first-order lags in a row. Tongue, lips and vocal folds thus move
/// smoothly between phones, and do not quite reach a short phone's target, as in fast speech.
#[derive(Clone, Debug)]
struct Follower {
    k: f64,
    lag: f64,
    value: f64,
}

impl Follower {
    /// A follower with time constant `seconds` for each lag, starting at `start`.
    fn new(seconds: f64, start: f64) -> Self {
        Follower { k: 1.0 - (-STEP / seconds).exp(), lag: start, value: start }
    }

    fn step(&mut self, target: f64) -> f64 {
        self.lag += self.k * (target - self.lag);
        self.value += self.k * (self.lag - self.value);
        self.value
    }
}

/// The controls of a statement (1 or 2) spoken by `voice` with `expression`, one frame per [`STEP`].
pub(super) fn frames(
    statement: usize,
    voice: &Voice,
    expression: &Expression,
    chance: &mut RandomStream,
) -> Vec<Frame> {
    let opening = if statement == 1 { KIDS_ARE_TALKING } else { DOGS_ARE_SITTING };
    let silence =
        |formants| Phone { ms: PAUSE, formants, voice: 0.0, breath: 0.0, hiss: 0.0, hiss_hz: 3000.0, stress: 0.0 };
    let phones = [&[silence(TEETH)], opening, BY_THE_DOOR, &[silence(R)]].concat();
    let rate = (1.0 + expression.rate / 100.0).clamp(0.6, 1.5);

    // Time constants: vocal folds and breath 5 ms, tongue and lips 12 ms, muscles of the larynx 35 ms.
    let [mut voicing, mut breathing, mut hissing] = [0.0; 3].map(|start| Follower::new(0.005, start));
    let mut formants = place(phones[0].formants, voice, expression).map(|start| Follower::new(0.012, start));
    let mut melody = Follower::new(0.035, 0.0);

    let durations: Vec<f64> =
        phones.iter().map(|phone| phone.ms / 1000.0 * (1.0 + 0.06 * chance.normal()).clamp(0.7, 1.3) / rate).collect();
    let speech = durations[0]..durations[..phones.len() - 1].iter().sum();
    let waver = chance.between(5.5, 7.5);

    let mut frames = Vec::new();
    let (mut time, mut end) = (0.0, 0.0);
    for (phone, duration) in phones.iter().zip(durations) {
        end += duration;
        while time < end {
            let stress = melody.step(phone.stress);
            let target = place(phone.formants, voice, expression);
            let loud = 0.75 + 0.35 * stress;
            frames.push(Frame {
                f0: voice.f0 * semitones(contour(time, &speech, stress, waver, expression)),
                formants: std::array::from_fn(|i| formants[i].step(target[i])),
                voice: loud * voicing.step(phone.voice),
                breath: breathing.step(phone.breath),
                hiss: hissing.step(phone.hiss),
                hiss_hz: phone.hiss_hz,
            });
            time += STEP;
        }
    }
    frames
}

/// F0 relative to the speaker's mean, semitones: declination over the utterance, rises on stressed syllables, the final
/// movement, and tremor. `time` and the range of `speech` are in seconds, `waver` is in Hz.
fn contour(time: f64, speech: &Range<f64>, stress: f64, waver: f64, expression: &Expression) -> f64 {
    let done = ((time - speech.start) / (speech.end - speech.start)).clamp(0.0, 1.0);
    let range = (4.0 + expression.range).max(0.5);
    let declination = 0.5 * range * (0.5 - done);
    let ending = (expression.ending - 2.0) * ((done - 0.75) / 0.25).max(0.0);
    let tremor = expression.tremor.max(0.0) * (std::f64::consts::TAU * waver * time).sin();
    expression.pitch + declination + range * (stress - 0.4) + ending + tremor
}

/// Converts a man's formants, Hz, to this speaker's tract: spread from the neutral vowel by care, shifted by the lips.
fn place(formants: [f64; 3], voice: &Voice, expression: &Expression) -> [f64; 3] {
    let care = (1.0 + expression.care / 100.0).clamp(0.6, 1.3);
    let shift = voice.tract * (1.0 + expression.smile / 100.0);
    std::array::from_fn(|i| shift * (ABOUT[i] + care * (formants[i] - ABOUT[i])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Neutral speech.
    fn plain() -> Expression {
        [0.0; 11].into()
    }

    fn spoken(statement: usize, expression: Expression) -> Vec<Frame> {
        frames(statement, &Voice::of_speaker(0, 1), &expression, &mut RandomStream::new(0, "test", 0))
    }

    fn semitones_between(low: f64, high: f64) -> f64 {
        12.0 * (high / low).log2()
    }

    /// Mean F0 of the stressed frames, and the F0 at the end of the last sound.
    fn melody(frames: &[Frame]) -> (f64, f64) {
        let voiced: Vec<f64> = frames.iter().filter(|frame| frame.voice > 0.5).map(|frame| frame.f0).collect();
        (voiced.iter().sum::<f64>() / voiced.len() as f64, *voiced.last().unwrap())
    }

    #[test]
    fn a_follower_arrives_smoothly_without_overshoot() {
        let mut follower = Follower::new(0.012, 1.0);
        let path: Vec<f64> = (0..200).map(|_| follower.step(3.0)).collect();
        // It starts slowly, is at (1 − 2/e) of the way after one time constant, and stays at the target.
        assert!(path[0] < 1.02, "{}", path[0]);
        assert!((path[11] - 1.0 - 2.0 * (1.0 - 2.0 / std::f64::consts::E)).abs() < 0.1, "{}", path[11]);
        assert!(path.is_sorted() && path[199] <= 3.0 && path[199] > 2.9999);
    }

    #[test]
    fn pitch_range_ending_and_rate_change_f0_and_duration() {
        let (mean, end) = melody(&spoken(1, plain()));
        let (raised, _) = melody(&spoken(1, Expression { pitch: 5.0, ..plain() }));
        assert!((semitones_between(mean, raised) - 5.0).abs() < 0.01);
        let (_, question) = melody(&spoken(1, Expression { ending: 9.0, ..plain() }));
        assert!(semitones_between(end, question) > 8.0);
        assert!(question > mean && end < mean);

        let excursion = |frames: &[Frame]| {
            let f0 = || frames.iter().map(|frame| frame.f0);
            semitones_between(f0().fold(f64::INFINITY, f64::min), f0().fold(0.0, f64::max))
        };
        let wide = spoken(1, Expression { range: 4.0, ..plain() });
        assert!(excursion(&wide) > 1.5 * excursion(&spoken(1, plain())));

        let [slow, fast] = [-20.0, 25.0].map(|rate| spoken(1, Expression { rate, ..plain() }).len() as f64);
        assert!((slow / fast - 1.25 / 0.8).abs() < 0.01, "{slow} and {fast} frames");
    }

    #[test]
    fn tremor_modulates_f0_and_smiling_raises_formants() {
        let deviation = |frames: &[Frame], others: &[Frame]| {
            frames.iter().zip(others).map(|(a, b)| semitones_between(b.f0, a.f0)).fold(0.0, f64::max)
        };
        let trembling = spoken(2, Expression { tremor: 0.7, ..plain() });
        assert!((deviation(&trembling, &spoken(2, plain())) - 0.7).abs() < 0.01);
        let smiling = spoken(2, Expression { smile: 5.0, ..plain() });
        for (smile, neutral) in smiling.iter().zip(spoken(2, plain())) {
            assert!((smile.formants[1] / neutral.formants[1] - 1.05).abs() < 1e-9);
        }
    }

    #[test]
    fn care_moves_vowels_apart() {
        let mut voice = Voice::of_speaker(0, 1);
        voice.tract = 1.0;
        let distance = |care| {
            let at = |formants| place(formants, &voice, &Expression { care, ..plain() });
            at(KIT)[1] - at(TALK)[1]
        };
        assert!((distance(0.0) - 1040.0).abs() < 1e-9);
        assert!((distance(20.0) - 1.2 * 1040.0).abs() < 1e-9);
        assert_eq!(place(ABOUT, &voice, &Expression { care: 20.0, ..plain() }), ABOUT);
    }

    #[test]
    fn speech_is_between_silences_and_has_closures() {
        for statement in [1, 2] {
            let frames = spoken(statement, plain());
            let loud = |frame: &Frame| frame.voice + frame.breath + frame.hiss;
            assert!(frames[..100].iter().all(|frame| loud(frame) < 1e-9));
            assert!(loud(frames.last().unwrap()) < 1e-3);
            let closures = frames[200..frames.len() - 200].windows(2);
            let closures = closures.filter(|pair| loud(&pair[0]) >= 0.05 && loud(&pair[1]) < 0.05).count();
            // The t and the k of "talking", the t of "sitting".
            assert_eq!(closures, [2, 1][statement - 1]);
        }
    }
}
