use super::*;
use crate::rng::RandomStream;
use std::f64::consts::TAU;

const RATE: u32 = 16_000;
/// The sample rates that sound usually has, Hz: each has its own number of samples to keep.
const RATES: [u32; 6] = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000];

/// `seconds` of a sound whose sample at second `t` is `sample(t)`.
fn sound(seconds: f64, rate: u32, mut sample: impl FnMut(f64) -> f64) -> Vec<f32> {
    let length = (seconds * f64::from(rate)) as usize;
    (0..length).map(|i| sample(i as f64 / f64::from(rate)) as f32).collect()
}

fn white(seconds: f64, rate: u32) -> Vec<f32> {
    let mut stream = RandomStream::new(5, "white", u64::from(rate));
    sound(seconds, rate, |_| 0.1 * stream.normal())
}

/// Noise that falls by 3 dB per octave: a sum of three one-pole filters (Paul Kellet's economy filter).
fn pink(seconds: f64, rate: u32) -> Vec<f32> {
    let mut stream = RandomStream::new(6, "pink", u64::from(rate));
    let mut poles = [0.0; 3];
    sound(seconds, rate, |_| {
        let x = 0.03 * stream.normal();
        for (pole, (keep, gain)) in poles.iter_mut().zip([(0.997_65, 0.099), (0.963, 0.296_5), (0.57, 1.052_7)]) {
            *pole = keep * *pole + gain * x;
        }
        poles.iter().sum::<f64>() + 0.184_8 * x
    })
}

/// Noise that falls by 6 dB per octave.
fn brown(seconds: f64, rate: u32) -> Vec<f32> {
    let mut stream = RandomStream::new(7, "brown", u64::from(rate));
    let mut y = 0.0;
    sound(seconds, rate, |_| {
        y = 0.9995 * y + 0.02 * stream.normal();
        y
    })
}

/// `hz` with ten overtones, in noise.
fn hum(hz: f64, noise: f64, seconds: f64, rate: u32) -> Vec<f32> {
    let mut stream = RandomStream::new(8, "hum", hz as u64);
    sound(seconds, rate, |t| {
        let overtones = (1..=10).map(f64::from).map(|k: f64| (TAU * hz * k * t + k * k).sin() / k);
        0.1 * overtones.sum::<f64>() + noise * stream.normal()
    })
}

/// Syllables of a buzz through two resonances, the vowels a, i, u in turn: what a voice does, as simply as it can be said.
pub(in crate::audio) fn syllables(seconds: f64, rate: u32) -> Vec<f32> {
    let (mut phase, mut previous) = (0.0f64, 0.0);
    let mut resonators = [[0.0f64; 2]; 2];
    sound(seconds, rate, |t| {
        let (syllable, within) = ((t / 0.25) as usize, t % 0.25 / 0.25);
        let f0 = 120.0 + 40.0 * (TAU * 0.7 * t).sin();
        phase = (phase + f0 / f64::from(rate)) % 1.0;
        let pulse = phase - previous;
        previous = phase;
        let strength = if within < 0.7 { (within / 0.7 * TAU / 2.0).sin() } else { 0.0 };
        let from = [[730.0, 1090.0], [270.0, 2290.0], [300.0, 870.0]];
        let (now, next) = (from[syllable % 3], from[(syllable + 1) % 3]);
        let mut x = -strength * pulse.min(0.0);
        for (formant, y) in resonators.iter_mut().enumerate() {
            let hz = now[formant] + (next[formant] - now[formant]) * within;
            let radius = (-TAU / 2.0 * 90.0 / f64::from(rate)).exp();
            let out =
                x * (1.0 - radius) + 2.0 * radius * (TAU * hz / f64::from(rate)).cos() * y[0] - radius * radius * y[1];
            *y = [out, y[0]];
            x = out;
        }
        x
    })
}

