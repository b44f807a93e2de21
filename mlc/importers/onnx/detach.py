"""Reads a model's file without its weights: their bytes are skipped, and read later if needed.

Parsing a protobuf message copies it, and taking a field out of the parsed message copies again. A
model is mostly the raw data of initializers, so this file walks the wire format down to it
(ModelProto.graph → GraphProto.initializer → TensorProto.raw_data), leaves long raw data out of the
message, and notes where in the file it lies. Everything else is checked by the real parser after.

Wire format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

SHORTEST = 4096
"""Raw data of fewer bytes stays in the message."""

_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9
_VARINT, _FIXED_64, _MESSAGE, _FIXED_32 = 0, 1, 2, 5

Span = tuple[int, int]
"""Offset and length in the file."""


class WireError(ValueError):
    """The file is no plain message; the real parser may know better."""


@dataclass(frozen=True)
class _Field:
    """One field of a message: from `start` with its tag, its contents from `content` to `end`."""

    number: int
    wire_type: int
    start: int
    content: int
    end: int


def detached(file: BinaryIO, size: int) -> tuple[bytes, dict[int, Span]]:
    """The message in `file` of `size` bytes without long raw data, and where that lies.

    The spans are numbered by the position of their initializer in the main graph. Raises
    `WireError` where the file is not a well-formed message or writes raw data twice.
    """
    spans: dict[int, Span] = {}
    count = 0

    def tensor(outer: _Field) -> bytes:
        nonlocal count
        number, count = count, count + 1
        if outer.end - outer.content < SHORTEST:
            return _bytes(file, outer.content, outer.end)
        parts = []
        for field in _fields(file, outer.content, outer.end):
            if field.number != _RAW_DATA:
                parts.append(_bytes(file, field.start, field.end))
            elif number in spans:
                raise WireError("raw data is written twice")
            else:
                spans[number] = (field.content, field.end - field.content)
        if number in spans and spans[number][1] < SHORTEST:
            del spans[number]
            return _bytes(file, outer.content, outer.end)
        return b"".join(parts)

    def graph(outer: _Field) -> bytes:
        return _rewritten(file, outer.content, outer.end, _INITIALIZER, tensor)

    return _rewritten(file, 0, size, _GRAPH, graph), spans


def _rewritten(
    file: BinaryIO, start: int, end: int, number: int, rewrite: Callable[[_Field], bytes]
) -> bytes:
    """The message from `start` to `end` with the contents of one kind of field rewritten."""
    parts = []
    for field in _fields(file, start, end):
        if field.number == number and field.wire_type == _MESSAGE:
            content = rewrite(field)
            parts += [_varint(number << 3 | _MESSAGE), _varint(len(content)), content]
        else:
            parts.append(_bytes(file, field.start, field.end))
    return b"".join(parts)


def _fields(file: BinaryIO, start: int, end: int) -> Iterator[_Field]:
    while start < end:
        file.seek(start)
        tag, length = _read_varint(file)
        content = start + length
        wire_type = tag & 7
        if wire_type == _MESSAGE:
            size, length = _read_varint(file)
            content += length
        elif wire_type == _VARINT:
            size = _read_varint(file)[1]
        elif wire_type in (_FIXED_32, _FIXED_64):
            size = 4 if wire_type == _FIXED_32 else 8
        else:
            raise WireError(f"wire type {wire_type}")
        if content + size > end:
            raise WireError("a field ends behind its message")
        yield _Field(tag >> 3, wire_type, start, content, content + size)
        start = content + size


def _bytes(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _read_varint(file: BinaryIO) -> tuple[int, int]:
    """A number and how many bytes it takes."""
    value = 0
    for count in range(10):
        byte = file.read(1)
        if not byte:
            raise WireError("a number is cut short")
        value |= (byte[0] & 0x7F) << 7 * count
        if byte[0] < 0x80:
            return value, count + 1
    raise WireError("a number is too long")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
