"""The engines that are measured: how each loads an ONNX file and runs it once."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

import mlc
from bench.zoo.builder import Array

Feeds = Mapping[str, Array]
Run = Callable[[], list[Array]]


@dataclass(frozen=True)
class Engine:
    """`load(path, feeds, threads)` returns a function that makes one inference.

    `package` is what must be installed for it.
    """

    package: str
    load: Callable[[Path, Feeds, int], Run]

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None


def _load_mlc(path: Path, feeds: Feeds, threads: int) -> Run:
    # Without the cache: what is measured is what the code of today compiles.
    module = mlc.compile(path, target="host", num_threads=threads, cache=False)

    def run() -> list[Array]:
        result = module(**feeds)
        return list(result) if isinstance(result, tuple) else [result]

    return run


def _load_onnxruntime(path: Path, feeds: Feeds, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    given = dict(feeds)
    return lambda: list(session.run(None, given))


def _load_openvino(path: Path, feeds: Feeds, threads: int) -> Run:
    import openvino

    options = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }
    compiled = openvino.Core().compile_model(path, "CPU", options)
    request = compiled.create_infer_request()
    given = dict(feeds)

    def run() -> list[Array]:
        result = request.infer(given, share_inputs=True, share_outputs=True)
        return [result[output] for output in compiled.outputs]

    return run


def _load_mnn(path: Path, feeds: Feeds, threads: int) -> Run:
    import MNN

    converted = path.with_suffix(".mnn")
    if not converted.exists():
        _convert_to_mnn(path, converted)
    outputs = [value.name for value in onnx.load(path, load_external_data=False).graph.output]
    settings = {"backend": "CPU", "numThread": threads, "precision": "high"}
    manager = MNN.nn.create_runtime_manager((settings,))
    network = MNN.nn.load_module_from_file(
        str(converted), list(feeds), outputs, runtime_manager=manager, shape_mutable=False
    )
    variables = [_mnn_variable(MNN.expr, array) for array in feeds.values()]
    return lambda: [np.array(variable.read()) for variable in network.forward(variables)]


def _convert_to_mnn(path: Path, converted: Path) -> None:
    """By the extension module alone: MNN's own command installs packages and reports its use."""
    unfinished = converted.with_suffix(".unfinished")
    arguments = ["mnnconvert", "-f", "ONNX", "--bizCode", "x", "--useOriginRNNImpl"]
    arguments += ["--modelFile", str(path), "--MNNModel", str(unfinished)]
    script = "import sys, _tools; _tools.mnnconvert(sys.argv[1:])"
    command = [sys.executable, "-c", script, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    unfinished.replace(converted)


def _mnn_variable(expr: Any, array: Array) -> Any:
    """MNN knows no int64."""
    whole = array.dtype.kind == "i"
    variable = expr.placeholder(array.shape, expr.NCHW, expr.int if whole else expr.float)
    variable.write(np.ascontiguousarray(array, np.int32 if whole else np.float32))
    return variable


ENGINES: Mapping[str, Engine] = {
    "mlc": Engine("mlc", _load_mlc),
    "onnxruntime": Engine("onnxruntime", _load_onnxruntime),
    "openvino": Engine("openvino", _load_openvino),
    "mnn": Engine("MNN", _load_mnn),
}
