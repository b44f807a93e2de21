"""Placement: values are made where a copy would put them.

A `concat`, the middle of a constant `pad` and an `identity` copy their inputs into parts of their
output. Here the memory of such an input becomes a view of that part, so that whatever computes the
input writes it there, with strides. Nodes are asked last to first: the parts of a concat that is
itself a part of another come to lie in the memory of the outermost one.

    %a = relu(%x)              a: root a                          a: in c, offset 0
    %b = tanh(%x)              b: root b                   →      b: in c, offset 4
    %c = concat(%a, %b)        c: root c, two copies              c: root c, nothing to do

What is left of the copies is found by `mlc.passes.lower.self_copy`. A part stays where it is, to be
copied, if it has no memory of its own (inputs, constants, slices), is an output of the model or is
placed already; if its strides would lie in another order than its producer chose, or a reshape
of it would no longer be a view. In the middle of a pad rows lie apart: a contraction with more
outputs than inputs would look for them more often than the pad would copy them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import cast

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.graph_edit import attr_of
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS
from mlc.passes.lower.group import body_of, group_inputs
from mlc.passes.lower.views import View, bind_views, own_view, strides_before, view_of

Start = tuple[int, ...]
"""The index in a node's output at which a copy of one of its inputs begins."""


def place_parts(graph: Graph) -> dict[Value, View]:
    """Where values lie that have no memory of their own though a kernel computes them."""
    return _Placement(graph).run()


class _Placement:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.plain = bind_views(graph)
        self.producers = graph.producers()
        self.readers: dict[Value, list[Node]] = {}
        for node in graph.nodes:
            for root in dict.fromkeys(self.plain[value].root for value in node.inputs):
                self.readers.setdefault(root, []).append(node)
        outputs = (self.plain[value].root for value in graph.outputs)
        self.fixed = {*graph.inputs, *graph.constants, *outputs}
        self.placed: dict[Value, View] = {}

    def run(self) -> dict[Value, View]:
        for node in reversed(self.graph.nodes):
            operator, parts = copied_parts(node, self.graph)
            if parts and not (operator == "concat" and self.join(node.output, parts)):
                whole = self.view(node.output)
                if operator == "pad" and not self.may_have_frame(node, *parts):
                    continue
                for value, start in parts:
                    self.place(value, whole.part(start))
        return self.placed

    def view(self, value: Value) -> View:
        """The view of a value, as far as is decided."""
        if self.plain[value].root is value:
            return self.placed.get(value) or own_view(value)
        node = self.producers[value]
        found = view_of(node, {node.inputs[0]: self.view(node.inputs[0])})
        assert found is not None
        return found

    def place(self, value: Value, target: View) -> None:
        """Let `value` be `target`, a part of the output of its reader, if that is right."""
        root, strides = value, target.strides
        while self.plain[root].root is not root:
            producer = self.producers[root]
            before = strides_before(producer, strides)
            if before is None:
                return
            root, strides = producer.inputs[0], before
        self.bind(root, View(target.root, target.offset, strides))

    def bind(self, root: Value, view: View) -> bool:
        """Place a root, unless that is wrong."""
        free = root not in self.fixed and root not in self.placed
        if not (free and keeps_order(root, view.strides) and self.stays_visible(root, view)):
            return False
        self.placed[root] = view
        return True

    def join(self, whole: Value, parts: Sequence[tuple[Value, Start]]) -> bool:
        """Let a concat be a view of memory in which its parts are neighbours already."""
        if sum(value.type.elements for value, _ in parts) < whole.type.elements:
            return False
        views = [self.view(value) for value, _ in parts]
        strides = list(views[0].strides)
        if len(parts) > 1:
            start = parts[1][1]
            axis = next((axis for axis, i in enumerate(start) if i), 0)
            strides[axis] = (views[1].offset - views[0].offset) // max(start[axis], 1)
        joined = View(views[0].root, views[0].offset, tuple(strides))
        for (value, start), view in zip(parts, views, strict=True):
            if not same_elements(value, view, joined.part(start)):
                return False
        bound = self.bind(whole, joined)
        if bound:
            self.fixed.add(joined.root)
        return bound

    def may_have_frame(self, pad: Node, part: tuple[Value, Start]) -> bool:
        """Whether it costs others less to read an input of a pad in its middle than to copy it."""
        root = self.plain[part[0]].root
        others = (
            node
            for node in self.readers[root]
            if node is not pad and self.plain[node.outputs[0]].root is not root
        )
        return not any(_multiplies(node, root, self.graph) for node in others)

    def stays_visible(self, root: Value, view: View) -> bool:
        """Whether all views of a root remain views when it is placed."""
        views = {root: view}
        for node in self.readers.get(root, ()):
            if self.plain[node.outputs[0]].root is root:
                found = view_of(node, views)
                if found is None:
                    return False
                views[node.output] = found
        return True


def keeps_order(value: Value, strides: Sequence[int]) -> bool:
    """Whether strides lie in the order of a value's layout, and what was dense still is.

    Kernels of contractions store vectors along the densest axis.
    """
    wide = [a for a in value.type.memory_layout.order if value.type.static_shape[a] > 1]
    steps = [strides[axis] for axis in wide]
    falling = all(outer > inner for outer, inner in pairwise(steps))
    return falling and (not steps or steps[-1] == 1)


def same_elements(value: Value, view: View, other: View) -> bool:
    """Whether two views of a value are of the same addresses."""
    shape = value.type.static_shape
    pairs = zip(shape, view.strides, other.strides, strict=True)
    same_strides = all(a == b for size, a, b in pairs if size > 1)
    return view.root is other.root and view.offset == other.offset and same_strides


def _multiplies(node: Node, source: Value, graph: Graph) -> bool:
    """Whether a kernel is a contraction that makes more elements than `source` has."""
    kinds = {OPERATORS[inner.op].kind for inner in body_of(node, graph).nodes}
    return Kind.CONTRACTION in kinds and node.outputs[0].type.elements > source.type.elements


def copied_parts(node: Node, graph: Graph) -> tuple[str, list[tuple[Value, Start]]]:
    """The operator of a node that copies, and what it does nothing but copy, and where to.

    Constants of one element, which the kernel knows, are left out, and empty inputs.
    """
    body = body_of(node, graph)
    inner = body.nodes[0]
    find = _STARTS.get(inner.op) if len(body.nodes) == 1 else None
    if find is None:
        return inner.op, []
    outer = dict(zip(body.inputs, group_inputs(node), strict=True))
    starts = zip(inner.inputs, find(inner), strict=False)
    return inner.op, [(outer[v], i) for v, i in starts if v in outer and v.type.elements]


def _concat_starts(node: Node) -> list[Start]:
    axis = cast(int, attr_of(node, "axis"))
    sizes = [value.type.static_shape[axis] for value in node.inputs]
    rank = node.output.type.rank
    return [
        tuple(end - size if i == axis else 0 for i in range(rank))
        for end, size in zip(accumulate(sizes), sizes, strict=True)
    ]


def _pad_starts(node: Node) -> list[Start]:
    constant = attr_of(node, "mode") == "constant"
    return [cast("Start", attr_of(node, "before"))] if constant else []


def _identity_starts(node: Node) -> list[Start]:
    return [(0,) * node.output.type.rank]


_STARTS: Mapping[str, Callable[[Node], list[Start]]] = {
    "concat": _concat_starts,
    "pad": _pad_starts,
    "identity": _identity_starts,
}
