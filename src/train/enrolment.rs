//! Training and scoring with [enrolment](crate::models::enrolment): clips are normalised by statistics of some clips of their speaker.
//!
//! In every epoch each training clip draws a number of clips, one of [`COUNTS`], and that many other clips of its speaker at random;
//! *all* are all of the speaker's clips, this one too. The statistics of these clips, shrunk towards the training's, normalise it. So
//! one model is trained for any number of clips, and for none.
//!
//! The level column, if the features have one, is 0 without clips, and otherwise what the clip is louder than them. As the examples
//! of a task have it as 0, [`SpeakerSums`] keeps the levels.
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
    /// As recorded first.
    conditions: Vec<ConditionSums>,
    /// The level column of the features.
    level: Option<usize>,
    /// The clips of the speaker of each clip, ascending; shared numbers, one list per speaker.
    speaker: Vec<usize>,
    clips: Vec<Vec<usize>>,
}

/// The clips in a condition.
#[derive(Clone, Debug)]
struct ConditionSums {
    condition: Condition,
    /// Of normalised columns.
    sums: Vec<ColumnSums>,
    /// The level of each clip, in standard deviations of the training; empty without a level column.
    levels: Vec<f64>,
}

/// The normalisation of a clip's normalised columns by clips of its speaker.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeakerNormaliser {
    columns: Normaliser,
    /// The level column, and its value for the clip.
    level: Option<(usize, f32)>,
}

impl SpeakerNormaliser {
    /// Normalises `x` `[T,D]` into `y`, which takes its shape.
    pub fn apply_into(&self, x: &Matrix<f32>, y: &mut Matrix<f32>) {
        self.columns.apply_into(x, y);
        if let Some((column, value)) = self.level {
            (0..y.rows()).for_each(|t| y[(t, column)] = value);
        }
    }
}

impl SpeakerSums {
    /// Of all clips of a dataset, given as recorded and normalised in `examples`, and in other conditions; `statistics` are those of
    /// the training, and `level` the level column.
    pub fn new(
        dataset: &Dataset,
        examples: &[Example<f32>],
        conditioned: &[ConditionedClips],
        statistics: &Normaliser,
        level: Option<usize>,
    ) -> Self {
        let normaliser = statistics.clone().without_speaker(level);
        // The same in every frame of a clip.
        let level_of = |features: &Matrix<f32>| {
            level
                .map(|column| (f64::from(features[(0, column)]) - statistics.mean()[column]) / statistics.std()[column])
        };
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
        let levels = dataset.clips().iter().filter_map(|clip| level_of(&clip.features)).collect();
        let mut conditions = vec![ConditionSums { condition: Condition::AsRecorded, sums: recorded, levels }];
        let mut scratch = Matrix::default();
        for ConditionedClips { condition, features } in conditioned {
            let of_clip = |features| {
                normaliser.apply_into(features, &mut scratch);
                ColumnSums::of(&scratch)
            };
            let levels = features.iter().filter_map(level_of).collect();
            let sums = features.iter().map(of_clip).collect();
            conditions.push(ConditionSums { condition: *condition, sums, levels });
        }
        SpeakerSums { conditions, level, speaker, clips }
    }

    /// Those of some columns.
    pub fn for_branch(&self, columns: &[usize]) -> Self {
        let select = |it: &ConditionSums| {
            let sums = it.sums.iter().map(|sums| sums.select_columns(columns)).collect();
            ConditionSums { condition: it.condition, sums, levels: it.levels.clone() }
        };
        let level = self.level.and_then(|level| columns.iter().position(|&column| column == level));
        SpeakerSums { conditions: self.conditions.iter().map(select).collect(), level, ..self.clone() }
    }

    /// All clips of the speaker of `clip`, ascending.
    pub fn clips_like(&self, clip: usize) -> &[usize] {
        &self.clips[self.speaker[clip]]
    }

    /// The normalisation of normalised columns of `clip` by `enrolled` clips in this condition; `None` without clips, as nothing
    /// changes then.
    ///
    /// # Panics
    /// If there are no features in this condition.
    pub fn normaliser(
        &self,
        condition: Condition,
        clip: usize,
        enrolled: &[usize],
        kappa: f64,
    ) -> Option<SpeakerNormaliser> {
        let found = self.conditions.iter().find(|it| it.condition == condition);
        let ConditionSums { sums, levels, .. } =
            found.unwrap_or_else(|| panic!("no features in condition {condition}"));
        let mut all = sums[*enrolled.first()?].clone();
        enrolled[1..].iter().for_each(|&clip| all.add(&sums[clip]));
        let (speaker, k) = (all.statistics()?, enrolled.len() as f64);
        let columns = Normaliser::identity(speaker.width()).shrunk(&speaker, k, kappa, None);
        let level = self.level.map(|column| {
            let sum: f64 = enrolled.iter().map(|&clip| levels[clip] * sums[clip].frames() as f64).sum();
            (column, (k / (k + kappa) * (levels[clip] - sum / all.frames() as f64)) as f32)
        });
        Some(SpeakerNormaliser { columns, level })
    }

