"""Random graphs that are full of copies: concats of everything, pads, slices and their views."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from mlc.ir.dtype import F32
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.operators import OPERATORS
from mlc.ir.types import TensorType

_UNARY = ("relu", "neg", "tanh", "identity")
_MOST_ELEMENTS = 400


@st.composite
def joining_graphs(draw: st.DrawFn, most_nodes: int = 14) -> Graph:
    """A float32 graph of matrices in which most values are parts of others."""
    values = [Value(f"x{i}", TensorType((3, 2 + i), F32)) for i in range(2)]
    inputs, nodes = tuple(values), []
    for number in range(draw(st.integers(2, most_nodes))):
        op, read, attrs = draw(st.sampled_from(_STEPS))(draw, values)
        (inferred,) = OPERATORS[op].infer([value.type for value in read], attrs)
        if inferred.elements <= _MOST_ELEMENTS:
            values.append(Value(f"v{number}", inferred))
            nodes.append(Node(op, tuple(read), (values[-1],), attrs, (f"node {number}",)))
    results = values[2:]
    if not results:
        results = [Value("v", inputs[0].type)]
        nodes.append(Node("relu", inputs[:1], (results[0],)))
    outputs = draw(st.lists(st.sampled_from(results), min_size=1, max_size=3, unique_by=id))
    return Graph("joins", inputs, tuple(outputs), tuple(nodes), {})


Step = tuple[str, list[Value], dict[str, Any]]


def _unary(draw: st.DrawFn, values: list[Value]) -> Step:
    return draw(st.sampled_from(_UNARY)), [draw(st.sampled_from(values))], {}


def _pair(draw: st.DrawFn, values: list[Value]) -> Step:
    first = draw(st.sampled_from(values))
    alike = [value for value in values if value.type.shape == first.type.shape]
    return draw(st.sampled_from(("add", "max"))), [first, draw(st.sampled_from(alike))], {}


def _concat(draw: st.DrawFn, values: list[Value]) -> Step:
    first, axis = draw(st.sampled_from(values)), draw(st.integers(0, 1))
    other = 1 - axis
    alike = [v for v in values if v.type.static_shape[other] == first.type.static_shape[other]]
    rest = draw(st.lists(st.sampled_from(alike), max_size=3))
    return "concat", [first, *rest], {"axis": axis}


def _pad(draw: st.DrawFn, values: list[Value]) -> Step:
    widths = st.tuples(st.integers(0, 2), st.integers(0, 2))
    attrs = {"before": draw(widths), "after": draw(widths), "value": 7.0}
    return "pad", [draw(st.sampled_from(values))], attrs


def _slice(draw: st.DrawFn, values: list[Value]) -> Step:
    value = draw(st.sampled_from(values))
    shape = value.type.static_shape
    starts = tuple(draw(st.integers(0, dim - 1)) for dim in shape)
    sizes = tuple(draw(st.integers(1, d - s)) for d, s in zip(shape, starts, strict=True))
    return "slice", [value], {"starts": starts, "sizes": sizes, "steps": (1, 1)}


def _transpose(draw: st.DrawFn, values: list[Value]) -> Step:
    return "transpose", [draw(st.sampled_from(values))], {"perm": (1, 0)}


def _reshape(draw: st.DrawFn, values: list[Value]) -> Step:
    value = draw(st.sampled_from(values))
    count = value.type.elements
    rows = draw(st.sampled_from([n for n in range(1, count + 1) if count % n == 0]))
    return "reshape", [value], {"shape": (rows, count // rows)}


_STEPS = (_unary, _unary, _pair, _concat, _concat, _concat, _pad, _slice, _transpose, _reshape)
