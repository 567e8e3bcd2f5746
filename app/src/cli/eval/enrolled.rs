//! `eval --enrol`: every clip is scored with some other clips of its speaker, without their labels.

use reslstm::data::Dataset;
use reslstm::data::batch::Example;
use reslstm::data::condition::Condition;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{Metadata, enrolment};
use reslstm::rng::RandomStream;
use reslstm::train::enrolment::{SpeakerSums, draw_clips, normalised_by};
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// Seed of the draws. Each is named by its clip, so a clip has the same enrolled clips in every evaluation.
const SEED: u64 = 0;
/// The label of clips without an emotion.
const NEUTRAL: &str = "neutral";

/// Which clips of a speaker are enrolled: `8`, `8:neutral`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EnrolledClips {
    count: usize,
    choice: Choice,
}

/// What the enrolled clips have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// Any clips of the speaker.
    Random,
    /// Clips labelled neutral.
    Neutral,
    /// Clips of one label, drawn anew for every clip: what happens where a speaker shows one emotion only.
    OneEmotion,
}

impl Choice {
    const NAMES: [(&str, Choice); 3] =
        [("random", Choice::Random), ("neutral", Choice::Neutral), ("one-emotion", Choice::OneEmotion)];
}

impl FromStr for EnrolledClips {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (count, name) = text.split_once(':').unwrap_or((text, "random"));
        let choice = Choice::NAMES.iter().find(|(known, _)| *known == name);
        match (count.parse(), choice) {
            (Ok(count), Some(&(_, choice))) => Ok(EnrolledClips { count, choice }),
            _ => Err(format!("expected a number of clips, as 8, 8:neutral or 8:one-emotion, got '{text}'")),
        }
    }
}

impl fmt::Display for EnrolledClips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = Choice::NAMES.iter().find(|(_, choice)| *choice == self.choice).expect("all are named");
        write!(f, "{}:{name}", self.count)
    }
}

/// What was enrolled, for the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Enrolled {
    /// Number of clips that were asked for, and which.
    clips: String,
    /// Always true: the scores use recordings of the test speakers.
    transductive: bool,
    /// Scored clips whose speaker has fewer such clips; all of them were enrolled.
    with_fewer: usize,
}

impl fmt::Display for Enrolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "transductive: with {} clips of each speaker, without their labels", self.clips)?;
        match self.with_fewer {
            0 => Ok(()),
            clips => write!(f, "; {clips} clips have a speaker with fewer, all of which were used"),
        }
    }
}

