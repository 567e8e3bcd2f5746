use super::*;
use crate::audio::FeatureSettings;
use crate::models::TrainingClips;
use crate::models::training_clips::temper;
use crate::params::{Parameters, Path};
use crate::rng::RandomStream;

const RATE: u32 = 8_000;

fn settings() -> FeatureSettings {
    FeatureSettings {
        n_fft: 512,
        win_length: None,
        hop: 256,
        mel_bands: 16,
        mfcc: 3,
        chroma: 12,
        ..FeatureSettings::default()
    }
}

fn model(name: &str) -> Model<f32> {
    Model::init(name.parse().unwrap(), 15, 3, &mut RandomStream::new(2, "init", 0))
}

fn predictor(name: &str) -> Predictor {
    let labels = ["calm", "cross", "fed up"].map(String::from).to_vec().try_into().unwrap();
    let mut metadata = Metadata::new(name.into(), labels, RATE, settings());
    metadata.mean = (0..15).map(|column| f64::from(column) - 40.3).collect();
    metadata.std = (0..15).map(|column| 1.7 + f64::from(column)).collect();
    let file = ModelFile::new(model(name), Some(metadata)).unwrap();
    Predictor::from_bytes(&file.to_bytes()).unwrap()
}

fn samples(length: usize) -> Vec<f32> {
    let mut stream = RandomStream::new(9, "noise", length as u64);
    (0..length).map(|_| (0.1 * stream.normal()) as f32).collect()
}

#[test]
fn a_prediction_is_front_end_then_normaliser_then_model() {
    for name in ["lstm-sa-h4", "reslstm-sa-h4"] {
        let mut predictor = predictor(name);
        let samples = samples(3_000);
        let features = FrontEnd::new(settings(), RATE).unwrap().features(&samples).unwrap();
        let metadata = predictor.metadata().unwrap();
        let normaliser = Normaliser::new(metadata.mean.clone(), metadata.std.clone()).unwrap();
        let (layout, mut tape) = (Packed::new(&[features.rows()], Padding::Ignored), Tape::default());
        model(name).forward_eval(&layout, &normaliser.apply(&features).unwrap(), &mut tape);
        let mut expected = Matrix::default();
        softmax(&tape.top.logits, &mut expected);

        let prediction = predictor.predict_samples(&samples).unwrap();
        assert_eq!(prediction.probabilities, expected.as_slice());
        let largest = prediction.probability();
        assert_eq!(prediction.label_name(), ["calm", "cross", "fed up"][prediction.label]);
        let named = prediction.named_probabilities().nth(prediction.label);
        assert_eq!(named, Some((prediction.label_name(), largest)));
        assert!(prediction.probabilities.iter().all(|&p| p <= largest));
        assert_eq!(prediction.sound, Some(Sound::measure(&samples, RATE).unwrap()));
        let of_features = Prediction { sound: None, ..prediction.clone() };
        assert_eq!(predictor.predict_features(&features).unwrap(), of_features);
        let recording = Recording { sample_rate: RATE, samples };
        assert_eq!(predictor.predict_recording(&recording).unwrap(), prediction);
    }
}

/// Three branches of different architectures on 3 MFCC and 12 chroma.
fn with_branches() -> ModelFile {
    let labels = ["calm", "cross", "fed up"].map(String::from).to_vec().try_into().unwrap();
    let name = "lstm-sa-h4 + reslstm-sa-h5 + lstm-sa-h4";
    let mut metadata = Metadata::new(name.into(), labels, RATE, settings());
    metadata.branches = "chroma,all,mfcc".parse().unwrap();
    metadata.mean = (0..15).map(|column| f64::from(column) - 40.3).collect();
    metadata.std = (0..15).map(|column| 1.7 + f64::from(column)).collect();
    let network = |(n, (name, inputs)): (u64, (&str, usize))| {
        Model::init(name.parse().unwrap(), inputs, 3, &mut RandomStream::new(n, "init", 0))
    };
    let networks = (0..).zip([("lstm-sa-h4", 12), ("reslstm-sa-h5", 15), ("lstm-sa-h4", 3)]).map(network);
    ModelFile::with_branches(networks.collect(), metadata).unwrap()
}

