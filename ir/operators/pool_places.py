"""max_pool_places: where in its input max_pool finds each maximum, as i64.

A place counts elements of the whole row-major input; with `column_major`, each plane of spatial
axes is counted with the first of them fastest. Of equal elements the first wins, or the first NaN.
A window that meets padding alone has the place -1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlc.ir.build import Index, accumulate, nest, number, reduction_nest
from mlc.ir.dtype import I64
from mlc.ir.expr import Binary, Const, Expr, Load, Select, as_expr
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.arg_reduce import wins_over
from mlc.ir.operators.definition import define, flag
from mlc.ir.operators.pool import infer_pool, pool_window
from mlc.ir.operators.reduce import lowest
from mlc.ir.stmt import Alloc, Buffer, If, Stmt, Store, seq
from mlc.ir.types import TensorType


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (pooled,) = infer_pool(inputs, attrs)
    return (TensorType(pooled.shape, I64),)


def _spatial_strides(spatial: Sequence[int], attrs: Attrs) -> list[int]:
    """How far apart neighbours along each spatial axis are counted."""
    if flag(attrs, "column_major"):
        return [math.prod(spatial[:axis]) for axis in range(len(spatial))]
    return [math.prod(spatial[axis + 1 :]) for axis in range(len(spatial))]


def _reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (data,), window = inputs, pool_window(attrs)
    batch, channels, *spatial = data.shape
    steps = np.array(_spatial_strides(spatial, attrs)).reshape(-1, *[1] * len(spatial))
    numbers = (np.indices(spatial) * steps).sum(axis=0)[None, None]
    planes = np.arange(batch * channels).reshape(batch, channels, *[1] * len(spatial))
    inside = window.slices(np.ones(numbers.shape, np.int64), 0)
    counted = window.slices(numbers, 0)
    shape = (batch, channels, *window.output_shape(spatial))
    best, place = np.zeros(shape, data.dtype), np.full(shape, -1)
    for (_, values), (_, valid), (_, there) in zip(
        window.slices(data, 0), inside, counted, strict=True
    ):
        better = (values > best) | ((values != values) & (best == best)) | (place < 0)
        wins = better & (valid != 0)
        best, place = np.where(wins, values, best), np.where(wins, there, place)
    return (np.where(place < 0, place, place + planes * math.prod(spatial)),)


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    """Two nests that carry the best value in a temporary beside its place; -1 is none yet."""
    (data,), (out,), window = inputs, outputs, pool_window(attrs)
    _, channels, *spatial = data.shape
    steps = _spatial_strides(spatial, attrs)
    best = Buffer.dense(f"{prefix}best", out.shape, data.dtype, "arena")
    least = number(lowest(data.dtype.numpy), data.dtype)

    def initialise(i: Index) -> Stmt:
        return seq((Store(best, i, least), Store(out, i, Const(-1))))

    def update(i: Index, r: Index) -> Stmt:
        places = window.places(i[2:], r)
        value = Load(data, (*i[:2], *places))
        number_of_place: Expr = (i[0] * channels + i[1]) * math.prod(spatial)
        for place, step in zip(places, steps, strict=True):
            number_of_place = number_of_place + place * step
        none_yet = Binary("lt", Load(out, i), as_expr(0))
        wins = Binary("or", wins_over("gt", value, Load(best, i), False), none_yet)
        taken = seq(
            (
                Store(out, i, Select(wins, number_of_place, Load(out, i))),
                accumulate("max", best, i, value),
            )
        )
        inside = window.inside(places, spatial)
        return taken if inside is None else If(inside, taken)

    nests = (
        nest(f"{prefix}z", out.shape, initialise),
        reduction_nest(prefix, out.shape, window.kernel, update),
    )
    return Alloc(best, seq(nests))


MAX_POOL_PLACES = define(
    "max_pool_places",
    Kind.OPAQUE,
    1,
    _infer,
    _reference,
    _loops,
    kernel=REQUIRED,
    strides=REQUIRED,
    before=REQUIRED,
    after=REQUIRED,
    dilations=REQUIRED,
    column_major=False,
)

OPERATORS = (MAX_POOL_PLACES,)