/// Normalises the `clips` among the `examples` of all clips, normalised as by the model, by clips of their speakers.
///
/// # Errors
/// [`Kind::Model`] if the model was not trained with enrolment.
/// [`Kind::Data`] if neutral clips are asked for and no clip has this label.
pub(super) fn enrol(
    examples: &mut [Example<f32>],
    clips: &[usize],
    dataset: &Dataset,
    model: &Metadata,
    wanted: EnrolledClips,
) -> Result<Enrolled> {
    let neutral = dataset.labels().iter().position(|name| name == NEUTRAL);
    if wanted.choice == Choice::Neutral && neutral.is_none() {
        let labels = dataset.labels().join(", ");
        let problem = format!("expected clips labelled {NEUTRAL} to enrol, found the labels {labels}");
        return Err(Error::new(Kind::Data, problem).advice("--map FILE.toml gives the labels of DATA other names"));
    }
    let kappa = enrolment::kappa(model)?;
    let statistics = model.statistics()?.expect("a model with enrolment has statistics");
    let sums = SpeakerSums::new(dataset, examples, &[], &statistics, model.features.level_column());
    let label_of = |clip: usize| dataset.clips()[clip].label;
    let mut with_fewer = 0;
    for &clip in clips {
        let mut stream = RandomStream::new(SEED, "enrolled clips", clip as u64);
        let mut candidates: Vec<usize> = sums.clips_like(clip).to_vec();
        let label = match wanted.choice {
            Choice::Random => None,
            Choice::Neutral => neutral,
            Choice::OneEmotion => Some(label_of(candidates[stream.below(candidates.len())])),
        };
        candidates.retain(|&candidate| label.is_none_or(|label| label_of(candidate) == label));
        let chosen = draw_clips(&candidates, clip, Some(wanted.count), &mut stream);
        with_fewer += usize::from(chosen.len() < wanted.count);
        examples[clip] = normalised_by(&examples[clip], sums.normaliser(Condition::AsRecorded, clip, &chosen, kappa));
    }
    Ok(Enrolled { clips: wanted.to_string(), transductive: true, with_fewer })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::audio::FeatureSettings;
    use reslstm::data::Clip;
    use reslstm::labels::Labels;
    use reslstm::matrix::Matrix;
    use reslstm::normalise::Normaliser;

    /// Twelve clips, of two speakers in turn; three of each speaker's six are of the first label.
    fn data(first_label: &str) -> (Dataset, Vec<Example<f32>>) {
        let mut stream = RandomStream::new(7, "clips", 0);
        let clip = |n: usize| Clip {
            name: n.to_string(),
            label: n / 2 % 2,
            speaker: ["a", "b"][n % 2].into(),
            features: Matrix::from_vec(3, 2, (0..6).map(|_| stream.normal() as f32).collect()),
        };
        let clips: Vec<Clip> = (0..12).map(clip).collect();
        let examples = clips.iter().map(|clip| Example { frames: clip.features.clone(), label: clip.label }).collect();
        let labels = Labels::new(vec![first_label.into(), "sad".into()]).unwrap();
        (Dataset::new(labels, clips).unwrap(), examples)
    }

    /// A model that changes nothing, with a κ of 4 clips.
    fn model(dataset: &Dataset) -> Metadata {
        let mut model = Metadata::new("m".into(), dataset.labels().clone(), 16_000, FeatureSettings::default());
        (model.mean, model.std, model.enrolment) = (vec![0.0; 2], vec![1.0; 2], Some(4.0));
        model
    }

    fn enrolled(wanted: &str, clips: &[usize]) -> (Enrolled, Vec<Example<f32>>) {
        let (dataset, mut examples) = data(NEUTRAL);
        let report = enrol(&mut examples, clips, &dataset, &model(&dataset), wanted.parse().unwrap());
        (report.unwrap(), examples)
    }

    #[test]
    fn a_clip_is_normalised_by_the_chosen_clips_of_its_speaker() {
        let (dataset, before) = data(NEUTRAL);
        let sums = SpeakerSums::new(&dataset, &before, &[], &Normaliser::identity(2), None);
        let by = |clip: usize, chosen: &[usize]| {
            normalised_by(&before[clip], sums.normaliser(Condition::AsRecorded, clip, chosen, 4.0)).frames
        };
        // Clip 2 is sad, of speaker a, whose neutral clips are 0, 4 and 8 and whose sad ones are 2, 6 and 10.
        let (report, after) = enrolled("3:neutral", &[2]);
        assert_eq!(after[2].frames, by(2, &[0, 4, 8]));
        assert_eq!(after[4].frames, before[4].frames, "only the scored clips change");
        assert_eq!(report.with_fewer, 0);
        // A neutral clip is not its own.
        let (report, after) = enrolled("3:neutral", &[4]);
        assert_eq!((after[4].frames.clone(), report.with_fewer), (by(4, &[0, 8]), 1));
        // One label, which one differs from clip to clip.
        let (_, after) = enrolled("9:one-emotion", &(0..12).collect::<Vec<_>>());
        let mut of_own_label = 0;
        for (clip, example) in after.iter().enumerate() {
            let with_label = |label| {
                (0..12).filter(move |n| n % 2 == clip % 2 && n / 2 % 2 == label && *n != clip).collect::<Vec<_>>()
            };
            let labels: Vec<_> = (0..2).filter(|&label| example.frames == by(clip, &with_label(label))).collect();
            assert_eq!(labels.len(), 1, "clip {clip}");
            of_own_label += usize::from(labels[0] == dataset.clips()[clip].label);
        }
        assert!((1..12).contains(&of_own_label), "{of_own_label} of 12");
        let (_, after) = enrolled("0", &[1, 2]);
        assert_eq!((&after[1].frames, &after[2].frames), (&before[1].frames, &before[2].frames));
    }

    #[test]
    fn what_is_no_number_of_clips_is_refused() {
        for text in ["8", "0:random", "16:neutral", "4:one-emotion"] {
            let parsed: EnrolledClips = text.parse().unwrap();
            assert!(parsed.to_string().starts_with(text));
        }
        for text in ["", "all", "-1", "8:", "8:happy", "8,9"] {
            let problem = text.parse::<EnrolledClips>().unwrap_err();
            assert!(problem.contains(&format!("got '{text}'")), "{problem}");
        }
        let (dataset, mut examples) = data("happy");
        let wanted = "4:neutral".parse().unwrap();
        let refused = enrol(&mut examples, &[0], &dataset, &model(&dataset), wanted).unwrap_err();
        assert!(refused.to_string().contains("found the labels happy, sad"), "{refused}");
    }
}
