//! Synthetic emotional speech: a corpus with the layout and names of RAVDESS, to try everything out without a download.
//!
//! Sentences are spoken by a source–filter synthesiser after Klatt (1980):
//!
//! ```text
//! voice.rs      speakers                 F0, length of the vocal tract, habits, personal expression of emotions
//! emotion.rs    emotions                 changes of pitch, rate, energy, breath, …
//! utterance.rs  sentences                phones  →  F0, formants, strengths, every millisecond
//! source.rs     the vocal folds          pulses of air, with jitter and shimmer
//! filter.rs     the vocal tract          a cascade of resonators, one per formant
//! ```
//!
//! The voice sounds robotic, but carries emotion where human voices do: in melody, rate, loudness and timbre. Speakers differ
//! from each other and from take to take, so that recognising new speakers is not trivial.
//!
//! A clip is a function of the seed and its own name: clips can be made in any order, on any thread.

mod emotion;
mod filter;
mod source;
mod utterance;
mod voice;

pub use voice::Voice;

use emotion::Expression;
use filter::{OnePole, Resonator};
use source::Glottis;
use utterance::{Frame, STEP};

use reslstm::error::{Error, Kind, Result};
use reslstm::labels::RavdessName;
use reslstm::rng::RandomStream;

/// Sample rate, Hz, as in RAVDESS.
pub const SAMPLE_RATE: u32 = 48_000;

/// Root mean square of neutral speech, dB of full scale.
const LEVEL: f64 = -32.0;
/// Root mean square of the recording room's silence, dB of full scale.
const ROOM: f64 = -78.0;
/// Limit on the samples; louder recordings are turned down.
const PEAK: f64 = 0.95;

/// Bandwidths of the first three formants, Hz.
const BANDWIDTHS: [f64; 3] = [70.0, 100.0, 160.0];

/// Amplitude of the noise in neutral voice, and of breath alone, where a pulse of the voice peaks at about 10.
const BREATH: f64 = 1.5;
const WHISPER: f64 = 6.0;

/// A synthetic recording, one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Speech {
    /// Sample rate, Hz: [`SAMPLE_RATE`].
    pub sample_rate: u32,
    /// Within ±0.95 of full scale.
    pub samples: Vec<f32>,
}

/// Names of the clips of a corpus, in the order of their files. Each speaker plays every emotion in both intensities (neutral
/// only in the normal one), each with the first `statements` statements and the first `repetitions` repetitions. 2 and 2 give
/// RAVDESS's 60 clips per speaker, 1 and 1 give 15.
///
/// # Errors
/// [`Kind::Settings`] if `speakers` is not 1 to 24, or `statements` or `repetitions` not 1 or 2.
pub fn plan(speakers: usize, statements: usize, repetitions: usize) -> Result<Vec<RavdessName>> {
    for (what, largest, got) in
        [("speakers", 24, speakers), ("statements", 2, statements), ("repetitions", 2, repetitions)]
    {
        if !(1..=largest).contains(&got) {
            let problem = format!("expected 1 to {largest} {what}, as many as RAVDESS has, got {got}");
            return Err(Error::new(Kind::Settings, problem).at("synthetic corpus"));
        }
    }
    let mut names = Vec::new();
    for actor in 1..=speakers as u8 {
        for emotion in 1..=8 {
            for intensity in 1..=(if emotion == 1 { 1 } else { 2 }) {
                for statement in 1..=statements as u8 {
                    for repetition in 1..=repetitions as u8 {
                        names.push(RavdessName::new([3, 1, emotion, intensity, statement, repetition, actor])?);
                    }
                }
            }
        }
    }
    Ok(names)
}

/// Synthesises the recording called `name` of the corpus with this seed.
pub fn synthesise(seed: u64, name: &RavdessName) -> Speech {
    let voice = Voice::of_speaker(seed, name.actor());
    let stream = |index| RandomStream::new(seed, &format!("synth clip {name}"), index);
    let mut chance = stream(0);
    let expression = voice.express(name, &mut chance);
    let frames = utterance::frames(name.statement(), &voice, &expression, &mut chance);
    let speech = speak(&frames, &voice, &expression, stream(1), stream(2));
    Speech { sample_rate: SAMPLE_RATE, samples: record(&speech, LEVEL + expression.energy, stream(3)) }
}

