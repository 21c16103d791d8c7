#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes pngsuite.txt: what the good files of PngSuite look like as 8-bit RGB over black.

    python plugins/png/tests/make_pngsuite.py FOLDER_OF_PNGSUITE

Decoded here from the specification with zlib alone, so that libpng is not its own judge, and
compared with Pillow where Pillow keeps 8 bits. A line: file, height, width, FNV-1a of the bytes.
"""
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image

PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunks(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind, data[at + 8:at + 8 + n]
        at += n + 12


def unfilter(raw, at, height, row_bytes, bpp):
    above, rows = bytearray(row_bytes), []
    for _ in range(height):
        kind, row = raw[at], bytearray(raw[at + 1:at + 1 + row_bytes])
        at += 1 + row_bytes
        for i in range(row_bytes):
            a = row[i - bpp] if i >= bpp else 0
            b, c = above[i], above[i - bpp] if i >= bpp else 0
            if kind == 4:
                p = a + b - c
                near = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            else:
                near = [0, a, b, (a + b) // 2][kind]
            row[i] = (row[i] + near) & 255
        rows.append(bytes(row))
        above = row
    return rows, at


def samples(row, width, channels, depth):
    if depth == 16:
        return np.frombuffer(row, ">u2")[:width * channels].astype(np.int64).reshape(width, channels)
    bits = np.unpackbits(np.frombuffer(row, np.uint8)).reshape(-1, depth)
    values = (bits.astype(np.int64) * (1 << np.arange(depth - 1, -1, -1))).sum(1)
    return values[:width * channels].reshape(width, channels)


def decode(data):
    parts = {}
    for kind, body in chunks(data):
        parts[kind] = parts.get(kind, b"") + body if kind == b"IDAT" else body
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    raw, at = zlib.decompress(parts[b"IDAT"]), 0
    image = np.zeros((height, width, channels), np.int64)
    for x0, y0, dx, dy in PASSES if interlace else [(0, 0, 1, 1)]:
        w, h = (width - x0 + dx - 1) // dx, (height - y0 + dy - 1) // dy
        if w <= 0 or h <= 0:
            continue
        rows, at = unfilter(raw, at, h, (w * channels * depth + 7) // 8, max(1, channels * depth // 8))
        image[y0::dy, x0::dx] = np.stack([samples(r, w, channels, depth) for r in rows])
    return image, depth, colour, parts


def to_rgba(data):
    image, depth, colour, parts = decode(data)
    top, trns = (1 << depth) - 1, parts.get(b"tRNS")
    alpha = np.full(image.shape[:2], top, np.int64)
    if colour == 3:
        palette = np.frombuffer(parts[b"PLTE"], np.uint8).reshape(-1, 3).astype(np.int64)
        table = np.full(256, 255, np.int64)
        table[:len(trns or b"")] = np.frombuffer(trns or b"", np.uint8)
        return np.concatenate([palette[image[..., 0]], table[image[..., 0]][..., None]], 2)
    if trns:
        key = np.frombuffer(trns, ">u2").astype(np.int64)
        alpha = np.where((image == key).all(2), 0, top)
    if colour in (4, 6):
        image, alpha = image[..., :-1], image[..., -1]
    rgba = np.concatenate([np.broadcast_to(image, (*image.shape[:2], 3)), alpha[..., None]], 2)
    return (rgba * 255 * 2 + top) // (2 * top)  # rounded


def over_black(rgba):
    return ((rgba[..., :3] * rgba[..., 3:] + 127) // 255).astype(np.uint8)


def fnv(data):
    hash_ = 0xCBF29CE484222325
    for byte in data:
        hash_ = ((hash_ ^ byte) * 0x100000001B3) & (1 << 64) - 1
    return hash_


def main():
    folder = pathlib.Path(sys.argv[1])
    lines, n_pillow = [], 0
    for path in sorted(p for sub in ("primary", "16bit", "unused") for p in (folder / sub).glob("*.png")):
        data = path.read_bytes()
        rgba = to_rgba(data)
        if decode(data)[1] < 16:
            pillow = np.asarray(Image.open(path).convert("RGBA")).astype(np.int64)
            if not (pillow[..., 3] == rgba[..., 3]).all() or not (over_black(pillow) == over_black(rgba)).all():
                print("differs from Pillow:", path)
            n_pillow += 1
        rgb = over_black(rgba)
        lines.append(f"{path.parent.name}/{path.name} {rgb.shape[0]} {rgb.shape[1]} {fnv(rgb.tobytes()):016x}")
    (pathlib.Path(__file__).parent / "pngsuite.txt").write_text("\n".join(lines) + "\n")
    print(len(lines), "files,", n_pillow, "of them compared with Pillow")


if __name__ == "__main__":
    main()
