"""What the plots of the training films lend to the network: vectors, vectors without their era and source, a teacher of genres.

Used by train.py, tune.py and evaluate.py. The encoder is the server's own `plot_encoder`; its vectors are kept in a file, since
they take minutes.
"""

from pathlib import Path

import numpy as np
import onnxruntime
from sklearn.model_selection import KFold
from tokenizers import Tokenizer

from data import Films
from linear import logistic

# As the server's text_tokenizer cuts.
TOKENS = 256
BATCH = 16


def plot_vectors(films: Films, repository: Path, cache: Path) -> np.ndarray:
    """`[n, 384]`, each of length one."""
    if cache.exists():
        kept = np.load(cache)
        if list(kept["ids"]) == films.ids:
            return kept["vectors"]
    tokenizer = Tokenizer.from_file(str(repository / "text_tokenizer" / "1" / "tokenizer.json"))
    tokenizer.enable_truncation(TOKENS)
    session = onnxruntime.InferenceSession(repository / "plot_encoder" / "1" / "model.onnx")
    tokens = [tokenizer.encode(plot).ids for plot in films.plots]
    order = np.argsort([len(ids) for ids in tokens], kind="stable")
    vectors = np.zeros((len(tokens), 384), np.float32)
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        ids = np.zeros((len(rows), max(len(tokens[row]) for row in rows)), np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(tokens[row])] = tokens[row]
            mask[place, : len(tokens[row])] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        [vectors[rows]] = session.run(["sentence_embedding"], feed)
    np.savez(cache, ids=np.array(films.ids), vectors=vectors)
    return vectors


def era_and_source(films: Films) -> np.ndarray:
    """What a plot's vector says without a word of the story: one column a decade, one a source."""
    decades = np.clip(films.years // 10, 192, 202).astype(int)
    return np.hstack([np.eye(11)[decades - 192], np.eye(films.sources.max() + 1)[films.sources]]).astype(np.float32)


def without_era_and_source(films: Films, vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The vectors less what era and source explain (least squares over `rows`), of length one again."""
    given = era_and_source(films)
    fit = np.linalg.solve(given[rows].T @ given[rows] + 10 * np.eye(given.shape[1]), given[rows].T @ vectors[rows])
    rest = vectors - given @ fit
    return (rest / np.linalg.norm(rest, axis=1, keepdims=True)).astype(np.float32)


def teacher(films: Films, vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The genres that a plot suggests, `[n, 22]`: for each row of `rows` by a model fitted on the others of them; else zero."""
    suggested = np.zeros_like(films.genres)
    for others, these in KFold(5, shuffle=True, random_state=0).split(rows):
        logits = logistic(vectors[rows[others]], films.genres[rows[others]], vectors[rows[these]], 10.0)
        suggested[rows[these]] = 1 / (1 + np.exp(-logits))
    return suggested
