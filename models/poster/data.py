"""Films with posters: pictures as the server sees them, genres, years, and which part each film belongs to.

Used by train.py, tune.py and evaluate.py. Reads `films.jsonl.gz` (a JSON object a line: id, title, year, genres, plot, plot_source,
poster), `posters.tar` (JPEG files named by id) and `similar_films.jsonl.gz` (the judged films: an id a line). Nothing here is
shipped.
"""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from network import GENRES, HEIGHT, WIDTH


@dataclass
class Films:
    """One row a film, in the order of the file."""

    ids: list[str]
    titles: list[str]
    # [n, 3, HEIGHT, WIDTH], 0 to 255.
    pixels: np.ndarray
    # [n, 22], 0 or 1.
    genres: np.ndarray
    years: np.ndarray
    # Where each plot came from, as a number: texts of one source resemble each other.
    sources: np.ndarray
    plots: list[str]
    development: np.ndarray
    judged: np.ndarray

    def training(self) -> np.ndarray:
        """The rows that may be learned from: neither judged nor of the development tenth."""
        return np.flatnonzero(~self.development & ~self.judged)


def read_jsonl(path: Path) -> list[dict]:
    """The objects of a .jsonl file, compressed by gzip or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def is_development(film: str) -> bool:
    """The tenth of the films that is never learned from; settled by the id, so that it never moves."""
    return int(hashlib.sha256(film.encode()).hexdigest(), 16) % 10 == 0


def as_served(image: Image.Image) -> np.ndarray:
    """`[3, HEIGHT, WIDTH]`, 0 to 255: the middle, as large as fits, as the server's `poster_pixels` cuts and resizes it."""
    image = image.convert("RGB")
    width, height = image.size
    scale = max(WIDTH / width, HEIGHT / height)
    left, top = max(0.0, (width - WIDTH / scale) / 2), max(0.0, (height - HEIGHT / scale) / 2)
    box = (left, top, width - left, height - top)
    return np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=box)).transpose(2, 0, 1)


def read_films(folder: Path) -> Films:
    """Every film that has a poster; about ten seconds."""
    films = [film for film in read_jsonl(folder / "films.jsonl.gz") if film["poster"]]
    judged = {film["id"] for film in read_jsonl(folder / "similar_films.jsonl.gz")}
    row = {film["poster"]: number for number, film in enumerate(films)}
    pixels = np.zeros((len(films), 3, HEIGHT, WIDTH), np.uint8)
    found = 0
    with tarfile.open(folder / "posters.tar") as posters:
        for member in posters:
            number = row.get(Path(member.name).name)
            if number is not None:
                pixels[number] = as_served(Image.open(io.BytesIO(posters.extractfile(member).read())))
                found += 1
    assert found == len(films), f"posters.tar has {found} of the {len(films)} posters that films.jsonl.gz names"
    sources = sorted({film["plot_source"] for film in films})
    return Films(
        ids=[film["id"] for film in films],
        titles=[film["title"] for film in films],
        pixels=pixels,
        genres=np.array([[genre in film["genres"] for genre in GENRES] for film in films], np.float32),
        years=np.array([int(film["year"]) for film in films], np.float32),
        sources=np.array([sources.index(film["plot_source"]) for film in films]),
        plots=[film["plot"] for film in films],
        development=np.array([is_development(film["id"]) for film in films]),
        judged=np.array([film["id"] in judged for film in films]),
    )
