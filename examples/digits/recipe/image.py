"""Augmentation of digit pictures, on batches of [n, 28, 28] in 0..1."""
import torch
import torch.nn.functional as F

MEAN, STD = 0.5, 0.5


def noisy(x, sigma):
    """Adds unclipped Gaussian noise; sigma is a number or one per picture."""
    sigma = torch.as_tensor(sigma, dtype=x.dtype).expand(len(x)).view(-1, 1, 1)
    return x + torch.randn_like(x) * sigma


def warp(x, strength):
    """Random rotation, scale, shear, shift and a smooth elastic field; strength [n] scales all of them."""
    n, s = len(x), strength
    u = lambda a: (torch.rand(n) * 2 - 1) * a * s
    angle, shear, ratio = u(0.30), u(0.25), u(0.12)
    scale = torch.exp(u(0.22))
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack([torch.stack([cos * (1 + ratio), -sin + shear, u(0.22)], 1),
                         torch.stack([sin, cos * (1 - ratio), u(0.22)], 1)], 1)
    grid = F.affine_grid(theta, [n, 1, 28, 28], align_corners=False)
    field = torch.randn(n, 2, 5, 5) * 0.055 * s.view(-1, 1, 1, 1)
    grid = grid + F.interpolate(field, size=(28, 28), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    return F.grid_sample(x.unsqueeze(1), grid, align_corners=False).squeeze(1)


def stroke(x):
    """Thickens or thins the stroke of some pictures."""
    y = x.unsqueeze(1)
    pick = torch.rand(len(x), 1, 1, 1)
    mix = torch.rand(len(x), 1, 1, 1) * 0.8
    thick, thin = F.max_pool2d(y, 3, 1, 1), -F.max_pool2d(-y, 3, 1, 1)
    y = torch.where(pick < 0.15, y + (thick - y) * mix, y)
    return torch.where(pick > 0.92, y + (thin - y) * mix * 0.6, y).squeeze(1)


def augment(x, max_sigma=1.2, noise_share=0.4, invert_share=0.25):
    """A training batch: half only slightly warped, the rest up to what a careless hand draws."""
    n = len(x)
    strength = torch.where(torch.rand(n) < 0.5, torch.rand(n) * 0.5, 0.3 + torch.rand(n) * 0.9)
    x = stroke(warp(x, strength))
    contrast = 1 - torch.rand(n, 1, 1) * 0.5 * (torch.rand(n, 1, 1) < 0.3)
    x = x * contrast + torch.rand(n, 1, 1) * (1 - contrast)
    x = torch.where(torch.rand(n, 1, 1) < invert_share, 1 - x, x)
    return noisy(x, torch.rand(n) * max_sigma * (torch.rand(n) < noise_share))


def normalise(x):
    """The values that ViTImageProcessor hands to the model: [n, 1, 28, 28]."""
    return ((x - MEAN) / STD).unsqueeze(1)
