"""Texts, words and the vocabulary of the bag-of-words encoder; used by train.py, export.py and evaluate.py.

A word is what the served tokenizer cuts: lower-cased, without accents, split at white space and punctuation. Every word
points at a row of the model; the inflections of one stem share a row, so that `kings` finds `king`.
"""

import gzip
import hashlib
import json
import math
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import snowballstemmer

WORD = re.compile(r"[^\W_]+")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"')]*\s+")
ABBREVIATION = re.compile(r"\b(Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|Lt|Col|Gen|Sgt|Capt|Prof|[A-Z])\.\s")
# Sentences about the making of a film say nothing of its story; encyclopaedic texts are full of them.
ABOUT_MAKING = re.compile(
    r"\b(directed|starring|stars|co-star\w*|box office|gross\w+|premiere\w*|film festival|academy award|screenplay"
    r"|produced|released|soundtrack|nominated|critics|sequel|remake|based on|film)\b",
    re.I,
)
CONTRACTIONS = {"s", "t", "d", "m", "ll", "re", "ve"}


def read_jsonl(path: Path) -> list[dict]:
    """The objects of a .jsonl file, compressed by gzip or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def is_development(text: dict) -> bool:
    """The tenth of the texts that is never learned from; settled by the id, so that it never moves."""
    return int(hashlib.sha256(text["id"].encode()).hexdigest(), 16) % 10 == 0


def fold(text: str) -> str:
    """Without accents, case kept."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")


def title_key(title: str) -> str:
    """A title as compared between sources: `Kid, The (1921 cut)` and `The Kid` are one."""
    plain = re.sub(r"\(.*?\)", "", fold(title).lower()).strip()
    plain = re.sub(r"^(.*), (the|a|an)$", r"\2 \1", plain)
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^(the|a|an) ", "", plain))


def without_catalogue(texts: list[dict], catalogue: list[dict]) -> list[dict]:
    """The texts about films that the catalogue lacks (same title within a year), so that figures on it are of unseen films."""
    years: dict[str, list[int]] = {}
    for film in catalogue:
        years.setdefault(title_key(film["title"]), []).append(film["year"])
    return [t for t in texts if all(abs(int(t["year"]) - y) > 1 for y in years.get(title_key(t["title"]), []))]


def sentences(text: str) -> list[str]:
    """The sentences of a text; the full stop of a title or an initial does not end one."""
    joined = ABBREVIATION.sub(lambda m: m.group(0)[:-2] + " ", fold(text).strip())
    return [s for s in SENTENCE_END.split(joined) if s]


def words(text: str) -> list[str]:
    """The words of a text as the served tokenizer gives them."""
    return [w.lower() for w in WORD.findall(fold(text))]


def names_in(texts: list[str]) -> set[str]:
    """Words written with a capital inside a sentence more often than not."""
    inside, capital = Counter(), Counter()
    for text in texts:
        for sentence in sentences(text):
            for word in WORD.findall(sentence)[1:]:
                inside[word.lower()] += 1
                capital[word.lower()] += word[0].isupper()
    return {w for w in inside if capital[w] > 0.6 * inside[w]}


def without_names(sentence: str, names: set[str]) -> str:
    """A sentence without names and without what stands with a capital inside it."""
    kept = [
        word
        for place, word in enumerate(WORD.findall(fold(sentence)))
        if word.lower() not in names and not (place and word[0].isupper())
    ]
    return " ".join(kept)


def passages(synopsis: str) -> list[str]:
    """What is indexed for a film: the whole synopsis and each pair of neighbouring sentences."""
    parts = sentences(synopsis)
    return [synopsis, *(" ".join(pair) for pair in zip(parts, parts[1:]))]


@dataclass
class Vocabulary:
    """Which row of the model each word takes, and how rare the rows are."""

    row_of: dict[str, int]
    # Natural logarithm of texts per text that has the row's stem, plus one.
    idf: np.ndarray
    # Words written with a capital inside a sentence more often than not.
    names: set[str]

    @staticmethod
    def build(texts: list[str], catalogue: list[str], min_texts: int, min_texts_name: int) -> "Vocabulary":
        """Keeps a stem found in `min_texts` texts, or in the catalogue and one more; a name's in `min_texts_name`."""
        stem_of = snowballstemmer.stemmer("english").stemWord
        names = names_in(texts + catalogue)
        found, in_catalogue = Counter(), set()
        stems: dict[str, str] = {}
        for number, text in enumerate(texts + catalogue):
            seen = set()
            for word in words(text):
                if word not in stems:
                    stems[word] = stem_of(word)
                seen.add(stems[word])
            found.update(seen)
            if number >= len(texts):
                in_catalogue |= seen
        common = {s for w, s in stems.items() if w not in names}

        def kept(stem: str) -> bool:
            if len(stem) < 2 or stem in CONTRACTIONS:
                return False
            if stem not in common:
                return found[stem] >= min_texts_name
            return found[stem] >= min_texts or (stem in in_catalogue and found[stem] >= 2)

        rows = {s: i for i, s in enumerate(sorted(s for s in found if kept(s)))}
        total = len(texts) + len(catalogue)
        idf = np.array([math.log(total / (1 + found[s])) + 1 for s in rows], np.float32)
        return Vocabulary({w: rows[s] for w, s in sorted(stems.items()) if s in rows}, idf, names)

    def ids(self, text: str) -> np.ndarray:
        """The rows of a text's known words, in order."""
        return np.array([self.row_of[w] for w in words(text) if w in self.row_of], np.int32)

    def bags(self, rows_of_texts: list[np.ndarray]) -> sp.csr_matrix:
        """One line per text: how often each row occurs."""
        ends = np.cumsum([0, *map(len, rows_of_texts)])
        flat = np.concatenate([np.zeros(0, np.int32), *rows_of_texts])
        matrix = sp.csr_matrix((np.ones(len(flat), np.float32), flat, ends), (len(rows_of_texts), len(self.idf)))
        matrix.sum_duplicates()
        return matrix
