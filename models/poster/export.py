"""Writes what the server runs, `model.onnx` and `labels.txt`, and what torch answered for two made pictures.

    python export.py --checkpoint FILE.pt --repository ../../model_repository --reference ../../tests/data/poster_encoder.npz

The weights are stored as half floats and cast to single when the model is loaded: half the bytes, the arithmetic of single
floats. They are rounded before torch computes its reference, so that what is compared is the same network.
"""

import argparse
import io
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from network import GENRES, HEIGHT, WIDTH, YEAR_MIDDLE, YEAR_SCALE, PosterNetwork, Shape

MODEL, OPSET = "poster_encoder", 17
# Initialisers with fewer elements stay as they are: nothing is saved by them.
HALF_FROM = 64


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors of length one."""
    return vectors / (vectors.square().sum(1, keepdim=True) + 1e-12).sqrt()


class Served(nn.Module):
    """The network with what makes answers of its outputs: calibration, lengths of one, the question if it is a poster."""

    def __init__(self, network: PosterNetwork, extras: dict[str, torch.Tensor]):
        super().__init__()
        self.network = network
        self.full = "poster_first" in extras
        for name, value in extras.items():
            self.register_buffer(name, value)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """`look`, `genres`, `year`, `plot`, `is_poster`, `activation`; without `plot` and `is_poster` if they were not learned."""
        network = self.network
        maps = network.maps(pixels)
        means = [x.mean((2, 3)) for x in maps]
        last, every = means[-1], torch.cat(means, 1)
        # Calibration is a factor and a shift of each logit, so it goes into the map and its bias.
        activation = network.genres(maps[-1])
        genres = torch.sigmoid(activation.mean((2, 3)) + network.genre_bias)
        raw_look = network.look(every)
        look = unit(raw_look)
        scaled_year = network.year(last)
        year = scaled_year * YEAR_SCALE + YEAR_MIDDLE
        if not self.full:
            return look, genres, year, activation
        # As heads.py has it: what the picture says by itself, and what its genres and its year say.
        # Sums rather than one product with a concatenation: tract 0.23 fails to split that.
        told = genres @ self.plot_of_genres[:-2] + scaled_year * self.plot_of_genres[-2] + self.plot_of_genres[-1]
        plot = unit(self.plot_share * unit(network.plot(last)) + told)
        far = raw_look.square().sum(1, keepdim=True).sqrt()
        hidden = F.relu(every @ self.poster_first[:-1] + far * self.poster_first[-1] + self.poster_first_bias)
        is_poster = torch.sigmoid(hidden @ self.poster_second + self.poster_second_bias)
        return look, genres, year, plot, is_poster, activation


def output_names(served: Served) -> list[str]:
    """The names of the outputs, in the order of the tuple."""
    return ["look", "genres", "year", *(["plot", "is_poster"] if served.full else []), "activation"]


def folded(checkpoint: dict) -> Served:
    """The network of a checkpoint as it is served: normalisations folded into convolutions, weights that half floats hold."""
    network = PosterNetwork(Shape(**checkpoint["shape"]))
    network.load_state_dict(checkpoint["network"])
    network.eval()
    for parent in list(network.modules()):
        if isinstance(parent, nn.Sequential) and len(parent) == 2 and isinstance(parent[1], nn.BatchNorm2d):
            parent[0], parent[1] = fuse_conv_bn_eval(parent[0], parent[1]), nn.Identity()
    with torch.no_grad():
        factor, shift = checkpoint["calibration"]
        network.genres.weight.mul_(factor[:, None, None, None])
        network.genre_bias.mul_(factor).add_(shift)
        served = Served(network, checkpoint["extras"]).eval()
        for parameter in [*served.parameters(), *checkpoint["extras"].values()]:
            if parameter.numel() >= HALF_FROM:
                parameter.copy_(parameter.half().float())
    return served


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with its weights stored as half floats, each cast to single before it is used."""
    kept, casts = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        if values.dtype != np.float32 or values.size < HALF_FROM or not np.array_equal(half.astype(np.float32), values):
            kept.append(tensor)
            continue
        kept.append(numpy_helper.from_array(half, tensor.name + ".half"))
        casts.append(helper.make_node("Cast", [tensor.name + ".half"], [tensor.name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    graph = helper.make_graph(nodes, model.graph.name, model.graph.input, model.graph.output, kept)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=8, producer_name="hippocamp models/poster")


def onnx_model(served: Served, space: str | None) -> onnx.ModelProto:
    """The graph, batch free."""
    file, names = io.BytesIO(), output_names(served)
    torch.onnx.export(
        served,
        (torch.rand(2, 3, HEIGHT, WIDTH),),
        file,
        input_names=["pixels"],
        output_names=names,
        dynamic_axes={name: {0: "batch"} for name in ["pixels", *names]},
        opset_version=OPSET,
        dynamo=False,
    )
    model = halved(onnx.load_from_string(file.getvalue()))
    model.graph.name = MODEL
    # The exporter names sizes that it did not work out; the server checks the configuration against these.
    with torch.no_grad():
        answers = served(torch.rand(1, 3, HEIGHT, WIDTH))
    del model.graph.output[:]
    for name, answer in zip(names, answers):
        dims = ["batch", *answer.shape[1:]]
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))
    if space:
        helper.set_model_props(model, {"hippocamp.embedding_space": space})
    onnx.checker.check_model(model, full_check=True)
    return model


def made_pictures() -> np.ndarray:
    """Two pictures that every machine makes alike, `[2, 3, height, width]` of 0 to 1: waves, and blocks of four colours."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    waves = np.stack([0.5 + 0.5 * np.sin(x / 9 + y / 14), x / WIDTH, y / HEIGHT])
    block = (x // 16 + 2 * (y // 24)) % 4
    blocks = np.stack([block / 3, 1 - block / 3, (block == 2) * 0.8 + 0.1])
    return np.stack([waves, blocks]).astype(np.float32)


def embedding_space(plot_encoder: Path) -> str:
    """The space that `plot` lies in: what the encoder of plots calls its own."""
    properties = {p.key: p.value for p in onnx.load(plot_encoder).metadata_props}
    return properties["hippocamp.embedding_space"]


def main() -> None:
    """Reads, folds, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="what train.py wrote")
    parser.add_argument("--repository", type=Path, help="model repository to write poster_encoder into")
    parser.add_argument("--reference", type=Path, help="where torch's answers go, .npz")
    parser.add_argument("--file", type=Path, help="writes the ONNX file alone, here")
    options = parser.parse_args()
    checkpoint = torch.load(options.checkpoint, weights_only=True)
    served = folded(checkpoint)
    content = onnx_model(served, checkpoint.get("space")).SerializeToString()
    path = options.file or options.repository / MODEL / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    print(f"wrote {path} ({len(content):,} bytes)")
    if options.repository:
        (options.repository / MODEL / "labels.txt").write_text("".join(f"{genre}\n" for genre in GENRES))
    if options.reference:
        with torch.no_grad():
            answers = served(torch.from_numpy(made_pictures()))
        np.savez_compressed(options.reference, **{n: a.numpy() for n, a in zip(output_names(served), answers)})
        print(f"wrote {options.reference} ({options.reference.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
