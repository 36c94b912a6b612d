"""Learns the bag-of-words encoder and writes the two files that the server runs.

    python train.py --texts FILE.jsonl.gz --catalogue ../../catalogue/films.jsonl --repository ../../model_repository

Every stem has a vector; a text is the sum of its words' vectors, brought to length one. The vectors begin as random
directions of length idf, where a cosine is TF-IDF's and noise, and are then learned from pairs: a sentence of a plot must find
the rest of its plot among the rests of a batch (InfoNCE, both ways), while all cosines of the batch stay near TF-IDF's, which
keeps exact words exact. Words are left out at random and names left out of part
of the sentences, since who asks for a film seldom knows the names. Films of the catalogue and a tenth of the texts
(by hash of the id) are not learned from; the development tenth says when to stop. One core, a few minutes, no accelerator.
"""

import argparse
import re
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from export import export
from texts import ABOUT_MAKING, Vocabulary, is_development, read_jsonl, sentences, without_catalogue, without_names

Plot = list[tuple[np.ndarray, np.ndarray, bool]]


def parse_arguments() -> argparse.Namespace:
    """The paths, and the few numbers that were chosen by the development texts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, action="append", required=True, help="JSON lines with id, title, year, plot")
    parser.add_argument("--catalogue", type=Path, required=True, help="films.jsonl; its synopses add to the vocabulary only")
    parser.add_argument("--repository", type=Path, required=True, help="model repository to write into")
    parser.add_argument("--width", type=int, default=1536, help="dimensions of the embedding, a multiple of 4")
    parser.add_argument("--min-texts", type=int, default=5, help="texts that a stem must occur in")
    parser.add_argument("--min-texts-name", type=int, default=20, help="the same for a name")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rate", type=float, default=2e-3, help="Adam's step, after warm-up and before decay")
    parser.add_argument("--temperature", type=float, default=0.07)
    parser.add_argument("--hold", type=float, default=2.0, help="weight of the squared distance to TF-IDF's cosines")
    parser.add_argument("--drop-names", type=float, default=0.3, help="share of the sentences that lose their names")
    parser.add_argument("--drop-words", type=float, default=0.2, help="share of the words left out")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def prepare(vocabulary: Vocabulary, text: str) -> Plot:
    """The sentences of a plot: all rows, rows without names, whether it tells of the making rather than the story."""
    parts = sentences(text)
    if len(parts) == 1:
        clauses = re.split(r"[,;:]\s", parts[0])
        half = len(clauses) // 2
        parts = [", ".join(clauses[:half]), ", ".join(clauses[half:])]
    plot = [(vocabulary.ids(s), vocabulary.ids(without_names(s, vocabulary.names)), bool(ABOUT_MAKING.search(s))) for s in parts]
    return [sentence for sentence in plot if len(sentence[0]) > 2]


def draw_pair(plot: Plot, drop_names: float, drop_words: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A sentence, and what it must find: the rest of its plot (half of the time), another sentence or two."""
    story = [i for i, sentence in enumerate(plot) if not sentence[2]] or list(range(len(plot)))
    asked = story[rng.integers(len(story))]
    full, nameless, _ = plot[asked]
    query = nameless if len(nameless) and rng.random() < drop_names else full
    others = [i for i in range(len(plot)) if i != asked]
    told = [i for i in others if not plot[i][2]] or others
    kind = rng.random()
    if kind < 0.5:
        found = [plot[i][0] for i in others]
    else:
        first = rng.integers(len(told))
        found = [plot[told[first]][0]] + ([plot[told[first - 1]][0]] if kind < 0.75 and len(told) > 1 else [])
    return thin(query, drop_words, rng), thin(np.concatenate(found), drop_words, rng)


def thin(rows: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Leaves out a share of the words, never all of them."""
    kept = rows[rng.random(len(rows)) >= share]
    return kept if len(kept) else rows


def unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of length one, and the lengths they had."""
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return vectors / lengths, lengths


def softmax(scores: np.ndarray, axis: int) -> np.ndarray:
    """Shares that sum to one along the axis."""
    shares = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return shares / shares.sum(axis=axis, keepdims=True)


def tf_idf_cosines(queries, answers, idf: np.ndarray) -> np.ndarray:
    """Cosine of every query with every answer, words weighted by idf, no projection."""
    sides = []
    for bags in (queries, answers):
        weighted = bags @ sp.diags(idf)
        lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(1)).ravel())
        sides.append(sp.diags(1 / np.maximum(lengths, 1e-6)) @ weighted)
    return np.asarray((sides[0] @ sides[1].T).todense())


