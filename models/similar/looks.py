"""Writes what a poster network reads from every poster of the judged films: the LOOKS.npz of weigh.py and queries.py.

    PYTHONPATH=../bow:../genres python looks.py --posters POSTERS.tar --similar SIMILAR.jsonl.gz \\
        --model ../../model_repository/poster_encoder/1/model.onnx --output LOOKS.npz

Posters are named by film. The network must have learned from none of them.
"""

import argparse
import io
import tarfile
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from texts import read_jsonl


def main() -> None:
    """Reads, runs, writes `ids` and every output but the activation maps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("posters", "similar", "model", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    judged = {line["id"] for line in read_jsonl(options.similar)}
    threads = onnxruntime.SessionOptions()
    threads.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(options.model), threads)
    given = session.get_inputs()[0]
    height, width = given.shape[2:]
    wanted = [tensor.name for tensor in session.get_outputs() if tensor.name != "activation"]
    ids, parts = [], []
    with tarfile.open(options.posters) as files:
        for member in files:
            name = Path(member.name).stem
            if name in judged:
                picture = Image.open(io.BytesIO(files.extractfile(member).read())).convert("RGB")
                picture = picture.resize((width, height), Image.Resampling.BILINEAR)
                pixels = np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 255
                ids.append(name)
                parts.append(session.run(wanted, {given.name: pixels}))
    found = {name: np.concatenate(column) for name, column in zip(wanted, zip(*parts))}
    np.savez(options.output, ids=np.array(ids), **found)
    print(f"wrote {options.output}: {len(ids)} posters, {', '.join(wanted)}")


if __name__ == "__main__":
    main()
