"""Heat maps of what in a picture speaks for a genre, and how good a map is.

Pictures are FP32 [3, height, width], RGB 0 to 1; a model is a function from [n, 3, height, width] to the probabilities [n] of the genre in
question. A map is FP32 [height, width], larger where the picture matters more.
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

Model = Callable[[np.ndarray], np.ndarray]
BATCH = 32
# RISE: cells of the coarse grid (rows, columns) and the share that stays visible.
CELLS, VISIBLE = (9, 6), 0.5
STEPS = 24


def in_batches(model: Model, pictures: np.ndarray) -> np.ndarray:
    """The model on any number of pictures."""
    return np.concatenate([model(pictures[at : at + BATCH]) for at in range(0, len(pictures), BATCH)])


def enlarge(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """A grid to a map, linearly, cell centres staying where they are."""
    return zoom(grid, (height / grid.shape[0], width / grid.shape[1]), order=1, mode="nearest", grid_mode=True).astype(np.float32)


def rise_masks(count: int, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """FP32 [count, height, width], 0 to 1: random grids, enlarged, each shifted by less than a cell (Petsiuk et al. 2018)."""
    rows, columns = CELLS
    tall, wide = -(-height // rows), -(-width // columns)
    masks = np.empty((count, height, width), np.float32)
    for mask in masks:
        grid = (rng.random((rows + 1, columns + 1)) < VISIBLE).astype(np.float32)
        down, right = rng.integers(tall), rng.integers(wide)
        mask[:] = enlarge(grid, (rows + 1) * tall, (columns + 1) * wide)[down : down + height, right : right + width]
    return masks


def fill_of(picture: np.ndarray) -> np.ndarray:
    """What stands where the picture is hidden: its mean colour, [3, 1, 1]."""
    return picture.mean((1, 2), keepdims=True)


def rise(model: Model, picture: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Mean of the masks, each weighted by the probability of what it leaves visible; less what a mask weighs in itself."""
    fill = fill_of(picture)
    scores = np.concatenate(
        [model(fill + (picture - fill) * masks[at : at + BATCH, None]) for at in range(0, len(masks), BATCH)]
    )
    return np.tensordot(scores - scores.mean(), masks, 1) / len(masks)


def occlusion(model: Model, picture: np.ndarray, patch: int = 32, stride: int = 16) -> np.ndarray:
    """What a square patch of the mean colour takes away, spread over the patch."""
    _, height, width = picture.shape
    fill = fill_of(picture)
    corners = [(y, x) for y in range(0, height - patch + 1, stride) for x in range(0, width - patch + 1, stride)]
    hidden = np.repeat(picture[None], len(corners), 0)
    for one, (y, x) in zip(hidden, corners):
        one[:, y : y + patch, x : x + patch] = fill
    lost = model(picture[None])[0] - in_batches(model, hidden)
    heat, seen = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    for (y, x), value in zip(corners, lost):
        heat[y : y + patch, x : x + patch] += value
        seen[y : y + patch, x : x + patch] += 1
    return heat / np.maximum(seen, 1)


def at_random(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A map of nothing, as smooth as RISE's."""
    return enlarge(rng.random(CELLS), height, width)


def areas(model: Model, picture: np.ndarray, heat: np.ndarray) -> tuple[float, float]:
    """Deletion (small is good) and insertion (large is good): mean probability along the way.

    Deletion paints pixels over with the mean colour, most important first; insertion uncovers them in a blurred picture.
    """
    order = np.argsort(-heat.ravel(), kind="stable")
    blurred = gaussian_filter(picture, (0, 10, 10))
    ways = []
    for start, goal in ((picture, np.broadcast_to(fill_of(picture), picture.shape)), (blurred, picture)):
        steps = np.repeat(start[None], STEPS + 1, 0).reshape(STEPS + 1, 3, -1)
        for place, one in enumerate(steps):
            taken = order[: len(order) * place // STEPS]
            one[:, taken] = goal.reshape(3, -1)[:, taken]
        scores = in_batches(model, steps.reshape(-1, *picture.shape))
        ways.append(float((scores[1:] + scores[:-1]).mean() / 2))
    return ways[0], ways[1]
