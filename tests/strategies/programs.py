"""Loop functions that can be run.

Indices stay in bounds, nothing is read before it is written, and with the small whole numbers of
`arguments_for` sums are exact in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mlc.ir.dtype import BOOL, F32, I32, DType
from mlc.ir.expr import (
    COMPARISONS,
    Binary,
    Cast,
    Const,
    Expr,
    Load,
    Select,
    Unary,
    Var,
    add,
    floordiv,
    minimum,
    mod,
    mul,
)
from mlc.ir.stmt import (
    Alloc,
    Buffer,
    Func,
    If,
    Stmt,
    Store,
    loops,
    seq,
    zero_of,
)

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class _Ranged:
    """An index expression and its greatest value; the least is 0 or more."""

    expr: Expr
    most: int


@st.composite
def _shapes(draw: st.DrawFn) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(1, 5), max_size=3)))


@st.composite
def strided(draw: st.DrawFn, name: str, dtype: DType, shape: tuple[int, ...]) -> Buffer:
    """A buffer with permuted axes, and perhaps with gaps."""
    if draw(st.booleans()):
        return Buffer.dense(name, shape, dtype)
    strides, step = [0] * len(shape), draw(st.integers(1, 2))
    for axis in draw(st.permutations(range(len(shape)))):
        strides[axis] = step
        step *= shape[axis] + draw(st.integers(0, 2))
    return replace(Buffer.dense(name, shape, dtype), strides=tuple(strides))


@st.composite
def _index_within(draw: st.DrawFn, known: Sequence[_Ranged], dim: int) -> Expr:
    """An index below `dim` made of loop variables."""
    constant = Const(draw(st.integers(0, dim - 1)))
    if not known:
        return constant
    one, other = draw(st.sampled_from(list(known))), draw(st.sampled_from(list(known)))
    factor = draw(st.integers(2, 4))
    fitting = [constant, minimum(one.expr, Const(dim - 1)), mod(one.expr, Const(dim))]
    fitting.append(mod(add(mul(one.expr, Const(factor)), other.expr), Const(dim)))
    if one.most < dim:
        fitting += [one.expr] * 4
        fitting.append(Const(dim - 1) - one.expr)
    if one.most // factor < dim:
        fitting.append(floordiv(one.expr, Const(factor)))
    if one.most + other.most < dim:
        fitting.append(add(one.expr, other.expr))
    return draw(st.sampled_from(fitting))


@st.composite
def _values(
    draw: st.DrawFn, sources: Sequence[Buffer], known: Sequence[_Ranged], dtype: DType, depth: int
) -> Expr:
    """A value made of elements of `sources`."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        if not sources or draw(st.integers(0, 5)) == 0:
            value = draw(st.integers(-3, 3))
            return Const(float(value) if dtype.is_float else value, dtype)
        source = draw(st.sampled_from(list(sources)))
        index = tuple(draw(_index_within(known, dim)) for dim in source.shape)
        load = Load(source, index)
        return load if source.dtype == dtype else Cast(load, dtype)
    inner = _values(sources, known, dtype, depth - 1)
    left, right = draw(inner), draw(inner)
    form = draw(st.sampled_from(["add", "add", "sub", "mul", "max", "min", "neg", "select"]))
    if form == "neg":
        return Unary("neg", left)
    if form == "select":
        condition = Binary(draw(st.sampled_from(COMPARISONS)), left, right)
        return Select(condition, draw(inner), right)
    return Binary(form, left, right)


@st.composite
def _conditions(draw: st.DrawFn, known: Sequence[_Ranged]) -> Expr:
    one = draw(st.sampled_from(list(known)))
    limit = Const(draw(st.integers(0, one.most + 1)))
    condition: Expr = Binary(draw(st.sampled_from(COMPARISONS)), one.expr, limit)
    return Unary("not", condition) if draw(st.booleans()) else condition


