"""Writes the sound files of this folder and golden.json, with librosa 0.11, soundfile 0.14 (libsndfile 1.2) and ffmpeg 5.1.

    python3 make.py        (in a Python with librosa and soundfile; ffmpeg on the path)

The sound is a synthetic voice: harmonics of about 140 Hz with noise; the right channel is the left one, later and softer.
Lossless kinds: the number of samples and a hash of all bits of librosa.load(path, sr=None). Lossy kinds: another decoder's
samples, 16-bit, as reference/NAME.wav.
"""
import json, os, subprocess
import librosa, numpy as np, soundfile as sf

os.chdir(os.path.dirname(os.path.abspath(__file__)))
os.makedirs("reference", exist_ok=True)


def voice(rate, seconds):
    time = np.arange(int(rate * seconds)) / rate
    phase = 2 * np.pi * np.cumsum(140 + 30 * np.sin(2 * np.pi * 2 * time)) / rate
    left = sum(np.sin(k * phase + k) / k for k in range(1, 20))
    left *= 0.5 / np.abs(left).max() * (0.3 + 0.7 * np.sin(np.pi * time / time[-1]) ** 2)
    noise = np.random.default_rng(7).standard_normal((2, len(time))) * 0.002
    return np.stack([left, 0.6 * np.roll(left, 40)], 1) + noise.T


def fnv(samples):
    """FNV-1a, 64 bits, of the samples' bytes."""
    value = 0xCBF29CE484222325
    for byte in samples.astype("<f4").tobytes():
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return f"{value:016x}"


SHORT = voice(16000, 0.1)
LOSSLESS = [  # name, container, subtype, channels, byte order
    ("pcm8.wav", "WAV", "PCM_U8", 1, "FILE"), ("pcm16.wav", "WAV", "PCM_16", 2, "FILE"),
    ("pcm24.wav", "WAV", "PCM_24", 2, "FILE"), ("pcm32.wav", "WAV", "PCM_32", 1, "FILE"),
    ("float32.wav", "WAV", "FLOAT", 2, "FILE"), ("float64.wav", "WAV", "DOUBLE", 1, "FILE"),
    ("a-law.wav", "WAV", "ALAW", 2, "FILE"), ("mu-law.wav", "WAV", "ULAW", 1, "FILE"),
    ("ima-adpcm.wav", "WAV", "IMA_ADPCM", 1, "FILE"), ("ima-adpcm-stereo.wav", "WAV", "IMA_ADPCM", 2, "FILE"),
    ("ms-adpcm.wav", "WAV", "MS_ADPCM", 1, "FILE"), ("ms-adpcm-stereo.wav", "WAV", "MS_ADPCM", 2, "FILE"),
    ("extensible-pcm24.wav", "WAVEX", "PCM_24", 1, "FILE"), ("big-endian-pcm16.wav", "WAV", "PCM_16", 2, "BIG"),
    ("pcm16.rf64", "RF64", "PCM_16", 1, "FILE"), ("pcm24.w64", "W64", "PCM_24", 2, "FILE"),
    ("pcm16.aiff", "AIFF", "PCM_16", 2, "FILE"), ("pcm24.aif", "AIFF", "PCM_24", 1, "FILE"),
    ("little-endian-pcm16.aifc", "AIFF", "PCM_16", 1, "LITTLE"), ("float32.aifc", "AIFF", "FLOAT", 1, "FILE"),
    ("mu-law.aifc", "AIFF", "ULAW", 1, "FILE"), ("pcm16.caf", "CAF", "PCM_16", 1, "FILE"),
    ("pcm16.flac", "FLAC", "PCM_16", 2, "FILE"), ("pcm24.flac", "FLAC", "PCM_24", 1, "FILE"),
]
golden = {"lossless": {}, "lossy": []}
for name, container, subtype, channels, order in LOSSLESS:
    sf.write(name, SHORT[:, :channels], 16000, subtype=subtype, format=container, endian=order)
