//! The front end against librosa: every case under `tests/golden/features`, or under `$RESLSTM_GOLDEN_DIR/features`.
//!
//! A case is a pair of tensors in one of the folder's `.safetensors` files, `STEM.features` `[T,46]` f32 and
//! `STEM.tuning` `[1]` f64, and a recording `STEM.wav` in `wav/` beside it or anywhere under `$RAVDESS_DIR`. `tests/golden/frames` has
//! cases with frames of the paper's duration at other rates than its own.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use reslstm::audio::{FeatureSettings, FrontEnd, Recording};
use reslstm::matrix::Matrix;
use safetensors::{Dtype, SafeTensors};

/// librosa transforms in f64 and rounds to f32, we transform in f32. What that leaves of a weak band, in decibels.
const MFCC_TOLERANCE: f32 = 1e-2;
/// The same in chroma, whose largest value is 1.
const CHROMA_TOLERANCE: f32 = 1e-3;
/// The tuning is the peak of a histogram: where two cells tie, rounding decides, on librosa's side as on ours.
const TUNINGS_ALIKE: f64 = 0.9;
const MFCC: usize = 34;

struct Case {
    stem: String,
    features: Matrix<f32>,
    tuning: f64,
}

#[test]
fn golden_features_of_librosa() {
    let folder = match std::env::var_os("RESLSTM_GOLDEN_DIR") {
        Some(root) => PathBuf::from(root).join("features"),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/features"),
    };
    let cases = cases_in(&folder);
    assert!(!cases.is_empty(), "no golden case under {}", folder.display());
    let mut recordings = HashMap::new();
    for root in [Some(folder.join("wav")), std::env::var_os("RAVDESS_DIR").map(PathBuf::from)].into_iter().flatten() {
        find_recordings(&root, &mut recordings);
    }

    let mut front_ends: HashMap<u32, FrontEnd> = HashMap::new();
    let (mut mfcc_worst, mut chroma_worst) = (0.0f32, 0.0f32);
    let (mut missing, mut other_tuning, mut end_to_end, mut compared) = (Vec::new(), Vec::new(), 0, 0);
    for case in &cases {
        let stem = &case.stem;
        let Some(path) = recordings.get(stem) else {
            missing.push(stem.as_str());
            continue;
        };
        let recording = Recording::read_wav(fs::File::open(path).unwrap()).unwrap_or_else(|e| panic!("{stem}: {e}"));
        let front_end = front_ends
            .entry(recording.sample_rate)
            .or_insert_with(|| FrontEnd::new(FeatureSettings::default(), recording.sample_rate).unwrap());

        let ours = front_end.features_with_tuning(&recording.samples, case.tuning).unwrap();
        let (mfcc, chroma) = largest_differences(&ours, case);
        assert!(mfcc <= MFCC_TOLERANCE, "{stem}: an MFCC is off by {mfcc}");
        assert!(chroma <= CHROMA_TOLERANCE, "{stem}: a chroma value is off by {chroma}, given librosa's tuning");
        (mfcc_worst, chroma_worst) = (mfcc_worst.max(mfcc), chroma_worst.max(chroma));

        let tuning = front_end.tuning(&recording.samples).unwrap();
        let same = (tuning - case.tuning).abs() < 1e-9;
        if !same {
            other_tuning.push(format!("{stem}: tuning {tuning:.2}, librosa {:.2}", case.tuning));
        }
        let (mfcc, chroma) = largest_differences(&front_end.features(&recording.samples).unwrap(), case);
        end_to_end += usize::from(mfcc <= MFCC_TOLERANCE && chroma <= CHROMA_TOLERANCE);
        compared += 1;
    }

    if !missing.is_empty() {
        println!("{} cases without their recording (set RAVDESS_DIR): {}", missing.len(), missing.join(" "));
    }
    println!("{compared} clips: MFCC within {mfcc_worst:.1e}, chroma within {chroma_worst:.1e} given librosa's tuning");
    println!("own tuning as librosa's on {} of {compared}, features on {end_to_end}", compared - other_tuning.len());
    for line in &other_tuning {
        println!("{line}");
    }
    assert!(compared > 0, "no recording of any golden case found");
    let alike = (compared - other_tuning.len()) as f64 / compared as f64;
    assert!(alike >= TUNINGS_ALIKE, "the tuning of {} in {compared} clips is not librosa's", other_tuning.len());
}

