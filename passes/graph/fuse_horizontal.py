"""fuse-horizontal: contractions of one input by constant weights become one, and slices of it.

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(FuseHorizontal(), '''
    ... graph g(%x: f32[8,2]) -> (%z) {
    ...   const %wq: f32[2,2] = [1, 2, 3, 4]
    ...   const %wk: f32[2,2] = [5, 6, 7, 8]
    ...   %q: f32[8,2] = matmul(%x, %wq)
    ...   %k: f32[8,2] = matmul(%x, %wk)
    ...   %z: f32[8,8] = matmul(%q, %k) {transpose_b = true}
    ... }'''))
    graph g(%x: f32[8,2]) -> (%z) {
      const %q.joined.weights: f32[2,4] = [1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0]
      %q.joined: f32[8,4] = matmul(%x, %q.joined.weights)
          {transpose_a = false, transpose_b = false}
      %q: f32[8,2] = slice(%q.joined) {starts = (0, 0), sizes = (8, 2), steps = (1, 1)}
      %k: f32[8,2] = slice(%q.joined) {starts = (0, 2), sizes = (8, 2), steps = (1, 1)}
      %z: f32[8,8] = matmul(%q, %k) {transpose_b = true}
    }

The slices are views. What may be joined is in `fusion/siblings.py`, what pays in
`fusion/siblings_pay.py`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

import numpy as np

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.graph_edit import GraphEdit, join_locs
from mlc.passes.base import Pass
from mlc.passes.context import Context
from mlc.passes.graph.fusion.siblings import (
    Sibling,
    channel_axis,
    common_steps,
    follow,
    sibling_key,
    weight_axis,
)
from mlc.passes.graph.fusion.siblings_pay import joining_pays


@dataclass(frozen=True)
class FuseHorizontal(Pass):
    """See the top of this file. `max_siblings`: the most that become one."""

    name: ClassVar[str] = "fuse-horizontal"
    max_siblings: int = 8

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph and of the weights that are joined."""
        plans = self.plan(graph, context)
        if not plans:
            return graph
        edit = GraphEdit(graph)
        joined: set[Node] = set()
        for node in graph.nodes:
            plan = plans.get(node)
            if plan is not None:
                _join(edit, *plan)
                siblings, steps = plan
                for sibling in siblings:
                    joined.update((sibling.anchor, *sibling.steps[:steps]))
            elif node not in joined:
                edit.keep(node)
        return edit.finish()

    def plan(self, graph: Graph, context: Context) -> dict[Node, tuple[list[Sibling], int]]:
        """Siblings to join and their common steps, by the first of their contractions."""
        families: dict[Hashable, list[Node]] = {}
        for node in graph.nodes:
            key = sibling_key(graph, node)
            if key is not None:
                families.setdefault(key, []).append(node)
        users = graph.users()
        plans: dict[Node, tuple[list[Sibling], int]] = {}
        for nodes in families.values():
            if len(nodes) == 1:
                continue
            siblings = [follow(graph, users, node) for node in nodes[: self.max_siblings]]
            steps = common_steps(siblings)
            refusal = joining_pays(graph, users, siblings, steps)
            subject = " + ".join(sibling.anchor.output.name for sibling in siblings)
            if refusal is None:
                plans[nodes[0]] = (siblings, steps)
                reason = "{} of {} read their input once"
                read = nodes[0].inputs[0].name
                context.decide(self.name, subject, "fused", reason, nodes[0].op, read)
            else:
                context.decide(self.name, subject, "refused", refusal.reason, *refusal.arguments)
        return plans


def _join(edit: GraphEdit, siblings: Sequence[Sibling], steps: int) -> None:
    """Emit the one contraction, the common steps and the slices."""
    first = siblings[0].anchor
    loc = join_locs(sibling.anchor.loc for sibling in siblings)
    name = f"{first.output.name}.joined"
    axis, rank = channel_axis(first), first.output.type.rank
    weights = [edit.constants[edit.current(sibling.anchor.inputs[1])] for sibling in siblings]
    joined = np.concatenate(weights, axis=weight_axis(first))
    weight = edit.constant(joined, f"{name}.weights", loc)
    value = edit.emit(first.op, (first.inputs[0], weight), first.attrs, name=name, loc=loc)
    for number in range(steps):
        nodes = [sibling.steps[number] for sibling in siblings]
        step_loc = join_locs(node.loc for node in nodes)
        operands = [value]
        if nodes[0].op == "add":
            operands.append(_joined_bias(edit, siblings, rank - 1 - axis, f"{name}.bias"))
        value = edit.emit(nodes[0].op, operands, nodes[0].attrs, name=name, loc=step_loc)
    sizes = [sibling.channels for sibling in siblings]
    for sibling, end, size in zip(siblings, accumulate(sizes), sizes, strict=True):
        part = sibling.after(steps)
        edit.replace(part, _slice(edit, value, part, axis, end - size))


def _joined_bias(edit: GraphEdit, siblings: Sequence[Sibling], trailing: int, name: str) -> Value:
    """The biases of all siblings, with `trailing` axes after that of the channels."""
    vectors = [sibling.bias for sibling in siblings if sibling.bias is not None]
    return edit.constant(np.concatenate(vectors).reshape(-1, *(1,) * trailing), name)


def _slice(edit: GraphEdit, value: Value, part: Value, axis: int, start: int) -> Value:
    rank = value.type.rank
    starts = tuple(start if i == axis else 0 for i in range(rank))
    attrs = {"starts": starts, "sizes": part.type.static_shape, "steps": (1,) * rank}
    return edit.emit("slice", [value], attrs, name=part.name, loc=part.loc)