/// Sounds in which nobody speaks.
fn voiceless(seconds: f64, rate: u32) -> Vec<(String, Vec<f32>)> {
    let mut sounds = vec![
        ("white noise".to_string(), white(seconds, rate)),
        ("pink noise".to_string(), pink(seconds, rate)),
        ("brown noise".to_string(), brown(seconds, rate)),
        ("silence".to_string(), sound(seconds, rate, |_| 0.0)),
        ("a constant".to_string(), sound(seconds, rate, |_| 0.4)),
        ("rectified noise".to_string(), white(seconds, rate).iter().map(|x| x.abs()).collect()),
        (
            "one step of a 16-bit sample".to_string(),
            sound(seconds, rate, |t| if t == 1.0 { 1.0 / 32_768.0 } else { 0.0 }),
        ),
    ];
    for hz in [50.0, 60.0, 100.0, 140.0, 233.0] {
        for noise in [0.0, 0.01, 0.05, 0.1] {
            sounds.push((format!("hum of {hz} Hz, noise {noise}"), hum(hz, noise, seconds, rate)));
        }
    }
    for hz in [50.0, 150.0, 440.0, 1_000.0, 3_000.0] {
        sounds.push((format!("tone of {hz} Hz"), sound(seconds, rate, |t| 0.3 * (TAU * hz * t).sin())));
        let beeps = sound(seconds, rate, |t| if t % 0.5 < 0.1 { 0.3 * (TAU * hz * t).sin() } else { 0.0 });
        sounds.push((format!("beeps of {hz} Hz"), beeps));
    }
    for hz in [0.3, 1.0, 5.0] {
        let swell = |t: usize| 1.05 + (TAU * hz * t as f64 / f64::from(rate)).sin() as f32;
        let noise = pink(seconds, rate).iter().enumerate().map(|(t, x)| x * swell(t)).collect();
        sounds.push((format!("noise that swells at {hz} Hz"), noise));
    }
    let mut stream = RandomStream::new(9, "clicks", 0);
    sounds.push(("clicks".into(), sound(seconds, rate, |_| if stream.below(4_000) == 0 { 0.7 } else { 0.0 })));
    let every = |hz: f64| sound(seconds, rate, |t| if (t * hz).fract() < hz / f64::from(rate) { 0.5 } else { 0.0 });
    sounds.extend([2.0, 8.0, 100.0].map(|hz| (format!("{hz} clicks per second"), every(hz))));
    sounds
}

fn at_decibels(samples: &[f32], decibels: i32) -> Vec<f32> {
    let factor = 10f32.powf(decibels as f32 / 20.0);
    samples.iter().map(|x| factor * x).collect()
}

#[test]
fn noise_hum_tones_and_clicks_are_no_speech_at_any_rate_and_in_any_window() {
    for rate in RATES {
        for (name, samples) in voiceless(3.0, rate) {
            for seconds in [0.5, 1.0, 3.0] {
                for window in samples.chunks_exact((seconds * f64::from(rate)) as usize) {
                    let measured = Sound::measure(window, rate).unwrap();
                    assert!(!measured.has_speech, "{name} at {rate} Hz, {seconds} s: {measured:?}");
                }
            }
        }
    }
}

#[test]
fn syllables_are_speech_at_any_rate_level_and_in_noise() {
    for rate in RATES {
        let speech = syllables(4.0, rate);
        let measured = Sound::measure(&speech, rate).unwrap();
        assert!(measured.has_speech && measured.speech > 0.2, "{rate} Hz: {measured:?}");
        for window in speech.chunks_exact(rate as usize / 2) {
            assert!(Sound::measure(window, rate).unwrap().has_speech, "half a second at {rate} Hz");
        }
        let level = measured.level as f32;
        let noisy: Vec<f32> = at_decibels(&white(4.0, rate), level as i32 + 5)
            .iter()
            .zip(&speech)
            .map(|(noise, speech)| noise + speech)
            .collect();
        assert!(Sound::measure(&noisy, rate).unwrap().has_speech, "15 dB above white noise at {rate} Hz");
    }
}

#[test]
fn speech_does_not_depend_on_the_level() {
    let speech = syllables(3.0, RATE);
    let loud = Sound::measure(&speech, RATE).unwrap();
    for decibels in [-90, -60, -30, 20] {
        let quiet = Sound::measure(&at_decibels(&speech, decibels), RATE).unwrap();
        assert_eq!(quiet.has_speech, loud.has_speech, "{decibels} dB");
        assert!((quiet.speech - loud.speech).abs() < 0.02, "{decibels} dB: {quiet:?}, {loud:?}");
        assert!((quiet.level - loud.level - f64::from(decibels)).abs() < 0.01, "{decibels} dB");
    }
}

