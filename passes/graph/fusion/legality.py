"""Which nodes may share a kernel without changing a result. Nothing here asks whether it pays."""

from __future__ import annotations

from mlc.ir.graph import Node
from mlc.ir.graph_edit import attr_of
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS
from mlc.passes.graph.fusion.group import Group, Refusal
from mlc.passes.graph.layout_rules import VIEWS


def check_consumer(group: Group, node: Node) -> Refusal | None:
    """May `node`, which reads values of the group, be computed by the group's kernel?"""
    if node in group.around.group_of:
        return Refusal("{} is computed by another kernel already", (node.op,))
    if group.sealed:
        return Refusal("padding ends a kernel")
    if group.kind is Kind.OPAQUE or len(group.anchor.outputs) != 1:
        return Refusal("{} is computed as a whole", (group.anchor.op,))
    if is_final_pad(node):
        return None
    if OPERATORS[node.op].kind is not Kind.ELEMENTWISE:
        return _not_elementwise(node)
    if node.output.type.shape != group.anchor.output.type.shape:
        shapes = (group.anchor.output.type, node.output.type)
        return Refusal("its output is of another shape: {} and {}", shapes)
    return None


def check_producer(group: Group, node: Node) -> Refusal | None:
    """May `node`, which the group reads and nobody computes yet, be computed on the way?"""
    if OPERATORS[node.op].kind is not Kind.ELEMENTWISE:
        return _not_elementwise(node)
    value = node.output
    if value in group.around.outputs:
        return Refusal("{} is an output of the model", (value.name,))
    users = group.around.users[value]
    if any(user not in group.members for user in users):
        return Refusal("{} is read by {} nodes, not all of this kernel", (value.name, len(users)))
    return None


def _not_elementwise(node: Node) -> Refusal:
    if node.op in VIEWS:
        return Refusal("{} is a view of memory, not a computation", (node.op,))
    if node.op == "concat":
        return Refusal("concat stands alone: what it joins is made in its memory where possible")
    return Refusal("{} ({}) has a kernel of its own", (node.op, OPERATORS[node.op].kind.value))


def is_final_pad(node: Node) -> bool:
    """Whether a node frames its input with a constant: the last step of a kernel's store."""
    return node.op == "pad" and attr_of(node, "mode") == "constant"
