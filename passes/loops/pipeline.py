"""The order of the passes between a schedule and code generation."""

from __future__ import annotations

from dataclasses import replace

from mlc.ir.stmt import Func
from mlc.passes.loops.demote_registers import demote_registers
from mlc.passes.loops.hoist_guards import hoist_guards
from mlc.passes.loops.peel_borders import peel_borders
from mlc.passes.loops.simplify import simplify_func
from mlc.passes.loops.specialise_tails import specialise_tails
from mlc.passes.loops.transpose_tiles import transpose_tiles
from mlc.passes.loops.vectorize_loops import vectorize_loops

LOOP_PASSES = (
    simplify_func,
    hoist_guards,
    peel_borders,
    specialise_tails,
    transpose_tiles,
    vectorize_loops,
    demote_registers,
)


def finish_loops(func: Func) -> Func:
    """Loops as scheduled → loops with explicit vectors, ready for the emitter."""
    for run in LOOP_PASSES:
        func = run(func)
    return replace(func, prepare=tuple(simplify_func(part) for part in func.prepare))
