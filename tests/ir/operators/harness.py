"""Runs one operator three ways: inferred type, NumPy reference, loops in the interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlc.ir.dtype import dtype_of
from mlc.ir.interpret import run_func
from mlc.ir.layout import Layout
from mlc.ir.operators import OPERATORS
from mlc.ir.rewrite import walk, walk_exprs
from mlc.ir.stmt import Alloc, Buffer, For, Func
from mlc.ir.types import TensorType


def typed(array: np.ndarray) -> TensorType:
    return TensorType(array.shape, dtype_of(array.dtype))


def buffer_of(name: str, tensor: TensorType, rng: np.random.Generator) -> Buffer:
    """A buffer with the axes in some memory order."""
    order = Layout(tuple(int(axis) for axis in rng.permutation(tensor.rank)))
    return Buffer(name, tensor.static_shape, order.strides(tensor.static_shape), tensor.dtype)


def loops_of(op: str, inputs: Sequence[TensorType], **attrs: Any) -> Func:
    """The loops of an operator on new buffers `x0…` and `y0…`."""
    rng = np.random.default_rng(0)
    operator = OPERATORS[op]
    outputs = operator.infer(inputs, attrs)
    ins = [buffer_of(f"x{k}", tensor, rng) for k, tensor in enumerate(inputs)]
    outs = [buffer_of(f"y{k}", tensor, rng) for k, tensor in enumerate(outputs)]
    return Func(op, (*ins, *outs), operator.loops(ins, outs, attrs, "p_"))


def check_names(func: Func) -> None:
    """All names start with the prefix and are bound once."""
    names = [part.var for part in walk(func.body) if isinstance(part, For)]
    names += [part.buffer.name for part in walk(func.body) if isinstance(part, Alloc)]
    assert len(set(names)) == len(names)
    assert all(name.startswith("p_") for name in names)
    assert all(part.buffer.scope == "arena" for part in walk(func.body) if isinstance(part, Alloc))
    assert all(isinstance(expr.dtype.name, str) for expr in walk_exprs(func.body))


def check(
    op: str,
    *inputs: np.ndarray,
    rtol: float | None = None,
    atol: float = 0.0,
    **attrs: Any,
) -> tuple[np.ndarray, ...]:
    """Compare loops and reference; exactly for integers. Returns what the loops stored."""
    types = [typed(array) for array in inputs]
    inferred = OPERATORS[op].infer(types, attrs)
    expected = OPERATORS[op].reference(inputs, attrs)
    assert [typed(array) for array in expected] == list(inferred)
    func = loops_of(op, types, **attrs)
    check_names(func)
    outputs = [np.empty(t.static_shape, t.dtype.numpy) for t in inferred]
    run_func(func, [*inputs, *outputs])
    for got, want in zip(outputs, expected, strict=True):
        compare(got, want, rtol, atol)
    return tuple(outputs)


def compare(got: np.ndarray, want: np.ndarray, rtol: float | None, atol: float) -> None:
    if want.dtype.kind in "iub":
        np.testing.assert_array_equal(got, want)
        return
    if rtol is None:
        rtol = 64 * float(np.finfo(want.dtype).eps)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)


def sample(rng: np.random.Generator, shape: Sequence[int], dtype: str = "float32") -> np.ndarray:
    """Random values: normal floats, small integers of both signs, or booleans."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.random(tuple(shape)) < 0.5
    if kind in "iu":
        return rng.integers(0 if kind == "u" else -9, 10, tuple(shape)).astype(dtype)
    return rng.standard_normal(tuple(shape)).astype(dtype)
