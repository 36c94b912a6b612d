"""Chooses how much plot, genres, people and year count, by nested cross-validation over the judged films, and prints the table.

    PYTHONPATH=../bow:../genres python weigh.py --films FILE.jsonl.gz --similar SIMILAR.jsonl.gz \\
        --repository ../../model_repository --cache FOLDER [--looks LOOKS.npz]

The figure of a mix comes from five outer folds of films: each fold is scored with the weights that are best on the other four, so no
film has a say in the weights it is measured with. The weights to serve are those best on all films. LOOKS.npz has `ids` and `look`
[films, width], of a network that learned from none of the judged films.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from judged import Judged, line

GRID = {
    "genres": (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7),
    "people": (0, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2),
    "year": (0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4),
    "look": (0, 0.05, 0.1, 0.2, 0.3, 0.5),
    "tf-idf": (0, 0.3, 0.6, 1, 1.5, 2),
    "bow": (0, 0.5, 1, 1.5, 2, 3),
}

# What model_repository serves beside the plot's 1.
SERVED = {
    "minilm": {"genres": 0.5, "people": 1.5, "year": 0.25},
    "bow": {"genres": 0.3, "people": 1, "year": 0.15},
}


def paths(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The paths, which queries.py takes as well."""
    parser.add_argument("--films", type=Path, required=True, help="JSON lines: id, title, year, genres, plot")
    parser.add_argument("--similar", type=Path, required=True, help="JSON lines: id, similar (20 ids)")
    parser.add_argument("--repository", type=Path, required=True, help="model repository with the encoders")
    parser.add_argument("--cache", type=Path, help="folder that keeps the vectors of the plots")
    parser.add_argument("--looks", type=Path, help="what a network reads from each poster")
    return parser.parse_args()


def nested(judged: Judged, first: str, others: list[str], parts: int = 5) -> tuple[np.ndarray, dict, list[dict], np.ndarray]:
    """Shares [films] out of fold, the weights best on all films, those of each fold, and their shares on all films."""
    combinations = list(itertools.product(*(GRID[other] for other in others)))
    shares = np.empty((len(combinations), len(judged.films)), np.float32)
    for row, weights in zip(shares, combinations):
        score = judged.signals[first].copy()
        for other, weight in zip(others, weights):
            if weight:
                score += np.float32(weight) * judged.signals[other]
        row[:] = judged.shares(score)
    part = np.random.default_rng(1).permutation(np.arange(len(judged.films)) % parts)
    outside, chosen = np.empty(len(part)), []
    for one in range(parts):
        best = int(shares[:, part != one].mean(1).argmax())
        chosen.append(dict(zip(others, combinations[best])))
        outside[part == one] = shares[best, part == one]
    best = int(shares.mean(1).argmax())
    return outside, dict(zip(others, combinations[best])), chosen, shares[best]


def main() -> None:
    """Prints a row for each signal and each mix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options = paths(parser)
    judged = Judged.read(options.films, options.similar, options.repository, options.cache)
    if options.looks:
        looks = np.load(options.looks)
        place = {str(name): i for i, name in enumerate(looks["ids"])}
        vectors = looks["look"][[place[film["id"]] for film in judged.films]]
        judged.signals["look"] = vectors @ vectors.T
    print(f"{len(judged.films)} films, people found for {(judged.signals['people'].diagonal() > 0).sum()}")
    print("| | share | 95 % | weights on all films; by fold |\n|---|---|---|---|")
    for name, signal in judged.signals.items():
        print(line(name, judged.shares(signal)), flush=True)
    for first in ("minilm", "bow", "tf-idf"):
        fixed = judged.signals[first] + 0.3 * judged.signals["genres"] + 0.1 * judged.signals["year"]
        print(line(f"{first} + 0.3 genres + 0.1 year", judged.shares(fixed)), flush=True)
    for first, weights in SERVED.items():
        served = judged.signals[first] + sum(np.float32(w) * judged.signals[part] for part, w in weights.items())
        print(line(f"{first} as served", judged.shares(served), "chosen on all films"), flush=True)
    mixes = [("minilm", o) for o in (["genres"], ["genres", "year"], ["genres", "people", "year"])]
    mixes += [("bow", o) for o in (["genres"], ["genres", "year"], ["genres", "people", "year"])]
    mixes += [("minilm", ["bow", "genres", "year"]), ("minilm", ["bow", "genres", "people", "year"])]
    mixes += [("minilm", ["tf-idf", "genres", "people", "year"])]
    if options.looks:
        mixes += [(first, ["genres", "year", "look"]) for first in ("minilm", "bow")]
        mixes += [(first, ["genres", "people", "year", "look"]) for first in ("minilm", "bow")]
    for first, others in mixes:
        outside, best, folds, reached = nested(judged, first, others)
        told = ", ".join(f"{k} {v:g}" for k, v in best.items())
        each = "; ".join("/".join(f"{v:g}" for v in fold.values()) for fold in folds)
        print(line(f"{first} + {' + '.join(others)}", outside, f"{told} ({reached.mean():.3f}); {each}"), flush=True)


if __name__ == "__main__":
    main()
