"""sample: the values of an image between its elements, at coordinates that are data.

Inputs are `x [N, C, *spatial]` and `places [N, *positions, axes]`, coordinates in elements along
each spatial axis; the result is `[N, C, *positions]`. Along each axis a position reads 1 (nearest),
2 (linear) or 4 (cubic, with Keys' kernel) elements, the taps. What lies outside is read as
padding says: "zeros", the element at the "border", or that in the "reflection" at the middle of
the outermost elements (`align_corners`) or at their outer edge.

The loops first store places and weights of all taps in tables (nest `{prefix}t…`), then sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, accumulate, all_of, compare, fill, nest, number, reduction_nest
from mlc.ir.dtype import F32, F64, I64, DType
from mlc.ir.expr import Binary, Cast, Const, Expr, Load, Select, Unary, as_expr, maximum, minimum
from mlc.ir.operator import Attrs, Kind
from mlc.ir.operators.definition import choice, define, flag, require_class, static
from mlc.ir.operators.interpolation import MODES, array_weights
from mlc.ir.operators.resize import tap_weights
from mlc.ir.stmt import Alloc, Buffer, If, Stmt, Store, seq
from mlc.ir.types import TensorType

PADDINGS = ("zeros", "border", "reflection")

_TAPS = {"nearest": 1, "linear": 2, "cubic": 4}

_CUBIC = -0.75
"""The coefficient of the cubic kernel."""

_OUTSIDE = -1
"""The place of a tap that reads a zero."""


@dataclass(frozen=True)
class _Rule:
    """How coordinates along an axis of `size` elements become taps."""

    mode: str
    padding: str
    align_corners: bool
    size: int

    @property
    def taps(self) -> int:
        """Taps of a position."""
        return _TAPS[self.mode]

    @property
    def first(self) -> int:
        """The first tap, counted from the element at or below the coordinate."""
        return 1 - (self.taps + 1) // 2

    @property
    def edges(self) -> tuple[float, float]:
        """Where the image starts and ends."""
        return (0, self.size - 1) if self.align_corners else (-0.5, self.size - 0.5)

    @property
    def period(self) -> int:
        """After how many elements an image that is reflected at both ends repeats."""
        return 2 * max(self.size - 1, 1) if self.align_corners else 2 * self.size


def _rules(shape: Sequence[int], attrs: Attrs) -> list[_Rule]:
    mode, padding = choice(attrs, "mode", MODES), choice(attrs, "padding", PADDINGS)
    return [_Rule(mode, padding, flag(attrs, "align_corners"), size) for size in shape[2:]]


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    data, places = inputs
    shape, grid = static(data, places)
    rules = _rules(shape, attrs)
    require_class(places.dtype, "float")
    if rules and rules[0].mode != "nearest":
        require_class(data.dtype, "float")
    if not rules or not grid or grid[0] != shape[0] or grid[-1] != len(rules):
        raise ShapeError(f"places {places} do not fit {data}")
    if 0 in shape[2:] and 0 not in grid:
        raise ShapeError(f"{data} has no elements to sample")
    return (TensorType((*shape[:2], *grid[1:-1]), data.dtype),)


# Reference


def _reflected_array(rule: _Rule, x: np.ndarray) -> np.ndarray:
    low, high = rule.edges
    if high == low:
        return np.zeros_like(x)
    there = np.mod(x - low, 2 * (high - low))
    return np.asarray(low + np.minimum(there, 2 * (high - low) - there))


def _array_taps(rule: _Rule, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places and weights of the taps of coordinates: arrays `[taps, …]`."""
    x = np.rint(x) if rule.mode == "nearest" else x
    low, high = rule.edges
    outside = (x < low) | (x > high)
    if rule.padding == "border":
        x = np.where(outside, np.clip(x, 0, rule.size - 1), x)
    elif rule.padding == "reflection":
        x = np.where(outside, _reflected_array(rule, x), x)
    x = np.where(x > -3, x, -3)
    x = np.where(x < rule.size + 2, x, rule.size + 2)
    floor = np.floor(x)
    steps = np.arange(rule.first, rule.first + rule.taps).reshape(-1, *[1] * x.ndim)
    places = floor.astype(np.int64) + steps
    weights = np.ones(places.shape)
    if rule.mode != "nearest":
        weights = array_weights(rule.mode, _CUBIC, x - floor)
    if rule.padding == "zeros":
        return np.where((places >= 0) & (places < rule.size), places, _OUTSIDE), weights
    if rule.padding == "reflection":
        places = _reflected_places(rule, places)
    return np.clip(places, 0, rule.size - 1), weights


def _reflected_places(rule: _Rule, places: np.ndarray) -> np.ndarray:
    there = np.mod(places, rule.period)
    return np.asarray(np.minimum(there, rule.period - there - (not rule.align_corners)))


def _reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    data, grid = inputs[0], inputs[1].astype(np.float64)
    rules = _rules(data.shape, attrs)
    tables = [_array_taps(rule, grid[..., axis]) for axis, rule in enumerate(rules)]
    exact = rules[0].mode == "nearest"
    result = np.zeros((*data.shape[:2], *grid.shape[1:-1]), data.dtype if exact else np.float64)
    rows = np.arange(data.shape[0]).reshape(-1, *[1] * (grid.ndim - 2))
    for taps in np.ndindex(*(rule.taps for rule in rules)):
        places = [place[tap] for (place, _), tap in zip(tables, taps, strict=True)]
        weights = [weight[tap] for (_, weight), tap in zip(tables, taps, strict=True)]
        index = (rows, slice(None), *places)
        read = np.moveaxis(data[index], -1, 1)
        weight = np.prod(weights, axis=0)[:, None]
        inside = np.all([place >= 0 for place in places], axis=0)[:, None]
        part = read if exact else read * weight
        result = result + np.where(inside, part, 0).astype(result.dtype)
    return (result.astype(data.dtype),)


