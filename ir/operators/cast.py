"""Elementwise operators that change the element type: by value, or keeping the bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlc.errors import DtypeError
from mlc.ir.dtype import BOOL, U8, DType, dtype_of
from mlc.ir.expr import Call, Cast, Expr
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import choice, define, dtype_attr, flag
from mlc.ir.operators.elementwise import elementwise_loops
from mlc.ir.operators.narrow import ROUND_MODES, convert, convert_array
from mlc.ir.types import TensorType


def _cast_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    flag(attrs, "saturate")
    choice(attrs, "round_mode", ROUND_MODES)
    return (TensorType(inputs[0].shape, dtype_attr(attrs, "to")),)


def _cast_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    to = dtype_attr(attrs, "to")
    saturate, round_mode = flag(attrs, "saturate"), choice(attrs, "round_mode", ROUND_MODES)
    return (convert_array(inputs[0], to, saturate=saturate, round_mode=round_mode),)


def _cast_scalar(operands: Sequence[Expr], attrs: Attrs) -> Expr:
    saturate, round_mode = flag(attrs, "saturate"), choice(attrs, "round_mode", ROUND_MODES)
    to = dtype_attr(attrs, "to")
    return convert(operands[0], to, saturate=saturate, round_mode=round_mode)


def _bitcast_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    source, to = inputs[0].dtype, dtype_attr(attrs, "to")
    if source.bits != to.bits:
        raise DtypeError(f"{source} takes {source.bits} bits, {to} takes {to.bits}")
    return (TensorType(inputs[0].shape, to),)


def _bitcast_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (array,), to = inputs, dtype_attr(attrs, "to")
    if to is BOOL:
        return (np.asarray(array.view(np.uint8) != 0),)
    if dtype_of(array.dtype).bits < 8:
        # The bits above those of the element are nobody's.
        array = array.astype(array.dtype)
    return (np.asarray(array, order="C").view(to.numpy),)


def _bitcast_scalar(operands: Sequence[Expr], attrs: Attrs) -> Expr:
    (x,), to = operands, dtype_attr(attrs, "to")
    if x.dtype is to:
        return x
    if x.dtype is BOOL:
        x = Cast(x, U8)
    if to is BOOL:
        return Cast(_bits(x, U8), BOOL)
    return _bits(x, to)


def _bits(x: Expr, to: DType) -> Expr:
    return x if x.dtype is to else Call("bitcast", (x,), to)


OPERATORS = (
    define(
        "cast",
        Kind.ELEMENTWISE,
        1,
        _cast_infer,
        _cast_reference,
        elementwise_loops(_cast_scalar),
        to=REQUIRED,
        saturate=True,
        round_mode="up",
    ),
    define(
        "bitcast",
        Kind.ELEMENTWISE,
        1,
        _bitcast_infer,
        _bitcast_reference,
        elementwise_loops(_bitcast_scalar),
        to=REQUIRED,
    ),
)
