"""What the package promises. RESLSTM is the command, to compare with; without it those tests are skipped."""

import json
import os
import pathlib
import subprocess
import threading
import time
import wave

import numpy as np
import pytest
from safetensors.numpy import load_file

import reslstm

ROOT = pathlib.Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "features"
COMMAND = os.environ.get("RESLSTM")


def voice(rate=48_000, seconds=2.0):
    """Something with harmonics that move."""
    t = np.arange(int(rate * seconds)) / rate
    phase = 2 * np.pi * (140 * t + 20 * np.sin(2 * np.pi * 3 * t))
    return (0.2 * sum(np.sin(k * phase) / k for k in range(1, 12))).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return reslstm.load()


@pytest.fixture(scope="module")
def paper():
    return reslstm.load("paper")


@pytest.mark.skipif(not COMMAND, reason="RESLSTM is not set")
def test_predictions_are_those_of_the_command(model, tmp_path):
    subprocess.run([COMMAND, "synth", tmp_path / "speech", "--speakers", "1", "--repetitions", "1"], check=True)
    clips = sorted((tmp_path / "speech").rglob("*.wav"))
    lines = subprocess.run([COMMAND, "predict", "--no-gate", "--json", *clips], check=True, capture_output=True).stdout
    assert len(clips) == len(lines.splitlines()) > 10
    for clip, line in zip(clips, lines.splitlines()):
        with wave.open(str(clip)) as file:
            rate, samples = file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), np.int16)
        expected, got = json.loads(line), model.predict(samples, rate)
        assert got.label == expected["label"]
        # The command prints float32 with all its digits.
        for label, probability in expected["probabilities"].items():
            assert abs(got.probabilities[label] - probability) < 1e-6
        assert got.level == pytest.approx(expected["level"], abs=0.06)
        assert got.unlike == pytest.approx(expected["unlike"], abs=6e-4)


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory):
    """A model with branches that was trained with enrolment, the profile of a speaker, and one of its clips."""
    dir = tmp_path_factory.mktemp("enrolled")

    def run(*words):
        return subprocess.run([COMMAND, *words], check=True, capture_output=True, cwd=dir).stdout

    run("synth", "speech", "--speakers", "6", "--statements", "1", "--repetitions", "1")
    settings = ["--arch", "lstm-sa-h4", "--branches", "mfcc,chroma", "--enrolment", "4", "--epochs", "2", "--weights", "last"]
    run("train", "speech", *settings, "--all", "-o", "model.safetensors")
    clips = sorted((dir / "speech" / "Actor_03").glob("*.wav"))
    run("enrol", *clips[:5], "--model", "model.safetensors", "-o", "profile.json")
    return dir, clips[6], run


@pytest.mark.skipif(not COMMAND, reason="RESLSTM is not set")
def test_profiles_and_branches_are_those_of_the_command(enrolled):
    dir, clip, run = enrolled
    with wave.open(str(clip)) as file:
        rate, samples = file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), np.int16)
    base = ["predict", "--no-gate", "--json", "--model", "model.safetensors"]
    model = reslstm.load(dir / "model.safetensors", profile=dir / "profile.json")
    assert model.metadata["branches"] == "mfcc,chroma"

    def worst(got, line):
        return max(abs(got.probabilities[k] - p) for k, p in json.loads(line)["probabilities"].items())

    with_profile = run(*base, "--enrol", "profile.json", clip)
    assert worst(model.predict(samples, rate), with_profile) < 1e-6
    stream = model.stream(rate)
    last = (stream.push(samples) + stream.finish())[-1].prediction
    with open(clip, "rb") as file:
        live = subprocess.run(
            [COMMAND, *base, "--enrol", "profile.json", "--live"], check=True, capture_output=True, cwd=dir, stdin=file
        )
    assert worst(last, live.stdout.splitlines()[-1]) < 1e-6
    model.enrol(None)
    assert worst(model.predict(samples, rate), run(*base, clip)) < 1e-6
    assert worst(model.predict(samples, rate), with_profile) > 1e-4
    with pytest.raises(ValueError, match="profile.json: .*a model trained with enrolment"):
        reslstm.load("paper", profile=dir / "profile.json")
    with pytest.raises(ValueError, match="model.safetensors: profile: "):
        model.enrol(dir / "model.safetensors")


