"""Operators that make tensors out of positions: iota (no input) and one_hot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, compare, nest, number
from mlc.ir.dtype import F32, I64
from mlc.ir.expr import Binary, Cast, Load, Select
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import (
    axis_attr,
    define,
    dtype_attr,
    integer,
    integers,
    real,
    require_class,
)
from mlc.ir.operators.gather import as_index
from mlc.ir.stmt import Buffer, Stmt, Store
from mlc.ir.types import TensorType


def _iota_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    shape, dtype = integers(attrs, "shape"), dtype_attr(attrs, "dtype")
    axis_attr(attrs, len(shape))
    require_class(dtype, "number")
    if min(shape) < 0:
        raise ShapeError(f"shape {shape} is negative")
    return (TensorType(shape, dtype),)


def _iota_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    shape, axis = integers(attrs, "shape"), integer(attrs, "axis")
    line = np.arange(shape[axis]).astype(dtype_attr(attrs, "dtype").numpy)
    return (np.broadcast_to(line.reshape(-1, *[1] * (len(shape) - 1 - axis)), shape),)


def _iota_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    (out,) = outputs

    def store(i: Index) -> Stmt:
        position = i[integer(attrs, "axis")]
        return Store(out, i, position if out.dtype is I64 else Cast(position, out.dtype))

    return nest(f"{prefix}i", out.shape, store)


IOTA = define(
    "iota",
    Kind.INJECTIVE,
    0,
    _iota_infer,
    _iota_reference,
    _iota_loops,
    shape=REQUIRED,
    axis=REQUIRED,
    dtype=I64,
)


def _one_hot_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (indices,) = inputs
    require_class(indices.dtype, "integer")
    axis, depth = axis_attr(attrs, indices.rank + 1), integer(attrs, "depth")
    if depth < 0:
        raise ShapeError(f"depth {depth} is negative")
    shape = (*indices.shape[:axis], depth, *indices.shape[axis:])
    return (TensorType(shape, dtype_attr(attrs, "dtype")),)


def _one_hot_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    axis, depth = integer(attrs, "axis"), integer(attrs, "depth")
    indices = np.expand_dims(inputs[0].astype(np.int64), axis)
    lanes = np.arange(depth).reshape(-1, *[1] * (inputs[0].ndim - axis))
    hot = np.where(indices < 0, indices + depth, indices) == lanes
    result = np.where(hot, real(attrs, "on_value"), real(attrs, "off_value"))
    return (result.astype(dtype_attr(attrs, "dtype").numpy),)


def _one_hot_loops(
    inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
) -> Stmt:
    (indices,), (out,) = inputs, outputs
    axis, depth = integer(attrs, "axis"), integer(attrs, "depth")
    on, off = (number(real(attrs, name), out.dtype) for name in ("on_value", "off_value"))

    def store(i: Index) -> Stmt:
        picked = as_index(Load(indices, (*i[:axis], *i[axis + 1 :])))
        wrapped = Select(compare("lt", picked, 0), picked + depth, picked)
        return Store(out, i, Select(Binary("eq", wrapped, i[axis]), on, off))

    return nest(f"{prefix}i", out.shape, store)


ONE_HOT = define(
    "one_hot",
    Kind.INJECTIVE,
    1,
    _one_hot_infer,
    _one_hot_reference,
    _one_hot_loops,
    depth=REQUIRED,
    axis=REQUIRED,
    on_value=1.0,
    off_value=0.0,
    dtype=F32,
)

OPERATORS = (IOTA, ONE_HOT)
