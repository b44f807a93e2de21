"""resize: nearest, linear or cubic interpolation along any axes, as ONNX defines it.

The loops first fill small tables with the places and weights of the taps of each resized axis
(nests `{prefix}table{axis}_i0`), then compute the output in one nest `{prefix}i…`. Where places are
`i*step + start` or `i // count`, as in the usual enlargements by whole numbers, there is no table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlc.ir.build import Index, compare, nest, number
from mlc.ir.dtype import F64, I64, DType
from mlc.ir.expr import Binary, Cast, Const, Expr, Load, Select, Unary, as_expr, maximum, minimum
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import choice, define, integers, require_class, static
from mlc.ir.operators.interpolation import MODES, Axis, resized_axes
from mlc.ir.stmt import Alloc, Buffer, Stmt, Store, seq
from mlc.ir.types import TensorType

Tap = tuple[Expr, Expr | None]
"""Place and weight of one tap; None is the weight one."""


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    (shape,) = static(inputs[0])
    if choice(attrs, "mode", MODES) != "nearest":
        require_class(inputs[0].dtype, "float")
    resized_axes(shape, attrs)
    return (TensorType(integers(attrs, "sizes"), inputs[0].dtype),)


def _reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    (data,) = inputs
    result = data if choice(attrs, "mode", MODES) == "nearest" else data.astype(np.float64)
    for number_of_axis, axis in resized_axes(data.shape, attrs).items():
        if axis.new == 0:
            result = np.take(result, [], number_of_axis)
            continue
        places, weights = axis.clamped_places(), axis.weights()
        if axis.mode == "nearest":
            result = np.take(result, places[0], number_of_axis)
            continue
        column = (-1, *[1] * (data.ndim - 1 - number_of_axis))
        parts = [
            np.take(result, place, number_of_axis) * weight.reshape(column)
            for place, weight in zip(places, weights, strict=True)
        ]
        result = np.asarray(sum(parts))
    return (result.astype(data.dtype),)


# Tables: the formulas of `Axis` as expressions of the loop IR.

_ROUND: dict[str, Callable[[Expr], Expr]] = {
    "round_prefer_floor": lambda x: Unary("ceil", Binary("sub", x, number(0.5, F64))),
    "round_prefer_ceil": lambda x: Unary("floor", Binary("add", x, number(0.5, F64))),
    "floor": lambda x: Unary("floor", x),
    "ceil": lambda x: Unary("ceil", x),
}


def _polynomial(x: Expr, *coefficients: float) -> Expr:
    """A polynomial by Horner's rule, the highest power first."""
    result: Expr = number(coefficients[0], x.dtype)
    for coefficient in coefficients[1:]:
        result = Binary("add", Binary("mul", result, x), number(coefficient, x.dtype))
    return result


def _coordinate(axis: Axis, i: Expr) -> Expr:
    c = axis.coordinate
    scaled = _polynomial(Cast(i, F64), c.factor, c.shift)
    return Binary("sub", Binary("div", scaled, number(c.divisor, F64)), number(c.offset, F64))


def tap_weights(mode: str, a: float, t: Expr) -> list[Expr]:
    """Weights by the distance `t` of the coordinate from the tap at or below it.

    `a` is the coefficient of the cubic kernel.
    """
    one = number(1, t.dtype)
    back = Binary("sub", one, t)
    if mode == "linear":
        return [back, t]
    near = [_polynomial(s, a + 2, -(a + 3), 0, 1) for s in (t, back)]
    beyond = [Binary("add", s, one) for s in (t, back)]
    far = [_polynomial(s, a, -5 * a, 8 * a, -4 * a) for s in beyond]
    return [far[0], near[0], near[1], far[1]]


def _inside(place: Expr, axis: Axis) -> Expr:
    return minimum(maximum(place, as_expr(0)), Const(axis.old - 1))


def _sum(parts: Sequence[Expr]) -> Expr:
    total = parts[0]
    for part in parts[1:]:
        total = Binary("add", total, part)
    return total


