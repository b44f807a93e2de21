"""A model of open shapes or data-dependent course, compiled piece by piece when it is called."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn, final

import numpy as np
import onnx

from mlc.errors import InputError, MlcError
from mlc.importers.onnx.conversion import initializers
from mlc.importers.onnx.inputs import Declared, Shapes, declared_inputs, declared_output
from mlc.importers.onnx.reading import Source
from mlc.importers.onnx.symbolic import dims_text
from mlc.importers.onnx.tensors import dtype_from_onnx
from mlc.runtime.arrays import arrange
from mlc.staged.check import check_supported
from mlc.staged.held import Held
from mlc.staged.ports import OpenPort, bound_inputs
from mlc.staged.region import model_region
from mlc.staged.runner import Runner
from mlc.staged.stage import CompileGraph
from mlc.staged.step import Steps

DEFAULT_MAX_VARIANTS = 16
"""So many variants of each stage are kept, unless told otherwise."""


@final
class StagedModule:
    """A model that is compiled for the shapes, branches and counts that its calls meet.

    A call whose signature is new compiles what is missing first; later ones find it. The compiled
    variants used least recently are forgotten. Calls are thread-safe.
    """

    def __init__(
        self,
        source: Source,
        shapes: Shapes,
        compile_graph: CompileGraph,
        steps: Steps,
        *,
        num_threads: int,
        max_variants: int = DEFAULT_MAX_VARIANTS,
    ) -> None:
        if max_variants < 1:
            raise InputError(f"max_variants is {max_variants}, at least 1 is needed")
        self._name = source.name
        self._num_threads = num_threads
        tensors = initializers(source.graph, source.spans)
        given = [value for value in source.graph.input if value.name not in tensors]
        declared = declared_inputs(given, shapes)
        self._inputs = tuple(map(_port, declared))
        self._outputs = tuple(_port(declared_output(value)) for value in source.graph.output)
        self._positions = {port.name: place for place, port in enumerate(self._inputs)}
        self._region = model_region(source)
        self._runner = Runner(source, compile_graph, steps, max_variants)
        self._closed = False
        check_supported(source, self._region, declared, steps)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    @property
    def inputs(self) -> tuple[OpenPort, ...]:
        """Name, dtype and shape of each input; symbols are names."""
        return self._inputs

    @property
    def outputs(self) -> tuple[OpenPort, ...]:
        """Name, dtype and shape of each output, as far as the model says."""
        return self._outputs

    @property
    def num_threads(self) -> int:
        """Threads that one call uses at most, its own included."""
        return self._num_threads

    @property
    def variants(self) -> int:
        """How many compiled stages are kept now."""
        return self._runner.variants

    def __call__(self, *arrays: object, **named: object) -> Any:
        """Run the model: one value when it has one output, else a tuple.

        Values are arrays; sequences are lists, optionals their content or None.
        Raises `InputError` when a value does not fit, and what compiling raises: `ShapeError` for
        shapes that contradict each other, for instance.
        """
        results = self._compute(arrange(arrays, named, self._positions))
        return results[0] if len(results) == 1 else tuple(results)

    def run(self, inputs: Mapping[str, object]) -> dict[str, Any]:
        """Run the model by name: every input, every output. See `__call__`."""
        results = self._compute(arrange((), inputs, self._positions))
        return {port.name: value for port, value in zip(self._outputs, results, strict=True)}

    def save(self, path: str | os.PathLike[str]) -> NoReturn:
        """Refuse: there is no one compiled form of this model."""
        self.refuse("saved")

    def refuse(self, what: str) -> NoReturn:
        """Raise `MlcError`: only models that are compiled as a whole can be `what`."""
        raise MlcError(f"a model that is compiled in stages cannot be {what}", hint=self._hint())

    def _hint(self) -> str:
        unknown = [port for port in self._inputs if not _is_static(port)]
        if not unknown:
            return "its results have sizes that depend on data; compile it where it is called"
        shown = ", ".join(f"'{port.name}': (…)" for port in unknown)
        return f"give every dimension a number: shapes={{{shown}}}"

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Forget everything that was compiled. Further calls raise `MlcError`."""
        self._closed = True
        self._runner.clear()

    def __enter__(self) -> StagedModule:
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
        return f"<mlc.StagedModule {self.name}({inputs}) -> {outputs}>"

    def _compute(self, values: Sequence[object]) -> list[Held]:
        if self._closed:
            raise MlcError("the module is closed")
        held = bound_inputs(self._inputs, values)
        live = {port.name: value for port, value in zip(self._inputs, held, strict=True)}
        results = self._runner.run(self._region, live)
        return _owned([results[port.name] for port in self._outputs], held)


def _owned(results: Sequence[Held], inputs: Sequence[Held]) -> list[Held]:
    """The results, copied where they are an input, a constant, or another result."""
    seen = {id(value) for value in inputs}
    owned: list[Held] = []
    for value in results:
        if isinstance(value, np.ndarray):
            if id(value) in seen or not value.flags.writeable:
                value = value.copy()
            seen.add(id(value))
        owned.append(value)
    return owned


def _port(declared: Declared) -> OpenPort:
    kind, dtype = declared.kind, None
    if declared.elem_type == onnx.TensorProto.STRING:
        kind = "string"
    elif kind == "tensor" and declared.elem_type:
        dtype = dtype_from_onnx(declared.elem_type, f"'{declared.name}'")
    if declared.shape is None:
        return OpenPort(declared.name, kind, dtype, None)
    shape = tuple(dim if isinstance(dim, int) else dims_text([dim]) for dim in declared.shape)
    return OpenPort(declared.name, kind, dtype, shape)


def _is_static(port: OpenPort) -> bool:
    return port.shape is not None and all(isinstance(dim, int) for dim in port.shape)
