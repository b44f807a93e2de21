"""Matrix product: NumPy's `matmul` on ranks of at least two; operands may be taken transposed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, broadcast_load, number, reduction
from mlc.ir.expr import Binary, Expr, Load
from mlc.ir.operator import Attrs, Kind
from mlc.ir.operators.definition import (
    broadcast_dims,
    define,
    flag,
    require_class,
    require_rank,
    same_dtype,
)
from mlc.ir.stmt import Buffer, Stmt
from mlc.ir.types import Dim, TensorType


def _matrix_dims(shape: tuple[Dim, ...], transposed: bool) -> tuple[Dim, Dim]:
    return (shape[-1], shape[-2]) if transposed else (shape[-2], shape[-1])


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    dtype = same_dtype(inputs)
    require_class(dtype, "number")
    for tensor in inputs:
        require_rank(tensor, 2)
    a, b = inputs
    m, k = _matrix_dims(a.shape, flag(attrs, "transpose_a"))
    other, n = _matrix_dims(b.shape, flag(attrs, "transpose_b"))
    if k != other:
        raise ShapeError(f"{a} and {b} contract dimensions {k} and {other}")
    return (TensorType((*broadcast_dims([a.shape[:-2], b.shape[:-2]]), m, n), dtype),)


def _reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    dtype = inputs[0].dtype
    wide = np.dtype(np.float64) if dtype.kind not in "iu" else dtype
    a, b = (array.astype(wide) for array in inputs)
    a = a.swapaxes(-1, -2) if flag(attrs, "transpose_a") else a
    b = b.swapaxes(-1, -2) if flag(attrs, "transpose_b") else b
    return (np.matmul(a, b).astype(dtype),)


def _element(buffer: Buffer, batch: Index, shape: Sequence[int], row: Expr, column: Expr) -> Load:
    """The element of a matrix in a batch that broadcasts to `shape`."""
    return broadcast_load(buffer, (*batch, row, column), (*shape, *buffer.shape[-2:]))


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    """Loops `i…` over the batch, rows and columns; `r0` over the contracted axis."""
    (a, b), (out,) = inputs, outputs
    transpose_a, transpose_b = flag(attrs, "transpose_a"), flag(attrs, "transpose_b")
    batch_shape = out.shape[:-2]

    def product(i: Index, r: Index) -> Expr:
        *batch, m, n = i
        (k,) = r
        left = _element(a, tuple(batch), batch_shape, *((k, m) if transpose_a else (m, k)))
        right = _element(b, tuple(batch), batch_shape, *((n, k) if transpose_b else (k, n)))
        return Binary("mul", left, right)

    contracted = a.shape[-2] if transpose_a else a.shape[-1]
    return reduction(prefix, "add", out, number(0, out.dtype), (contracted,), product)


MATMUL = define(
    "matmul",
    Kind.CONTRACTION,
    2,
    _infer,
    _reference,
    _loops,
    transpose_a=False,
    transpose_b=False,
)

OPERATORS = (MATMUL,)
