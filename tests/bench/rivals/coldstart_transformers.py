#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The digits job with transformers: MODELS PICTURE SPEECH WORDS -> digit. The rival of `weft run digits`."""
import json
import sys
import wave

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import ASTFeatureExtractor, ASTModel, BertModel, BertTokenizerFast, ViTImageProcessor, ViTModel


def fuse(folder, tokens):
    """The gated fusion, as plugins/gated/README.md has it."""
    weights = load_file(f"{folder}/model.safetensors")
    total = 0
    for name, x in tokens.items():
        def of(part):
            return weights[f"inputs.{name}.{part}"]
        p = torch.softmax(x @ of("score.weight") / x.shape[1] ** 0.5, 0) @ x
        gelu = torch.nn.functional.gelu
        value = of("value2.weight") @ gelu(of("value1.weight") @ p + of("value1.bias")) + of("value2.bias")
        gate = of("gate2.weight") @ gelu(of("gate1.weight") @ p + of("gate1.bias")) + of("gate2.bias")
        total = total + torch.sigmoid(gate) * value
    return total


@torch.inference_mode()
def main(models, picture, speech, words):
    mode = "L" if json.load(open(f"{models}/vit/config.json"))["num_channels"] == 1 else "RGB"
    processor = ViTImageProcessor.from_pretrained(f"{models}/vit")
    image = np.atleast_3d(np.asarray(Image.open(picture).convert(mode)))
    pixels = processor(image, return_tensors="pt", input_data_format="channels_last")["pixel_values"]
    with wave.open(speech) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
        extractor = ASTFeatureExtractor.from_pretrained(f"{models}/ast")
        samples = samples * (10 ** (extractor.weft_level_db / 20) / np.sqrt(np.mean(samples ** 2)))
        features = extractor(samples, sampling_rate=file.getframerate(), return_tensors="pt")["input_values"]
    ids = BertTokenizerFast(tokenizer_file=f"{models}/bert/tokenizer.json")(words, return_tensors="pt")
    tokens = {
        "picture": ViTModel.from_pretrained(f"{models}/vit")(pixels).last_hidden_state[0],
        "speech": ASTModel.from_pretrained(f"{models}/ast")(features).last_hidden_state[0],
        "words": BertModel.from_pretrained(f"{models}/bert")(ids["input_ids"]).last_hidden_state[0]}
    head = load_file(f"{models}/head/model.safetensors")
    print(int((head["weight"] @ fuse(f"{models}/fusion", tokens) + head["bias"]).argmax()))


main(*sys.argv[1:5])
