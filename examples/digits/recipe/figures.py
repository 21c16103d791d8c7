"""The figures of the model card, measured on the test split as the pipeline sees it."""
import numpy as np
import torch
import torch.nn.functional as F

from . import data, encoders, fuse, image, models, sound
from .encoders import accuracy

PAIRINGS = 4  # each test clip meets so many test pictures of its digit
SIGMAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.2)


@torch.no_grad()
def tokens_of(model, x, temperature):
    """Tokens, and the calibrated log probabilities of the modality's own head."""
    out = [model.encoder(part) for part in x.split(500)]
    logits = torch.cat([model.head(o.pooler_output) for o in out])
    return torch.cat([o.last_hidden_state for o in out]), F.log_softmax(logits / temperature, 1)


def in_babble(clips, seed=17, snr_db=0.0):
    """Each clip with three clips of three other speakers (takes 0-4) over it, at equal power, together 0 dB."""
    rng = np.random.default_rng(seed)
    others = {s: [c["samples"] for c in data.fsdd() if c["speaker"] == s and c["take"] < 5] for s in data.SPEAKERS}
    mels = []
    for clip in clips:
        speakers = rng.choice([s for s in data.SPEAKERS if s != clip["speaker"]], 3, replace=False)
        noise = [others[s][rng.integers(len(others[s]))] for s in speakers]
        mels.append(sound.log_mel(sound.babble(clip["samples"], noise, snr_db, rng)))
    return sound.model_input(mels)


@torch.no_grad()
def compare(fusion, pictures, speech, y):
    """Accuracies of the parts, the product of experts, the fusion, and the fusion with one part absent or wrong."""
    (pt, pl), (st, sl) = pictures, speech
    ones, none = torch.ones(len(y), dtype=torch.bool), torch.zeros(len(y), dtype=torch.bool)
    full = lambda x: torch.ones(x.shape[:2], dtype=torch.bool)
    words = (torch.zeros(len(y), 1, models.D_TEXT), torch.ones(len(y), 1, dtype=torch.bool))
    run = lambda p, s, has: fusion({"picture": (p, full(p)), "speech": (s, full(s)), "words": words},
                                   dict(zip(fuse.NAMES, has)))
    both, _, weights = run(pt, st, (ones, ones, none))
    other = torch.randperm(len(y))
    return {"picture": accuracy(pl, y), "speech": accuracy(sl, y), "product": accuracy(pl + sl, y),
            "fused": accuracy(both, y), "speech absent": accuracy(run(pt, st, (ones, none, none))[0], y),
            "picture absent": accuracy(run(pt, st, (none, ones, none))[0], y),
            "speech shuffled": accuracy(run(pt, st[other], (ones, ones, none))[0], y),
            "picture shuffled": accuracy(run(pt[other], st, (ones, ones, none))[0], y),
            "weight": weights["picture"].mean().item(),
            "nll": F.cross_entropy(both / fusion.temperature, y).item(),
            "product nll": F.cross_entropy(F.log_softmax(pl + sl, 1), y).item()}


@torch.no_grad()
def words(fusion, bank):
    """Words alone, on unseen draws of text: by their own head and through the fusion."""
    told = bank.digits >= 0
    present = {"words": torch.ones(len(told), dtype=torch.bool)}
    fused = fusion({"words": (bank.tokens, bank.masks)}, present)[0]
    return accuracy(bank.logits[told], bank.digits[told]), accuracy(fused[told], bank.digits[told])


def measure(fold, vit, ast, fusion, temperatures, test, seed=23):
    """All figures of one fold."""
    torch.manual_seed(seed)
    x, labels = data.mnist([18, 19])
    x = x.float() / 255
    y = encoders.digits_of(test).repeat(PAIRINGS)
    rows = torch.stack([torch.nonzero(labels == d).flatten()[torch.randint(int((labels == d).sum()), ())] for d in y])
    see = lambda p: tokens_of(vit, image.normalise(p), temperatures[0])
    pair = lambda t: tuple(part.repeat(PAIRINGS, *[1] * (part.ndim - 1)) for part in t)
    speech = pair(tokens_of(ast, sound.model_input(encoders.mels_of(test)), temperatures[1]))
    babbled = pair(tokens_of(ast, in_babble(test), temperatures[1]))
    result = {"fold": fold, "mnist": accuracy(see(x)[1], labels),
              "easy": compare(fusion, see(x[rows]), speech, y),
              "hard": compare(fusion, see(image.noisy(x[rows], 1.0)), babbled, y),
              "noisy picture": compare(fusion, see(image.noisy(x[rows], 1.0)), speech, y),
              "noisy speech": compare(fusion, see(x[rows]), babbled, y)}
    result["weights"] = [compare(fusion, see(image.noisy(x[rows[:500]], s)), tuple(t[:500] for t in speech),
                                 y[:500])["weight"] for s in SIGMAS]
    return result


def table(results):
    """The figures of all folds, and their means, as Markdown."""
    keys = ("picture", "speech", "product", "fused", "speech absent", "picture absent", "speech shuffled",
            "picture shuffled", "nll", "product nll")
    lines = []
    for part in ("easy", "hard", "noisy picture", "noisy speech"):
        lines += [f"\n{part}", "| fold | " + " | ".join(keys) + " |", "|" + " --- |" * (len(keys) + 1)]
        rows = [[r[part][k] for k in keys] for r in results]
        for name, row in zip([r["fold"] for r in results] + ["mean"], rows + [np.mean(rows, 0)]):
            lines.append(f"| {name} | " + " | ".join(f"{v:.2f}" if v > 5 else f"{v:.3f}" for v in row) + " |")
    words_right = "{:.2f}, {:.2f}".format(*np.mean([r["words"] for r in results], 0))
    lines += [f"\nMNIST sheets 18-19: {results[0]['mnist']:.2f}",
              f"words alone, head and fusion: {words_right}", "picture's weight at sigma " + ", ".join(
        f"{s}: {np.mean([r['weights'][i] for r in results]):.3f}" for i, s in enumerate(SIGMAS))]
    return "\n".join(lines)
