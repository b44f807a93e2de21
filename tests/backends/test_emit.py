"""Compiled kernels compute what the operators' references and the interpreter compute.

Every operator, in any memory order, on every level of x86 that this machine has, with the default
schedule and with others, on one and on three threads.
"""

from __future__ import annotations

import functools
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.backends.llvm.emit.module import emit_functions
from mlc.backends.llvm.host import detect
from mlc.ir.dtype import F32, F64, I8, I16, I32, I64, U8, U16
from mlc.ir.expr import Binary, Const, Load, Var
from mlc.ir.interpret import run_func
from mlc.ir.operators import OPERATORS
from mlc.ir.stmt import Buffer, For, Func, Store
from mlc.ir.text import parse_func
from mlc.passes.loops.pipeline import finish_loops
from mlc.passes.schedule.templates import contraction, nests, recurrent, reduction, window
from tests.backends.grouping import Lowered, knobs_for, lowered
from tests.backends.harness import run_compiled
from tests.passes.schedule.steps import random_schedule
from tests.strategies import arguments_for, programs
from tests.strategies.operators import operator_cases

Array = np.ndarray[Any, np.dtype[Any]]

_LEVELS = {"x86-64-v2": "sse4.2", "x86-64-v3": "avx2", "x86-64-v4": "avx512vl"}


@functools.cache
def targets() -> list[str]:
    """This machine, and the levels of its family that it can run."""
    host = detect()
    return ["host", *(level for level, needs in _LEVELS.items() if host.features.get(needs))]


@pytest.fixture(autouse=True)
def _threads_for_small_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    for template in (contraction, nests, reduction, window):
        monkeypatch.setattr(template, "PARALLEL_ELEMENTS", 0)
    monkeypatch.setattr(recurrent, "SHARED_PRODUCTS", 0)


def assert_close(found: Array, wanted: Array, name: str) -> None:
    """Equal for whole numbers; for floats within a few roundings of the largest value."""
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    if wanted.dtype.kind in "iub":
        np.testing.assert_array_equal(found, wanted, err_msg=name)
        return
    found, exact = found.astype(np.float64), wanted.astype(np.float64)
    finite = np.abs(exact[np.isfinite(exact)])
    tolerance = 64 * float(ml_dtypes.finfo(wanted.dtype).eps)
    scale = float(finite.max(initial=0.0))
    np.testing.assert_allclose(found, exact, tolerance, tolerance * scale, err_msg=name)


def check(
    kernel: Lowered, target: str, threads: int, knobs: Any = None, *, check_bounds: bool = False
) -> None:
    func, params = kernel.scheduled(target, threads, knobs), kernel.group.func.params
    found = run_compiled(
        func, kernel.inputs, target, threads, params=params, check_bounds=check_bounds
    )
    for number, wanted in enumerate(kernel.case.expected):
        assert_close(found[f"out{number}"], wanted, f"out{number} of {kernel.case.op}")


def test_a_prefetch_may_point_anywhere() -> None:
    """It is in the code, does nothing, and is no access beyond a buffer."""
    func = parse_func(
        """func f(x: f32[4,16], y: f32[4,16]) {
          for i in 4 {
            prefetch x[i + 1, i * 4096]
            for j in 16 { y[i, j] = x[i, j] }
          }
        }"""
    )
    x = np.arange(64, dtype=np.float32).reshape(4, 16)
    for target in targets():
        found = run_compiled(finish_loops(func), {"x": x}, target, check_bounds=True)
        np.testing.assert_array_equal(found["y"], x)
    assert "call void @llvm.prefetch" in emit_functions([func], "x86_64-unknown-linux-gnu")


def check_any(data: st.DataObject, op: str) -> None:
    kernel = data.draw(lowered(operator_cases(op)))
    target, threads = data.draw(st.sampled_from(targets())), data.draw(st.sampled_from([1, 3]))
    knobs = None
    if data.draw(st.booleans()):
        knobs = data.draw(knobs_for(kernel.group, target, threads))
    check(kernel, target, threads, knobs, check_bounds=data.draw(st.booleans()))


@pytest.mark.parametrize("op", OPERATORS)
@settings(max_examples=3, derandomize=True)
@given(st.data())
def test_operators(op: str, data: st.DataObject) -> None:
    check_any(data, op)


@pytest.mark.slow
@pytest.mark.parametrize("op", OPERATORS)
@settings(max_examples=60)
@given(st.data())
def test_operators_at_length(op: str, data: st.DataObject) -> None:
    check_any(data, op)


def check_function(func: Func, plain: Func, target: str, threads: int) -> None:
    """A scheduled function, compiled, does what the plain one does in the interpreter."""
    wanted = arguments_for(plain)
    given = {b.name: wanted[b.name].copy() for b in plain.params if b.name != "y"}
    with np.errstate(all="ignore"):
        run_func(plain, wanted)
    found = run_compiled(finish_loops(func), given, target, threads, params=plain.params)
    assert_close(found["y"], wanted["y"], "y")


_PAIRS = ((F32, I32), (F32, I64), (U8, I16), (F64, I8), (I64, U16))


@settings(max_examples=40, derandomize=True)
@given(st.data())
def test_random_functions(data: st.DataObject) -> None:
    func = data.draw(programs(dtypes=data.draw(st.sampled_from(_PAIRS))))
    check_function(func, func, "host", 1)


@settings(max_examples=40, derandomize=True)
@given(st.data())
def test_random_schedules(data: st.DataObject) -> None:
    func = data.draw(programs())
    target, threads = data.draw(st.sampled_from(targets())), data.draw(st.sampled_from([1, 3]))
    check_function(random_schedule(data, func).func, func, target, threads)


@pytest.mark.slow
@settings(max_examples=500)
@given(st.data())
def test_random_schedules_at_length(data: st.DataObject) -> None:
    func = data.draw(programs(dtypes=data.draw(st.sampled_from(_PAIRS))))
    target, threads = data.draw(st.sampled_from(targets())), data.draw(st.sampled_from([1, 3]))
    check_function(random_schedule(data, func).func, func, target, threads)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_wait_for_each_other_in_every_step(threads: int) -> None:
    func = parse_func("""
    func steps(x: f32[64], y: f32[64]) {
      for i in 64 { y[i] = x[i] }
      for s in 5 {
        for t in 20 {
          alloc before: f32[64] arena {
            for j in 64 { before[j] = y[j] }
            for parallel k in 64 { y[k] = before[63 - k] * 0.5:f32 + cast<f32>(t - s) }
            if t < 10 { y[t] = y[t + 1] }
          }
        }
      }
    }""")
    x = np.arange(64, dtype=np.float32)
    y = np.zeros_like(x)
    run_func(func, [x, y])
    found = run_compiled(finish_loops(func), {"x": x}, threads=threads)
    np.testing.assert_array_equal(found["y"], y)


def test_buffers_of_other_strides_at_one_index() -> None:
    """The index is one object in memory; what it means is up to each buffer."""
    backwards = Buffer("x", (8,), (-1,), F32)
    apart, dense = Buffer("z", (8,), (3,), F32), Buffer.dense("y", (8,), F32)
    index = (Var("i"),)
    value = Binary("add", Load(backwards, index), Load(apart, index))
    body = For("i", Const(8), "serial", Store(dense, index, value))
    numbers = np.arange(8, dtype=np.float32)
    found = run_compiled(
        Func("f", (backwards, apart, dense), body), {"x": numbers, "z": 10 * numbers}
    )
    np.testing.assert_array_equal(found["y"], 11 * numbers)
