"""The search over recipes: short trainings, judged on a fifth of the training films by mean average precision.

    python tune.py --data DIR --repository ../../model_repository --vectors FILE.npz [--epochs 8] [--only NAME ...]

To be affordable on two cores it is done with the small network on pictures of half the sides. The development tenth and the
judged films play no part.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from data import read_films
from learn import Recipe, Targets, average_precision, learn, predict
from network import SMALL, YEAR_SCALE
from plots import plot_vectors, teacher, without_era_and_source

TRIALS = {
    "genres only": dict(soft=0, year=0, plot=0, mixup=0),
    "genres, year, soft, mixup, plot": dict(),
    "without plot": dict(plot=0),
    "without soft": dict(soft=0),
    "without year": dict(year=0),
    "without mixup": dict(mixup=0),
    "soft 0.6": dict(soft=0.6),
    "rate 4e-3": dict(rate=4e-3),
    "strength 0.6": dict(strength=0.6),
}


def main() -> None:
    """A line a trial."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, required=True, help="where the plots' vectors are kept")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=TRIALS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    films = read_films(options.data)
    rows = np.random.default_rng(0).permutation(films.training())
    held_out, rows = rows[: len(rows) // 5], rows[len(rows) // 5 :]
    vectors = plot_vectors(films, options.repository, options.vectors)
    suggested = teacher(films, vectors, rows)
    targets = Targets.of(films, suggested, without_era_and_source(films, vectors, rows), scale=0.5)
    print(f"{len(rows)} films to learn from, {len(held_out)} to judge by", flush=True)
    print(f"the teacher's mAP on what it learned from, out of fold: {np.nanmean(average_precision(films.genres[rows], suggested[rows])):.3f}")
    for name in options.only or TRIALS:
        recipe = replace(Recipe(epochs=options.epochs, small_share=1), **TRIALS[name])
        network = learn(SMALL, recipe, targets, rows, np.empty(0, int))
        outputs = predict(network, targets.small[torch.from_numpy(held_out)])
        map_ = np.nanmean(average_precision(films.genres[held_out], outputs["genres"]))
        away = np.abs(outputs["year"] - targets.years[held_out].numpy()).mean() * YEAR_SCALE
        print(f"| {name} | {map_:.3f} | {away:.1f} |" if recipe.year else f"| {name} | {map_:.3f} | |", flush=True)


if __name__ == "__main__":
    main()
