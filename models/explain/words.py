"""How far a word's share of a similarity agrees with what happens when the word is left out.

    PYTHONPATH=../bow:../genres python words.py --films FILE.jsonl.gz --similar SIMILAR.jsonl.gz \\
        --catalogue ../../catalogue/films.jsonl --repository ../../model_repository [--plots 200]

Both encoders sum over tokens, so the cosine of a text with a film is a sum of one number a token: h . d / |sum of h|. Left out is left
out of the text, which is embedded again, one word at a time. Development plots of up to 128 tokens, each against the catalogue
film that is nearest to it. Beside the share stand: the share less the word's part in the length of the vector (`turn`, which tells how
the direction moves), the word embedded alone, and chance.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import onnxruntime
from films import TECHNIQUES, Films, embed
from scipy.stats import pearsonr, spearmanr
from texts import read_jsonl, title_key
from tokenizers import Tokenizer

WORD = re.compile(r"\w[\w'’-]*")
MOST_TOKENS = 128


class Encoder:
    """A served encoder with its tokenizer, one text or several of any length at a time."""

    def __init__(self, repository: Path, technique: str) -> None:
        """Reads both files; the model must give token_embeddings."""
        tokenizer, encoder, _, _ = TECHNIQUES[technique]
        self.tokenizer = Tokenizer.from_file(str(repository / tokenizer / "1" / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(repository / encoder / "1" / "model.onnx"), options)
        self.inputs = [tensor.name for tensor in self.session.get_inputs()]
        if "token_embeddings" not in [tensor.name for tensor in self.session.get_outputs()]:
            raise SystemExit(f"{encoder} has no output token_embeddings: run `make models` with this version of the repository")

    def run(self, lines: list[list[int]], output: str) -> np.ndarray:
        """One output for token ids, padded to the longest."""
        ids = np.zeros((len(lines), max(map(len, lines))), np.int64)
        mask = np.zeros_like(ids)
        for row, line in enumerate(lines):
            ids[row, : len(line)], mask[row, : len(line)] = line, 1
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return self.session.run([output], {name: feeds[name] for name in self.inputs})[0]

    def embed(self, texts: list[str]) -> np.ndarray:
        """FP32 [texts, width] of length one."""
        lines = [encoding.ids or [0] for encoding in self.tokenizer.encode_batch(texts)]
        return np.concatenate([self.run(lines[at : at + 32], "sentence_embedding") for at in range(0, len(lines), 32)])


def shares(encoder: Encoder, text: str, film: np.ndarray) -> tuple[list[re.Match], np.ndarray, np.ndarray, float]:
    """The words of a text, their shares of its cosine with `film`, their turns, and the cosine as the sum of all tokens."""
    words = list(WORD.finditer(text))
    encoding = encoder.tokenizer.encode(text)
    tokens = encoder.run([encoding.ids], "token_embeddings")[0]
    total = tokens.sum(0)
    length = np.linalg.norm(total)
    share = tokens @ film / length
    turn = share - share.sum() * (tokens @ total) / length**2
    # A piece that no word covers, such as a full stop or a special token, stands for itself: its share is nobody's.
    owner = np.full(len(text) + 1, -1)
    for place, word in enumerate(words):
        owner[word.start() : word.end()] = place
    by_word = np.zeros((2, len(words)))
    for (start, end), *values in zip(encoding.offsets, share, turn):
        if end > start and owner[start] >= 0:
            by_word[:, owner[start]] += values
    return words, by_word[0], by_word[1], float(share.sum())


def study(encoder: Encoder, plots: list[str], targets: np.ndarray) -> None:
    """Prints the correlations over the words of each plot, in the mean over plots."""
    rng = np.random.default_rng(0)
    exact, found, lengths = [], [], []
    for text, film in zip(plots, targets):
        words, share, turn, total = shares(encoder, text, film)
        whole = float(encoder.embed([text])[0] @ film)
        exact.append(abs(whole - total))
        without = encoder.embed([text[: w.start()] + text[w.end() :] for w in words]) @ film
        alone = encoder.embed([w.group() for w in words]) @ film
        left_out = whole - without
        lengths.append(len(words))
        tried = [share, turn, alone, rng.standard_normal(len(words))]
        found.append([[pearsonr(left_out, t)[0], spearmanr(left_out, t)[0], top(left_out, t)] for t in tried])
    found, exact = np.nan_to_num(np.array(found)), np.array(exact)
    print(f"{len(plots)} plots of {min(lengths)} to {max(lengths)} words (median {np.median(lengths):.0f}); ", end="")
    print(f"sum of shares against the cosine: largest difference {exact.max():.1e}")
    for place, name in enumerate(["share", "turn", "alone", "chance"]):
        (r, rho, three), (low, high) = found[:, place].mean(0), np.quantile(found[:, place, 1], (0.1, 0.9))
        print(f"| {name} | {r:.2f} | {rho:.2f} ({low:.2f} to {high:.2f}) | {three:.2f} |")


def top(left_out: np.ndarray, tried: np.ndarray) -> float:
    """Of the three words that matter most when left out, the share among the three that are named."""
    return len(set(np.argsort(-left_out)[:3]) & set(np.argsort(-tried)[:3])) / 3


def main() -> None:
    """Both techniques."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=Path, required=True)
    parser.add_argument("--similar", type=Path, required=True)
    parser.add_argument("--catalogue", type=Path, required=True)
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--plots", type=int, default=200)
    options = parser.parse_args()
    films = Films.read(options.films, options.similar, options.catalogue)
    catalogue = read_jsonl(options.catalogue)
    own = {title_key(film["title"]) for film in catalogue}
    some = [f for f, kept in zip(films.films, films.development) if kept and title_key(f["title"]) not in own]
    for technique in TECHNIQUES:
        encoder = Encoder(options.repository, technique)
        plots = [f["plot"] for f in some if 20 <= len(encoder.tokenizer.encode(f["plot"]).ids) <= MOST_TOKENS]
        drawn = np.random.default_rng(0).permutation(len(plots))[: options.plots]
        plots = [plots[i] for i in drawn]
        vectors = embed(options.repository, technique, [film["synopsis"] for film in catalogue], options.cache)
        nearest = (encoder.embed(plots) @ vectors.T).argmax(1)
        print(technique, end=": ")
        study(encoder, plots, vectors[nearest])


if __name__ == "__main__":
    main()
