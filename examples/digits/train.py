"""Trains the models of the digits example.

    train.py                      the shipped models, into models/
    train.py --folds --out DIR    five leave-one-speaker-out sets, into DIR/<speaker>/
    train.py --only vit           one stage (vit, bert, ast, fuse); finished stages are kept in WEFT_CACHE

See README.md for the environment and card.md for the data, the splits and the figures.
"""
import argparse
import functools
from pathlib import Path

import torch

from recipe import data, encoders, export, figures, fuse, models, text
from recipe.encoders import log

STEPS = {"vit": 2000, "vit-second": 700, "bert": 2000, "voices": 1200, "ast": 530, "ast-second": 600, "fuse": 800}
SECOND = {"seed": 33, "lr": 1.5e-3, "keep": 0.75, "batch": 64, "hard": 0.15, "strength": 0.85, "mask": False}


def stage(name, build, train):
    """Answers a trained model: from the cache, or trained now and kept there."""
    path = data.CACHE / f"{name}.pt"
    model = build()
    if path.exists():
        model.load_state_dict(torch.load(path, weights_only=True))
    else:
        log(f"training {name}")
        model = train(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), path)
    return model.eval()


def see():
    """The picture encoder: a first run from noise-free to noisy pictures, then a second, gentler and noisier one."""
    build = lambda: models.Classifier(models.vit(), n_special=1)
    first = lambda: stage("vit-start", build, lambda m: encoders.train_vit(m, STEPS["vit"]))
    return stage("vit", build, lambda m: encoders.train_vit(started_from(first(), m), STEPS["vit-second"], seed=31,
                                                            lr=7e-4, noise_share=0.5, ramp_share=0.0))


def read(tok):
    return stage("bert", lambda: models.Classifier(models.bert(tok.get_vocab_size())),
                 lambda m: encoders.train_bert(m, tok, STEPS["bert"]))


def listen():
    """A speech encoder that has heard synthetic voices only: where the encoder of every fold starts."""
    _, voices, calibration, _ = encoders.split_clips()
    return stage("ast-voices", lambda: models.Classifier(models.ast(), n_special=2), lambda m: encoders.train_ast(
        m, voices, voices, calibration, STEPS["voices"], name="ast voices"))


def hear(fold):
    """The speech encoder of a fold (the speaker left out, or "all"): recordings and synthetic voices, mixed.

    Again in two runs, the second with less babble and more of each clip left to see.
    """
    train, voices, _, test = encoders.split_clips(() if fold == "all" else (fold,))
    build = lambda: models.Classifier(models.ast(), n_special=2)
    first = lambda: stage(f"ast-start-{fold}", build, lambda m: encoders.train_ast(
        started_from(listen(), m), train, voices, test, STEPS["ast"], lr=1.5e-3, name=f"ast {fold}"))
    return stage(f"ast-{fold}", build, lambda m: encoders.train_ast(
        started_from(first(), m), train, voices, test, STEPS["ast-second"], name=f"ast {fold}", **SECOND))


def started_from(old, new):
    new.load_state_dict(old.state_dict(), strict=False)
    return new


@functools.cache
def shared():
    """What all folds share: the tokenizer, both encoders, and their tokens for fusing and for calibrating.

    Sheets 15 and 16 are in the encoder's training too; sheet 17 is not, and its last 1,000 pictures calibrate.
    """
    tok = text.tokenizer()
    vit, bert = see(), read(tok)
    torch.manual_seed(11)
    x, y = data.mnist([15, 16, 17])
    banks = fuse.picture_bank(vit, x[:8000], y[:8000], copies=2), fuse.words_bank(bert, tok, 3000, seed=21)
    val = fuse.picture_bank(vit, x[8000:], y[8000:], copies=2), fuse.words_bank(bert, tok, 1000, seed=22)
    return tok, vit, bert, banks, val


def finish(fold, out):
    """Fuses and calibrates, writes the models, answers the figures."""
    tok, vit, bert, (pictures, words), (val_pictures, val_words) = shared()
    ast = hear(fold)
    _, _, calibration, test = encoders.split_clips(() if fold == "all" else (fold,))
    torch.manual_seed(12)
    banks = pictures, fuse.speech_bank(ast, calibration, 6000, strength=1.8), words
    val = val_pictures, fuse.speech_bank(ast, calibration, 1500), val_words
    fusion = fuse.train_fusion(banks, val, (vit, ast, bert), STEPS["fuse"])
    temperatures = [fuse.fit_temperature(b.logits[b.digits >= 0], b.digits[b.digits >= 0]) for b in val]
    export.write(out, vit, ast, bert, tok, fusion, temperatures)
    return figures.measure(fold, vit, ast, fusion, temperatures, test) | {"words": figures.words(fusion, val_words)}


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--folds", action="store_true", help="leave-one-speaker-out sets instead of the shipped models")
    args.add_argument("--speaker", choices=data.SPEAKERS, help="only this fold")
    args.add_argument("--out", type=Path, default=Path(__file__).parent / "models")
    args.add_argument("--only", choices=("vit", "bert", "voices", "ast", "fuse"))
    args.add_argument("--threads", type=int, default=2)
    args = args.parse_args()
    torch.set_num_threads(args.threads)
    folds = [args.speaker] if args.speaker else list(data.SPEAKERS) if args.folds else ["all"]
    results = []
    if args.only in ("vit", "bert", "voices"):
        {"vit": see, "bert": lambda: read(text.tokenizer()), "voices": listen}[args.only]()
        return
    for fold in folds:
        if args.only == "ast":
            hear(fold)
        else:
            results.append(finish(fold, args.out if fold == "all" else args.out / fold))
    if results:
        print(figures.table(results))


if __name__ == "__main__":
    main()
