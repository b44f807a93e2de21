"""Any operator on tensors that it takes: shapes, element types, attributes and values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from mlc.ir.dtype import BOOL, F32, F64, I32, I64
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS
from tests.strategies.cases import (
    ALL_DTYPES,
    FLOATS,
    MOST_ELEMENTS,
    Case,
    Shape,
    accepted,
    any_axis,
    shapes,
    values,
)
from tests.strategies.places import PLACES
from tests.strategies.products import PRODUCTS
from tests.strategies.selection import SELECTION
from tests.strategies.windows import WINDOWS


@st.composite
def _elementwise(draw: st.DrawFn, op: str, attrs: Mapping[str, Any]) -> Case:
    operator = OPERATORS[op]
    shape = draw(shapes())
    narrowed = [shape]
    for _ in range(operator.arity[0] - 1):
        narrow = tuple(dim if draw(st.booleans()) else 1 for dim in shape)
        narrowed.append(narrow[draw(st.integers(0, len(narrow))) :])
    order = draw(st.permutations(narrowed)) if len(narrowed) > 1 else narrowed
    dtype = draw(st.sampled_from(accepted(op, attrs, *order)))
    special = op != "pow"  # NumPy takes the square root for x ** 0.5, also of −inf and −0.0
    inputs = [draw(values(s, dtype, special=special)) for s in order]
    if op == "pow" and dtype.is_integer:
        inputs[1] = np.abs(inputs[1])  # a fraction is no integer
    return Case(op, tuple(inputs), attrs)


@st.composite
def _one_input(
    draw: st.DrawFn, op: str, least: int, make: Callable[[st.DrawFn, Shape], Mapping[str, Any]]
) -> Case:
    shape = draw(shapes(least))
    attrs = make(draw, shape)
    dtypes = accepted(op, attrs, shape)
    if op == "reduce_mean":  # a count that fits no byte divides nothing
        dtypes = [dtype for dtype in dtypes if dtype.bits > 8]
    data = draw(values(shape, draw(st.sampled_from(dtypes))))
    if op == "cast" and attrs["to"].kind == "uint" and data.dtype.kind not in "iub":
        data = np.abs(data)  # what is out of range has no one value
    return Case(op, (data,), attrs)


def _per_axis(draw: st.DrawFn, shape: Shape, low: int, high: int) -> Shape:
    return tuple(draw(st.integers(low, high)) for _ in shape)


def _reshape(draw: st.DrawFn, shape: Shape) -> Mapping[str, Any]:
    dims = list(shape)
    if dims and draw(st.booleans()):
        at = any_axis(draw, shape)
        divisors = [d for d in range(1, dims[at] + 1) if dims[at] % d == 0] or [1]
        divisor = draw(st.sampled_from(divisors))
        dims[at : at + 1] = [dims[at] // divisor, divisor]
    if len(dims) > 1 and draw(st.booleans()):
        at = draw(st.integers(0, len(dims) - 2))
        dims[at : at + 2] = [dims[at] * dims[at + 1]]
    return {"shape": (*dims, 1) if draw(st.booleans()) else tuple(dims)}


def _slice(draw: st.DrawFn, shape: Shape) -> Mapping[str, Any]:
    starts, sizes, steps = [], [], []
    for dim in shape:
        start = draw(st.integers(0, max(dim - 1, 0)))
        step = draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
        room = (dim - start + step - 1) // step if step > 0 else start // -step + 1
        sizes.append(draw(st.integers(0, room)) if dim else 0)
        starts.append(start)
        steps.append(step)
    return {"starts": tuple(starts), "sizes": tuple(sizes), "steps": tuple(steps)}


def _pad(draw: st.DrawFn, shape: Shape) -> Mapping[str, Any]:
    mode = draw(st.sampled_from(["constant", "reflect", "edge"]))
    least = min(shape, default=1)
    most = {"constant": 3, "reflect": min(least - 1, 3), "edge": min(least, 3)}[mode]
    assume(most >= 0)
    sides = {"before": _per_axis(draw, shape, 0, most), "after": _per_axis(draw, shape, 0, most)}
    return {**sides, "mode": mode, "value": 1.0 if mode == "constant" else 0.0}


def _reduce(draw: st.DrawFn, shape: Shape) -> Mapping[str, Any]:
    axes = tuple(axis for axis in range(len(shape)) if draw(st.booleans()))
    return {"axes": axes, "keepdims": draw(st.booleans())}


def _arg_reduce(draw: st.DrawFn, shape: Shape) -> Mapping[str, Any]:
    axis = any_axis(draw, shape)
    assume(shape[axis] > 0)
    return {"axis": axis, "keepdims": draw(st.booleans()), "last": draw(st.booleans())}


def _resize(draw: st.DrawFn, shape: Shape) -> Mapping[str, Any]:
    assume(0 not in shape)
    scales = tuple(draw(st.sampled_from([0.5, 1.0, 1.0, 2.0, 1.5])) for _ in shape)
    sizes = tuple(max(1, int(dim * scale)) for dim, scale in zip(shape, scales, strict=True))
    assume(math.prod(sizes) <= MOST_ELEMENTS)
    modes = ["nearest"] if len(shape) > 3 else ["nearest", "linear", "cubic"]
    coordinates = [
        "half_pixel",
        "half_pixel_symmetric",
        "align_corners",
        "asymmetric",
        "pytorch_half_pixel",
    ]
    return {
        "sizes": sizes,
        "scales": scales,
        "mode": draw(st.sampled_from(modes)),
        "coordinate": draw(st.sampled_from(coordinates)),
        "nearest": draw(
            st.sampled_from(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
        ),
    }


def _lrn(draw: st.DrawFn, shape: Shape) -> Mapping[str, Any]:
    return {"size": draw(st.integers(1, 5)), "alpha": 0.5, "beta": 0.75, "bias": 2.0}


_ONE_INPUT: dict[str, tuple[int, Callable[[st.DrawFn, Shape], Mapping[str, Any]]]] = {
    "reshape": (0, _reshape),
    "transpose": (0, lambda draw, s: {"perm": tuple(draw(st.permutations(range(len(s)))))}),
    "slice": (0, _slice),
    "tile": (0, lambda draw, s: {"repeats": _per_axis(draw, s, 0, 3)}),
    "trilu": (2, lambda draw, s: {"upper": draw(st.booleans()), "k": draw(st.integers(-3, 3))}),
    "pad": (0, _pad),
    **dict.fromkeys(
        ("cumsum", "cumprod"),
        (
            1,
            lambda draw, s: {
                "axis": any_axis(draw, s),
                "exclusive": draw(st.booleans()),
                "reverse": draw(st.booleans()),
            },
        ),
    ),
    "softmax": (1, lambda draw, s: {"axis": any_axis(draw, s)}),
    "log_softmax": (1, lambda draw, s: {"axis": any_axis(draw, s)}),
    "lrn": (2, _lrn),
    "resize": (1, _resize),
    "cast": (0, lambda draw, s: {"to": draw(st.sampled_from(ALL_DTYPES))}),
    **dict.fromkeys(("arg_max", "arg_min"), (1, _arg_reduce)),
    **dict.fromkeys(
        ("reduce_sum", "reduce_prod", "reduce_mean", "reduce_max", "reduce_min"), (0, _reduce)
    ),
}


@st.composite
def _expand(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes())
    narrow = tuple(dim if draw(st.booleans()) else 1 for dim in shape)
    narrow = narrow[draw(st.integers(0, len(narrow))) :]
    return Case(op, (draw(values(narrow, draw(st.sampled_from(ALL_DTYPES)))),), {"shape": shape})


@st.composite
def _concat(draw: st.DrawFn, op: str) -> Case:
    shape, dtype = draw(shapes(1, 3)), draw(st.sampled_from(ALL_DTYPES))
    axis = any_axis(draw, shape)
    sizes = draw(st.lists(st.integers(0, 17), min_size=1, max_size=3))
    parts = [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]
    return Case(op, tuple(draw(values(part, dtype)) for part in parts), {"axis": axis})


@st.composite
def _iota(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(1))
    dtype = draw(st.sampled_from([F32, F64, I32, I64]))
    return Case(op, (), {"shape": shape, "axis": any_axis(draw, shape), "dtype": dtype})


@st.composite
def _random(draw: st.DrawFn, op: str) -> Case:
    seed = draw(st.integers(-(2**31), 2**32 - 1))
    return Case(op, (), {"shape": draw(shapes()), "seed": seed})


@st.composite
def _normalization(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(1, 3))
    assume(0 not in shape)
    dtype = draw(st.sampled_from(FLOATS))
    axis = any_axis(draw, shape)
    count = OPERATORS[op].arity[0] - 1
    rest = [draw(values(shape[axis:], dtype)) for _ in range(count)]
    return Case(op, (draw(values(shape, dtype)), *rest), {"axis": axis, "epsilon": 0.5})


@st.composite
def _batch_norm(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(2, 4))
    dtype = draw(st.sampled_from(FLOATS))
    channel = [draw(values((shape[1],), dtype)) for _ in range(3)]
    variance = np.abs(draw(values((shape[1],), dtype)))
    return Case(op, (draw(values(shape, dtype)), *channel, variance), {"epsilon": 0.5})


@st.composite
def _select(draw: st.DrawFn, op: str) -> Case:
    case = draw(_elementwise("add", {}))
    left, right = case.inputs
    return Case(op, (draw(values(left.shape, BOOL)), left, right), {})


@st.composite
def _bitcast(draw: st.DrawFn, op: str) -> Case:
    source = draw(st.sampled_from([dtype for dtype in ALL_DTYPES if dtype is not BOOL]))
    alike = [to for to in ALL_DTYPES if to.bits == source.bits and to is not BOOL]
    data = draw(values(draw(shapes()), source))
    return Case(op, (data,), {"to": draw(st.sampled_from(alike))})


_OTHERS: dict[str, Callable[[str], st.SearchStrategy[Case]]] = {
    "bitcast": _bitcast,
    "expand": _expand,
    "concat": _concat,
    "iota": _iota,
    "layer_norm": _normalization,
    "rms_norm": _normalization,
    "batch_norm": _batch_norm,
    "select": _select,
    **dict.fromkeys(("random_uniform", "mersenne_twister"), _random),
    **PLACES,
    **PRODUCTS,
    **SELECTION,
    **WINDOWS,
}

_ELEMENTWISE_ATTRIBUTES: dict[str, Mapping[str, Any]] = {
    "clip": {"min": 0.0, "max": 1.0},
    "leaky_relu": {"alpha": 0.25},
}


def operator_cases(op: str) -> st.SearchStrategy[Case]:
    """Cases of one operator."""
    if op in _OTHERS:
        return _OTHERS[op](op)
    if op in _ONE_INPUT:
        return _one_input(op, *_ONE_INPUT[op])
    assert OPERATORS[op].kind is Kind.ELEMENTWISE, f"no strategy for {op}"
    return _elementwise(op, _ELEMENTWISE_ATTRIBUTES.get(op, {}))