#[test]
fn speech_between_pauses_with_hum_is_found_and_nothing_else() {
    let hum = hum(50.0, 0.005, 10.0, RATE);
    let mut samples = at_decibels(&hum, -30);
    for (sample, speech) in samples[4 * RATE as usize..].iter_mut().zip(syllables(2.0, RATE)) {
        *sample += speech;
    }
    let mut detector = SpeechDetector::new(RATE).unwrap();
    let mut heard = Vec::new();
    for second in samples.chunks(RATE as usize) {
        let before = detector.voice_frames;
        detector.push(second);
        heard.push(detector.voice_frames - before);
    }
    assert!(heard[4] > 10 && heard[5] > 10, "{heard:?}");
    assert_eq!(heard[..4], [0; 4]);
    assert_eq!(heard[7..], [0; 3]);
    // Three seconds after the last word nobody has spoken recently; over the whole sound somebody has.
    assert!(detector.sound().has_speech && !detector.sound_now().has_speech);
}

#[test]
fn nothing_depends_on_the_portions_or_on_earlier_sounds() {
    let samples = syllables(1.5, 22_050);
    let whole = Sound::measure(&samples, 22_050).unwrap();
    let mut detector = SpeechDetector::new(22_050).unwrap();
    for portion in [1, 7, 160, 1_024, 30_000] {
        samples.chunks(portion).for_each(|samples| detector.push(samples));
        assert_eq!(detector.sound(), whole, "portions of {portion}");
        assert_eq!(detector.sound_now(), whole, "the sound is shorter than three seconds");
        detector.reset();
    }
}

#[test]
fn a_bang_and_a_noisy_room_are_forgotten() {
    let mut detector = SpeechDetector::new(RATE).unwrap();
    detector.push(&[1.0, -1.0, 1.0, -1.0].repeat(400));
    let quiet = at_decibels(&syllables(3.0, RATE), -50);
    detector.push(&quiet);
    assert!(!detector.sound_now().has_speech, "more than 40 dB below the bang");
    detector.push(&at_decibels(&white(65.0, RATE), -70));
    detector.push(&quiet);
    assert!(detector.sound_now().has_speech);
}

#[test]
fn the_level_is_the_mean_square_in_decibels_of_full_scale() {
    let level = |samples: &[f32]| Sound::measure(samples, RATE).unwrap().level;
    assert_eq!(level(&[1.0, -1.0]), 0.0);
    assert!((level(&sound(1.0, RATE, |t| (TAU * 100.0 * t).sin())) + 3.0103).abs() < 1e-3);
    assert!((level(&[0.1; 500]) + 20.0).abs() < 1e-6, "a constant counts");
    assert_eq!(level(&[0.0; 5]), f64::NEG_INFINITY);
    let loudest = Sound::measure(&[crate::audio::LOUDEST; 9_000], RATE).unwrap();
    assert!((loudest.level - 186.64).abs() < 0.01 && !loudest.has_speech);
}

#[test]
fn what_is_shorter_than_a_frame_has_no_speech() {
    for length in 0..720 {
        let measured = Sound::measure(&syllables(0.045, RATE)[..length.min(700)], RATE).unwrap();
        assert_eq!((measured.speech, measured.has_speech), (0.0, false), "{length} samples");
    }
    let error = Sound::measure(&[0.0], 999).unwrap_err();
    assert!(error.to_string().contains("got 999"), "{error}");
}

#[test]
fn the_voice_of_a_sound_is_from_the_first_to_the_last() {
    for rate in [8_000, 16_000, 48_000] {
        let silence = vec![0.0; rate as usize];
        let sound = [&silence[..], &syllables(1.0, rate), &silence, &syllables(0.8, rate), &silence].concat();
        let voice = SpeechDetector::voice(&sound, rate).unwrap().unwrap();
        let seconds = |samples: usize| samples as f64 / f64::from(rate);
        assert!((0.9..1.2).contains(&seconds(voice.start)), "{rate} Hz: {}", seconds(voice.start));
        assert!((3.5..4.0).contains(&seconds(voice.end)), "{rate} Hz: {}", seconds(voice.end));
        assert_eq!(SpeechDetector::voice(&silence, rate).unwrap(), None);
    }
}
