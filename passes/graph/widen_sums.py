"""widen-sums: what adds up f16 or bf16 is computed in f32 and rounded once, at the end.

A sum of half-precision numbers that is itself kept in half precision loses a digit every few terms.
The casts are fused into the kernels around; they cost what reading half precision costs anyway.

    >>> from mlc.passes.base import rewrite_text
    >>> print(rewrite_text(WidenSums(), '''
    ... graph g(%a: f16[4,64], %b: f16[64,8]) -> (%y) {
    ...   %y: f16[4,8] = matmul(%a, %b)
    ... }'''))
    graph g(%a: f16[4,64], %b: f16[64,8]) -> (%y) {
      %a.wide: f32[4,64] = cast(%a) {to = f32...}
      %b.wide: f32[64,8] = cast(%b) {to = f32...}
      %y.wide: f32[4,8] = matmul(%a.wide, %b.wide) {transpose_a = false, transpose_b = false}
      %y: f16[4,8] = cast(%y.wide) {to = f16...}
    }

Holds after: no operator that adds reads or writes f16 or bf16. Maxima, minima and elementwise
operators stay: each of their results is rounded once anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mlc.ir.dtype import BF16, F16, F32
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.graph_edit import GraphEdit
from mlc.passes.base import Pass
from mlc.passes.context import Context

SUMS = frozenset(
    {
        "avg_pool",
        "conv",
        "conv_transpose",
        "cumsum",
        "gru_sequence",
        "layer_norm",
        "log_softmax",
        "lrn",
        "lstm_sequence",
        "matmul",
        "reduce_mean",
        "reduce_prod",
        "reduce_sum",
        "rms_norm",
        "rnn_sequence",
        "softmax",
    }
)
"""The operators whose results are sums or products of many elements."""


@dataclass(frozen=True)
class WidenSums(Pass):
    """See the top of this file."""

    name: ClassVar[str] = "widen-sums"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Linear in the size of the graph and of its half-precision constants."""
        edit = GraphEdit(graph)
        wide: dict[Value, Value] = {}
        for node in graph.nodes:
            if node.op in SUMS and any(_is_half(value) for value in node.outputs):
                _widen(edit, node, wide)
            else:
                edit.keep(node)
        return edit.finish()


def _is_half(value: Value) -> bool:
    return value.type.dtype in (F16, BF16)


def _widen(edit: GraphEdit, node: Node, wide: dict[Value, Value]) -> None:
    inputs = [
        _widened(edit, value, wide) if _is_half(value) else value
        for value in map(edit.current, node.inputs)
    ]
    results = edit.emit_all(
        node.op, inputs, node.attrs, name=f"{node.outputs[0].name}.wide", loc=node.loc
    )
    for old, new in zip(node.outputs, results, strict=True):
        if new.type.dtype is not old.type.dtype:
            new = edit.emit("cast", [new], {"to": old.type.dtype}, name=old.name, loc=node.loc)
        edit.replace(old, new)


def _widened(edit: GraphEdit, value: Value, wide: dict[Value, Value]) -> Value:
    """The value in f32; constants are converted here, once."""
    if value not in wide:
        array, name = edit.array(value), f"{value.name}.wide"
        if array is not None:
            wide[value] = edit.constant(array.astype(np.float32), name, value.loc)
        else:
            wide[value] = edit.emit("cast", [value], {"to": F32}, name=name, loc=value.loc)
    return wide[value]
