//! The one error type: what went wrong, where, what was expected, what was found, what to do.

use std::fmt;

/// What kind of thing was wrong; programs match on it, people read the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A recording that cannot be decoded or has nothing to analyse.
    Audio,
    /// A feature matrix of the wrong width, type or content.
    Features,
    /// A model file that is corrupt, foreign, or made for other data.
    Model,
    /// A corpus, manifest, label or split that cannot be used.
    Data,
    /// A setting outside its range, or settings that contradict each other.
    Settings,
    /// A training whose loss stopped being a number.
    Diverged,
    /// The operating system refused a read or a write.
    Io,
    /// The user asked to stop; work so far is saved.
    Interrupted,
}

/// An error a caller can act on. A bug of ours panics instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    place: Option<String>,
    problem: String,
    advice: Option<String>,
}

/// `std::result::Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// `problem` says what was expected and what was found.
    pub fn new(kind: Kind, problem: impl Into<String>) -> Self {
        Error { kind, place: None, problem: problem.into(), advice: None }
    }

    /// Adds where it happened: a file, a line of a manifest, a tensor. The innermost place stands last.
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(match self.place.take() {
            Some(inner) => format!("{place}: {inner}"),
            None => place.to_string(),
        });
        self
    }

    /// Adds what the reader can do about it.
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// An operating-system error at `place` (usually a path).
    pub fn io(place: impl fmt::Display, error: &std::io::Error) -> Self {
        Error::new(Kind::Io, error.to_string()).at(place)
    }

    /// What kind of thing was wrong.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}", self.problem)?;
        match &self.advice {
            Some(advice) => write!(f, " ({advice})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_from_the_outside_in() {
        let error = Error::new(Kind::Audio, "expected 1 to 16 channels, got 17")
            .at("header")
            .at("clip.wav")
            .advice("mix it down first");
        assert_eq!(error.to_string(), "clip.wav: header: expected 1 to 16 channels, got 17 (mix it down first)");
        assert_eq!(error.kind(), Kind::Audio);
    }
}
