//! Data: clips with their labels and speakers, folds, batches, and the scaling of feature columns.
//!
//! | file           | content                                                                            |
//! |----------------|------------------------------------------------------------------------------------|
//! | [`condition`]  | recording conditions: noise, telephone, another speed                              |
//! | [`batch`]      | clips gathered into the packed layout                                              |
//! | [`folds`]      | which speakers train, validate and test                                            |
//!
//! Nothing here opens a file: the caller finds recordings and computes features.

pub mod batch;
pub mod condition;
pub mod folds;

use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use crate::audio::Sound;
use crate::error::{Error, Kind, Result};
use crate::labels::Labels;
use crate::matrix::Matrix;
use crate::prelude::*;
use condition::Condition;

/// One utterance: its features, its emotion and its speaker.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Its name in errors and result files.
    pub name: String,
    /// Class index, `0..K`.
    pub label: usize,
    /// The speaker's name, `01` to `24` in RAVDESS.
    pub speaker: String,
    /// `[T,D]`, one row per frame, not normalised.
    pub features: Matrix<f32>,
}

/// Features of every clip of a [`Dataset`] in another recording condition.
#[derive(Clone, Debug, PartialEq)]
pub struct ConditionedClips {
    /// The condition.
    pub condition: Condition,
    /// One matrix `[T,D]` per clip, in the dataset's order, not normalised.
    pub features: Vec<Matrix<f32>>,
}

/// At least one clip; all features finite and of one width, all labels known.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    labels: Labels,
    clips: Vec<Clip>,
    /// Shared by all trainings, not copied.
    conditioned: Arc<[ConditionedClips]>,
    /// One per clip, or none.
    sounds: Arc<[Sound]>,
}

impl Dataset {
    /// Checks the clips, so that later code need not.
    ///
    /// # Errors
    /// [`Kind::Data`] if there is no clip, or a clip's label is not below the number of `labels`; [`Kind::Features`] if
    /// a clip has no frames or no columns, another width than the first clip, or a value that is not finite.
    pub fn new(labels: Labels, clips: Vec<Clip>) -> Result<Self> {
        let Some(first) = clips.first() else {
            return Err(Error::new(Kind::Data, "expected at least one clip, found none"));
        };
        let width = first.features.cols();
        for clip in &clips {
            let [frames, columns] = clip.features.shape();
            let problem = if clip.label >= labels.count() {
                Error::new(
                    Kind::Data,
                    format!("expected a label below {}, the number of classes, got {}", labels.count(), clip.label),
                )
            } else if frames == 0 || columns == 0 {
                Error::new(Kind::Features, format!("expected at least one frame and column, got [{frames}, {columns}]"))
            } else if columns != width {
                let problem =
                    format!("expected {width} feature columns as in the first clip, `{}`, got {columns}", first.name);
                Error::new(Kind::Features, problem).advice("make all features with the same settings")
            } else if let Some(place) = clip.features.as_slice().iter().position(|x| !x.is_finite()) {
                let (frame, column) = (place / columns, place % columns);
                let found = clip.features[(frame, column)];
                Error::new(
                    Kind::Features,
                    format!("expected finite values, got {found} in frame {frame}, column {column}"),
                )
            } else {
                continue;
            };
            return Err(problem.at(format!("clip `{}`", clip.name)));
        }
        Ok(Dataset { labels, clips, conditioned: Arc::default(), sounds: Arc::default() })
    }

    /// Adds the same clips in other conditions.
    ///
    /// # Panics
    /// If the number of clips or of feature columns differs from the dataset's.
    pub fn with_conditions(self, conditioned: Vec<ConditionedClips>) -> Self {
        for ConditionedClips { features, .. } in &conditioned {
            assert_eq!(features.len(), self.clips.len(), "every clip in every condition");
            assert!(features.iter().all(|clip| clip.cols() == self.width()), "features of one width");
        }
        Dataset { conditioned: conditioned.into(), ..self }
    }

    /// Adds level and speech of every clip.
    ///
    /// # Panics
    /// If the number of clips differs from the dataset's.
    pub fn with_sounds(self, sounds: Vec<Sound>) -> Self {
        assert_eq!(sounds.len(), self.clips.len(), "one sound per clip");
        Dataset { sounds: sounds.into(), ..self }
    }

