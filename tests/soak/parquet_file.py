"""A column of numbers more in a Parquet file, without a library that reads Parquet.

A Parquet file ends with its description (Thrift's compact protocol), and columns lie anywhere before it. So the file is
kept as it is but for its end: a page of plain numbers is put there, and a description that tells of it.
"""

import dataclasses
import struct

MAGIC = b"PAR1"
BOOLEANS, INT32, INT64, BINARY, LIST, STRUCT = (1, 2), 5, 6, 8, 9, 12
# Of the Arrow schema that a file may hold beside its own: it would contradict the new column.
ARROW_SCHEMA = b"ARROW:schema"


@dataclasses.dataclass
class Field:
    """One field of a Thrift struct. A struct is a list of these; a list is the type of its elements and the elements."""

    number: int
    kind: int
    value: object


def with_column(file: bytes, name: str, value: int) -> bytes:
    """The Parquet file with a column `name`, INT32, that is `value` in every row. The file has one row group."""
    assert file[:4] == file[-4:] == MAGIC, "not a Parquet file"
    length = struct.unpack("<I", file[-8:-4])[0]
    body, footer = file[: -8 - length], file[-8 - length : -8]
    description = _Reader(footer).struct()
    schema, groups = (_find(description, number).value[1] for number in (2, 4))
    rows = _find(description, 3).value
    assert len(groups) == 1, f"expected one row group, found {len(groups)}"

    numbers = struct.pack("<i", value) * rows
    header = [Field(1, INT32, 0), Field(2, INT32, len(numbers)), Field(3, INT32, len(numbers))]
    # Plain numbers, none of them null; 3 is how levels would be encoded if there were any.
    header.append(Field(5, STRUCT, [Field(1, INT32, rows), Field(2, INT32, 0), Field(3, INT32, 3), Field(4, INT32, 3)]))
    page = _struct(header) + numbers

    _find(schema[0], 5).value += 1
    schema.append([Field(1, INT32, 1), Field(3, INT32, 0), Field(4, BINARY, name.encode())])
    chunk = [
        Field(1, INT32, 1),
        Field(2, LIST, (INT32, [0])),
        Field(3, LIST, (BINARY, [name.encode()])),
        Field(4, INT32, 0),
        *(Field(number, INT64, size) for number, size in ((5, rows), (6, len(page)), (7, len(page)), (9, len(body)))),
    ]
    _find(groups[0], 1).value[1].append([Field(2, INT64, len(body)), Field(3, STRUCT, chunk)])
    if orders := _find(description, 7):
        orders.value[1].append([Field(1, STRUCT, [])])
    if pairs := _find(description, 5):
        pairs.value = (STRUCT, [pair for pair in pairs.value[1] if _find(pair, 1).value != ARROW_SCHEMA])

    footer = _struct(description)
    return body + page + footer + struct.pack("<I", len(footer)) + MAGIC


def _find(fields: list[Field], number: int) -> Field | None:
    return next((field for field in fields if field.number == number), None)


class _Reader:
    """Thrift's compact protocol: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md"""

    def __init__(self, data: bytes):
        self._data, self._at = data, 0

    def struct(self) -> list[Field]:
        fields, number = [], 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else _unzigzag(self._varint())
            fields.append(Field(number, kind, kind == 1 if kind in BOOLEANS else self._value(kind)))
        return fields

    def _value(self, kind: int):
        if kind in BOOLEANS or kind == 3:
            return self._byte()
        if kind in (4, INT32, INT64):
            return _unzigzag(self._varint())
        if kind == 7:
            return self._bytes(8)
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind == LIST:
            head = self._byte()
            count = self._varint() if head >> 4 == 15 else head >> 4
            return head & 15, [self._value(head & 15) for _ in range(count)]
        assert kind == STRUCT, f"a Parquet file has no field of type {kind}"
        return self.struct()

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def _varint(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value


def _struct(fields: list[Field]) -> bytes:
    out, last = b"", 0
    for field in fields:
        kind = (1 if field.value else 2) if field.kind in BOOLEANS else field.kind
        step = field.number - last
        out += bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + _varint(_zigzag(field.number))
        if field.kind not in BOOLEANS:
            out += _write(field.kind, field.value)
        last = field.number
    return out + b"\0"


def _write(kind: int, value) -> bytes:
    if kind in BOOLEANS or kind == 3:
        return bytes([value])
    if kind in (4, INT32, INT64):
        return _varint(_zigzag(value))
    if kind == 7:
        return value
    if kind == BINARY:
        return _varint(len(value)) + value
    if kind == LIST:
        of, items = value
        head = bytes([len(items) << 4 | of]) if len(items) < 15 else bytes([0xF0 | of]) + _varint(len(items))
        return head + b"".join(_write(of, item) for item in items)
    return _struct(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _unzigzag(value: int) -> int:
    return value >> 1 ^ -(value & 1)
