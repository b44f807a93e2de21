"""What a local rewrite is, and the questions that rewrites ask about values."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from mlc.ir.graph import Node, Value
from mlc.ir.graph_edit import GraphEdit, attr_of

Rule = Callable[[GraphEdit, Node], "Value | None"]
"""Gives the value that stands for the node's only output, or None where nothing applies.

The value is an input, or made by `edit.emit`; it has the type of the output.
"""


def ints(node: Node, name: str) -> tuple[int, ...]:
    """An attribute that is a tuple of integers."""
    return cast("tuple[int, ...]", attr_of(node, name))


def source_of(edit: GraphEdit, value: Value, op: str) -> Node | None:
    """The node that makes `value`, if its operator is `op`."""
    node = edit.producer(value)
    return node if node is not None and node.op == op else None


def uniform(edit: GraphEdit, value: Value) -> float | int | bool | None:
    """The number that every element of a constant equals, or None.

    Only short constants are looked at: long ones are weights.
    """
    array = edit.array(value)
    if array is None or not 0 < array.size <= 4096:
        return None
    first = array.reshape(-1)[0]
    if not (array == first).all():
        return None
    return cast("float | int | bool", first.item())


def only_input(node: Node) -> Value:
    """The input of a node with one input."""
    (value,) = node.inputs
    return value


def same_type(edit: GraphEdit, node: Node) -> Value | None:
    """An identity, or a movement that moves nothing because the type says it all."""
    source = edit.current(node.inputs[0])
    return source if source.type == node.output.type else None
