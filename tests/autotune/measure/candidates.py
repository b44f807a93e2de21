"""Candidates that misbehave in every way that a candidate can."""

from __future__ import annotations

from mlc.autotune.measurement import MeasureInput
from mlc.ir.text import parse_func
from mlc.passes.schedule.trace import Trace
from tests.autotune.kernels import HOST


def of_text(text: str) -> MeasureInput:
    return MeasureInput.of(parse_func(text), Trace(), HOST, 1)


CRASH = of_text("""
func kernel(in0: f32[16], out0: f32[16]) {
  for i in 16 {
    out0[i * 100000000000] = in0[i]
  }
}
""")

HANG = of_text("""
func kernel(in0: f32[16], out0: f32[16]) {
  for n in 1000000000000000 {
    for i in 16 {
      out0[i] = out0[i] + in0[i]
    }
  }
}
""")

WRONG = of_text("""
func kernel(in0: f32[16], out0: f32[16]) {
  for i in 16 {
    out0[i] = in0[i] + 10000000000.0:f32 - 10000000000.0:f32
  }
}
""")
"""Floats of 32 bits lose what floats of 64 bits keep."""

HUGE = of_text("""
func kernel(in0: f32[16], out0: f32[16]) {
  alloc t0: f32[16,1000000000] arena {
    for i in 16 {
      t0[i, 0] = in0[i]
    }
    for j in 16 {
      out0[j] = t0[j, 0]
    }
  }
}
""")
