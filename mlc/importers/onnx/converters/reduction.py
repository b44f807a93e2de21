"""Reductions, and the places of greatest and least elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView, normal_axes
from mlc.ir.dtype import BOOL, U8
from mlc.ir.graph import Value

_Reduce = Callable[[Builder, Value, tuple[int, ...], bool], Value]


def _plain(op: str) -> _Reduce:
    def reduce(builder: Builder, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
        if op in _OF_NOTHING and any(x.type.shape[axis] == 0 for axis in axes):
            return _of_nothing(builder, op, x, axes, keepdims)
        # Booleans are ordered false < true, as the numbers 0 and 1 are.
        number = builder.cast(x, U8) if x.type.dtype is BOOL else x
        return builder.cast(builder.emit(op, number, axes=axes, keepdims=keepdims), x.type.dtype)

    return reduce


_OF_NOTHING = {"reduce_max": -1, "reduce_min": 1}
"""The sign of the infinity that a reduction over no elements gives."""


def _of_nothing(
    builder: Builder, op: str, x: Value, axes: tuple[int, ...], keepdims: bool
) -> Value:
    """The greatest or least of no elements: the end of the element type's range."""
    dtype, sign = x.type.dtype, _OF_NOTHING[op]
    shape = [
        1 if axis in axes else dim
        for axis, dim in enumerate(x.type.shape)
        if keepdims or axis not in axes
    ]
    if dtype.is_float:
        return builder.full(shape, sign * math.inf, dtype)
    if dtype is BOOL:
        return builder.full(shape, sign > 0, dtype)
    limits = np.iinfo(dtype.numpy)
    return builder.full(shape, int(limits.max if sign > 0 else limits.min), dtype)


def norm(builder: Builder, x: Value, p: int, axes: Sequence[int], *, keepdims: bool) -> Value:
    """The sum of magnitudes (p = 1) or the Euclidean length (p = 2)."""
    reduce = _norm_1 if p == 1 else _norm_2
    return reduce(builder, x, tuple(axes), keepdims)


def _norm_1(builder: Builder, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    return builder.emit("reduce_sum", builder.emit("abs", x), axes=axes, keepdims=keepdims)


def _norm_2(builder: Builder, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    return builder.emit("sqrt", _sum_square(builder, x, axes, keepdims))


def _sum_square(builder: Builder, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    return builder.emit("reduce_sum", builder.emit("mul", x, x), axes=axes, keepdims=keepdims)


def _log_sum(builder: Builder, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    return builder.emit("log", builder.emit("reduce_sum", x, axes=axes, keepdims=keepdims))


def _log_sum_exp(builder: Builder, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    """The greatest element is taken out of the sum, so that no exponential overflows."""
    greatest = _plain("reduce_max")(builder, x, axes, True)
    infinite = builder.emit("isinf", greatest)
    shift = builder.emit("select", infinite, builder.scalar(0, x.type.dtype), greatest)
    exponential = builder.emit("exp", builder.emit("sub", x, shift))
    total = _log_sum(builder, exponential, axes, True)
    result = builder.emit("add", total, shift)
    if keepdims:
        return result
    shape = [dim for axis, dim in enumerate(result.type.shape) if axis not in axes]
    return builder.reshape(result, shape)


def _axes_attribute(reduce: _Reduce) -> Converter:
    def convert(builder: Builder, node: NodeView) -> list[Value]:
        x = node.input(0)
        axes = node.integers("axes", ()) or range(x.type.rank)
        keepdims = node.flag("keepdims", True)
        return [reduce(builder, x, normal_axes(axes, x.type.rank), keepdims)]

    return convert


def _axes_input(reduce: _Reduce) -> Converter:
    def convert(builder: Builder, node: NodeView) -> list[Value]:
        x, given = node.input(0), node.optional(1)
        axes: Sequence[int] = ()
        if given is not None:
            axes = builder.required_integers(given, f"{node.op_type}: the axes")
        if not axes and node.flag("noop_with_empty_axes"):
            return [_unreduced(builder, node.op_type, x)]
        axes = axes or range(x.type.rank)
        return [reduce(builder, x, normal_axes(axes, x.type.rank), node.flag("keepdims", True))]

    return convert


def _unreduced(builder: Builder, op_type: str, x: Value) -> Value:
    """What is left of a reduction over no axes: its function of each single element."""
    for op in _SINGLE.get(op_type, ()):
        x = builder.emit(op, x, x) if op == "mul" else builder.emit(op, x)
    return x


_SINGLE = {
    "ReduceL1": ("abs",),
    "ReduceL2": ("abs",),
    "ReduceLogSum": ("log",),
    "ReduceSumSquare": ("mul",),
}


def _arg(op: str) -> Converter:
    def convert(builder: Builder, node: NodeView) -> list[Value]:
        x = node.input(0)
        axis, keepdims = node.axis("axis", x.type.rank, 0), node.flag("keepdims", True)
        last = node.flag("select_last_index")
        return [builder.emit(op, x, axis=axis, keepdims=keepdims, last=last)]

    return convert


_REDUCTIONS: dict[str, _Reduce] = {
    "ReduceL1": _norm_1,
    "ReduceL2": _norm_2,
    "ReduceLogSum": _log_sum,
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceMax": _plain("reduce_max"),
    "ReduceMean": _plain("reduce_mean"),
    "ReduceMin": _plain("reduce_min"),
    "ReduceProd": _plain("reduce_prod"),
    "ReduceSum": _plain("reduce_sum"),
    "ReduceSumSquare": _sum_square,
}


def _since(name: str) -> int:
    """The operator set in which the axes became an input."""
    return 13 if name == "ReduceSum" else 18


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "ArgMax": _arg("arg_max"),
    "ArgMin": _arg("arg_min"),
    **{
        name: {1: _axes_attribute(reduce), _since(name): _axes_input(reduce)}
        for name, reduce in _REDUCTIONS.items()
    },
}
