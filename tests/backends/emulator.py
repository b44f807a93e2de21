"""Runs compiled code of aarch64 under qemu: memory goes in by one file and comes back by another.

The driver is LLVM IR, so that nothing is needed beside a linker that brings a C library.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc.backends.llvm.emit.driver import PROGRAM_DECLARATIONS
from mlc.backends.llvm.emit.function import workspaces
from mlc.backends.llvm.emit.module import emit_functions
from mlc.backends.llvm.link import link_executable
from mlc.backends.llvm.machine import compile_to_object
from mlc.ir.stmt import Buffer, Func
from mlc.runtime.compiled import Compiled
from mlc.runtime.memory import Bytes
from mlc.target import Target
from tests.backends.harness import Argument
from tests.backends.models import poisoned

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Block:
    """Memory that a program is given; `offset` is that of the address it is told."""

    data: Bytes
    offset: int = 0


@functools.cache
def emulator() -> str:
    """The emulator's path; skips the test without one."""
    found = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if found is None:
        pytest.skip("no qemu-aarch64: apt-get install qemu-user")
    return found


def run_program(
    code: bytes, call: str, blocks: Sequence[Block], target: Target, threads: int = 1
) -> list[Bytes]:
    """Link `code` with a driver, run it, and return the blocks as it leaves them.

    `call` is a call in LLVM IR that yields `%status`; it may name `%table` (one address per block)
    and `%pool`.
    """
    driver = compile_to_object(_driver(call, blocks, threads), target)
    program = link_executable([code, driver], target.triple)
    if program is None:
        pytest.skip("no aarch64 linker: apt-get install gcc-aarch64-linux-gnu")
    with tempfile.TemporaryDirectory() as folder:
        path, given, taken = (Path(folder, name) for name in ("program", "given", "taken"))
        path.write_bytes(program)
        path.chmod(0o755)
        given.write_bytes(b"".join(block.data.tobytes() for block in blocks))
        command = [emulator(), path, given, taken]
        done = subprocess.run(command, capture_output=True, timeout=300, check=False)
        assert done.returncode == 0, f"exit {done.returncode}: {done.stderr.decode()}"
        memory = np.fromfile(taken, np.uint8)
    ends = np.cumsum([block.data.size for block in blocks])
    return np.split(memory, ends[:-1])


def _driver(call: str, blocks: Sequence[Block], threads: int) -> str:
    lines = [PROGRAM_DECLARATIONS]
    if "@mlc_run" in call:
        lines.append("declare i32 @mlc_run(ptr)")
    else:
        lines.append("declare void @kernel(ptr, ptr)")
    lines += ["define i32 @main(i32 %count, ptr %arguments) {"]
    for number, name in ((1, "given"), (2, "taken")):
        lines.append(f"  %{name}.slot = getelementptr ptr, ptr %arguments, i64 {number}")
        lines.append(f"  %{name} = load ptr, ptr %{name}.slot")
    lines.append("  %source = call ptr @fopen(ptr %given, ptr @reading)")
    lines.append(f"  %table = alloca [{max(len(blocks), 1)} x ptr]")
    for number, block in enumerate(blocks):
        room = -(-max(block.data.size, 1) // 64) * 64
        lines += [
            f"  %b{number} = call ptr @aligned_alloc(i64 64, i64 {room})",
            f"  %r{number} = call i64 @fread({_extent(number, block)}, ptr %source)",
            f"  %a{number} = getelementptr i8, ptr %b{number}, i64 {block.offset}",
            f"  %s{number} = getelementptr ptr, ptr %table, i64 {number}",
            f"  store ptr %a{number}, ptr %s{number}",
        ]
    lines.append(f"  %pool = call ptr @mlc_pool_create(i32 {threads - 1})")
    lines.append(f"  {call}")
    lines.append("  call void @mlc_pool_destroy(ptr %pool)")
    lines.append("  %target = call ptr @fopen(ptr %taken, ptr @writing)")
    lines += [
        f"  %w{number} = call i64 @fwrite({_extent(number, block)}, ptr %target)"
        for number, block in enumerate(blocks)
    ]
    lines += ["  %closed = call i32 @fclose(ptr %target)", "  ret i32 %status", "}"]
    return "\n".join(lines)


def _extent(number: int, block: Block) -> str:
    return f"ptr %b{number}, i64 1, i64 {block.data.size}"


def run_model(model: Compiled, feeds: Mapping[str, Array], target: Target) -> dict[str, Array]:
    """Run a compiled model; arena and outputs are poisoned."""
    inputs = [np.ascontiguousarray(feeds[port.name]) for port in model.inputs]
    empty = np.zeros(8, np.uint8)  # where the table holds the pool, and no profile
    memory = [model.constants, poisoned(model.arena_bytes), empty, empty]
    memory += [array.reshape(-1).view(np.uint8) for array in inputs]
    memory += [poisoned(port.nbytes) for port in model.outputs]
    call = (
        "%pool.slot = getelementptr ptr, ptr %table, i64 2\n"
        "  store ptr %pool, ptr %pool.slot\n"
        "  %profile.slot = getelementptr ptr, ptr %table, i64 3\n"
        "  store ptr null, ptr %profile.slot\n"
        "  %status = call i32 @mlc_run(ptr %table)"
    )
    blocks = [Block(part) for part in memory]
    after = run_program(model.code.data, call, blocks, target, model.num_threads or 1)
    results = after[len(after) - len(model.outputs) :]
    return {
        port.name: part.view(port.numpy_dtype).reshape(port.shape)
        for port, part in zip(model.outputs, results, strict=True)
    }


def run_kernel(
    func: Func,
    values: Mapping[str, Array],
    target: Target,
    threads: int = 1,
    params: Sequence[Buffer] = (),
) -> dict[str, Array]:
    """Run a function that needs nothing prepared; as `harness.run_compiled`."""
    assert not func.prepare
    func = replace(func, name="kernel")
    code = compile_to_object(emit_functions([func], target.triple), target, 1)
    shown = {b.name: b for b in func.params} | {b.name: b for b in params}
    buffers = [*(shown[b.name] for b in func.params), *workspaces(func)]
    arguments = [Argument(buffer, values.get(buffer.name)) for buffer in buffers]
    blocks = [Block(a.memory, a.address - a.memory.ctypes.data) for a in arguments]
    call = "call void @kernel(ptr %table, ptr %pool)\n  %status = add i32 0, 0"
    after = run_program(code, call, blocks, target, threads)
    for buffer, argument, memory in zip(buffers, arguments, after, strict=True):
        argument.memory[:] = memory
        argument.assert_rest_untouched(buffer.name)
    return {b.name: a.view for b, a in zip(buffers, arguments, strict=True)}