# Loops


def _reflected(rule: _Rule, x: Expr) -> Expr:
    low, high = rule.edges
    if high == low:
        return number(0, x.dtype)
    start, turn = number(low, x.dtype), number(2 * (high - low), x.dtype)
    rest = Binary("rem", Binary("sub", x, start), turn)
    there = Select(Binary("lt", rest, number(0, x.dtype)), Binary("add", rest, turn), rest)
    return Binary("add", start, Binary("min", there, Binary("sub", turn, there)))


def _coordinate(rule: _Rule, x: Expr) -> Expr:
    """The coordinate brought near the image; one that is not a number lies before it."""
    x = Unary("round", x) if rule.mode == "nearest" else x
    low, high = (number(edge, x.dtype) for edge in rule.edges)
    outside = Binary("or", Binary("lt", x, low), Binary("gt", x, high))
    if rule.padding == "border":
        last = number(rule.size - 1, x.dtype)
        x = Select(outside, Binary("min", Binary("max", x, number(0, x.dtype)), last), x)
    elif rule.padding == "reflection":
        x = Select(outside, _reflected(rule, x), x)
    least, most = number(-3, x.dtype), number(rule.size + 2, x.dtype)
    x = Select(Binary("gt", x, least), x, least)
    return Select(Binary("lt", x, most), x, most)


def _place(rule: _Rule, place: Expr) -> Expr:
    """The element that a tap reads, or `_OUTSIDE`."""
    if rule.padding == "zeros":
        inside = Binary("and", compare("ge", place, 0), compare("lt", place, rule.size))
        return Select(inside, place, Const(_OUTSIDE))
    if rule.padding == "reflection":
        there = place % rule.period
        place = minimum(there, (rule.period - (not rule.align_corners)) - there)
    return minimum(maximum(place, as_expr(0)), Const(rule.size - 1))


@dataclass(frozen=True)
class _Table:
    """Places and weights of the taps along one axis, `[N, *positions, taps]`."""

    rule: _Rule
    places: Buffer
    weights: Buffer

    @staticmethod
    def of(name: str, rule: _Rule, positions: Sequence[int], dtype: DType) -> _Table:
        shape = (*positions, rule.taps)
        places = Buffer.dense(f"{name}places", shape, I64, "arena")
        return _Table(rule, places, Buffer.dense(f"{name}weights", shape, dtype, "arena"))

    def fill(self, i: Index, x: Expr) -> Stmt:
        """Store the taps of a position with coordinate `x`."""
        x = _coordinate(self.rule, x)
        low = Unary("floor", x)
        first = Cast(low, I64) + self.rule.first
        weights: list[Expr] = [number(1, x.dtype)]
        if self.rule.mode != "nearest":
            weights = tap_weights(self.rule.mode, _CUBIC, Binary("sub", x, low))
        stores: list[Stmt] = []
        for tap, weight in enumerate(weights):
            index = (*i, Const(tap))
            stores.append(Store(self.places, index, _place(self.rule, first + tap)))
            stores.append(Store(self.weights, index, weight))
        return seq(stores)


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    (data, grid), (out,) = inputs, outputs
    rules, positions = _rules(data.shape, attrs), grid.shape[:-1]
    dtype = F64 if F64 in (data.dtype, grid.dtype) else F32
    tables = [
        _Table.of(f"{prefix}axis{axis}_", rule, positions, dtype) for axis, rule in enumerate(rules)
    ]

    def prepare(i: Index) -> Stmt:
        coordinates = [Load(grid, (*i, Const(axis))) for axis in range(len(rules))]
        wide = [x if x.dtype is dtype else Cast(x, dtype) for x in coordinates]
        return seq(table.fill(i, x) for table, x in zip(tables, wide, strict=True))

    def update(i: Index, r: Index) -> Stmt:
        at = [(i[0], *i[2:], tap) for tap in r]
        places = [Load(table.places, index) for table, index in zip(tables, at, strict=True)]
        value: Expr = Load(data, (*i[:2], *places))
        if rules[0].mode != "nearest":
            weight: Expr = Load(tables[0].weights, at[0])
            for table, index in zip(tables[1:], at[1:], strict=True):
                weight = Binary("mul", weight, Load(table.weights, index))
            weight = weight if dtype is out.dtype else Cast(weight, out.dtype)
            value = Binary("mul", value, weight)
        update = accumulate("add", out, i, value)
        inside = all_of(compare("ge", place, 0) for place in places)
        return update if rules[0].padding != "zeros" or inside is None else If(inside, update)

    body = seq(
        (
            nest(f"{prefix}t", positions, prepare),
            fill(f"{prefix}z", out, number(0, out.dtype)),
            reduction_nest(prefix, out.shape, [rule.taps for rule in rules], update),
        )
    )
    for table in tables:
        body = Alloc(table.places, Alloc(table.weights, body))
    return body


SAMPLE = define(
    "sample",
    Kind.OPAQUE,
    2,
    _infer,
    _reference,
    _loops,
    mode="linear",
    padding="zeros",
    align_corners=False,
)

OPERATORS = (SAMPLE,)