sf.write("gsm.wav", voice(8000, 0.1)[:, :1], 8000, subtype="GSM610", format="WAV")
sf.write("pcm16.au", SHORT[:, :1], 16000, subtype="PCM_16", format="AU")
# 24 bits in 32, as recorders write it; then samples that are not a whole number of frames, and a wrong block align.
wide = bytearray(open("pcm32.wav", "rb").read())
at = wide.index(b"fmt ")
extension = (22).to_bytes(2, "little") + (24).to_bytes(2, "little") + bytes(4) + bytes.fromhex("0100000000001000800000aa00389b71")
fields = (0xFFFE).to_bytes(2, "little") + wide[at + 10:at + 24]
wide[at:at + 24] = b"fmt " + (40).to_bytes(4, "little") + fields + extension
wide[4:8] = (len(wide) - 8).to_bytes(4, "little")
open("24-in-32.wav", "wb").write(wide)
wrong = bytearray(open("pcm24.wav", "rb").read()) + b"\1\2\3\4"
at, data = wrong.index(b"fmt "), wrong.index(b"data")
wrong[data + 4:data + 8] = (len(wrong) - data - 8).to_bytes(4, "little")
wrong[4:8] = (len(wrong) - 8).to_bytes(4, "little")
wrong[at + 16:at + 22] = b"\7\0\0\0\5\0"
open("wrong-block-align-and-partial-frame.wav", "wb").write(wrong)
for name in [entry[0] for entry in LOSSLESS] + ["24-in-32.wav", "wrong-block-align-and-partial-frame.wav"]:
    samples, rate = librosa.load(name, sr=None)
    golden["lossless"][name] = {"rate": rate, "samples": len(samples), "fnv": fnv(samples)}


def ffmpeg(*words):
    return subprocess.run(["ffmpeg", "-y", "-v", "error", *words], check=True, capture_output=True).stdout


sf.write("long.wav", voice(16000, 0.5), 16000, subtype="PCM_16")
exact = "-fflags +bitexact -flags:a +bitexact -map_metadata -1".split()
LOSSY = [  # name, encoder, ffmpeg's decoder for the reference (none: libsndfile), its rate
    ("mp3.mp3", "-ac 1 -c:a libmp3lame -b:a 48k", None, 16000), ("vorbis.ogg", "-c:a libvorbis -q:a 3", None, 16000),
    ("opus-music.opus", "-c:a libopus -b:a 48k", "libopus", 48000),
    ("opus-voice.ogg", "-ac 1 -c:a libopus -application voip -b:a 16k -frame_duration 60", "libopus", 48000),
    ("opus.webm", "-ac 1 -c:a libopus -b:a 32k", "libopus", 48000),
    ("aac.m4a", "-c:a aac -b:a 64k", "aac", 16000), ("aac.mp4", "-ac 1 -c:a aac -b:a 48k", "aac", 16000),
    ("aac.aac", "-ac 1 -c:a aac -b:a 48k", "aac", 16000),
]
for name, encoder, decoder, rate in LOSSY:
    ffmpeg("-i", "long.wav", *encoder.split(), *exact, name)
    channels = 1 if "-ac 1" in encoder else 2
    if decoder:
        raw = ffmpeg("-c:a", decoder, "-i", name, "-c:a", "pcm_f32le", "-f", "f32le", "-ar", str(rate), "-")
        samples = np.frombuffer(raw, "<f4").reshape(-1, channels).mean(1)
    else:
        samples, rate = librosa.load(name, sr=None)
    sf.write(f"reference/{name}.wav", samples, rate, subtype="PCM_16")
    golden["lossy"].append(name)
for name, encoder in [("alac.m4a", "-c:a alac"), ("flac.oga", "-c:a flac")]:
    ffmpeg("-i", "pcm16.wav", *encoder.split(), *exact, name)
    samples, rate = librosa.load("pcm16.wav", sr=None)
    golden["lossless"][name] = {"rate": rate, "samples": len(samples), "fnv": fnv(samples)}
ffmpeg("-f", "lavfi", "-i", "color=s=16x16:d=0.1", *exact, "video-only.mp4")
os.remove("long.wav")
json.dump(golden, open("golden.json", "w"), indent=1, sort_keys=True)
