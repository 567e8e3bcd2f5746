//! `DATA`: a corpus loaded for training or evaluation, with its licence.

use super::notes::Notes;
use super::{interrupt, progress};
use crate::corpus::{self, Cache, Corpus, Loaded, Work};
use reslstm::audio::FeatureSettings;
use reslstm::data::condition::Condition;
use reslstm::data::folds::{FoldPlan, Split};
use reslstm::data::{ConditionedClips, Dataset};
use reslstm::error::{Error, Kind, Result};
use reslstm::matrix::Matrix;
use reslstm::train::{Settings, TrainingData};
use std::path::{Path, PathBuf};

/// A loaded corpus, and what models trained on it must say.
pub struct Licensed {
    loaded: Loaded,
    features: FeatureSettings,
    corpus: Corpus,
}

impl Licensed {
    /// Clips, labels, speakers.
    pub fn dataset(&self) -> &Dataset {
        &self.loaded.dataset
    }

    /// The recording of a clip.
    pub fn path(&self, clip: usize) -> &Path {
        &self.corpus.entries()[clip].path
    }

    /// Fingerprint of the data.
    pub fn fingerprint(&self) -> &str {
        &self.loaded.fingerprint
    }

    /// Of the recordings, in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.loaded.sample_rate
    }

    /// Features `[T,D]` of every clip in a condition, on the threads of the pool this is called in.
    pub fn features_in(&self, condition: Condition) -> Result<Vec<Matrix<f32>>> {
        let stop = interrupt::stop_flag();
        let work =
            Work { settings: &self.features, condition, cache: None, progress: &|_, _| {}, note: &|_, _| {}, stop };
        corpus::load_features(&self.corpus, &work)
    }

    /// What training takes.
    pub fn source(&self) -> TrainingData<'_> {
        TrainingData {
            dataset: &self.loaded.dataset,
            sample_rate: self.loaded.sample_rate,
            features: &self.features,
            fingerprint: &self.loaded.fingerprint,
            licence: self.corpus.licence(),
        }
    }
}

/// `DATA` as it is found, before the work of reading every clip.
#[derive(Clone)]
pub struct Found {
    corpus: Corpus,
    path: PathBuf,
}

impl Found {
    /// Finds the clips of a folder or a manifest, and notes on stderr which are left out.
    pub fn open(data: &Path) -> Result<Self> {
        let found = Self::find(data)?;
        found.note_skipped();
        Ok(found)
    }

    /// [`open`](Self::open) without the note.
    pub fn find(data: &Path) -> Result<Self> {
        Ok(Found { corpus: Corpus::open(data)?, path: data.to_path_buf() })
    }

    /// Notes on stderr which clips are left out.
    pub fn note_skipped(&self) {
        if self.corpus.skipped() > 0 {
            eprintln!("note: {} songs and videos of RAVDESS are left out", self.corpus.skipped());
        }
    }

    /// Whether every clip is a matrix of features, without a recording that could be played faster or through a telephone.
    pub fn holds_features_only(&self) -> bool {
        let is_matrix = |path: &Path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"));
        self.corpus.entries().iter().all(|entry| is_matrix(&entry.path))
    }

    /// The folds of its speakers.
    pub fn splits(&self, plan: &FoldPlan) -> Result<Vec<Split>> {
        let speakers: Vec<String> = self.corpus.entries().iter().map(|entry| entry.speaker.clone()).collect();
        plan.splits(&speakers).map_err(|error| error.at(self.path.display()))
    }

    /// Reads every clip, features from the cache where they are there.
    pub fn load(self, features: FeatureSettings, cache: Option<&Path>, threads: usize) -> Result<Licensed> {
        self.load_at(features, &[], cache, threads)
    }

    /// [`load`](Self::load) of what these settings train with: their feature set, in all their conditions.
    pub fn load_for(self, settings: &Settings, cache: Option<&Path>, threads: usize) -> Result<Licensed> {
        self.load_at(settings.inputs.features(), &settings.other_conditions(), cache, threads)
    }

    fn load_at(
        self,
        features: FeatureSettings,
        others: &[Condition],
        cache: Option<&Path>,
        threads: usize,
    ) -> Result<Licensed> {
        let cache = open_cache(cache)?;
        let bar = progress::bar((self.corpus.entries().len() * (1 + others.len())) as u64, "features");
        let notes = Notes::default();
        let work = Work {
            settings: &features,
            condition: Condition::AsRecorded,
            cache: cache.as_ref(),
            progress: &|_, _| bar.inc(1),
            note: &|path, note| notes.add(path, note),
            stop: interrupt::stop_flag(),
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| Error::new(Kind::Io, error.to_string()).at("threads"))?;
        let loaded = pool.install(|| {
            let mut loaded = corpus::load_dataset(&self.corpus, &work)?;
            let conditioned = |&condition: &Condition| {
                let features = corpus::load_features(&self.corpus, &Work { condition, note: &|_, _| {}, ..work })?;
                Ok(ConditionedClips { condition, features })
            };
            loaded.dataset = loaded.dataset.with_conditions(others.iter().map(conditioned).collect::<Result<_>>()?);
            Ok(loaded)
        });
        bar.finish_and_clear();
        notes.print();
        let loaded = loaded.map_err(|error: Error| error.at(self.path.display()))?;
        Ok(Licensed { loaded, features, corpus: self.corpus })
    }
}

/// The cache in the given folder, or the user's own. Where that cannot be written, as on a read-only system, there is none, and
/// features are computed every time.
fn open_cache(given: Option<&Path>) -> Result<Option<Cache>> {
    if let Some(folder) = given {
        return Cache::open(folder).map(Some);
    }
    let opened = Cache::default_folder().map(|folder| Cache::open(&folder)).transpose();
    Ok(opened.unwrap_or_else(|error| {
        eprintln!("note: features are not cached: {error}");
        None
    }))
}
