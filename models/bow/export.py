"""Writes what the server runs: `tokenizer.json` (Hugging Face tokenizers) and `model.onnx`. Called by train.py.

The model: word id -> row -> 2-bit weights times the row's scale, summed over the text, brought to length one. Two bits cost
little, while the width of the embedding, which they pay for, decides the quality (MODEL_CARD.md).
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PAD, UNKNOWN = "[PAD]", "[UNK]"
# A weight is (code - 1.5) * scale: four levels, none of them zero, symmetric.
LEVELS, MIDDLE = 4, 1.5
# Codes in a byte; the first quarter of the width lies in the lowest two bits.
PER_BYTE = 4


def quantise(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes [rows, width] and scales [rows]: per row the scale, of 40 tried, with the least squared error."""
    peak = np.abs(rows).max(axis=1)
    best = np.full(len(rows), np.inf, np.float32)
    scales = np.zeros(len(rows), np.float32)
    for share in np.linspace(0.1, 1.0, 40):
        scale = np.maximum(peak * np.float32(share / MIDDLE), 1e-12).astype(np.float32)
        levels = np.clip(np.round(rows / scale[:, None] + MIDDLE), 0, LEVELS - 1) - MIDDLE
        error = np.square(levels * scale[:, None] - rows).sum(axis=1)
        better = error < best
        best[better], scales[better] = error[better], scale[better]
    codes = np.clip(np.round(rows / scales[:, None] + MIDDLE), 0, LEVELS - 1).astype(np.uint8)
    return codes, scales


def dequantise(codes: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """The weights as the served model sees them."""
    return ((codes.astype(np.float32) - MIDDLE) * scales[:, None]).astype(np.float32)


def tokenizer_json(vocabulary: list[str]) -> bytes:
    """Lower case, no accents, split at white space and punctuation; one id per word, 0 padding, 1 unknown."""
    ids = {word: number for number, word in enumerate([PAD, UNKNOWN, *vocabulary])}

    def special(number: int, content: str) -> dict:
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        return {"id": number, "content": content, **flags}

    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special(0, PAD), special(1, UNKNOWN)],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": True,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": ids, "unk_token": UNKNOWN},
    }
    return (json.dumps(document, ensure_ascii=False, indent=0) + "\n").encode()


def onnx_model(row_of_word: np.ndarray, codes: np.ndarray, scales: np.ndarray, space: str) -> onnx.ModelProto:
    """The graph: simple operators only, batch and sequence length free, the same result however a text is padded."""
    width = codes.shape[1]
    first, second, third, fourth = np.split(codes, PER_BYTE, axis=1)
    constants = {
        "row_of_word": row_of_word.astype(np.int32),
        "weights": first | second << 2 | third << 4 | fourth << 6,
        "scales": scales,
        "quarter": np.float32(1 / 4),
        "four": np.float32(4),
        "middle": np.float32(MIDDLE),
        "tiny": np.float32(1e-6),
        "axis_seq": np.array([1], np.int64),
        "axis_width": np.array([2], np.int64),
        "axis_last": np.array([1], np.int64),
    }
    # A byte b is split into floor(b / 4) and b - 4 * floor(b / 4): every engine has these on floats, few have bit operators.
    unpack = []
    for place, rest in enumerate(["byte", "rest_1", "rest_2"]):
        higher = "code_3" if place == PER_BYTE - 2 else f"rest_{place + 1}"
        unpack += [
            ("Mul", [rest, "quarter"], f"shifted_{place}", {}),
            ("Floor", [f"shifted_{place}"], higher, {}),
            ("Mul", [higher, "four"], f"higher_{place}", {}),
            ("Sub", [rest, f"higher_{place}"], f"code_{place}", {}),
        ]
    steps = [
        ("Gather", ["row_of_word", "input_ids"], "row", {"axis": 0}),
        ("Gather", ["weights", "row"], "packed", {"axis": 0}),
        ("Cast", ["packed"], "byte", {"to": TensorProto.FLOAT}),
        *unpack,
        ("Concat", ["code_0", "code_1", "code_2", "code_3"], "codes", {"axis": 2}),
        ("Sub", ["codes", "middle"], "levels", {}),
        ("Gather", ["scales", "row"], "scale", {"axis": 0}),
        ("Cast", ["attention_mask"], "mask", {"to": TensorProto.FLOAT}),
        ("Mul", ["scale", "mask"], "factor", {}),
        ("Unsqueeze", ["factor", "axis_width"], "factor_column", {}),
        ("Mul", ["levels", "factor_column"], "token_embeddings", {}),
        ("ReduceSum", ["token_embeddings", "axis_seq"], "sum", {"keepdims": 0}),
        ("Mul", ["sum", "sum"], "squares", {}),
        ("ReduceSum", ["squares", "axis_last"], "squared_length", {"keepdims": 1}),
        ("Sqrt", ["squared_length"], "length", {}),
        ("Max", ["length", "tiny"], "safe_length", {}),
        ("Div", ["sum", "safe_length"], "sentence_embedding", {}),
    ]
    nodes = [helper.make_node(op, inputs, [out], name=out, **attributes) for op, inputs, out, attributes in steps]
    tokens = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "seq"]) for n in ("input_ids", "attention_mask")]
    embedding = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", width])
    words = helper.make_tensor_value_info("token_embeddings", TensorProto.FLOAT, ["batch", "seq", width])
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "plot_encoder_bow", tokens, [embedding, words], initializers)
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="hippocamp models/bow")
    helper.set_model_props(model, {"hippocamp.embedding_space": space})
    onnx.checker.check_model(model, full_check=True)
    return model


def export(repository: Path, row_of: dict[str, int], rows: np.ndarray) -> tuple[Path, Path]:
    """Writes both files into a model repository and gives their paths."""
    vocabulary = sorted(row_of)
    codes, scales = quantise(rows)
    # Row 0 serves padding and unknown words: its scale is zero, so whatever its codes say it adds nothing.
    codes = np.vstack([np.zeros((1, rows.shape[1]), np.uint8), codes])
    scales = np.concatenate([np.zeros(1, np.float32), scales])
    row_of_word = np.array([0, 0, *(row_of[word] + 1 for word in vocabulary)], np.int32)
    tokenizer = tokenizer_json(vocabulary)
    digest = hashlib.sha256(tokenizer + row_of_word.tobytes() + codes.tobytes() + scales.tobytes())
    model = onnx_model(row_of_word, codes, scales, f"bow-1:{digest.hexdigest()[:16]}")
    tokenizer_path = repository / "text_tokenizer_bow" / "1" / "tokenizer.json"
    model_path = repository / "plot_encoder_bow" / "1" / "model.onnx"
    for path, content in ((tokenizer_path, tokenizer), (model_path, model.SerializeToString())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tokenizer_path, model_path
