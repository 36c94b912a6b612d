"""Learns the poster network from the training films and writes a checkpoint for export.py and evaluate.py.

    python train.py --data DIR --repository ../../model_repository --vectors FILE.npz --held-out FILE.npz --negatives DIR --out FILE.pt
    python train.py --data DIR --repository ../../model_repository --vectors FILE.npz --small --out SMALL.pt

Neither the development tenth nor the judged films are learned from. `--held-out` is what crossval.py kept; without it the
probabilities are those of the network as it is, and `plot` is fitted on films that it knows. `--negatives` has one folder of pictures a package; without it the model has
neither `is_poster` nor `plot`. Minutes to an hour on two cores.
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from data import Films, read_films
from export import embedding_space
from heads import calibration, look, plot_of_genres, poster_features, poster_head, seen_by, sigmoid
from learn import Recipe, Targets, learn, predict
from negatives import KINDS, drawn, pieces
from network import LARGE, SMALL, PosterNetwork, Shape
from plots import plot_vectors, teacher, without_era_and_source

# Both chosen by crossval.py's tables: how much of `plot` is the picture's own beside its genres and year.
PLOT_SHARE = 0.1
# Axes of the look count by their deviation to the power of 1 less this.
WHITENING = 0.5
NEGATIVES_OF_A_KIND, NEGATIVES_OF_A_PACKAGE = 500, 500


def fitted(network: PosterNetwork, films: Films, vectors: np.ndarray, held_out: Path | None, negatives: Path | None) -> dict:
    """What goes on top of the network: `calibration` and `extras` of the checkpoint; the look's axes go into the network."""
    rows = films.training()
    means = seen_by(network, films.pixels[rows])
    weights, biases = look(means, network.look.out_features, WHITENING)
    with torch.no_grad():
        network.look.weight.copy_(torch.from_numpy(weights))
        network.look.bias.copy_(torch.from_numpy(biases))
    count = films.genres.shape[1]
    factor, shift = np.ones(count, np.float32), np.zeros(count, np.float32)
    extras: dict[str, torch.Tensor] = {}
    if held_out:
        kept = np.load(held_out)
        assert list(kept["ids"]) == [films.ids[row] for row in rows], f"{held_out} is of other films: run crossval.py again"
        factor, shift = calibration(kept["genres"], films.genres[rows])
    elif negatives:
        kept = predict(network, torch.from_numpy(films.pixels[rows]))
    if negatives:
        probabilities = sigmoid(kept["genres"] * factor + shift)
        extras["plot_of_genres"] = torch.from_numpy(plot_of_genres(probabilities, kept["year"], vectors[rows]))
        extras["plot_share"] = torch.tensor(PLOT_SHARE)
    if negatives:
        others = [drawn(kind, NEGATIVES_OF_A_KIND, seed=1) for kind in KINDS]
        others += [pieces(folder, NEGATIVES_OF_A_PACKAGE, seed=1) for folder in sorted(negatives.iterdir())]
        changed = seen_by(network, films.pixels[rows], strength=0.7)
        posters = poster_features(np.vstack([means, changed]), weights, biases)
        extras |= poster_head(posters, poster_features(seen_by(network, np.concatenate(others)), weights, biases)).tensors()
    return {"calibration": (torch.from_numpy(factor), torch.from_numpy(shift)), "extras": extras}


def save(path: Path, network: PosterNetwork, shape: Shape, recipe: Recipe, more: dict) -> None:
    """A checkpoint."""
    torch.save({"shape": asdict(shape), "recipe": asdict(recipe), "network": network.state_dict(), **more}, path)


def main() -> None:
    """Learns, fits, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--repository", type=Path, required=True, help="has plot_encoder and text_tokenizer")
    parser.add_argument("--vectors", type=Path, required=True, help="where the plots' vectors are kept")
    parser.add_argument("--held-out", type=Path, help="what crossval.py kept")
    parser.add_argument("--negatives", type=Path, help="folders of pictures that are no posters")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--small", action="store_true", help="the network of 0.3 M weights")
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--network", type=Path, help="a checkpoint to take the network from: what is on top is fitted anew")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    films = read_films(options.data)
    vectors = plot_vectors(films, options.repository, options.vectors)
    rows, shape = films.training(), SMALL if options.small else LARGE
    recipe = replace(Recipe(), epochs=options.epochs, seed=options.seed)
    if options.network:
        learned = torch.load(options.network, weights_only=True)
        network = PosterNetwork(shape)
        network.load_state_dict(learned["network"])
        recipe = Recipe(**learned["recipe"])
    else:
        targets = Targets.of(films, teacher(films, vectors, rows), without_era_and_source(films, vectors, rows))

        def keep(learned: PosterNetwork, epoch: int) -> None:
            save(options.out.with_suffix(f".{epoch}.pt"), learned, shape, recipe, {})

        network = learn(shape, recipe, targets, rows, np.empty(0, int), keep)
    save(options.out, network, shape, recipe, {})
    more = fitted(network, films, vectors, options.held_out, options.negatives)
    if options.negatives:
        more["space"] = embedding_space(options.repository / "plot_encoder" / "1" / "model.onnx")
    save(options.out, network, shape, recipe, more)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
