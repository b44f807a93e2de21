"""choose-layout: the order of axes in memory, for every value of the graph.

Only types change: operators work on logical indices, so none is rewritten. Convolutions, pooling
and resizing write channels-last; what is elementwise follows its largest input; a transpose gets
the layout that makes it a view of its input, so that pairs of transposes cost nothing; a matrix
product writes in the order that the views after it ask for. Inputs and outputs of the graph stay
row-major. Where memory must be reordered there is an `identity` node whose output has another
layout than its input, a copy.

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(ChooseLayout(), '''
    ... graph g(%x: f32[1,3,8,8]) -> (%z) {
    ...   %y: f32[1,3,4,4] = max_pool(%x) {kernel = (2, 2), strides = (2, 2),
    ...     before = (0, 0), after = (0, 0), dilations = (1, 1)}
    ...   %z: f32[1,4,4,3] = transpose(%y) {perm = (0, 2, 3, 1)}
    ... }'''))
    graph g(%x: f32[1,3,8,8]) -> (%z) {
      %y: f32[1,3,4,4]@NHWC = max_pool(%x) {kernel = (2, 2), strides = (2, 2), before = (0,
          0), after = (0, 0), dilations = (1, 1)}
      %z: f32[1,4,4,3] = transpose(%y) {perm = (0, 2, 3, 1)}
    }

Holds after: every transpose is a view, and every reshape of a dense value. The rules are in
`layout_rules`, the preferences of users in `layout_wishes`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from mlc.ir.graph import Graph, Node, Value
from mlc.ir.graph_edit import GraphEdit
from mlc.ir.layout import Layout
from mlc.passes.base import Pass
from mlc.passes.context import Context
from mlc.passes.graph.layout_rules import SPATIAL, output_layout, writes_any_order
from mlc.passes.graph.layout_wishes import Wishes, collect_wishes
from mlc.passes.graph.layouts import after_reshape, before_reshape, same_memory, simplest


@dataclass(frozen=True)
class ChooseLayout(Pass):
    """See the top of this file.

    `few_channels`: a convolution reads an input of so many channels in any layout (an image); with
    more, a row-major input is copied to channels-last first. `row_major`: the names of values whose
    convolutions, poolings and resizings read what they get, and write row-major.
    """

    name: ClassVar[str] = "choose-layout"
    few_channels: int = 4
    row_major: frozenset[str] = frozenset()

    def run(self, graph: Graph, context: Context) -> Graph:
        """Two walks over the graph, one backwards for wishes and one forwards."""
        return _Choice(self, graph, context).run()


class _Choice:
    def __init__(self, options: ChooseLayout, graph: Graph, context: Context) -> None:
        self.options = options
        self.graph = graph
        self.context = context
        self.wishes: Wishes = collect_wishes(graph)
        self.edit = GraphEdit(graph)
        self.outputs = set(graph.outputs)
        self.copies: dict[tuple[Value, Layout | None], Value] = {}

    def run(self) -> Graph:
        for node in self.graph.nodes:
            if is_reordering(node):
                self.edit.keep(node)
                continue
            node = self.prepare(node)
            outputs = tuple(self.renewed(v, self.choose(node, v)) for v in node.outputs)
            if outputs == node.outputs:
                self.edit.keep(node)
                continue
            self.edit.append(replace(node, outputs=outputs))
            for old, new in zip(node.outputs, outputs, strict=True):
                if new is not old:
                    self.edit.redirect(old, new)
        return self.edit.finish()

    def choose(self, node: Node, value: Value) -> Layout | None:
        """The layout of one output of a node whose inputs have theirs."""
        if node.op in SPATIAL and value.name in self.options.row_major:
            return None
        inputs = [self.edit.current(v).type for v in node.inputs]
        layout = output_layout(node, inputs, value.type, self.wishes.get(value))
        layout = simplest(value.type.shape, layout)
        if layout is None or value not in self.outputs:
            return layout
        if writes_any_order(node):
            return None
        self.note(value, layout, None, "it is an output of the model")
        return layout

    def renewed(self, value: Value, layout: Layout | None) -> Value:
        """The value in its layout; an output of the graph gets another name before its copy."""
        if layout == value.type.layout:
            return value
        name = f"{value.name}.{layout}" if value in self.outputs else value.name
        name = self.edit.fresh_name(name) if name != value.name else name
        return Value(name, value.type.with_layout(layout), value.loc)

    def prepare(self, node: Node) -> Node:
        """The node over inputs that it can read; copies are made where it cannot."""
        if node.op == "reshape":
            return self.prepare_reshape(node)
        if node.outputs[0].name in self.options.row_major:
            return node
        if node.op in SPATIAL and node.inputs[0] not in self.edit.constants:
            source = self.edit.current(node.inputs[0])
            wanted = Layout.channels_last(source.type.rank)
            channels = source.type.shape[1]
            few = isinstance(channels, int) and channels <= self.options.few_channels
            if not few and not same_memory(source.type.shape, source.type.layout, wanted):
                copy = self.copy(source, wanted, node)
                return replace(node, inputs=(copy, *node.inputs[1:]))
        return node

    def prepare_reshape(self, node: Node) -> Node:
        source = self.edit.current(node.inputs[0])
        is_view, _ = after_reshape(source.type, node.output.type.shape)
        if is_view:
            return node
        wanted = before_reshape(source.type, node.output.type, self.wishes.get(node.output))
        return replace(node, inputs=(self.copy(source, wanted, node),))

    def copy(self, source: Value, layout: Layout | None, user: Node) -> Value:
        """`source` in another layout; the same copy for all who ask."""
        made = self.copies.get((source, layout))
        if made is None:
            name = self.edit.fresh_name(f"{source.name}.{layout or 'row'}")
            made = Value(name, source.type.with_layout(layout), user.loc)
            self.edit.append(Node("identity", (source,), (made,), {}, user.loc))
            self.copies[source, layout] = made
            self.note(source, source.type.layout, layout, f"{user.op} needs it")
        return made

    def note(self, value: Value, old: Layout | None, new: Layout | None, why: str) -> None:
        size = value.type.bytes if value.type.is_static else "all"
        reason = "{} bytes from {} to {}: {}"
        names = (old or "row-major", new or "row-major")
        self.context.decide(ChooseLayout.name, value.name, "copied", reason, size, *names, why)


def is_reordering(node: Node) -> bool:
    """Whether a node is a copy into another memory order."""
    return node.op == "identity" and node.inputs[0].type.layout != node.output.type.layout
