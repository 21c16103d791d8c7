#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rival of tests/bench/moe.c: sixteen MatMuls of 64 rows, one model. moe.py FOLDER serve reads lines
"THREADS ROUNDS" and answers each with the times in ms, or "- REASON"."""
import sys
import time

EXPERTS, ROWS, N, K = 16, 64, 1536, 768


def make(threads):
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
    random = np.random.default_rng(1)
    nodes, weights, inputs, outputs = [], [], [], []
    for e in range(EXPERTS):
        weights.append(numpy_helper.from_array(random.standard_normal((K, N)).astype(np.float32), f"w{e}"))
        inputs.append(helper.make_tensor_value_info(f"x{e}", TensorProto.FLOAT, [ROWS, K]))
        outputs.append(helper.make_tensor_value_info(f"y{e}", TensorProto.FLOAT, [ROWS, N]))
        nodes.append(helper.make_node("MatMul", [f"x{e}", f"w{e}"], [f"y{e}"]))
    model = helper.make_model(helper.make_graph(nodes, "moe", inputs, outputs, weights), ir_version=10,
                              opset_imports=[helper.make_opsetid("", 18)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = {f"x{e}": random.standard_normal((ROWS, K)).astype(np.float32) for e in range(EXPERTS)}
    session.run(None, given)
    return lambda: session.run(None, given)


def serve():
    calls = {}
    for line in sys.stdin:
        threads, rounds = (int(x) for x in line.split())
        try:
            if threads not in calls:
                calls = {threads: make(threads)}
            times = []
            for _ in range(rounds):
                begin = time.perf_counter()
                calls[threads]()
                times.append(f"{(time.perf_counter() - begin) * 1e3:.5f}")
            print(" ".join(times), flush=True)
        except Exception as error:  # whatever a rival lacks is a reason in the table, not the end of it
            print("-", str(error).splitlines()[0][:200], flush=True)


serve()
