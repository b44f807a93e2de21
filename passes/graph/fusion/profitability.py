"""Which legal fusions pay. Nothing here decides whether a fusion is right."""

from __future__ import annotations

from mlc.ir.graph import Node, Value
from mlc.ir.operator import Kind
from mlc.passes.graph.fusion.group import Group, Refusal
from mlc.passes.graph.layouts import same_memory

_READS_EACH_ELEMENT_ONCE = frozenset(
    (
        "reduce_sum",
        "reduce_mean",
        "reduce_max",
        "reduce_min",
        "reduce_prod",
        "arg_max",
        "arg_min",
        "softmax",
        "log_softmax",
        "layer_norm",
        "rms_norm",
    )
)
"""Reductions that read an input element once, or stage the row they work on."""

_SEVERAL_NESTS = frozenset(("concat", "pad", "cumsum", "cumprod", "scatter_nd", "scatter_elements"))
"""Operators that write their output piece by piece: nothing can be computed at their store."""


def consumer_pays(group: Group, node: Node, max_ops: int) -> Refusal | None:
    """Does it pay to compute `node` where the group stores its result?"""
    if len(group.members) >= max_ops:
        return Refusal("the kernel has {} operators already", (max_ops,))
    if group.anchor.op in _SEVERAL_NESTS:
        return Refusal("{} stores its output piece by piece", (group.anchor.op,))
    if group.kind is not Kind.ELEMENTWISE and moves_memory(group.anchor.output, node.output):
        return Refusal("{} would store in another memory order", (group.anchor.op,))
    return None


def producer_pays(group: Group, node: Node, user: Node, max_ops: int) -> Refusal | None:
    """Does it pay to compute `node` where the member `user` reads it?"""
    if len(group.members) >= max_ops:
        return Refusal("the kernel has {} operators already", (max_ops,))
    if user is group.anchor and group.kind is not Kind.ELEMENTWISE:
        if group.anchor.op not in _READS_EACH_ELEMENT_ONCE:
            return Refusal("{} would compute it again for every use", (group.anchor.op,))
        if node.output is not group.anchor.inputs[0]:
            return Refusal("{} reads it again for every row", (group.anchor.op,))
        return None
    if node.output.type.shape != user.output.type.shape:
        return Refusal("broadcasting would compute it again for every element")
    return None


def moves_memory(source: Value, target: Value) -> bool:
    """Whether two values of one rank lie differently in memory (a copy that reorders axes)."""
    if source.type.rank != target.type.rank:
        return True
    return not same_memory(source.type.shape, source.type.layout, target.type.layout)
