"""Layouts: the order in which the axes of a tensor lie in memory.

A tensor's shape is always its logical shape. Its layout says which logical axis is outermost in
memory, which comes next, and so on: NHWC is the order (0, 2, 3, 1) of the logical axes N, C, H, W.
Because a permuted layout is nothing but strides, no operator needs to know of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_LETTERS = {3: "NCW", 4: "NCHW", 5: "NCDHW"}


@dataclass(frozen=True, slots=True)
class Layout:
    """Memory order of the logical axes, outermost first."""

    order: tuple[int, ...]

    @staticmethod
    def row_major(rank: int) -> Layout:
        """The layout of a C-contiguous array of `rank` axes."""
        return Layout(tuple(range(rank)))

    @staticmethod
    def channels_last(rank: int) -> Layout:
        """N, spatial axes, C: the layout NWC, NHWC or NDHWC."""
        return Layout((0, *range(2, rank), 1))

    @staticmethod
    def parse(text: str) -> Layout:
        """Read what `str` printed: letters ("NHWC") or axis numbers joined by dots ("1.0").

        >>> Layout.parse("NHWC").order, Layout.parse("1.0").order
        ((0, 2, 3, 1), (1, 0))
        """
        if text[0].isdigit():
            return Layout(tuple(int(axis) for axis in text.split(".")))
        letters = _LETTERS[len(text)]
        return Layout(tuple(letters.index(letter) for letter in text))

    @property
    def is_row_major(self) -> bool:
        """Whether axes lie in their logical order."""
        return self.order == tuple(range(len(self.order)))

    def strides(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Strides in elements of a dense tensor of logical `shape` in this layout.

        >>> Layout.channels_last(4).strides((1, 64, 56, 56))
        (200704, 1, 3584, 64)
        """
        strides = [0] * len(self.order)
        step = 1
        for axis in reversed(self.order):
            strides[axis] = step
            step *= shape[axis]
        return tuple(strides)

    def __str__(self) -> str:
        letters = _LETTERS.get(len(self.order))
        if letters is None:
            return ".".join(map(str, self.order))
        return "".join(letters[axis] for axis in self.order)
