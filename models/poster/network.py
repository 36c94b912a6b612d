"""The poster network: a small residual convolutional network with one head for each thing that a poster is asked about.

Used by train.py, evaluate.py and export.py. Pixels come in as the server's `poster_pixels` gives them, RGB of 0 to 1; what
is subtracted and divided by is part of the network.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

GENRES = [
    "Action", "Adventure", "Animation", "Biography", "Comedy", "Crime", "Documentary", "Drama", "Family", "Fantasy",
    "Film-Noir", "History", "Horror", "Music", "Musical", "Mystery", "Romance", "Science Fiction", "Sport", "Thriller",
    "War", "Western",
]  # fmt: skip
HEIGHT, WIDTH = 192, 128
PLOT_WIDTH = 384
# Years reach the network as (year - YEAR_MIDDLE) / YEAR_SCALE; those are about the middle and the spread of the films' years.
YEAR_MIDDLE, YEAR_SCALE = 1980.0, 25.0


@dataclass
class Shape:
    """Channels after the stem and after each block, and the stride of each block. The stem divides both sides by 4."""

    channels: tuple[int, ...] = (24, 48, 96, 160, 256)
    strides: tuple[int, ...] = (2, 2, 2, 1)
    look: int = 128
    dropout: float = 0.2


LARGE = Shape()
SMALL = Shape(channels=(16, 32, 48, 64, 96), look=64, dropout=0.1)


def convolution(inputs: int, outputs: int, size: int, stride: int) -> nn.Sequential:
    """Convolution and batch normalisation, which the export folds into one."""
    conv = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """Two 3x3 convolutions beside a short cut."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = convolution(inputs, outputs, 3, stride)
        self.second = convolution(outputs, outputs, 3, 1)
        self.short = convolution(inputs, outputs, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[n, inputs, h, w]` to `[n, outputs, h / stride, w / stride]`."""
        return F.relu(self.second(F.relu(self.first(x))) + self.short(x))


class PosterNetwork(nn.Module):
    """Pixels `[n, 3, 192, 128]` of 0 to 1 (any size that the strides divide) to a `dict` of outputs."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        width = shape.channels[-1]
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 0.4))
        self.register_buffer("deviation", torch.full((1, 3, 1, 1), 0.3))
        self.stem = convolution(3, shape.channels[0], 7, 4)
        pairs = zip(shape.channels, shape.channels[1:], shape.strides)
        self.blocks = nn.Sequential(*(Block(a, b, stride) for a, b, stride in pairs))
        self.drop = nn.Dropout(shape.dropout)
        # On the map rather than on its mean: the mean of the map of logits is the logit of the mean.
        self.genres = nn.Conv2d(width, len(GENRES), 1, bias=False)
        self.genre_bias = nn.Parameter(torch.zeros(len(GENRES)))
        self.year = nn.Linear(width, 1)
        self.plot = nn.Linear(width, PLOT_WIDTH)
        # Of every block: what a poster looks like is more than what the last one keeps of it.
        self.look = nn.Linear(sum(shape.channels[1:]), shape.look)

    def maps(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """The feature map of every block, `[n, channels, h, w]`, the coarsest last."""
        x = F.relu(self.stem((pixels - self.mean) / self.deviation))
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Training's outputs: logits and raw vectors; export.py makes what is served of them."""
        means = [x.mean((2, 3)) for x in self.maps(pixels)]
        dropped = self.drop(means[-1])
        return {
            "means": torch.cat(means, 1),
            "genres": dropped @ self.genres.weight[:, :, 0, 0].T + self.genre_bias,
            "year": self.year(dropped)[:, 0],
            "plot": self.plot(dropped),
        }
