"""The same measure for the other ways to ask: a text alone, three liked films, a poster alone.

    PYTHONPATH=../bow:../genres python queries.py --films FILE.jsonl.gz --similar SIMILAR.jsonl.gz \\
        --repository ../../model_repository --cache FOLDER [--looks LOOKS.npz]

A text: the film's plot, and the genres that the head reads out of it; neither year nor people. Three films: the film and two of its 20,
drawn by lot, are liked, and the rest of the 20 are to be found among the others. A poster: what LOOKS.npz (`ids`, `genres`, `year`,
`plot` and `look`, of a network that learned from none of the judged films) reads from its pixels, against the facts of the
candidates. Where weights are chosen, it is by weigh.py's outer folds.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import onnxruntime
from films import TECHNIQUES
from judged import Judged, line
from weigh import SERVED, paths

PARTS = 5


def soft_jaccard(probabilities: np.ndarray, genres: np.ndarray) -> np.ndarray:
    """[queries, films]: what genres that are there by a probability share with those of a film, as the index computes it."""
    both = probabilities @ genres.T
    return both / np.maximum(probabilities.sum(1)[:, None] + genres.sum(1) - both, 1e-6)


def out_of_fold(shares: np.ndarray, weights: list) -> tuple[np.ndarray, str]:
    """Shares [combinations, films] to those of each film by the combination best on the other folds, and what was chosen."""
    part = np.random.default_rng(1).permutation(np.arange(shares.shape[1]) % PARTS)
    outside, chosen = np.empty(shares.shape[1]), []
    for one in range(PARTS):
        best = int(shares[:, part != one].mean(1).argmax())
        chosen.append(weights[best])
        outside[part == one] = shares[best, part == one]
    best = int(shares.mean(1).argmax())
    folds = "; ".join("/".join(f"{v:g}" for v in some) for some in chosen)
    return outside, f"{'/'.join(f'{v:g}' for v in weights[best])} ({shares[best].mean():.3f}); {folds}"


def by_text(judged: Judged, repository: Path) -> None:
    """How much the genres that a head reads out of the text add to the vector."""
    print("\nA text alone\n| | share | 95 % | genres on all films; by fold |\n|---|---|---|---|")
    for technique, (_, _, _, head) in TECHNIQUES.items():
        session = onnxruntime.InferenceSession(str(repository / head / "1" / "model.onnx"))
        read = session.run(None, {"sentence_embedding": judged.vectors[technique]})[0]
        alike = soft_jaccard(read, judged.genres)
        print(line(f"{technique}: vector alone", judged.shares(judged.signals[technique].copy())))
        print(line(f"{technique}: genres read alone", judged.shares(alike.copy())))
        tried = [(w,) for w in (0, 0.1, 0.2, 0.3, 0.5, 0.7, 1)]
        shares = np.stack([judged.shares(judged.signals[technique] + np.float32(w) * alike) for (w,) in tried])
        print(line(f"{technique}: both", *out_of_fold(shares, tried)), flush=True)


def by_films(judged: Judged, rounds: int = 3) -> None:
    """Three liked films; the score is the mean over them, as the index computes it."""
    print("\nThree liked films\n| | share | 95 % | |\n|---|---|---|---|")
    rng = np.random.default_rng(2)
    count = len(judged.films)
    drawn = []
    for _ in range(rounds):
        others = np.stack([rng.choice(np.flatnonzero(wanted), 2, replace=False) for wanted in judged.similar])
        drawn.append(np.concatenate([np.arange(count)[:, None], others], axis=1))

    def shares(score: np.ndarray) -> np.ndarray:
        found = []
        for liked in drawn:
            mean = score[liked].mean(1) + judged.signals["random"] * np.float32(1e-5)
            np.put_along_axis(mean, liked, -np.inf, 1)
            best = np.argpartition(-mean, 10, axis=1)[:, :10]
            found.append(np.take_along_axis(judged.similar, best, 1).mean(1))
        return np.mean(found, axis=0)

    for name in ("random", "year", "genres", "people", "tf-idf", *TECHNIQUES):
        print(line(name, shares(judged.signals[name])), flush=True)
    for technique, weights in SERVED.items():
        score = judged.signals[technique] + sum(np.float32(w) * judged.signals[part] for part, w in weights.items())
        told = ", ".join(f"{part} {w:g}" for part, w in weights.items())
        print(line(f"{technique} as served", shares(score), told))
        print(line(f"{technique} as served, one film liked", judged.shares(score.copy()), "of 20, not 18"), flush=True)


def by_poster(judged: Judged, looks: dict[str, np.ndarray]) -> None:
    """What a poster alone says, against the facts of the candidates."""
    print("\nA poster alone\n| | share | 95 % | weights on all films; by fold |\n|---|---|---|---|")
    place = {str(name): i for i, name in enumerate(looks["ids"])}
    rows = [place[film["id"]] for film in judged.films]
    signals = {
        "genres": soft_jaccard(looks["genres"][rows], judged.genres),
        "year": -np.abs(looks["year"][rows].reshape(-1, 1) - judged.years) / 10,
    }
    if "plot" in looks:
        signals["plot"] = looks["plot"][rows] @ judged.vectors["minilm"].T
    print(line("random", judged.shares(judged.signals["random"].copy())))
    for name, signal in signals.items():
        print(line(f"{name} read from the poster", judged.shares(signal.copy())), flush=True)
    for name in ("genres", "year"):
        print(line(f"true {name}", judged.shares(judged.signals[name].copy())), flush=True)
    grid = {"genres": (1,), "year": (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5), "plot": (0, 0.25, 0.5, 1, 1.5, 2, 3)}
    for names in (["genres", "year"], ["genres", "plot"], ["genres", "year", "plot"]):
        if set(names) <= set(signals):
            tried = list(itertools.product(*(grid[name] for name in names)))
            mixed = (sum(np.float32(w) * signals[name] for name, w in zip(names, weights)) for weights in tried)
            shares = np.stack([judged.shares(score) for score in mixed])
            print(line(" + ".join(names), *out_of_fold(shares, tried)), flush=True)


def main() -> None:
    """Prints the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options = paths(parser)
    judged = Judged.read(options.films, options.similar, options.repository, options.cache)
    by_films(judged)
    if options.looks:
        by_poster(judged, dict(np.load(options.looks)))
    by_text(judged, options.repository)


if __name__ == "__main__":
    main()
