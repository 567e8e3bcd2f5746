//! The feature cache: features of an unchanged clip are not computed again.
//!
//! One file per clip. Its name is a hash of everything the features depend on, so no entry is ever out of date: a changed, replaced
//! or renamed clip or other settings give another name. An entry also holds that hash, so a copy under another name is none. The
//! oldest entries are removed when there are more than a limit. The folder may be deleted at any time.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::extract::{ClipFeatures, ClipSource, Work};
use super::npy;
use crate::files::{self, Existing};
use crate::hash::Hash;
use reslstm::audio::Sound;
use reslstm::data::condition::Condition;
use reslstm::error::{Error, Result};

/// Incremented when the front end or the speech detector computes other numbers than before, so that old entries are not found.
const FRONT_END_VERSION: u32 = 4;

/// Limit on the size of all entries, bytes.
pub const MOST_BYTES: u64 = 2 << 30;

/// A folder of cached features.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// The entries of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Their number.
    pub entries: usize,
    /// Their size.
    pub bytes: u64,
}

/// Identifies the features of one clip; the name of their file.
pub(super) struct Key(u128);

impl Cache {
    /// Opens a cache in `folder`, which is created if it does not exist.
    ///
    /// # Errors
    /// [`Kind::Io`](reslstm::error::Kind::Io) if the folder cannot be created or written to.
    pub fn open(folder: &Path) -> Result<Self> {
        files::check_writable(&folder.join("features.npy"), Existing::Replace)?;
        Ok(Cache { folder: folder.to_path_buf() })
    }

