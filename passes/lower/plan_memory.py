"""plan-memory: offsets in one arena for buffers that are not alive at the same time.

Buffers are placed by falling size at the lowest offset where they overlap no placed buffer whose
live range meets theirs ("greedy by size", Pisarchyk and Lee, Efficient Memory Management for Deep
Neural Net Inference, 2020).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from mlc.ir.program import align


@dataclass(frozen=True, slots=True)
class LiveRange:
    """A buffer of `size` bytes, alive from step `first` to step `last`, both included."""

    key: Hashable
    size: int
    first: int
    last: int


def plan_memory(ranges: Sequence[LiveRange]) -> tuple[dict[Hashable, int], int]:
    """Offsets in bytes by key, and the size of the arena.

    >>> a, b, c = LiveRange("a", 64, 0, 1), LiveRange("b", 64, 1, 2), LiveRange("c", 64, 2, 3)
    >>> plan_memory([a, b, c])
    ({'a': 0, 'b': 64, 'c': 0}, 128)
    """
    placed: list[tuple[int, LiveRange]] = []
    for item in sorted(ranges, key=lambda r: (-r.size, r.first)):
        taken = sorted(
            (offset, offset + align(other.size))
            for offset, other in placed
            if other.first <= item.last and item.first <= other.last
        )
        offset = 0
        for start, end in taken:
            if offset + align(item.size) <= start:
                break
            offset = max(offset, end)
        placed.append((offset, item))
    offsets = {item.key: offset for offset, item in placed}
    total = max((offset + align(item.size) for offset, item in placed), default=0)
    return offsets, total
