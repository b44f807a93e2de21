"""A candidate as machine code: what one process builds and another runs.

Before: a `MeasureInput`. After: one object with the kernel, the functions that prepare its
constants and a timing loop, and a list of the memory that it wants. The thread pool that it calls
is another object.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from mlc.autotune.measurement import MeasureInput
from mlc.backends.llvm.emit.function import workspaces
from mlc.backends.llvm.emit.timing import emit_shared_pool, emit_timed
from mlc.backends.llvm.machine import compile_to_object
from mlc.ir.stmt import Buffer, Func
from mlc.ir.text import parse_func
from mlc.passes.loops.pipeline import finish_loops
from mlc.passes.schedule.apply_trace import apply_trace
from mlc.target import Target

KERNEL = "kernel"


@dataclass(frozen=True, slots=True)
class Prepare:
    """A function that writes a constant of `bytes` bytes; the last of `params` is its name."""

    symbol: str
    params: tuple[str, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """The parameters of the kernel by name, the sizes of its workspaces in bytes, and more."""

    params: tuple[str, ...]
    workspaces: tuple[int, ...]
    prepare: tuple[Prepare, ...]
    threads: int

    def to_json(self) -> dict[str, Any]:
        """A value that `json.dumps` takes."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Candidate:
        """Read what `to_json` gave."""
        prepare = [
            Prepare(part["symbol"], tuple(part["params"]), part["bytes"])
            for part in value["prepare"]
        ]
        params, sizes = tuple(value["params"]), tuple(value["workspaces"])
        return Candidate(params, sizes, tuple(prepare), value["threads"])


@functools.lru_cache(maxsize=64)
def plain_loops(text: str) -> Func:
    """The function of a task, parsed once for all its candidates."""
    return parse_func(text)


def build_candidate(item: MeasureInput) -> tuple[Candidate, bytes]:
    """The candidate and its object; `MlcError` where the trace or the code is refused."""
    func = apply_trace(plain_loops(item.func_text), item.trace).func
    return compile_kernel(finish_loops(func), item.target, item.threads, fast_math=not item.exact)


def compile_kernel(
    func: Func, target: Target, threads: int, *, fast_math: bool
) -> tuple[Candidate, bytes]:
    """The object of a function that `finish_loops` made."""
    func = replace(func, name=KERNEL)
    prepare = [replace(part, name=f"prepare{n}") for n, part in enumerate(func.prepare)]
    text = emit_timed(func, prepare, fast_math=fast_math)
    code = compile_to_object(text, target)
    candidate = Candidate(
        _names(func),
        tuple(size_of(buffer) for buffer in workspaces(func)),
        tuple(Prepare(p.name, _names(p), size_of(p.params[-1])) for p in prepare),
        threads,
    )
    return candidate, code


@functools.lru_cache(maxsize=2)
def thread_pool(target: Target) -> bytes:
    """The object of the thread pool that all candidates for `target` share."""
    return compile_to_object(emit_shared_pool(target.triple), target)


def size_of(buffer: Buffer) -> int:
    """Bytes of memory from the first to the last element."""
    return buffer.span * buffer.dtype.bytes


def _names(func: Func) -> tuple[str, ...]:
    return tuple(buffer.name for buffer in func.params)
