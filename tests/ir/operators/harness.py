"""Runs one operator three ways: inferred type, NumPy reference, loops in the interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from mlc.errors import MlcError
from mlc.ir.dtype import DTYPES, dtype_of
from mlc.ir.expr import Var
from mlc.ir.interpret import run_func
from mlc.ir.layout import Layout
from mlc.ir.operators import OPERATORS
from mlc.ir.rewrite import walk, walk_exprs
from mlc.ir.stmt import Alloc, Buffer, For, Func
from mlc.ir.types import TensorType
from mlc.ir.verify import verify_func


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
    func = Func(op, (*ins, *outs), operator.loops(ins, outs, attrs, "p_"))
    verify_func(func)
    return func


def loop_names(func: Func) -> list[str]:
    """Loop variables in program order."""
    return [part.var for part in walk(func.body) if isinstance(part, For)]


def check_names(func: Func) -> None:
    """All names start with the prefix and are bound once."""
    names = loop_names(func)
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
    outputs = [unwritten(tensor) for tensor in inferred]
    run_func(func, [*inputs, *outputs])
    for got, want in zip(outputs, expected, strict=True):
        compare(got, want, rtol, atol)
    return tuple(outputs)


def unwritten(tensor: TensorType) -> np.ndarray:
    """An array in which a place that is never stored to shows."""
    value = np.nan if tensor.dtype.is_float else 99
    return np.full(tensor.static_shape, value).astype(tensor.dtype.numpy)


def refusal(op: str, *inputs: TensorType | str, **attrs: Any) -> str:
    """The message with which type inference refuses; types as `f32[2,n]`, letters are symbols."""
    with pytest.raises(MlcError) as caught:
        OPERATORS[op].infer([tensor_type(text) for text in inputs], attrs)
    return f"{type(caught.value).__name__}: {caught.value}"


def tensor_type(text: TensorType | str) -> TensorType:
    """Read `f32[2,n]`."""
    if isinstance(text, TensorType):
        return text
    name, dims = text.rstrip("]").split("[")
    shape = [int(d) if d.isdigit() else Var(d) for d in dims.split(",") if d]
    return TensorType(tuple(shape), DTYPES[name])


def infer(op: str, *inputs: str, **attrs: Any) -> str:
    """The inferred types as text."""
    found = OPERATORS[op].infer([tensor_type(text) for text in inputs], attrs)
    return " ".join(map(str, found))


def compare(got: np.ndarray, want: np.ndarray, rtol: float | None, atol: float) -> None:
    if dtype_of(want.dtype).is_storage:
        got, want = got.astype(np.float32), want.astype(np.float32)
        rtol = 0
    if want.dtype.kind in "iub":
        np.testing.assert_array_equal(got, want)
        return
    if rtol is None:
        rtol = 64 * float(ml_dtypes.finfo(want.dtype).eps)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)


def sample(rng: np.random.Generator, shape: Sequence[int], dtype: str = "float32") -> np.ndarray:
    """Random values: normal floats, small integers of both signs, or booleans."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.random(tuple(shape)) < 0.5
    if kind in "iu":
        return rng.integers(0 if kind == "u" else -9, 10, tuple(shape)).astype(dtype)
    return rng.standard_normal(tuple(shape)).astype(dtype)
