#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/media: what transformers and Pillow answer, for test-logmel and test-image.

Needs transformers 4.57.3, Pillow, numpy, safetensors, torch; no torchaudio (its presence
changes what ASTFeatureExtractor computes). Run from the root of the repository:

    python tests/golden/make_media.py
"""
import json
import pathlib
import sys

import numpy as np
from PIL import Image
from safetensors.numpy import save_file
from transformers import ASTFeatureExtractor, ViTImageProcessor
from transformers.utils import is_speech_available

OUT = pathlib.Path(__file__).parent / "media"

# name: (sampling_rate, num_mel_bins, max_length, mean, std, do_normalize)
MEL = {
    "default": (16000, 128, 12, -4.2677393, 4.5689974, True),
    "narrow": (8000, 64, 16, -6.5, 3.25, True),
    "plain": (16000, 40, 10, 0.0, 1.0, False),
    "odd": (11025, 23, 14, -1.0, 2.0, True),
}


def waves(rate):
    rng = np.random.default_rng(rate)
    t = np.arange(2000) / rate
    yield "noise", rng.normal(0, 0.1, 2000)
    yield "loud", rng.uniform(-1, 1, 2300)
    yield "sine", np.sin(2 * np.pi * 440 * t)
    yield "quiet", 1e-4 * np.sin(2 * np.pi * 1000 * t) + rng.normal(0, 1e-5, 2000)
    yield "silence", np.zeros(1000)
    yield "chirp", 0.5 * np.sin(2 * np.pi * (100 + 3000 * t) * t) * np.exp(-5 * t)
    yield "offset", 0.5 + 0.25 * np.sign(np.sin(2 * np.pi * 120 * t[:1500]))
    yield "frame", rng.normal(0, 0.3, 400)
    yield "one-less-than-two", rng.normal(0, 0.3, 559)
    yield "two", rng.normal(0, 0.3, 560)


def make_mel():
    assert not is_speech_available(), "remove torchaudio"
    tensors, cases = {}, []
    for settings, (rate, bins, frames, mean, std, normalize) in MEL.items():
        extractor = ASTFeatureExtractor(sampling_rate=rate, num_mel_bins=bins, max_length=frames, mean=mean, std=std,
                                        do_normalize=normalize)
        (OUT / f"logmel-{settings}.json").write_text(extractor.to_json_string())
        for name, wave in waves(rate):
            wave = wave.astype(np.float16)
            got = extractor(wave.astype(np.float32), sampling_rate=rate, return_tensors="np")["input_values"][0]
            key = f"{settings}.{name}"
            tensors[f"{key}.samples"] = wave
            tensors[f"{key}.features"] = got.astype(np.float32)
    save_file(tensors, OUT / "logmel.safetensors")


def picture(height, width):
    """Smooth waves, hard edges and noise; test-image.c makes the same bytes."""
    state = np.uint64(height * 65537 + width * 257 + 1)
    out = np.zeros((height, width, 3), np.uint8)
    state = int(state) & 0xFFFFFFFF
    for y in range(height):
        for x in range(width):
            for c in range(3):
                state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
                edge = 255 if ((x // 5 + y // 7 + c) % 3 == 0) else 0
                wave = (x * (c + 3) + y * 5) & 255
                noise = state >> 24
                out[y, x, c] = (edge * 2 + wave + noise) // 4
    return out


SIZES = [(28, 28), (1, 1), (7, 5), (64, 48), (33, 17), (100, 3), (3, 100), (40, 40), (29, 61), (96, 128)]
TARGETS = [(16, 16), (28, 28), (20, 9), (37, 53)]
# (target, resample, grey, factor, mean, std); the settings file of each is image-N.json
PROCESSORS = [
    ((16, 16), 2, False, 1 / 255, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
    ((20, 12), 3, False, 1 / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ((14, 14), 2, True, 1 / 255, [0.1307], [0.3081]),
    ((8, 9), 0, False, 1 / 127.5, [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),
]


def make_image():
    tensors = {}
    for height, width in SIZES:
        image = Image.fromarray(picture(height, width))
        for to in TARGETS:
            for resample in range(6):
                # Every filter at every size, but not with every target: the files stay small.
                if (height * 3 + width + to[0] + resample) % 4:
                    continue
                grey = (height + width + to[0] + resample) % 2 == 0
                source = image.convert("L") if grey else image
                got = np.asarray(source.resize((to[1], to[0]), resample)).reshape(to[0], to[1], -1)
                tensors[f"resize.{height}x{width}.{to[0]}x{to[1]}.{resample}.{got.shape[2]}"] = got
    for number, (to, resample, grey, factor, mean, std) in enumerate(PROCESSORS):
        processor = ViTImageProcessor(size={"height": to[0], "width": to[1]}, resample=resample, rescale_factor=factor,
                                      image_mean=mean, image_std=std)
        (OUT / f"image-{number}.json").write_text(processor.to_json_string())
        for height, width in SIZES[2:5]:
            image = Image.fromarray(picture(height, width))
            array = np.asarray(image.convert("L"))[:, :, None] if grey else np.asarray(image)
            got = processor(array, return_tensors="np", input_data_format="channels_last")["pixel_values"][0]
            tensors[f"process.{number}.{height}x{width}"] = got.astype(np.float32)
    save_file(tensors, OUT / "image.safetensors")


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    make_mel()
    make_image()
    print(json.dumps({p.name: p.stat().st_size for p in sorted(OUT.iterdir())}, indent=1), file=sys.stderr)
