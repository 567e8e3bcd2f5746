//! A corpus on disk: found, read, turned into features once, and remembered.
//!
//! ```text
//!  DATA ──folders──▶ Corpus: files, labels, speakers ──extract──▶ Dataset: features of every clip
//!                                                        ▲  │
//!                                                        └──┴── cache: one .npy a clip
//! ```
//!
//! | file            | what                                                                    |
//! |-----------------|-------------------------------------------------------------------------|
//! | [`folders`]     | which clips there are: a RAVDESS folder, or a manifest                   |
//! | [`mod@extract`] | their features, on all cores                                            |
//! | [`condition`]   | what a telephone, noise or another speed does to a recording            |
//! | [`cache`]       | features of clips that have not changed are not computed again          |
//! | [`npy`]         | features as NumPy reads and writes them                                 |
//! | [`resample`]    | recordings at another rate, or played at another speed                  |

pub mod cache;
pub mod condition;
pub mod extract;
pub mod folders;
pub mod manifest;
pub mod npy;
pub mod resample;

pub use cache::Cache;
pub use extract::{ClipFeatures, Loaded, Work, extract, load_dataset, load_heard};
pub use folders::{Corpus, Entry, SYNTHETIC_NOTE, Source, find_audio};

use reslstm::error::{Error, Kind};

/// How many faults an error names before it only counts the rest.
const MOST_NAMED: usize = 10;

/// One error of kind [`Kind::Data`] for several faults: the first ten in full, a line each.
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
