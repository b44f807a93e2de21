"""fuse-vertical: every node that computes becomes part of a `fused` node, one kernel each.

An anchor (contraction, reduction, gather, or the first of a chain of elementwise operators) takes
in the elementwise operators that follow it, as long as nobody else reads what lies between, then a
final padding; and elementwise producers where that repeats no work. Contractions choose first, then
reductions, then the rest, each in the graph's order.

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(FuseVertical(), '''
    ... graph g(%x: f32[8,16], %w: f32[16,4], %b: f32[4]) -> (%z) {
    ...   %m: f32[8,4] = matmul(%x, %w)
    ...   %y: f32[8,4] = add(%m, %b)
    ...   %z: f32[8,4] = relu(%y)
    ... }'''))
    graph g(%x: f32[8,16], %w: f32[16,4], %b: f32[4]) -> (%z) {
      %z: f32[8,4] = fused(%x, %w, %b) {
        body = graph matmul_add_relu(%x: f32[8,16], %w: f32[16,4], %b: f32[4]) -> (%z) {
          %m: f32[8,4] = matmul(%x, %w)
          %y: f32[8,4] = add(%m, %b)
          %z: f32[8,4] = relu(%y)
        },
        reason = "matmul, then add relu",
      }
    }

Holds after: only views (reshape, transpose, slice, expand) stand outside of `fused` nodes. What is
legal is in `fusion/legality.py`, what pays in `fusion/profitability.py`. The reason of every
decision goes to the context.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.graph_edit import join_locs, remove_dead_code
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS
from mlc.passes.base import Pass
from mlc.passes.context import Context
from mlc.passes.graph.fusion.group import Group, Refusal, Surroundings
from mlc.passes.graph.fusion.legality import check_consumer, check_producer, is_final_pad
from mlc.passes.graph.fusion.profitability import consumer_pays, producer_pays
from mlc.passes.graph.layout_rules import VIEWS

_TURNS = (Kind.CONTRACTION, Kind.REDUCTION, Kind.INJECTIVE, Kind.ELEMENTWISE, Kind.BROADCAST)


@dataclass(frozen=True)
class FuseVertical(Pass):
    """See the top of this file. `max_ops`: the most operators in one kernel."""

    name: ClassVar[str] = "fuse-vertical"
    max_ops: int = 24

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph (times `max_ops` at worst)."""
        around = Surroundings(graph)
        fusion = _Fusion(self.max_ops, around, context)
        for node in _anchors(graph):
            if node not in around.group_of:
                group = Group(node, around)
                fusion.grow_forward(group)
                fusion.grow_backward(group)
                around.group_of.update(dict.fromkeys(group.members, group))
        return _build(graph, around)


class _Fusion:
    """Lets groups grow, and reports each pair of nodes once."""

    def __init__(self, max_ops: int, around: Surroundings, context: Context) -> None:
        self.max_ops = max_ops
        self.around = around
        self.context = context
        self.reported: set[tuple[Node, Node]] = set()

    def grow_forward(self, group: Group) -> None:
        """Take in users as long as each can join; end with one value that others read."""
        closed = list(group.members)
        while (node := group.next_user()) is not None:
            refusal = self.refuse_consumer(group, node)
            if refusal is not None:
                self.report(group.reader_of(node), node, refusal)
                break
            group.add(node)
            group.sealed = is_final_pad(node)
            if group.is_closed:
                closed = list(group.members)
        dropped = list(group.members)[len(closed) :]
        for node in closed[1:]:
            self.report(group.reader_of(node), node, None)
        for node in dropped:
            self.report(group.reader_of(node), node, Refusal("others read what is between"))
        if dropped:
            group.restore(closed)

    def grow_backward(self, group: Group) -> None:
        """Take in producers that only this kernel reads."""
        waiting = list(group.members)
        while waiting:
            user = waiting.pop()
            for value in dict.fromkeys(user.inputs):
                node = self.around.producers.get(value)
                if node is None or node in group.members or node in self.around.group_of:
                    continue
                if node.op in VIEWS:
                    continue
                refusal = check_producer(group, node)
                refusal = refusal or producer_pays(group, node, user, self.max_ops)
                if refusal is None:
                    group.add(node)
                    waiting.append(node)
                self.report(node, user, refusal)

    def refuse_consumer(self, group: Group, node: Node) -> Refusal | None:
        """Why `node` cannot follow the group in its kernel, or None."""
        for value in group.open:
            if value in self.around.outputs:
                return Refusal("{} is an output of the model", (value.name,))
        return check_consumer(group, node) or consumer_pays(group, node, self.max_ops)

    def report(self, first: Node, second: Node, refusal: Refusal | None) -> None:
        """Note that a pair was fused or refused."""
        if (first, second) in self.reported:
            return
        self.reported.add((first, second))
        subject = f"{first.op} {first.outputs[0].name} + {second.op} {second.outputs[0].name}"
        verdict, reason = "fused", Refusal("only this kernel reads what is between")
        if refusal is not None:
            verdict, reason = "refused", refusal
        name = FuseVertical.name
        self.context.decide(name, subject, verdict, reason.reason, *reason.arguments)


def _anchors(graph: Graph) -> Iterator[Node]:
    """Nodes that compute, in the order in which they choose."""
    nodes = [node for node in graph.nodes if node.op not in VIEWS and node.op != "fused"]
    turns: dict[Kind, list[Node]] = {kind: [] for kind in (*_TURNS, Kind.OPAQUE)}
    for node in nodes:
        turns[OPERATORS[node.op].kind].append(node)
    for turn in turns.values():
        yield from turn


def _build(graph: Graph, around: Surroundings) -> Graph:
    """The graph over fused nodes; each stands where its last member stood."""
    last = {group: group.ordered()[-1] for group in dict.fromkeys(around.group_of.values())}
    if not last:
        return graph
    nodes = []
    for node in graph.nodes:
        group = around.group_of.get(node)
        if group is None:
            nodes.append(node)
        elif last[group] is node:
            nodes.append(_fused(group))
    return remove_dead_code(replace(graph, nodes=tuple(nodes)))


def _fused(group: Group) -> Node:
    members = group.ordered()
    outputs = tuple(group.open)
    made = {value for node in members for value in node.outputs}
    read = [v for v in dict.fromkeys(v for node in members for v in node.inputs) if v not in made]
    constants = group.around.constants
    scalars = {value: constants[value] for value in read if _is_scalar(value, group)}
    inputs = tuple([value for value in read if value not in scalars])
    name = "_".join(node.op for node in members[:6])
    body = Graph(name, inputs, outputs, tuple(members), scalars)
    loc = join_locs(node.loc for node in members)
    return Node("fused", inputs, outputs, {"body": body, "reason": _reason(group, members)}, loc)


def _is_scalar(value: Value, group: Group) -> bool:
    return value in group.around.constants and value.type.elements == 1


def _reason(group: Group, members: list[Node]) -> str:
    """Such as "conv, then add relu" or "softmax, after mul add"."""
    at = members.index(group.anchor)
    before = " ".join(node.op for node in members[:at])
    after = " ".join(node.op for node in members[at + 1 :])
    return "".join(
        (group.anchor.op, f", after {before}" if before else "", f", then {after}" if after else "")
    )
