"""Writes frames.safetensors and bands.safetensors: librosa's features with a window shorter than the transform.

    python make_frames.py      (in a Python with librosa 0.11, numpy and safetensors)

Frames have the duration of the paper's 4096 and 2048 samples at 48 kHz, at the sample rate of each recording of
../features/wav that has another rate. For every recording STEM:

- STEM.frames   [3] int64: win_length, n_fft, hop_length
- STEM.tuning   [1] float64, in semitones
- STEM.features [T,46] float32: 34 MFCC, 12 chroma, one row per frame

bands.safetensors has the same with mel bands up to 7,600 Hz (fmax) and the tuning 0, of recordings of at least 16 kHz.
"""
from pathlib import Path

import librosa
import numpy as np
from safetensors.numpy import save_file

here = Path(__file__).resolve().parent
tensors, bands = {}, {}
for path in sorted((here / "../features/wav").glob("*.wav")):
    y, rate = librosa.load(path, sr=None)
    if rate == 48000:
        continue
    window, hop = round(rate * 4096 / 48000), round(rate * 2048 / 48000)
    n_fft = 1 << (window - 1).bit_length()
    frames = dict(n_fft=n_fft, win_length=window, hop_length=hop)
    power = np.abs(librosa.stft(y, **frames)) ** 2
    tuning = librosa.estimate_tuning(S=power, sr=rate, n_fft=n_fft, bins_per_octave=12)
    mfcc = librosa.feature.mfcc(y=y, sr=rate, n_mfcc=34, **frames)
    chroma = librosa.feature.chroma_stft(y=y, sr=rate, n_chroma=12, **frames)
    tensors[f"{path.stem}.frames"] = np.array([window, n_fft, hop], np.int64)
    tensors[f"{path.stem}.tuning"] = np.array([tuning], np.float64)
    tensors[f"{path.stem}.features"] = np.ascontiguousarray(np.vstack([mfcc, chroma]).T, np.float32)
    if rate < 16000:
        continue
    mfcc = librosa.feature.mfcc(y=y, sr=rate, n_mfcc=34, fmax=7600, **frames)
    chroma = librosa.feature.chroma_stft(y=y, sr=rate, n_chroma=12, tuning=0.0, **frames)
    bands[f"{path.stem}.frames"] = np.array([window, n_fft, hop], np.int64)
    bands[f"{path.stem}.tuning"] = np.array([0.0], np.float64)
    bands[f"{path.stem}.features"] = np.ascontiguousarray(np.vstack([mfcc, chroma]).T, np.float32)
save_file(bands, here / "bands.safetensors")
save_file(tensors, here / "frames.safetensors")
