use super::super::speech::tests::syllables;
use super::super::{FeatureSettings, FrontEnd, LiveFrame, LiveFrontEnd};
use super::*;
use crate::matrix::Matrix;
use crate::rng::RandomStream;

const RATE: u32 = 16_000;
/// Columns: MFCC, then chroma and pitch, then deltas.
const MFCC: usize = 34;
const OF_THE_FRAME: std::ops::Range<usize> = 34..48;

fn front_end() -> FrontEnd {
    FrontEnd::new(FeatureSettings::speech(), RATE).unwrap()
}

/// White noise of this standard deviation.
fn hiss(seconds: f64, deviation: f32) -> Vec<f32> {
    let mut stream = RandomStream::new(2, "hiss", 0);
    (0..(seconds * f64::from(RATE)) as usize).map(|_| deviation * stream.nearly_normal()).collect()
}

/// Speech at −20 dBFS, in a little noise.
fn speech(seconds: f64) -> Vec<f32> {
    let mut samples = syllables(seconds, RATE);
    let power = samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32;
    let noise = hiss(seconds, 1e-4);
    samples.iter_mut().zip(noise).for_each(|(x, noise)| *x = 0.1 * *x / power.sqrt() + noise);
    samples
}

/// Speech, a pause, speech, with silence around.
fn recording(before: f64, pause: f64, after: f64) -> Vec<f32> {
    [hiss(before, 1e-4), speech(1.2), hiss(pause, 1e-4), speech(0.9), hiss(after, 1e-4)].concat()
}

