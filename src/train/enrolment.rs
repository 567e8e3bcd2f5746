//! Training and scoring with [enrolment](crate::models::enrolment): clips are normalised by statistics of some clips of their speaker.
//!
//! In every epoch each training clip draws a number of clips, one of [`COUNTS`], and that many other clips of its speaker at random;
//! *all* are all of the speaker's clips, this one too. The statistics of these clips, shrunk towards the training's, normalise it. So
//! one model is trained for any number of clips, and for none.
//!
//! A clip in another recording condition or at another playing speed is normalised by its speaker's clips in that same condition or
//! speed: a speed is another voice.
//!
//! Every draw comes from a stream named by seed, epoch and clip, apart from the streams of the augmentation.

use crate::data::batch::Example;
use crate::data::condition::Condition;
use crate::data::{ConditionedClips, Dataset};
use crate::matrix::Matrix;
use crate::normalise::{ColumnSums, Normaliser};
use crate::rng::RandomStream;
use std::collections::BTreeMap;

/// Numbers of clips that are drawn in training, all equally likely, and scored; `None` for all clips of the speaker.
pub const COUNTS: [Option<usize>; 7] = [Some(0), Some(1), Some(2), Some(4), Some(8), Some(16), None];

/// The name of a number of clips in results: `8`, or `all`.
pub fn count_name(count: Option<usize>) -> String {
    count.map_or("all".into(), |count| count.to_string())
}

/// Sums of the columns of every clip in every condition, and who speaks in it.
#[derive(Clone, Debug)]
pub struct SpeakerSums {
    /// As recorded first; the sums are of normalised columns.
    conditions: Vec<(Condition, Vec<ColumnSums>)>,
    /// The clips of the speaker of each clip, ascending; shared numbers, one list per speaker.
    speaker: Vec<usize>,
    clips: Vec<Vec<usize>>,
}

impl SpeakerSums {
    /// Of all clips of a dataset, given as recorded and normalised in `examples`, and in other conditions.
    pub fn new(
        dataset: &Dataset,
        examples: &[Example<f32>],
        conditioned: &[ConditionedClips],
        normaliser: &Normaliser,
    ) -> Self {
        let mut numbers = BTreeMap::new();
        let (mut speaker, mut clips): (Vec<usize>, Vec<Vec<usize>>) = (Vec::new(), Vec::new());
        for (number, clip) in dataset.clips().iter().enumerate() {
            let next = numbers.len();
            let place = *numbers.entry(&clip.speaker).or_insert(next);
            if place == clips.len() {
                clips.push(Vec::new());
            }
            clips[place].push(number);
            speaker.push(place);
        }
        let recorded = examples.iter().map(|example| ColumnSums::of(&example.frames)).collect();
        let mut conditions = vec![(Condition::AsRecorded, recorded)];
        let mut scratch = Matrix::default();
        for ConditionedClips { condition, features } in conditioned {
            let of_clip = |features| {
                normaliser.apply_into(features, &mut scratch);
                ColumnSums::of(&scratch)
            };
            conditions.push((*condition, features.iter().map(of_clip).collect()));
        }
        SpeakerSums { conditions, speaker, clips }
    }

    /// Those of some columns.
    pub fn for_branch(&self, columns: &[usize]) -> Self {
        let select = |(condition, sums): &(Condition, Vec<ColumnSums>)| {
            (*condition, sums.iter().map(|sums| sums.select_columns(columns)).collect())
        };
        SpeakerSums { conditions: self.conditions.iter().map(select).collect(), ..self.clone() }
    }

    /// All clips of the speaker of `clip`, ascending.
    pub fn clips_like(&self, clip: usize) -> &[usize] {
        &self.clips[self.speaker[clip]]
    }

    /// The normalisation of normalised columns of a clip by `enrolled` clips in this condition; `None` without clips, as nothing
    /// changes then.
    ///
    /// # Panics
    /// If there are no features in this condition.
    pub fn normaliser(&self, condition: Condition, enrolled: &[usize], kappa: f64) -> Option<Normaliser> {
        let found = self.conditions.iter().find(|(known, _)| *known == condition);
        let (_, sums) = found.unwrap_or_else(|| panic!("no features in condition {condition}"));
        let mut all = sums[*enrolled.first()?].clone();
        enrolled[1..].iter().for_each(|&clip| all.add(&sums[clip]));
        let speaker = all.statistics()?;
        Some(Normaliser::identity(speaker.mean().len()).shrunk(&speaker, enrolled.len() as f64, kappa))
    }

    /// The normalisation of a training clip: a number of clips, and the clips, are drawn.
    pub fn draw(&self, condition: Condition, clip: usize, kappa: f64, stream: &mut RandomStream) -> Option<Normaliser> {
        let count = COUNTS[stream.below(COUNTS.len())];
        self.normaliser(condition, &draw_clips(self.clips_like(clip), clip, count, stream), kappa)
    }

    /// Clips as recorded, each normalised by `count` random clips of its speaker; the draws are named by `seed`.
    pub fn enrolled_examples(
        &self,
        examples: &[Example<f32>],
        clips: &[usize],
        count: Option<usize>,
        kappa: f64,
        seed: u64,
    ) -> Vec<Example<f32>> {
        let enrolled = |&clip: &usize| {
            let mut stream = RandomStream::new(seed, "enrolled clips", clip as u64);
            let chosen = draw_clips(self.clips_like(clip), clip, count, &mut stream);
            normalised_by(&examples[clip], self.normaliser(Condition::AsRecorded, &chosen, kappa))
        };
        clips.iter().map(enrolled).collect()
    }
}

