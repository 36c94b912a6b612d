"""What is fitted on the finished network, without touching its weights: calibration, look, place among plots, is it a poster.

Called by train.py. Everything here sees training films alone; calibration and the plots' part see each of them through a
network that had not learned it (crossval.py).
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from sklearn.neural_network import MLPClassifier

from augment import augmented
from learn import predict
from network import PosterNetwork


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities."""
    return 1 / (1 + np.exp(-logits))


def calibration(logits: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A factor and a shift for each genre's logit, by cross entropy, held near one factor for all (Platt with a prior)."""

    def loss(values: np.ndarray, column: int | None, near: float) -> float:
        these, wanted = (logits, truth) if column is None else (logits[:, column], truth[:, column])
        scores = values[0] * these + values[1]
        cross = np.logaddexp(0, scores) - wanted * scores
        return cross.sum() + 200 * (values[0] - near) ** 2

    shared = minimize(loss, [1.0, 0.0], args=(None, 1.0)).x[0]
    fits = [minimize(loss, [shared, 0.0], args=(column, shared)).x for column in range(truth.shape[1])]
    factor, shift = np.array(fits, np.float32).T
    # A genre whose logits say nothing may come out reversed; it keeps its order, nearly flat.
    return np.maximum(factor, 0.05), shift


def look(means: np.ndarray, width: int, whitening: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights `[width, n]` and biases of the main axes of the posters' features, each divided by its deviation ** `whitening`."""
    middle, deviation = means.mean(0), means.std(0) + 1e-3
    _, sizes, axes = np.linalg.svd((means - middle) / deviation, full_matrices=False)
    spread = sizes[:width] / np.sqrt(len(means))
    weights = axes[:width] / spread[:, None] ** whitening / deviation
    return weights.astype(np.float32), (-weights @ middle).astype(np.float32)


def plot_given(genres: np.ndarray, year: np.ndarray) -> np.ndarray:
    """What the plots' part is computed of: probabilities and the year, scaled as the network has it."""
    return np.hstack([genres, year[:, None], np.ones((len(genres), 1))]).astype(np.float32)


def plot_of_genres(genres: np.ndarray, year: np.ndarray, vectors: np.ndarray, ridge: float = 30.0) -> np.ndarray:
    """`[24, 384]`: least squares from `plot_given` to the plots' vectors less their mean."""
    given = plot_given(genres, year)
    penalty = ridge * np.eye(given.shape[1])
    penalty[-1, -1] = 0
    return np.linalg.solve(given.T @ given + penalty, given.T @ (vectors - vectors.mean(0))).astype(np.float32)


@dataclass
class PosterHead:
    """Two layers over the standardised means of every block and how far a poster's look lies from the middle of all."""

    first: np.ndarray
    first_bias: np.ndarray
    second: np.ndarray
    second_bias: np.ndarray

    def tensors(self) -> dict[str, torch.Tensor]:
        """As export.py takes them."""
        return {f"poster_{name}": torch.from_numpy(np.asarray(value, np.float32)) for name, value in vars(self).items()}

    def probability(self, features: np.ndarray) -> np.ndarray:
        """`[n]` of features as `poster_features` gives them."""
        hidden = np.maximum(features @ self.first + self.first_bias, 0)
        return sigmoid((hidden @ self.second + self.second_bias)[:, 0])


def poster_features(means: np.ndarray, look_weights: np.ndarray, look_biases: np.ndarray, distance: bool = True) -> np.ndarray:
    """The means, and the length of the look before it is brought to one (0 if `distance` is not wanted)."""
    lengths = np.linalg.norm(means @ look_weights.T + look_biases, axis=1, keepdims=True)
    return np.hstack([means, lengths * distance]).astype(np.float32)


def poster_head(posters: np.ndarray, others: np.ndarray, seed: int = 0) -> PosterHead:
    """Fitted so that either answer is as likely beforehand, whatever the numbers of both."""
    features = np.vstack([posters, others])
    middle, deviation = features.mean(0), features.std(0) + 1e-3
    random = np.random.default_rng(seed)
    most = max(len(posters), len(others))
    rows = np.concatenate([np.arange(len(posters)), random.integers(len(posters), size=most - len(posters))])
    rest = np.concatenate([np.arange(len(others)), random.integers(len(others), size=most - len(others))])
    balanced = np.vstack([posters[rows], others[rest]])
    wanted = np.repeat([1, 0], most)
    model = MLPClassifier((32,), alpha=0.3, max_iter=60, early_stopping=True, batch_size=128, random_state=seed)
    model.fit((balanced - middle) / deviation, wanted)
    first = model.coefs_[0] / deviation[:, None]
    return PosterHead(first, model.intercepts_[0] - middle @ first, model.coefs_[1], model.intercepts_[1])


def seen_by(network: PosterNetwork, pixels: np.ndarray, strength: float = 0.0, seed: int = 0) -> np.ndarray:
    """The means of every block for pictures of 0 to 255, changed by chance if `strength` is over 0."""
    random = torch.Generator().manual_seed(seed)
    parts = []
    for part in torch.from_numpy(pixels).split(256):
        if strength:
            part = augmented(part.float().div(255), strength, random).mul(255)
        parts.append(predict(network, part)["means"])
    return np.concatenate(parts)
