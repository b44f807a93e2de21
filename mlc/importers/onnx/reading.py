"""Model files: a path, bytes or a parsed `onnx.ModelProto` becomes a checked `Source`.

Holds after: there is a graph, the IR version is sane, and the operator sets of the domains that
mlc converts are known numbers in the range it converts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import defs, inliner

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.detach import Span, WireError, detached
from mlc.importers.onnx.weights import WeightFiles

OLDEST_OPSET = 7
"""The oldest default operator set converted; before it, broadcasting worked by attributes."""

NEWEST_OPSET = defs.onnx_opset_version()
"""The newest default operator set, that of the installed `onnx`."""

ModelLike = str | os.PathLike[str] | bytes | onnx.ModelProto


@dataclass(frozen=True)
class Source:
    """A parsed model.

    `opsets` maps domain (the default one is "") to version. `spans` tells where in the model's file
    the raw data of initializers lies that is not in `graph`, by their position.
    """

    name: str
    graph: onnx.GraphProto
    opsets: dict[str, int]
    files: WeightFiles
    spans: dict[int, Span]


def read_model(model: ModelLike) -> Source:
    """Read and check a model; raises `ModelError` or `UnsupportedError`, never anything else."""
    path: Path | None = None
    spans: dict[int, Span] = {}
    name = "the model"
    if isinstance(model, onnx.ModelProto):
        proto = model
    elif isinstance(model, bytes | bytearray | memoryview):
        proto = _decoded(bytes(model), name)
    elif isinstance(model, str | os.PathLike):
        path = Path(model)
        name = f"'{path}'"
        data, spans = _read(path, name)
        proto = _decoded(data, name)
    else:
        raise ModelError(
            f"a model is a path, bytes or an onnx.ModelProto, not {type(model).__name__}"
        )
    if not proto.HasField("graph"):
        raise ModelError(f"{name} has no graph")
    opsets = _opsets(proto, name)
    if proto.functions:
        if path is not None:
            proto, spans = _decoded(path.read_bytes(), name), {}
        proto = _inlined(proto, name)
        opsets = _opsets(proto, name)
    return Source(proto.graph.name or "main", proto.graph, opsets, WeightFiles(path), spans)


def _read(path: Path, name: str) -> tuple[bytes, dict[int, Span]]:
    """The message in a file, without long weights, and where those are."""
    try:
        if path.is_dir():
            raise ModelError(
                f"{name} is a folder, not a model", hint="give the path of the .onnx file"
            )
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            try:
                return detached(file, size)
            except WireError:
                file.seek(0)
                return file.read(), {}
    except OSError as error:
        raise ModelError(f"cannot read {name}: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"cannot read {name}: {error}") from error


def _decoded(data: bytes, name: str) -> onnx.ModelProto:
    if not data:
        raise ModelError(f"{name} is empty")
    try:
        proto: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise ModelError(
            f"{name} is not an ONNX model, or it is cut short",
            hint="fetch or export the file again",
        ) from error
    if not proto.ir_version and not proto.opset_import and not proto.HasField("graph"):
        raise ModelError(f"{name} is not an ONNX model", hint="fetch or export the file again")
    return proto


def _opsets(proto: onnx.ModelProto, name: str) -> dict[str, int]:
    opsets: dict[str, int] = {}
    for entry in proto.opset_import:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        opsets[domain] = max(opsets.get(domain, 0), entry.version)
    version = opsets.get("")
    if version is None:
        if any(node.domain in ("", "ai.onnx") for node in proto.graph.node):
            raise ModelError(f"{name} does not say which version of the ONNX operators it uses")
        version = opsets[""] = NEWEST_OPSET
    if not OLDEST_OPSET <= version <= NEWEST_OPSET:
        raise UnsupportedError(
            f"{name} uses ONNX operator set {version}; {OLDEST_OPSET} to {NEWEST_OPSET} "
            "are supported",
            hint="export the model again with a supported operator set"
            if version < OLDEST_OPSET
            else "install a newer onnx",
        )
    return opsets


def _inlined(proto: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model with its local functions written out in its graph."""
    try:
        return inliner.inline_local_functions(proto)
    except Exception as error:  # the inliner's own exceptions have no common base
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{name}: its functions cannot be inlined: {first_line}") from error
