#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden files: what PyTorch answers at every layer of a model.

    make_models.py                       odd-sized random checkpoints, model folders included
    make_models.py --digits MODELS       vit, ast and bert of that folder on a few inputs (no weights are copied)

Each folder NAME here holds `golden.safetensors`:
  N.pixels [h*w,3] u8, N.size [2] i32 | N.samples [n,1] f32, N.rate [1] i32 | N.text [n] u8
  N.layers [L+1,T,d] f32    embeddings, then every block's output before any last norm
  N.tokens [T,d] f32        last_hidden_state
  N.pooled [d] f32          pooler_output; without a pooler the first row of tokens
  N.ids [T] i32, N.origin [T,2] i32   (bert) token ids and the bytes they stand for
  N.NAME [T,d], N.fused [D], N.weights, N.quality [m]   (gated) tokens of the inputs that are there, and outputs
  0.features [n,d], 0.probabilities [n,classes]          (classifier)
  0.x [n,d], 0.y [n,d_out]                               (expert-mlp)
  sha256 [32] u8            of the model.safetensors that answered
Seeds are fixed: the same versions (requirements.txt) write the same bytes.
"""
import argparse
import hashlib
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (ASTConfig, ASTFeatureExtractor, ASTModel, BertConfig, BertModel,
                          PreTrainedTokenizerFast, ViTConfig, ViTImageProcessor, ViTModel)

HERE = pathlib.Path(__file__).resolve().parent

WORDS = """[PAD] [UNK] [CLS] [SEP] [MASK] zero one two three four five six seven eight nine null eins zwei drei uno dos
tres deux trois quatre nul een the a in and of ##s ##ty ##teen ##er ##en thir fif for ##ein sept . , ! ? - ' 1 2 3 ß
é è ü 零 一 二 三 ноль один два z o n e t w h r f i v s x g u l ##e ##o ##n ##t ##h ##r ##i ##z ##u ##l
##w ##f ##v ##x ##g Zero One Ü""".split()


