"""Candidates in this process: their memory, and copies of their constants."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.autotune.measure.arguments import random_arguments
from mlc.autotune.measure.candidate import Candidate, Prepare, compile_kernel
from mlc.autotune.measure.loaded import Layout, LoadedKernel
from mlc.ir.dtype import F32
from mlc.ir.stmt import Buffer
from mlc.ir.text import parse_func
from mlc.passes.loops.pipeline import finish_loops
from tests.autotune.kernels import HOST

SCALED = parse_func("""
func kernel(in0: f32[8192], in1: f32[8192] constant, out0: f32[8192]) {
  for i in 8192 {
    out0[i] = in0[i] * in1[i]
  }
}
""")
BYTES = 8192 * 4


@pytest.mark.parametrize("working_set", [0, 1, BYTES + 1, 10 * BYTES])
def test_every_copy_of_the_constants_is_right_and_used(working_set: int) -> None:
    copies = max(1, -(-working_set // BYTES))
    values = random_arguments(SCALED, 0)
    candidate, code = compile_kernel(finish_loops(SCALED), HOST, 1, fast_math=False)
    out = SCALED.params[-1]
    with LoadedKernel(candidate, code, SCALED.params, values, working_set) as kernel:
        for _ in range(2 * copies):
            kernel.view(out)[...] = 0
            kernel.time(1)
            np.testing.assert_array_equal(kernel.view(out), values["in0"] * values["in1"])
        kernel.view(SCALED.params[1])[...] = 0
        zeros = 0
        for _ in range(2 * copies):
            kernel.time(1)
            zeros += not kernel.view(out).any()
        assert zeros == 2
        assert kernel.time(3) > 0


def test_buffers_do_not_overlap() -> None:
    buffers = [
        Buffer.dense("in0", (3, 5), F32),
        Buffer("in1", (4, 4), (-4, 1), F32, "constant"),
        Buffer("out0", (2, 2), (40, 3), F32),
    ]
    prepare = (Prepare("prepare0", ("in1", "packed"), 100),)
    candidate = Candidate(("in0", "packed", "out0"), (7, 64), prepare, 1)
    layout = Layout(candidate, buffers)
    values = {b.name: np.full(b.shape, n, np.float32) for n, b in enumerate(buffers)}
    memory = layout.fill(values)
    for number, buffer in enumerate(buffers):
        assert (layout.view(buffer.name, memory) == number).all()
    assert layout.start("in1") == layout.offsets["in1"] + 48
    assert layout.constants == ["packed"]
    assert layout.bytes - layout.constants_start == 128
    written = memory != 0xFF
    assert written.sum() == 4 * (15 + 16 + 4)
    starts = [*layout.offsets.values(), *layout.workspaces]
    assert all(start % 64 == 0 for start in starts)
    assert len(set(starts)) == len(starts)


def test_small_constants_are_not_copied() -> None:
    candidate = Candidate(("in0",), (), (), 1)
    small, large = (
        Layout(candidate, [Buffer.dense("in0", (size,), F32, "constant")])
        for size in (100, 100_000)
    )
    assert small.copies_for(1 << 20) == 1
    assert large.copies_for(1 << 20) == 3
    assert large.copies_for(0) == 1
    assert large.copies_for(1 << 40) == 256
