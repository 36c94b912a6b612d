"""Cross-validation of the recipe on the training films; keeps what each network said of the films that it had not seen.

    python crossval.py --data DIR --repository ../../model_repository --vectors FILE.npz --out FILE.npz [--epochs 20]

train.py calibrates with what is kept here. Two choices of train.py are made by the tables that this prints: the weight of the
picture's own part of `plot`, and how even the axes of the look are.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import KFold

from data import Films, read_films
from evaluate import own_ranks, unit
from heads import calibration, look, plot_given, plot_of_genres, seen_by, sigmoid
from learn import Recipe, Targets, average_precision, learn, predict
from network import LARGE, YEAR_SCALE, PosterNetwork
from plots import plot_vectors, teacher, without_era_and_source


def looks(network: PosterNetwork, films: Films, pictures: np.ndarray, rows: np.ndarray, held_out: np.ndarray) -> None:
    """Of films not learned from: how often a changed copy finds its original, and how alike the five nearest are."""
    known, means = (seen_by(network, pictures[part]) for part in (rows, held_out))
    changed = seen_by(network, pictures[held_out], strength=1.0)
    genres = films.genres[held_out]
    for whitening in (0.0, 0.5, 1.0):
        weights, biases = look(known, network.look.out_features, whitening)
        originals, copies = (unit(part @ weights.T + biases) for part in (means, changed))
        found = ((copies @ originals.T).argmax(1) == np.arange(len(means))).mean()
        five = np.argsort(-(originals @ originals.T) + 9 * np.eye(len(means)), axis=1)[:, :5]
        shared = (genres[five] * genres[:, None]).sum(2)
        jaccard = (shared / (genres[five].sum(2) + genres.sum(1)[:, None] - shared)).mean()
        apart = np.abs(films.years[held_out][five] - films.years[held_out][:, None]).mean()
        print(f"  look, whitening {whitening}: a copy finds its original {found:.3f}; the five nearest: genres {jaccard:.3f}, "
              f"years apart {apart:.1f}", flush=True)  # fmt: skip


def plots(films: Films, everyone: np.ndarray, vectors: np.ndarray, kept: dict[str, np.ndarray], folds: list) -> None:
    """Recall at 10 within one source and fold, by the weight of the picture's own part; the rest is fitted on other folds."""
    shares = (0.0, 0.02, 0.05, 0.1, 0.2, 1.0, 100.0)
    hits: dict[float, list[float]] = {share: [] for share in shares}
    for others, these in folds:
        factor, shift = calibration(kept["genres"][others], films.genres[everyone[others]])
        genres = sigmoid(kept["genres"] * factor + shift)
        told = plot_of_genres(genres[others], kept["year"][others], vectors[everyone[others]])
        given = plot_given(genres[these], kept["year"][these]) @ told
        films_here = everyone[these]
        sizes = np.bincount(films.sources[films_here])
        large = np.flatnonzero(sizes[films.sources[films_here]] >= 50)
        for share in shares:
            queries = share * unit(kept["plot"][these]) + given
            ranks = own_ranks(queries[large], vectors[films_here][large], films.sources[films_here][large])
            hits[share].append(float((ranks <= 10).mean()))
    for share, values in hits.items():
        print(f"plot share {share}: R@10 within one source {np.mean(values):.4f}")


def main() -> None:
    """A line a fold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, required=True, help="where the plots' vectors are kept")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--small-share", type=float, default=1.0, help="1: smaller pictures throughout, at half the cost")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    films = read_films(options.data)
    everyone = films.training()
    vectors = plot_vectors(films, options.repository, options.vectors)
    recipe = replace(Recipe(), epochs=options.epochs, small_share=options.small_share)
    kept: dict[str, np.ndarray] = {}
    found, away = [], []
    folds = list(KFold(options.folds, shuffle=True, random_state=1).split(everyone))
    for others, these in folds:
        rows, held_out = everyone[others], everyone[these]
        targets = Targets.of(films, teacher(films, vectors, rows), without_era_and_source(films, vectors, rows))
        network = learn(LARGE, recipe, targets, rows, np.empty(0, int))
        pictures = targets.pixels if recipe.small_share < 1 else targets.small
        outputs = predict(network, pictures[torch.from_numpy(held_out)])
        for name in ("genres", "year", "plot"):
            values = kept.setdefault(name, np.zeros((len(everyone), *outputs[name].shape[1:]), np.float32))
            values[these] = outputs[name]
        found.append(np.nanmean(average_precision(films.genres[held_out], outputs["genres"])))
        away.append(np.abs(outputs["year"] - targets.years[held_out].numpy()).mean() * YEAR_SCALE)
        print(f"fold of {len(held_out)}: mAP {found[-1]:.3f}, year off by {away[-1]:.1f}", flush=True)
        looks(network, films, pictures.numpy(), rows, held_out)
        np.savez(options.out, ids=np.array(films.ids)[everyone], **kept)
    print(f"mAP {np.mean(found):.3f} +- {np.std(found, ddof=1):.3f}, year off by {np.mean(away):.1f} +- {np.std(away, ddof=1):.1f}")
    plots(films, everyone, vectors, kept, folds)


if __name__ == "__main__":
    main()
