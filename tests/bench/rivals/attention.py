#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rivals of tests/bench/attention.c. attention.py FOLDER serve reads lines
"KIND HEADS D ROWS RIVAL THREADS ROUNDS" and answers each with the times in ms, or "- REASON"."""
import sys
import time

WINDOW = 64


def torch_call(kind, heads, d, n, threads):
    import torch
    q, k, v = (torch.randn(1, heads, n, d) for _ in range(3))
    mask = None
    if kind == "window":
        place = torch.arange(n)
        mask = (place[:, None] - place[None, :]).abs() <= WINDOW

    def call():
        torch.set_num_threads(threads)
        with torch.inference_mode():
            torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=kind == "causal")
    return call


def onnxruntime_call(kind, heads, d, n, threads):
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper
    if kind == "window":
        raise ValueError("no window in MultiHeadAttention on the CPU")
    shape = [1, n, heads * d]
    inputs = [helper.make_tensor_value_info(x, TensorProto.FLOAT, shape) for x in "qkv"]
    node = helper.make_node("MultiHeadAttention", ["q", "k", "v"], ["y"], domain="com.microsoft", num_heads=heads,
                            unidirectional=int(kind == "causal"))
    graph = helper.make_graph([node], "attention", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18),
                                                                   helper.make_opsetid("com.microsoft", 1)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = {x: np.random.default_rng(1).standard_normal(shape).astype(np.float32) for x in "qkv"}
    return lambda: session.run(None, given)


def serve():
    calls, shape = {}, None
    for line in sys.stdin:
        kind, heads, d, n, rival, threads, rounds = line.split()
        try:
            if shape != (kind, d, n, threads):
                calls, shape = {}, (kind, d, n, threads)
            if rival not in calls:
                make = {"torch": torch_call, "onnxruntime": onnxruntime_call}[rival]
                calls[rival] = make(kind, int(heads), int(d), int(n), int(threads))
                calls[rival]()
            times = []
            for _ in range(int(rounds)):
                begin = time.perf_counter()
                calls[rival]()
                times.append(f"{(time.perf_counter() - begin) * 1e3:.5f}")
            print(" ".join(times), flush=True)
        except Exception as error:  # whatever a rival lacks is a reason in the table, not the end of it
            print("-", str(error).splitlines()[0][:200], flush=True)


serve()
