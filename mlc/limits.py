"""What this machine can do at best, measured by two kernels of loop IR.

`multiply_add` keeps as many independent chains of multiply-adds in registers as the units of the
processor can work on at once; `stream` reads an array that no cache holds.
"""

from __future__ import annotations

import time

import numpy as np

from mlc.backends.llvm.emit.module import emit_program
from mlc.backends.llvm.machine import compile_to_object, load_object
from mlc.backends.llvm.targets import resolve
from mlc.build import calls, machine_of, ports
from mlc.ir.dtype import F32
from mlc.ir.graph import Value
from mlc.ir.program import KernelCall, Place, Program
from mlc.ir.stmt import Func
from mlc.ir.text import parse_func
from mlc.ir.types import TensorType
from mlc.ir.work import work_of
from mlc.passes.loops.pipeline import finish_loops
from mlc.runtime.arrays import Array
from mlc.runtime.compiled import OBJECT, Code, Compiled
from mlc.runtime.module import Module
from mlc.runtime.roofline import Limits
from mlc.target import Target

_TASKS_PER_THREAD = 8
_CHAIN_LENGTH = 50_000
_SPARE_CHAINS = 2
_STREAMS = 8
_TIMES_THE_CACHE = 4
_LARGEST_ARRAY = 1 << 29
_SECONDS = 0.15
_FEWEST_CALLS = 5

_MULTIPLY_ADD = """
func multiply_add(x: f32[{lanes}], y: f32[{tasks},{chains},{lanes}]) {{
  for parallel t in {tasks} {{
    alloc half: f32[{lanes}] register {{
      alloc sums: f32[{chains},{lanes}] register {{
        for vector j in {lanes} {{ half[j] = x[j] }}
        for unroll c in {chains} {{ for vector i in {lanes} {{ sums[c, i] = 0.0:f32 }} }}
        for k in {length} {{
          for unroll d in {chains} {{
            for vector l in {lanes} {{ sums[d, l] = sums[d, l] * half[l] + half[l] }}
          }}
        }}
        for unroll e in {chains} {{ for vector m in {lanes} {{ y[t, e, m] = sums[e, m] }} }}
      }}
    }}
  }}
}}
"""

_STREAM = """
func stream(x: f32[{tasks},{length},{chains},{lanes}], y: f32[{tasks},{chains},{lanes}]) {{
  for parallel t in {tasks} {{
    alloc sums: f32[{chains},{lanes}] register {{
      for unroll c in {chains} {{ for vector i in {lanes} {{ sums[c, i] = 0.0:f32 }} }}
      for k in {length} {{
        for unroll d in {chains} {{
          for vector l in {lanes} {{ sums[d, l] = sums[d, l] + x[t, k, d, l] }}
        }}
      }}
      for unroll e in {chains} {{ for vector m in {lanes} {{ y[t, e, m] = sums[e, m] }} }}
    }}
  }}
}}
"""


def multiply_add_kernel(target: Target, threads: int, length: int = _CHAIN_LENGTH) -> Func:
    """Chains of multiply-adds, `length` long; each tends to one when fed halves."""
    chains = target.fma_latency * target.fma_ports + _SPARE_CHAINS
    return parse_func(
        _MULTIPLY_ADD.format(
            lanes=target.lanes(F32.bits),
            chains=min(chains, target.vector_registers - _SPARE_CHAINS),
            tasks=_TASKS_PER_THREAD * threads,
            length=length,
        )
    )


def stream_kernel(target: Target, threads: int, size: int) -> Func:
    """Sums over an array of at most `size` bytes."""
    lanes, tasks = target.lanes(F32.bits), _TASKS_PER_THREAD * threads
    length = max(1, size // (tasks * _STREAMS * lanes * F32.bytes))
    return parse_func(_STREAM.format(lanes=lanes, chains=_STREAMS, tasks=tasks, length=length))


class Probe:
    """Measures the limits of this machine for so many threads, as often as you like.

    `target`: for what code is made, the host unless given; this machine must be able to run it.
    """

    def __init__(self, threads: int, target: Target | None = None) -> None:
        target = target or resolve("host")
        size = min(_TIMES_THE_CACHE * target.l3_bytes, _LARGEST_ARRAY)
        self._multiply_add = kernel_module(multiply_add_kernel(target, threads), target, threads)
        self._stream = kernel_module(stream_kernel(target, threads, size), target, threads)
        self._halves = _filled(self._multiply_add, 0.5)
        self._ones = _filled(self._stream, 1.0)
        self._best = Limits(0.0, 0.0)

    def measure(self) -> Limits:
        """The best of many calls, in a few hundred milliseconds, and of all measured before."""
        compute = _best_seconds(self._multiply_add, self._halves)
        read = _best_seconds(self._stream, self._ones)
        flops = self._multiply_add.compiled.calls[0].flops
        self._best = Limits(
            max(self._best.flops, flops / compute), max(self._best.bytes, self._ones.nbytes / read)
        )
        return self._best


def kernel_module(func: Func, target: Target, threads: int) -> Module:
    """A kernel of one input and one output, its loops scheduled, as a module."""
    values = [Value(param.name, TensorType(param.shape, param.dtype)) for param in func.params]
    inputs, outputs = (values[0],), (values[1],)
    places = (Place("input", 0, 0), Place("output", 0, 0))
    call = KernelCall(func.name, places, func.loc, work_of(func))
    kernels = {func.name: finish_loops(func)}
    program = Program(func.name, inputs, outputs, kernels, (call,), (), 0, 0)
    code = compile_to_object(emit_program(program, target.triple), target)
    compiled = Compiled(
        name=func.name,
        machine=machine_of(target),
        inputs=ports(inputs),
        outputs=ports(outputs),
        code=Code(OBJECT, code),
        calls=calls(program),
        num_threads=threads,
    )
    return Module.from_compiled(compiled, load_object)


def _filled(module: Module, value: float) -> Array:
    return np.full(module.inputs[0].shape, value, np.float32)


def _best_seconds(module: Module, array: Array) -> float:
    out = module(array)
    times: list[float] = []
    while len(times) < _FEWEST_CALLS or sum(times) < _SECONDS:
        started = time.perf_counter()
        module(array, out=out)
        times.append(time.perf_counter() - started)
    return min(times)
