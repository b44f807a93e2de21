"""Linking with each tool that this machine has; what is missing is skipped."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from mlc.backends.llvm import link
from mlc.backends.llvm.link import link_executable, link_shared
from mlc.errors import CompileError
from mlc.runtime.artifact import load
from mlc.runtime.artifact_writer import write_artifact
from tests.runtime import toy

ARM = "aarch64-unknown-linux-gnu"

# Runs jobs on a pool of three, and exits with 42 when every index ran as often as it should.
MAIN = """
define internal void @count(ptr %counters, i64 %begin, i64 %end) {
entry:
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %next, %loop ]
  %address = getelementptr i32, ptr %counters, i64 %i
  %old = load i32, ptr %address
  %new = add i32 %old, 1
  store i32 %new, ptr %address
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}

define i32 @main() {
entry:
  %counters = alloca [100 x i32]
  call void @llvm.memset.p0.i64(ptr %counters, i8 0, i64 400, i1 false)
  %pool = call ptr @mlc_pool_create(i32 3)
  br label %jobs
jobs:
  %job = phi i64 [ 0, %entry ], [ %job.next, %jobs ]
  call void @mlc_parallel_for(ptr %pool, ptr @count, ptr %counters, i64 100)
  %job.next = add i64 %job, 1
  %more = icmp ult i64 %job.next, 200
  br i1 %more, label %jobs, label %check
check:
  call void @mlc_pool_destroy(ptr %pool)
  br label %index
index:
  %i = phi i64 [ 0, %check ], [ %i.next, %right ]
  %address = getelementptr i32, ptr %counters, i64 %i
  %count = load i32, ptr %address
  %equal = icmp eq i32 %count, 200
  br i1 %equal, label %right, label %wrong
right:
  %i.next = add i64 %i, 1
  %rest = icmp ult i64 %i.next, 100
  br i1 %rest, label %index, label %good
good:
  ret i32 42
wrong:
  ret i32 1
}
"""

only_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="arm is not a cross target")


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Hide all tools but these, and skip the test when none of them is there."""
    found = {name: path for name in names if (path := shutil.which(name))}
    with_zig = "ziglang" in names and find_spec("ziglang") is not None
    if not found and not with_zig:
        pytest.skip(f"no {' or '.join(names)}")
    monkeypatch.setattr(link.shutil, "which", found.get)
    monkeypatch.setattr(link, "find_spec", find_spec if with_zig else lambda name: None)


@pytest.mark.parametrize("tool", ["cc", "gcc", "clang", "ld", "ld.lld", "ziglang"])
def test_every_linker_makes_a_shared_object_that_loads(
    tool: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch, tool)
    write_artifact(toy.compiled(num_threads=2), tmp_path / "model", linker=link_shared)
    module = load(tmp_path / "model")
    assert module.compiled.code.kind == "shared"
    x = np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(module(x, x), toy.expected(x, x))


def test_an_executable_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    only(monkeypatch, "cc", "gcc", "clang", "ziglang")
    program = link_executable([toy.object_code(6, extra=MAIN)], toy.TRIPLE)
    assert program is not None
    path = tmp_path / "program"
    path.write_bytes(program)
    path.chmod(0o700)
    assert subprocess.run([path], check=False, timeout=60).returncode == 42


@only_x86
def test_a_shared_object_for_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "aarch64-linux-gnu-gcc", "ld.lld", "ziglang")
    shared = link_shared(toy.object_code(6, triple=ARM), ARM)
    assert shared is not None
    assert (shared[:4], shared[18:20]) == (b"\x7fELF", (183).to_bytes(2, "little"))
    assert b"mlc_run\0" in shared


@only_x86
def test_a_static_program_for_arm_runs_in_the_emulator(
    run_aarch64: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch, "aarch64-linux-gnu-gcc", "ziglang")
    code = toy.object_code(6, triple=ARM, extra=MAIN.replace("ret i32 42", "ret i32 0"))
    program = link_executable([code], ARM)
    assert program is not None
    path = tmp_path / "program"
    path.write_bytes(program)
    path.chmod(0o700)
    assert run_aarch64(path) == b""


def test_without_any_linker_there_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link.shutil, "which", lambda name: None)
    monkeypatch.setattr(link, "find_spec", lambda name: None)
    assert link_shared(toy.object_code(6), toy.TRIPLE) is None
    assert link_executable([toy.object_code(6)], toy.TRIPLE) is None


def test_a_linker_that_fails_leaves_the_work_to_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    linker = shutil.which("ld")
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho broken compiler >&2\nexit 3\n")
    broken.chmod(0o700)
    monkeypatch.setattr(link, "find_spec", lambda name: None)
    monkeypatch.setattr(link.shutil, "which", {"cc": str(broken)}.get)
    with pytest.raises(CompileError) as caught:
        link_shared(toy.object_code(6), toy.TRIPLE)
    assert str(caught.value) == (f"linking failed\n  {broken} -shared -nostdlib: broken compiler")
    if linker is None:
        pytest.skip("no ld")
    monkeypatch.setattr(link.shutil, "which", {"cc": str(broken), "ld": linker}.get)
    shared = link_shared(toy.object_code(6), toy.TRIPLE)
    assert shared is not None
    assert shared[:4] == b"\x7fELF"


def test_what_is_no_object_does_not_link(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "cc", "gcc", "clang")
    with pytest.raises(CompileError, match=r"^linking failed\n  .*cc"):
        link_shared(b"no object", toy.TRIPLE)
