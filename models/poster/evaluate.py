"""Judges the exported network on the development tenth, beside baselines fitted on the same training films.

    python evaluate.py --data DIR --repository ../../model_repository --vectors FILE.npz --not-posters DIR [--small small.onnx]

Prints Markdown: genres, year, plots within one source, is it a poster, calibration; `--nearest FILE` lists neighbours by look.
"""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime

from baselines import bootstrap_deviation, decade, histogram, micro_f1, ridge
from data import Films, read_films
from learn import average_precision
from linear import logistic
from negatives import KINDS, drawn, pieces
from network import GENRES
from plots import plot_vectors


def answers(model: Path, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of the ONNX file for pictures of 0 to 255."""
    session = onnxruntime.InferenceSession(model)
    names = [output.name for output in session.get_outputs() if output.name != "activation"]
    batches = [pixels[start : start + 32].astype(np.float32) / 255 for start in range(0, len(pixels), 32)]
    parts = [session.run(names, {"pixels": batch}) for batch in batches]
    return {name: np.concatenate(part) for name, part in zip(names, zip(*parts))}


def logit(probabilities: np.ndarray) -> np.ndarray:
    """The inverse of the logistic function."""
    p = probabilities.clip(1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


def table_of_genres(films: Films, train: np.ndarray, dev: np.ndarray, scores: dict[str, np.ndarray]) -> None:
    """A row for each way to score genres."""
    truth, cardinality = films.genres[dev], films.genres[train].sum(1).mean()
    print("| genres | mAP | sd | micro-F1, best threshold | micro-F1, cardinality |\n|---|---|---|---|---|")
    for name, values in scores.items():
        best, usual = micro_f1(truth, values, cardinality)
        # Of a constant, that of any order: the share of films with the genre.
        constant = (np.ptp(values, axis=0) == 0).all()
        map_ = truth.mean() if constant else np.nanmean(average_precision(truth, values))
        print(f"| {name} | {map_:.3f} | {bootstrap_deviation(truth, values):.3f} | {best:.3f} | {usual:.3f} |", flush=True)


def calibration_error(truth: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error over all genres, bins of as many cases each."""
    order = np.argsort(probabilities.ravel())
    parts = np.array_split(order, bins)
    gaps = [abs(truth.ravel()[part].mean() - probabilities.ravel()[part].mean()) * len(part) for part in parts]
    return float(sum(gaps) / truth.size)


def own_ranks(queries: np.ndarray, vectors: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The rank of each film's own plot among those of its group, ties at their middle; 1 is first."""
    ranks = np.zeros(len(queries))
    for value in np.unique(group):
        rows = np.flatnonzero(group == value)
        scores = queries[rows] @ vectors[rows].T
        own = np.diag(scores)[:, None]
        ranks[rows] = 1 + (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
    return ranks


def unit(vectors: np.ndarray) -> np.ndarray:
    """Of length one."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def table_of_plots(films: Films, vectors: np.ndarray, train: np.ndarray, dev: np.ndarray, queries: dict[str, np.ndarray]) -> None:
    """Recall at 10 within one plot source, sources with 50 films of the development tenth or more."""
    sizes = np.bincount(films.sources[dev])
    kept = np.flatnonzero(sizes[films.sources[dev]] >= 50)
    group = films.sources[dev][kept]
    chance = np.mean(np.minimum(1, 10 / sizes[group]))
    print(f"\n{len(kept)} films of {len(np.unique(group))} sources, chance {chance:.3f}\n\n| plot | R@10 | sd |\n|---|---|---|")
    for name, values in queries.items():
        found = own_ranks(values[kept], vectors[dev][kept], group) <= 10
        print(f"| {name} | {found.mean():.3f} | {np.sqrt(found.mean() * (1 - found.mean()) / len(found)):.3f} |", flush=True)


def table_of_posters(films: Films, model: Path, dev_said: np.ndarray, folder: Path) -> None:
    """What share of each kind is taken for a poster."""
    print("\n| is it a poster | pictures | over 0.5 | median |\n|---|---|---|---|")

    def line(name: str, said: np.ndarray) -> None:
        print(f"| {name} | {len(said)} | {(said > 0.5).mean():.3f} | {np.median(said):.3f} |", flush=True)

    line("posters of the development tenth", dev_said)
    judged = np.flatnonzero(films.judged & ~films.development)
    line("posters of the judged films", answers(model, films.pixels[judged])["is_poster"][:, 0])
    for kind in KINDS:
        line(f"drawn: {kind}", answers(model, drawn(kind, 200, seed=2))["is_poster"][:, 0])
    for package in sorted(folder.iterdir()):
        line(package.name, answers(model, pieces(package, 200, seed=2))["is_poster"][:, 0])


def nearest(films: Films, looks: np.ndarray, dev: np.ndarray, path: Path) -> None:
    """Twenty development posters, spread over the file, and the five of all films whose looks are nearest; titles only."""
    lines = ["# The five nearest looks of twenty development posters", ""]
    lines += ["By the cosine of `look`, among all posters of film-data. Titles and years only; the pictures are the studios'.", ""]
    for row in dev[:: len(dev) // 20][:20]:
        scores = looks @ looks[row]
        scores[row] = -2
        five = np.argsort(-scores)[:5]
        said = "; ".join(f"{films.titles[i]} ({films.years[i]:.0f})" for i in five)
        lines.append(f"- **{films.titles[row]} ({films.years[row]:.0f})**: {said}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, required=True, help="where the plots' vectors are kept")
    parser.add_argument("--encoders", type=Path, help="repository with plot_encoder, if not the same")
    parser.add_argument("--not-posters", type=Path, help="folders of pictures, none of them seen in training")
    parser.add_argument("--small", type=Path, help="the small network's ONNX file")
    parser.add_argument("--nearest", type=Path, help="where the list of nearest looks goes")
    options = parser.parse_args()
    films = read_films(options.data)
    vectors = plot_vectors(films, options.encoders or options.repository, options.vectors)
    train, dev = films.training(), np.flatnonzero(films.development)
    truth = films.genres[dev]
    model = options.repository / "poster_encoder" / "1" / "model.onnx"
    said = answers(model, films.pixels)
    ours = {name: values[dev] for name, values in said.items()}

    colours, era = histogram(films.pixels), decade(films.years)
    both = np.hstack([colours, era])
    known = {"decade": (era, 1.0), "histogram": (colours, 0.3), "histogram and decade": (both, 0.3)}
    scores = {"random": np.random.default_rng(0).random(truth.shape), "prior": np.tile(films.genres[train].mean(0), (len(dev), 1))}
    for name, (features, strength) in known.items():
        scores[name] = logistic(features[train], films.genres[train], features[dev], strength)
    scores["**poster_encoder**"] = logit(ours["genres"])
    if options.small:
        scores["small.onnx"] = logit(answers(options.small, films.pixels[dev])["genres"])
    scores["poster_encoder, histogram and decade, logits added"] = logit(ours["genres"]) + scores["histogram and decade"]
    scores["poster_encoder and decade, logits added"] = logit(ours["genres"]) + scores["decade"]
    scores["its plot (MiniLM), logistic, for reference"] = logistic(vectors[train], films.genres[train], vectors[dev], 10.0)
    table_of_genres(films, train, dev, scores)
    print("\n| genre | dev films | AP | share |\n|---|---|---|---|")
    for column, value in enumerate(average_precision(truth, ours["genres"])):
        print(f"| {GENRES[column]} | {truth[:, column].sum():.0f} | {value:.2f} | {truth[:, column].mean():.2f} |")
    prior = np.tile(films.genres[train].mean(0), (len(dev), 1))
    for name, values in {"prior": prior, "poster_encoder": ours["genres"]}.items():
        brier = np.square(values - truth).mean()
        print(f"\ncalibration, {name}: expected error {calibration_error(truth, values):.4f}, Brier {brier:.4f}")

    years = films.years[dev]
    constant = np.abs(np.median(films.years[train]) - years).mean()
    by_colour = np.abs(ridge(colours[train], films.years[train], colours[dev], 10.0) - years).mean()
    by_us = np.abs(ours["year"][:, 0] - years)
    print(f"\nyear, mean absolute error: constant {constant:.1f}, histogram {by_colour:.1f}, poster_encoder {by_us.mean():.1f} "
          f"(median {np.median(by_us):.1f})")  # fmt: skip

    middle = vectors[train].mean(0)

    def towards_plots(features: np.ndarray, penalty: float) -> np.ndarray:
        return unit(ridge(features[train], vectors[train] - middle, features[dev], penalty))

    queries = {"decade": towards_plots(era, 1.0), "histogram": towards_plots(colours, 10.0)}
    queries["histogram and decade"] = towards_plots(both, 10.0)
    queries["**poster_encoder's plot**"] = ours["plot"]
    queries["decade and poster_encoder's plot, added"] = queries["decade"] + ours["plot"]
    queries["true genres"] = towards_plots(films.genres, 1.0)
    table_of_plots(films, vectors, train, dev, queries)
    if options.not_posters:
        table_of_posters(films, model, ours["is_poster"][:, 0], options.not_posters)
    if options.nearest:
        nearest(films, said["look"], dev, options.nearest)


if __name__ == "__main__":
    main()