    /// The cache in `folder`, to look at it: nothing is created. A folder that does not exist has no entries.
    ///
    /// # Errors
    /// [`Kind::Io`](reslstm::error::Kind::Io) if it is no folder, or cannot be read.
    pub fn of_folder(folder: &Path) -> Result<Self> {
        match fs::read_dir(folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(folder.display(), error)),
            _ => Ok(Cache { folder: folder.to_path_buf() }),
        }
    }

    /// The default folder: `reslstm` in the user's cache folder. `None` if the environment names no such folder.
    pub fn default_folder() -> Option<PathBuf> {
        users_cache_folder(std::env::consts::OS, |name| std::env::var_os(name)).map(|folder| folder.join("reslstm"))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The key of a clip. Call it before reading the clip: if the clip changes meanwhile, it has another key next time. `None` if
    /// the file's metadata cannot be read.
    pub(super) fn key(&self, clip: ClipSource<'_>, work: &Work<'_>) -> Option<Key> {
        let path = std::path::absolute(clip.path).ok()?;
        let status = fs::metadata(&path).ok()?;
        let modified = match status.modified().ok()?.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        };
        let mut hash = Hash::new();
        // Two clips of equal size and time may change places, and a clip may be written to and get its old time back.
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            hash.bytes(&[status.dev(), status.ino()].map(u64::to_le_bytes).concat());
            hash.bytes(&[status.ctime(), status.ctime_nsec()].map(i64::to_le_bytes).concat());
        }
        hash.field(path.as_os_str().as_encoded_bytes())
            .bytes(&status.len().to_le_bytes())
            .bytes(&modified.to_le_bytes())
            .bytes(&FRONT_END_VERSION.to_le_bytes());
        hash.field(&serde_json::to_vec(work.settings).expect("plain values become JSON"));
        // Whole clips, as recorded and at their own rate, keep the keys that they have always had.
        if work.condition != Condition::AsRecorded {
            hash.field(work.condition.to_string().as_bytes());
        }
        if let Some(segment) = clip.segment {
            hash.field(segment.to_string().as_bytes());
        }
        if let Some(rate) = work.rate {
            hash.field(format!("resampled to {rate} Hz").as_bytes());
        }
        Some(Key(hash.finish()))
    }

    /// The features stored under `key`; `None` if there are none, or the entry is damaged.
    pub(super) fn get(&self, key: &Key) -> Option<ClipFeatures> {
        let bytes = files::read_bytes(&self.path(key)).ok()?;
        let (content, hash) = bytes.split_last_chunk()?;
        if u64::from_le_bytes(*hash) != Hash::new().bytes(content).finish64() {
            return None;
        }
        let (content, own_key) = content.split_last_chunk()?;
        if u128::from_le_bytes(*own_key) != key.0 {
            return None;
        }
        let (content, &[has_speech]) = content.split_last_chunk()?;
        let (content, speech) = content.split_last_chunk()?;
        let (content, level) = content.split_last_chunk()?;
        let (features, sample_rate) = content.split_last_chunk()?;
        let [level, speech] = [level, speech].map(|bytes| f64::from_le_bytes(*bytes));
        Some(ClipFeatures {
            features: npy::from_bytes(features).ok()?,
            sample_rate: u32::from_le_bytes(*sample_rate),
            sound: Sound { level, speech, has_speech: has_speech == 1 },
        })
    }

    /// Stores the features of a clip under `key`. If that fails, for example on a full disk, they are computed again next time.
    pub(super) fn put(&self, key: &Key, clip: &ClipFeatures) {
        // A .npy file, then what .npy cannot hold, and a hash of it all: entries are written without waiting for the disk, so a
        // power failure may damage them. NumPy ignores what follows the values.
        let mut bytes = npy::to_bytes(&clip.features);
        let Sound { level, speech, has_speech } = clip.sound;
        bytes.extend(clip.sample_rate.to_le_bytes());
        bytes.extend([level, speech].map(f64::to_le_bytes).as_flattened());
        bytes.push(u8::from(has_speech));
        bytes.extend(key.0.to_le_bytes());
        bytes.extend(Hash::new().bytes(&bytes).finish64().to_le_bytes());
        let _ = files::write_replaceable(&self.path(key), &bytes);
    }

    /// Counts the entries.
    pub fn content(&self) -> Content {
        let sizes = self.entries().into_iter().map(|(_, _, bytes)| bytes);
        sizes.fold(Content::default(), |sum, bytes| Content { entries: sum.entries + 1, bytes: sum.bytes + bytes })
    }

    /// Removes the oldest entries until all together have at most `most` bytes, and what killed processes were writing. Returns what
    /// was removed; entries that cannot be removed stay.
    pub fn shrink(&self, most: u64) -> Content {
        files::remove_abandoned(&self.folder);
        let mut entries = self.entries();
        entries.sort();
        let mut bytes: u64 = entries.iter().map(|(_, _, bytes)| bytes).sum();
        let mut removed = Content::default();
        for (_, path, size) in entries {
            if bytes <= most {
                break;
            }
            if fs::remove_file(path).is_ok() {
                bytes -= size;
                removed = Content { entries: removed.entries + 1, bytes: removed.bytes + size };
            }
        }
        removed
    }

    /// Time, path and size of every entry: files whose names are those of entries.
    fn entries(&self) -> Vec<(SystemTime, PathBuf, u64)> {
        let entry = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let hash = name.strip_suffix(".npy").filter(|hash| hash.len() == 32)?;
            let status = entry.metadata().ok().filter(|status| status.is_file())?;
            u128::from_str_radix(hash, 16).ok()?;
            Some((status.modified().ok()?, entry.path(), status.len()))
        };
        self.folder.read_dir().into_iter().flatten().flatten().filter_map(entry).collect()
    }

    fn path(&self, Key(hash): &Key) -> PathBuf {
        self.folder.join(format!("{hash:032x}.npy"))
    }
}

