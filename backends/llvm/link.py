"""Link relocatable objects with whatever linker there is.

Before: object code for a triple. After: a shared object or an executable, as bytes; None where
nothing that links for that processor was found: the system's compiler driver or linker, a cross
compiler, LLVM's `ld.lld`, or the `ziglang` package, which links for every processor. Shared objects
are linked without any library: what they need of libc is in every process that can load them.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mlc.errors import CompileError

_TIMEOUT_SECONDS = 600
_SHOWN_LINES = 12
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class _Tool:
    """A command that links: how to call it for shared objects and, if it can, for executables."""

    shared: tuple[str, ...]
    executable: tuple[str, ...] | None = None


def link_shared(object_code: bytes, triple: str) -> bytes | None:
    """A shared object of relocatable code for `triple`; None without a linker.

    Raises `CompileError` when there are linkers and all of them fail.
    """
    commands = [tool.shared for tool in _find_tools(triple)]
    return _link_with_first(commands, [object_code])


def link_executable(objects: Sequence[bytes], triple: str) -> bytes | None:
    """An executable with libc of relocatable objects, one of which defines `main`.

    It is static when `triple` is for another processor than this one, so that an emulator runs it
    without that processor's libraries. None without a linker that brings libc; raises
    `CompileError` when there are some and all of them fail.
    """
    commands = [tool.executable for tool in _find_tools(triple) if tool.executable is not None]
    return _link_with_first(commands, objects)


def _architecture(name: str) -> str:
    return _ARCHITECTURES.get(name.lower(), name.lower())


def _find_tools(triple: str) -> Iterator[_Tool]:
    """The tools on this machine that link for `triple`, the best first."""
    architecture = _architecture(triple.partition("-")[0])
    native = architecture == _architecture(platform.machine()) and "linux" in triple.split("-")
    cross = f"{architecture}-linux-gnu-gcc"
    drivers = ("cc", "gcc", "clang") if native else (cross,)
    static = () if native else ("-static",)
    for name in drivers:
        if path := shutil.which(name):
            yield _Tool((path, "-shared", "-nostdlib"), (path, *static, "-pthread"))
    for name in ("ld", "ld.lld") if native else ("ld.lld",):
        if path := shutil.which(name):
            yield _Tool((path, "-shared"))
    if find_spec("ziglang") is not None:
        zig = (sys.executable, "-m", "ziglang", "cc", "-target")
        yield _Tool(
            (*zig, f"{architecture}-linux-gnu", "-shared", "-nostdlib"),
            (*zig, f"{architecture}-linux-musl", "-static"),
        )


def _link_with_first(commands: Sequence[tuple[str, ...]], objects: Sequence[bytes]) -> bytes | None:
    """The output of the first command that succeeds; None when there is no command."""
    failures = []
    for command in commands:
        with tempfile.TemporaryDirectory(prefix="mlc-link-") as folder:
            output = Path(folder, "output")
            failure = _run(command, objects, output)
            if failure is None:
                return output.read_bytes()
            failures.append(f"{' '.join(command)}: {failure}")
    if failures:
        lines = "\n".join(failures).splitlines()[:_SHOWN_LINES]
        raise CompileError("linking failed", excerpt="\n".join(f"  {line}" for line in lines))
    return None


def _run(command: tuple[str, ...], objects: Sequence[bytes], output: Path) -> str | None:
    """Link `objects` to `output`; None, or why it failed."""
    paths = []
    for index, content in enumerate(objects):
        path = output.with_name(f"part{index}.o")
        path.write_bytes(content)
        paths.append(str(path))
    try:
        finished = subprocess.run(
            [*command, "-o", str(output), *paths],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if finished.returncode != 0 or not output.exists():
        return finished.stderr.strip() or f"status {finished.returncode}"
    return None
