#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports the digits encoders for ONNX Runtime: MODELS PICTURE SPEECH WORDS OUT.

Inputs are stored ready for the models, so that the rival spends nothing on preprocessing.
"""
import json
import os
import sys
import wave

import numpy as np
import torch
from PIL import Image
from transformers import ASTFeatureExtractor, ASTModel, BertModel, BertTokenizerFast, ViTImageProcessor, ViTModel


class Tokens(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x).last_hidden_state


def export(model, x, stem):
    model.eval()
    torch.onnx.export(Tokens(model), (x,), stem + ".onnx", input_names=["x"], output_names=["tokens"], dynamo=False)
    np.save(stem + ".npy", x.numpy())


def main(models, picture, speech, words, out):
    os.makedirs(out, exist_ok=True)
    mode = "L" if json.load(open(f"{models}/vit/config.json"))["num_channels"] == 1 else "RGB"
    image = np.atleast_3d(np.asarray(Image.open(picture).convert(mode)))
    pixels = ViTImageProcessor.from_pretrained(f"{models}/vit")(
        image, return_tensors="pt", input_data_format="channels_last")["pixel_values"]
    with wave.open(speech) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
        extractor = ASTFeatureExtractor.from_pretrained(f"{models}/ast")
        samples = samples * (10 ** (extractor.weft_level_db / 20) / np.sqrt(np.mean(samples ** 2)))
        features = extractor(samples, sampling_rate=file.getframerate(), return_tensors="pt")["input_values"]
    ids = BertTokenizerFast(tokenizer_file=f"{models}/bert/tokenizer.json")(words, return_tensors="pt")["input_ids"]
    export(ViTModel.from_pretrained(f"{models}/vit", attn_implementation="eager"), pixels, f"{out}/vit")
    export(ASTModel.from_pretrained(f"{models}/ast", attn_implementation="eager"), features, f"{out}/ast")
    export(BertModel.from_pretrained(f"{models}/bert", attn_implementation="eager"), ids, f"{out}/bert")
    from safetensors.numpy import load_file
    np.savez(f"{out}/fusion.npz", **load_file(f"{models}/fusion/model.safetensors"))
    np.savez(f"{out}/head.npz", **load_file(f"{models}/head/model.safetensors"))


main(*sys.argv[1:6])
