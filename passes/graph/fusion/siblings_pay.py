"""When it pays to compute sibling contractions as one. Nothing here decides whether it is right.

The rule: joined, they read their input once instead of once each. But what was computed at the
store of a sibling (an activation, a residual connection, the padding of the next convolution) and
is not the same for all becomes a pass over memory of its own. Bytes saved must exceed bytes added.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS
from mlc.passes.graph.fusion.group import Refusal
from mlc.passes.graph.fusion.legality import is_final_pad
from mlc.passes.graph.fusion.siblings import Sibling, Users


def joining_pays(
    graph: Graph, users: Users, siblings: Sequence[Sibling], steps: int
) -> Refusal | None:
    """Why siblings had better stay apart, with their first `steps` steps in common; or None."""
    values = [sibling.after(steps) for sibling in siblings]
    for value in values:
        if value in graph.outputs:
            return Refusal("{} is an output of the model", (value.name,))
    saved = (len(siblings) - 1) * siblings[0].anchor.inputs[0].type.bytes
    added = sum(2 * value.type.bytes for value in values if _has_store_work(users, value))
    if added >= saved:
        return Refusal("it saves {} bytes and adds {}", (saved, added))
    return None


def _has_store_work(users: Users, value: Value) -> bool:
    """Whether a user of `value` would have been computed where it is stored."""
    return any(_is_store_work(node) for node in users.get(value, ()))


def _is_store_work(node: Node) -> bool:
    return OPERATORS[node.op].kind is Kind.ELEMENTWISE or is_final_pad(node)
