"""Log-mel features exactly as transformers' ASTFeatureExtractor computes them, and augmentation on them.

The extractor's frame (400 samples), hop (160) and transform (512) are constants in samples: at 8 kHz they are
50 ms and 20 ms.  Augmentation works on the unpadded log-mel, so that a training step costs no transform.
"""
import functools
import math

import numpy as np
import torch
import torch.nn.functional as F
from transformers.audio_utils import mel_filter_bank

RATE, FRAME, HOP, N_FFT = 8000, 400, 160, 512
BINS, FRAMES = 48, 48
MEAN, STD = -5.5, 4.0
FLOOR = 1.192092955078125e-07
LOG_FLOOR = math.log(FLOOR)
LEVEL_DB = -42.0  # root mean square of every clip before the transform: what lies 30-40 dB lower drops to the floor
DB = math.log(10) / 10


@functools.cache
def _constants():
    mel = mel_filter_bank(N_FFT // 2 + 1, BINS, 20, RATE // 2, RATE, norm=None, mel_scale="kaldi",
                          triangularize_in_mel_space=True)
    return torch.from_numpy(mel), torch.from_numpy(np.hanning(FRAME))


def level(x):
    """Brings a clip to LEVEL_DB (dB of full scale, root mean square over all of it), as plugins/ast does."""
    rms = x.square().mean().sqrt()
    return x * (10 ** (LEVEL_DB / 20) / rms) if rms > 0 else x


def log_mel(samples):
    """Log-mel [frames, BINS] of one clip brought to LEVEL_DB, without the floor, neither padded nor normalised."""
    mel, window = _constants()
    x = level(torch.as_tensor(samples, dtype=torch.float64))
    if len(x) < FRAME:
        x = F.pad(x, (0, FRAME - len(x)))
    x = x.unfold(0, FRAME, HOP)
    x = x - x.mean(1, keepdim=True)
    x = torch.cat([x[:, :1] * (1 - 0.97), x[:, 1:] - 0.97 * x[:, :-1]], 1) * window
    power = torch.fft.rfft(x, N_FFT).abs() ** 2
    return (power @ mel).clamp_min(1e-14).log().float()


def model_input(mels):
    """What ASTFeatureExtractor hands to the model, for a list of log_mel(): [n, FRAMES, BINS]."""
    out = torch.zeros(len(mels), FRAMES, BINS)
    for row, mel in zip(out, mels):
        row[:len(mel)] = mel[:FRAMES].clamp_min(LOG_FLOOR)
    return (out - MEAN) / (2 * STD)


def pack(mels, n_frames=64):
    """Clips side by side for augment(): [n, n_frames, BINS] repeated to the end, and their lengths."""
    lengths = torch.tensor([min(len(m), n_frames) for m in mels])
    rows = [m[torch.arange(n_frames) % n] for m, n in zip(mels, lengths.tolist())]
    return torch.stack(rows), lengths


def babble(samples, others, snr_db, rng):
    """Adds other clips of equal power, each repeated from a random start, at snr_db over the clip's length."""
    n, noise = len(samples), np.zeros(len(samples), np.float32)
    for other in others:
        start = rng.integers(len(other))
        piece = other[(start + np.arange(n)) % len(other)]
        noise += piece / (np.sqrt((piece ** 2).mean()) + 1e-9)
    gain = np.sqrt((samples ** 2).mean() / ((noise ** 2).mean() + 1e-12) / 10 ** (snr_db / 10))
    return samples + gain * noise


def _mel(f):
    return 1127 * torch.log1p(f / 700)


def _warp(x, lengths, stretch, tract, bend):
    """Stretches time by `stretch`, frequency by `tract`, and bends the time axis; answers the new lengths too."""
    n, t_in, n_bins = x.shape
    new = (lengths * stretch).round().clamp(4, FRAMES)
    t = torch.arange(FRAMES).unsqueeze(0)
    u = t / new.unsqueeze(1)
    at = (u + bend.unsqueeze(1) * torch.sin(math.pi * u.clamp(0, 1))) * lengths.unsqueeze(1)
    low, high = _mel(torch.tensor(20.0)), _mel(torch.tensor(RATE / 2))
    step = (high - low) / (n_bins + 1)
    hz = 700 * torch.expm1((low + step * (1 + torch.arange(n_bins))) / 1127)
    bins = (_mel(hz.unsqueeze(0) * tract.unsqueeze(1)) - low) / step - 1
    grid = torch.stack([(bins * 2 + 1).unsqueeze(1).expand(n, FRAMES, n_bins) / n_bins - 1,
                        ((at * 2 + 1) / t_in - 1).unsqueeze(2).expand(n, FRAMES, n_bins)], 3)
    return F.grid_sample(x.unsqueeze(1), grid, padding_mode="border", align_corners=False).squeeze(1), new.long()


