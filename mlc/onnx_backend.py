"""mlc behind the interface that ONNX's own tests and tools call: `onnx.backend.base`.

    from onnx.backend.test import BackendTest
    tests = BackendTest(mlc.onnx_backend, __name__).test_cases

The module itself is the backend: `prepare`, `run_model`, `run_node`, `supports_device` and
`is_compatible` are there as functions, as ONNX expects of a backend, and as the class `Backend`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import onnx
from onnx.backend import base

from mlc.api import compile as compile_model
from mlc.errors import UnsupportedError
from mlc.staged.check import survey
from mlc.staged.hosts import HOST_STEPS


class Runnable(Protocol):
    """What `mlc.compile` gives: called by position or by name."""

    def __call__(self, *arrays: object) -> Any: ...
    def run(self, inputs: Mapping[str, object]) -> dict[str, Any]: ...


class BackendRep(base.BackendRep):
    """A compiled model."""

    def __init__(self, module: Runnable) -> None:
        self._module = module

    def run(self, inputs: object, **_: Any) -> tuple[Any, ...]:
        """Run on a list of arrays, arrays by name, or one array; gives all outputs in order.

        Raises `InputError` where an input does not fit.
        """
        if isinstance(inputs, Mapping):
            return tuple(self._module.run(inputs).values())
        given = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        results = self._module(*given)
        return results if isinstance(results, tuple) else (results,)


class Backend(base.Backend):
    """Compiles ONNX models for this machine's processor."""

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **_: Any) -> bool:
        """Whether every node of the model has an operator that mlc knows."""
        return cls.supports_device(device) and all(
            row.supported for row in survey(model, {}, HOST_STEPS)
        )

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **options: Any) -> BackendRep:
        """Compile a model; options are those of `mlc.compile`.

        Raises a subclass of `MlcError`, `UnsupportedError` for a device that is no CPU.
        """
        if not cls.supports_device(device):
            raise UnsupportedError(f"device '{device}' is not supported", hint="use 'CPU'")
        return BackendRep(compile_model(model, **options))

    @classmethod
    def run_model(
        cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **options: Any
    ) -> tuple[Any, ...]:
        """Compile a model and run it once."""
        return cls.prepare(model, device, **options).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[Any, tuple[int, ...]]] | None = None,
        **options: Any,
    ) -> tuple[Any, ...]:
        """Run one node on arrays: by position, or by the names of the node's inputs."""
        names = [name for name in node.input if name]
        arrays = [inputs[name] for name in names] if isinstance(inputs, Mapping) else list(inputs)
        version = options.pop("opset_version", onnx.defs.onnx_opset_version())
        return cls.run_model(_single_node(node, names, arrays, version), arrays, device, **options)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether the device is the CPU."""
        return device.split(":", 1)[0] == "CPU"


def _single_node(
    node: onnx.NodeProto, names: Sequence[str], arrays: Sequence[Any], version: int
) -> onnx.ModelProto:
    inputs = [
        onnx.helper.make_tensor_value_info(
            name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in dict(zip(names, arrays, strict=True)).items()
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    graph = onnx.helper.make_graph([node], "node", inputs, outputs)
    opset = onnx.helper.make_opsetid(node.domain, version)
    return onnx.helper.make_model(graph, opset_imports=[opset])


is_compatible = Backend.is_compatible
prepare = Backend.prepare
run_model = Backend.run_model
run_node = Backend.run_node
supports_device = Backend.supports_device