/// Source through filter; the loudness is arbitrary.
fn speak(
    frames: &[Frame],
    voice: &Voice,
    expression: &Expression,
    cycles: RandomStream,
    mut noise: RandomStream,
) -> Vec<f64> {
    // Breathy folds never close for long, pressed ones leave little open: 8 dB of breath are a tenth of a cycle.
    let open = (voice.open + 0.012 * expression.breath).clamp(0.35, 0.85);
    let roughness = (0.6 + expression.rough).max(0.1) / 100.0;
    let breath = BREATH * decibels(expression.breath);
    let bright = decibels(expression.tilt.clamp(-15.0, 15.0));

    let mut glottis = Glottis::new(cycles);
    let mut below_1_khz = OnePole::new(1000.0);
    let mut tract: [Resonator; 8] = Default::default();
    for (index, formant) in tract.iter_mut().enumerate().skip(3) {
        // Above the third, the formants of a tube of 17.5 cm that is open at one end: odd multiples of 500 Hz.
        let frequency = voice.tract * 500.0 * (2 * index + 1) as f64;
        formant.tune(frequency, 0.06 * frequency);
    }
    let mut mouth = Resonator::default();

    let samples_per_frame = (STEP * f64::from(SAMPLE_RATE)).round() as usize;
    let mut speech = Vec::with_capacity(frames.len() * samples_per_frame);
    for frame in frames {
        for (formant, (frequency, bandwidth)) in tract.iter_mut().zip(frame.formants.into_iter().zip(BANDWIDTHS)) {
            formant.tune(frequency, bandwidth);
        }
        mouth.tune(frame.hiss_hz, 0.25 * frame.hiss_hz);
        for _ in 0..samples_per_frame {
            let puff = glottis.step(frame.f0, open, roughness);
            // Breath needs air flow: with voice it comes in pulses, alone it flows through open folds.
            let air = noise.between(-1.0, 1.0) * (breath * frame.voice * puff.flow + WHISPER * frame.breath);
            let source = frame.voice * puff.excitation + air;
            let dark = below_1_khz.step(source);
            let voiced = tract.iter_mut().fold(dark + bright * (source - dark), |x, formant| formant.step(x));
            let hiss = mouth.step(frame.hiss * noise.between(-1.0, 1.0));
            speech.push(voiced + hiss);
        }
    }
    speech
}

/// Records speech as a microphone in a quiet room: scaled to `level` (root mean square, dB of full scale), without inaudibly low
/// frequencies, and never above [`PEAK`].
fn record(speech: &[f64], level: f64, mut noise: RandomStream) -> Vec<f32> {
    let mut rumble = OnePole::new(40.0);
    let audible: Vec<f64> = speech.iter().map(|&x| x - rumble.step(x)).collect();
    let power = audible.iter().map(|x| x * x).sum::<f64>() / audible.len() as f64;
    let peak = audible.iter().fold(0.0f64, |peak, x| peak.max(x.abs()));
    // Uniform noise in ±1 has a root mean square of 1/√3.
    let room = decibels(ROOM) * 3.0f64.sqrt();
    let gain = (decibels(level) / power.sqrt()).min((PEAK - room) / peak);
    audible.into_iter().map(|x| (gain * x + room * noise.between(-1.0, 1.0)) as f32).collect()
}