/// Rows and frames of a recording that comes in portions of these lengths, over and over.
fn live(front_end: &mut LiveFrontEnd, samples: &[f32], portions: &[usize]) -> (Matrix<f32>, Vec<LiveFrame>) {
    let (mut rows, mut frames, mut rest) = (Vec::new(), Vec::new(), samples);
    for &portion in portions.iter().cycle() {
        let (now, later) = rest.split_at(portion.min(rest.len()));
        rows.extend_from_slice(front_end.push(now).unwrap().as_slice());
        frames.extend_from_slice(front_end.latest());
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    rows.extend_from_slice(front_end.finish().as_slice());
    frames.extend_from_slice(front_end.latest());
    let width = front_end.settings().width();
    (Matrix::from_vec(rows.len() / width, width, rows), frames)
}

/// Largest difference of two matrices of one shape, in these columns.
fn difference(a: &Matrix<f32>, b: &Matrix<f32>, columns: std::ops::Range<usize>) -> f32 {
    assert_eq!(a.shape(), b.shape());
    let pairs = a.iter_rows().zip(b.iter_rows()).flat_map(|(a, b)| a.iter().zip(b).enumerate());
    pairs.filter(|(column, _)| columns.contains(column)).map(|(_, (a, b))| (a - b).abs()).fold(0.0, f32::max)
}

/// Columns of the features.
const COLUMNS: usize = 61;

/// The features `[T,COLUMNS]` without their level column, and that column.
fn without_level(features: &Matrix<f32>) -> (Matrix<f32>, Vec<f32>) {
    let level = FeatureSettings::speech().level_column().unwrap();
    let (others, mut rest): (Vec<usize>, _) =
        ((0..COLUMNS).filter(|&column| column != level).collect(), Matrix::default());
    features.select_columns(&others, &mut rest);
    (rest, features.iter_rows().map(|row| row[level]).collect())
}

#[test]
fn a_clip_that_is_all_speech_is_kept() {
    for seconds in [0.4, 1.7, 6.0] {
        let samples = speech(seconds);
        assert_eq!(front_end().kept(&samples).unwrap(), samples, "{seconds} s");
    }
}

#[test]
fn features_are_those_of_the_kept_samples_at_the_reference_level() {
    // Short windows, so that a block has many frames; these recordings need two readings.
    let short = FeatureSettings { n_fft: 512, win_length: None, hop: 4, ..FeatureSettings::speech() };
    for (settings, samples, readings) in [
        (FeatureSettings::speech(), recording(1.0, 1.4, 2.0), 1),
        (short.clone(), recording(0.5, 0.1, 0.5), 2),
        (short, recording(0.1, 1.0, 3.0), 2),
    ] {
        let mut prepared = FrontEnd::new(settings.clone(), RATE).unwrap();
        let kept = prepared.kept(&samples).unwrap();
        let mut expected = FrontEnd::new(FeatureSettings { prepare: false, level: false, ..settings }, RATE).unwrap();
        let mut expected = expected.features(&kept).unwrap();
        let (mut count, mut rows) = (0, Vec::new());
        let read = |sink: &mut crate::audio::SampleSink| {
            count += 1;
            samples.chunks(1_000).try_for_each(&mut *sink)
        };
        prepared
            .features_in_blocks(read, |frames, block| {
                assert_eq!(frames, expected.rows());
                rows.extend_from_slice(block.as_slice());
                Ok(())
            })
            .unwrap();
        assert_eq!(count, readings);
        let all = Matrix::from_vec(expected.rows(), COLUMNS, rows);
        let (rows, levels) = without_level(&all);
        let shift = rows[(0, 0)] - expected[(0, 0)];
        (0..expected.rows()).for_each(|t| expected[(t, 0)] += shift);
        assert!(difference(&rows, &expected, 0..1) < 1e-3, "one gain for all frames");
        assert_eq!(difference(&rows, &expected, 1..COLUMNS - 1), 0.0);
        // The syllables are at −20 dBFS, their voiced part a little above.
        let gain = shift / 128f32.sqrt();
        assert!((-3.5..0.0).contains(&gain), "{gain} dB");
        assert!(levels.iter().all(|level| *level == levels[0] && (level + 20.0 + gain).abs() < 1e-3), "{levels:?}");
    }
}

#[test]
fn long_pauses_become_two_margins_long_and_short_ones_stay() {
    let length = |pause: f64| front_end().kept(&recording(0.2, pause, 0.2)).unwrap().len() as f64 / f64::from(RATE);
    let without = length(0.0);
    assert!((length(0.2) - without - 0.2).abs() < 0.041, "{}", length(0.2) - without);
    // The syllables end and begin with silence, so the pause between two voices is a little longer than the silence put there.
    let most = length(2.0) - without;
    assert!((0.2..=0.5).contains(&most), "{most}");
    for pause in [1.0, 3.0, 7.0] {
        assert!((length(pause) - without - most).abs() < 0.041, "{pause} s: {}", length(pause) - without);
    }
}

#[test]
fn silence_around_a_clip_changes_nothing() {
    // What lies within a margin of the voice is there in all of them.
    let padded = |silence: &dyn Fn(f64) -> Vec<f32>, before: f64, after: f64| {
        let clip = [hiss(0.4, 1e-4), speech(2.1), hiss(0.4, 1e-4)].concat();
        front_end().features(&[silence(before), clip, silence(after)].concat()).unwrap()
    };
    let digital = |seconds: f64| vec![0.0; (seconds * f64::from(RATE)) as usize];
    let clip = padded(&digital, 0.0, 0.0);
    for (before, after) in [(0.5, 0.5), (2.0, 0.0), (2.0, 2.0)] {
        let (got, shape) = (padded(&digital, before, after), clip.shape());
        assert_eq!(got.shape(), shape, "{before} s, {after} s");
        assert!(difference(&got, &clip, 0..COLUMNS) < 1e-3, "{before} s, {after} s");
    }
    // Hiss at −60 dBFS, 40 dB below the speech.
    let noisy = |seconds: f64| hiss(seconds, 1e-3);
    for (before, after) in [(0.5, 0.5), (2.0, 2.0)] {
        let got = padded(&noisy, before, after);
        assert!(got.rows().abs_diff(clip.rows()) <= 2, "{} rows, {}", got.rows(), clip.rows());
        let mean = |features: &Matrix<f32>, column: usize| {
            features.iter_rows().map(|row| f64::from(row[column])).sum::<f64>() / features.rows() as f64
        };
        for column in 0..COLUMNS {
            let [got, expected] = [&got, &clip].map(|features| mean(features, column));
            let bound = if column < MFCC { 3.0 } else { 0.1 };
            assert!((got - expected).abs() < bound, "mean of column {column}: {got}, {expected}");
        }
    }
}

#[test]
fn columns_but_that_of_the_level_do_not_depend_on_it() {
    let samples = recording(0.7, 1.1, 0.7);
    let (expected, level) = without_level(&front_end().features(&samples).unwrap());
    for factor in [1e-4, 0.01, 30.0, 1e4] {
        let scaled: Vec<f32> = samples.iter().map(|x| factor * x).collect();
        let (got, scaled_level) = without_level(&front_end().features(&scaled).unwrap());
        let most = difference(&got, &expected, 0..COLUMNS - 1);
        assert!(most < 2e-3, "times {factor}: {most}");
        let change = scaled_level[0] - level[0];
        assert!((change - 20.0 * factor.log10()).abs() < 1e-3, "times {factor}: {change} dB");
    }
}

#[test]
fn without_a_voice_all_is_used_and_live_has_no_frame() {
    for samples in [hiss(2.0, 0.01), vec![0.0; 20_000]] {
        assert_eq!(front_end().kept(&samples).unwrap(), samples);
        let features = front_end().features(&samples).unwrap();
        assert_eq!(features.rows(), 1 + samples.len() / 683);
        assert!(features.as_slice().iter().all(|x| x.is_finite()));
        let (rows, frames) = live(&mut LiveFrontEnd::new(FeatureSettings::speech(), RATE).unwrap(), &samples, &[160]);
        assert!(rows.rows() == 0 && frames.iter().all(|frame| !frame.has_features) && frames.len() == features.rows());
    }
    let silent = front_end().features(&[0.0; 20_000]).unwrap();
    assert!((silent[(3, 0)] + 100.0 * 128f32.sqrt()).abs() < 1e-2, "{}", silent[(3, 0)]);
    let (silent, levels) = without_level(&silent);
    assert_eq!(levels, vec![-20.0; silent.rows()]);
    assert!(silent.row(3)[1..].iter().all(|x| x.abs() < 1e-2));
}

#[test]
fn live_frames_are_those_of_the_file() {
    let samples = recording(0.9, 1.7, 1.3);
    let mut batch = front_end();
    let (clip, kept) = (batch.features(&samples).unwrap(), batch.kept(&samples).unwrap());
    let mut streaming = LiveFrontEnd::new(FeatureSettings::speech(), RATE).unwrap();
    let (rows, frames) = live(&mut streaming, &samples, &[160]);
    assert_eq!(rows.shape(), clip.shape());
    assert_eq!(difference(&rows, &clip, OF_THE_FRAME), 0.0, "chroma and pitch are of the frame alone");
    // Louder sound follows the first frames, so their floor and gain differ; at the end nothing does.
    let last = rows.rows() - 1;
    assert_eq!(rows.row(last)[..OF_THE_FRAME.end], clip.row(last)[..OF_THE_FRAME.end]);

    let of_rows: Vec<&LiveFrame> = frames.iter().filter(|frame| frame.has_features).collect();
    assert_eq!(of_rows.len(), rows.rows());
    let mut moved = 0;
    for (t, frame) in of_rows.iter().enumerate() {
        if let Some(middle) = kept.get(t * 683) {
            moved += usize::from(samples.get(frame.place) != Some(middle));
        }
        let waited = frame.arrived - frame.place;
        assert!(waited <= 683 + 24 * 320 || frame.arrived == samples.len(), "frame {t} came {waited} samples late");
    }
    assert!(moved <= 2, "one frame reaches over each gap, within and behind the speech; {moved} are elsewhere");
    // Places go on through what is left out: no hole of more than a hop and a block.
    assert!(frames.windows(2).all(|two| two[0].place <= two[1].place && two[1].place - two[0].place <= 683 + 320));
    assert!(frames.windows(2).all(|two| two[0].arrived <= two[1].arrived));

    for portions in [&[1][..], &[0, 3, 5_000], &[320], &[70_000]] {
        let (again, at) = live(&mut streaming, &samples, portions);
        assert!(again == rows && at == frames, "{portions:?}");
    }
}

#[test]
fn memory_does_not_grow() {
    let mut preparation = Preparation::new(RATE).unwrap();
    let capacity = preparation.waiting.capacity();
    for portion in [recording(4.0, 2.0, 0.0), recording(0.0, 9.0, 5.0)] {
        preparation.push(&portion, |_, _| Ok(())).unwrap();
        assert_eq!(preparation.waiting.capacity(), capacity);
    }
    assert!(capacity * size_of::<f32>() <= 40_000, "{capacity} samples");
}