@dataclass(frozen=True)
class _Tables:
    """Where the taps of an axis are found: `places` int64 and `weights`, both `[taps, new]`."""

    axis: Axis
    places: Buffer
    weights: Buffer

    @staticmethod
    def of(prefix: str, axis: Axis, dtype: DType) -> _Tables:
        shape = (axis.taps, axis.new)
        places = Buffer.dense(f"{prefix}places", shape, I64, "arena")
        return _Tables(axis, places, Buffer.dense(f"{prefix}weights", shape, dtype, "arena"))

    def taps(self, i: Expr) -> list[Tap]:
        """The taps of output position `i`."""
        indices = [(as_expr(tap), i) for tap in range(self.axis.taps)]
        if self.axis.mode == "nearest":
            return [(Load(self.places, index), None) for index in indices]
        return [(Load(self.places, index), Load(self.weights, index)) for index in indices]

    def fill(self, i: Index) -> Stmt:
        """Store the taps of output position `i`."""
        axis, x = self.axis, _coordinate(self.axis, i[0])
        if axis.mode == "nearest":
            nearest = Cast(_ROUND[axis.rounding](x), I64)
            return Store(self.places, (as_expr(0), *i), _inside(nearest, axis))
        low = Unary("floor", x)
        first = Cast(low, I64) - (axis.taps // 2 - 1)
        places = [first + tap for tap in range(axis.taps)]
        weights = tap_weights(axis.mode, axis.cubic, Binary("sub", x, low))
        if axis.mode == "cubic" and axis.exclude_outside:
            weights = [
                Select(compare("eq", place, _inside(place, axis)), weight, number(0, F64))
                for place, weight in zip(places, weights, strict=True)
            ]
            total = _sum(weights)
            weights = [Binary("div", weight, total) for weight in weights]
        stores: list[Stmt] = []
        for tap, (place, weight) in enumerate(zip(places, weights, strict=True)):
            index = (as_expr(tap), *i)
            stores.append(Store(self.places, index, _inside(place, axis)))
            narrow = weight if self.weights.dtype is F64 else Cast(weight, self.weights.dtype)
            stores.append(Store(self.weights, index, narrow))
        return seq(stores)


def _direct_taps(axis: Axis) -> Callable[[Expr], list[Tap]] | None:
    """The taps of a nearest axis without a table, where the places follow a simple rule."""
    if axis.mode != "nearest" or axis.new == 0:
        return None
    places, positions = axis.clamped_places()[0], np.arange(axis.new)
    count = axis.new // axis.old
    if count > 0 and np.array_equal(places, positions // count):
        return lambda i: [(i // count, None)]
    start = int(places[0])
    step = int(places[1]) - start if axis.new > 1 else 1
    if np.array_equal(places, positions * step + start):
        return lambda i: [(i * step + start, None)]
    return None


def _interpolated(data: Buffer, taps: Sequence[list[Tap]], index: Index) -> Expr:
    """The weighted sum over all combinations of the taps of the axes from `len(index)` on."""
    if len(index) == len(taps):
        return Load(data, index)
    parts = []
    for place, weight in taps[len(index)]:
        inner = _interpolated(data, taps, (*index, place))
        parts.append(inner if weight is None else Binary("mul", inner, weight))
    return _sum(parts)


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    (data,), (out,) = inputs, outputs
    rules: dict[int, Callable[[Expr], list[Tap]]] = {}
    tables: list[_Tables] = []
    nests: list[Stmt] = []
    for number_of_axis, axis in resized_axes(data.shape, attrs).items():
        direct = _direct_taps(axis)
        if direct is None:
            name = f"{prefix}table{number_of_axis}_"
            table = _Tables.of(name, axis, data.dtype)
            tables.append(table)
            nests.append(nest(f"{name}i", (axis.new,), table.fill))
            direct = table.taps
        rules[number_of_axis] = direct

    def store(i: Index) -> Stmt:
        taps: list[list[Tap]] = [
            rules[axis](part) if axis in rules else [(part, None)] for axis, part in enumerate(i)
        ]
        return Store(out, i, _interpolated(data, taps, ()))

    body = seq((*nests, nest(f"{prefix}i", out.shape, store)))
    for table in tables:
        if table.axis.mode != "nearest":
            body = Alloc(table.weights, body)
        body = Alloc(table.places, body)
    return body


RESIZE = define(
    "resize",
    Kind.INJECTIVE,
    1,
    _infer,
    _reference,
    _loops,
    sizes=REQUIRED,
    scales=REQUIRED,
    mode="nearest",
    coordinate="half_pixel",
    nearest="round_prefer_floor",
    cubic_coefficient=-0.75,
    exclude_outside=False,
)

OPERATORS = (RESIZE,)
