"""The gated fusion and its training on frozen encoders, the calibrated heads, and the figures.

Per modality, p = softmax(x . score / sqrt(d))^T x pools the tokens, h = W2 gelu(W1 p + b1) + b2 is what it says and
q = sigmoid(G2 gelu(G1 p + c1) + c2) how far it is to be believed; the fused vector is the sum of q h over the
modalities present (after Arevalo et al. 2017, Gated Multimodal Units).  With equal gates the head's answer is a
product of experts.
"""
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from . import data, encoders, image, models, sound, text
from .encoders import accuracy, log

NAMES = ("picture", "speech", "words")
D_FUSED, D_HIDDEN = 16, 96
ALIKE = 8.0


class Modality(nn.Module):
    """One modality's score, value and gate; the attribute names are those of the weight file."""

    def __init__(self, d):
        super().__init__()
        self.score = nn.Linear(d, 1, bias=False)
        self.value1, self.value2 = nn.Linear(d, D_HIDDEN), nn.Linear(D_HIDDEN, D_FUSED)
        self.gate1, self.gate2 = nn.Linear(d, D_HIDDEN), nn.Linear(D_HIDDEN, 1)

    def pool(self, x, mask):
        """p: [n, d]."""
        s = self.score(x).squeeze(2) / x.shape[2] ** 0.5
        return torch.bmm(s.masked_fill(~mask, -1e9).softmax(1).unsqueeze(1), x).squeeze(1)

    def forward(self, x, mask):
        """Tokens [n, t, d] and their mask [n, t] -> value [n, D_FUSED], gate's logit [n]."""
        p = self.pool(x, mask)
        return self.value2(F.gelu(self.value1(p))), self.gate2(F.gelu(self.gate1(p))).squeeze(1)


class GatedFusion(nn.Module):
    """Fuses whichever modalities are present, and classifies; temperature is fitted afterwards."""

    def __init__(self):
        super().__init__()
        dims = dict(zip(NAMES, (models.D_IMAGE, models.D_SOUND, models.D_TEXT)))
        self.inputs = nn.ModuleDict({name: Modality(d) for name, d in dims.items()})
        self.head = nn.Linear(D_FUSED, 10)
        self.temperature = 1.0

    def forward(self, tokens, present):
        """tokens: name -> (x, mask); present: name -> bool [n].  Logits, gate logits and weights by name."""
        fused, gates, qualities = 0, {}, {}
        for name, (x, mask) in tokens.items():
            value, gate = self.inputs[name](x, mask)
            q = torch.sigmoid(gate) * present[name]
            fused = fused + q.unsqueeze(1) * value
            gates[name], qualities[name] = gate, q
        total = sum(qualities.values())
        return self.head(fused), gates, {k: q / total for k, q in qualities.items()}


class Bank:
    """Tokens of many inputs of one modality, with their digits and what the modality's own head answers."""

    def __init__(self, model, inputs, digits):
        self.digits, tokens, logits, masks = digits, [], [], []
        model.eval()
        with torch.no_grad():
            for x in inputs:
                out = model.encoder(**x) if isinstance(x, dict) else model.encoder(x)
                tokens.append(out.last_hidden_state)
                logits.append(model.head(out.pooler_output))
                mask = x["attention_mask"] if isinstance(x, dict) else torch.ones(out.last_hidden_state.shape[:2])
                masks.append(mask.bool())
        longest = max(t.shape[1] for t in tokens)
        fill = lambda t: F.pad(t, (0, 0) * (t.ndim - 2) + (0, longest - t.shape[1]))
        self.tokens, self.masks = torch.cat([fill(t) for t in tokens]), torch.cat([fill(m) for m in masks])
        self.logits = torch.cat(logits)
        self.rows = {d: torch.nonzero(digits == d).flatten() for d in range(-1, 10)}

    def draw(self, digits):
        """One row for each digit wanted, at random."""
        out = torch.empty(len(digits), dtype=torch.long)
        for d in digits.unique().tolist():
            at = digits == d
            out[at] = self.rows[d][torch.randint(len(self.rows[d]), (int(at.sum()),))]
        return out


