"""Anything that can be written down: any node, any name, nothing need make sense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mlc.ir.dtype import DTYPES, INDEX
from mlc.ir.expr import (
    BINARY_OPERATORS,
    UNARY_OPERATORS,
    Binary,
    Broadcast,
    Call,
    Cast,
    Const,
    Expr,
    Load,
    Ramp,
    Select,
    Shuffle,
    Unary,
    Var,
)
from mlc.ir.functions import FUNCTIONS
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.layout import Layout
from mlc.ir.stmt import (
    LOOP_KINDS,
    SCOPES,
    Alloc,
    Buffer,
    For,
    Func,
    If,
    Prefetch,
    Stmt,
    Store,
    seq,
)
from mlc.ir.types import TensorType

Array = np.ndarray[Any, np.dtype[Any]]

names = st.one_of(
    st.sampled_from(["i", "x.1", "for", "max", "exp", "nan", "parallel", "prefetch", "_", "cast"]),
    st.text(max_size=6),
)
dtypes = st.sampled_from(list(DTYPES.values()))
locs = st.lists(st.text(max_size=8), max_size=3).map(tuple)


@st.composite
def buffers(draw: st.DrawFn) -> Buffer:
    """Any declaration of a buffer."""
    shape = draw(st.lists(st.integers(0, 9), max_size=3))
    buffer = Buffer.dense(draw(names), shape, draw(dtypes), draw(st.sampled_from(SCOPES)))
    if draw(st.booleans()):
        strides = tuple(draw(st.integers(-9, 99)) for _ in shape)
        buffer = replace(buffer, strides=strides, align=draw(st.sampled_from([1, 4, 64])))
    return buffer


@st.composite
def constants(draw: st.DrawFn) -> Const:
    """Any constant but NaN, which does not equal itself."""
    dtype = draw(dtypes)
    if dtype.kind == "bool":
        return Const(draw(st.booleans()), dtype)
    if dtype.is_integer:
        return Const(draw(st.integers(-(2**63), 2**64)), dtype)
    return Const(draw(st.floats(allow_nan=False)), dtype)


def expressions(known: Sequence[Buffer]) -> st.SearchStrategy[Expr]:
    """Any expression over the buffers `known`; types need not agree."""
    leaves = st.one_of(constants(), st.builds(Var, names, st.one_of(st.just(INDEX), dtypes)))
    return st.recursive(leaves, lambda inner: _nodes(inner, known), max_leaves=12)


def _nodes(inner: st.SearchStrategy[Expr], known: Sequence[Buffer]) -> st.SearchStrategy[Expr]:
    lanes = st.integers(1, 16)
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    calls = st.sampled_from(list(FUNCTIONS.values())).flatmap(
        lambda function: st.builds(
            Call, st.just(function.name), st.tuples(*[inner] * function.arity), dtypes
        )
    )
    nodes = [
        st.builds(Binary, st.sampled_from(sorted(BINARY_OPERATORS)), inner, inner),
        st.builds(Unary, st.sampled_from(sorted(UNARY_OPERATORS)), inner),
        calls,
        st.builds(Cast, inner, dtypes),
        st.builds(Select, inner, inner, inner),
        st.builds(Ramp, inner, inner, lanes),
        st.builds(Broadcast, inner, lanes),
        st.builds(Shuffle, several, st.lists(st.integers(0, 9), max_size=4).map(tuple)),
    ]
    if known:
        indices = st.lists(inner, max_size=3).map(tuple)
        nodes.append(st.builds(Load, st.sampled_from(list(known)), indices))
    return st.one_of(nodes)


@st.composite
def _statements(draw: st.DrawFn, known: Sequence[Buffer], depth: int) -> Stmt:
    kinds = ["store", "prefetch", "for", "if", "seq", "alloc"] if known else ["alloc", "seq"]
    kind = draw(st.sampled_from(kinds if depth else ["store" if known else "seq"]))
    exprs = expressions(known)
    inner = _statements(known, depth - 1)
    match kind:
        case "store":
            index = draw(st.lists(exprs, max_size=2).map(tuple))
            return Store(draw(st.sampled_from(list(known))), index, draw(exprs))
        case "prefetch":
            index = draw(st.lists(exprs, max_size=2).map(tuple))
            return Prefetch(draw(st.sampled_from(list(known))), index)
        case "for":
            return For(draw(names), draw(exprs), draw(st.sampled_from(LOOP_KINDS)), draw(inner))
        case "if":
            return If(draw(exprs), draw(inner), draw(st.one_of(st.none(), inner)))
        case "alloc":
            buffer = draw(buffers())
            visible = [other for other in known if other.name != buffer.name]
            return Alloc(buffer, draw(_statements([*visible, buffer], depth - 1)))
    return seq(draw(st.lists(inner, max_size=3))) if depth else seq(())


@st.composite
def texts(draw: st.DrawFn, prepares: int = 1) -> Func:
    """Any function that can be written down, whether or not it means anything."""
    params = draw(st.lists(buffers(), max_size=3, unique_by=lambda buffer: buffer.name))
    body = draw(_statements(params, 3))
    prepare = draw(st.lists(texts(prepares - 1), max_size=1)) if prepares else []
    return Func(draw(names), tuple(params), body, draw(locs), tuple(prepare))


_symbols = st.sampled_from([Var("batch"), Var("n") * 2 + 1, Var("layer 1")])
_dims = st.one_of(st.integers(0, 99), _symbols)


@st.composite
def tensor_types(draw: st.DrawFn) -> TensorType:
    """Any tensor type."""
    shape = tuple(draw(st.lists(_dims, max_size=4)))
    layout = (
        Layout(tuple(draw(st.permutations(range(len(shape)))))) if draw(st.booleans()) else None
    )
    return TensorType(shape, draw(dtypes), layout if shape else None)


@st.composite
def _arrays(draw: st.DrawFn, tensor: TensorType) -> Array:
    count = int(np.prod(tensor.static_shape))
    memory = draw(
        st.binary(min_size=count * tensor.dtype.bytes, max_size=count * tensor.dtype.bytes)
    )
    if tensor.dtype.kind == "bool":
        memory = bytes(byte % 2 for byte in memory)
    return np.frombuffer(memory, tensor.dtype.numpy).reshape(tensor.static_shape)


_attributes = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=6),
    dtypes,
    st.lists(st.integers(-9, 9), max_size=3).map(tuple),
    st.lists(st.floats(allow_nan=False), max_size=3).map(tuple),
    st.lists(st.text(max_size=4), max_size=3).map(tuple),
)


@st.composite
def graph_texts(draw: st.DrawFn, bodies: int = 1) -> Graph:
    """Any graph that can be written down, whether or not its operators exist."""
    unused = draw(st.lists(st.text(max_size=5), unique=True, min_size=14, max_size=14))
    small = st.builds(TensorType, st.lists(st.integers(0, 5), max_size=2).map(tuple), dtypes)

    def value(types: st.SearchStrategy[TensorType], loc: tuple[str, ...] = ()) -> Value:
        own = draw(st.one_of(st.just(loc), locs))
        return Value(unused.pop(), draw(types), own)

    inputs = tuple(value(tensor_types()) for _ in range(draw(st.integers(0, 2))))
    held = [value(small) for _ in range(draw(st.integers(0, 2)))]
    constants = {each: draw(_arrays(each.type)) for each in held}
    known, nodes = [*inputs, *held], []
    for _ in range(draw(st.integers(0, 3))):
        reads = tuple(draw(st.lists(st.sampled_from(known), max_size=3))) if known else ()
        loc = draw(locs)
        outputs = tuple(value(tensor_types(), loc) for _ in range(draw(st.integers(1, 2))))
        attrs = draw(st.dictionaries(st.text(max_size=5), _attributes, max_size=3))
        if bodies and draw(st.booleans()):
            attrs["body"] = draw(graph_texts(bodies - 1))
        nodes.append(Node(draw(names), reads, outputs, attrs, loc))
        known += outputs
    results = tuple(draw(st.lists(st.sampled_from(known), max_size=2))) if known else ()
    return Graph(draw(names), inputs, results, tuple(nodes), constants)
