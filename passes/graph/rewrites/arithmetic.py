"""Rewrites of elementwise arithmetic.

Sums and products keep their order; only the sign of a zero may differ (`x + 0` is `x`), and a
division by a constant becomes a product with its reciprocal, one rounding more.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mlc.ir.dtype import DType
from mlc.ir.graph import Node, Value
from mlc.ir.graph_edit import GraphEdit
from mlc.ir.types import TensorType
from mlc.passes.graph.rewrites.rule import Rule, only_input, same_type, source_of, uniform


def constant_last(edit: GraphEdit, node: Node) -> Value | None:
    """Constants stand on the right of operators that commute."""
    left, right = node.inputs
    if edit.array(left) is None or edit.array(right) is not None:
        return None
    return edit.emit(node.op, (right, left), node.attrs, loc=node.loc)


def neutral(number: float, *, both_sides: bool = False) -> Rule:
    """`x op number` is x; with `both_sides` also `number op x`."""

    def rule(edit: GraphEdit, node: Node) -> Value | None:
        left, right = node.inputs
        if uniform(edit, right) == number and _stands_for(edit, left, node):
            return left
        if both_sides and uniform(edit, left) == number and _stands_for(edit, right, node):
            return right
        return None

    return rule


def divide_to_multiply(edit: GraphEdit, node: Node) -> Value | None:
    """Division by a constant, where neither it nor its reciprocal is extreme.

    What is rounded next stays a quotient: its last bit decides about ties. So does a single number,
    which costs nothing.
    """
    x, divisor = node.inputs
    array = edit.array(divisor)
    rounded = any(user.op in _ROUNDING for user in edit.users(node.output))
    if rounded or node.output.type.rank == 0:
        return None
    if array is None or not x.type.dtype.is_float or not array.size or array.size > 65536:
        return None
    with np.errstate(all="ignore"):
        reciprocal = (1.0 / array.astype(np.float64)).astype(array.dtype)
    for values in (array, reciprocal):
        size = np.abs(values.astype(np.float64))
        if not ((size > _SMALLEST_NORMAL) & (size < 1 / _SMALLEST_NORMAL)).all():
            return None
    inverse = edit.constant(reciprocal, f"{divisor.name}.reciprocal", divisor.loc)
    return edit.emit("mul", (x, inverse), loc=node.loc)


_ROUNDING = frozenset(("round", "floor", "ceil", "cast"))

_SMALLEST_NORMAL = 2.0**-14
"""Of the narrowest float: above it no element type is subnormal."""


def power_by_constant(edit: GraphEdit, node: Node) -> Value | None:
    """Powers that are products, roots or reciprocals."""
    x, exponent = node.inputs
    number = uniform(edit, exponent)
    if number is None or not x.type.dtype.is_float or not _stands_for(edit, x, node):
        return None
    make = _POWERS.get(float(number))
    return make(edit, x, node) if make else None


def _square(edit: GraphEdit, x: Value, node: Node) -> Value:
    return edit.emit("mul", (x, x), loc=node.loc)


def _cube(edit: GraphEdit, x: Value, node: Node) -> Value:
    return edit.emit("mul", (_square(edit, x, node), x), loc=node.loc)


def _root(edit: GraphEdit, x: Value, node: Node) -> Value:
    return edit.emit("sqrt", (x,), loc=node.loc)


def _reciprocal(edit: GraphEdit, x: Value, node: Node) -> Value:
    return edit.emit("reciprocal", (x,), loc=node.loc)


def _reciprocal_root(edit: GraphEdit, x: Value, node: Node) -> Value:
    return _reciprocal(edit, _root(edit, x, node), node)


_POWERS: dict[float, Callable[[GraphEdit, Value, Node], Value]] = {
    1.0: lambda edit, x, node: x,
    2.0: _square,
    3.0: _cube,
    0.5: _root,
    -0.5: _reciprocal_root,
    -1.0: _reciprocal,
}


def own_inverse(edit: GraphEdit, node: Node) -> Value | None:
    """`neg(neg(x))` is x."""
    inner = source_of(edit, only_input(node), node.op)
    return inner.inputs[0] if inner else None


def idempotent(edit: GraphEdit, node: Node) -> Value | None:
    """`relu(relu(x))` is `relu(x)`."""
    return node.inputs[0] if source_of(edit, only_input(node), node.op) else None


def cast_of_cast(edit: GraphEdit, node: Node) -> Value | None:
    """A cast of a cast that loses nothing is one cast."""
    inner = source_of(edit, only_input(node), "cast")
    if inner is None or not _holds_all_of(inner.output.type.dtype, inner.inputs[0].type.dtype):
        return None
    if inner.inputs[0].type == node.output.type:
        return inner.inputs[0]
    return edit.emit("cast", inner.inputs, node.attrs, loc=node.loc)


def _holds_all_of(wide: DType, narrow: DType) -> bool:
    """Whether every value of `narrow` is a value of `wide`."""
    if narrow.is_storage or wide.is_storage:
        return False
    if narrow.kind == "bool":
        return wide.kind != "bool"
    if narrow.kind == wide.kind:
        return wide.bits > narrow.bits
    return narrow.is_integer and wide.is_float and wide.bits > 2 * narrow.bits


def clip_of_nothing(edit: GraphEdit, node: Node) -> Value | None:
    """A clip without bounds is its input; from zero on it is a relu."""
    low, high = node.attrs["min"], node.attrs["max"]
    assert isinstance(low, (int, float))
    assert isinstance(high, (int, float))
    if not node.output.type.dtype.is_float or high != math.inf:
        return None
    if low == -math.inf:
        return node.inputs[0]
    return edit.emit("relu", node.inputs, loc=node.loc) if low == 0 else None


def maximum_to_relu(edit: GraphEdit, node: Node) -> Value | None:
    """`max(x, 0)` is a relu."""
    x, bound = node.inputs
    is_zero = uniform(edit, bound) == 0 and x.type.dtype.is_float
    return edit.emit("relu", (x,), loc=node.loc) if is_zero and _stands_for(edit, x, node) else None


def select_known(edit: GraphEdit, node: Node) -> Value | None:
    """A selection whose condition is the same constant everywhere."""
    condition, on_true, on_false = node.inputs
    known = uniform(edit, condition)
    if known is None:
        return None
    chosen = on_true if known else on_false
    return chosen if _stands_for(edit, chosen, node) else None


def log_of_softmax(edit: GraphEdit, node: Node) -> Value | None:
    """One operator that does not underflow."""
    inner = source_of(edit, only_input(node), "softmax")
    return edit.emit("log_softmax", inner.inputs, inner.attrs, loc=node.loc) if inner else None


def without_expand(edit: GraphEdit, node: Node) -> Value | None:
    """Elementwise operators broadcast by themselves: an expanded input need not be."""
    inputs = list(node.inputs)
    for position, value in enumerate(inputs):
        inner = source_of(edit, value, "expand")
        if inner is None:
            continue
        plain = [*inputs[:position], inner.inputs[0], *inputs[position + 1 :]]
        if _broadcast(plain) == node.output.type.shape:
            inputs = plain
    if inputs == list(node.inputs):
        return None
    return edit.emit(node.op, inputs, node.attrs, loc=node.loc)


def _broadcast(values: list[Value]) -> tuple[int, ...] | None:
    if not all(value.type.is_static for value in values):
        return None
    return np.broadcast_shapes(*(value.type.static_shape for value in values))


def _stands_for(edit: GraphEdit, value: Value, node: Node) -> bool:
    """Whether `value` has the type of the node's output."""
    wanted: TensorType = node.output.type
    return edit.current(value).type == wanted


_SWAPS = (constant_last, without_expand)

RULES: dict[str, tuple[Rule, ...]] = {
    "add": (neutral(0, both_sides=True), *_SWAPS),
    "sub": (neutral(0), without_expand),
    "mul": (neutral(1, both_sides=True), *_SWAPS),
    "div": (neutral(1), without_expand, divide_to_multiply),
    "pow": (power_by_constant, without_expand),
    "max": (*_SWAPS, maximum_to_relu),
    "min": _SWAPS,
    "and": (neutral(True, both_sides=True), *_SWAPS),
    "or": (neutral(False, both_sides=True), *_SWAPS),
    "select": (select_known, without_expand),
    "cast": (same_type, cast_of_cast),
    "neg": (own_inverse,),
    "not": (own_inverse,),
    "bitwise_not": (own_inverse,),
    "relu": (idempotent,),
    "abs": (idempotent,),
    "floor": (idempotent,),
    "ceil": (idempotent,),
    "round": (idempotent,),
    "clip": (clip_of_nothing,),
    "log": (log_of_softmax,),
    **dict.fromkeys(
        ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "prelu", "mod"),
        (without_expand,),
    ),
}
