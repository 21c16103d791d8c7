#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The digits job with bare ONNX Runtime on what export_onnx.py stored: FOLDER -> digit."""
import sys
from math import erf, sqrt

import numpy as np
import onnxruntime


def gelu(x):
    return np.array([v * 0.5 * (1 + erf(v / sqrt(2))) for v in x], np.float32)


def main(folder):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    fusion, head, total = np.load(f"{folder}/fusion.npz"), np.load(f"{folder}/head.npz"), 0
    for name, stem in (("picture", "vit"), ("speech", "ast"), ("words", "bert")):
        session = onnxruntime.InferenceSession(f"{folder}/{stem}.onnx", options, providers=["CPUExecutionProvider"])
        x = session.run(["tokens"], {"x": np.load(f"{folder}/{stem}.npy")})[0][0]

        def of(part, name=name):
            return fusion[f"inputs.{name}.{part}"]
        scores = x @ of("score.weight") / sqrt(x.shape[1])
        share = np.exp(scores - scores.max())
        p = (share / share.sum()) @ x
        value = of("value2.weight") @ gelu(of("value1.weight") @ p + of("value1.bias")) + of("value2.bias")
        gate = of("gate2.weight") @ gelu(of("gate1.weight") @ p + of("gate1.bias")) + of("gate2.bias")
        total = total + value / (1 + np.exp(-gate))
    print(int((head["weight"] @ total + head["bias"]).argmax()))


main(sys.argv[1])