def randomise(model, seed):
    """Weights large enough that every operation shows in the result."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if "norm" in name.lower():
                p.copy_(1 + 0.2 * noise if name.endswith("weight") else 0.2 * noise)
            elif p.dim() >= 2 and "embedding" not in name and "token" not in name:
                p.copy_(noise / p[0].numel() ** 0.5)
            else:
                p.copy_(0.3 * noise)
    return model.eval()


def layers_of(model, blocks, **inputs):
    """(layers [L+1,T,d], tokens [T,d], pooled [d]) of one item, by hooks: what is recorded is what ran."""
    seen, hooks = [], []
    hooks.append(blocks[0].register_forward_pre_hook(lambda m, a, k: seen.append(a[0] if a else k["hidden_states"]),
                                                     with_kwargs=True))
    for block in blocks:
        hooks.append(block.register_forward_hook(lambda m, a, o: seen.append(o[0] if isinstance(o, tuple) else o)))
    with torch.no_grad():
        out = model(**inputs)
    for hook in hooks:
        hook.remove()
    tokens = out.last_hidden_state[0]
    pooled = out.pooler_output[0] if out.pooler_output is not None else tokens[0]
    return torch.stack([x[0] for x in seen]).numpy(), tokens.numpy(), pooled.numpy()


def put(golden, n, result):
    for key, value in zip(("layers", "tokens", "pooled"), result):
        golden[f"{n}.{key}"] = np.ascontiguousarray(value, dtype=np.float32)


def write(name, golden, model):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    digest = hashlib.sha256((model / "model.safetensors").read_bytes()).digest()
    golden["sha256"] = np.frombuffer(digest, dtype=np.uint8)
    save_file(golden, folder / "golden.safetensors")
    print(name, {k: v.shape for k, v in golden.items() if k.startswith("0.")})


def image_golden(model, processor, pictures):
    golden = {}
    for n, picture in enumerate(pictures):
        h, w = picture.shape[:2]
        one = model.config.num_channels == 1
        source = Image.fromarray(picture).convert("L") if one else Image.fromarray(picture)
        array = np.asarray(source)[..., None] if one else np.asarray(source)
        size = model.config.image_size
        size = tuple(size) if isinstance(size, (list, tuple)) else (size, size)
        if (h, w) == size:
            kwargs = {"do_resize": False}
        else:
            kwargs = {}
        values = processor(array, return_tensors="pt", input_data_format="channels_last", **kwargs)["pixel_values"]
        golden[f"{n}.pixels"] = picture.reshape(-1, 3)
        golden[f"{n}.size"] = np.array([h, w], dtype=np.int32)
        put(golden, n, layers_of(model, model.encoder.layer, pixel_values=values))
    return golden


def audio_golden(model, extractor, clips):
    """The extractor keeps keys that it does not know: weft_level_db is applied here, as plugins/ast does."""
    golden, level_db = {}, getattr(extractor, "weft_level_db", None)
    for n, clip in enumerate(clips):
        rms = np.sqrt(np.mean(np.square(clip, dtype=np.float64)))
        heard = clip if level_db is None or rms == 0 else (clip * (10 ** (level_db / 20) / rms)).astype(np.float32)
        values = extractor(heard, sampling_rate=extractor.sampling_rate, return_tensors="pt")["input_values"]
        golden[f"{n}.samples"] = clip.reshape(-1, 1)
        golden[f"{n}.rate"] = np.array([extractor.sampling_rate], dtype=np.int32)
        golden[f"{n}.features"] = values[0].numpy().astype(np.float32)
        put(golden, n, layers_of(model, model.encoder.layer, input_values=values.float()))
    return golden


def byte_origin(text, offsets):
    """Offsets of the tokenizer count characters; ours count bytes of UTF-8."""
    at = np.cumsum([0] + [len(c.encode()) for c in text])
    return np.array([[at[a], at[b]] for a, b in offsets], dtype=np.int32)


def text_golden(model, tokenizer, texts):
    golden = {}
    longest = model.config.max_position_embeddings
    for n, text in enumerate(texts):
        batch = tokenizer(text, truncation=True, max_length=longest, return_offsets_mapping=True)
        ids = torch.tensor([batch["input_ids"]])
        golden[f"{n}.text"] = np.frombuffer(text.encode(), dtype=np.uint8)
        golden[f"{n}.ids"] = ids[0].numpy().astype(np.int32)
        golden[f"{n}.origin"] = byte_origin(text, batch["offset_mapping"])
        put(golden, n, layers_of(model, model.encoder.layer, input_ids=ids))
    return golden


def pictures_of(generator, sizes, grey):
    """Smooth random pictures: a resize then has something to keep."""
    out = []
    for h, w in sizes:
        y, x = np.mgrid[0:h, 0:w].astype(np.float64)
        planes = []
        for _ in range(1 if grey else 3):
            a, b, c = generator.uniform(0.1, 0.6, 3)
            planes.append(127.5 + 90 * np.sin(a * x + b * y + 6 * c) + generator.normal(0, 20, (h, w)))
        plane = np.stack(planes * (3 if grey else 1), axis=-1)
        out.append(np.clip(plane, 0, 255).astype(np.uint8))
    return out


def clips_of(generator, rate, lengths):
    out = []
    for n in lengths:
        t = np.arange(n) / rate
        clip = 0.4 * np.sin(2 * np.pi * 440 * t * (1 + t)) + 0.05 * generator.normal(size=n) + 0.01
        out.append(clip.astype(np.float32))
    return out


def vit(name, seed, config, pooler, processor, grey):
    generator = np.random.default_rng(seed)
    model = randomise(ViTModel(ViTConfig(**config), add_pooling_layer=pooler), seed)
    folder = HERE / name / "model"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    size = config["image_size"]
    h, w = size if isinstance(size, list) else (size, size)
    write(name, image_golden(model, processor, pictures_of(generator, [(h, w), (h, w), (h + 9, w + 14)], grey)), folder)


def ast(name, seed, config, rate):
    generator = np.random.default_rng(seed)
    model = randomise(ASTModel(ASTConfig(**config)), seed)
    extractor = ASTFeatureExtractor(sampling_rate=rate, num_mel_bins=config["num_mel_bins"],
                                    max_length=config["max_length"], mean=-5.1, std=3.7)
    folder = HERE / name / "model"
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    full = 400 + 160 * (config["max_length"] - 1)
    write(name, audio_golden(model, extractor, clips_of(generator, rate, [full, full // 2 + 7, full + 1234])), folder)


def tokenizer_of(lower):
    t = Tokenizer(models.WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=lower, strip_accents=None if lower else False)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.decoder = decoders.WordPiece()
    return PreTrainedTokenizerFast(tokenizer_object=t, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
                                   pad_token="[PAD]", mask_token="[MASK]")


def bert(name, seed, config, pooler, lower):
    model = randomise(BertModel(BertConfig(vocab_size=len(WORDS), **config), add_pooling_layer=pooler), seed)
    tokenizer = tokenizer_of(lower)
    folder = HERE / name / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write(name, text_golden(model, tokenizer, [
        "seven", "Zero, thirteen! TWO fifty-ones.", "Séptimo  ÜBER 零一 ноль\tдва ß x9 'nein'",
        "one two three four five six seven eight nine " * 4]), folder)


def random_checkpoints():
    vit("vit-a", 1, dict(image_size=[18, 24], patch_size=[6, 4], num_channels=3, hidden_size=28, num_hidden_layers=3,
                         num_attention_heads=4, intermediate_size=52, hidden_act="gelu_new", qkv_bias=False,
                         layer_norm_eps=1e-6), False,
        ViTImageProcessor(size={"height": 18, "width": 24}, resample=3, image_mean=[0.48, 0.45, 0.4],
                          image_std=[0.27, 0.26, 0.28]), False)
    vit("vit-b", 2, dict(image_size=13, patch_size=4, num_channels=1, hidden_size=20, num_hidden_layers=2,
                         num_attention_heads=4, intermediate_size=33, hidden_act="relu", qkv_bias=True,
                         layer_norm_eps=1e-5, pooler_output_size=13, pooler_act="tanh"), True,
        ViTImageProcessor(size={"height": 13, "width": 13}, image_mean=[0.5], image_std=[0.5]), True)
    ast("ast-a", 3, dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=37,
                         hidden_act="gelu", qkv_bias=True, layer_norm_eps=1e-12, patch_size=4, frequency_stride=3,
                         time_stride=2, max_length=23, num_mel_bins=19), 16000)
    ast("ast-b", 4, dict(hidden_size=35, num_hidden_layers=3, num_attention_heads=5, intermediate_size=41,
                         hidden_act="silu", qkv_bias=False, layer_norm_eps=1e-5, patch_size=5, frequency_stride=5,
                         time_stride=4, max_length=31, num_mel_bins=26), 16000)
    bert("bert-a", 5, dict(hidden_size=15, num_hidden_layers=2, num_attention_heads=3, intermediate_size=31,
                           hidden_act="gelu_new", layer_norm_eps=1e-12, max_position_embeddings=24,
                           type_vocab_size=2), False, True)
    bert("bert-b", 6, dict(hidden_size=28, num_hidden_layers=3, num_attention_heads=4, intermediate_size=45,
                           hidden_act="relu", layer_norm_eps=1e-7, max_position_embeddings=19,
                           type_vocab_size=1), True, False)
    fusion("gated-a", 7, {"picture": 13, "speech": 24, "words": 7}, 11, 19, 0)
    fusion("gated-b", 8, {"left": 5, "right": 5}, 3, 6, -150)
    head("classifier-a", 9, 21, ["no", "yes", "müssen", "\"quoted\"", "零", "a longer label than the others", "7"],
         1.7)
    expert("expert-mlp-a", 10, (23, 37, 23), "gelu", False, ("up", "down"))
    expert("expert-mlp-b", 11, (18, 61, 13), "silu", True, ("gate",))
    expert("expert-mlp-c", 12, (7, 5, 33), "relu", False, ())


def fusion(name, seed, widths, d_model, d_hidden, gate_bias):
    """gated: the formula of its README; items bring all inputs, some, or one. f64, so that the golden file is exact."""
    g = torch.Generator().manual_seed(seed)
    folder = HERE / name / "model"
    folder.mkdir(parents=True, exist_ok=True)
    config = {"architectures": ["WeftGatedFusion"], "d_model": d_model, "d_hidden": d_hidden,
              "inputs": [{"name": n, "d": d, "space": f"{n}0/tokens"} for n, d in widths.items()]}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    shapes = {"score.weight": lambda d: (d,),
              "value1.weight": lambda d: (d_hidden, d), "value1.bias": lambda d: (d_hidden,),
              "value2.weight": lambda d: (d_model, d_hidden), "value2.bias": lambda d: (d_model,),
              "gate1.weight": lambda d: (d_hidden, d), "gate1.bias": lambda d: (d_hidden,),
              "gate2.weight": lambda d: (1, d_hidden), "gate2.bias": lambda d: (1,)}
    w = {f"inputs.{n}.{part}": torch.randn(shape(d), generator=g) / max(1, shape(d)[-1]) ** 0.5
         for n, d in widths.items() for part, shape in shapes.items()}
    for n in widths:
        w[f"inputs.{n}.gate2.bias"] += gate_bias
    save_file({k: v.numpy() for k, v in w.items()}, folder / "model.safetensors")
    w = {k: v.double() for k, v in w.items()}
    golden, names = {}, list(widths)
    for item, present in enumerate([names, names[1:], names[:1], names[-1:], names]):
        h, logit = {}, {}
        for n in present:
            x = torch.randn(1 + item * 3 + len(n), widths[n], generator=g)
            golden[f"{item}.{n}"] = x.numpy()
            x, at = x.double(), lambda part, n=n: w[f"inputs.{n}.{part}"]
            p = torch.softmax(x @ at("score.weight") / widths[n] ** 0.5, 0) @ x
            h[n] = at("value2.weight") @ F.gelu(at("value1.weight") @ p + at("value1.bias")) + at("value2.bias")
            logit[n] = (at("gate2.weight") @ F.gelu(at("gate1.weight") @ p + at("gate1.bias")) + at("gate2.bias"))[0]
        absent = torch.tensor(-torch.inf, dtype=torch.float64)
        log_q = torch.stack([F.logsigmoid(logit[n]) if n in logit else absent for n in names])
        golden[f"{item}.fused"] = sum(torch.sigmoid(logit[n]) * h[n] for n in present).float().numpy()
        golden[f"{item}.weights"] = torch.softmax(log_q, 0).float().numpy()
        golden[f"{item}.quality"] = log_q.exp().float().numpy()
    write(name, golden, folder)


def head(name, seed, d, labels, temperature):
    """classifier: softmax((W x + b) / T)."""
    g = torch.Generator().manual_seed(seed)
    folder = HERE / name / "model"
    folder.mkdir(parents=True, exist_ok=True)
    config = {"architectures": ["WeftClassifier"], "id2label": {str(i): label for i, label in enumerate(labels)},
              "temperature": temperature, "space": "f00d/fused"}
    (folder / "config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n")
    w, b, x = (torch.randn(shape, generator=g) for shape in ((len(labels), d), (len(labels),), (5, d)))
    save_file({"weight": w.numpy(), "bias": b.numpy()}, folder / "model.safetensors")
    p = torch.softmax((x.double() @ w.double().T + b.double()) / temperature, 1).float()
    write(name, {"0.features": x.numpy(), "0.probabilities": p.numpy()}, folder)


def expert(name, seed, widths, activation, gated, biased):
    """expert-mlp: down(act(up x)), gated down(act(gate x) * up x)."""
    g = torch.Generator().manual_seed(seed)
    folder = HERE / name / "model"
    folder.mkdir(parents=True, exist_ok=True)
    d, hidden, out = widths
    config = {"architectures": ["WeftExpertMlp"], "d_model": d, "d_hidden": hidden, "activation": activation,
              "gated": gated, "space": "f00d/fused"} | ({} if out == d else {"d_out": out})
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    w = {f"{n}.weight": torch.randn(shape, generator=g) / shape[1] ** 0.5
         for n, shape in {"up": (hidden, d), "gate": (hidden, d), "down": (out, hidden)}.items() if gated or n != "gate"}
    w |= {f"{n}.bias": torch.randn(w[f"{n}.weight"].shape[0], generator=g) for n in biased}
    save_file({k: v.numpy() for k, v in w.items()}, folder / "model.safetensors")
    x = torch.randn((9, d), generator=g)
    w = {k: v.double() for k, v in w.items()}

    def layer(n, value):
        return F.linear(value, w[f"{n}.weight"], w.get(f"{n}.bias"))

    act = {"gelu": F.gelu, "silu": F.silu, "relu": F.relu}[activation]
    h = act(layer("gate", x.double())) * layer("up", x.double()) if gated else act(layer("up", x.double()))
    write(name, {"0.x": x.numpy(), "0.y": layer("down", h).float().numpy()}, folder)


def digits(models_folder):
    generator = np.random.default_rng(7)
    model = ViTModel.from_pretrained(models_folder / "vit", attn_implementation="eager").eval()
    grey = model.config.num_channels == 1
    pictures = pictures_of(generator, [(28, 28), (28, 28), (60, 45)], grey)
    processor = ViTImageProcessor.from_pretrained(models_folder / "vit")
    write("digits-vit", image_golden(model, processor, pictures), models_folder / "vit")
    model = ASTModel.from_pretrained(models_folder / "ast", attn_implementation="eager").eval()
    extractor = ASTFeatureExtractor.from_pretrained(models_folder / "ast")
    write("digits-ast", audio_golden(model, extractor, clips_of(generator, extractor.sampling_rate,
                                                                [4000, 9001, 20000])), models_folder / "ast")
    model = BertModel.from_pretrained(models_folder / "bert", attn_implementation="eager").eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(models_folder / "bert" / "tokenizer.json"))
    write("digits-bert", text_golden(model, tokenizer, ["seven", "Sieben", "cinq", "零", "quatre vingt! Ñandú"]),
          models_folder / "bert")


def main():
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digits", type=pathlib.Path, metavar="MODELS")
    args = parser.parse_args()
    if args.digits:
        digits(args.digits)
    else:
        random_checkpoints()


if __name__ == "__main__":
    main()
