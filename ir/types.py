"""Tensor types: logical shape, element type and memory layout of a graph value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlc.ir.dtype import DType
from mlc.ir.expr import Expr
from mlc.ir.layout import Layout

Dim = int | Expr
"""A dimension: a number, or an index expression over named symbols (`Var`)."""


@dataclass(frozen=True, slots=True)
class TensorType:
    """Logical `shape`, `dtype`, and `layout` (None is row-major)."""

    shape: tuple[Dim, ...]
    dtype: DType
    layout: Layout | None = None

    def __post_init__(self) -> None:
        if self.layout is not None and self.layout.is_row_major:
            object.__setattr__(self, "layout", None)

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def is_static(self) -> bool:
        """Whether every dimension is a number."""
        return all(isinstance(dim, int) for dim in self.shape)

    @property
    def static_shape(self) -> tuple[int, ...]:
        """The shape as numbers; only for static types."""
        return tuple(int(dim) for dim in self.shape if isinstance(dim, int))

    @property
    def elements(self) -> int:
        """Number of elements of a static type."""
        return math.prod(self.static_shape)

    @property
    def bytes(self) -> int:
        """Bytes of a dense tensor of this static type."""
        return self.elements * self.dtype.bytes

    @property
    def memory_layout(self) -> Layout:
        """The layout, row-major spelled out."""
        return self.layout or Layout.row_major(self.rank)

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides in elements of a dense tensor of this static type."""
        return self.memory_layout.strides(self.static_shape)

    def with_shape(self, shape: Sequence[Dim]) -> TensorType:
        """Another shape, row-major."""
        return TensorType(tuple(shape), self.dtype)

    def with_layout(self, layout: Layout | None) -> TensorType:
        """The same tensor in another memory order."""
        return TensorType(self.shape, self.dtype, layout)

    def __str__(self) -> str:
        shape = ",".join(map(str, self.shape))
        suffix = f"@{self.layout}" if self.layout is not None else ""
        return f"{self.dtype}[{shape}]{suffix}"
