"""RISE, occlusion grid and activation map on two networks: deletion and insertion areas over development posters.

    PYTHONPATH=../bow:../genres python images.py --films FILE.jsonl.gz --similar SIMILAR.jsonl.gz --catalogue ../../catalogue/films.jsonl \\
        --posters POSTERS.tar --model ../../model_repository/poster_encoder/1/model.onnx --model ../poster/small.onnx [--count 100]

The genre explained is the most probable one by the network in question. A poster is decoded and scaled as POSTERS.tar has it, to the
input of the network; the networks run in process, which changes no figure but the time.
"""

import argparse
import io
import tarfile
import time
from pathlib import Path

import maps
import numpy as np
import onnxruntime
from films import Films
from PIL import Image


class Network:
    """An exported poster network."""

    def __init__(self, path: Path) -> None:
        """Reads the file; one thread."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options)
        self.outputs = [tensor.name for tensor in self.session.get_outputs()]
        given = self.session.get_inputs()[0]
        self.input, (_, _, self.height, self.width) = given.name, given.shape

    def run(self, pictures: np.ndarray, output: str) -> np.ndarray:
        """One output for pictures [n, 3, height, width]."""
        return self.session.run([output], {self.input: np.ascontiguousarray(pictures, np.float32)})[0]

    def of(self, genre: int) -> maps.Model:
        """The probability of a genre, and nothing else."""
        return lambda pictures: self.run(pictures, "genres")[:, genre]


def read_posters(tar: Path, names: list[str], height: int, width: int) -> np.ndarray:
    """FP32 [names, 3, height, width]."""
    found = {}
    with tarfile.open(tar) as files:
        for member in files:
            name = Path(member.name).name
            if name in names:
                picture = Image.open(io.BytesIO(files.extractfile(member).read())).convert("RGB")
                found[name] = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), np.float32) / 255
    return np.stack([found[name].transpose(2, 0, 1) for name in names])


def summary(name: str, values: np.ndarray, seconds: float) -> str:
    """Means of deletion and insertion with 95 % intervals over posters."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(values), size=(2000, len(values)))
    cells = []
    for column in values.T:
        low, high = np.quantile(column[drawn].mean(1), (0.025, 0.975))
        cells.append(f"{column.mean():.3f} ({low:.3f} to {high:.3f})")
    return f"| {name} | {cells[0]} | {cells[1]} | {1000 * seconds / len(values):.0f} ms |"


def main() -> None:
    """A table for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("films", "similar", "catalogue", "posters"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--model", type=Path, action="append", required=True)
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    films = Films.read(options.films, options.similar, options.catalogue)
    some = [f["poster"] for f, kept in zip(films.films, films.development) if kept and f["poster"]]
    names = [some[i] for i in np.random.default_rng(0).permutation(len(some))[: options.count]]
    for path in options.model:
        network = Network(path)
        rng = np.random.default_rng(0)
        posters = read_posters(options.posters, names, network.height, network.width)
        probabilities = np.concatenate([network.run(posters[at : at + 32], "genres") for at in range(0, len(posters), 32)])
        targets = probabilities.argmax(1)
        print(f"\n{path.name}, {path.stat().st_size:,} bytes; {len(names)} posters, ", end="")
        print(f"probability of the genre explained {probabilities.max(1).mean():.3f} in the mean\n| | deletion | insertion | time |")
        print("|---|---|---|---|")
        masks = maps.rise_masks(480, network.height, network.width, rng)
        chance = [maps.at_random(network.height, network.width, rng) for _ in names]

        def cam(picture: np.ndarray, genre: int) -> np.ndarray:
            return maps.enlarge(network.run(picture[None], "activation")[0, genre], network.height, network.width)

        methods = {
            f"RISE, {count} masks": lambda p, g, i, n=count: maps.rise(network.of(g), p, masks[:n]) for count in (120, 480)
        }
        methods["occlusion grid"] = lambda p, g, i: maps.occlusion(network.of(g), p)
        methods["activation map"] = lambda p, g, i: cam(p, g)
        methods["at random"] = lambda p, g, i: chance[i]
        kept = {}
        for name, method in methods.items():
            began = time.monotonic()
            heats = [method(p, g, i) for i, (p, g) in enumerate(zip(posters, targets))]
            seconds = time.monotonic() - began
            kept[name] = np.array([heat.ravel() for heat in heats])
            values = np.array([maps.areas(network.of(g), p, h) for p, g, h in zip(posters, targets, heats)])
            print(summary(name, values, seconds), flush=True)
        best = kept.pop("RISE, 480 masks")
        alike = {name: np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(best, heats)]) for name, heats in kept.items()}
        print("correlation with RISE of 480 masks: " + ", ".join(f"{name} {r:.2f}" for name, r in alike.items()), flush=True)


if __name__ == "__main__":
    main()