def contrast(rows: np.ndarray, queries, answers, idf: np.ndarray, temperature: float, hold: float) -> tuple[float, np.ndarray]:
    """InfoNCE both ways over the batch, and `hold` times the squared distance to TF-IDF: the loss, its gradient by the rows."""
    (q, q_length), (a, a_length) = unit(queries @ rows), unit(answers @ rows)
    cosines = q @ a.T
    scores = cosines / temperature
    astray = cosines - tf_idf_cosines(queries, answers, idf)
    forth, back = softmax(scores, 1), softmax(scores, 0)
    loss = -np.log(np.diag(forth) * np.diag(back) + 1e-12).mean() / 2 + hold * np.square(astray).sum() / len(astray)
    slope = (forth + back) / 2
    slope[np.diag_indices_from(slope)] -= 1
    slope = slope / (len(slope) * temperature) + 2 * hold / len(astray) * astray
    q_slope, a_slope = slope @ a, slope.T @ q
    # Only what turns a vector counts; its length was divided away.
    q_slope = (q_slope - (q_slope * q).sum(1, keepdims=True) * q) / q_length
    a_slope = (a_slope - (a_slope * a).sum(1, keepdims=True) * a) / a_length
    return float(loss), queries.T @ q_slope + answers.T @ a_slope


def development_rank(vocabulary: Vocabulary, plots: list[Plot], rng: np.random.Generator):
    """A function of the rows: mean reciprocal rank of held-out plots, asked for by one of their sentences without names."""
    pairs = [(thin(q, 0.0, rng), a) for q, a in (draw_whole(plot, rng) for plot in plots)]
    queries, answers = (vocabulary.bags(list(side)) for side in zip(*pairs))

    def measure(rows: np.ndarray) -> float:
        scores = unit(queries @ rows)[0] @ unit(answers @ rows)[0].T
        rank = 1 + (scores > np.diag(scores)[:, None]).sum(1)
        return float((1 / rank).mean())

    return measure


def draw_whole(plot: Plot, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A sentence without names, half of the time, and all the rest of its plot."""
    story = [i for i, sentence in enumerate(plot) if not sentence[2]] or list(range(len(plot)))
    asked = story[rng.integers(len(story))]
    full, nameless, _ = plot[asked]
    query = nameless if len(nameless) and rng.random() < 0.5 else full
    return query, np.concatenate([plot[i][0] for i in range(len(plot)) if i != asked])


def learn(vocabulary: Vocabulary, plots: list[Plot], held_out: list[Plot], options: argparse.Namespace) -> np.ndarray:
    """Adam over all rows; gives the rows that did best on the held-out plots."""
    rng = np.random.default_rng(options.seed)
    rows = rng.standard_normal((len(vocabulary.idf), options.width), np.float32)
    rows *= (vocabulary.idf / vocabulary.idf.mean() / np.sqrt(options.width))[:, None].astype(np.float32)
    measure = development_rank(vocabulary, held_out, np.random.default_rng(options.seed + 1))
    mean, square = np.zeros_like(rows), np.zeros_like(rows)
    best, best_rows, losses, began = measure(rows), rows.copy(), [], time.monotonic()
    print(f"begin: development MRR {best:.3f}", flush=True)
    for step in range(1, options.steps + 1):
        chosen = rng.choice(len(plots), options.batch, replace=False)
        pairs = [draw_pair(plots[i], options.drop_names, options.drop_words, rng) for i in chosen]
        queries, answers = (vocabulary.bags(list(side)) for side in zip(*pairs))
        loss, gradient = contrast(rows, queries, answers, vocabulary.idf, options.temperature, options.hold)
        losses.append(loss)
        mean += 0.1 * (gradient - mean)
        square += 0.001 * (gradient * gradient - square)
        rate = options.rate * min(1, step / 40) * (1 + np.cos(np.pi * step / options.steps)) / 2
        rows -= np.float32(rate) * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + np.float32(1e-6))
        if step % 50 == 0 or step == options.steps:
            reached = measure(rows)
            if reached > best:
                best, best_rows = reached, rows.copy()
            seconds = time.monotonic() - began
            print(
                f"step {step}/{options.steps}: loss {np.mean(losses[-50:]):.3f}, development MRR {reached:.3f}, "
                f"{seconds:.0f} s, {seconds / step * (options.steps - step):.0f} s to go",
                flush=True,
            )
    return best_rows


def main() -> None:
    """Reads, learns, writes."""
    options = parse_arguments()
    catalogue = read_jsonl(options.catalogue)
    texts = [text for path in options.texts for text in read_jsonl(path)]
    told = without_catalogue([t for t in texts if not is_development(t)], catalogue)
    vocabulary = Vocabulary.build(
        [t["plot"] for t in told], [f["synopsis"] for f in catalogue], options.min_texts, options.min_texts_name
    )
    print(f"{len(told)} of {len(texts)} texts, {len(vocabulary.row_of)} words, {len(vocabulary.idf)} rows", flush=True)
    plots = [p for p in (prepare(vocabulary, t["plot"]) for t in told) if len(p) > 1]
    held_out = [p for p in (prepare(vocabulary, t["plot"]) for t in texts if is_development(t)) if len(p) > 1]
    rows = learn(vocabulary, plots, held_out, options)
    for path in export(options.repository, vocabulary.row_of, rows):
        print(f"wrote {path} ({path.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
