"""Any operator on tensors that it takes: shapes, element types, attributes and values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from mlc.ir.dtype import BF16, BOOL, DTYPES, F16, F32, F64, I32, I64
from mlc.ir.operator import Kind
from mlc.ir.operators import OPERATORS
from tests.strategies.cases import (
    ALL_DTYPES,
    FLOATS,
    MOST_ELEMENTS,
    Case,
    Shape,
    accepted,
    shapes,
    values,
)
from tests.strategies.selection import SELECTION


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


def _axis(draw: st.DrawFn, shape: Shape) -> int:
    return draw(st.integers(0, len(shape) - 1))


def _per_axis(draw: st.DrawFn, shape: Shape, low: int, high: int) -> Shape:
    return tuple(draw(st.integers(low, high)) for _ in shape)


def _reshape(draw: st.DrawFn, shape: Shape) -> Mapping[str, Any]:
    dims = list(shape)
    if dims and draw(st.booleans()):
        at = _axis(draw, shape)
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
    axis = _axis(draw, shape)
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
                "axis": _axis(draw, s),
                "exclusive": draw(st.booleans()),
                "reverse": draw(st.booleans()),
            },
        ),
    ),
    "softmax": (1, lambda draw, s: {"axis": _axis(draw, s)}),
    "log_softmax": (1, lambda draw, s: {"axis": _axis(draw, s)}),
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
    axis = _axis(draw, shape)
    sizes = draw(st.lists(st.integers(0, 17), min_size=1, max_size=3))
    parts = [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]
    return Case(op, tuple(draw(values(part, dtype)) for part in parts), {"axis": axis})


@st.composite
def _iota(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(1))
    dtype = draw(st.sampled_from([F32, F64, I32, I64]))
    return Case(op, (), {"shape": shape, "axis": _axis(draw, shape), "dtype": dtype})


_index_types = st.sampled_from([I32, I64])


@st.composite
def _one_hot(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(0, 3))
    attrs = {"depth": draw(st.integers(1, 9)), "axis": draw(st.integers(0, len(shape)))}
    return Case(op, (draw(values(shape, draw(_index_types))),), attrs)


@st.composite
def _gather(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(1, 3))
    assume(0 not in shape)
    axis = _axis(draw, shape)
    indices = draw(values(draw(shapes(0, 2)), draw(_index_types)))
    assume(math.prod(shape) // shape[axis] * indices.size <= MOST_ELEMENTS)
    data = draw(values(shape, draw(st.sampled_from(ALL_DTYPES))))
    return Case(op, (data, indices), {"axis": axis})


@st.composite
def _elements(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(1, 3))
    assume(0 not in shape)
    axis = _axis(draw, shape)
    picked = tuple(draw(st.integers(1, dim)) for dim in shape)
    indices = draw(values(picked, draw(_index_types)))
    if op == "gather_elements":
        data = draw(values(shape, draw(st.sampled_from(ALL_DTYPES))))
        return Case(op, (data, indices), {"axis": axis})
    reduction = draw(st.sampled_from(["none", "add", "mul", "max", "min"]))
    kinds = ALL_DTYPES if reduction == "none" else [d for d in ALL_DTYPES if d is not BOOL]
    dtype = draw(st.sampled_from(kinds))
    data, updates = draw(values(shape, dtype)), draw(values(picked, dtype))
    return Case(op, (data, indices, updates), {"axis": axis, "reduction": reduction})


@st.composite
def _places(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(1, 3))
    assume(0 not in shape)
    depth = draw(st.integers(1, len(shape)))
    outer = draw(shapes(0, 1))
    indices = draw(values((*outer, depth), draw(_index_types)))
    if op == "gather_nd":
        return Case(op, (draw(values(shape, draw(st.sampled_from(ALL_DTYPES)))), indices), {})
    reduction = draw(st.sampled_from(["none", "add", "mul", "max", "min"]))
    kinds = ALL_DTYPES if reduction == "none" else [d for d in ALL_DTYPES if d is not BOOL]
    dtype = draw(st.sampled_from(kinds))
    updates = draw(values((*outer, *shape[depth:]), dtype))
    return Case(op, (draw(values(shape, dtype)), indices, updates), {"reduction": reduction})


@st.composite
def _normalization(draw: st.DrawFn, op: str) -> Case:
    shape = draw(shapes(1, 3))
    assume(0 not in shape)
    dtype = draw(st.sampled_from(FLOATS))
    axis = _axis(draw, shape)
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


def _window(draw: st.DrawFn, spatial: Sequence[int]) -> dict[str, Any]:
    kernel = tuple(draw(st.integers(1, 3)) for _ in spatial)
    sides = [tuple(draw(st.integers(0, k - 1)) for k in kernel) for _ in range(2)]
    dilations = tuple(draw(st.sampled_from([1, 1, 2])) for _ in spatial)
    whole = zip(spatial, kernel, dilations, *sides, strict=True)
    assume(all(dim + low + high >= (k - 1) * d + 1 for dim, k, d, low, high in whole))
    return {
        "kernel": kernel,
        "strides": tuple(draw(st.integers(1, 2)) for _ in spatial),
        "before": sides[0],
        "after": sides[1],
        "dilations": dilations,
    }


_spatial = st.lists(st.sampled_from([1, 2, 3, 5, 7, 9, 14]), min_size=1, max_size=2).map(tuple)
_channels = st.sampled_from([1, 2, 3, 4, 8, 12, 16, 17, 24])


@st.composite
def _pool(draw: st.DrawFn, op: str) -> Case:
    shape = (draw(st.integers(1, 2)), draw(_channels), *draw(_spatial))
    attrs = _window(draw, shape[2:])
    if op == "avg_pool":
        attrs["include_pad"] = draw(st.booleans())
    dtype = draw(st.sampled_from(accepted(op, attrs, shape)))
    return Case(op, (draw(values(shape, dtype)),), attrs)


_number_types = st.sampled_from((F32, F32, F32, F64, F16, BF16, I32, I64, DTYPES["u8"]))


@st.composite
def _conv(draw: st.DrawFn, op: str) -> Case:
    spatial = draw(_spatial)
    attrs = _window(draw, spatial)
    kernel = attrs.pop("kernel")
    groups = draw(st.sampled_from([1, 1, 1, 2, 8, 17]))
    inner = draw(st.sampled_from([1, 1, 3, 4])) if groups > 1 else draw(_channels)
    outer = draw(st.sampled_from([1, 1, 2, 3])) if groups > 1 else draw(_channels)
    image = (draw(st.integers(1, 2)), groups * inner, *spatial)
    weight = (groups * outer, inner, *kernel)
    attrs["groups"] = groups
    if op == "conv_transpose":
        weight = (groups * inner, outer, *kernel)
        attrs["output_padding"] = tuple(draw(st.integers(0, s - 1)) for s in attrs["strides"])
        sizes = zip(*(attrs[k] for k in ("strides", "before", "after", "dilations")), strict=True)
        made = [
            (dim - 1) * s + (k - 1) * d + 1 - low - high
            for dim, k, (s, low, high, d) in zip(spatial, kernel, sizes, strict=True)
        ]
        assume(min(made) > 0)
    dtype = draw(_number_types)
    return Case(op, (draw(values(image, dtype)), draw(values(weight, dtype))), attrs)


@st.composite
def _matmul(draw: st.DrawFn, op: str) -> Case:
    rows, columns = (
        draw(st.sampled_from([1, 2, 6, 7, 13])),
        draw(st.sampled_from([1, 2, 8, 17, 40])),
    )
    depth = draw(st.sampled_from([0, 1, 3, 8, 16, 33]))
    transpose_a, transpose_b = draw(st.booleans()), draw(st.booleans())
    left = (depth, rows) if transpose_a else (rows, depth)
    right = (columns, depth) if transpose_b else (depth, columns)
    batch = draw(st.lists(st.integers(1, 3), max_size=2).map(tuple))
    left = (*batch, *left)
    if draw(st.booleans()):
        narrow = tuple(dim if draw(st.booleans()) else 1 for dim in batch)
        right = (*narrow, *right)
    dtype = draw(_number_types)
    attrs = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    return Case(op, (draw(values(left, dtype)), draw(values(right, dtype))), attrs)


@st.composite
def _recurrent(draw: st.DrawFn, op: str) -> Case:
    gates = {"lstm_sequence": 4, "gru_sequence": 3, "rnn_sequence": 1}[op]
    steps, batch = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    hidden = draw(st.sampled_from([1, 3, 8, 17]))
    directions = draw(st.sampled_from([("forward",), ("reverse",), ("forward", "reverse")]))
    count, dtype = len(directions), draw(st.sampled_from([F32, F64]))
    projected = draw(values((steps, count, batch, gates * hidden), dtype))
    weight = draw(values((count, gates * hidden, hidden), dtype))
    state = draw(values((count, batch, hidden), dtype))
    lengths = np.array([draw(st.integers(0, steps)) for _ in range(batch)], np.int32)
    attrs: dict[str, Any] = {"directions": directions, "clip": draw(st.sampled_from([0.0, 1.5]))}
    if op == "rnn_sequence":
        return Case(op, (projected, weight, state, lengths), attrs)
    if op == "gru_sequence":
        attrs["linear_before_reset"] = draw(st.booleans())
        bias = draw(values((count, gates * hidden), dtype))
        return Case(op, (projected, weight, bias, state, lengths), attrs)
    attrs["input_forget"] = draw(st.booleans())
    inputs = [projected, weight, state, draw(values((count, batch, hidden), dtype)), lengths]
    if draw(st.booleans()):
        inputs.append(draw(values((count, 3 * hidden), dtype)))
    return Case(op, tuple(inputs), attrs)


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
    "one_hot": _one_hot,
    "gather": _gather,
    "gather_elements": _elements,
    "scatter_elements": _elements,
    "gather_nd": _places,
    "scatter_nd": _places,
    "layer_norm": _normalization,
    "rms_norm": _normalization,
    "batch_norm": _batch_norm,
    "max_pool": _pool,
    "avg_pool": _pool,
    "conv": _conv,
    "conv_transpose": _conv,
    "matmul": _matmul,
    "lstm_sequence": _recurrent,
    "gru_sequence": _recurrent,
    "rnn_sequence": _recurrent,
    "select": _select,
    **SELECTION,
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
