//! Synthetic voices for the lab's second training task: happy or angry?

use crate::synth::{SAMPLE_RATE, plan, synthesise};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use reslstm::audio::{FeatureSettings, FrontEnd};
use reslstm::matrix::Matrix;
use serde_json::{Value, json};

/// Speakers, of whom the last two are for tests.
const SPEAKERS: usize = 8;
const TESTED_SPEAKERS: usize = 2;
/// Happy and angry, as classes of RAVDESS.
const EMOTIONS: [usize; 2] = [2, 4];
/// Columns of the features that are kept: the first MFCC.
const COLUMNS: usize = 12;

/// Clips as `Training.of_clips` takes them: lengths, classes and frames, normalised and in sixteenths, those for tests last.
pub fn voices() -> Value {
    let names = plan(SPEAKERS, 2, 1).expect("as many speakers as there are");
    let mut front_end =
        FrontEnd::new(FeatureSettings::default(), SAMPLE_RATE).expect("the default settings fit the rate");
    let clips: Vec<(usize, usize, Matrix<f32>)> = names
        .iter()
        .filter_map(|name| {
            let class = EMOTIONS.iter().position(|&emotion| emotion == name.label())?;
            let features = front_end.features(&synthesise(1, name).samples).expect("a synthetic clip has samples");
            Some((name.actor(), class, features))
        })
        .collect();
    // In the order of speakers, as the plan has them.
    let for_tests = |actor: usize| actor + TESTED_SPEAKERS > SPEAKERS;
    let training =
        clips.iter().filter(|&&(actor, ..)| !for_tests(actor)).flat_map(|(.., features)| features.iter_rows());
    let (mut count, mut sum, mut squares) = (0.0, [0.0; COLUMNS], [0.0; COLUMNS]);
    for row in training {
        count += 1.0;
        for c in 0..COLUMNS {
            sum[c] += f64::from(row[c]);
            squares[c] += f64::from(row[c]) * f64::from(row[c]);
        }
    }
    let mean = sum.map(|sum| sum / count);
    let mut std = [0.0; COLUMNS];
    for c in 0..COLUMNS {
        std[c] = (squares[c] / count - mean[c] * mean[c]).sqrt();
    }
    let mut sixteenths = Vec::new();
    for row in clips.iter().flat_map(|(.., features)| features.iter_rows()) {
        for c in 0..COLUMNS {
            let value = (f64::from(row[c]) - mean[c]) / std[c];
            sixteenths.push((16.0 * value).round().clamp(-127.0, 127.0) as i8 as u8);
        }
    }
    json!({
        "columns": COLUMNS,
        "lengths": clips.iter().map(|(.., features)| features.rows()).collect::<Vec<_>>(),
        "labels": clips.iter().map(|&(_, class, _)| class).collect::<Vec<_>>(),
        "tested": clips.iter().filter(|&&(actor, ..)| for_tests(actor)).count(),
        "sixteenths": BASE64_STANDARD.encode(sixteenths),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voices_are_balanced_normalised_and_those_for_tests_last() {
        let voices = voices();
        let list = |name: &str| -> Vec<usize> {
            voices[name].as_array().unwrap().iter().map(|it| it.as_u64().unwrap() as usize).collect()
        };
        let (lengths, labels) = (list("lengths"), list("labels"));
        // Eight speakers, two emotions in two intensities, two statements.
        assert_eq!((lengths.len(), labels.iter().sum::<usize>()), (64, 32));
        assert_eq!(voices["tested"], 16);
        let bytes = BASE64_STANDARD.decode(voices["sixteenths"].as_str().unwrap()).unwrap();
        assert_eq!(bytes.len(), lengths.iter().sum::<usize>() * COLUMNS);
        let trained = lengths[..48].iter().sum::<usize>();
        for c in 0..COLUMNS {
            let column =
                bytes[..trained * COLUMNS].iter().skip(c).step_by(COLUMNS).map(|&byte| f64::from(byte as i8) / 16.0);
            let (sum, squares) = column.fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
            let (mean, square) = (sum / trained as f64, squares / trained as f64);
            assert!(mean.abs() < 0.05 && (square - 1.0).abs() < 0.1, "column {c}: {mean} {square}");
        }
    }
}
