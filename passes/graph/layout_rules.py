"""Which layout an operator writes, given those of its inputs: a rule by kind of operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from mlc.ir.graph import Node
from mlc.ir.graph_edit import attr_of
from mlc.ir.layout import Layout
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS
from mlc.ir.types import TensorType
from mlc.passes.graph.layouts import after_reshape, after_transpose, without_axes

SPATIAL = frozenset(("conv", "conv_transpose", "max_pool", "avg_pool", "resize", "lrn"))
"""Operators over [N, C, spatial…] whose kernels run along channels."""

VIEWS = frozenset(("reshape", "transpose", "slice", "expand"))
"""Operators that move nothing where strides can express them."""

Rule = Callable[[Node, Sequence[TensorType], TensorType, "Layout | None"], "Layout | None"]


def output_layout(
    node: Node, inputs: Sequence[TensorType], output: TensorType, wish: Layout | None
) -> Layout | None:
    """The layout of an output of logical type `output`; `wish` is what its users would like."""
    rule = _RULES.get(node.op)
    if rule is None:
        kind = OPERATORS[node.op].kind
        rule = _follow_largest if kind is Kind.ELEMENTWISE else _row_major
    return rule(node, inputs, output, wish)


def writes_any_order(node: Node) -> bool:
    """Whether the kernel of a node may as well write row-major what it reads channels-last."""
    movable = OPERATORS[node.op].kind in (Kind.INJECTIVE, Kind.REDUCTION)
    return movable and node.op not in VIEWS and node.op not in SPATIAL


def _row_major(
    node: Node, inputs: Sequence[TensorType], output: TensorType, wish: Layout | None
) -> Layout | None:
    return None


def _channels_last(
    node: Node, inputs: Sequence[TensorType], output: TensorType, wish: Layout | None
) -> Layout | None:
    return Layout.channels_last(output.rank) if 3 <= output.rank <= 5 else None


def _follow_first(
    node: Node, inputs: Sequence[TensorType], output: TensorType, wish: Layout | None
) -> Layout | None:
    return inputs[0].layout if inputs[0].rank == output.rank else None


def _follow_largest(
    node: Node, inputs: Sequence[TensorType], output: TensorType, wish: Layout | None
) -> Layout | None:
    """Among inputs of the output's shape: the wish, else channels-last, else that of the first."""
    whole = [value.layout for value in inputs if value.shape == output.shape]
    for layout in (wish, _channels_last(node, inputs, output, wish)):
        if layout is not None and layout in whole:
            return layout
    return whole[0] if whole else None


def _follow_concat(
    node: Node, inputs: Sequence[TensorType], output: TensorType, wish: Layout | None
) -> Layout | None:
    layouts = [value.layout for value in inputs]
    channels_last = _channels_last(node, inputs, output, wish)
    return channels_last if channels_last in layouts else layouts[0]


def _pad(
    node: Node, inputs: Sequence[TensorType], output: TensorType, wish: Layout | None
) -> Layout | None:
    """A pad moves everything anyway: it may as well reorder."""
    return wish or inputs[0].layout


def _matmul(
    node: Node, inputs: Sequence[TensorType], output: TensorType, wish: Layout | None
) -> Layout | None:
    """Any order in which rows are contiguous."""
    return wish if wish is not None and wish.order[-1] == output.rank - 1 else None


def _transpose(
    node: Node, inputs: Sequence[TensorType], output: TensorType, wish: Layout | None
) -> Layout | None:
    return after_transpose(inputs[0].layout, cast("tuple[int, ...]", node.attrs["perm"]))


def _reshape(
    node: Node, inputs: Sequence[TensorType], output: TensorType, wish: Layout | None
) -> Layout | None:
    return after_reshape(inputs[0], output.shape)[1]


def _reduce(
    node: Node, inputs: Sequence[TensorType], output: TensorType, wish: Layout | None
) -> Layout | None:
    source = inputs[0]
    if output.rank == source.rank:
        return source.layout
    axes = attr_of(node, "axes") if node.op in _REDUCTIONS else (attr_of(node, "axis"),)
    return without_axes(source.layout, source.rank, cast("tuple[int, ...]", axes))


_REDUCTIONS = ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod")
_SAME_SHAPE = (
    "softmax",
    "log_softmax",
    "layer_norm",
    "rms_norm",
    "cumsum",
    "cumprod",
    "batch_norm",
    "slice",
    "tile",
    "trilu",
)

_RULES: dict[str, Rule] = {
    **dict.fromkeys(SPATIAL, _channels_last),
    **dict.fromkeys(_SAME_SHAPE, _follow_first),
    **dict.fromkeys((*_REDUCTIONS, "arg_max", "arg_min"), _reduce),
    "concat": _follow_concat,
    "matmul": _matmul,
    "pad": _pad,
    "reshape": _reshape,
    "transpose": _transpose,
}
