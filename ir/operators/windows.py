"""Sliding windows, shared by convolution and pooling: sizes, indices, in-range tests.

A window operator sees its input through `Window`: along each spatial axis output position `o` and
kernel position `r` read input position `o*stride + r*dilation - before`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, all_of, compare
from mlc.ir.expr import Expr, Load, Select
from mlc.ir.operator import Attrs
from mlc.ir.operators.definition import integers
from mlc.ir.stmt import Buffer


def trailing(places: Iterable[int | slice]) -> Any:
    """The NumPy index that applies `places` to the last axes."""
    return (Ellipsis, *places)


@dataclass(frozen=True)
class Window:
    """Geometry of a sliding window; every field has one entry per spatial axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    dilations: tuple[int, ...]

    @staticmethod
    def of(attrs: Attrs, kernel: Sequence[int]) -> Window:
        """Read and check the attributes that all window operators have."""
        count = len(kernel)
        strides, before, after, dilations = (
            integers(attrs, name, count) for name in ("strides", "before", "after", "dilations")
        )
        if min((*kernel, *strides, *dilations), default=1) < 1:
            raise ShapeError(
                f"kernel {tuple(kernel)}, strides {strides} and dilations {dilations} "
                "must be positive"
            )
        return Window(tuple(kernel), strides, before, after, dilations)

    def output_shape(self, spatial: Sequence[int]) -> tuple[int, ...]:
        """Output positions along each axis; `ShapeError` where the window does not fit."""
        result = []
        for axis, dim in enumerate(spatial):
            reach = (self.kernel[axis] - 1) * self.dilations[axis] + 1
            room = dim + self.before[axis] + self.after[axis] - reach
            if room < 0:
                raise ShapeError(
                    f"a window of {reach} does not fit a padded dimension of {room + reach}"
                )
            result.append(room // self.strides[axis] + 1)
        return tuple(result)

    def start(self, axis: int, position: Expr) -> Expr:
        """Input position of the first kernel element; negative in the padding before."""
        return position * self.strides[axis] - self.before[axis]

    def load(self, data: Buffer, leading: Index, position: Index, r: Index, outside: Expr) -> Expr:
        """The input element under kernel element `r` at an output position, `outside` in padding.

        Where no padding can be reached the result is a `Load` with affine indices and nothing else.
        """
        spatial = data.shape[len(leading) :]
        places = self.places(position, r)
        inside = self.inside(places, spatial)
        element = Load(data, (*leading, *places))
        return element if inside is None else Select(inside, element, outside)

    def places(self, position: Index, r: Index) -> Index:
        """Input position under kernel element `r` at an output position, along each axis."""
        return tuple(
            self.start(axis, at) + r[axis] * self.dilations[axis]
            for axis, at in enumerate(position)
        )

    def inside(self, places: Index, spatial: Sequence[int]) -> Expr | None:
        """Whether input positions lie inside the input; None where they cannot but do."""
        tests = []
        for axis, (place, dim) in enumerate(zip(places, spatial, strict=True)):
            if self.before[axis] > 0:
                tests.append(compare("ge", place, 0))
            if self.after[axis] > 0:
                tests.append(compare("lt", place, dim))
        return all_of(tests)

    def slices(
        self, data: np.ndarray, outside: float
    ) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
        """Each kernel element with the inputs it meets: arrays `[N, C, *output positions]`."""
        positions = self.output_shape(data.shape[2:])
        shape = [d + b + a for d, b, a in zip(data.shape[2:], self.before, self.after, strict=True)]
        padded = np.full((*data.shape[:2], *shape), outside, data.dtype)
        inner = (slice(b, b + d) for d, b in zip(data.shape[2:], self.before, strict=True))
        padded[trailing(inner)] = data
        for r in np.ndindex(*self.kernel):
            picks = tuple(
                slice(first * d, first * d + (count - 1) * stride + 1, stride)
                for first, d, count, stride in zip(
                    r, self.dilations, positions, self.strides, strict=True
                )
            )
            yield r, padded[trailing(picks)]
