"""A compiled model that can be called.

module = mlc.load("model")
scores = module(image)                      # one array, or a tuple
results = module.run({"image": image})      # by name
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import final

import numpy as np

from mlc.errors import InputError
from mlc.runtime.arrays import (
    Array,
    arrange,
    check_no_overlap,
    check_output,
    is_ready,
    output_names_hint,
    to_input,
)
from mlc.runtime.artifact_writer import Linker, write_artifact
from mlc.runtime.compiled import Compiled
from mlc.runtime.executable import Executable, Threads
from mlc.runtime.memory import aligned_array
from mlc.runtime.native import LoadedCode, ObjectLoader
from mlc.runtime.profile import Profile
from mlc.runtime.signature import Port, check_unique_names
from mlc.runtime.texts import Texts
from mlc.runtime.threads import available_processors

Outputs = Array | Sequence[Array] | Mapping[str, Array]
"""Arrays to write into: the one output, all in order, or by name (the others are allocated)."""


@final
class Module:
    """A compiled model. Calls are thread-safe and release the interpreter's lock."""

    def __init__(
        self,
        compiled: Compiled,
        code: LoadedCode,
        *,
        num_threads: int | None = None,
        linker: Linker | None = None,
    ) -> None:
        if num_threads is not None and num_threads < 1:
            raise InputError(f"num_threads is {num_threads}, at least 1 is needed")
        self._compiled = compiled
        self._linker = linker
        self._inputs = compiled.inputs
        self._outputs = compiled.outputs
        self._input_positions = check_unique_names(compiled.inputs, "input")
        self._executable = Executable(
            code,
            constants=compiled.constants,
            arena_bytes=compiled.arena_bytes,
            arrays=len(compiled.inputs) + len(compiled.outputs),
            num_threads=num_threads or compiled.num_threads or available_processors(),
        )

    @classmethod
    def from_compiled(
        cls,
        compiled: Compiled,
        loader: ObjectLoader,
        *,
        num_threads: int | None = None,
        linker: Linker | None = None,
    ) -> Module:
        """Bring freshly compiled object code into this process. `linker` is for `save`."""
        code = loader(compiled.code.data)
        return cls(compiled, code, num_threads=num_threads, linker=linker)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._compiled.name

    @property
    def inputs(self) -> tuple[Port, ...]:
        """Name, dtype and shape of each input."""
        return self._inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        """Name, dtype and shape of each output."""
        return self._outputs

    @property
    def kernels(self) -> tuple[str, ...]:
        """The symbols of the kernels."""
        return self._compiled.kernels

    @property
    def num_threads(self) -> int:
        """Threads that one call uses at most, its own included."""
        return self._executable.num_threads

    @property
    def executable(self) -> Executable:
        """The code behind this module, for callers that know that their arrays fit."""
        return self._executable

    def share_threads(self, threads: Threads | None) -> Threads | None:
        """Use `threads`, or offer the module's own where they are None; gives those it uses."""
        if threads is not None:
            self._executable.share(threads)
        return self._executable.threads

    @property
    def compiled(self) -> Compiled:
        """The data behind this module."""
        return self._compiled

    def __call__(
        self, *arrays: object, out: Outputs | None = None, **named: object
    ) -> Array | tuple[Array, ...]:
        """Run the model: one array when it has one output, else a tuple.

        Arrays are anything with the buffer protocol or DLPack, of exactly the port's dtype and
        shape; contiguous ones are not copied. Results are fresh arrays, or those given by `out`.
        Raises `InputError` when an array does not fit.
        """
        if named or len(arrays) != len(self._inputs):
            arrays = tuple(arrange(arrays, named, self._input_positions))
        results = self._compute(arrays, out)
        return results[0] if len(results) == 1 else tuple(results)

    def run(self, inputs: Mapping[str, object], out: Outputs | None = None) -> dict[str, Array]:
        """Run the model by name: every input, every output. See `__call__`."""
        results = self._compute(arrange((), inputs, self._input_positions), out)
        return {port.name: array for port, array in zip(self._outputs, results, strict=True)}

    def profile(self, *arrays: object, repeat: int = 10, **named: object) -> Profile:
        """Time each kernel: the median of `repeat` runs, after one that is not counted."""
        if repeat < 1:
            raise InputError(f"repeat is {repeat}, at least 1 is needed")
        ready = self._ready(arrange(arrays, named, self._input_positions))
        outputs = [aligned_array(port) for port in self._outputs]
        calls = self._compiled.calls
        ticks = np.zeros((repeat + 1, len(calls)), np.uint64)
        for row in ticks:
            self._executable.run(ready, outputs, row)
        return Profile(calls, np.median(ticks[1:], axis=0).tolist())

    @property
    def texts(self) -> Texts:
        """The texts behind `ir`."""
        return self._compiled.texts

    def ir(self, stage: str, kernel: str | None = None) -> str:
        """The text of a stage: "graph", "optimized", "loops", "llvm" or "asm"."""
        return self.texts.get(stage, kernel)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the module as a folder that `mlc.load` reads; all of it or nothing.

        An older artifact at `path` is replaced; anything else there is an `ArtifactError`.
        """
        write_artifact(self._compiled, path, linker=self._linker)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._executable.closed

    def close(self) -> None:
        """Free threads and memory once running calls have ended. Further calls raise `MlcError`."""
        self._executable.close()

    def __enter__(self) -> Module:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        inputs = ", ".join(map(str, self._inputs))
        outputs = ", ".join(map(str, self._outputs))
        return f"<mlc.Module {self.name}({inputs}) -> {outputs}>"

    def _compute(self, arrays: Sequence[object], out: Outputs | None) -> list[Array]:
        inputs = self._ready(arrays)
        if out is None:
            outputs = [aligned_array(port) for port in self._outputs]
        else:
            outputs = self._given_outputs(out)
            check_no_overlap(
                zip(self._inputs, inputs, strict=True),
                list(zip(self._outputs, outputs, strict=True)),
            )
        self._executable.run(inputs, outputs)
        return outputs

    def _ready(self, arrays: Sequence[object]) -> list[Array]:
        return [
            array if is_ready(array, port) else to_input(array, port)
            for array, port in zip(arrays, self._inputs, strict=True)
        ]

    def _given_outputs(self, out: Outputs) -> list[Array]:
        if isinstance(out, Mapping):
            return self._outputs_by_name(out)
        given: Sequence[object] = out if isinstance(out, (tuple, list)) else (out,)
        if len(given) != len(self._outputs):
            raise InputError(
                f"out has {len(given)} arrays, the module has {len(self._outputs)} outputs"
            )
        return [check_output(array, port) for array, port in zip(given, self._outputs, strict=True)]

    def _outputs_by_name(self, out: Mapping[str, Array]) -> list[Array]:
        unknown = out.keys() - {port.name for port in self._outputs}
        if unknown:
            raise InputError(
                f"unknown output {min(unknown)!r} in out", hint=output_names_hint(self._outputs)
            )
        return [
            check_output(out[port.name], port) if port.name in out else aligned_array(port)
            for port in self._outputs
        ]
