"""A group of nodes on its way to becoming one kernel.

An invariant holds whenever a group is offered to the outside: exactly one of its values is read by
others. Every member leads to that value, so a path from the group out and back in would be a circle
in the graph: groups can be merged into nodes one by one without a check for cycles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason, such as why a node does not join a group: a template and its arguments."""

    reason: str
    arguments: tuple[object, ...] = ()

    def __str__(self) -> str:
        return self.reason.format(*self.arguments)


class Surroundings:
    """What fusion looks up about a graph, computed once."""

    def __init__(self, graph: Graph) -> None:
        self.producers = graph.producers()
        self.users: Mapping[Value, Sequence[Node]] = graph.users()
        self.outputs = frozenset(graph.outputs)
        self.constants = graph.constants
        self.position = {node: number for number, node in enumerate(graph.nodes)}
        self.group_of: dict[Node, Group] = {}


class Group:
    """An anchor and the nodes that joined it; `open` counts the outside uses of its values."""

    def __init__(self, anchor: Node, around: Surroundings) -> None:
        self.anchor = anchor
        self.around = around
        self.members: dict[Node, None] = {}
        self.open: dict[Value, int] = {}
        self.sealed = False
        self.add(anchor)

    @property
    def kind(self) -> Kind:
        """The kind of the anchor."""
        return OPERATORS[self.anchor.op].kind

    @property
    def is_closed(self) -> bool:
        """Whether exactly one value is read by others."""
        return len(self.open) == 1

    @property
    def output(self) -> Value:
        """The value that others read; only while the group is closed."""
        (value,) = self.open
        return value

    def add(self, node: Node) -> None:
        """Let a node join whose inputs or whose users are in the group."""
        self.members[node] = None
        for value in node.outputs:
            users = self.around.users.get(value, ())
            uses = sum(user not in self.members for user in users) + (value in self.around.outputs)
            if uses:
                self.open[value] = uses
        for value in dict.fromkeys(node.inputs):
            if value in self.open:
                self.open[value] -= 1
                if not self.open[value]:
                    del self.open[value]

    def next_user(self) -> Node | None:
        """The first node outside, in the graph's order, that reads a value of the group."""
        readers = [
            user
            for value in self.open
            for user in self.around.users.get(value, ())
            if user not in self.members
        ]
        return min(readers, key=self.around.position.__getitem__, default=None)

    def reader_of(self, node: Node) -> Node:
        """The member whose output `node` reads, the last one if there are several."""
        made = [self.around.producers.get(value) for value in node.inputs]
        members = [member for member in made if member is not None and member in self.members]
        return max(members, key=self.around.position.__getitem__)

    def restore(self, members: Sequence[Node]) -> None:
        """Go back to an earlier set of members."""
        self.members, self.open = {}, {}
        for node in members:
            self.add(node)

    def ordered(self) -> list[Node]:
        """The members in the graph's order."""
        return sorted(self.members, key=self.around.position.__getitem__)
