"""Reading the data sets, and speaking the digits with the synthesisers that are installed.

MNIST and the Free Spoken Digit Dataset are read from the folder that WEFT_DATA names (default: shared/data
beside the repository).  Synthetic voices are spoken once and kept in WEFT_CACHE (default: ~/.cache/weft-digits).
"""
import os
import random
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("WEFT_DATA", ROOT.parent / "shared" / "data"))
CACHE = Path(os.environ.get("WEFT_CACHE", Path.home() / ".cache" / "weft-digits"))
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo")
RATE = 8000
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

# espeak-ng: English accents x voice variants; effects that no person speaks with are left out.
ACCENTS = ("en-us", "en-us", "en-gb", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029",
           "en-us-nyc")
VARIANTS = ("adam Alex Alicia Andrea Andy Annie antonio aunty belinda benjamin boris caleb david Denis Diogo ed "
            "edward edward2 Gene Gene2 gustave Henrique Hugo iven iven2 iven3 iven4 Jacky john kaukovalta Lee linda "
            "marcelo Marco Mario Max Michael michel miguel Mike Mr Nguyen norbert pablo paul pedro quincy RicishayMax "
            "RicishayMax2 RicishayMax3 rob robert sandro shelby steph steph2 steph3 travis victor Zac anika f1 f2 f3 "
            "f4 f5 m1 m2 m3 m4 m5 m6 m7 m8 klatt klatt2 klatt3 klatt4 grandpa grandma croak").split()


def mnist(sheets):
    """The sheets' images as uint8 [n, 28, 28] and labels as int64 [n]."""
    images, labels = [], []
    for sheet in sheets:
        rows = np.array(Image.open(DATA / "mnist" / f"batch_{sheet:02d}.png"))
        images.append(rows.reshape(-1, 28, 28))
        text = (DATA / "mnist" / f"batch_{sheet:02d}.labels.txt").read_text()
        labels.append(np.array(text.split(), dtype=np.int64))
    return torch.from_numpy(np.concatenate(images)), torch.from_numpy(np.concatenate(labels))


def read_wav(path):
    """A mono 16-bit WAV as float32 in -1..1, resampled to 8 kHz when it has another rate."""
    with wave.open(str(path)) as w:
        assert w.getnchannels() == 1 and w.getsampwidth() == 2, path
        x = np.frombuffer(w.readframes(w.getnframes()), "<i2").astype(np.float32) / 32768
        rate = w.getframerate()
    return x if rate == RATE else resample(x, round(len(x) * RATE / rate))


def write_wav(path, x):
    """Writes float32 in -1..1 as 8 kHz mono 16-bit WAV."""
    with wave.open(str(path), "wb") as w:
        w.setnchannels(1), w.setsampwidth(2), w.setframerate(RATE)
        w.writeframes(np.clip(np.round(x * 32768), -32768, 32767).astype("<i2").tobytes())


def resample(x, n):
    """Resamples to n samples by cutting or padding the spectrum."""
    s = np.fft.rfft(np.concatenate([x, np.zeros(len(x), x.dtype)]))
    return (np.fft.irfft(s, 2 * n)[:n] * (n / len(x))).astype(np.float32)


def fsdd():
    """All clips, as dicts: digit, speaker, take, samples (float32, 8 kHz)."""
    clips = []
    for path in sorted((DATA / "fsdd").glob("*.wav")):
        digit, speaker, take = path.stem.split("_")
        clips.append({"digit": int(digit), "speaker": speaker, "take": int(take), "samples": read_wav(path)})
    return clips


def trim(x, below_db=38.0):
    """Cuts leading and trailing stretches more than below_db under the loudest 10 ms."""
    n = len(x) // 80
    level = 10 * np.log10((x[:n * 80].reshape(n, 80) ** 2).mean(1) + 1e-10)
    loud = np.flatnonzero(level > level.max() - below_db)
    return x[max(0, loud[0] - 1) * 80:(loud[-1] + 2) * 80]


def espeak(text, voice, pitch=50, speed=160):
    """Speaks with espeak-ng (22,050 Hz, 16 bit), answers 8 kHz samples."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as f:
        subprocess.run(["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "-w", f.name, text], check=True)
        return read_wav(f.name)


def flite(text, voice, stretch, pitch):
    """Speaks with flite, whose voices (awb, rms, slt, kal) were built from recordings of people."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as f:
        subprocess.run(["flite", "-voice", voice, "--setf", f"duration_stretch={stretch}", "--setf",
                        f"int_f0_target_mean={pitch}", "-t", text, "-o", f.name], check=True)
        return read_wav(f.name)


def synthetic(n_espeak=300, seed=7):
    """Spoken digits of n_espeak espeak-ng voices and 36 settings of flite's, trimmed, as fsdd() gives them.

    Speakers are named espeak-NNN and flite-NN.
    """
    path = CACHE / f"synthetic-{n_espeak}-{seed}.npz"
    if not path.exists():
        rng = random.Random(seed)
        jobs = [(f"espeak-{i:03d}", espeak, (f"{rng.choice(ACCENTS)}+{VARIANTS[i % len(VARIANTS)]}",
                                            rng.randint(15, 75), rng.randint(110, 220))) for i in range(n_espeak)]
        for i in range(36):
            voice, pitch = (("awb", 120), ("rms", 95), ("slt", 170), ("kal16", 105))[i % 4]
            jobs.append((f"flite-{i:02d}", flite, (voice, round(rng.uniform(0.75, 1.3), 2),
                                                   round(pitch * rng.uniform(0.8, 1.3)))))
        arrays = {}
        for name, speak, args in jobs:
            for digit, word in enumerate(WORDS):
                arrays[f"{digit}_{name}_0"] = trim(speak(word, *args))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **arrays)
    clips = []
    with np.load(path) as arrays:
        for key in sorted(arrays.files):
            digit, speaker, take = key.split("_")
            clips.append({"digit": int(digit), "speaker": speaker, "take": int(take), "samples": arrays[key]})
    return clips
