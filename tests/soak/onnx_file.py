"""ONNX files by hand, as protocol buffers are: a model of any weight, and an output that tells a model's generation.

A protocol buffer may be continued: bytes of the same message written behind it are merged into it. So a graph gets more
nodes and another output without being read: `with_generation` appends 400 bytes.
"""

import struct

INT64, FLOAT = 7, 1
# The output's name.
GENERATION = "GENERATION"


def with_generation(model: bytes, generation: int, like: str) -> bytes:
    """The model with one output more, GENERATION, INT64 `[batch, 1]`; `like` is an INT64 input `[batch, n]` of it."""
    constants = {"generation_first": 0, "generation_none": 0, "generation_number": generation}
    steps = [
        ("Gather", [like, "generation_first"], "generation_row", [_attribute("axis", 1)]),
        ("Mul", ["generation_row", "generation_none"], "generation_zero", []),
        ("Add", ["generation_zero", "generation_number"], GENERATION, []),
    ]
    graph = b"".join(_field(1, _node(*step)) for step in steps)
    graph += _field(12, _value(GENERATION, INT64, ["generation_batch", 1]))
    graph += b"".join(_field(5, _tensor(name, INT64, [1], struct.pack("<q", value))) for name, value in constants.items())
    return model + _field(7, graph)


def product(rows: int, columns: int) -> bytes:
    """A model `y = x * weights`, FP32 `[batch, rows]` to `[batch, columns]`: 4 * rows * columns bytes of weights."""
    row = struct.pack(f"<{columns}f", *(((column * 37) % 101 - 50) / 5000 for column in range(columns)))
    graph = _field(1, _node("MatMul", ["x", "weights"], "y", [])) + _field(2, b"product")
    graph += _field(5, _tensor("weights", FLOAT, [rows, columns], row * rows))
    graph += _field(11, _value("x", FLOAT, ["batch", rows])) + _field(12, _value("y", FLOAT, ["batch", columns]))
    return _number(1, 8) + _field(7, graph) + _field(8, _number(2, 17))


def _node(operator: str, inputs: list[str], output: str, attributes: list[bytes]) -> bytes:
    parts = [_field(1, name.encode()) for name in inputs]
    parts += [_field(2, output.encode()), _field(3, f"{output}_node".encode()), _field(4, operator.encode())]
    return b"".join(parts + [_field(5, attribute) for attribute in attributes])


def _attribute(name: str, value: int) -> bytes:
    return _field(1, name.encode()) + _number(3, value) + _number(20, 2)


def _tensor(name: str, datatype: int, dims: list[int], data: bytes) -> bytes:
    return b"".join(_number(1, dim) for dim in dims) + _number(2, datatype) + _field(8, name.encode()) + _field(9, data)


def _value(name: str, datatype: int, dims: list[int | str]) -> bytes:
    sizes = [_number(1, dim) if isinstance(dim, int) else _field(2, dim.encode()) for dim in dims]
    shape = b"".join(_field(1, size) for size in sizes)
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, datatype) + _field(2, shape)))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
