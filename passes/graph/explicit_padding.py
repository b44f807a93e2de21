"""explicit-padding: a convolution that pads becomes a pad and a convolution without padding.

Kernels of convolutions then never test bounds, and the pad is fused into whatever produces the
input: that kernel writes its result into the middle of a buffer with a frame of zeros. Where the
input has elementwise users too (a residual connection), they read the middle of the padded buffer,
a view, so that the value exists once.

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(ExplicitPadding(), '''
    ... graph g(%x: f32[1,3,8], %w: f32[4,3,3]) -> (%y) {
    ...   %y: f32[1,4,8] = conv(%x, %w)
    ...     {strides = (1,), before = (1,), after = (1,), dilations = (1,)}
    ... }'''))
    graph g(%x: f32[1,3,8], %w: f32[4,3,3]) -> (%y) {
      %x.padded: f32[1,3,10] = pad(%x) {before = (0, 0, 1), after = (0, 0, 1), value = 0.0,
          mode = "constant"}
      %y: f32[1,4,8] = conv(%x.padded, %w) {strides = (1,), before = (0,), after = (0,),
          dilations = (1,)}
    }

Holds after: no `conv` pads. Pooling is left alone: its padding is not zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, cast

from mlc.ir.graph import Attr, Graph, Node, Value
from mlc.ir.graph_edit import GraphEdit
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS
from mlc.passes.base import Pass
from mlc.passes.context import Context

Padding = tuple[tuple[int, ...], tuple[int, ...]]
"""Elements before and after, by spatial axis."""


@dataclass(frozen=True)
class ExplicitPadding(Pass):
    """See the top of this file. `share`: elementwise users read the padded value too."""

    name: ClassVar[str] = "explicit-padding"
    share: bool = True

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph."""
        edit = GraphEdit(graph)
        users = graph.users() if self.share else {}
        kept = {*graph.outputs}
        padded: dict[tuple[Value, Padding], Value] = {}
        for node in graph.nodes:
            padding = padding_of(node)
            if padding is None:
                edit.keep(node)
            else:
                key = (node.inputs[0], padding)
                if key not in padded:
                    padded[key] = _pad(edit, node.inputs[0], padding, node)
                zeros = (0,) * len(padding[0])
                attrs = {**node.attrs, "before": zeros, "after": zeros}
                inputs = (padded[key], *node.inputs[1:])
                edit.append(replace(node, inputs=inputs, attrs=attrs))
            for value in node.outputs:
                shared = None if value in kept else _shared_padding(users.get(value, ()))
                if shared is not None:
                    _share(edit, padded, value, shared, context)
        return edit.finish()


def padding_of(node: Node) -> Padding | None:
    """The padding of a convolution that pads, None for every other node."""
    if node.op != "conv":
        return None
    before = cast("tuple[int, ...]", node.attrs["before"])
    after = cast("tuple[int, ...]", node.attrs["after"])
    return (before, after) if any(before) or any(after) else None


def _shared_padding(users: Sequence[Node]) -> tuple[Padding, Node] | None:
    """The padding that all users of a value can live with, and the convolution that asks for it.

    All users are elementwise, or convolutions over this value of which one pads the most; there
    is at least one of each.
    """
    asked: dict[Padding, Node] = {}
    for node in users:
        padding = padding_of(node)
        if padding is not None:
            asked.setdefault(padding, node)
        elif OPERATORS[node.op].kind is not Kind.ELEMENTWISE:
            return None
    if len(asked) != 1 or all(padding_of(node) for node in users):
        return None
    return next(iter(asked.items()))


def _pad(edit: GraphEdit, value: Value, padding: Padding, user: Node) -> Value:
    attrs: dict[str, Attr] = {
        "before": (0, 0, *padding[0]),
        "after": (0, 0, *padding[1]),
        "value": 0.0,
        "mode": "constant",
    }
    return edit.emit("pad", [value], attrs, name=f"{value.name}.padded", loc=user.loc)


def _share(
    edit: GraphEdit,
    padded: dict[tuple[Value, Padding], Value],
    value: Value,
    shared: tuple[Padding, Node],
    context: Context,
) -> None:
    padding, user = shared
    if not value.type.is_static:
        return
    frame = _pad(edit, value, padding, user)
    padded[value, padding] = frame
    starts = (0, 0, *padding[0])
    attrs: dict[str, Attr] = {
        "starts": starts,
        "sizes": value.type.static_shape,
        "steps": (1,) * len(starts),
    }
    middle = edit.emit("slice", [frame], attrs, name=f"{value.name}.middle", loc=value.loc)
    edit.redirect(value, middle)
    reason = "its elementwise users read the middle of the padded buffer"
    context.decide(ExplicitPadding.name, value.name, "shared", reason)
