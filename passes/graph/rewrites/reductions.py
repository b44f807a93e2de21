"""Rewrites of reductions and pooling."""

from __future__ import annotations

from mlc.ir.graph import Attr, Node, Value
from mlc.ir.graph_edit import GraphEdit
from mlc.passes.graph.rewrites.rule import Rule, ints, only_input


def reduce_nothing(edit: GraphEdit, node: Node) -> Value | None:
    """A reduction over axes of one element changes the shape at most."""
    source = only_input(node).type
    if not source.is_static or any(source.shape[axis] != 1 for axis in ints(node, "axes")):
        return None
    attrs = {"shape": node.output.type.static_shape}
    return edit.emit("reshape", node.inputs, attrs, loc=node.loc)


def global_pool_to_mean(edit: GraphEdit, node: Node) -> Value | None:
    """An average pool over everything at once is a mean over the spatial axes."""
    source = only_input(node).type
    if any(ints(node, "before")) or any(ints(node, "after")):
        return None
    if ints(node, "kernel") != source.shape[2:] or any(d != 1 for d in ints(node, "dilations")):
        return None
    attrs: dict[str, Attr] = {"axes": tuple(range(2, source.rank)), "keepdims": True}
    return edit.emit("reduce_mean", node.inputs, attrs, loc=node.loc)


_REDUCTIONS = ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod")

RULES: dict[str, tuple[Rule, ...]] = {
    **dict.fromkeys(_REDUCTIONS, (reduce_nothing,)),
    "avg_pool": (global_pool_to_mean,),
}