/// A clip, normalised once more.
pub fn normalised_by(example: &Example<f32>, normaliser: Option<Normaliser>) -> Example<f32> {
    let mut example = example.clone();
    if let Some(normaliser) = normaliser {
        normaliser.apply_in_place(&mut example.frames);
    }
    example
}

/// `count` random clips among `candidates` other than `clip`, all others if there are fewer; without a count all candidates, `clip`
/// too.
pub fn draw_clips(candidates: &[usize], clip: usize, count: Option<usize>, stream: &mut RandomStream) -> Vec<usize> {
    let mut chosen = candidates.to_vec();
    if let Some(count) = count {
        chosen.retain(|&candidate| candidate != clip);
        stream.shuffle(&mut chosen);
        chosen.truncate(count);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Clip;
    use crate::labels::Labels;

    /// Nine clips of three speakers in turn, in two conditions.
    fn data() -> (Dataset, Vec<Example<f32>>, Vec<ConditionedClips>) {
        let mut stream = RandomStream::new(3, "clips", 0);
        let mut features =
            |n: usize| Matrix::from_vec(2 + n, 2, (0..4 + 2 * n).map(|_| stream.normal() as f32).collect());
        let all: Vec<Matrix<f32>> = (0..9).map(&mut features).collect();
        let slow: Vec<Matrix<f32>> = (0..9).map(&mut features).collect();
        let clip = |(n, features): (usize, &Matrix<f32>)| Clip {
            name: n.to_string(),
            label: n % 2,
            speaker: ["b", "a", "c"][n % 3].into(),
            features: features.clone(),
        };
        let labels = Labels::new(vec!["x".into(), "y".into()]).unwrap();
        let dataset = Dataset::new(labels, all.iter().enumerate().map(clip).collect()).unwrap();
        let examples = all.into_iter().map(|frames| Example { frames, label: 0 }).collect();
        (dataset, examples, vec![ConditionedClips { condition: Condition::Speed(0.9), features: slow }])
    }

    #[test]
    fn a_clip_is_normalised_by_its_speakers_clips_in_its_own_condition() {
        let (dataset, examples, conditioned) = data();
        let sums = SpeakerSums::new(&dataset, &examples, &conditioned, &Normaliser::identity(2));
        assert_eq!(sums.clips_like(4), [1, 4, 7]);
        let slow = Condition::Speed(0.9);
        for (condition, clips) in [
            (Condition::AsRecorded, examples.iter().map(|example| &example.frames).collect::<Vec<_>>()),
            (slow, conditioned[0].features.iter().collect()),
        ] {
            let got = sums.normaliser(condition, &[1, 7], 6.0).unwrap();
            let speaker = Normaliser::fit([clips[1], clips[7]]).unwrap();
            let expected = Normaliser::identity(2).shrunk(&speaker, 2.0, 6.0);
            for (got, expected) in got.mean().iter().chain(got.std()).zip(expected.mean().iter().chain(expected.std()))
            {
                approx::assert_abs_diff_eq!(got, expected, epsilon = 1e-12);
            }
            // The same of a branch.
            let branch = sums.for_branch(&[1]).normaliser(condition, &[1, 7], 6.0).unwrap();
            assert_eq!((branch.mean(), branch.std()), (&got.mean()[1..], &got.std()[1..]));
        }
        assert_eq!(sums.normaliser(slow, &[], 6.0), None);
    }

    #[test]
    fn draws_are_named_by_seed_and_clip_and_every_number_occurs() {
        let (dataset, examples, conditioned) = data();
        let sums = SpeakerSums::new(&dataset, &examples, &conditioned, &Normaliser::identity(2));
        let draw = |clip: usize, seed: u64| {
            sums.draw(Condition::AsRecorded, clip, 4.0, &mut RandomStream::new(seed, "clip", clip as u64))
        };
        let forwards: Vec<_> = (0..9).map(|clip| draw(clip, 5)).collect();
        let mut backwards: Vec<_> = (0..9).rev().map(|clip| draw(clip, 5)).collect();
        backwards.reverse();
        assert_eq!(forwards, backwards, "not by their order");
        let none = (0..700).filter(|&seed| draw(3, seed).is_none()).count();
        // 100 expected, standard deviation 9.3.
        assert!((55..145).contains(&none), "{none} of 700 without clips");
        let candidates: Vec<usize> = (10..30).collect();
        for count in COUNTS {
            let drawn = draw_clips(&candidates, 12, count, &mut RandomStream::new(1, "draw", 0));
            assert_eq!(drawn.len(), count.unwrap_or(20));
            assert_eq!(drawn.contains(&12), count.is_none(), "the clip itself is among all alone");
        }
        assert_eq!(draw_clips(&[1, 2], 1, Some(8), &mut RandomStream::new(1, "draw", 0)), [2]);
        let same = sums.enrolled_examples(&examples, &[4, 5], Some(0), 4.0, 1);
        assert_eq!((&same[0].frames, &same[1].frames), (&examples[4].frames, &examples[5].frames));
        let all = sums.enrolled_examples(&examples, &[4], None, 4.0, 1);
        let expected = sums.normaliser(Condition::AsRecorded, &[1, 4, 7], 4.0).unwrap().apply(&examples[4].frames);
        assert_eq!(all[0].frames, expected.unwrap());
    }
}