    /// The normalisation of a training clip: a number of clips, and the clips, are drawn.
    pub fn draw(
        &self,
        condition: Condition,
        clip: usize,
        kappa: f64,
        stream: &mut RandomStream,
    ) -> Option<SpeakerNormaliser> {
        let count = COUNTS[stream.below(COUNTS.len())];
        self.normaliser(condition, clip, &draw_clips(self.clips_like(clip), clip, count, stream), kappa)
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
            normalised_by(&examples[clip], self.normaliser(Condition::AsRecorded, clip, &chosen, kappa))
        };
        clips.iter().map(enrolled).collect()
    }
}

/// A clip, normalised once more.
pub fn normalised_by(example: &Example<f32>, normaliser: Option<SpeakerNormaliser>) -> Example<f32> {
    let Some(normaliser) = normaliser else { return example.clone() };
    let mut frames = Matrix::default();
    normaliser.apply_into(&example.frames, &mut frames);
    Example { frames, label: example.label }
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
        let sums = SpeakerSums::new(&dataset, &examples, &conditioned, &Normaliser::identity(2), None);
        assert_eq!(sums.clips_like(4), [1, 4, 7]);
        let slow = Condition::Speed(0.9);
        for (condition, clips) in [
            (Condition::AsRecorded, examples.iter().map(|example| &example.frames).collect::<Vec<_>>()),
            (slow, conditioned[0].features.iter().collect()),
        ] {
            let got = sums.normaliser(condition, 4, &[1, 7], 6.0).unwrap().columns;
            let speaker = Normaliser::fit([clips[1], clips[7]]).unwrap();
            let expected = Normaliser::identity(2).shrunk(&speaker, 2.0, 6.0, None);
            for (got, expected) in got.mean().iter().chain(got.std()).zip(expected.mean().iter().chain(expected.std()))
            {
                approx::assert_abs_diff_eq!(got, expected, epsilon = 1e-12);
            }
            // The same of a branch.
            let branch = sums.for_branch(&[1]).normaliser(condition, 4, &[1, 7], 6.0).unwrap().columns;
            assert_eq!((branch.mean(), branch.std()), (&got.mean()[1..], &got.std()[1..]));
        }
        assert_eq!(sums.normaliser(slow, 4, &[], 6.0), None);
    }

    #[test]
    fn the_level_is_that_above_the_speakers_clips_and_unknown_without_them() {
        // Levels of three clips of one speaker, constant over frames; the first column varies.
        let levels = [-20.0f32, -32.0, -26.0];
        let clip = |(n, level): (usize, &f32)| {
            let features = Matrix::from_vec(n + 1, 2, (0..n + 1).flat_map(|t| [t as f32, *level]).collect());
            Clip { name: n.to_string(), label: n % 2, speaker: "a".into(), features }
        };
        let labels = Labels::new(vec!["x".into(), "y".into()]).unwrap();
        let dataset = Dataset::new(labels, levels.iter().enumerate().map(clip).collect()).unwrap();
        let statistics = Normaliser::new(vec![0.0, -30.0], vec![1.0, 8.0]).unwrap();
        let unknown = statistics.clone().without_speaker(Some(1));
        let example = |clip: &Clip| Example { frames: unknown.apply(&clip.features).unwrap(), label: clip.label };
        let examples: Vec<_> = dataset.clips().iter().map(example).collect();
        assert!(examples.iter().all(|example| example.frames.iter_rows().all(|frame| frame[1] == 0.0)));
        let sums = SpeakerSums::new(&dataset, &examples, &[], &statistics, Some(1));
        // Two frames of −32 dB and three of −26: mean −28.4. w = 2/(2 + 6); (−20 + 28.4)/8/4.
        let by_two = |sums: &SpeakerSums| sums.normaliser(Condition::AsRecorded, 0, &[1, 2], 6.0);
        approx::assert_abs_diff_eq!(normalised_by(&examples[0], by_two(&sums)).frames[(0, 1)], 0.2625, epsilon = 1e-6);
        assert_eq!(by_two(&sums.for_branch(&[1])).unwrap().level.unwrap().0, 0);
        assert_eq!(by_two(&sums.for_branch(&[0])).unwrap().level, None);
        // A profile gives a model the same number.
        let speaker = Normaliser::fit([1, 2].map(|clip: usize| &dataset.clips()[clip].features)).unwrap();
        let shrunk = statistics.shrunk(&speaker, 2.0, 6.0, Some(1));
        let profiled = shrunk.apply(&dataset.clips()[0].features).unwrap();
        approx::assert_abs_diff_eq!(profiled[(0, 1)], 0.2625, epsilon = 1e-6);
        let none = statistics.shrunk(&speaker, 0.0, 6.0, Some(1));
        assert_eq!(none.apply(&dataset.clips()[0].features).unwrap()[(0, 1)], 0.0);
    }

    #[test]
    fn draws_are_named_by_seed_and_clip_and_every_number_occurs() {
        let (dataset, examples, conditioned) = data();
        let sums = SpeakerSums::new(&dataset, &examples, &conditioned, &Normaliser::identity(2), None);
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
        let expected = sums.normaliser(Condition::AsRecorded, 4, &[1, 4, 7], 4.0);
        assert_eq!(all[0].frames, normalised_by(&examples[4], expected).frames);
    }
}
