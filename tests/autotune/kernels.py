"""Small tasks to measure and to record."""

from __future__ import annotations

from dataclasses import replace

from mlc.autotune.measurement import MeasureInput, Measurement
from mlc.autotune.records import Record
from mlc.backends.llvm.targets import resolve
from mlc.ir.text import parse_func
from mlc.passes.schedule.primitives import split, vectorize
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.trace import Step, Trace

HOST = resolve("host")

PLAIN = parse_func("""
func kernel(in0: f32[64,96], in1: f32[96], out0: f32[64,96]) {
  for n0_i0 in 64 {
    for n0_i1 in 96 {
      out0[n0_i0, n0_i1] = exp(in0[n0_i0, n0_i1]) * in1[n0_i1]
    }
  }
}
""")


def vectorized(lanes: int = 8) -> Trace:
    """A schedule of `PLAIN`."""
    schedule = split(Schedule(PLAIN), "n0_i1", lanes, names=("n0_o", "n0_v"))
    return vectorize(schedule, "n0_v").trace


def candidate(trace: Trace | None = None, threads: int = 1) -> MeasureInput:
    """`PLAIN` with a schedule; with none unless given."""
    return MeasureInput.of(PLAIN, trace or Trace(), HOST, threads)


def record(seconds: float | None = 1e-3, status: str = "ok", lanes: int = 8) -> Record:
    """What measuring might have found."""
    found = Measurement(status, seconds, spread=0.25, samples=5, message="")  # type: ignore[arg-type]
    return replace(Record.of(candidate(vectorized(lanes)), found), created=float(lanes))


def refused() -> Trace:
    """Steps that do not apply to `PLAIN`."""
    return Trace((Step("split", {"loop": "nowhere", "factor": 4}),))
