"""From a program to a module that runs: what a call reports about kernels that are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.api import load_compiled
from mlc.backends.llvm.emit.module import emit_program
from mlc.backends.llvm.machine import compile_to_object
from mlc.backends.llvm.targets import resolve
from mlc.build import machine_of, ports
from mlc.errors import MlcError
from mlc.ir.dtype import F32, I64
from mlc.ir.graph import Value
from mlc.ir.program import KernelCall, Place, Program
from mlc.ir.text import parse_func
from mlc.ir.types import TensorType
from mlc.ir.work import Work
from mlc.runtime.compiled import OBJECT, Call, Code, Compiled
from mlc.runtime.module import Module

TARGET = resolve("host")

PICK = """
func pick(x: f32[4], index: i64[2], y: f32[2]) {
  for i in 2 {
    y[i] = x[index[i]]
  }
}
"""
X = np.array([1, 2, 4, 8], np.float32)
LEFT_A_BUFFER = (
    "a kernel tried to leave the bounds of a buffer\n"
    "  hint: the outputs are wrong, and so is the compiler: this is a bug of mlc"
)


def pick(check_bounds: bool) -> Module:
    """A model of one hand-made kernel that believes its indices."""
    inputs = Value("x", TensorType((4,), F32)), Value("index", TensorType((2,), I64))
    outputs = (Value("y", TensorType((2,), F32)),)
    places = Place("input", 0, 0), Place("input", 1, 0), Place("output", 0, 0)
    program = Program(
        name="picker",
        inputs=inputs,
        outputs=outputs,
        kernels={"pick": parse_func(PICK)},
        calls=(KernelCall("pick", places, ("Pick_0",), Work()),),
        constants=(),
        constant_bytes=0,
        arena_bytes=0,
    )
    text = emit_program(program, TARGET.triple, check_bounds=check_bounds)
    return load_compiled(
        Compiled(
            name="picker",
            machine=machine_of(TARGET),
            inputs=ports(inputs),
            outputs=ports(outputs),
            code=Code(OBJECT, compile_to_object(text, TARGET)),
            calls=(Call("pick", ("Pick_0",)),),
            num_threads=1,
        )
    )


@pytest.mark.parametrize("check_bounds", [False, True])
def test_accesses_inside_are_fine(check_bounds: bool) -> None:
    np.testing.assert_array_equal(pick(check_bounds)(X, np.array([3, 0])), [8, 1])


@pytest.mark.parametrize("index", [4, -1, 2**40, -(2**40)])
def test_leaving_a_buffer_is_an_error(index: int) -> None:
    with pytest.raises(MlcError) as caught:
        pick(check_bounds=True)(X, np.array([0, index]))
    assert str(caught.value) == LEFT_A_BUFFER


def test_the_call_after_a_failed_one_is_fine() -> None:
    module = pick(check_bounds=True)
    for _ in range(2):
        with pytest.raises(MlcError) as caught:
            module(X, np.array([9, 0]))
        assert str(caught.value) == LEFT_A_BUFFER
        np.testing.assert_array_equal(module(X, np.array([1, 2])), [2, 4])


def test_profiled_calls_are_checked_too() -> None:
    module = pick(check_bounds=True)
    with pytest.raises(MlcError) as caught:
        module.profile(X, np.array([9, 0]), repeat=1)
    assert str(caught.value) == LEFT_A_BUFFER
    assert module.profile(X, np.array([1, 0]), repeat=1)[0].loc == ("Pick_0",)
