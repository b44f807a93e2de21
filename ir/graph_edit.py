"""Making and changing graphs: a builder that infers types, and an editor that rebuilds a graph.

Graphs are immutable, so a pass walks the nodes of the old graph in order and writes a new list:

    edit = GraphEdit(graph)
    for node in graph.nodes:
        new = rewrite(edit, node)
        if new is None:
            edit.keep(node)
        else:
            edit.replace(node.output, new)
    return edit.finish()

What holds after `finish`: nodes are in topological order, every node is needed by an output, every
constant is used, the graph's outputs have the names they had; the same graph object when nothing
changed. All of it is linear in the size of the graph, and no constant array is copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from mlc.errors import VerifyError
from mlc.ir.dtype import F32, DType, dtype_of
from mlc.ir.graph import Attr, Graph, Loc, Node, Value
from mlc.ir.layout import Layout
from mlc.ir.operator import REQUIRED
from mlc.ir.operators import OPERATORS
from mlc.ir.types import Dim, TensorType


def complete_attrs(op: str, given: Mapping[str, Attr]) -> dict[str, Attr]:
    """All attributes of `op` in the table's order: the given ones, defaults for the rest.

    Raises `VerifyError` where one is unknown, or required and not given.
    """
    known = OPERATORS[op].attributes
    unknown = [name for name in given if name not in known]
    missing = [name for name, default in known.items() if default is REQUIRED and name not in given]
    if unknown or missing:
        what = f"unknown attribute '{unknown[0]}'" if unknown else f"no attribute '{missing[0]}'"
        raise VerifyError(f"{op}: {what}")
    return {name: given.get(name, default) for name, default in known.items()}


def attr_of(node: Node, name: str) -> Attr:
    """An attribute of a node, or its default where the node leaves it out."""
    found = node.attrs.get(name)
    if found is None:
        found = OPERATORS[node.op].attributes[name]
    return cast("Attr", found)


def join_locs(locs: Iterable[Loc]) -> Loc:
    """The nodes of the model that several things came from, each named once."""
    return tuple(dict.fromkeys(name for loc in locs for name in loc))


def live_nodes(nodes: Sequence[Node], outputs: Iterable[Value]) -> tuple[Node, ...]:
    """The nodes that `outputs` need, in order."""
    needed = set(outputs)
    kept: list[Node] = []
    for node in reversed(nodes):
        if not needed.isdisjoint(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def remove_dead_code(graph: Graph) -> Graph:
    """The graph without nodes and constants that no output needs, or the same object."""
    nodes = live_nodes(graph.nodes, graph.outputs)
    used = {value for node in nodes for value in node.inputs}.union(graph.outputs)
    constants = {value: array for value, array in graph.constants.items() if value in used}
    if len(nodes) == len(graph.nodes) and len(constants) == len(graph.constants):
        return graph
    return replace(graph, nodes=nodes, constants=constants)


def sort_topologically(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes with every producer before its users; otherwise the given order is kept.

    Raises `VerifyError` where nodes depend on each other in a circle.
    """
    producers = {value: node for node in nodes for value in node.outputs}
    done: set[Node] = set()
    entered: set[Node] = set()
    order: list[Node] = []
    stack: list[Node] = list(reversed(nodes))
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        waiting = [
            producers[value]
            for value in node.inputs
            if value in producers and producers[value] not in done
        ]
        if not waiting:
            order.append(node)
            done.add(node)
            stack.pop()
            continue
        if node in entered:
            raise VerifyError(f"{node.op}: the node depends on itself", node=node.outputs[0].name)
        entered.add(node)
        stack.extend(reversed(waiting))
    return tuple(order)


class GraphBuilder:
    """Makes a graph node by node; types of outputs are inferred, names are made unique.

    >>> builder = GraphBuilder("example")
    >>> x = builder.input("x", (2, 3))
    >>> y = builder.emit("relu", [x], name="y")
    >>> str(builder.build([y]).outputs[0].type)
    'f32[2,3]'
    """

    def __init__(self, name: str = "graph") -> None:
        self.name = name
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []
        self.constants: dict[Value, np.ndarray] = {}
        self.producers: dict[Value, Node] = {}
        self._names: set[str] = set()
        self._next: dict[str, int] = {}

    def fresh_name(self, hint: str) -> str:
        """`hint`, or `hint.1`, `hint.2`, … where it is taken."""
        name = hint
        while name in self._names:
            number = self._next.get(hint, 0) + 1
            self._next[hint] = number
            name = f"{hint}.{number}"
        self._names.add(name)
        return name

    def input(self, name: str, shape: Sequence[Dim], dtype: DType = F32) -> Value:
        """A new input of the graph."""
        value = Value(self.fresh_name(name), TensorType(tuple(shape), dtype), (name,))
        self.inputs.append(value)
        return value

    def constant(self, array: np.ndarray, name: str = "constant", loc: Loc = ()) -> Value:
        """A new constant; the array is not copied."""
        value_type = TensorType(tuple(array.shape), dtype_of(array.dtype))
        value = Value(self.fresh_name(name), value_type, loc)
        self.constants[value] = array
        return value

    def emit_all(
        self,
        op: str,
        inputs: Sequence[Value],
        attrs: Mapping[str, Attr] | None = None,
        *,
        name: str | None = None,
        loc: Loc = (),
        layout: Layout | None = None,
    ) -> tuple[Value, ...]:
        """Append a node and return its outputs; raises what the operator's inference raises."""
        complete = complete_attrs(op, attrs or {})
        types = OPERATORS[op].infer([value.type for value in inputs], complete)
        outputs = tuple(
            Value(self.fresh_name(name or op), value_type.with_layout(layout), loc)
            for value_type in types
        )
        self.append(Node(op, tuple(inputs), outputs, complete, loc))
        return outputs

    def emit(
        self,
        op: str,
        inputs: Sequence[Value],
        attrs: Mapping[str, Attr] | None = None,
        *,
        name: str | None = None,
        loc: Loc = (),
        layout: Layout | None = None,
    ) -> Value:
        """`emit_all` for an operator with one output."""
        (output,) = self.emit_all(op, inputs, attrs, name=name, loc=loc, layout=layout)
        return output

    def append(self, node: Node) -> None:
        """Append a node that is already made."""
        self.nodes.append(node)
        self.producers.update(dict.fromkeys(node.outputs, node))

    def build(self, outputs: Sequence[Value]) -> Graph:
        """The graph made so far, with these outputs."""
        inputs, nodes = tuple(self.inputs), tuple(self.nodes)
        return Graph(self.name, inputs, tuple(outputs), nodes, dict(self.constants))