def picture_bank(model, x, y, copies=1):
    """Augmented pictures: a third clean, the rest with noise up to sigma 1.2."""
    x, y = x.repeat(copies, 1, 1).float() / 255, y.repeat(copies)
    x = image.augment(x, noise_share=0.65, invert_share=0.1)
    return Bank(model, image.normalise(x).split(500), y)


def speech_bank(model, clips, n, strength=1.0):
    """Augmented clips, half of them in babble."""
    (x, lengths), y = sound.pack(encoders.mels_of(clips)), encoders.digits_of(clips)
    rows = torch.randint(len(y), (n,))
    inputs = [sound.augment(x[r], lengths[r], hard=0.5, strength=strength, mask=False) for r in rows.split(250)]
    return Bank(model, inputs, y[rows])


def words_bank(model, tok, n, seed, nothing=0.08):
    rng, words = random.Random(seed), text.words_by_language()
    texts, digits = zip(*[text.sample(rng, words, nothing=nothing) for _ in range(n)])
    return Bank(model, [encoders.encode(tok, texts[i:i + 250]) for i in range(0, n, 250)], torch.tensor(digits))


SUBSETS = torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).float()
SHARES = torch.tensor([5.0, 1.0, 1.0, 1.0, 1.0, 1.5, 1.0]) / 11.5  # of the loss: picture with speech is the hard pair


def batch_of(banks, n):
    """Inputs that agree on a digit; now and then the words say nothing."""
    y = torch.randint(10, (n,))
    silent = torch.rand(n) < 0.1
    rows = [banks[0].draw(y), banks[1].draw(y), banks[2].draw(torch.where(silent, -1, y))]
    return y, ~silent, list(zip(NAMES, banks, rows))


def fit_temperature(logits, y):
    """The temperature of least cross entropy, by golden-section search on its logarithm."""
    f = lambda t: F.cross_entropy(logits / np.exp(t), y).item()
    a, b, g = -1.5, 1.5, (5 ** 0.5 - 1) / 2
    while b - a > 1e-3:
        c, d = b - g * (b - a), a + g * (b - a)
        a, b = (a, d) if f(c) < f(d) else (c, b)
    return float(np.exp((a + b) / 2))


def start_pooling(modality, bank, n_special, steps=250):
    """Aims the pooling at the mean of the tokens that the encoder answers from, then polishes it by descent."""
    aim_pooling(modality, bank, n_special)
    opt = torch.optim.Adam(modality.score.parameters(), 0.02 * modality.score.weight.abs().mean().item())
    for _ in range(steps):
        rows = torch.randint(len(bank.tokens), (128,))
        x = bank.tokens[rows]
        loss = (modality.pool(x, bank.masks[rows]) - x[:, :n_special].mean(1)).square().mean()
        opt.zero_grad()
        loss.backward()
        opt.step()


@torch.no_grad()
def aim_pooling(modality, bank, n_special):
    """The scores by ridge regression: 1 on the wanted tokens, 0 on the others."""
    x, mask = bank.tokens[:1500], bank.masks[:1500].clone()
    d = x.shape[2]
    wanted = x[:, :n_special].reshape(-1, d)
    mask[:, :n_special] = False
    others = x[mask]
    rows = torch.cat([wanted, others]).double()
    weight = torch.cat([torch.full((len(wanted),), len(others) / len(wanted)), torch.ones(len(others))]).double()
    mean = others.double().mean(0)
    rows, aim = rows - mean, torch.cat([torch.ones(len(wanted)), torch.zeros(len(others))]).double()
    if n_special == 2:  # their mean is wanted, so above all their scores must be alike
        apart = (x[:, 0] - x[:, 1]).double()
        rows, aim = torch.cat([rows, apart]), torch.cat([aim, torch.zeros(len(apart))])
        weight = torch.cat([weight, torch.full((len(apart),), ALIKE * len(others) / len(apart))])
    gram = (rows * weight.unsqueeze(1)).T @ rows + 1e-5 * len(rows) * torch.eye(d)
    w = torch.linalg.solve(gram, (rows * weight.unsqueeze(1)).T @ aim)
    modality.score.weight.copy_((w * 10 * d ** 0.5).float().unsqueeze(0))


