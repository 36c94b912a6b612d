"""One training of the poster network, by a recipe; and average precision. Used by train.py, tune.py and crossval.py."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from augment import augmented
from network import YEAR_MIDDLE, YEAR_SCALE, PosterNetwork, Shape


@dataclass
class Recipe:
    """What is tuned. Weights are of the parts of the loss; a genre's part is the sum of 22 cross entropies."""

    epochs: int = 48
    # The share of the epochs on smaller pictures: 3/4 of the sides cost half.
    small_share: float = 0.75
    batch: int = 128
    rate: float = 2e-3
    decay: float = 0.05
    genres: float = 0.5
    # How much of a genre's target is what the film's plot suggests.
    soft: float = 0.3
    year: float = 1.0
    plot: float = 0.5
    mixup: float = 0.5
    strength: float = 1.0
    average: float = 0.995
    seed: int = 0


@dataclass
class Targets:
    """Tensors over all films; only the given rows are read."""

    pixels: torch.Tensor
    small: torch.Tensor
    genres: torch.Tensor
    suggested: torch.Tensor
    years: torch.Tensor
    plots: torch.Tensor

    @classmethod
    def of(cls, films, suggested: np.ndarray, plots: np.ndarray, scale: float = 0.75) -> "Targets":
        """From the films, the teacher's genres and the vectors to look plots up by; `small` is of `scale` times the sides."""
        pixels = torch.from_numpy(films.pixels)
        parts = [F.interpolate(part.float(), scale_factor=scale, mode="bicubic", antialias=True) for part in pixels.split(256)]
        small = torch.cat([part.round().clamp(0, 255).byte() for part in parts])
        years = (torch.from_numpy(films.years) - YEAR_MIDDLE) / YEAR_SCALE
        return cls(pixels, small, *map(torch.from_numpy, (films.genres, suggested)), years, torch.from_numpy(plots))


def average_precision(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Per column of `[n, genres]`; not a number where nothing is true."""
    order = np.argsort(-scores, axis=0, kind="stable")
    hits = np.take_along_axis(truth, order, 0)
    precision = np.cumsum(hits, 0) / np.arange(1, len(truth) + 1)[:, None]
    with np.errstate(invalid="ignore"):
        return (precision * hits).sum(0) / hits.sum(0)


def predict(network: PosterNetwork, pixels: torch.Tensor) -> dict[str, np.ndarray]:
    """The outputs of many posters, without chance."""
    network.eval()
    with torch.no_grad():
        parts = [network(part.float().div(255).to(memory_format=torch.channels_last)) for part in pixels.split(128)]
    return {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}


def loss_of(outputs: dict, targets: Targets, rows: torch.Tensor, everyone: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """The loss if the pictures were those of `rows`, as indices into `everyone`, the films trained on."""
    films = everyone[rows]
    wanted = (1 - recipe.soft) * targets.genres[films] + recipe.soft * targets.suggested[films]
    loss = recipe.genres * F.binary_cross_entropy_with_logits(outputs["genres"], wanted, reduction="none").sum(1).mean()
    if recipe.year:
        loss = loss + recipe.year * F.smooth_l1_loss(outputs["year"], targets.years[films], beta=0.4)
    if recipe.plot:
        # A poster must find its own plot among all that are trained on.
        found = 16 * F.normalize(outputs["plot"], dim=1) @ targets.plots[everyone].T
        loss = loss + recipe.plot * F.cross_entropy(found, rows)
    return loss


def learn(shape: Shape, recipe: Recipe, targets: Targets, rows: np.ndarray, held_out: np.ndarray, keep=None) -> PosterNetwork:
    """Trains on `rows`, says how `held_out` fares, and gives the average of the weights over the last steps.

    `keep(network, epoch)` is called after every fifth epoch.
    """
    torch.manual_seed(recipe.seed)
    random = torch.Generator().manual_seed(recipe.seed)
    everyone = torch.from_numpy(rows)
    network = PosterNetwork(shape).to(memory_format=torch.channels_last)
    with torch.no_grad():
        prior = targets.genres[everyone].mean(0).clamp(1e-3, 1 - 1e-3)
        network.genre_bias.copy_(torch.logit(prior))
        network.genres.weight.mul_(0.1)
    averaged = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average), use_buffers=True
    )
    flat = [p for p in network.parameters() if p.ndim < 2]
    full = [p for p in network.parameters() if p.ndim > 1]
    groups = [{"params": full, "weight_decay": recipe.decay}, {"params": flat, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=recipe.rate)
    steps_of_epoch = len(rows) // recipe.batch
    steps = recipe.epochs * steps_of_epoch
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1, (step + 1) / 60) * (1 + np.cos(np.pi * min(1, step / steps))) / 2
    )
    began, total = time.monotonic(), 0.0
    for epoch in range(recipe.epochs):
        network.train()
        pictures = targets.small if epoch < recipe.epochs * recipe.small_share else targets.pixels
        for batch in torch.randperm(len(rows), generator=random)[: steps_of_epoch * recipe.batch].split(recipe.batch):
            pixels = augmented(pictures[everyone[batch]].float().div(255), recipe.strength, random)
            share, mixed = 1.0, None
            if float(torch.rand(1, generator=random)) < recipe.mixup:
                share, mixed = 0.5 + 0.5 * float(torch.rand(1, generator=random)), batch.flip(0)
                pixels = share * pixels + (1 - share) * pixels.flip(0)
            outputs = network(pixels.to(memory_format=torch.channels_last))
            loss = share * loss_of(outputs, targets, batch, everyone, recipe)
            if mixed is not None:
                loss = loss + (1 - share) * loss_of(outputs, targets, mixed, everyone, recipe)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5)
            optimiser.step()
            schedule.step()
            averaged.update_parameters(network)
            total += float(loss.detach())
        if (epoch + 1) % 5 == 0 or epoch + 1 == recipe.epochs:
            seconds = time.monotonic() - began
            line = f"epoch {epoch + 1}/{recipe.epochs}: loss {total / steps_of_epoch / (1 + epoch % 5):.3f}"
            if len(held_out):
                outputs = predict(averaged.module, pictures[torch.from_numpy(held_out)])
                map_ = np.nanmean(average_precision(targets.genres[held_out].numpy(), outputs["genres"]))
                away = np.abs(outputs["year"] - targets.years[held_out].numpy()).mean() * YEAR_SCALE
                line += f", held out: mAP {map_:.3f}, year off by {away:.1f}"
            print(f"{line}; {seconds:.0f} s", flush=True)
            total = 0.0
            if keep:
                keep(averaged.module, epoch + 1)
    return averaged.module.eval()