def test_features_are_those_of_librosa():
    golden = load_file(GOLDEN / "features.safetensors")
    compared = 0
    for clip in sorted((GOLDEN / "wav").glob("*-pcm16-mono.wav")):
        with wave.open(str(clip)) as file:
            rate, samples = file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), np.int16)
        expected, got = golden[f"{clip.stem}.features"], reslstm.features(samples, rate)
        assert got.shape == expected.shape and got.dtype == np.float32
        # The bounds of tests/golden_features.rs.
        assert np.abs(got - expected)[:, :34].max() <= 1e-2, clip.name
        assert np.abs(got - expected)[:, 34:].max() <= 1e-3, clip.name
        compared += 1
    assert compared > 2


def test_any_type_of_number_gives_the_same(model):
    samples = np.round(voice() * 32767).astype(np.int16)
    expected = model.predict(samples, 48_000)
    for other in [
        samples / 32768,
        (samples / 32768).astype(np.float32),
        samples.astype(np.int32) * 65536,
        np.stack([samples, samples])[1],
        list(samples / 32768),
        np.repeat(samples, 2)[::2],
    ]:
        got = model.predict(other, 48_000)
        assert max(abs(got.probabilities[k] - p) for k, p in expected.probabilities.items()) < 1e-5
    assert set(expected.probabilities) == set(model.labels)
    assert abs(sum(expected.probabilities.values()) - 1) < 1e-5


