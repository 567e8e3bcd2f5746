"""Recognise emotion in speech: an LSTM with attention and residual connection, written by hand in Rust.

>>> import numpy as np, reslstm
>>> model = reslstm.load()                       # bundled; or load("paper"), load("model.safetensors")
>>> tone = np.sin(np.arange(48_000) * 0.05).astype(np.float32)
>>> prediction = model.predict(tone, rate=48_000)
>>> prediction.has_speech                        # nobody speaks, so the label says nothing
False
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Optional, Sequence, Union

import numpy as np

from . import _engine

__all__ = ["EmotionClassifier", "Model", "Moment", "Prediction", "Stream", "features", "load", "train"]


@dataclass(frozen=True)
class Prediction:
    """The most probable emotion of a recording."""

    label: str
    """The most probable class. It says nothing where ``has_speech`` is false."""
    probabilities: dict[str, float]
    """The probability of every class."""
    level: Optional[float]
    """Level of the sound, dB of full scale; none for features."""
    speech: Optional[float]
    """Share of the sound in which a voice is heard, 0 to 1; none for features."""
    has_speech: Optional[bool]
    """Whether somebody speaks; none for features."""
    unlike: Optional[float] = None
    """How unlike the training clips: near 1 for one of them; none for models that cannot say it."""


@dataclass(frozen=True)
class Moment:
    """The prediction for a recording so far."""

    time: float
    """Seconds from the beginning of the recording to the middle of its latest frame."""
    prediction: Prediction


def _samples(samples: Any) -> np.ndarray:
    """One channel as float32, full scale -1 to 1. Integers are scaled by their type's range."""
    array = np.asarray(samples)
    if array.ndim != 1:
        raise ValueError(
            f"samples: expected one channel, shape (n,), got shape {array.shape}: "
            "take one channel, or the mean over the axis of the channels"
        )
    if array.dtype == np.uint8:  # as in WAV files: 128 is silence
        return (array.astype(np.float32) - 128) / 128
    if np.issubdtype(array.dtype, np.signedinteger):
        return (array / -float(np.iinfo(array.dtype).min)).astype(np.float32)
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"samples: expected floats, signed integers or uint8, got {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.float32)


def _matrix(features: Any) -> np.ndarray:
    """Features [T,D] as contiguous float32."""
    array = np.ascontiguousarray(features, dtype=np.float32)
    if array.ndim != 2:
        raise ValueError(f"features: expected one row per frame, shape (T, D), got shape {array.shape}")
    return array


class Stream:
    """A recording that is still going on. Memory does not grow."""

    def __init__(self, stream: Any, labels: list[str]):
        self._stream, self._labels = stream, labels

    def push(self, samples: Any) -> list[Moment]:
        """One moment for each frame that the next samples complete: none, one or several."""
        return self._moments(self._stream.push(_samples(samples)))

    def finish(self) -> list[Moment]:
        """Ends the recording: one moment for each frame that reaches beyond its end."""
        return self._moments(self._stream.finish())

    def _moments(self, moments: Iterable[Any]) -> list[Moment]:
        return [Moment(time, _prediction(parts, self._labels)) for time, parts in moments]


class Model:
    """A trained model. :func:`load` reads one, :func:`train` makes one."""

    def __init__(self, engine: Any):
        self._engine = engine
        self.labels: list[str] = engine.labels()
        """Class names."""

    @property
    def metadata(self) -> Optional[dict[str, Any]]:
        """The description in the model file: labels, feature settings, speakers, scores, licence."""
        text = self._engine.metadata()
        return None if text is None else json.loads(text)

    def save(self, path: Union[str, os.PathLike]) -> None:
        """Writes a .safetensors file, which the command and every other interface read."""
        with open(path, "wb") as file:
            file.write(bytes(self._engine.to_bytes()))

    def enrol(self, profile: Optional[Union[str, os.PathLike]]) -> None:
        """Predicts the speaker of a profile, a file that ``reslstm enrol`` wrote, from now on; with ``None``, any speaker.

        Only models that were trained with enrolment take one.
        """
        data = None if profile is None else _read(profile)
        _naming(profile, lambda: self._engine.enrol(data))

    def predict(self, samples: Any, rate: int) -> Prediction:
        """Predicts the emotion of one channel of samples at ``rate`` Hz: floats from -1 to 1, or integers."""
        return _prediction(self._engine.predict(_samples(samples), rate), self.labels)

    def predict_features(self, features: Any) -> Prediction:
        """Predicts from features [T,D], not normalised, as :meth:`features` makes them."""
        return _prediction(self._engine.predict_features(_matrix(features)), self.labels)

    def features(self, samples: Any, rate: int) -> np.ndarray:
        """The features [T,D] that the model reads, not normalised."""
        return self._engine.features(_samples(samples), rate)

    def stream(self, rate: int) -> Stream:
        """Begins a recording at ``rate`` Hz whose samples come in portions."""
        return Stream(self._engine.stream(rate), self.labels)

    def explain(self, samples: Any, rate: int, label: Optional[str] = None, branch: int = 1) -> dict[str, Any]:
        """Everything between features and probabilities, as arrays.

        ``x`` [T,D] normalised features; ``lstms``: per LSTM the gates ``i f g o`` and states ``c h`` [T,H], and the
        norms of the loss gradients by them [T]; ``scores`` [T,V] and ``attention`` [T]; ``probabilities`` [T,K] of the
        clip up to each frame; ``input_gradient`` [T,D] and ``loss`` of ``label`` (default: the predicted class). Of a
        model with several networks, those of ``branch``, from 1, and D is the number of columns that it reads.
        """
        features = self.features(samples, rate)
        label = self.predict_features(features).label if label is None else label
        if label not in self.labels:
            raise ValueError(f"label: expected one of {', '.join(self.labels)}, got {label}")
        return self._engine.explain(features, self.labels.index(label), branch)


