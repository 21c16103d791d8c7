"""Writing the model folders: encoders as transformers' save_pretrained does, fusion and heads in Weft's formats."""
import json

from safetensors.torch import save_file
from transformers import ASTFeatureExtractor, ViTImageProcessor

from . import fuse, image, models, sound


def folder(path, config, tensors):
    """A folder of config.json and model.safetensors."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, path / "model.safetensors", {"format": "pt"})


def head(path, linear, temperature):
    config = {"architectures": ["WeftClassifier"], "id2label": {str(i): str(i) for i in range(10)},
              "temperature": round(float(temperature), 4)}
    folder(path, config, {"weight": linear.weight, "bias": linear.bias})


def add_level(path):
    """Tells plugins/ast the level that every recording is brought to; transformers ignores the key."""
    config = json.loads(path.read_text())
    config["weft_level_db"] = sound.LEVEL_DB
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def write(out, vit, ast, bert, tok, fusion, temperatures):
    """One complete set of models under `out`."""
    vit.encoder.save_pretrained(out / "vit")
    ViTImageProcessor(size={"height": 28, "width": 28}, resample=2, image_mean=[image.MEAN], image_std=[image.STD],
                      do_rescale=True, rescale_factor=1 / 255, do_normalize=True).save_pretrained(out / "vit")
    ast.encoder.save_pretrained(out / "ast")
    ASTFeatureExtractor(sampling_rate=sound.RATE, num_mel_bins=sound.BINS, max_length=sound.FRAMES, mean=sound.MEAN,
                        std=sound.STD, do_normalize=True, feature_size=1).save_pretrained(out / "ast")
    add_level(out / "ast" / "preprocessor_config.json")
    bert.encoder.save_pretrained(out / "bert")
    tok.save(str(out / "bert" / "tokenizer.json"))
    vocab = sorted(tok.get_vocab(), key=tok.get_vocab().get)
    (out / "bert" / "vocab.txt").write_text("\n".join(vocab) + "\n")
    dims = (models.D_IMAGE, models.D_SOUND, models.D_TEXT)
    config = {"architectures": ["WeftGatedFusion"], "d_model": fuse.D_FUSED, "d_hidden": fuse.D_HIDDEN,
              "inputs": [{"name": n, "d": d} for n, d in zip(fuse.NAMES, dims)]}
    tensors = {k: v for k, v in fusion.state_dict().items() if k.startswith("inputs.")}
    tensors = {k: v.flatten() if k.endswith("score.weight") else v for k, v in tensors.items()}
    folder(out / "fusion", config, tensors)
    head(out / "head", fusion.head, fusion.temperature)
    for name, model, t in zip(("vit", "ast", "bert"), (vit, ast, bert), temperatures):
        head(out / f"head-{name}", model.head, t)