def test_bad_input_says_what_is_wrong(model, tmp_path):
    for samples, message in [
        (np.zeros((2, 100)), r"one channel, shape \(n,\), got shape \(2, 100\)"),
        (np.zeros(100, bool), "expected floats, signed integers or uint8, got bool"),
        (np.zeros(0), "at least one sample"),
        ([0.0, float("nan")], "got NaN at sample 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.predict(samples, 48_000)
    with pytest.raises(ValueError, match="sample rate of 1000 to 1000000 Hz, got 3"):
        model.predict(np.zeros(100), 3)
    with pytest.raises(ValueError, match="label: expected one of .*, got bored"):
        model.explain(voice(), 48_000, label="bored")
    with pytest.raises(FileNotFoundError):
        reslstm.load(tmp_path / "none.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(ValueError, match="cut.safetensors: expected a safetensors file"):
        reslstm.load(tmp_path / "cut.safetensors")


def test_a_stream_ends_where_its_clip_does(paper):
    samples, stream = voice(), paper.stream(48_000)
    moments = [moment for portion in np.array_split(samples, 50) for moment in stream.push(portion)]
    moments += stream.finish()
    assert len(moments) == 1 + len(samples) // 2048
    assert [moment.time for moment in moments] == sorted(moment.time for moment in moments)
    whole = paper.predict(samples, 48_000)
    # Live features differ where the floor rose or the tuning moved.
    assert max(abs(moments[-1].prediction.probabilities[k] - p) for k, p in whole.probabilities.items()) < 0.2
    with pytest.raises(ValueError, match="the stream has ended"):
        stream.push(samples)


def test_explain_has_every_value_between_features_and_probabilities(paper):
    all = paper.explain(voice(), 48_000)
    frames, inputs = all["x"].shape
    assert list(all["lstms"]) == ["lstm1", "lstm2"]
    for lstm in all["lstms"].values():
        before = np.vstack([np.zeros_like(lstm["c"][:1]), lstm["c"][:-1]])
        assert np.allclose(lstm["f"] * before + lstm["i"] * lstm["g"], lstm["c"], atol=1e-5)
        assert np.allclose(lstm["o"] * np.tanh(lstm["c"]), lstm["h"], atol=1e-5)
        assert lstm["h_gradient_norm"].shape == (frames,)
    exp = np.exp(all["scores"] - all["scores"].max(axis=0))
    assert np.allclose((exp / exp.sum(axis=0)).mean(axis=1), all["attention"], atol=1e-6)
    assert all["probabilities"].shape == (frames, len(paper.labels))
    assert all["loss"] == pytest.approx(-np.log(all["probabilities"][-1].max()), abs=1e-4)
    assert all["input_gradient"].shape == (frames, inputs) and np.abs(all["input_gradient"]).max() > 0


def test_explain_shows_one_branch_of_several(model):
    columns = [model.explain(voice(), 48_000, branch=branch)["x"].shape[1] for branch in (1, 2, 3)]
    assert columns == [47, 37, 61]
    with pytest.raises(ValueError, match="branch: expected 1 to 3, got 4"):
        model.explain(voice(), 48_000, branch=4)


def corpus():
    """Two classes that differ in one column."""
    random = np.random.default_rng(0)
    labels = ["low", "high"] * 12
    clips = [random.normal(size=(12, 46)) + (3 if label == "high" else -3) * np.eye(46)[5] for label in labels]
    return clips, labels, [f"speaker {n % 6}" for n in range(24)]


def test_speech_features_are_made_and_trained_on_at_16_khz(model):
    features = reslstm.features(voice(), 48_000, inputs="speech")
    assert features.shape[1] == 61 and np.array_equal(features, model.features(voice(), 48_000))
    clips = [features + (3 if n % 2 else -3) * np.eye(61)[5] for n in range(8)]
    settings = dict(inputs="speech", arch="lstm-sa-h4", epochs=1)
    trained = reslstm.train(clips, ["low", "high"] * 4, rate=48_000, **settings)
    assert trained.metadata["sample_rate"] == 16_000
    assert np.array_equal(trained.features(voice(), 48_000), features)


def test_training_learns_saves_and_repeats_itself(tmp_path):
    clips, labels, speakers = corpus()
    losses = []
    settings = dict(rate=48_000, arch="lstm-sa-h4", epochs=6, seed=3)
    trained = reslstm.train(clips, labels, speakers, on_epoch=lambda epoch, loss: losses.append(loss), **settings)
    assert len(losses) == 6 and losses[-1] < losses[0]
    assert [trained.predict_features(clip).label for clip in clips] == labels
    trained.save(tmp_path / "model.safetensors")
    again = reslstm.train(clips, labels, speakers, **settings)
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "model.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    read = reslstm.load(tmp_path / "model.safetensors")
    assert read.predict_features(clips[0]) == trained.predict_features(clips[0])
    assert read.metadata["architecture"] == "lstm-sa-h4"
    with pytest.raises(ValueError, match="epochs: expected 1 to 1,000,000, got 0"):
        reslstm.train(clips, labels, speakers, rate=48_000, epochs=0)
    with pytest.raises(ValueError, match="unknown field `epoch`"):
        reslstm.train(clips, labels, speakers, rate=48_000, epoch=3)

    def interrupt(epoch, loss):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reslstm.train(clips, labels, speakers, on_epoch=interrupt, **settings)


def test_a_classifier_fits_and_predicts_as_scikit_learns_do():
    clips, labels, _ = corpus()
    classifier = reslstm.EmotionClassifier(arch="lstm-sa-h4", epochs=6)
    assert classifier.get_params() == {"rate": 48_000, "arch": "lstm-sa-h4", "epochs": 6}
    assert classifier.set_params(epochs=20).fit(clips, labels).score(clips, labels) == 1.0
    assert classifier.predict_proba(clips).shape == (24, 2) and list(classifier.classes_) == ["high", "low"]
    numbers = np.array([7 if label == "high" else 10 for label in labels])
    assert classifier.fit(clips, numbers).score(clips, numbers) == 1.0 and sorted(classifier.classes_) == [7, 10]


def test_the_lock_of_the_interpreter_is_released(model):
    samples, running, count = np.tile(voice(), 30), True, 0

    def tick():
        nonlocal count
        while running:
            count += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    model.predict(samples, 48_000)
    before_join = count
    running = False
    thread.join()
    assert before_join > 3, "the other thread ran during the prediction"
