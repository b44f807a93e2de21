"""Which layouts the users of a value would like it to have: one walk backwards over the graph.

A wish is no promise: it is followed where an operator can write in any order at no cost.
"""

from __future__ import annotations

from typing import cast

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.layout import Layout
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS
from mlc.passes.graph.layout_rules import SPATIAL
from mlc.passes.graph.layouts import before_reshape, before_transpose

Wishes = dict[Value, "Layout | None"]


def collect_wishes(graph: Graph) -> Wishes:
    """The wish for every value that somebody cares about; None means row-major.

    Channels-last goes before other wishes; else the first user in the graph's order decides.
    """
    wishes: Wishes = dict.fromkeys(graph.outputs)
    for node in reversed(graph.nodes):
        output = node.outputs[0]
        if node.op in SPATIAL:
            _ask(wishes, node.inputs[0], _channels_last(node), strong=True)
        elif node.op == "reshape":
            _ask(wishes, node.inputs[0], _before_reshape(node, wishes.get(output)))
        elif output in wishes:
            _pass_on(wishes, node, wishes[output])
    return wishes


def _pass_on(wishes: Wishes, node: Node, wanted: Layout | None) -> None:
    """Ask of a node's inputs what its output was asked for."""
    if node.op == "transpose":
        _ask(wishes, node.inputs[0], _before_transpose(node, wanted))
    elif node.op in _SAME_RANK:
        for value in node.inputs:
            _ask(wishes, value, wanted)
    elif OPERATORS[node.op].kind is Kind.ELEMENTWISE:
        for value in node.inputs:
            if value.type.shape == node.outputs[0].type.shape:
                _ask(wishes, value, wanted)


def _ask(wishes: Wishes, value: Value, wanted: Layout | None, *, strong: bool = False) -> None:
    known = wishes.get(value)
    is_channels_last = known is not None and known == Layout.channels_last(value.type.rank)
    if strong or not is_channels_last:
        wishes[value] = wanted


def _channels_last(node: Node) -> Layout | None:
    rank = node.inputs[0].type.rank
    return Layout.channels_last(rank) if 3 <= rank <= 5 else None


def _before_transpose(node: Node, wanted: Layout | None) -> Layout:
    perm = cast("tuple[int, ...]", node.attrs["perm"])
    return before_transpose(wanted or Layout.row_major(len(perm)), perm)


def _before_reshape(node: Node, wanted: Layout | None) -> Layout | None:
    return before_reshape(node.inputs[0].type, node.output.type, wanted)


_SAME_RANK = frozenset(("pad", "slice", "concat", "softmax", "log_softmax"))