/// Each system's folder for data that programs can compute again.
fn users_cache_folder(system: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // A relative path would mean another folder wherever the program is started; the XDG specification ignores them too.
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match system {
        "windows" => folder("LOCALAPPDATA"),
        "macos" => folder("HOME").map(|home| home.join("Library/Caches")),
        _ => folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::segment::Segment;
    use reslstm::audio::FeatureSettings;
    use reslstm::matrix::Matrix;
    use std::sync::atomic::AtomicBool;

    static NEVER_STOP: AtomicBool = AtomicBool::new(false);

    fn work(settings: &FeatureSettings) -> Work<'_> {
        Work {
            settings,
            rate: None,
            condition: Condition::AsRecorded,
            cache: None,
            progress: &|_, _| {},
            note: &|_, _| {},
            stop: &NEVER_STOP,
        }
    }

    fn features() -> ClipFeatures {
        let features = Matrix::from_rows(&[[1.0, -2.5, 3.0], [4.0, 5.0, 6.0]]);
        let sound = Sound { level: f64::NEG_INFINITY, speech: 0.25, has_speech: true };
        ClipFeatures { features, sample_rate: 44_100, sound }
    }

    #[test]
    fn an_entry_is_found_until_the_clip_or_the_settings_change() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("deep/cache")).unwrap();
        let clip = folder.path().join("clip.wav");
        fs::write(&clip, b"four").unwrap();
        let settings = FeatureSettings::default();
        let whole = ClipSource::from(&clip);
        let find = |clip: ClipSource<'_>, work: &Work<'_>| cache.key(clip, work).and_then(|key| cache.get(&key));
        assert!(find(whole, &work(&settings)).is_none());
        cache.put(&cache.key(whole, &work(&settings)).unwrap(), &features());
        assert_eq!(find(whole, &work(&settings)).unwrap(), features());

        for other in [
            settings.clone().with(|s| s.n_fft = 2048).unwrap(),
            settings.clone().with(|s| s.win_length = Some(4000)).unwrap(),
            settings.clone().with(|s| s.hop = 1024).unwrap(),
            settings.clone().with(|s| s.mel_bands = 64).unwrap(),
            settings.clone().with(|s| s.mfcc = 35).unwrap(),
            settings.clone().with(|s| s.chroma = 24).unwrap(),
            settings.clone().with(|s| s.pitch = 2).unwrap(),
            settings.clone().with(|s| s.deltas = 2).unwrap(),
        ] {
            assert!(find(whole, &work(&other)).is_none(), "{other:?}");
        }
        for condition in [Condition::Speed(0.9), Condition::Speed(1.1), Condition::Telephone] {
            assert!(find(whole, &Work { condition, ..work(&settings) }).is_none(), "{condition}");
        }
        assert!(find(whole, &Work { rate: Some(16_000), ..work(&settings) }).is_none());
        for (start, end) in [("1", "2"), ("1", "3"), ("2", "")] {
            let part = ClipSource { segment: Segment::parse(start, end).unwrap(), ..whole };
            assert!(find(part, &work(&settings)).is_none(), "{start} to {end}");
            cache.put(&cache.key(part, &work(&settings)).unwrap(), &features());
        }

        let copy = folder.path().join("copy.wav");
        fs::copy(&clip, &copy).unwrap();
        assert!(find(ClipSource::from(&copy), &work(&settings)).is_none());

        // The same length a microsecond later, then longer at the same time.
        let file = fs::File::options().write(true).open(&clip).unwrap();
        let time = file.metadata().unwrap().modified().unwrap();
        file.set_modified(time + std::time::Duration::from_micros(1)).unwrap();
        assert!(find(whole, &work(&settings)).is_none());
        file.set_len(5).unwrap();
        file.set_modified(time).unwrap();
        assert!(find(whole, &work(&settings)).is_none());
        // As before, but written to: only the system's own time of the change says so.
        file.set_len(4).unwrap();
        file.set_modified(time).unwrap();
        if cfg!(unix) {
            assert!(find(whole, &work(&settings)).is_none());
        }
        cache.put(&cache.key(whole, &work(&settings)).unwrap(), &features());
        assert_eq!(find(whole, &work(&settings)).unwrap(), features());

        assert!(cache.key(ClipSource::from(&folder.path().join("missing.wav")), &work(&settings)).is_none());
    }

    #[cfg(unix)]
    #[test]
    fn clips_of_one_size_and_time_that_change_places_are_other_clips() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("cache")).unwrap();
        let [a, b, away] = ["a.wav", "b.wav", "away"].map(|name| folder.path().join(name));
        for path in [&a, &b] {
            fs::write(path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
            fs::File::options().write(true).open(path).unwrap().set_modified(UNIX_EPOCH).unwrap();
        }
        let settings = FeatureSettings::default();
        let find = |clip: &PathBuf| cache.get(&cache.key(ClipSource::from(clip), &work(&settings)).unwrap());
        cache.put(&cache.key(ClipSource::from(&a), &work(&settings)).unwrap(), &features());
        assert!(find(&a).is_some());
        for (from, to) in [(&a, &away), (&b, &a), (&away, &b)] {
            fs::rename(from, to).unwrap();
        }
        assert!(find(&a).is_none() && find(&b).is_none());
    }

    #[test]
    fn an_entry_that_was_copied_from_another_clip_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        cache.put(&Key(7), &features());
        fs::copy(cache.path(&Key(7)), cache.path(&Key(8))).unwrap();
        assert!(cache.get(&Key(7)).is_some() && cache.get(&Key(8)).is_none());
    }

    #[test]
    fn the_oldest_entries_and_half_written_files_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        for n in 0..4 {
            cache.put(&Key(n), &features());
            let time = UNIX_EPOCH + std::time::Duration::from_secs(100 - n as u64);
            fs::File::options().write(true).open(cache.path(&Key(n))).unwrap().set_modified(time).unwrap();
        }
        fs::write(folder.path().join(".reslstm-left.tmp"), b"hal").unwrap();
        fs::write(folder.path().join("thesis.npy"), b"mine").unwrap();
        let Content { entries, bytes } = cache.content();
        assert_eq!(entries, 4);
        let size = bytes / 4;
        assert_eq!(cache.shrink(bytes), Content::default());
        assert!(!folder.path().join(".reslstm-left.tmp").exists());
        assert_eq!(cache.shrink(2 * size + 1), Content { entries: 2, bytes: 2 * size });
        assert_eq!([0, 1, 2, 3].map(|n| cache.get(&Key(n)).is_some()), [true, true, false, false]);
        assert_eq!(cache.shrink(0).entries, 2);
        assert_eq!((cache.content(), folder.path().join("thesis.npy").exists()), (Content::default(), true));
    }

    #[test]
    fn a_damaged_entry_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let key = Key(7);
        cache.put(&key, &features());
        let path = cache.path(&key);
        let good = fs::read(&path).unwrap();
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            assert!(cache.get(&key).is_none(), "cut off at {length}");
        }
        for at in 0..good.len() {
            let mut damaged = good.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert!(cache.get(&key).is_none(), "a bit of byte {at}");
        }
        fs::write(&path, good).unwrap();
        assert_eq!(cache.get(&key).unwrap(), features());
    }

    #[test]
    fn an_impossible_folder_is_refused_and_a_failed_write_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"x").unwrap();
        assert_eq!(Cache::open(&file).unwrap_err().kind(), reslstm::error::Kind::Io);
        let gone = Cache { folder: folder.path().join("gone") };
        gone.put(&Key(1), &features());
        assert!(gone.get(&Key(1)).is_none());
    }

    #[cfg(unix)]
    #[test]
    fn each_system_has_its_own_cache_folder() {
        let environment = |variables: &'static [(&str, &str)]| {
            move |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let linux = &[("HOME", "/home/ada"), ("XDG_CACHE_HOME", "/fast")];
        assert_eq!(users_cache_folder("linux", environment(linux)), Some("/fast".into()));
        assert_eq!(users_cache_folder("linux", environment(&linux[..1])), Some("/home/ada/.cache".into()));
        let relative = &[("XDG_CACHE_HOME", "fast"), ("HOME", "/home/ada")];
        assert_eq!(users_cache_folder("linux", environment(relative)), Some("/home/ada/.cache".into()));
        assert_eq!(users_cache_folder("linux", environment(&[])), None);
        assert_eq!(users_cache_folder("macos", environment(linux)), Some("/home/ada/Library/Caches".into()));
        assert_eq!(users_cache_folder("windows", environment(&[("LOCALAPPDATA", "/local")])), Some("/local".into()));
        assert_eq!(users_cache_folder("windows", environment(linux)), None);
    }
}
