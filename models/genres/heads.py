"""A genre head: standard multi-label regression on a vector, with or without one hidden layer; its calibration; its measures.

Plain numpy: a head is two small matrices, and Adam over 14,000 vectors takes seconds on one core.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

BATCH = 256


@dataclass(frozen=True)
class Setting:
    """What cross-validation chooses between; `hidden` 0 is logistic regression."""

    hidden: int
    epochs: int
    decay: float
    drop: float = 0.0
    rate: float = 2e-3


@dataclass
class Head:
    """Layers as (weights [in, out], biases [out]), ReLU between them."""

    layers: list[tuple[np.ndarray, np.ndarray]]

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """FP32 [vectors, genres]."""
        for weights, biases in self.layers[:-1]:
            vectors = np.maximum(vectors @ weights + biases, 0)
        return vectors @ self.layers[-1][0] + self.layers[-1][1]

    def calibrated(self, slopes: np.ndarray, shifts: np.ndarray) -> "Head":
        """The head whose logits are slope * logit + shift, genre by genre."""
        weights, biases = self.layers[-1]
        return Head([*self.layers[:-1], (weights * slopes, biases * slopes + shifts)])


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Logits to probabilities."""
    return 1 / (1 + np.exp(-np.clip(logits, -30, 30)))


def prior_logits(truth: np.ndarray) -> np.ndarray:
    """The logit of each genre's share of the films."""
    share = np.clip(truth.mean(0), 1e-4, 1 - 1e-4)
    return np.log(share / (1 - share)).astype(np.float32)


