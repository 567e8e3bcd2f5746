//! `DATA`: a corpus loaded for training or evaluation, with its licence.

use super::notes::Notes;
use super::{interrupt, progress};
use crate::corpus::{self, Cache, Corpus, Entry, Loaded, Work};
use reslstm::audio::FeatureSettings;
use reslstm::data::condition::Condition;
use reslstm::data::folds::{FoldPlan, Split};
use reslstm::data::{ConditionedClips, Dataset};
use reslstm::error::{Error, Kind, Result};
use reslstm::matrix::Matrix;
use reslstm::train::{Settings, TrainingData, Validation};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A loaded corpus, and what models trained on it must say.
pub struct Licensed {
    loaded: Loaded,
    features: FeatureSettings,
    corpus: Corpus,
    cache: Option<Cache>,
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

    /// Features `[T,D]` of every clip in a condition, from the cache where they are there, on the threads of the pool this is called
    /// in.
    pub fn features_in(&self, condition: Condition) -> Result<Vec<Matrix<f32>>> {
        let stop = interrupt::stop_flag();
        let (settings, cache) = (&self.features, self.cache.as_ref());
        let work = Work { settings, condition, cache, progress: &|_, _| {}, note: &|_, _| {}, stop };
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
    /// Finds the clips of a folder or a manifest, and says on stderr what is left out and how a table was understood.
    pub fn open(data: &Path) -> Result<Self> {
        let found = Self::find(data)?;
        found.print_notes();
        Ok(found)
    }

    /// [`open`](Self::open) without the notes.
    pub fn find(data: &Path) -> Result<Self> {
        Ok(Found { corpus: Corpus::open(data)?, path: data.to_path_buf() })
    }

    /// Says on stderr what is left out and how a table was understood.
    pub fn print_notes(&self) {
        self.corpus.notes().iter().for_each(|note| eprintln!("{note}"));
    }

    /// Whether every clip is a matrix of features, without a recording that could be played faster or through a telephone.
    pub fn holds_features_only(&self) -> bool {
        let is_matrix = |path: &Path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"));
        self.corpus.entries().iter().all(|entry| is_matrix(&entry.path))
    }

    /// Its speakers, each once, sorted.
    fn speakers(&self) -> BTreeSet<&String> {
        self.corpus.entries().iter().map(|entry| &entry.speaker).collect()
    }

    /// The folds of its speakers.
    pub fn splits(&self, plan: &FoldPlan) -> Result<Vec<Split>> {
        let speakers: Vec<String> = self.speakers().into_iter().cloned().collect();
        plan.splits(&speakers).map_err(|error| error.at(self.path.display()))
    }

    /// [`splits`](Self::splits), with notes on stderr: if the speakers are too few for the standard folds, and if a fold's training
    /// speakers lack a class.
    pub fn splits_with_notes(&self, plan: &FoldPlan, validation: Validation) -> Result<Vec<Split>> {
        let splits = self.splits(plan)?;
        let speakers = self.speakers().len();
        if plan.is_leave_one_out_for(speakers) {
            eprintln!("note: {speakers} speakers are too few for five folds, so each fold leaves out one");
        }
        for split in &splits {
            for (class, name) in self.corpus.labels().names().iter().enumerate() {
                let clips = |speakers: &[String]| {
                    let is_one = |entry: &&Entry| entry.label == class && speakers.contains(&entry.speaker);
                    self.corpus.entries().iter().filter(is_one).count()
                };
                let train =
                    clips(split.train()) + if validation == Validation::Train { clips(split.validation()) } else { 0 };
                if train == 0 {
                    let (fold, test) = (split.fold(), clips(split.test()));
                    eprintln!(
                        "warning: fold {fold}: no training speaker has a clip of '{name}', so none of its {test} test clips can \
                         be recognised"
                    );
                }
            }
        }
        Ok(splits)
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
        let bar = progress::bar((self.corpus.entries().len() * (1 + others.len())) as u64, "features", "clips");
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
        Ok(Licensed { loaded, features, corpus: self.corpus, cache })
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