class GraphEdit(GraphBuilder):
    """A new graph written while walking the old one; see the top of this file.

    Inputs given to `emit` may be values of the old graph: they are looked up among the replaced
    ones. `producers` and `constants` are those of the new graph so far.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph.name)
        self.graph = graph
        self.changed = False
        self.inputs = list(graph.inputs)
        self.constants = dict(graph.constants)
        self._names = {value.name for value in (*graph.inputs, *graph.constants)}
        self._names.update(value.name for node in graph.nodes for value in node.outputs)
        self._replaced: dict[Value, Value] = {}
        self._unused: set[Value] = set()
        self._outputs = set(graph.outputs)
        self._users: dict[Value, list[Node]] | None = None

    def current(self, value: Value) -> Value:
        """What stands for `value` of the old graph in the new one."""
        return self._replaced.get(value, value)

    def producer(self, value: Value) -> Node | None:
        """The new graph's node that writes `value`, if any."""
        return self.producers.get(self.current(value))

    def users(self, old: Value) -> list[Node]:
        """The nodes of the old graph that read a value of it."""
        if self._users is None:
            self._users = self.graph.users()
        return self._users.get(old, [])

    def array(self, value: Value) -> np.ndarray | None:
        """The contents of a constant, None for any other value."""
        return self.constants.get(self.current(value))

    def append(self, node: Node) -> None:
        """Append a node that is already made, over what stands for its inputs now."""
        inputs = tuple([self._replaced.get(value, value) for value in node.inputs])
        if inputs != node.inputs:
            node = replace(node, inputs=inputs)
        self.changed = True
        self._unused.difference_update(inputs)
        self._unused.update(node.outputs)
        super().append(node)

    def keep(self, node: Node) -> None:
        """Append a node of the old graph."""
        changed = self.changed
        self.append(node)
        self._unused.clear()
        self.changed = changed or self.nodes[-1] is not node

    def replace(self, old: Value, new: Value) -> None:
        """Let every later use of `old` be `new`.

        If the node appended last made `new`, it writes `old` itself from now on: names survive.
        """
        new, self.changed = self.current(new), True
        if new in self._unused and self.nodes[-1].outputs == (new,) and new.type == old.type:
            last = self.nodes.pop()
            del self.producers[new]
            super().append(replace(last, outputs=(old,)))
        else:
            self._replaced[old] = new
        self._unused.clear()

    def redirect(self, old: Value, new: Value) -> None:
        """Let every later use of `old` be `new`, while `old` itself stays; not for outputs."""
        self._replaced[old] = self.current(new)
        self._unused.clear()
        self.changed = True

    def can_replace(self, old: Value, new: Value) -> bool:
        """Whether `replace` makes progress: an output of the graph must stay a value of its own."""
        new = self.current(new)
        return old not in self._outputs or (new in self.producers and new not in self._outputs)

    def finish(self) -> Graph:
        """The new graph without dead code, or the old one when nothing changed."""
        if not self.changed:
            return self.graph
        renamed: dict[Value, Value] = {}
        outputs: list[Value] = []
        for old in self.graph.outputs:
            new = self.current(old)
            if new is not old and renamed.get(new) is not old:
                if new in renamed or not self.can_replace(old, new) or new.type != old.type:
                    self.nodes.append(Node("identity", (new,), (old,), {}, old.loc))
                else:
                    renamed[new] = old
            outputs.append(old)
        nodes = [_renamed(node, renamed) for node in self.nodes] if renamed else self.nodes
        graph = Graph(self.name, self.graph.inputs, tuple(outputs), tuple(nodes), self.constants)
        return remove_dead_code(graph)


def _renamed(node: Node, names: Mapping[Value, Value]) -> Node:
    if names.keys().isdisjoint(node.inputs) and names.keys().isdisjoint(node.outputs):
        return node
    inputs = tuple([names.get(value, value) for value in node.inputs])
    outputs = tuple([names.get(value, value) for value in node.outputs])
    return replace(node, inputs=inputs, outputs=outputs)
