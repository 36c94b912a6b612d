"""Chance changes of a batch of posters, so that what is learned does not hang on framing, ink or one corner. Used by train.py."""

import torch
from torch.nn import functional as F


def augmented(pixels: torch.Tensor, strength: float, random: torch.Generator) -> torch.Tensor:
    """`[n, 3, h, w]` of 0 to 1, the same shape: mirrored, zoomed, shifted, turned a little, other light and ink, a piece erased.

    `strength` 1 is what a person would still call the same print; 0 changes nothing but the mirror.
    """
    n, _, height, width = pixels.shape

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.empty(n).uniform_(low, high, generator=random)

    s = strength
    zoom = uniform(1 - 0.3 * s, 1 + 0.02 * s)
    aspect = uniform(1 - 0.08 * s, 1 + 0.08 * s)
    angle = uniform(-0.06 * s, 0.06 * s)
    mirror = (uniform(0, 1) < 0.5).float() * 2 - 1
    sx, sy = zoom * aspect, zoom / aspect
    shift_x, shift_y = (uniform(-1, 1) * (1 - scale).clamp(min=0) for scale in (sx, sy))
    ratio = width / height
    rows = [
        torch.stack([mirror * sx * angle.cos(), -sy * angle.sin() / ratio, shift_x], 1),
        torch.stack([mirror * sx * angle.sin() * ratio, sy * angle.cos(), shift_y], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), [n, 3, height, width], align_corners=False)
    pixels = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    def column(values: torch.Tensor) -> torch.Tensor:
        return values[:, None, None, None]

    grey = pixels.mean(1, keepdim=True)
    pixels = grey + (pixels - grey) * column(uniform(1 - 0.4 * s, 1 + 0.3 * s))
    tint = 1 + torch.empty(n, 3, 1, 1).uniform_(-0.1 * s, 0.1 * s, generator=random)
    middle = pixels.mean((1, 2, 3), keepdim=True)
    pixels = (middle + (pixels - middle) * column(uniform(1 - 0.25 * s, 1 + 0.25 * s))) * tint + column(uniform(-0.1 * s, 0.1 * s))
    erased = uniform(0, 1) < 0.4 * s
    for row in torch.nonzero(erased)[:, 0].tolist():
        h, w = (int(side * float(uniform(0.15, 0.45)[0])) for side in (height, width))
        top, left = int(float(uniform(0, 1)[0]) * (height - h)), int(float(uniform(0, 1)[0]) * (width - w))
        pixels[row, :, top : top + h, left : left + w] = torch.rand(3, 1, 1, generator=random)
    return pixels.clamp(0, 1)
