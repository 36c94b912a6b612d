"""Films with plots and genres, their splits, and their vectors by the served encoders; models/similar reads them too.

A file of films has a JSON object a line: id, title, year, genres, plot, plot_source. Three parts never mix: the judged films
(those with a list of similar films, kept out of every training), the development tenth by the hash of the id, and the rest.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from texts import is_development, read_jsonl, title_key, without_catalogue
from tokenizers import Tokenizer

GENRES = (
    "Action Adventure Animation Biography Comedy Crime Documentary Drama Family Fantasy Film-Noir History Horror Music "
    "Musical Mystery Romance Science_Fiction Sport Thriller War Western"
)
GENRES = [genre.replace("_", " ") for genre in GENRES.split()]
# Technique: tokenizer and encoder in the model repository, the tokens after which the served tokenizer cuts, the head.
TECHNIQUES = {
    "minilm": ("text_tokenizer", "plot_encoder", 256, "plot_genres"),
    "bow": ("text_tokenizer_bow", "plot_encoder_bow", 512, "plot_genres_bow"),
}


@dataclass
class Films:
    """Films and what belongs to each; all arrays have one line a film."""

    films: list[dict]
    # FP32 [films, 22]: 1 where the film has the genre.
    genres: np.ndarray
    judged: np.ndarray
    development: np.ndarray
    # Neither judged, nor development, nor a film of the catalogue under another text.
    training: np.ndarray

    @staticmethod
    def read(films: Path, similar: Path, catalogue: Path) -> "Films":
        """Reads the films, and who is judged; says whose genres are not among the 22."""
        found = read_jsonl(films)
        wrong = {genre for film in found for genre in film["genres"]} - set(GENRES)
        if wrong:
            raise SystemExit(f"{films}: genres must be of the 22 in films.py, found {sorted(wrong)}: map or drop them first")
        judged_ids = {line["id"] for line in read_jsonl(similar)}
        unseen = {film["id"] for film in without_catalogue(found, read_jsonl(catalogue))}
        judged = np.array([film["id"] in judged_ids for film in found])
        development = np.array([is_development(film) for film in found])
        # The same film under another id would leak: titles and years of both kept parts are kept out as well.
        kept = {(title_key(f["title"]), int(f["year"])) for f, j, d in zip(found, judged, development) if j or d}
        twin = np.array([(title_key(f["title"]), int(f["year"])) in kept for f in found])
        training = ~twin & np.array([film["id"] in unseen for film in found])
        return Films(found, matrix(found), judged, development & ~judged, training)


def matrix(films: list[dict]) -> np.ndarray:
    """FP32 [films, 22] of zeros and ones."""
    return np.array([[genre in film["genres"] for genre in GENRES] for film in films], np.float32)


def encoder_space(path: Path) -> str:
    """What an encoder's file calls its vectors: the server refuses a head that reads another's."""
    properties = onnx.load(path, load_external_data=False).metadata_props
    return next(p.value for p in properties if p.key == "hippocamp.embedding_space")


def embed(repository: Path, technique: str, texts: list[str], cache: Path | None = None) -> np.ndarray:
    """FP32 [texts, width], as the server computes them; kept in `cache` under a hash of encoder and texts."""
    tokenizer_name, encoder, cut, _ = TECHNIQUES[technique]
    path = repository / encoder / "1" / "model.onnx"
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `make models` first")
    digest = hashlib.sha256("\0".join([encoder_space(path), *texts]).encode()).hexdigest()[:16]
    kept = cache / f"{technique}-{digest}.npy" if cache else None
    if kept and kept.exists():
        return np.load(kept)
    tokenizer = Tokenizer.from_file(str(repository / tokenizer_name / "1" / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(cut)
    lines = [encoding.ids or [0] for encoding in tokenizer.encode_batch(texts)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    names = [tensor.name for tensor in session.get_inputs()]
    order = np.argsort([len(line) for line in lines], kind="stable")
    parts = []
    for start in range(0, len(order), 32):
        some = [lines[i] for i in order[start : start + 32]]
        ids = np.zeros((len(some), len(some[-1])), np.int64)
        mask = np.zeros_like(ids)
        for row, line in enumerate(some):
            ids[row, : len(line)], mask[row, : len(line)] = line, 1
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        parts.append(session.run(None, {name: feeds[name] for name in names})[0])
    vectors = np.empty((len(texts), parts[0].shape[1]), np.float32)
    vectors[order] = np.concatenate(parts)
    if kept:
        cache.mkdir(parents=True, exist_ok=True)
        np.save(kept, vectors)
    return vectors