#[test]
fn branches_predict_the_mean_of_their_probabilities_and_live_the_mean_of_their_streams() {
    let file = ModelFile::from_bytes(&with_branches().to_bytes()).unwrap();
    assert_eq!(file, with_branches());
    let mut predictor = Predictor::new(file.clone()).unwrap();
    let samples = samples(3_000);
    let features = predictor.features(&samples).unwrap();
    let x = predictor.normalised(&features).unwrap().clone();
    let first = [3, 0, 0];
    let mut sum = [0.0; 3];
    for (number, branch) in file.branches().iter().enumerate() {
        let alone = predictor.predict_by_branch(number, &features).unwrap().probabilities;
        // The columns by hand: chroma after three MFCC.
        let width = branch.model().inputs();
        let own = |t: usize| x.row(t)[first[number]..first[number] + width].to_vec();
        let own = Matrix::from_rows(&(0..x.rows()).map(own).collect::<Vec<_>>());
        let (layout, mut tape, mut expected) =
            (Packed::new(&[x.rows()], Padding::Ignored), Tape::default(), Matrix::default());
        branch.model().forward_eval(&layout, &own, &mut tape);
        softmax(&tape.top.logits, &mut expected);
        assert_eq!(alone, expected.as_slice());
        sum.iter_mut().zip(&alone).for_each(|(sum, p)| *sum += p);
    }
    let mean: Vec<f32> = sum.iter().map(|sum| sum / 3.0).collect();
    assert_eq!(predictor.predict_samples(&samples).unwrap().probabilities, mean);

    let mut live = crate::models::LivePredictor::new(&file).unwrap();
    let mut moments = live.push(&samples).unwrap();
    moments.extend(live.finish().unwrap());
    let mut front_end = crate::audio::LiveFrontEnd::new(settings(), RATE).unwrap();
    let mut frames = front_end.push(&samples).unwrap().as_slice().to_vec();
    frames.extend(front_end.finish().as_slice());
    let live_features = Matrix::from_vec(frames.len() / 15, 15, frames);
    let expected = predictor.predict_features(&live_features).unwrap().probabilities;
    for (got, expected) in moments.last().unwrap().prediction.probabilities.iter().zip(&expected) {
        approx::assert_abs_diff_eq!(got, expected, epsilon = 1e-6);
    }
}

