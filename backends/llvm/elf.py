"""Reading ELF objects: are they whole, and which symbols do they need.

LLVM's loader takes both for granted and crashes the process where they do not hold.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_IDENTITY = b"\x7fELF\x02\x01"
"""64 bits, little endian."""

_RELOCATABLE = 1
_SYMBOL_TABLE = 2
_LOADER_MAKES = "_GLOBAL_OFFSET_TABLE_"
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")


@dataclass(frozen=True, slots=True)
class _Section:
    kind: int
    offset: int
    size: int
    link: int


def is_whole_object(data: bytes) -> bool:
    """Whether `data` is a 64-bit little-endian relocatable object with all of its sections.

    The table of sections comes last, so that a file cut short fails here.
    """
    if len(data) < _HEADER.size or not data.startswith(_IDENTITY):
        return False
    header = _HEADER.unpack_from(data)
    kind, sections_at, entry_size, entries = header[1], header[6], header[11], header[12]
    if kind != _RELOCATABLE or entries == 0 or entry_size != _SECTION.size:
        return False
    end: int = sections_at + entry_size * entries
    return end <= len(data)


def undefined_symbols(data: bytes) -> list[str]:
    """The symbols that a whole object refers to but does not define."""
    sections = list(_sections(data))
    found: list[str] = []
    for section in sections:
        if section.kind != _SYMBOL_TABLE:
            continue
        names = sections[section.link].offset
        table = data[section.offset : section.offset + section.size]
        for name, _, _, place, _, _ in _SYMBOL.iter_unpack(table):
            if place == 0 and name:
                start = names + name
                found.append(data[start : data.index(b"\0", start)].decode())
    return [name for name in found if name != _LOADER_MAKES]


def _sections(data: bytes) -> Iterator[_Section]:
    header = _HEADER.unpack_from(data)
    for number in range(header[12]):
        row = _SECTION.unpack_from(data, header[6] + number * _SECTION.size)
        yield _Section(kind=row[1], offset=row[4], size=row[5], link=row[6])
