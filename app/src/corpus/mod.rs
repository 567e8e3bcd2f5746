//! A corpus on disk: finding its clips, reading them, computing their features, and caching these.
//!
//! ```text
//!  DATA ──folders──▶ Corpus: files, labels, speakers ──extract──▶ Dataset: features of every clip
//!                                                        ▲  │
//!                                                        └──┴── cache: one .npy per clip
//! ```
//!
//! | file            | content                                                                 |
//! |-----------------|-------------------------------------------------------------------------|
//! | [`folders`]     | the clips of a corpus: a folder of a known corpus, or a manifest        |
//! | [`known`]       | corpora that are recognised by the names of their files                 |
//! | [`by_label`]    | a folder per label, and a pattern for the speaker                       |
//! | `relabel`       | the labels of a corpus under other names                                |
//! | [`common_labels`] | labels that two corpora, or a model and a corpus, have in common      |
//! | `merge`         | several corpora as one                                                  |
//! | [`overview`]    | what a corpus is, in numbers                                            |
//! | [`manifest`]    | a table of clips                                                        |
//! | [`from_table`]  | the clips of a corpus that a table lists, and the table of a corpus     |
//! | [`segment`]     | clips that are parts of a file                                          |
//! | [`reading`]     | how a corpus is read: columns, names that look alike, songs             |
//! | [`rates`]       | the sample rates of a corpus                                            |
//! | [`mod@extract`] | features of many clips, on all cores                                    |
//! | [`condition`]   | recording conditions: telephone, noise, another speed                   |
//! | [`cache`]       | the feature cache                                                       |
//! | [`npy`]         | features as NumPy's `.npy` files                                        |
//! | [`resample`]    | other sample rates and playback speeds                                  |
//! | [`sound`]       | sound files of every kind that is read                                  |

pub mod by_label;
pub mod cache;
pub mod common_labels;
pub mod condition;
pub mod extract;
pub mod folders;
pub mod from_table;
pub mod known;
mod lookalikes;
pub mod manifest;
mod merge;
pub mod npy;
pub mod overview;
pub mod rates;
pub mod reading;
mod relabel;
pub mod resample;
pub mod segment;
pub mod sound;

pub use cache::{Cache, MOST_BYTES as MOST_CACHED_BYTES};
pub use extract::{
    ClipFeatures, ClipSource, Loaded, Work, content, extract, load_dataset, load_in_condition, read_clip,
};
pub use folders::{Corpus, Entry, SYNTHETIC_NOTE, find_audio};
pub use rates::Rates;
pub use reading::Reading;

use reslstm::error::{Error, Kind};

/// Number of faults that an error names; it counts the rest.
const MOST_NAMED: usize = 10;

/// One error of kind [`Kind::Data`] for several faults: the first ten in full, one per line.
fn all_faults(what: &str, faults: &[String]) -> Error {
    let mut problem = what.to_string();
    for fault in faults.iter().take(MOST_NAMED) {
        problem += "\n  ";
        problem += fault;
    }
    if faults.len() > MOST_NAMED {
        problem += &format!("\n  and {} more", faults.len() - MOST_NAMED);
    }
    Error::new(Kind::Data, problem)
}