#[test]
fn a_profile_moves_the_statistics_and_is_refused_by_other_models() {
    let mut plain = predictor("lstm-sa-h4");
    let mut metadata = plain.metadata().unwrap().clone();
    metadata.enrolment = Some(2.0);
    let file = ModelFile::new(model("lstm-sa-h4"), Some(metadata.clone())).unwrap();
    let mut enrolled = Predictor::from_bytes(&file.to_bytes()).unwrap();
    let clips: Vec<Matrix<f32>> =
        [3_000, 900, 5_000].map(|length| enrolled.features(&samples(length)).unwrap()).to_vec();
    let mut enroller = crate::models::Enroller::new(&file).unwrap();
    assert_eq!(enroller.profile().unwrap_err().kind(), Kind::Data);
    clips.iter().for_each(|clip| enroller.add(clip, 1).unwrap());
    let profile = enroller.profile().unwrap();
    assert_eq!((profile.clips, profile.frames, &profile.warning), (3, 12 + 4 + 20, &None));
    // The statistics of all frames of all clips.
    let batch = Normaliser::fit(&clips).unwrap();
    for (got, expected) in [(profile.statistics.mean(), batch.mean()), (profile.statistics.std(), batch.std())] {
        got.iter().zip(expected).for_each(|(got, expected)| {
            approx::assert_relative_eq!(got, expected, max_relative = 1e-9, epsilon = 1e-9);
        });
    }
    let text = serde_json::to_string(&profile).unwrap();
    assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), profile);

    // w = 3/(3 + 2).
    let training = metadata.normaliser().unwrap().unwrap();
    let expected = training.shrunk(&profile.statistics, 3.0, 2.0, None).apply(&clips[0]).unwrap();
    let strict = enrolled.predict_features(&clips[0]).unwrap();
    assert_eq!(strict, plain.predict_features(&clips[0]).unwrap(), "without a profile the ordinary model");
    enrolled.set_profile(Some(&profile)).unwrap();
    assert_eq!(enrolled.normalised(&clips[0]).unwrap(), &expected);
    assert_ne!(enrolled.predict_features(&clips[0]).unwrap(), strict);
    let none = Profile { clips: 0, ..profile.clone() };
    enrolled.set_profile(Some(&none)).unwrap();
    assert_eq!(enrolled.predict_features(&clips[0]).unwrap(), strict, "no clips: the training's statistics");
    enrolled.set_profile(None).unwrap();
    assert_eq!(enrolled.predict_features(&clips[0]).unwrap(), strict);

    let refused = |predictor: &mut Predictor, profile: &Profile, expected: &str| {
        let error = predictor.set_profile(Some(profile)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    refused(&mut plain, &profile, "expected a model trained with enrolment");
    let other_rate = Profile { sample_rate: 16_000, ..profile.clone() };
    refused(&mut enrolled, &other_rate, "at 8000 Hz, got");
    let other_features = Profile { features: FeatureSettings::default(), ..profile.clone() };
    refused(&mut enrolled, &other_features, "expected a profile of the features of the model");
    let narrow = Profile { statistics: Normaliser::identity(3), ..profile };
    refused(&mut enrolled, &narrow, "expected statistics of 15 columns, got 3");

    // Nearly all of one label, or hardly any spread.
    let warning = |labels: [usize; 5], factor: f32| {
        let mut enroller = crate::models::Enroller::new(&file).unwrap();
        for label in labels {
            let mut clip = clips[2].clone();
            for frame in 0..clip.rows() {
                for (column, x) in clip.row_mut(frame).iter_mut().enumerate() {
                    let (mean, std) = (training.mean()[column] as f32, training.std()[column] as f32);
                    *x = mean + factor * std * if frame % 2 == 0 { 1.0 } else { -1.0 };
                }
            }
            enroller.add(&clip, label).unwrap();
        }
        enroller.profile().unwrap().warning
    };
    assert_eq!(warning([0, 1, 2, 1, 0], 1.0), None);
    let of_label = "the model labels 4 of 5 clips 'cross': they may show one emotion only";
    assert_eq!(warning([1, 1, 2, 1, 1], 1.0).as_deref(), Some(of_label));
    assert!(warning([0, 1, 2, 1, 0], 0.3).unwrap().starts_with("the clips spread 0.30 times"));
}

#[test]
fn one_branch_of_all_columns_is_the_ordinary_model_to_the_bit() {
    let mut ordinary = predictor("reslstm-sa-h4");
    let mut metadata = ordinary.metadata().unwrap().clone();
    metadata.branches = "all".parse().unwrap();
    let file = ModelFile::with_branches(vec![model("reslstm-sa-h4")], metadata).unwrap();
    let mut branch = Predictor::from_bytes(&file.to_bytes()).unwrap();
    let samples = samples(2_100_000);
    for samples in [&samples[..5_000], &samples] {
        assert_eq!(branch.predict_samples(samples).unwrap(), ordinary.predict_samples(samples).unwrap());
    }
}

#[test]
fn a_prediction_does_not_depend_on_earlier_clips() {
    let mut used = predictor("reslstm-sa-h4");
    for length in [5_000, 10, 9_000, 700] {
        let samples = samples(length);
        let fresh = predictor("reslstm-sa-h4").predict_samples(&samples).unwrap();
        assert_eq!(used.predict_samples(&samples).unwrap(), fresh, "{length} samples");
    }
}

#[test]
fn a_recording_in_blocks_has_the_prediction_of_the_whole() {
    // A block has 8,160 frames of 256 samples.
    let samples = samples(2_100_000);
    let features = FrontEnd::new(settings(), RATE).unwrap().features(&samples).unwrap();
    for name in ["lstm-sa-h4", "reslstm-sa-h4"] {
        let mut predictor = predictor(name);
        let mut readings = 0;
        let prediction = predictor.predict_blocks(|sink| {
            readings += 1;
            samples.chunks(4001).try_for_each(&mut *sink)
        });
        let expected = predictor.predict_features(&features).unwrap();
        assert_eq!(prediction.unwrap(), expected.with_sound(Sound::measure(&samples, RATE).unwrap()));
        assert_eq!(readings, 2);
    }
}

#[test]
fn a_temperature_grows_with_the_distance_of_a_clip_whole_and_in_blocks() {
    let mut plain = predictor("reslstm-sa-h4");
    let clips = (0..30).map(|n| {
        let features = plain.features(&samples(2_000 + 100 * n)).unwrap();
        plain.normalised(&features).unwrap().clone()
    });
    let training = TrainingClips::fit(&clips.collect::<Vec<_>>()).unwrap();
    let mut metadata = plain.metadata().unwrap().clone();
    (metadata.temperature, metadata.temperature_growth) = (Some(1.4), Some(0.5));
    let file = ModelFile::new(plain.model().clone(), Some(metadata)).unwrap();
    let file = file.with_training_clips(Some(training.clone())).unwrap();
    let mut growing = Predictor::from_bytes(&file.to_bytes()).unwrap();
    let voice: Vec<f32> = (0..9_000).map(|n| 0.3 * (n as f32 * 0.2).sin()).collect();
    let mut distances = Vec::new();
    // A block has 8,160 frames of 256 samples.
    for samples in [samples(3_000), voice, samples(8_160 * 256 + 2_000)] {
        let features = plain.features(&samples).unwrap();
        let distance = training.distance(&ColumnSums::of(plain.normalised(&features).unwrap()));
        let mut expected = plain.predict_samples(&samples).unwrap();
        assert_eq!(expected.unlike, None);
        temper(&mut expected.probabilities, 1.4 * f64::from(distance).sqrt());
        let got = growing.predict_samples(&samples).unwrap();
        assert_eq!(got.label, expected.label);
        approx::assert_relative_eq!(got.unlike.unwrap(), distance, max_relative = 1e-5);
        for (got, expected) in got.probabilities.iter().zip(&expected.probabilities) {
            approx::assert_abs_diff_eq!(got, expected, epsilon = 1e-5);
        }
        distances.push(distance);
    }
    assert!(distances[1] > 3.0 * distances[0], "a tone is unlike noise: {distances:?}");
}

#[test]
fn of_equal_classes_the_first_is_predicted() {
    let mut zero = model("lstm-sa-h4");
    zero.visit_mut(&Path::ROOT, &mut |_, _, _, values| values.fill(0.0));
    let mut predictor = Predictor::new(ModelFile::new(zero, None).unwrap()).unwrap();
    let prediction = predictor.predict_features(&Matrix::zeros(2, 15)).unwrap();
    assert_eq!((prediction.label, &prediction.probabilities[..]), (0, &[1.0 / 3.0; 3][..]));
    let named: Vec<_> = prediction.named_probabilities().collect();
    assert_eq!(named, [("class 0", 1.0 / 3.0), ("class 1", 1.0 / 3.0), ("class 2", 1.0 / 3.0)]);
}

#[test]
fn another_sample_rate_is_refused_and_both_are_named() {
    let mut predictor = predictor("lstm-sa-h4");
    assert_eq!(predictor.sample_rate().unwrap(), RATE);
    let error = predictor.predict_recording(&Recording { sample_rate: 44_100, samples: samples(900) }).unwrap_err();
    assert_eq!(error.kind(), Kind::Audio);
    let expected = "expected 8000 Hz, the rate of the model's training recordings, got 44100 Hz \
                    (resample the recording to 8000 Hz first)";
    assert_eq!(error.to_string(), expected);
    assert_eq!(predictor.predict_samples(&[]).unwrap_err().kind(), Kind::Audio);
}

#[test]
fn features_that_do_not_fit_are_refused() {
    let mut predictor = predictor("lstm-sa-h4");
    let mut not_finite = Matrix::zeros(4, 15);
    not_finite[(3, 2)] = f32::NAN;
    for (features, expected) in [
        (Matrix::zeros(4, 46), "expected 15 feature columns, as the model was trained on, got 46 ("),
        (Matrix::zeros(0, 15), "expected at least one frame, got none"),
        (not_finite, "expected finite values, got NaN in frame 3, column 2"),
    ] {
        let error = predictor.predict_features(&features).unwrap_err();
        assert_eq!(error.kind(), Kind::Features);
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[test]
fn a_model_without_statistics_takes_normalised_features_and_no_audio() {
    let mut without_statistics = Metadata::new(
        "lstm-sa-h4".into(),
        vec!["a".into(), "b".into(), "c".into()].try_into().unwrap(),
        RATE,
        settings(),
    );
    without_statistics.seed = 4;
    for metadata in [None, Some(without_statistics)] {
        let file = ModelFile::new(model("lstm-sa-h4"), metadata).unwrap();
        let mut predictor = Predictor::from_bytes(&file.to_bytes()).unwrap();
        assert!(predictor.sample_rate().is_err());
        let normalised = Matrix::from_vec(2, 15, samples(30));
        let (layout, mut tape) = (Packed::new(&[2], Padding::Ignored), Tape::default());
        predictor.model().forward_eval(&layout, &normalised, &mut tape);
        let mut expected = Matrix::default();
        softmax(&tape.top.logits, &mut expected);
        assert_eq!(predictor.predict_features(&normalised).unwrap().probabilities, expected.as_slice());

        let error = predictor.predict_samples(&samples(500)).unwrap_err();
        assert_eq!(error.kind(), Kind::Model);
        assert!(error.to_string().contains("takes normalised features only, no recordings"), "{error}");
    }
}

#[test]
fn scores_that_overflow_are_an_error() {
    let mut huge = model("lstm-sa-h4");
    huge.visit_mut(&Path::ROOT, &mut |_, _, _, values| values.fill(f32::MAX));
    let mut predictor = Predictor::new(ModelFile::new(huge, None).unwrap()).unwrap();
    let error = predictor.predict_features(&Matrix::from_vec(1, 15, vec![1.0; 15])).unwrap_err();
    assert_eq!(error.kind(), Kind::Model);
}

#[test]
fn an_impossible_sample_rate_is_refused_when_the_model_is_loaded() {
    let mut metadata = predictor("lstm-sa-h4").metadata().unwrap().clone();
    metadata.sample_rate = 3;
    let error = Predictor::new(ModelFile::new(model("lstm-sa-h4"), Some(metadata)).unwrap()).err().unwrap();
    assert_eq!(error.kind(), Kind::Model);
    assert!(error.to_string().starts_with("metadata: expected a sample rate of"), "{error}");
}