@st.composite
def _stages(draw: st.DrawFn, prefix: str, out: Buffer, sources: Sequence[Buffer]) -> Stmt:
    """Loops that write all of `out`: element by element, or as a reduction."""
    axes = [Var(f"{prefix}i{axis}") for axis in range(len(out.shape))]
    known = [_Ranged(v, dim - 1) for v, dim in zip(axes, out.shape, strict=True)]
    nest = [(v.name, dim) for v, dim in zip(axes, out.shape, strict=True)]
    index = tuple(axes)
    if draw(st.booleans()):
        store: Stmt = Store(out, index, draw(_values(sources, known, out.dtype, 2)))
        if known and draw(st.integers(0, 3)) == 0:
            other = Store(out, index, draw(_values(sources, known, out.dtype, 1)))
            store = If(draw(_conditions(known)), store, other)
        return loops(nest, store)
    extents = draw(st.lists(st.integers(1, 5), min_size=1, max_size=2))
    reduced = [(f"{prefix}r{axis}", extent) for axis, extent in enumerate(extents)]
    inside = known + [_Ranged(Var(name), extent - 1) for name, extent in reduced]
    op = draw(st.sampled_from(["add", "max", "min"]))
    value = draw(_values(sources, inside, out.dtype, 1))
    update: Stmt = Store(out, index, Binary(op, Load(out, index), value))
    if draw(st.integers(0, 3)) == 0:
        update = If(draw(_conditions(inside)), update)
    zeros = tuple(Var(f"{prefix}z{axis}") for axis in range(len(out.shape)))
    first = [(v.name, dim) for v, dim in zip(zeros, out.shape, strict=True)]
    initial = loops(first, Store(out, zeros, zero_of(out.dtype)))
    return seq((initial, loops([*nest, *reduced], update)))


@st.composite
def programs(draw: st.DrawFn, dtypes: Sequence[DType] = (F32, I32), most_stages: int = 3) -> Func:
    """A function of one to `most_stages` loop nests, each reading inputs and earlier results.

    Inputs are called `x0…`, intermediate buffers `t0…` (allocated around what follows), the
    result `y`. The loops of stage `s` are `s{s}i0…` over the axes of what it writes, `s{s}r0…`
    over reduced axes, `s{s}z0…` for the initial value of a reduction. All are serial.
    """
    dtype = st.sampled_from(list(dtypes))
    sources = [
        draw(strided(f"x{number}", draw(dtype), draw(_shapes())))
        for number in range(draw(st.integers(1, 2)))
    ]
    result = draw(strided("y", draw(dtype), draw(_shapes())))
    params = (*sources, result)
    temporaries, stages = [], []
    for number in range(draw(st.integers(0, most_stages - 1))):
        scope = draw(st.sampled_from(["arena", "stack"]))
        buffer = replace(draw(strided(f"t{number}", draw(dtype), draw(_shapes()))), scope=scope)
        stages.append(draw(_stages(f"s{number}", buffer, sources)))
        temporaries.append(buffer)
        sources = [*sources, buffer]
    body = draw(_stages(f"s{len(stages)}", result, sources))
    for buffer, stage in zip(reversed(temporaries), reversed(stages), strict=True):
        body = Alloc(buffer, seq((stage, body)))
    return Func("program", params, body)


def array_for(buffer: Buffer, values: Array) -> Array:
    """An array with the strides of `buffer` and a copy of `values`."""
    memory = np.zeros(max(buffer.span, 1), buffer.dtype.numpy)
    strides = [stride * buffer.dtype.bytes for stride in buffer.strides]
    view = np.lib.stride_tricks.as_strided(memory, buffer.shape, strides)
    view[...] = values
    return view


def arguments_for(func: Func, seed: int = 0) -> dict[str, Array]:
    """Arrays for the parameters of a function, full of whole numbers from −3 to 3."""
    random = np.random.default_rng(seed)
    arrays = {}
    for buffer in func.params:
        values = random.integers(
            0 if buffer.dtype.kind in ("uint", "bool") else -3, 4, buffer.shape
        )
        if buffer.dtype == BOOL:
            values = values % 2
        arrays[buffer.name] = array_for(buffer, values.astype(buffer.dtype.numpy))
    return arrays
