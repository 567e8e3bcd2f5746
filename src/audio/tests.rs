use super::*;
use crate::rng::RandomStream;

fn noise(length: usize, loudness: f64) -> Vec<f32> {
    let mut stream = RandomStream::new(3, "noise", length as u64);
    (0..length).map(|_| (loudness * stream.normal()) as f32).collect()
}

fn front_end() -> FrontEnd {
    FrontEnd::new(FeatureSettings::default(), 16_000).unwrap()
}

#[test]
fn features_do_not_depend_on_earlier_clips() {
    // Long, short, silent, long again.
    let clips = [noise(20_000, 0.1), noise(500, 0.3), vec![0.0; 9_000], noise(30_000, 0.01)];
    let mut used = front_end();
    for clip in &clips {
        assert_eq!(used.features(clip).unwrap(), front_end().features(clip).unwrap());
    }
}

#[test]
fn features_are_those_of_the_estimated_tuning() {
    let clip = noise(40_000, 0.1);
    let tuning = front_end().tuning(&clip).unwrap();
    let tuned = front_end().features(&clip).unwrap();
    assert_eq!(front_end().features_with_tuning(&clip, tuning).unwrap(), tuned);
    let other = front_end().features_with_tuning(&clip, if tuning < 0.0 { 0.25 } else { -0.25 }).unwrap();
    for (a, b) in tuned.iter_rows().zip(other.iter_rows()) {
        assert_eq!(a[..34], b[..34], "tuning moves chroma alone");
        assert_ne!(a[34..], b[34..]);
    }
}

#[test]
fn silence_has_minus_100_decibels_and_zero_chroma() {
    let features = front_end().features(&[0.0; 5000]).unwrap();
    assert_eq!(features.shape(), [3, 46]);
    for row in features.iter_rows() {
        // Orthonormal: 128 equal bands of −100 have the mean coefficient −100·√128 and no other.
        assert!((row[0] + 100.0 * 128f32.sqrt()).abs() < 1e-2, "{}", row[0]);
        assert!(row[1..34].iter().all(|c| c.abs() < 1e-2));
        assert_eq!(row[34..], [0.0; 12]);
    }
}

#[test]
fn a_recording_in_blocks_has_the_features_of_the_whole() {
    // Short windows, so that a block has many frames: 8,192 of 257 values. The second and third need two readings.
    let settings = FeatureSettings { n_fft: 512, hop: 4, pitch: 2, deltas: 3, ..FeatureSettings::default() };
    let most = BLOCK_VALUES / settings.bins();
    for (length, readings) in [(4 * (most - 1), 1), (4 * most, 2), (10 * most + 77, 2)] {
        let mut clip = noise(length, 0.1);
        // The loudest part comes last: it raises the floor of all before.
        clip[length - 600..].iter_mut().for_each(|sample| *sample *= 1e4);
        let mut front_end = FrontEnd::new(settings.clone(), 16_000).unwrap();
        // As if memory had no end: power of all frames, at once.
        front_end.begin();
        front_end.power = stft::power(&settings, &clip);
        front_end.find_peaks();
        let tuning = front_end.estimated_tuning();
        let whole = front_end.features_of_power(tuning);
        let (mut count, mut features) = (0, Vec::new());
        front_end
            .features_in_blocks(
                |sink| {
                    count += 1;
                    clip.chunks(1000).try_for_each(&mut *sink)
                },
                |frames, block| {
                    assert_eq!(frames, whole.rows());
                    features.extend_from_slice(block.as_slice());
                    Ok(())
                },
            )
            .unwrap();
        assert_eq!((count, features.len()), (readings, whole.as_slice().len()));
        let differ = whole.as_slice().iter().zip(&features).position(|(a, b)| a != b);
        assert_eq!(differ, None, "of {length} samples");
        assert_eq!(front_end.features(&clip).unwrap(), whole);
        assert_eq!(front_end.tuning(&clip).unwrap(), tuning);
    }
}

#[test]
fn a_recording_that_changes_between_readings_is_refused() {
    let clip = noise(2048 * 1100, 0.1);
    let mut shorter = clip.len();
    let read = |sink: &mut SampleSink| {
        shorter -= 5000;
        sink(&clip[..shorter])
    };
    let error = front_end().features_in_blocks(read, |_, _| Ok(())).unwrap_err();
    let expected = "expected 1098 frames when read again, got 1096 (the recording changed";
    assert!(error.kind() == Kind::Audio && error.to_string().starts_with(expected), "{error}");
}

#[test]
fn bad_input_is_refused_with_advice() {
    let mut good = front_end();
    let loud_but_finite = good.features(&[LOUDEST; 6000]).unwrap();
    assert!(loud_but_finite.as_slice().iter().all(|x| x.is_finite()));
    for (error, kind, message) in [
        (good.features(&[]).unwrap_err(), Kind::Audio, "at least one sample"),
        (good.features(&[0.0, f32::NAN]).unwrap_err(), Kind::Audio, "got NaN at sample 1"),
        (good.features(&[&[0.0; 9000][..], &[f32::NAN]].concat()).unwrap_err(), Kind::Audio, "got NaN at sample 9000"),
        (good.tuning(&[f32::INFINITY]).unwrap_err(), Kind::Audio, "got inf at sample 0"),
        (good.features_with_tuning(&[-1e10], 0.0).unwrap_err(), Kind::Audio, "got -1e10 at sample 0"),
        (good.features_with_tuning(&[0.0], f64::NAN).unwrap_err(), Kind::Settings, "got NaN"),
        (good.features_with_tuning(&[0.0], 0.51).unwrap_err(), Kind::Settings, "got 0.51"),
        (FrontEnd::new(FeatureSettings::default(), 999).err().unwrap(), Kind::Audio, "got 999"),
        (FrontEnd::new(FeatureSettings { hop: 0, ..Default::default() }, 8_000).err().unwrap(), Kind::Settings, "hop"),
    ] {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(message) && error.to_string().ends_with(')'), "{error}");
    }
}