/// Amplitude factor of a level in dB.
fn decibels(level: f64) -> f64 {
    10.0f64.powf(level / 20.0)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn clip(name: &str) -> Vec<f32> {
        synthesise(5, &name.parse().unwrap()).samples
    }

    fn level(samples: &[f32]) -> f64 {
        let power = samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64;
        10.0 * power.log10()
    }

    #[test]
    fn a_full_plan_has_the_clips_of_ravdess() {
        let names = plan(24, 2, 2).unwrap();
        assert_eq!(names.len(), 1440);
        assert_eq!(names[0].to_string(), "03-01-01-01-01-01-01");
        assert_eq!(names[1439].to_string(), "03-01-08-02-02-02-24");
        assert!(names.is_sorted_by_key(|name| (name.actor(), *name)));
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(names.iter().all(|name| name.is_audio_only() && name.is_speech()));
        assert_eq!(names.iter().filter(|name| name.label() == 0).count(), 24 * 4);
        assert!(!names.iter().any(|name| name.label() == 0 && name.is_strong()));
        assert_eq!(names.iter().filter(|name| name.label() == 7).count(), 24 * 8);
    }

    #[test]
    fn smaller_plans_have_fewer_speakers_statements_and_repetitions() {
        let names = plan(3, 1, 2).unwrap();
        assert_eq!(names.len(), 3 * 30);
        assert!(names.iter().all(|name| name.statement() == 1));
        assert_eq!(names.iter().map(|name| name.actor()).max(), Some(3));
        assert_eq!(plan(10, 1, 1).unwrap().len(), 150);
        assert_eq!(plan(1, 2, 1).unwrap().len(), 30);
    }

    #[test]
    fn plans_larger_than_ravdess_are_refused() {
        let refusal = |speakers, statements, repetitions| {
            let error = plan(speakers, statements, repetitions).unwrap_err();
            assert_eq!(error.kind(), Kind::Settings);
            error.to_string()
        };
        let start = "synthetic corpus: expected 1 to";
        assert_eq!(refusal(0, 1, 1), format!("{start} 24 speakers, as many as RAVDESS has, got 0"));
        assert_eq!(refusal(25, 1, 1), format!("{start} 24 speakers, as many as RAVDESS has, got 25"));
        assert_eq!(refusal(24, 3, 1), format!("{start} 2 statements, as many as RAVDESS has, got 3"));
        assert_eq!(refusal(24, 2, 0), format!("{start} 2 repetitions, as many as RAVDESS has, got 0"));
    }

    #[test]
    fn a_clip_is_a_function_of_the_seed_and_its_name() {
        let name = "03-01-03-01-02-01-04".parse().unwrap();
        let speech = synthesise(1, &name);
        assert_eq!(speech, synthesise(1, &name));
        assert_ne!(speech, synthesise(2, &name));
        assert_ne!(speech, synthesise(1, &"03-01-03-01-02-02-04".parse().unwrap()));
        assert_eq!(speech.sample_rate, 48_000);
    }

    #[test]
    fn recordings_are_clean() {
        for name in plan(2, 2, 1).unwrap() {
            let samples = synthesise(0, &name).samples;
            assert!(samples.iter().all(|x| x.is_finite() && x.abs() <= 0.95), "{name}");
            let mean = samples.iter().map(|&x| f64::from(x)).sum::<f64>() / samples.len() as f64;
            assert!(mean.abs() < 1e-5, "{name}: {mean}");
            let seconds = samples.len() as f64 / 48_000.0;
            assert!((1.0..4.0).contains(&seconds), "{name}: {seconds} s");
            // Room noise alone, before the speech.
            assert!((level(&samples[..4800]) - ROOM).abs() < 0.5, "{name}: {} dB", level(&samples[..4800]));
        }
    }

    #[test]
    fn anger_is_loud_and_sadness_soft_and_slow() {
        let (angry, sad) = (clip("03-01-05-02-01-01-01"), clip("03-01-04-02-01-01-01"));
        assert!(level(&angry) > level(&sad) + 8.0, "{} and {} dB", level(&angry), level(&sad));
        assert!(sad.len() > angry.len() + 9600);
    }

    #[test]
    fn a_recording_has_the_given_level_unless_that_would_clip() {
        let sine: Vec<f64> = (0..48_000).map(|n| 7.0 * (TAU * 1000.0 * n as f64 / 48_000.0).sin()).collect();
        let noise = || RandomStream::new(0, "test", 0);
        assert!((level(&record(&sine, -20.0, noise())) + 20.0).abs() < 0.01);
        let loud = record(&sine, 3.0, noise());
        let peak = loud.iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
        assert!((0.94..=0.95).contains(&peak), "{peak}");
    }

    /// Power of the `harmonic`-th harmonic of 100 Hz in the second half of a steady sound, dB.
    fn harmonic(sound: &[f64], harmonic: usize) -> f64 {
        let sound = &sound[sound.len() / 2..];
        let turn = |n: usize| TAU * 100.0 * (harmonic * n) as f64 / f64::from(SAMPLE_RATE);
        let (re, im) = sound
            .iter()
            .enumerate()
            .fold((0.0, 0.0), |(re, im), (n, x)| (re + x * turn(n).cos(), im + x * turn(n).sin()));
        10.0 * ((re * re + im * im) / (sound.len() as f64).powi(2)).log10()
    }

    /// One second of a vowel at 100 Hz, without any roughness.
    fn steady(formants: [f64; 3], expression: Expression) -> Vec<f64> {
        let frame = Frame { f0: 100.0, formants, voice: 1.0, breath: 0.0, hiss: 0.0, hiss_hz: 3000.0 };
        let stream = |index| RandomStream::new(0, "test", index);
        speak(&vec![frame; 1000], &Voice::of_speaker(0, 1), &expression, stream(0), stream(1))
    }

    fn plain() -> Expression {
        // Jitter is never less than 0.1 %.
        Expression { rough: -9.0, breath: -60.0, ..[0.0; 11].into() }
    }

    #[test]
    fn vowels_have_harmonics_and_formants() {
        let front = steady([400.0, 1900.0, 2600.0], plain());
        let back = steady([600.0, 900.0, 2400.0], plain());
        // Formants are louder than the valleys around them.
        assert!(harmonic(&front, 19) > harmonic(&front, 11) + 8.0);
        assert!(harmonic(&front, 4) > harmonic(&front, 11) + 15.0);
        assert!(harmonic(&back, 9) > harmonic(&back, 15) + 15.0);
        // Energy is in the harmonics: half way between two there is almost none.
        let shifted: Vec<f64> =
            back.iter().enumerate().map(|(n, x)| x * (TAU * 50.0 * n as f64 / 48_000.0).cos()).collect();
        assert!(harmonic(&back, 6) > harmonic(&shifted, 6) + 20.0);
    }

    #[test]
    fn tilt_amplifies_frequencies_above_1_khz() {
        let vowel = [600.0, 900.0, 2400.0];
        let (plain, bright) = (steady(vowel, plain()), steady(vowel, Expression { tilt: 10.0, ..plain() }));
        assert!((harmonic(&bright, 1) - harmonic(&plain, 1)).abs() < 1.0);
        let gain = harmonic(&bright, 40) - harmonic(&plain, 40);
        assert!((gain - 10.0).abs() < 1.0, "{gain} dB");
    }
}
