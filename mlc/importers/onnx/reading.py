"""Model files: a path, bytes or a parsed `onnx.ModelProto` becomes a checked `Source`.

Holds after: there is a graph, the IR version is sane, and the operator sets of the domains that
mlc converts are known numbers in the range it converts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import defs

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.detach import Span, WireError, detached
from mlc.importers.onnx.string_labels import DOMAIN as LABELS_DOMAIN
from mlc.importers.onnx.string_labels import with_numbered_labels
from mlc.importers.onnx.weights import WeightFiles

OLDEST_OPSET = 1
"""The oldest default operator set converted."""

NEWEST_OPSET = defs.onnx_opset_version()
"""The newest default operator set, that of the installed `onnx`."""

ModelLike = str | os.PathLike[str] | bytes | onnx.ModelProto


@dataclass(frozen=True)
class Source:
    """A parsed model.

    `opsets` maps domain (the default one is "") to version. `spans` tells where in the model's file
    the raw data of initializers lies that is not in `graph`, by their position. `functions` are the
    model's own, by domain, name and overload.
    """

    name: str
    graph: onnx.GraphProto
    opsets: dict[str, int]
    files: WeightFiles
    spans: dict[int, Span]
    functions: dict[tuple[str, str, str], onnx.FunctionProto] = field(default_factory=dict)


def read_model(model: ModelLike) -> Source:
    """Read and check a model; raises `ModelError` or `UnsupportedError`, never anything else."""
    files = WeightFiles(None)
    spans: dict[int, Span] = {}
    name = "the model"
    if isinstance(model, onnx.ModelProto):
        proto = model
    elif isinstance(model, bytes | bytearray | memoryview):
        proto = _decoded(bytes(model), name)
    elif isinstance(model, str | os.PathLike):
        path = Path(model)
        name = f"'{path}'"
        files = WeightFiles(path)
        data, spans, files.statuses[path] = _read(path, name)
        proto = _decoded(data, name)
    else:
        raise ModelError(
            f"a model is a path, bytes or an onnx.ModelProto, not {type(model).__name__}"
        )
    if not proto.HasField("graph"):
        raise ModelError(f"{name} has no graph")
    opsets = _opsets(proto, name)
    return Source(
        proto.graph.name or "main",
        with_numbered_labels(proto.graph, opsets.get(LABELS_DOMAIN, 0)),
        opsets,
        files,
        spans,
        _functions(proto, name),
    )


def _read(path: Path, name: str) -> tuple[bytes, dict[int, Span], os.stat_result]:
    """The message in a file, without long weights, where those are, and the file's status."""
    try:
        if path.is_dir():
            raise ModelError(
                f"{name} is a folder, not a model", hint="give the path of the .onnx file"
            )
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            try:
                return *detached(file, status.st_size), status
            except WireError:
                file.seek(0)
                return file.read(), {}, status
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
    check_opset(version, name)
    return opsets


def check_opset(version: int, name: str) -> None:
    """Raise `UnsupportedError` for a version of ONNX's own operators that is not converted."""
    if OLDEST_OPSET <= version <= NEWEST_OPSET:
        return
    raise UnsupportedError(
        f"{name} uses ONNX operator set {version}; {OLDEST_OPSET} to {NEWEST_OPSET} are supported",
        hint="export the model again with a supported operator set"
        if version < OLDEST_OPSET
        else "install a newer onnx",
    )


def _functions(proto: onnx.ModelProto, name: str) -> dict[tuple[str, str, str], onnx.FunctionProto]:
    functions: dict[tuple[str, str, str], onnx.FunctionProto] = {}
    for function in proto.functions:
        domain = "" if function.domain == "ai.onnx" else function.domain
        key = (domain, function.name, function.overload)
        if key in functions:
            raise ModelError(f"{name} has two functions '{domain}.{function.name}'")
        functions[key] = function
    return functions
