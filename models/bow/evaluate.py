"""Checks and measures the two served files, beside TF-IDF and LSA over the same vocabulary.

    python evaluate.py --texts FILE.jsonl.gz --catalogue ../../catalogue/films.jsonl --probes ../../catalogue/probes.jsonl \\
        --repository ../../model_repository --split dev

Figures are shares of queries that have their film first, in the first three and in the first ten, and the mean reciprocal
rank; equal scores share the middle rank. `--split test` is for the end: nothing may be chosen by it.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import scipy.sparse as sp
from onnx import numpy_helper
from scipy.sparse.linalg import svds
from tokenizers import Tokenizer

from export import dequantise
from texts import (
    ABOUT_MAKING,
    is_development,
    names_in,
    passages,
    read_jsonl,
    sentences,
    title_key,
    without_catalogue,
    without_names,
)

Encoder = Callable[[list[str]], np.ndarray | sp.csr_matrix]


class Served:
    """The exported pair, run as the server runs it."""

    def __init__(self, repository: Path) -> None:
        """Reads both files."""
        self.tokenizer = Tokenizer.from_file(str(repository / "text_tokenizer_bow" / "1" / "tokenizer.json"))
        path = str(repository / "plot_encoder_bow" / "1" / "model.onnx")
        threads = onnxruntime.SessionOptions()
        threads.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, threads)
        tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
        codes = np.concatenate([tensors["weights"] >> shift & 3 for shift in (0, 2, 4, 6)], axis=1)
        self.row_of_word = tensors["row_of_word"]
        self.rows = dequantise(codes, tensors["scales"])

    def ids(self, text: str) -> list[int]:
        """Word ids; one padding id where there is no word at all."""
        return self.tokenizer.encode(text).ids or [0]

    def embed(self, texts: list[str], batch: int = 32) -> np.ndarray:
        """Embeddings, batches padded to their longest."""
        parts = []
        for start in range(0, len(texts), batch):
            lines = [self.ids(t) for t in texts[start : start + batch]]
            ids = np.zeros((len(lines), max(map(len, lines))), np.int64)
            mask = np.zeros_like(ids)
            for i, line in enumerate(lines):
                ids[i, : len(line)], mask[i, : len(line)] = line, 1
            parts.append(self.session.run(None, {"input_ids": ids, "attention_mask": mask})[0])
        return np.concatenate(parts)

    def bags(self, texts: list[str]) -> sp.csr_matrix:
        """How often each row of the model occurs in each text, by the served tokenizer."""
        lines = [self.row_of_word[self.ids(t)] for t in texts]
        lines = [line[line > 0] for line in lines]
        ends = np.cumsum([0, *map(len, lines)])
        flat = np.concatenate([np.zeros(0, np.int32), *lines])
        return sp.csr_matrix((np.ones(len(flat), np.float32), flat, ends), (len(lines), len(self.rows)))


def unit(vectors):
    """Lines of length one; zero stays zero."""
    if sp.issparse(vectors):
        lengths = np.sqrt(np.asarray(vectors.multiply(vectors).sum(1)).ravel())
        return sp.csr_matrix(sp.diags(1 / np.maximum(lengths, 1e-6)) @ vectors)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def check(served: Served, texts: list[str]) -> None:
    """The served pair against the same sum in numpy, padded against single, and text without a known word."""
    padded = served.embed(texts)
    single = served.embed(texts, batch=1)
    expected = unit(np.asarray(served.bags(texts) @ served.rows))
    nothing = served.embed(["", "zzzzqq 東京 !?", "\u0000"])
    print(f"check on {len(texts)} texts: against numpy {np.abs(padded - expected).max():.1e}, ", end="")
    print(f"padded against single {np.abs(padded - single).max():.1e}, no known word {np.abs(nothing).max():.1e}")
    assert np.abs(padded - expected).max() < 1e-5 and np.abs(padded - single).max() < 1e-6 and not nothing.any()


def ranks(queries, answers, wanted: np.ndarray, starts: np.ndarray | None = None) -> np.ndarray:
    """Rank of the wanted answer for each query; with `starts`, answers are passages and a film scores by its best."""
    scores = queries @ answers.T
    scores = np.asarray(scores.todense()) if sp.issparse(scores) else scores
    if starts is not None:
        scores = np.maximum.reduceat(scores, starts, axis=1)
    own = scores[np.arange(len(wanted)), wanted][:, None]
    return 1 + (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2


def line(rank: np.ndarray) -> str:
    """One row of figures."""
    first, three, ten = ((rank < n + 0.5).sum() for n in (1, 3, 10))
    return f"{first:4d} {three:4d} {ten:4d} of {len(rank)}, MRR {(1 / rank).mean():.3f}"


def other_hands(texts: list[dict], catalogue: list[dict]) -> tuple[list[str], np.ndarray]:
    """Sentences without names from texts about catalogue films, by other writers; and each one's film."""
    names = names_in([t["plot"] for t in texts] + [f["synopsis"] for f in catalogue])
    same: dict[str, list[int]] = {}
    for i, film in enumerate(catalogue):
        same.setdefault(title_key(film["title"]), []).append(i)
    asked, films = [], []
    for text in texts:
        for i in same.get(title_key(text["title"]), []):
            if abs(int(text["year"]) - catalogue[i]["year"]) > 1:
                continue
            plain = [without_names(s, names) for s in sentences(text["plot"]) if not ABOUT_MAKING.search(s)]
            plain = [s for s in plain if len(s.split()) >= 10]
            asked += plain
            films += [i] * len(plain)
    return asked, np.array(films)


