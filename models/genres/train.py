"""Chooses, learns, calibrates and writes the genre heads `plot_genres` and `plot_genres_bow`.

    PYTHONPATH=../bow python train.py --films FILE.jsonl.gz --similar SIMILAR.jsonl.gz --catalogue ../../catalogue/films.jsonl \\
        --repository ../../model_repository --cache FOLDER

Settings are compared by five-fold cross-validation on the training films alone (films.py says which these are); the one with
the least cross-entropy after calibration is calibrated on its own out-of-fold logits and learned again from all training films.
The development films are for evaluate.py. One core, a few minutes once the plots are embedded.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import heads
from films import GENRES, TECHNIQUES, Films, embed, encoder_space
from heads import Setting

SETTINGS = [
    *(Setting(hidden=0, epochs=30, decay=decay) for decay in (1.0, 5.0, 15.0, 40.0)),
    Setting(hidden=0, epochs=30, decay=5.0, drop=0.5),
    *(Setting(hidden=256, epochs=10, decay=decay, drop=0.5) for decay in (1.0, 3.0, 5.0, 8.0)),
    *(Setting(hidden=256, epochs=20, decay=decay, drop=0.5) for decay in (1.0, 3.0, 5.0)),
    Setting(hidden=256, epochs=40, decay=1.0, drop=0.5),
    Setting(hidden=512, epochs=15, decay=5.0, drop=0.6),
    Setting(hidden=512, epochs=20, decay=0.3, drop=0.5),
    Setting(hidden=512, epochs=30, decay=1.0, drop=0.5),
]


def arguments(doc: str) -> argparse.Namespace:
    """The paths, which evaluate.py takes as well."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=Path, required=True, help="JSON lines: id, title, year, genres, plot, plot_source")
    parser.add_argument("--similar", type=Path, required=True, help="JSON lines: id, similar; these films are left out")
    parser.add_argument("--catalogue", type=Path, required=True, help="films.jsonl; its films are left out too")
    parser.add_argument("--repository", type=Path, required=True, help="model repository to read encoders from and write into")
    parser.add_argument("--cache", type=Path, help="folder that keeps the vectors of the plots")
    parser.add_argument("--technique", choices=TECHNIQUES, action="append", help="one alone; both unless given")
    return parser.parse_args()


def choose(vectors: np.ndarray, truth: np.ndarray) -> tuple[Setting, np.ndarray]:
    """The setting with the least calibrated cross-entropy, and its out-of-fold logits; prints a line for each."""
    best, kept = None, None
    for setting in SETTINGS:
        began = time.monotonic()
        logits = heads.out_of_fold(vectors, truth, setting)
        slopes, shifts = heads.platt(logits, truth)
        probabilities = heads.sigmoid(logits * slopes + shifts)
        loss = heads.cross_entropy(probabilities, truth)
        precise = heads.mean_average_precision(probabilities, truth)
        f1 = heads.micro_f1(probabilities > heads.best_threshold(probabilities, truth), truth)
        seconds = time.monotonic() - began
        print(f"  loss {loss:.4f}, mAP {precise:.4f}, micro-F1 {f1:.4f}, {seconds:.0f} s: {setting}", flush=True)
        if best is None or loss < best[0]:
            best, kept = (loss, setting), logits
    return best[1], kept


def onnx_model(head: heads.Head, name: str, space: str, threshold: float) -> onnx.ModelProto:
    """Gemm, ReLU and Sigmoid; batch free. The metadata names the encoder whose vectors it reads."""
    initializers, nodes, value = [], [], "sentence_embedding"
    for place, (weights, biases) in enumerate(head.layers):
        last = place == len(head.layers) - 1
        initializers += [numpy_helper.from_array(weights, f"weights_{place}"), numpy_helper.from_array(biases, f"biases_{place}")]
        nodes.append(helper.make_node("Gemm", [value, f"weights_{place}", f"biases_{place}"], [f"sum_{place}"]))
        value = "genres" if last else f"hidden_{place}"
        nodes.append(helper.make_node("Sigmoid" if last else "Relu", [f"sum_{place}"], [value]))
    width = head.layers[0][0].shape[0]
    given = [helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", width])]
    made = [helper.make_tensor_value_info("genres", TensorProto.FLOAT, ["batch", len(GENRES)])]
    graph = helper.make_graph(nodes, name, given, made, initializers)
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="hippocamp models/genres")
    helper.set_model_props(model, {"hippocamp.embedding_space": space, "hippocamp.genre_threshold": f"{threshold:.3f}"})
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Both techniques, one after the other."""
    options = arguments(__doc__)
    films = Films.read(options.films, options.similar, options.catalogue)
    print(f"{films.training.sum()} training, {films.development.sum()} development, {films.judged.sum()} judged films", flush=True)
    truth = films.genres[films.training]
    for technique in options.technique or TECHNIQUES:
        print(technique, flush=True)
        _, encoder, _, name = TECHNIQUES[technique]
        vectors = embed(options.repository, technique, [film["plot"] for film in films.films], options.cache)[films.training]
        setting, logits = choose(vectors, truth)
        slopes, shifts = heads.platt(logits, truth)
        threshold = heads.best_threshold(heads.sigmoid(logits * slopes + shifts), truth)
        head = heads.fit(vectors, truth, setting).calibrated(slopes, shifts)
        folder = options.repository / name
        (folder / "1").mkdir(parents=True, exist_ok=True)
        (folder / "labels.txt").write_text("\n".join(GENRES) + "\n")
        model = onnx_model(head, name, encoder_space(options.repository / encoder / "1" / "model.onnx"), threshold)
        (folder / "1" / "model.onnx").write_bytes(model.SerializeToString())
        print(f"wrote {name}: {setting}, slopes {slopes.min():.2f} to {slopes.max():.2f}, threshold {threshold:.3f}", flush=True)


if __name__ == "__main__":
    main()
