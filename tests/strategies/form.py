"""Anything that can be written down: any node, any name, nothing need make sense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
from mlc.ir.stmt import (
    LOOP_KINDS,
    SCOPES,
    Alloc,
    Buffer,
    For,
    Func,
    If,
    Stmt,
    Store,
    seq,
)

names = st.one_of(
    st.sampled_from(["i", "x.1", "for", "max", "exp", "nan", "parallel", "_", "cast"]),
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
    kinds = ["store", "for", "if", "seq", "alloc"] if known else ["alloc", "seq"]
    kind = draw(st.sampled_from(kinds if depth else ["store" if known else "seq"]))
    exprs = expressions(known)
    inner = _statements(known, depth - 1)
    match kind:
        case "store":
            index = draw(st.lists(exprs, max_size=2).map(tuple))
            return Store(draw(st.sampled_from(list(known))), index, draw(exprs))
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
