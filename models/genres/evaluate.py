"""Measures the exported heads on the development films and on the catalogue's synopses, beside baselines.

    PYTHONPATH=../bow python evaluate.py --films FILE.jsonl.gz --similar SIMILAR.jsonl.gz --catalogue ../../catalogue/films.jsonl \\
        --repository ../../model_repository --cache FOLDER

Nothing is chosen here: thresholds were set on out-of-fold logits by train.py, those of the baselines are set on the training films
(the prior's and TF-IDF's by the same five folds). `best` is the micro-F1 at the single threshold best on the films shown,
for comparison with figures made that way.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import heads
from films import GENRES, TECHNIQUES, Films, embed, matrix
from texts import read_jsonl
from train import arguments


class Served:
    """An exported head, run by ONNX Runtime."""

    def __init__(self, repository: Path, technique: str) -> None:
        """Reads the file and the threshold in its metadata."""
        path = repository / TECHNIQUES[technique][3] / "1" / "model.onnx"
        properties = {p.key: p.value for p in onnx.load(path).metadata_props}
        self.threshold = float(properties["hippocamp.genre_threshold"])
        self.session = onnxruntime.InferenceSession(str(path))

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Probabilities [vectors, 22]."""
        return self.session.run(None, {"sentence_embedding": vectors})[0]


class TfIdf:
    """TF-IDF of words and pairs of words, a logistic regression for each genre."""

    def __init__(self, texts: list[str], truth: np.ndarray) -> None:
        """Learns, and sets the threshold on one fold that a first fit did not see."""
        part = heads.folds(len(texts))
        self.fit([t for t, p in zip(texts, part) if p], truth[part > 0])
        self.threshold = heads.best_threshold(self([t for t, p in zip(texts, part) if not p]), truth[part == 0])
        self.fit(texts, truth)

    def fit(self, texts: list[str], truth: np.ndarray) -> None:
        """Words of three texts or more; C was tried at 1, 4 and 16 on one fold."""
        self.words = TfidfVectorizer(sublinear_tf=True, min_df=3, ngram_range=(1, 2), strip_accents="unicode", max_features=60000)
        bags = self.words.fit_transform(texts)
        self.models = [LogisticRegression(C=4.0, solver="liblinear").fit(bags, column > 0) for column in truth.T]

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Probabilities [texts, 22]."""
        bags = self.words.transform(texts)
        return np.stack([model.predict_proba(bags)[:, 1] for model in self.models], 1)


def row(name: str, scores: np.ndarray, truth: np.ndarray, threshold: float) -> str:
    """One line of the table."""
    best = heads.micro_f1(scores > heads.best_threshold(scores, truth), truth)
    return (
        f"| {name} | {heads.mean_average_precision(scores, truth):.3f} | {heads.micro_f1(scores > threshold, truth):.3f} "
        f"| {best:.3f} | {heads.calibration_error(scores, truth):.4f} |"
    )


def spread(scores: np.ndarray, truth: np.ndarray, threshold: float, rounds: int = 200) -> str:
    """95 % intervals of mAP and micro-F1 by drawing films again."""
    rng = np.random.default_rng(0)
    drawn = [rng.integers(len(truth), size=len(truth)) for _ in range(rounds)]
    precise = [heads.mean_average_precision(scores[d], truth[d]) for d in drawn]
    f1 = [heads.micro_f1(scores[d] > threshold, truth[d]) for d in drawn]
    (a, b), (c, d) = np.quantile(precise, (0.025, 0.975)), np.quantile(f1, (0.025, 0.975))
    return f"95 %: mAP {a:.3f} to {b:.3f}, micro-F1 {c:.3f} to {d:.3f}"


def main() -> None:
    """Prints the tables of MODEL_CARD.md."""
    options = arguments(__doc__)
    films = Films.read(options.films, options.similar, options.catalogue)
    texts = [film["plot"] for film in films.films]
    own = read_jsonl(options.catalogue)
    synopses, own_truth = [film["synopsis"] for film in own], matrix(own)
    told = films.genres[films.training]
    tf_idf = TfIdf([t for t, kept in zip(texts, films.training) if kept], told)
    prior = told.mean(0)
    usual = heads.best_threshold(np.repeat(prior[None], len(told), 0), told)
    learned = {name: (Served(options.repository, name), embed(options.repository, name, texts, options.cache)) for name in TECHNIQUES}
    sources = np.array([film["plot_source"] for film in films.films])
    encyclopaedic = np.isin(sources, ["wiki", "dbpedia_ml1m"])

    parts = {"development films": films.development, "judged films": films.judged}
    parts |= {"development, encyclopaedias": films.development & encyclopaedic, "development, others": films.development & ~encyclopaedic}
    parts |= {f"development, {s}": films.development & (sources == s) for s in sorted(set(sources))}
    for title, part in parts.items():
        truth = films.genres[part]
        print(f"\n{title}: {part.sum()}, {truth.sum(1).mean():.2f} genres each\n| | mAP | micro-F1 | best | ECE |\n|---|---|---|---|---|")
        print(row("prior", np.repeat(prior[None], len(truth), 0), truth, usual))
        print(row("TF-IDF, logistic", tf_idf([t for t, kept in zip(texts, part) if kept]), truth, tf_idf.threshold))
        for name, (head, vectors) in learned.items():
            scores = head(vectors[part])
            print(row(name, scores, truth, head.threshold), spread(scores, truth, head.threshold) if part is films.development else "")

    print(f"\ncatalogue: {len(own)}, {own_truth.sum(1).mean():.2f} genres each\n| | mAP | micro-F1 | best | ECE |\n|---|---|---|---|---|")
    print(row("prior", np.repeat(prior[None], len(own), 0), own_truth, usual))
    print(row("TF-IDF, logistic", tf_idf(synopses), own_truth, tf_idf.threshold))
    for name, (head, _) in learned.items():
        scores = head(embed(options.repository, name, synopses, options.cache))
        print(row(name, scores, own_truth, head.threshold), spread(scores, own_truth, head.threshold))

    for name, (head, vectors) in learned.items():
        truth, scores = films.genres[films.development], head(vectors[films.development])
        tenths = heads.reliability(scores, truth)
        print(f"\n{name}: claimed, came true (pairs): " + "; ".join(f"{c:.2f} {t:.2f} ({n})" for n, c, t in tenths))
        each = [(heads.mean_average_precision(scores[:, [g]], truth[:, [g]]), genre) for g, genre in enumerate(GENRES)]
        print(", ".join(f"{genre} {reached:.2f}" for reached, genre in sorted(each, reverse=True)))
        blank = head(np.zeros((1, vectors.shape[1]), np.float32))[0]
        print(f"zero vector against the prior: largest difference {np.abs(blank - prior).max():.3f}")


if __name__ == "__main__":
    main()