def main() -> None:
    """Checks, then prints a line per encoder and task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, action="append", required=True)
    parser.add_argument("--catalogue", type=Path, required=True)
    parser.add_argument("--probes", type=Path, required=True)
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    options = parser.parse_args()
    catalogue = read_jsonl(options.catalogue)
    texts = [t for path in options.texts for t in read_jsonl(path)]
    told = [t["plot"] for t in without_catalogue([t for t in texts if not is_development(t)], catalogue)]
    served = Served(options.repository)
    check(served, [f["synopsis"] for f in catalogue[:200]] + told[:200])

    bags = served.bags(told + [f["synopsis"] for f in catalogue])
    idf = sp.diags(np.log(bags.shape[0] / (1 + np.asarray((bags > 0).sum(0)).ravel())).astype(np.float32) + 1)
    weighted = unit(bags[: len(told)] @ idf)
    encoders: dict[str, Encoder] = {"TF-IDF": lambda t: unit(served.bags(t) @ idf)}
    for width in (128, served.rows.shape[1]):
        axes = idf @ svds(weighted, width, random_state=0)[2].T
        encoders[f"LSA {width}"] = lambda t, axes=axes: unit(np.asarray(served.bags(t) @ axes))
    encoders[f"served {served.rows.shape[1]}"] = served.embed

    held_out = [sentences(t["plot"]) for t in texts if is_development(t)]
    asked, rest, wanted = [], [], []
    for parts in held_out:
        story = [i for i, s in enumerate(parts) if not ABOUT_MAKING.search(s) and len(s.split()) >= 8]
        if story and len(parts) > 1:
            # The middle one, so that no random number is needed.
            pick = story[len(story) // 2]
            wanted.append(len(rest))
            asked.append(parts[pick])
            parts = parts[:pick] + parts[pick + 1 :]
        rest.append(" ".join(parts))
    probes = [p for p in read_jsonl(options.probes) if p["split"] == options.split]
    index = {f["id"]: i for i, f in enumerate(catalogue)}
    films = np.array([index[p["film"]] for p in probes])
    indexed = [passages(f["synopsis"]) for f in catalogue]
    starts = np.cumsum([0, *map(len, indexed)])[:-1]
    flat = [p for film in indexed for p in film]
    foreign, foreign_films = other_hands(texts, catalogue)
    for name, encode in encoders.items():
        print(f"{name:12} held-out plots  {line(ranks(encode(asked), encode(rest), np.array(wanted)))}")
        answers = encode(flat)
        print(f"{name:12} other hands     {line(ranks(encode(foreign), answers, foreign_films, starts))}")
        query = encode([p["text"] for p in probes])
        print(f"{name:12} probes, passages {line(ranks(query, answers, films, starts))}")
        whole = encode([f["synopsis"] for f in catalogue])
        print(f"{name:12} probes, whole   {line(ranks(query, whole, films))}", flush=True)


if __name__ == "__main__":
    main()
