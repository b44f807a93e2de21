"""Runs a candidate that was compiled for another machine: cross-compiled here, only run there.

Object and driver are linked into a static program, which a command runs: an emulator, or a script
that carries program and files to a board. The command is given the program and the names of two
files, one to read memory from and one to leave it in.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlc.autotune.measure.arguments import Array
from mlc.autotune.measure.candidate import Candidate, thread_pool
from mlc.autotune.measure.loaded import Layout
from mlc.backends.llvm.emit.driver import emit_driver
from mlc.backends.llvm.link import link_executable
from mlc.backends.llvm.machine import compile_to_object
from mlc.errors import TuningError
from mlc.ir.stmt import Buffer
from mlc.runtime.memory import Bytes
from mlc.target import Target

_SHOWN = 200


@dataclass(frozen=True)
class Finished:
    """The memory that a program left, and the seconds of each call."""

    layout: Layout
    memory: Bytes
    samples: tuple[float, ...]

    def view(self, buffer: Buffer) -> Array:
        """The elements of a parameter of the plain loops."""
        return self.layout.view(buffer.name, self.memory)


def run_program(
    command: Sequence[str],
    target: Target,
    candidate: Candidate,
    code: bytes,
    buffers: Iterable[Buffer],
    values: Mapping[str, Array],
    samples: int,
) -> Finished:
    """Link, run and read back; `TuningError` where there is no linker or the program fails."""
    layout = Layout(candidate, buffers)
    prepare = [(p.symbol, [layout.start(name) for name in p.params]) for p in candidate.prepare]
    arguments = [*(layout.start(name) for name in candidate.params), *layout.workspaces]
    text = emit_driver(layout.bytes, prepare, arguments, candidate.threads, samples)
    objects = [code, thread_pool(target), compile_to_object(text, target)]
    program = link_executable(objects, target.triple)
    if program is None:
        raise TuningError(
            f"nothing here links programs for {target.triple}",
            hint="pip install 'mlc-compiler[arm]', or a cross compiler of the system",
        )
    taken = _run(command, program, layout.fill(values))
    memory, times = taken[: layout.bytes], taken[layout.bytes :]
    if times.size != 8 * samples:
        raise TuningError(f"'{command[0]}' gave back {taken.size} bytes, not all of them")
    seconds = times.view(np.int64) * 1e-9
    return Finished(layout, memory, tuple(map(float, np.maximum(seconds, 1e-9))))


def _run(command: Sequence[str], program: bytes, memory: Bytes) -> Bytes:
    with tempfile.TemporaryDirectory(prefix="mlc-run-") as folder:
        path, given, taken = (Path(folder, name) for name in ("program", "given", "taken"))
        path.write_bytes(program)
        path.chmod(0o755)
        memory.tofile(given)
        try:
            done = subprocess.run(
                [*command, str(path), str(given), str(taken)],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise TuningError(f"cannot run '{command[0]}': {error.strerror}") from None
        if done.returncode != 0 or not taken.exists():
            said = done.stderr.strip().splitlines()[-1:] or [""]
            raise TuningError(f"'{command[0]}' ended with {done.returncode}: {said[0][:_SHOWN]}")
        return np.fromfile(taken, np.uint8)
