"""Floats to integers: truncated, saturated, NaN as 0; of every pair of types, in vectors or not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlc.ir.dtype import BF16, DTYPES, F16, F32, F64, DType
from mlc.ir.expr import Broadcast, Cast, Const, Expr, Load, Ramp, Var, index
from mlc.ir.stmt import Buffer, For, Func, Store
from tests.backends.harness import run_compiled

INTEGERS = [dtype for dtype in DTYPES.values() if dtype.is_integer]
LANES = 16


def numbers(source: DType, target: DType) -> np.ndarray:
    """Around zero and around both ends of the target, and what lies beyond all of them."""
    limits = np.iinfo(target.numpy)
    ends = [float(limits.min), float(limits.max), float(limits.max) + 1]
    steps = [0, 0.5, -0.5, 0.99, -0.99, 1, -1, 2.5, -2.5]
    near = [end + step for end in (0.0, *ends) for step in steps]
    far = [math.nan, math.inf, -math.inf, 1e30, -1e30, -0.0]
    with np.errstate(over="ignore"):
        values = np.array([*near, *far]).astype(source.numpy)
    return np.resize(values, -(-len(values) // LANES) * LANES)


def wanted(value: float, target: DType) -> int:
    limits = np.iinfo(target.numpy)
    if math.isnan(value):
        return 0
    if math.isinf(value):
        return int(limits.max if value > 0 else limits.min)
    return min(max(math.trunc(value), int(limits.min)), int(limits.max))


def converting(source: DType, target: DType, count: int, lanes: int) -> Func:
    """Convert `count` numbers, `lanes` at a time."""
    x, y = Buffer.dense("x", (count,), source), Buffer.dense("y", (count,), target)
    place: Expr = Var("i")
    if lanes > 1:
        place = Ramp(Var("i") * lanes, index(1), lanes)
    body = Store(y, (place,), Cast(Load(x, (place,)), target))
    return Func("convert", (x, y), For("i", index(count // lanes), "serial", body))


@pytest.mark.parametrize("source", [F64, F32, F16, BF16], ids=str)
@pytest.mark.parametrize("target", INTEGERS, ids=str)
@pytest.mark.parametrize("lanes", [1, LANES])
def test_truncation(source: DType, target: DType, lanes: int) -> None:
    values = numbers(source, target)
    func = converting(source, target, len(values), lanes)
    found = run_compiled(func, {"x": values}, "host", 1)["y"]
    assert found.tolist() == [wanted(float(value), target) for value in values]


def test_a_constant_is_truncated() -> None:
    y = Buffer.dense("y", (LANES,), DTYPES["i8"])
    value = Cast(Broadcast(Const(-300.5, F32), LANES), DTYPES["i8"])
    body = Store(y, (Ramp(index(0), index(1), LANES),), value)
    found = run_compiled(Func("constant", (y,), body), {}, "host", 1)["y"]
    assert found.tolist() == [-128] * LANES