def _prediction(parts: Any, labels: list[str]) -> Prediction:
    label, probabilities, level, speech, has_speech, unlike = parts
    return Prediction(label, dict(zip(labels, probabilities)), level, speech, has_speech, unlike)


def load(
    path: Optional[Union[str, os.PathLike]] = None, profile: Optional[Union[str, os.PathLike]] = None
) -> Model:
    """Reads a model file (.safetensors), or one of the bundled models, trained on RAVDESS (CC BY-NC-SA 4.0): ``speech``
    (three networks, for recordings; without a path) or ``paper`` (one network, for looking inside).

    ``profile`` enrols a speaker, see :meth:`Model.enrol`.
    """
    path = "speech" if path is None else path
    bundled = _engine.Model.bundled(path) if isinstance(path, str) else None
    model = Model(bundled or _naming(path, lambda: _engine.Model(_read(path))))
    if profile is not None:
        model.enrol(profile)
    return model


def _read(path: Union[str, os.PathLike]) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _naming(path: Optional[Union[str, os.PathLike]], work: Callable[[], Any]) -> Any:
    """The result of ``work``, whose errors are of the file at ``path``."""
    try:
        return work()
    except ValueError as error:
        raise error if path is None else ValueError(f"{os.fspath(path)}: {error}") from None


def features(samples: Any, rate: int, inputs: str = "paper") -> np.ndarray:
    """Features [T,D] of one channel, not normalised: ``paper`` is 34 MFCC and 12 chroma, as librosa computes them.

    For ``speech``, samples at other rates than 16,000 Hz are resampled to it.
    """
    return _engine.features(_samples(samples), rate, inputs)


def train(
    features: Sequence[Any],
    labels: Sequence[str],
    speakers: Optional[Sequence[str]] = None,
    *,
    rate: int,
    on_epoch: Optional[Callable[[int, float], Any]] = None,
    **settings: Any,
) -> Model:
    """Trains a model on features [T,D] of clips with their labels.

    ``rate`` is that of the recordings, as given to :func:`features`. ``settings`` are those of a configuration file, with
    ``_`` for ``-``: ``arch``, ``inputs``, ``epochs``, ``batch``, ``lr``, ``weight_decay``, ``dropout``, ``seed``, …
    ``on_epoch`` is called with the number of each epoch and its training loss.
    """
    speakers = ["unknown"] * len(labels) if speakers is None else speakers
    if not len(features) == len(labels) == len(speakers):
        raise ValueError(
            f"expected one label and one speaker per clip, got {len(features)} clips, {len(labels)} labels, "
            f"{len(speakers)} speakers"
        )
    text = json.dumps({name.replace("_", "-"): value for name, value in settings.items()})
    clips = [_matrix(clip) for clip in features]
    return Model(_engine.train(clips, list(map(str, labels)), list(map(str, speakers)), rate, text, on_epoch))


class EmotionClassifier:
    """A classifier as scikit-learn has them; ``X`` is a list of features [T,D].

    Parameters are those of :func:`train`.
    """

    def __init__(self, rate: int = 48_000, **settings: Any):
        self.rate = rate
        self._settings = settings

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"rate": self.rate, **self._settings}

    def set_params(self, **parameters: Any) -> "EmotionClassifier":
        self.rate = parameters.pop("rate", self.rate)
        self._settings.update(parameters)
        return self

    def fit(self, X: Sequence[Any], y: Sequence[Any], speakers: Optional[Sequence[str]] = None) -> "EmotionClassifier":
        self.model_ = train(X, y, speakers, rate=self.rate, **self._settings)
        # The model's labels are text; predictions are values as `y` has them.
        values = {str(label): label for label in y}
        self.classes_ = np.array([values[label] for label in self.model_.labels])
        return self

    def predict_proba(self, X: Iterable[Any]) -> np.ndarray:
        return np.array([list(self.model_.predict_features(clip).probabilities.values()) for clip in X])

    def predict(self, X: Iterable[Any]) -> np.ndarray:
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def score(self, X: Sequence[Any], y: Sequence[Any]) -> float:
        """Share of clips with the right label."""
        return float(np.mean(self.predict(X) == np.asarray(y)))
