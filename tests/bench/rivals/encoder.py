#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rivals of tests/bench/encoder.c: encoders of the same shapes with random weights.

encoder.py FOLDER prepare    exports the models for ONNX Runtime, f32 and dynamic int8, and for OpenVINO
encoder.py FOLDER serve      reads lines "MODEL TOKENS RIVAL THREADS ROUNDS", answers each with the times in ms, or with
                             "- REASON" where the rival cannot be had
"""
import os
import sys
import time

SHAPES = {  # d, layers, heads, hidden
    "minilm-l6": (384, 6, 12, 1536), "bert-base": (768, 12, 12, 3072), "vit-b16": (768, 12, 12, 3072)}
TOKENS = {"minilm-l6": (16, 128, 512), "bert-base": (128,), "vit-b16": (197,)}


def torch_model(name):
    import torch
    import transformers
    torch.manual_seed(1)
    d, layers, heads, hidden = SHAPES[name]
    sizes = {"hidden_size": d, "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": hidden}
    if name == "vit-b16":
        return transformers.ViTModel(transformers.ViTConfig(**sizes), add_pooling_layer=False).eval()
    return transformers.BertModel(transformers.BertConfig(**sizes), add_pooling_layer=False).eval()


def inputs_of(name, tokens):
    import numpy as np
    generator = np.random.default_rng(1)
    if name == "vit-b16":
        return generator.standard_normal((1, 3, 224, 224)).astype(np.float32)
    return generator.integers(0, 30000, (1, tokens)).astype(np.int64)


def prepare(folder):
    import onnx
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    class Tokens(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x):
            return self.model(x).last_hidden_state

    os.makedirs(folder, exist_ok=True)
    for name, (d, layers, heads, hidden) in SHAPES.items():
        stem = f"{folder}/{name}"
        if os.path.exists(f"{stem}.int8.onnx"):
            continue
        model = torch_model(name)
        model.set_attn_implementation("eager")
        torch.onnx.export(Tokens(model), (torch.from_numpy(inputs_of(name, 16)),), f"{stem}.plain.onnx",
                          input_names=["x"], output_names=["tokens"], dynamo=False,
                          dynamic_axes=None if name == "vit-b16" else {"x": {1: "n"}})
        kind = "vit" if name == "vit-b16" else "bert"
        options = FusionOptions(kind)
        fused = optimizer.optimize_model(f"{stem}.plain.onnx", model_type=kind, num_heads=heads, hidden_size=d,
                                         optimization_options=options)
        fused.save_model_to_file(f"{stem}.onnx")
        print(name, fused.get_fused_operator_statistics(), file=sys.stderr)
        quantize_dynamic(f"{stem}.onnx", f"{stem}.int8.onnx", weight_type=QuantType.QInt8,
                         extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})


class Runner:
    """One rival at one shape and number of threads: call() runs it once."""

    def __init__(self, folder, name, tokens, rival, threads):
        x = inputs_of(name, tokens)
        if rival in ("onnxruntime", "onnxruntime-plain", "onnxruntime-int8"):
            import onnxruntime
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            suffix = {"onnxruntime": "", "onnxruntime-plain": ".plain", "onnxruntime-int8": ".int8"}[rival]
            session = onnxruntime.InferenceSession(f"{folder}/{name}{suffix}.onnx", options,
                                                   providers=["CPUExecutionProvider"])
            self.call = lambda: session.run(["tokens"], {"x": x})
        elif rival == "openvino":
            import openvino
            core = openvino.Core()
            model = core.read_model(f"{folder}/{name}.plain.onnx")
            model.reshape(list(x.shape))
            compiled = core.compile_model(model, "CPU", {
                "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"})
            request = compiled.create_infer_request()
            self.call = lambda: request.infer({0: x})
        elif rival == "torch":
            import torch
            model, given = torch_model(name), torch.from_numpy(x)

            def call():
                torch.set_num_threads(threads)
                with torch.inference_mode():
                    model(given)
            self.call = call
        else:
            raise ValueError(f"no rival {rival}")
        self.call()
        self.call()


def serve(folder):
    runners = {}
    for line in sys.stdin:
        name, tokens, rival, threads, rounds = line.split()
        key = (name, int(tokens), rival, int(threads))
        try:
            if key not in runners:
                # spinning threads of other sessions would take the cores of this one
                if runners and next(iter(runners))[:2] != key[:2]:
                    runners.clear()
                runners[key] = Runner(folder, *key)
            times = []
            for _ in range(int(rounds)):
                begin = time.perf_counter()
                runners[key].call()
                times.append(f"{(time.perf_counter() - begin) * 1e3:.5f}")
            print(" ".join(times), flush=True)
        except Exception as error:  # whatever a rival lacks is a reason in the table, not the end of it
            print("-", str(error).splitlines()[0][:200], flush=True)


{"prepare": prepare, "serve": serve}[sys.argv[2]](sys.argv[1])