def augment(x, lengths, hard=0.45, strength=1.0, mask=True):
    """A training batch [n, FRAMES, BINS] from packed clips: other vocal tracts, speeds, rooms, levels, babble.

    hard is the share mixed with babble of three other clips of the batch, from 20 down to 0 dB.
    """
    n, s = len(x), strength
    u = lambda a, b: a + (b - a) * torch.rand(n)
    x, lengths = _warp(x, lengths, torch.exp(u(-0.3, 0.3) * s), torch.exp(u(-0.17, 0.17) * s), u(-0.08, 0.08) * s)
    t = torch.arange(FRAMES).view(1, -1)
    inside = (t < lengths.unsqueeze(1)).unsqueeze(2)
    power = lambda y: (y.exp() * inside).sum((1, 2)) / lengths
    level = power(x)
    noise = 0
    for _ in range(3):
        order = torch.randperm(n)
        y = x[order].roll(int(torch.randint(FRAMES, ())), 1)
        noise = noise + y.exp() / power(y).view(-1, 1, 1)
    snr = u(0, 20) * (torch.rand(n) < 0.6)
    gain = level / (power((noise + 1e-30).log()) + 1e-12) * 10 ** (-snr / 10)
    gain = gain * (torch.rand(n) < hard)
    mixed = x.exp() + noise * gain.view(-1, 1, 1)
    hiss = level * 10 ** (-u(8, 45) / 10) * (torch.rand(n) < 0.5) / BINS
    slope = torch.exp(torch.linspace(-1, 1, BINS).unsqueeze(0) * u(-1.5, 2).unsqueeze(1))
    x = (mixed + (hiss.unsqueeze(1) * slope).unsqueeze(1) * torch.rand(n, FRAMES, BINS).clamp_min(0.05)).log()
    curve = F.interpolate(torch.randn(n, 1, 5) * 3 * DB * s, size=BINS, mode="linear", align_corners=True)
    tilt = torch.linspace(-1, 1, BINS).view(1, 1, -1) * (u(-5, 5) * DB * s).view(-1, 1, 1)
    x = x + curve + tilt
    x = x + (level / power(x)).log().view(-1, 1, 1) + (u(-4, 4) * DB).view(-1, 1, 1)
    lead = (torch.rand(n) * 9).long() * (torch.rand(n) < 0.25) - (torch.rand(n) * 3).long() * (torch.rand(n) < 0.25)
    source = t - lead.unsqueeze(1)
    quiet = LOG_FLOOR + u(0, 5).view(-1, 1, 1) + torch.randn(n, FRAMES, BINS) * 0.5
    x = x.gather(1, source.clamp(0, FRAMES - 1).unsqueeze(2).expand(-1, -1, BINS))
    x = torch.where(((source < 0) | (source >= lengths.unsqueeze(1))).unsqueeze(2), quiet, x).clamp_min(LOG_FLOOR)
    tail = (torch.rand(n) * 12).long() * (torch.rand(n) < 0.3) - (torch.rand(n) * 3).long() * (torch.rand(n) < 0.3)
    x = torch.where((t < (lengths + lead + tail).clamp_min(4).unsqueeze(1)).unsqueeze(2), x, torch.zeros(()))
    x = (x - MEAN) / (2 * STD)
    if mask:
        start, width = u(0, BINS).unsqueeze(1), (u(0, 9) * (torch.rand(n) < 0.6)).unsqueeze(1)
        b = torch.arange(BINS).view(1, -1)
        x = x.masked_fill(((b >= start) & (b < start + width)).unsqueeze(1), 0)
        start, width = (u(0, 1) * lengths).unsqueeze(1), (u(0, 6) * (torch.rand(n) < 0.6)).unsqueeze(1)
        x = x.masked_fill(((t >= start) & (t < start + width)).unsqueeze(2), 0)
    return x
