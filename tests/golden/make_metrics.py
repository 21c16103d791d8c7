#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What scikit-learn says of stored answers: tests/cli/metrics/NAME.json.

Each file: `classes`, `rows` [[expected class, [probability of each]]...] or `numbers` [[expected, given]...], and
`metrics` as weft eval names them. scikit-learn has neither ECE nor AURC: those are written out below with numpy.
Seeds are fixed. Run with scikit-learn 1.9.1 and numpy 2.4.6.
"""
import json
import pathlib

import numpy as np
from sklearn import metrics as sk

HERE = pathlib.Path(__file__).resolve().parent.parent / "cli" / "metrics"
BINS = 15


def ece(confidence, right):
    """Guo et al. 2017, section 2: bins (low, high] of equal width."""
    total = 0
    for b in range(BINS):
        inside = (confidence > b / BINS) & (confidence <= (b + 1) / BINS)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def aurc(confidence, right):
    """Geifman and El-Yaniv 2017: mean over n of the error among the n most confident."""
    wrong = ~right[np.argsort(-confidence, kind="stable")]
    return np.mean(np.cumsum(wrong) / np.arange(1, len(wrong) + 1))


def labels(name, seed, n, classes, sharpness, unseen=()):
    random = np.random.default_rng(seed)
    k = len(classes)
    expected = random.choice([c for c in range(k) if c not in unseen], n)
    logits = random.normal(size=(n, k)) + sharpness * np.eye(k)[expected]
    p = np.exp(1.7 * logits)
    p = np.round(p / p.sum(1, keepdims=True), 6)
    p[:, -1] = np.round(1 - p[:, :-1].sum(1), 6)
    given, ids = p.argmax(1), np.arange(k)
    confidence, right = p.max(1), p.argmax(1) == expected
    precision, recall, f1, support = sk.precision_recall_fscore_support(expected, given, labels=ids, zero_division=0)
    onehot = np.eye(k)[expected]
    found = {"accuracy": sk.accuracy_score(expected, given),
             "macro-f1": sk.f1_score(expected, given, average="macro", zero_division=0),
             "log-loss": sk.log_loss(expected, p, labels=ids),
             "brier": ((p - onehot) ** 2).sum(1).mean(), "ece": ece(confidence, right), "aurc": aurc(confidence, right)}
    if k == 2:
        found["auroc"] = sk.roc_auc_score(expected, p[:, 1])
        assert abs(found["brier"] - 2 * sk.brier_score_loss(expected, p[:, 1])) < 1e-12
    else:
        for top in (2, 3):
            found[f"top-{top}"] = sk.top_k_accuracy_score(expected, p, k=top, labels=ids)
    write(name, {"classes": classes, "rows": [[int(e), row.tolist()] for e, row in zip(expected, p)], "metrics": found,
                 "per_class": [dict(zip(("precision", "recall", "f1", "support"), map(float, row)))
                               for row in zip(precision, recall, f1, support)],
                 "confusion": sk.confusion_matrix(expected, given, labels=ids).tolist()})


def numbers(name, seed, n):
    random = np.random.default_rng(seed)
    expected = np.round(random.normal(20, 8, n), 3)
    given = np.round(expected + random.normal(0.4, 2, n), 3)
    write(name, {"numbers": np.stack([expected, given], 1).tolist(),
                 "metrics": {"mae": sk.mean_absolute_error(expected, given),
                             "rmse": sk.root_mean_squared_error(expected, given)}})


def write(name, golden):
    text = json.dumps(golden)
    (HERE / f"{name}.json").write_text(text.replace("]], [", "]],\n[").replace('"metrics"', '\n"metrics"') + "\n")
    print(name, golden["metrics"])


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    labels("seven-classes", 1, 300, [f"c{i}" for i in range(7)], 1.2, unseen=(4,))
    labels("two-classes", 2, 240, ["no", "yes"], 0.8)
    numbers("numbers", 3, 200)
