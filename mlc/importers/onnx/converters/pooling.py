"""Pools: over sliding windows, and over all of an image."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from mlc.errors import ModelError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.windows import Windows
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.graph import Value


def max_pooled(builder: Builder, node: NodeView, x: Value) -> Value:
    """The pool of `x` that the attributes of `node` describe."""
    return builder.emit("max_pool", x, **_geometry(builder, node, x))


def _geometry(builder: Builder, node: NodeView, x: Value) -> dict[str, Any]:
    windows = Windows.of(builder, node, x, node.integers("kernel_shape"))
    return {
        "kernel": windows.kernel,
        "strides": windows.strides,
        "before": windows.before,
        "after": windows.after_all,
        "dilations": windows.dilations,
    }


def _max_pool(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    pooled = max_pooled(builder, node, x)
    if not node.has_output(1):
        return [pooled]
    column_major = node.flag("storage_order")
    geometry = _geometry(builder, node, x)
    return [pooled, builder.emit("max_pool_places", x, column_major=column_major, **geometry)]


def average_pooled(builder: Builder, node: NodeView, x: Value) -> Value:
    """The pool of `x` that the attributes of `node` describe."""
    windows = Windows.of(builder, node, x, node.integers("kernel_shape"))
    return _average(builder, x, windows, include_pad=node.flag("count_include_pad"))


def _average_pool(builder: Builder, node: NodeView) -> list[Value]:
    return [average_pooled(builder, node, node.input(0))]


def _average(builder: Builder, x: Value, windows: Windows, *, include_pad: bool) -> Value:
    before, after = windows.before, windows.after_all
    if include_pad and any(windows.extra):
        # Padding counts, what ceil mode adds does not: pad first, then count only what is inside.
        x = builder.emit(
            "pad", x, before=(0, 0, *before), after=(0, 0, *windows.after), value=0.0,
            mode="constant",
        )  # fmt: skip
        before, after, include_pad = (0,) * len(before), windows.extra, False
    return builder.emit(
        "avg_pool",
        x,
        kernel=windows.kernel,
        strides=windows.strides,
        before=before,
        after=after,
        dilations=windows.dilations,
        include_pad=include_pad,
    )


def _lp_pool(builder: Builder, node: NodeView) -> list[Value]:
    """The p-norm of each window: the average of |x|^p, times its size, to the power of 1/p.

    All elements of a window count, so that what ceil mode adds is as good as padding.
    """
    x, norm = node.input(0), _norm(node)
    windows = Windows.of(builder, node, x, node.integers("kernel_shape"))
    whole = replace(windows, after=windows.after_all, extra=(0,) * len(windows.extra))
    average = _average(builder, _power(builder, x, norm), whole, include_pad=True)
    total = builder.scaled(average, math.prod(windows.kernel))
    return [_root(builder, total, norm)]


def _global_lp_pool(builder: Builder, node: NodeView) -> list[Value]:
    x, norm = node.input(0), _norm(node)
    total = builder.emit(
        "reduce_sum", _power(builder, x, norm), axes=tuple(range(2, x.type.rank)), keepdims=True
    )
    return [_root(builder, total, norm)]


def _norm(node: NodeView) -> float:
    norm = node.integer("p", 2) if node.opset > 1 else node.number("p", 2.0)
    if norm < 1:
        raise ModelError(f"{node.op_type}: p = {norm} is no norm")
    return norm


def _power(builder: Builder, x: Value, norm: float) -> Value:
    if norm == 2:
        return builder.emit("mul", x, x)
    magnitude = builder.emit("abs", x)
    return _raised(builder, magnitude, norm)


def _root(builder: Builder, x: Value, norm: float) -> Value:
    return builder.emit("sqrt", x) if norm == 2 else _raised(builder, x, 1 / norm)


def _raised(builder: Builder, x: Value, exponent: float) -> Value:
    if exponent == 1:
        return x
    return builder.emit("pow", x, builder.scalar(exponent, x.type.dtype))


def _global(op: str) -> Converter:
    """A pool over all spatial axes, which stay with size 1."""

    def convert(builder: Builder, node: NodeView) -> list[Value]:
        x = node.input(0)
        return [builder.emit(op, x, axes=tuple(range(2, x.type.rank)), keepdims=True)]

    return convert


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global("reduce_mean"),
    "GlobalLpPool": _global_lp_pool,
    "GlobalMaxPool": _global("reduce_max"),
    "LpPool": _lp_pool,
    "MaxPool": _max_pool,
}