    /// Level and speech of every clip, in their order; `None` where only features are known.
    pub fn sounds(&self) -> Option<&[Sound]> {
        (!self.sounds.is_empty()).then_some(&self.sounds[..])
    }

    /// The clips in other conditions.
    pub fn conditioned(&self) -> &Arc<[ConditionedClips]> {
        &self.conditioned
    }

    /// Gives up the dataset for its clips.
    pub fn into_clips(self) -> Vec<Clip> {
        self.clips
    }

    /// The class names.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The clips, in the order they were given.
    pub fn clips(&self) -> &[Clip] {
        &self.clips
    }

    /// Number of feature columns, `D`.
    pub fn width(&self) -> usize {
        self.clips[0].features.cols()
    }

    /// The speakers' names, sorted, each once.
    pub fn speakers(&self) -> Vec<String> {
        self.clips.iter().map(|clip| &clip.speaker).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// Speaker and class of every clip.
    pub fn speakers_and_labels(&self) -> impl Iterator<Item = (&str, usize)> {
        self.clips.iter().map(|clip| (&clip.speaker[..], clip.label))
    }

    /// Indices into [`clips`](Dataset::clips) of all clips of these speakers, ascending.
    pub fn clips_of(&self, speakers: &[String]) -> Vec<usize> {
        let speakers: BTreeSet<&String> = speakers.iter().collect();
        (0..self.clips.len()).filter(|&index| speakers.contains(&self.clips[index].speaker)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(name: &str, label: usize, speaker: &str, features: Matrix<f32>) -> Clip {
        Clip { name: name.into(), label, speaker: speaker.into(), features }
    }

    fn good_clips() -> Vec<Clip> {
        vec![
            clip("a", 7, "10", Matrix::zeros(2, 5)),
            clip("b", 0, "02", Matrix::zeros(4, 5)),
            clip("c", 3, "10", Matrix::zeros(1, 5)),
        ]
    }

    #[test]
    fn a_dataset_lists_its_speakers_and_their_clips() {
        let dataset = Dataset::new(Labels::ravdess(), good_clips()).unwrap();
        assert_eq!(dataset.width(), 5);
        assert_eq!(dataset.speakers(), ["02", "10"]);
        assert_eq!(dataset.clips_of(&["10".into()]), [0, 2]);
        assert_eq!(dataset.clips_of(&["02".into(), "10".into()]), [0, 1, 2]);
        assert_eq!(dataset.clips()[1].name, "b");
        assert_eq!(dataset.labels(), &Labels::ravdess());
    }

    #[test]
    fn an_unusable_clip_is_named_with_its_fault() {
        let refused = |third: Clip| {
            let mut clips = good_clips();
            clips[2] = third;
            Dataset::new(Labels::ravdess(), clips).unwrap_err()
        };
        let error = refused(clip("c", 8, "10", Matrix::zeros(1, 5)));
        assert_eq!(error.kind(), Kind::Data);
        assert_eq!(error.to_string(), "clip `c`: expected a label below 8, the number of classes, got 8");

        let error = refused(clip("c", 1, "10", Matrix::zeros(0, 5)));
        assert_eq!(error.kind(), Kind::Features);
        assert_eq!(error.to_string(), "clip `c`: expected at least one frame and column, got [0, 5]");

        let error = refused(clip("c", 1, "10", Matrix::zeros(3, 4)));
        assert_eq!(error.kind(), Kind::Features);
        let start = "clip `c`: expected 5 feature columns as in the first clip, `a`, got 4";
        assert!(error.to_string().starts_with(start), "{error}");

        let mut features = Matrix::zeros(3, 5);
        features[(2, 1)] = f32::NEG_INFINITY;
        let error = refused(clip("c", 1, "10", features));
        assert_eq!(error.kind(), Kind::Features);
        assert_eq!(error.to_string(), "clip `c`: expected finite values, got -inf in frame 2, column 1");
    }

    #[test]
    fn a_dataset_without_clips_is_refused() {
        let error = Dataset::new(Labels::ravdess(), Vec::new()).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (Kind::Data, "expected at least one clip, found none".into()));
    }
}
