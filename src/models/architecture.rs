//! The shape of a model and its name: `reslstm-sa-h64`, `lstm-sa-h128-2vectors`.

use crate::error::{Error, Kind, Result};
use crate::prelude::*;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// With or without the residual block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// LSTM-SA
    LstmSa,
    /// ResLSTM-SA
    ResLstmSa,
}

/// The shape of a model, except for its numbers of inputs and classes, which depend on the data. Written as its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Architecture {
    family: Family,
    hidden: usize,
    vectors: usize,
}

/// The largest `H` accepted: a model of 4096 units has some 70 million parameters.
const MOST_HIDDEN: usize = 4096;
/// The largest `V` accepted.
const MOST_VECTORS: usize = 64;

impl Architecture {
    /// A model of `hidden` units `H`, 1 to 4096, and `vectors` attention vectors `V`, 1 to 64.
    ///
    /// # Errors
    /// [`Kind::Settings`] if `hidden` or `vectors` is outside its range.
    pub fn new(family: Family, hidden: usize, vectors: usize) -> Result<Self> {
        let bad = |what: &str, most: usize, got: usize| {
            Err(Error::new(Kind::Settings, format!("expected 1 to {most} {what}, got {got}")))
        };
        if !(1..=MOST_HIDDEN).contains(&hidden) {
            return bad("hidden units", MOST_HIDDEN, hidden);
        }
        if !(1..=MOST_VECTORS).contains(&vectors) {
            return bad("attention vectors", MOST_VECTORS, vectors);
        }
        Ok(Architecture { family, hidden, vectors })
    }

    /// The shape of an existing model.
    pub(super) fn of_shape(family: Family, hidden: usize, vectors: usize) -> Self {
        Architecture { family, hidden, vectors }
    }

    /// The same model with or without the residual block.
    pub fn with_family(self, family: Family) -> Self {
        Architecture { family, ..self }
    }

    /// With or without the residual block.
    pub fn family(&self) -> Family {
        self.family
    }

    /// `H`, hidden units of the LSTM under the attention.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// `V`, attention vectors.
    pub fn vectors(&self) -> usize {
        self.vectors
    }

    /// Multiply-adds of the LSTMs for one frame of `D` inputs, which is nearly all of a forward's work: `4·H·(D + H)`, and
    /// `4·D·(D + D)` before it in the residual block.
    pub fn multiply_adds(&self, inputs: usize) -> usize {
        let lstm = |hidden: usize| 4 * hidden * (inputs + hidden);
        match self.family {
            Family::LstmSa => lstm(self.hidden),
            Family::ResLstmSa => lstm(inputs) + lstm(self.hidden),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::LstmSa => "lstm-sa",
            Family::ResLstmSa => "reslstm-sa",
        };
        write!(f, "{family}-h{}", self.hidden)?;
        if self.vectors == 1 { Ok(()) } else { write!(f, "-{}vectors", self.vectors) }
    }
}

impl TryFrom<String> for Architecture {
    type Error = Error;
    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<Architecture> for String {
    fn from(architecture: Architecture) -> String {
        architecture.to_string()
    }
}

impl FromStr for Architecture {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let unknown = || {
            Error::new(Kind::Settings, format!("expected an architecture like reslstm-sa-h64, got '{name}'"))
                .advice("lstm-sa-hH, reslstm-sa-hH or lstm-sa-hH-2vectors, H being the hidden units")
        };
        let (family, rest) = if let Some(rest) = name.strip_prefix("lstm-sa-h") {
            (Family::LstmSa, rest)
        } else {
            (Family::ResLstmSa, name.strip_prefix("reslstm-sa-h").ok_or_else(unknown)?)
        };
        let (hidden, vectors) = match rest.split_once('-') {
            None => (rest, "1"),
            Some((hidden, vectors)) => (hidden, vectors.strip_suffix("vectors").ok_or_else(unknown)?),
        };
        let number = |digits: &str| digits.parse().map_err(|_| unknown());
        Architecture::new(family, number(hidden)?, number(vectors)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Model;
    use crate::params::{Parameters, Path};

    #[test]
    fn names_and_architectures_correspond() {
        for name in ["lstm-sa-h32", "reslstm-sa-h64", "lstm-sa-h128-2vectors"] {
            assert_eq!(name.parse::<Architecture>().unwrap().to_string(), name);
        }
        for name in ["", "lstm-sa", "lstm-sa-h", "lstm-sa-h0", "reslstm-sa-h64-vectors", "gru-h5", "lstm-sa-h99999"] {
            assert_eq!(name.parse::<Architecture>().unwrap_err().kind(), Kind::Settings, "{name}");
        }
    }

    #[test]
    fn multiply_adds_are_those_of_the_weight_matrices() {
        for name in ["lstm-sa-h32", "lstm-sa-h5-2vectors", "reslstm-sa-h64"] {
            let arch: Architecture = name.parse().unwrap();
            let mut weights = 0;
            Model::<f32>::zeros(arch, 46, 8).visit(&Path::ROOT, &mut |path, _, _, values| {
                if path.to_string().contains("lstm") && path.to_string().contains("weight") {
                    weights += values.len();
                }
            });
            assert_eq!(arch.multiply_adds(46), weights, "{name}");
        }
    }

    #[test]
    fn parameter_counts_are_those_of_the_paper() {
        let counts = [
            ("lstm-sa-h32", 10_600),
            ("lstm-sa-h64", 29_384),
            ("lstm-sa-h128", 91_528),
            ("lstm-sa-h128-2vectors", 91_656),
            ("reslstm-sa-h32", 27_988),
            ("reslstm-sa-h64", 46_772),
            ("reslstm-sa-h128", 108_916),
        ];
        for (name, count) in counts {
            let model = Model::<f32>::zeros(name.parse().unwrap(), 46, 8);
            assert_eq!(model.parameter_count(), count, "{name}");
            assert_eq!(model.architecture().to_string(), name);
        }
    }
}