def start_value(modality, classifier, bank, linear, steps=1500, scale=1 / 0.9):
    """Makes the value answer as the encoder's own head; the fusion then starts as their product of experts.

    Where the encoder's pooling is linear the value is the head itself, for gelu(x) - gelu(-x) = x; elsewhere it is
    distilled.  scale makes up for gates that start at 0.9.
    """
    m, n = modality, classifier.head.out_features
    with torch.no_grad():
        m.value2.weight[:n] = 0
        m.value2.bias.zero_()
        nn.init.zeros_(m.gate2.weight), nn.init.constant_(m.gate2.bias, 2.2)
        p = torch.cat([m.pool(x, k) for x, k in zip(bank.tokens.split(1000), bank.masks.split(1000))])
        if linear:
            e = classifier.head
            m.value1.weight[:n], m.value1.weight[n:2 * n] = e.weight, -e.weight
            m.value1.bias[:n], m.value1.bias[n:2 * n] = e.bias, -e.bias
            m.value2.weight[:, :2 * n] = 0
            m.value2.weight[:n, :n], m.value2.weight[:n, n:2 * n] = scale * torch.eye(n), -scale * torch.eye(n)
            m.value2.weight[:, 2 * n:] = 0
            return
    params = [*m.value1.parameters(), *m.value2.parameters()]
    opt = torch.optim.Adam(params, 5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps)
    target = bank.logits - bank.logits.mean(1, keepdim=True)
    for _ in range(steps):
        rows = torch.randint(len(p), (256,))
        out = m.value2(F.gelu(m.value1(p[rows])))
        loss = F.mse_loss(out[:, :n], scale * target[rows]) + out[:, n:].square().mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        schedule.step()


def train_fusion(banks, val_banks, classifiers, steps=1500, seed=4, teach=0.2):
    """Trains on every subset of the modalities at once (modality dropout without the chance of it).

    Alone, a modality is also taught to answer as its own head does.
    """
    torch.manual_seed(seed)
    model = GatedFusion()
    models.initialise(model)
    nn.init.normal_(model.head.weight, std=0.05), nn.init.zeros_(model.head.bias)
    model.head.weight.data[:, :10] = torch.eye(10)
    for name, classifier, bank in zip(NAMES, classifiers, banks):
        start_pooling(model.inputs[name], bank, 2 if name == "speech" else 1)
        start_value(model.inputs[name], classifier, bank, linear=name == "speech")
        value, _ = model.inputs[name](bank.tokens[:2000], bank.masks[:2000])
        log(f"{name}: head {accuracy(bank.logits[:2000], bank.digits[:2000]):.2f}",
            f"value {accuracy(model.head(value), bank.digits[:2000]):.2f}")
    ema = models.Ema(model, 0.995)
    slow = [p for k, p in model.named_parameters() if "gate" not in k]
    opt, schedule = models.optimizer(model, 3e-3, 0.02, steps, slow=slow)
    for step in range(steps):
        y, speaks, drawn = batch_of(banks, 256)
        loss, parts, quality = 0, [], []
        for name, bank, rows in drawn:
            value, gate = model.inputs[name](bank.tokens[rows], bank.masks[rows])
            quality.append(torch.sigmoid(gate))
            parts.append(quality[-1].unsqueeze(1) * value)
            alone, soft = model.head(parts[-1]), F.softmax(bank.logits[rows], 1)
            loss = loss + teach * F.kl_div(F.log_softmax(alone, 1), soft, reduction="batchmean")
        stacked = torch.stack(parts, 1)
        for subset, share in zip(SUBSETS, SHARES):
            logits = model.head((stacked * subset.view(1, 3, 1)).sum(1))
            told = subset[:2].any() | speaks
            loss = loss + share * (F.cross_entropy(logits, y, reduction="none") * told).mean()
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        schedule.step()
        ema.update(model)
        if step % 400 == 399:
            log(f"fusion {step + 1}/{steps} loss {loss.item():.3f}")
    model = ema.model
    with torch.no_grad():
        y, _, drawn = batch_of(val_banks, 3000)
        tokens = {name: (bank.tokens[rows], bank.masks[rows]) for name, bank, rows in drawn}
        kept = SUBSETS[torch.multinomial(SHARES[:6], 3000, replacement=True)].bool()
        logits = model(tokens, dict(zip(NAMES, kept.T)))[0]
    model.temperature = fit_temperature(logits, y)
    log(f"fusion validation {accuracy(logits, y):.2f} temperature {model.temperature:.3f}")
    return model
