"""The judged films, how alike each pair is by each signal, and how well a score finds what the same people like.

Scores are [films, films]. The measure: of the ten films with the highest score, the share among the film's 20 most co-liked.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from films import TECHNIQUES, embed, matrix
from people import jaccard, jaccard_of, people
from sklearn.feature_extraction.text import TfidfVectorizer
from texts import read_jsonl

TOP = 10


@dataclass
class Judged:
    """Films with a list of similar ones, and the signals of every pair."""

    films: list[dict]
    # [films, films] true where the column is among the 20 most co-liked of the row.
    similar: np.ndarray
    years: np.ndarray
    # [films, 22] zeros and ones.
    genres: np.ndarray
    # Technique to vectors [films, width].
    vectors: dict[str, np.ndarray]
    # Name to [films, films].
    signals: dict[str, np.ndarray]

    @staticmethod
    def read(films: Path, similar: Path, repository: Path, cache: Path | None) -> "Judged":
        """Reads, embeds, compares."""
        everything = read_jsonl(films)
        lists = {line["id"]: line["similar"] for line in read_jsonl(similar)}
        some = [film for film in everything if film["id"] in lists]
        place = {film["id"]: i for i, film in enumerate(some)}
        wanted = np.zeros((len(some), len(some)), bool)
        for film in some:
            wanted[place[film["id"]], [place[other] for other in lists[film["id"]]]] = True
        plots = [film["plot"] for film in some]
        years = np.array([int(film["year"]) for film in some])
        genres = matrix(some)
        vectors = {name: embed(repository, name, plots, cache) for name in TECHNIQUES}
        weigh = TfidfVectorizer(sublinear_tf=True, min_df=2, strip_accents="unicode").fit(film["plot"] for film in everything)
        bags = weigh.transform(plots)
        signals = {
            "random": np.random.default_rng(0).random(wanted.shape, np.float32),
            "year": -np.abs(years[:, None] - years).astype(np.float32) / 10,
            "genres": jaccard_of(genres),
            "people": jaccard([people(plot) for plot in plots]),
            "tf-idf": (bags @ bags.T).toarray().astype(np.float32),
            **{name: v @ v.T for name, v in vectors.items()},
        }
        return Judged(some, wanted, years, genres, vectors, signals)

    def shares(self, score: np.ndarray) -> np.ndarray:
        """The measure of each film, [films]; equal scores fall by lot, the same each time."""
        score = score + self.signals["random"] * np.float32(1e-5)
        np.fill_diagonal(score, -np.inf)
        best = np.argpartition(-score, TOP, axis=1)[:, :TOP]
        return np.take_along_axis(self.similar, best, 1).mean(1)


def interval(shares: np.ndarray, rounds: int = 2000) -> tuple[float, float]:
    """95 % of the mean over films drawn again."""
    rng = np.random.default_rng(0)
    means = [shares[rng.integers(len(shares), size=len(shares))].mean() for _ in range(rounds)]
    return tuple(np.quantile(means, (0.025, 0.975)))


def line(name: str, shares: np.ndarray, note: str = "") -> str:
    """A row of a table."""
    low, high = interval(shares)
    return f"| {name} | {shares.mean():.3f} | {low:.3f} to {high:.3f} | {note} |"
