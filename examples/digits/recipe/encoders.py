"""Training one encoder each: pictures, speech, words."""
import random
import time

import torch
import torch.nn.functional as F

from . import data, image, models, sound, text


def log(*words):
    print(time.strftime("%H:%M:%S"), *words, flush=True)


@torch.no_grad()
def logits_of(model, inputs, batch=500):
    """Logits for all inputs, in batches, without dropout."""
    model.eval()
    return torch.cat([model(inputs[i:i + batch]) for i in range(0, len(inputs), batch)])


def accuracy(logits, labels):
    return 100 * (logits.argmax(1) == labels).float().mean().item()


def train_vit(model, steps, seed=1, lr=2e-3, noise_share=0.4, ramp_share=0.15):
    """Trains on sheets 00-16, at first on clean pictures; validation sheet 17 is only watched."""
    torch.manual_seed(seed)
    x, y = data.mnist(range(17))
    x_val, y_val = data.mnist([17])
    x_val = x_val.float() / 255
    ema = models.Ema(model, 0.998)
    batch = 256
    opt, schedule = models.optimizer(model, lr, 0.05, steps)
    began = time.time()
    order = torch.randperm(len(x))
    at = 0
    for step in range(steps):
        if at + batch > len(x):
            order, at = torch.randperm(len(x)), 0
        rows = order[at:at + batch]
        at += batch
        model.train()
        ramp = min(1.0, step / (ramp_share * steps + 1e-9))  # noise from the start costs epochs
        pictures = image.augment(x[rows].float() / 255, noise_share=noise_share * ramp, invert_share=0.25 * ramp)
        loss = model.loss(image.normalise(pictures), y[rows])
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        schedule.step()
        ema.update(model)
        if step % 200 == 199 or step == steps - 1:
            g = torch.Generator().manual_seed(5)
            hard = x_val[:1000] + torch.randn(1000, 28, 28, generator=g)
            log(f"vit {step + 1}/{steps} {time.time() - began:.0f} s loss {loss.item():.3f}",
                f"val {accuracy(logits_of(ema.model, image.normalise(x_val)), y_val):.2f}",
                f"sigma 1 {accuracy(logits_of(ema.model, image.normalise(hard)), y_val[:1000]):.2f}",
                f"inverted {accuracy(logits_of(ema.model, image.normalise(1 - x_val[:1000])), y_val[:1000]):.2f}")
    return ema.model


def encode(tok, texts):
    """Padded ids and mask, as BertModel takes them."""
    rows = [tok.encode(t).ids for t in texts]
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, :len(row)] = torch.tensor(row)
        mask[i, :len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def train_bert(model, tok, steps, seed=2):
    """Words and sentences of all languages; texts that name no digit are taught the uniform answer."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    words = text.words_by_language()
    ema = models.Ema(model, 0.995)
    opt, schedule = models.optimizer(model, 2e-3, 0.02, steps)
    for step in range(steps):
        texts, digits = zip(*[text.sample(rng, words) for _ in range(96)])
        digits = torch.tensor(digits)
        target = torch.where((digits < 0).unsqueeze(1), 0.1, F.one_hot(digits.clamp_min(0), 10).float())
        model.train()
        loss = model.loss(encode(tok, texts), target)
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        schedule.step()
        ema.update(model)
        if step % 300 == 299 or step == steps - 1:
            log(f"bert {step + 1}/{steps} loss {loss.item():.3f}", score_bert(ema.model, tok))
    return ema.model


@torch.no_grad()
def score_bert(model, tok, n=600):
    """Accuracy on unseen draws, and on each language's plain words."""
    rng = random.Random(99)
    words = text.words_by_language()
    texts, digits = zip(*[text.sample(rng, words, nothing=0) for _ in range(n)])
    drawn = accuracy(model(encode(tok, texts)), torch.tensor(digits))
    plain = text.all_words()
    right = model(encode(tok, [w for _, _, w in plain])).argmax(1) == torch.tensor([d for _, d, _ in plain])
    wrong = [f"{w} ({lang})" for (lang, _, w), ok in zip(plain, right) if not ok]
    return f"drawn {drawn:.2f} plain words {100 * right.float().mean():.2f} wrong: {wrong[:8]}"


def split_clips(speakers_out=(), synthetic_out=0.15):
    """Training, calibration and test clips.

    Leaving a speaker out, that speaker's 500 clips are the test; shipped models are tested on takes 0-4 of all.
    Calibration voices are synthetic ones that no encoder is trained on: the nearest thing to an unseen speaker.
    """
    real, voices = data.fsdd(), data.synthetic()
    test = [c for c in real if (c["speaker"] in speakers_out if speakers_out else c["take"] < 5)]
    train = [c for c in real if (c["speaker"] not in speakers_out if speakers_out else c["take"] >= 5)]
    held = lambda c: c["speaker"].startswith("espeak") and int(c["speaker"][-3:]) % 100 < 100 * synthetic_out
    return train, [c for c in voices if not held(c)], [c for c in voices if held(c)], test


def mels_of(clips):
    """Computes (once) and answers each clip's log-mel."""
    for c in clips:
        if "mel" not in c:
            c["mel"] = sound.log_mel(c["samples"])
    return [c["mel"] for c in clips]


def digits_of(clips):
    return torch.tensor([c["digit"] for c in clips])


class SoundBatches:
    """Draws training batches: `real` of each batch from recorded clips, the rest from synthetic voices."""

    def __init__(self, recorded, voices, real=0.7):
        self.pools = [(sound.pack(mels_of(c)), digits_of(c)) for c in (recorded, voices)]
        self.real = real

    def draw(self, n, **how):
        parts = []
        for ((x, lengths), y), k in zip(self.pools, (round(n * self.real), n - round(n * self.real))):
            rows = torch.randint(len(y), (k,))
            parts.append((x[rows], lengths[rows], y[rows]))
        x, lengths, y = (torch.cat(p) for p in zip(*parts))
        return sound.augment(x, lengths, **how), y


def train_ast(model, recorded, voices, test, steps, seed=3, lr=2e-3, keep=0.45, name="ast", batch=128, **how):
    """Trains on augmented clips; the test is only watched."""
    torch.manual_seed(seed)
    batches = SoundBatches(recorded, voices)
    x_test, y_test = sound.model_input(mels_of(test)), digits_of(test)
    ema = models.Ema(model, 0.995)
    opt, schedule = models.optimizer(model, lr, 0.05, steps)
    began = time.time()
    for step in range(steps):
        x, y = batches.draw(batch, **how)
        model.train()
        loss = model.loss(x, y, keep if step < 0.9 * steps else 1.0)
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        schedule.step()
        ema.update(model)
        if step % 50 == 49 or step == steps - 1:
            log(f"{name} {step + 1}/{steps} {time.time() - began:.0f} s loss {loss.item():.3f}",
                f"test {accuracy(logits_of(ema.model, x_test), y_test):.2f}")
    return ema.model
