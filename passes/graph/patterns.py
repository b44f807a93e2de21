"""Questions that the recognisers of larger operators ask about the graph above a value."""

from __future__ import annotations

from collections.abc import Collection
from math import isclose

from mlc.ir.graph import Value
from mlc.ir.graph_edit import GraphEdit
from mlc.passes.graph.rewrites.rule import source_of, uniform

RELATIVE_TOLERANCE = 1e-4
"""Constants of a formula are matched this closely: models carry them with few digits."""


def is_number(edit: GraphEdit, value: Value, number: float) -> bool:
    """Whether a value is a constant that equals `number` everywhere."""
    found = uniform(edit, value)
    return found is not None and isclose(found, number, rel_tol=RELATIVE_TOLERANCE)


def scalar(edit: GraphEdit, value: Value) -> float | None:
    """The number that a constant is everywhere, or None."""
    found = uniform(edit, value)
    return None if found is None else float(found)


def factors(edit: GraphEdit, value: Value, limit: int = 5) -> list[Value]:
    """The factors of a product, however it is nested; at most `limit` of them.

    The value itself is the only factor where no `mul` makes it.
    """
    found = [edit.current(value)]
    position = 0
    while position < len(found) and len(found) < limit:
        node = source_of(edit, found[position], "mul")
        if node is None:
            position += 1
        else:
            found[position : position + 1] = map(edit.current, node.inputs)
    return found


def remove_number(edit: GraphEdit, values: list[Value], number: float) -> list[Value] | None:
    """The values without one constant that equals `number`; None where there is none."""
    for position, value in enumerate(values):
        if is_number(edit, value, number):
            return values[:position] + values[position + 1 :]
    return None


def remove_value(values: list[Value], value: Value) -> list[Value] | None:
    """The values without `value`; None where it is not among them."""
    if value not in values:
        return None
    position = values.index(value)
    return values[:position] + values[position + 1 :]


def plus_number(edit: GraphEdit, value: Value, number: float) -> Value | None:
    """`x`, where `value` is `x + number`."""
    node = source_of(edit, value, "add")
    if node is None:
        return None
    left, right = node.inputs
    if is_number(edit, right, number):
        return edit.current(left)
    return edit.current(right) if is_number(edit, left, number) else None


def made_by(edit: GraphEdit, value: Value, op: str) -> Value | None:
    """The first input of the node that makes `value`, if its operator is `op`."""
    node = source_of(edit, value, op)
    return edit.current(node.inputs[0]) if node is not None else None


def same(values: Collection[Value]) -> bool:
    """Whether there are values and all are one."""
    return len(set(values)) == 1
