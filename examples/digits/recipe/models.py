"""The three encoders, as transformers defines them, and how they are trained."""
import copy
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from transformers import ASTConfig, ASTModel, BertConfig, BertModel, ViTConfig, ViTModel

from . import sound

D_IMAGE, D_SOUND, D_TEXT = 96, 96, 64


def vit():
    """28 x 28 grey, patches of 7: [16 + 1 tokens, 96]."""
    return ViTModel(ViTConfig(hidden_size=D_IMAGE, num_hidden_layers=6, num_attention_heads=3, intermediate_size=192,
                              image_size=28, patch_size=7, num_channels=1, hidden_dropout_prob=0.0,
                              attention_probs_dropout_prob=0.0))


def ast():
    """Log-mel [48 frames, 48 bins], patches of 8 x 8 every 8 bins and 4 frames: [6 * 11 + 2 tokens, 96]."""
    return ASTModel(ASTConfig(hidden_size=D_SOUND, num_hidden_layers=5, num_attention_heads=3, intermediate_size=192,
                              num_mel_bins=sound.BINS, max_length=sound.FRAMES, patch_size=8, frequency_stride=8,
                              time_stride=4, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.0))


def bert(vocab_size):
    """Word pieces, at most 64: [n tokens, 64]."""
    return BertModel(BertConfig(vocab_size=vocab_size, hidden_size=D_TEXT, num_hidden_layers=3, num_attention_heads=2,
                                intermediate_size=128, max_position_embeddings=64, hidden_dropout_prob=0.1,
                                attention_probs_dropout_prob=0.0))


def initialise(model):
    """Unit-scale starts: the libraries' std of 0.02 is made for hidden sizes near 1,000 and is slow at 96."""
    for name, p in model.named_parameters():
        if "position_embeddings" in name or "_token" in name or "word_embeddings" in name:
            nn.init.normal_(p, std=0.3)
        elif p.ndim == 4:
            nn.init.normal_(p, std=1 / math.sqrt(p[0].numel()))
        elif p.ndim == 2 and "embeddings" not in name:
            out = name.endswith("output.dense.weight")
            nn.init.normal_(p, std=(0.4 if out else 1.0) / math.sqrt(p.shape[1]))
    return model


class Classifier(nn.Module):
    """An encoder, a linear head on its pooled output, and a second one on its attention-pooled tokens.

    The second only serves training: it makes the tokens, not the pooled output alone, carry the answer.
    """

    def __init__(self, encoder, n_special=0):
        super().__init__()
        self.encoder = initialise(encoder)
        d = encoder.config.hidden_size
        self.head, self.token_head = nn.Linear(d, 10), nn.Linear(d, 10)
        self.score = nn.Linear(d, 1, bias=False)
        self.n_special = n_special

    def run(self, x, keep=1.0):
        """Tokens and pooled output; keep < 1 drops patches at random, another set for each item (training only)."""
        m = self.encoder
        if not self.n_special:
            out = m(**x)
            return out.last_hidden_state, out.pooler_output
        h = m.embeddings(x)
        if keep < 1:
            n, t, d = h.shape
            special, patches = h[:, :self.n_special], h[:, self.n_special:]
            order = torch.rand(n, t - self.n_special).argsort(1)[:, :round((t - self.n_special) * keep)]
            h = torch.cat([special, patches.gather(1, order.unsqueeze(2).expand(-1, -1, d))], 1)
        h = m.layernorm(m.encoder(h)[0])
        return h, m.pooler(h) if getattr(m, "pooler", None) is not None else (h[:, 0] + h[:, 1]) / 2

    def forward(self, x, keep=1.0):
        """The head's logits [n, 10]."""
        return self.head(self.run(x, keep)[1])

    def loss(self, x, target, keep=1.0):
        """Cross entropy of both heads."""
        tokens, pooled = self.run(x, keep)
        s = self.score(tokens).squeeze(2) / tokens.shape[2] ** 0.5
        if isinstance(x, dict):
            s = s.masked_fill(x["attention_mask"] == 0, -1e9)
        p = torch.bmm(s.softmax(1).unsqueeze(1), tokens).squeeze(1)
        return F.cross_entropy(self.head(pooled), target) + 0.5 * F.cross_entropy(self.token_head(p), target)


class Ema:
    """Averages a model's weights while it trains; the average is what is kept."""

    def __init__(self, model, decay):
        self.model, self.decay, self.step = copy.deepcopy(model).eval(), decay, 0

    def update(self, model):
        self.step += 1
        decay = min(self.decay, self.step / (self.step + 10))
        with torch.no_grad():
            for a, b in zip(self.model.parameters(), model.parameters()):
                a.lerp_(b, 1 - decay)
            for a, b in zip(self.model.buffers(), model.buffers()):
                a.copy_(b)


def optimizer(model, lr, decay, steps, warmup=0.05, slow=()):
    """AdamW (no decay on vectors) and a one-cycle cosine schedule; parameters in `slow` learn at a three-hundredth."""
    late = {id(p) for p in slow}
    flat = [p for p in model.parameters() if p.ndim < 2 and id(p) not in late]
    deep = [p for p in model.parameters() if p.ndim >= 2 and id(p) not in late]
    groups = [{"params": deep, "weight_decay": decay}, {"params": flat, "weight_decay": 0.0}]
    if slow:
        groups.append({"params": slow, "weight_decay": 0.0, "lr": lr / 300})
    opt = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98))

    def rate(i):
        w = warmup * steps
        return (i + 1) / w if i < w else max(0.01, 0.5 * (1 + math.cos(math.pi * (i - w) / (steps - w))))
    return opt, torch.optim.lr_scheduler.LambdaLR(opt, rate)
