"""A model in hand-written LLVM IR: sum = x + y * scale, in two kernels with the arena between."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from mlc.backends.llvm.link import link_shared
from mlc.backends.llvm.native.thread_pool import thread_pool_ir
from mlc.runtime.compiled import Call, Code, Compiled, Machine
from mlc.runtime.memory import aligned_bytes
from mlc.runtime.module import Module
from mlc.runtime.signature import Port
from mlc.runtime.texts import Source, Texts

TRIPLE = llvm.get_process_triple()
TEXTS: dict[str, Source] = {
    "graph": {"": "graph naïve"},
    "loops": lambda: {"scale": "für s\r\n", "add": "for a"},
    "asm": {"add": ""},
}

_IR = """
define internal ptr @entry(ptr %table, i64 %index) {
  %address = getelementptr ptr, ptr %table, i64 %index
  %value = load ptr, ptr %address
  ret ptr %value
}

define internal void @scale(ptr %table, i64 %begin, i64 %end) {
entry:
  %constants = call ptr @entry(ptr %table, i64 0)
  %arena = call ptr @entry(ptr %table, i64 1)
  %y = call ptr @entry(ptr %table, i64 5)
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %next, %loop ]
  %y.i = getelementptr float, ptr %y, i64 %i
  %scale.i = getelementptr float, ptr %constants, i64 %i
  %arena.i = getelementptr float, ptr %arena, i64 %i
  %left = load float, ptr %y.i, align 4
  %right = load float, ptr %scale.i, align 4
  %product = fmul float %left, %right
  store float %product, ptr %arena.i, align 4
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}

define internal void @add(ptr %table, i64 %begin, i64 %end) {
entry:
  %arena = call ptr @entry(ptr %table, i64 1)
  %x = call ptr @entry(ptr %table, i64 4)
  %sum = call ptr @entry(ptr %table, i64 6)
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %next, %loop ]
  %x.i = getelementptr float, ptr %x, i64 %i
  %arena.i = getelementptr float, ptr %arena, i64 %i
  %sum.i = getelementptr float, ptr %sum, i64 %i
  %left = load float, ptr %x.i, align 4
  %right = load float, ptr %arena.i, align 4
  %result = fadd float %left, %right
  store float %result, ptr %sum.i, align 4
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}

define internal void @timed(ptr %table, ptr %body, i64 %index) {
entry:
  %pool = call ptr @entry(ptr %table, i64 2)
  %profile = call ptr @entry(ptr %table, i64 3)
  %start = call i64 @mlc_clock_ns()
  call void @mlc_parallel_for(ptr %pool, ptr %body, ptr %table, i64 SIZE)
  %end = call i64 @mlc_clock_ns()
  %absent = icmp eq ptr %profile, null
  br i1 %absent, label %done, label %note
note:
  %elapsed = sub i64 %end, %start
  %slot = getelementptr i64, ptr %profile, i64 %index
  %old = load i64, ptr %slot
  %new = add i64 %old, %elapsed
  store i64 %new, ptr %slot
  br label %done
done:
  ret void
}

define i32 @mlc_run(ptr %table) {
  call void @timed(ptr %table, ptr @scale, i64 0)
  call void @timed(ptr %table, ptr @add, i64 1)
  ret i32 STATUS
}
"""


@lru_cache
def object_code(size: int, status: int = 0, triple: str = TRIPLE, extra: str = "") -> bytes:
    """Relocatable code of the model on vectors of `size`."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    ir = _IR.replace("SIZE", str(size)).replace("STATUS", str(status))
    module = llvm.parse_assembly(thread_pool_ir(triple) + ir + extra)
    module.triple = triple
    module.verify()
    machine = llvm.Target.from_triple(triple).create_target_machine(reloc="pic")
    return bytes(machine.emit_object(module))


class JitCode:
    """Object code loaded by LLVM's JIT."""

    def __init__(self, data: bytes) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_triple(TRIPLE).create_target_machine(reloc="pic")
        self.engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self.engine.add_object_file(llvm.ObjectFileRef.from_data(data))
        self.engine.finalize_object()

    def address(self, symbol: str) -> int:
        return int(self.engine.get_function_address(symbol))


def scale_of(size: int) -> np.ndarray[Any, Any]:
    """The model's constants."""
    return np.arange(size, dtype=np.float32) + 0.5


def compiled(
    shape: tuple[int, ...] = (6,),
    *,
    status: int = 0,
    num_threads: int | None = 1,
    texts: Mapping[str, Source] | None = None,
    machine: Machine | None = None,
) -> Compiled:
    """The model on arrays of `shape`."""
    size = int(np.prod(shape))
    constants = aligned_bytes(size * 4)
    constants[:] = scale_of(size).view(np.uint8)
    return Compiled(
        name="toy",
        machine=machine or Machine(TRIPLE),
        inputs=(Port("x", "f32", shape), Port("y", "f32", shape)),
        outputs=(Port("sum", "f32", shape),),
        code=Code("object", object_code(size, status)),
        calls=(Call("scale", ("Mul_0",), size, 12 * size), Call("add", ("Add_1", "Identity_2"))),
        constants=constants,
        arena_bytes=size * 4,
        num_threads=num_threads,
        texts=Texts(texts),
        versions={"toy": "1"},
    )


def module(shape: tuple[int, ...] = (6,), **options: Any) -> Module:
    """The model, ready to be called."""
    return Module.from_compiled(compiled(shape, **options), JitCode)


def expected(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What the model computes, by NumPy."""
    return x + y * scale_of(x.size).reshape(x.shape)


def need_linker() -> None:
    """Skip the test where no shared library can be made."""
    if link_shared(object_code(6), TRIPLE) is None:
        pytest.skip("no linker")
