//! The one error type: what went wrong, where, what was expected, what was found, what to do.

use crate::prelude::*;
use alloc::sync::Arc;
use core::fmt;

/// What kind of thing was wrong; programs match on it, people read the message. More kinds may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A recording that cannot be decoded or has nothing to analyse.
    Audio,
    /// A feature matrix of the wrong width, type or content.
    Features,
    /// A model file that is corrupt, not one of this program's, or made for other data.
    Model,
    /// A corpus, manifest, label or split that cannot be used.
    Data,
    /// A setting outside its range, or settings that contradict each other.
    Settings,
    /// A training whose loss stopped being a number.
    Diverged,
    /// The operating system refused a read or a write.
    Io,
    /// Stopped by the user; work so far is saved.
    Interrupted,
}

/// An error a caller can act on. A bug of this crate panics instead.
///
/// The message is complete: it includes the text of the cause, if there is one. [`source`](std::error::Error::source) gives the
/// cause itself to programs. Two errors are equal if their kinds and messages are.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    place: Option<String>,
    problem: String,
    advice: Option<String>,
    cause: Option<Arc<dyn core::error::Error + Send + Sync>>,
}

/// `std::result::Result` with this crate's [`Error`].
pub type Result<T> = core::result::Result<T, Error>;

impl Error {
    /// An error without a cause; `problem` says what was expected and what was found.
    pub fn new(kind: Kind, problem: impl Into<String>) -> Self {
        Error { kind, place: None, problem: problem.into(), advice: None, cause: None }
    }

    /// An error whose problem is another error, which becomes its [`source`](std::error::Error::source).
    pub fn caused_by(kind: Kind, cause: impl core::error::Error + Send + Sync + 'static) -> Self {
        Error::new(kind, cause.to_string()).with_cause(cause)
    }

    /// Adds the error that led to this one. The message stays.
    pub fn with_cause(mut self, cause: impl core::error::Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// Adds where it happened: a file, a line of a manifest, a tensor. Outer places come first in the message.
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
    #[cfg(feature = "std")]
    pub fn io(place: impl fmt::Display, cause: std::io::Error) -> Self {
        Error::caused_by(Kind::Io, cause).at(place)
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

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        let message = |error: &Self| (error.place.clone(), error.problem.clone(), error.advice.clone());
        self.kind == other.kind && message(self) == message(other)
    }
}

impl Eq for Error {}

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

    #[test]
    fn the_cause_is_kept_and_its_text_is_in_the_message() {
        let cause = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let text = cause.to_string();
        let error = Error::io("clip.wav", cause).at("corpus");
        assert_eq!(error.to_string(), format!("corpus: clip.wav: {text}"));
        let source = std::error::Error::source(&error).unwrap().downcast_ref::<std::io::Error>().unwrap();
        assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied);
        assert_eq!(error, Error::new(Kind::Io, text).at("clip.wav").at("corpus"), "equal as kind and message are");
        assert!(std::error::Error::source(&Error::new(Kind::Audio, "no samples")).is_none());
    }
}