def fit(vectors: np.ndarray, truth: np.ndarray, setting: Setting, seed: int = 0) -> Head:
    """Adam on the summed cross-entropy, rate falling as a cosine, decay decoupled; dropout on what the last layer reads.

    The input is scaled to unit variance on the whole, which is folded into the first layer at the end. One line in a hundred
    is the zero vector with the genres' shares as truth: a text without a known word gets the prior.
    """
    rng = np.random.default_rng(seed)
    scale = np.float32(1 / vectors.std())
    blank = max(1, len(vectors) // 100)
    vectors = np.concatenate([vectors * scale, np.zeros((blank, vectors.shape[1]), np.float32)])
    prior = prior_logits(truth)
    truth = np.concatenate([truth, np.repeat(truth.mean(0, keepdims=True), blank, 0)]).astype(np.float32)
    widths = [vectors.shape[1], *([setting.hidden] if setting.hidden else []), truth.shape[1]]
    layers = []
    for place, (inside, outside) in enumerate(zip(widths, widths[1:])):
        last = place == len(widths) - 2
        weights = rng.standard_normal((inside, outside), np.float32) * np.float32((0.1 if last else 1.4) / np.sqrt(inside))
        layers += [weights, prior.copy() if last else np.zeros(outside, np.float32)]
    means, squares = [np.zeros_like(p) for p in layers], [np.zeros_like(p) for p in layers]
    steps = setting.epochs * (len(vectors) // BATCH)
    order = rng.permutation(len(vectors))
    place = 0
    for step in range(1, steps + 1):
        if place + BATCH > len(order):
            order, place = rng.permutation(len(vectors)), 0
        some = order[place : place + BATCH]
        place += BATCH
        gradients = slopes(layers, vectors[some], truth[some], setting.drop, rng)
        rate = np.float32(setting.rate * (1 + np.cos(np.pi * step / steps)) / 2)
        for i, gradient in enumerate(gradients):
            means[i] += 0.1 * (gradient - means[i])
            squares[i] += 0.001 * (gradient * gradient - squares[i])
            layers[i] -= rate * (means[i] / (1 - 0.9**step)) / (np.sqrt(squares[i] / (1 - 0.999**step)) + np.float32(1e-8))
            if layers[i].ndim == 2:
                layers[i] *= 1 - rate * np.float32(setting.decay)
    layers[0] *= scale
    return Head(list(zip(layers[0::2], layers[1::2])))


def slopes(layers: list[np.ndarray], vectors: np.ndarray, truth: np.ndarray, drop: float, rng: np.random.Generator) -> list:
    """Gradients of the mean over films of the cross-entropy summed over genres."""

    def thinned(values: np.ndarray) -> tuple[np.ndarray, np.ndarray | np.float32]:
        keep = (rng.random(values.shape, np.float32) >= drop) / np.float32(1 - drop) if drop else np.float32(1)
        return values * keep, keep

    if len(layers) == 2:
        read, _ = thinned(vectors)
        error = (sigmoid(read @ layers[0] + layers[1]) - truth) / len(truth)
        return [read.T @ error, error.sum(0)]
    inside = vectors @ layers[0] + layers[1]
    read, keep = thinned(np.maximum(inside, 0))
    error = (sigmoid(read @ layers[2] + layers[3]) - truth) / len(truth)
    back = (error @ layers[2].T) * keep * (inside > 0)
    return [vectors.T @ back, back.sum(0), read.T @ error, error.sum(0)]


def folds(count: int, parts: int = 5) -> np.ndarray:
    """Which of the parts each line belongs to; the same every time."""
    return np.random.default_rng(5).permutation(np.arange(count) % parts)


def out_of_fold(vectors: np.ndarray, truth: np.ndarray, setting: Setting) -> np.ndarray:
    """Logits of each line by a head that did not learn from it."""
    part = folds(len(vectors))
    logits = np.empty_like(truth)
    for one in range(part.max() + 1):
        logits[part == one] = fit(vectors[part != one], truth[part != one], setting).logits(vectors[part == one])
    return logits


def platt(logits: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and shift for each genre that make out-of-fold logits probabilities; a weak pull keeps rare genres sane."""
    fits = [LogisticRegression(C=1.0).fit(logits[:, [g]], truth[:, g] > 0) for g in range(truth.shape[1])]
    return (np.array([f.coef_[0, 0] for f in fits], np.float32), np.array([f.intercept_[0] for f in fits], np.float32))


def cross_entropy(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Mean over films of the cross-entropy summed over genres; nats."""
    sure = np.clip(probabilities, 1e-6, 1 - 1e-6)
    return float(-(truth * np.log(sure) + (1 - truth) * np.log(1 - sure)).sum(1).mean())


def mean_average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Mean over the genres that occur of the average precision."""
    some = [g for g in range(truth.shape[1]) if truth[:, g].any()]
    return float(np.mean([average_precision_score(truth[:, g], scores[:, g]) for g in some]))


def micro_f1(named: np.ndarray, truth: np.ndarray) -> float:
    """F1 over all pairs of film and genre."""
    both = (named * truth).sum()
    return float(2 * both / (named.sum() + truth.sum()))


def best_threshold(scores: np.ndarray, truth: np.ndarray) -> float:
    """The single threshold with the best micro-F1."""
    tried = np.quantile(scores, np.linspace(0.7, 0.99, 60))
    return float(max(tried, key=lambda t: micro_f1(scores > t, truth)))


def calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: mean distance of claim and outcome over equally filled bins, mean over genres."""
    errors = []
    for claimed, outcome in zip(probabilities.T, truth.T):
        order = np.array_split(np.argsort(claimed), bins)
        errors.append(sum(len(b) * abs(claimed[b].mean() - outcome[b].mean()) for b in order) / len(claimed))
    return float(np.mean(errors))


def reliability(probabilities: np.ndarray, truth: np.ndarray) -> list[tuple[int, float, float]]:
    """Count, mean claim and share that came true, of all film-genre pairs by tenths of the claim."""
    place = np.minimum((probabilities * 10).astype(int), 9)
    some = [place == b for b in range(10)]
    return [(int(s.sum()), float(probabilities[s].mean()), float(truth[s].mean())) for s in some if s.any()]
