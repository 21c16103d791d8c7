"""Trains the models of the digits example.

    train.py                      the shipped models, into models/
    train.py --folds --out DIR    five leave-one-speaker-out sets, into DIR/<speaker>/
    train.py --only vit           one stage (vit, bert, ast, fuse); finished stages are kept in WEFT_CACHE

See README.md for the environment and card.md for the data, the splits and the figures.
"""
import argparse
from pathlib import Path

import torch

from recipe import data, encoders, export, figures, fuse, models, text
from recipe.encoders import log

STEPS = {"vit": 2000, "vit-second": 700, "bert": 1500, "voices": 1200, "ast": 350, "fuse": 800}


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
    start = stage("vit-start", build, lambda m: encoders.train_vit(m, STEPS["vit"]))
    return stage("vit", build, lambda m: encoders.train_vit(started_from(start, m), STEPS["vit-second"], seed=31, lr=7e-4,
                                                            noise_share=0.5))


def read(tok):
    return stage("bert", lambda: models.Classifier(models.bert(tok.get_vocab_size())),
                 lambda m: encoders.train_bert(m, tok, STEPS["bert"]))


def listen():
    """A speech encoder that has heard synthetic voices only: where the encoder of every fold starts."""
    _, voices, calibration, _ = encoders.split_clips()
    return stage("ast-voices", lambda: models.Classifier(models.ast(), n_special=2), lambda m: encoders.train_ast(
        m, voices, voices, calibration, STEPS["voices"], name="ast voices"))


def hear(fold):
    """The speech encoder of a fold (the speaker left out, or "all"): recordings and synthetic voices, mixed."""
    train, voices, _, test = encoders.split_clips(() if fold == "all" else (fold,))
    return stage(f"ast-{fold}", lambda: models.Classifier(models.ast(), n_special=2), lambda m: encoders.train_ast(
        started_from(listen(), m), train, voices, test, STEPS["ast"] * (2 if fold == "all" else 1), lr=1.5e-3, name=f"ast {fold}"))


def started_from(old, new):
    new.load_state_dict(old.state_dict(), strict=False)
    return new


def finish(fold, out):
    """Fuses and calibrates on data that no encoder was fitted to, writes the models, answers the figures."""
    tok = text.tokenizer()
    vit, bert, ast = see(), read(tok), hear(fold)
    train, _, calibration, test = encoders.split_clips(() if fold == "all" else (fold,))
    torch.manual_seed(11)
    x, y = data.mnist([16, 17])
    banks = [fuse.picture_bank(vit, x[:5000], y[:5000], copies=2),
             fuse.speech_bank(ast, train + calibration * 4, 7000), fuse.words_bank(bert, tok, 3000, seed=21)]
    val = [fuse.picture_bank(vit, x[5000:], y[5000:], copies=2), fuse.speech_bank(ast, calibration, 1500),
           fuse.words_bank(bert, tok, 1000, seed=22)]
    fusion = fuse.train_fusion(banks, val, (vit, ast, bert), STEPS["fuse"])
    temperatures = [fuse.fit_temperature(b.logits[b.digits >= 0], b.digits[b.digits >= 0]) for b in val]
    export.write(out, vit, ast, bert, tok, fusion, temperatures)
    return figures.measure(fold, vit, ast, fusion, temperatures, test) | {"words": figures.words(fusion, val[2])}


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