#[test]
fn golden_features_of_librosa_with_a_window_shorter_than_the_transform() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let file = root.join("frames/frames.safetensors");
    let bytes = fs::read(&file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let cases = cases_of(&file);
    assert_eq!(cases.len(), 6);
    for case in &cases {
        let stem = &case.stem;
        let frames = tensors.tensor(&format!("{stem}.frames")).unwrap();
        let frames = frames.data().chunks_exact(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()) as usize);
        let recording = fs::File::open(root.join(format!("features/wav/{stem}.wav"))).unwrap();
        let Recording { sample_rate, samples } = Recording::read_wav(recording).unwrap();
        let (window, hop) = (FeatureSettings::PAPER_WINDOW_MS, FeatureSettings::PAPER_HOP_MS);
        let settings = FeatureSettings::default().with_frames(window, hop, sample_rate).unwrap();
        assert_eq!([settings.window(), settings.n_fft, settings.hop], frames.collect::<Vec<_>>()[..], "{stem}");
        let mut front_end = FrontEnd::new(settings, sample_rate).unwrap();
        let ours = front_end.features_with_tuning(&samples, case.tuning).unwrap();
        let (mfcc, chroma) = largest_differences(&ours, case);
        println!("{stem}: MFCC within {mfcc:.1e}, chroma within {chroma:.1e} given librosa's tuning");
        assert!(mfcc <= MFCC_TOLERANCE, "{stem}: an MFCC is off by {mfcc}");
        assert!(chroma <= CHROMA_TOLERANCE, "{stem}: a chroma value is off by {chroma}, given librosa's tuning");
        let tuning = front_end.tuning(&samples).unwrap();
        // Every peak of the chirp has another tuning: the estimate is a tie.
        let same = (tuning - case.tuning).abs() < 1e-9 || stem.starts_with("chirp");
        assert!(same, "{stem}: tuning {tuning:.2}, librosa {:.2}", case.tuning);
    }
}

#[test]
fn mel_bands_up_to_an_edge_and_a_fixed_tuning_equal_librosas() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let cases = cases_of(&root.join("frames/bands.safetensors"));
    assert_eq!(cases.len(), 5);
    for case in &cases {
        let stem = &case.stem;
        let recording = fs::File::open(root.join(format!("features/wav/{stem}.wav"))).unwrap();
        let Recording { sample_rate, samples } = Recording::read_wav(recording).unwrap();
        let (window, hop) = (FeatureSettings::PAPER_WINDOW_MS, FeatureSettings::PAPER_HOP_MS);
        let settings = FeatureSettings::default().with_frames(window, hop, sample_rate).unwrap();
        let settings = settings.with(|settings| (settings.high_hz, settings.tuning) = (Some(7_600), Some(0))).unwrap();
        let mut front_end = FrontEnd::new(settings, sample_rate).unwrap();
        let (mfcc, chroma) = largest_differences(&front_end.features(&samples).unwrap(), case);
        println!("{stem}: MFCC within {mfcc:.1e}, chroma within {chroma:.1e}");
        assert!(mfcc <= MFCC_TOLERANCE, "{stem}: an MFCC is off by {mfcc}");
        assert!(chroma <= CHROMA_TOLERANCE, "{stem}: a chroma value is off by {chroma}");
        assert_eq!(front_end.tuning(&samples).unwrap(), 0.0);
    }
}

/// The largest difference in MFCC and in chroma, NaN if there is any.
fn largest_differences(ours: &Matrix<f32>, case: &Case) -> (f32, f32) {
    assert_eq!(ours.shape(), case.features.shape(), "{}: shape", case.stem);
    let (mut mfcc, mut chroma) = (0.0, 0.0);
    for (ours, golden) in ours.iter_rows().zip(case.features.iter_rows()) {
        for column in 0..ours.len() {
            let largest = if column < MFCC { &mut mfcc } else { &mut chroma };
            let difference = (ours[column] - golden[column]).abs();
            // In the total order NaN is the largest of all; `f32::max` would lose it.
            if difference.total_cmp(largest).is_gt() {
                *largest = difference;
            }
        }
    }
    (mfcc, chroma)
}

fn cases_in(folder: &Path) -> Vec<Case> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
        .collect();
    files.sort();
    files.iter().flat_map(|file| cases_of(file)).collect()
}

fn cases_of(file: &Path) -> Vec<Case> {
    let bytes = fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut stems: Vec<&str> = tensors.names().into_iter().filter_map(|name| name.strip_suffix(".features")).collect();
    stems.sort_unstable();
    let case = |stem: &str| {
        let features = tensors.tensor(&format!("{stem}.features")).unwrap();
        let tuning = tensors.tensor(&format!("{stem}.tuning")).unwrap_or_else(|e| panic!("{stem}: {e}"));
        assert_eq!((features.dtype(), tuning.dtype()), (Dtype::F32, Dtype::F64), "{stem}: types of features, tuning");
        let &[rows, cols] = features.shape() else { panic!("{stem}: features of shape {:?}", features.shape()) };
        let values = features.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        Case {
            stem: stem.to_string(),
            features: Matrix::from_vec(rows, cols, values),
            tuning: f64::from_le_bytes(tuning.data().try_into().unwrap()),
        }
    };
    stems.into_iter().map(case).collect()
}

/// Every `STEM.wav` under `folder`, by stem; the first found stays.
fn find_recordings(folder: &Path, found: &mut HashMap<String, PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_recordings(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "wav") {
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            found.entry(stem).or_insert(path);
        }
    }
}
