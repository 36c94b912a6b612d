"""What a poster says without a network: its colours, and its decade, which is not even on it. Used by evaluate.py."""

import numpy as np
from sklearn.linear_model import Ridge

from learn import average_precision


def histogram(pixels: np.ndarray) -> np.ndarray:
    """`[n, 896]` of `[n, 3, h, w]`, 0 to 255: 8 x 8 x 8 colours of the whole, 4 x 4 x 4 of each of 3 x 2 parts; square roots."""

    def counts(part: np.ndarray, levels: int) -> np.ndarray:
        bins = part.astype(np.int32) * levels // 256
        code = (bins[:, 0] * levels + bins[:, 1]) * levels + bins[:, 2]
        found = np.stack([np.bincount(row.ravel(), minlength=levels**3) for row in code])
        return np.sqrt(found / found.sum(1, keepdims=True))

    parts = [part for row in np.array_split(pixels, 3, axis=2) for part in np.array_split(row, 2, axis=3)]
    return np.hstack([counts(pixels, 8), *(counts(part, 4) for part in parts)]).astype(np.float32)


def decade(years: np.ndarray) -> np.ndarray:
    """One column a decade, 1920 and before to 2020."""
    return np.eye(11, dtype=np.float32)[np.clip(years // 10, 192, 202).astype(int) - 192]


def ridge(known: np.ndarray, wanted: np.ndarray, asked: np.ndarray, penalty: float) -> np.ndarray:
    """Linear prediction for `asked`."""
    return Ridge(alpha=penalty).fit(known, wanted).predict(asked)


def micro_f1(truth: np.ndarray, scores: np.ndarray, cardinality: float) -> tuple[float, float]:
    """Micro-averaged F1 at the best single threshold for these films, and at the one that gives `cardinality` genres a film."""
    order = np.argsort(-scores.ravel(), kind="stable")
    hits = np.cumsum(truth.ravel()[order])
    f1 = 2 * hits / (np.arange(1, hits.size + 1) + truth.sum())
    return float(f1.max()), float(f1[round(cardinality * len(truth)) - 1])


def bootstrap_deviation(truth: np.ndarray, scores: np.ndarray, rounds: int = 300) -> float:
    """Of the mean average precision, films drawn with replacement."""
    random = np.random.default_rng(0)
    draws = [random.integers(len(truth), size=len(truth)) for _ in range(rounds)]
    return float(np.std([np.nanmean(average_precision(truth[rows], scores[rows])) for rows in draws]))
