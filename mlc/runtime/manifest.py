"""The manifest of a saved module: plain JSON on disk, checked before anything is believed.

A folder is an artifact when its `manifest.json` says so. The manifest names every other file with
its size and digest, and carries a digest of itself, so that damage anywhere is noticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mlc.errors import ArtifactError, MlcError
from mlc.runtime.compiled import OBJECT, SHARED, Call, Machine
from mlc.runtime.signature import Port, parse_port

MANIFEST = "manifest.json"
FORMAT = "mlc-artifact"
VERSION = 3
MAX_MANIFEST_BYTES = 64 << 20


@dataclass(frozen=True)
class FileRecord:
    """A file of the artifact: size in bytes and the `block_digest` of its contents."""

    size: int
    digest: str


@dataclass(frozen=True)
class Section:
    """One kernel's part of a text, from character `begin` to `end`."""

    kernel: str
    begin: int
    end: int


@dataclass(frozen=True)
class TextRecord:
    """The text of one stage: its file, and how it falls into sections."""

    file: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Manifest:
    """Everything about a saved module but the contents of its files."""

    name: str
    machine: Machine
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    calls: tuple[Call, ...]
    arena_bytes: int
    num_threads: int | None
    code_kind: str
    code_file: str
    constants_file: str
    constants_bytes: int
    texts: Mapping[str, TextRecord]
    files: Mapping[str, FileRecord]
    versions: Mapping[str, str]

    def encode(self) -> bytes:
        """The file's content."""
        body = _to_json(self)
        document = {"format": FORMAT, "version": VERSION, "digest": _digest(body), **body}
        return json.dumps(document, indent=1, ensure_ascii=False).encode()


def decode_manifest(data: bytes) -> Manifest:
    """Read untrusted bytes; `ArtifactError` says what is wrong."""
    try:
        document = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{MANIFEST} is not JSON: {error}") from None
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise ArtifactError(f"{MANIFEST} is not of an mlc artifact")
    version = document.pop("version", None)
    if version != VERSION:
        raise ArtifactError(
            f"artifact format {version!r}, this release reads {VERSION}",
            hint="compile the model again",
        )
    if document.pop("digest", None) != _digest(document):
        raise ArtifactError(f"{MANIFEST} is damaged: its digest does not fit")
    try:
        manifest = _from_json(document)
    except (KeyError, TypeError, ValueError, MlcError) as error:
        raise ArtifactError(f"{MANIFEST} is malformed: {_reason(error)}") from None
    _check_files(manifest)
    return manifest


def _digest(body: Mapping[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _to_json(manifest: Manifest) -> dict[str, Any]:
    machine = manifest.machine
    return {
        "name": manifest.name,
        "machine": {
            "triple": machine.triple,
            "cpu": machine.cpu,
            "features": list(machine.features),
        },
        "inputs": [port.to_json() for port in manifest.inputs],
        "outputs": [port.to_json() for port in manifest.outputs],
        "num_threads": manifest.num_threads,
        "arena_bytes": manifest.arena_bytes,
        "code": {"kind": manifest.code_kind, "file": manifest.code_file},
        "constants": {"bytes": manifest.constants_bytes, "file": manifest.constants_file},
        "calls": [[call.kernel, call.flops, call.bytes, *call.loc] for call in manifest.calls],
        "texts": {
            stage: {
                "file": text.file,
                "sections": [[part.kernel, part.begin, part.end] for part in text.sections],
            }
            for stage, text in manifest.texts.items()
        },
        "files": {
            name: {"bytes": record.size, "digest": record.digest}
            for name, record in manifest.files.items()
        },
        "versions": dict(manifest.versions),
    }


def _from_json(data: Mapping[str, Any]) -> Manifest:
    machine, code, constants = data["machine"], data["code"], data["constants"]
    threads = data["num_threads"]
    return Manifest(
        name=_string(data["name"]),
        machine=Machine(
            _string(machine["triple"]),
            _string(machine["cpu"]),
            tuple(map(_string, _list(machine["features"]))),
        ),
        inputs=tuple(map(parse_port, _list(data["inputs"]))),
        outputs=tuple(map(parse_port, _list(data["outputs"]))),
        num_threads=None if threads is None else _natural(threads),
        arena_bytes=_natural(data["arena_bytes"]),
        code_kind=_one_of(code["kind"], OBJECT, SHARED),
        code_file=_string(code["file"]),
        constants_file=_string(constants["file"]),
        constants_bytes=_natural(constants["bytes"]),
        calls=tuple(_call(row) for row in _list(data["calls"])),
        texts={stage: _text(record) for stage, record in _mapping(data["texts"]).items()},
        files={
            name: FileRecord(_natural(record["bytes"]), _string(record["digest"]))
            for name, record in _mapping(data["files"]).items()
        },
        versions={key: _string(value) for key, value in _mapping(data["versions"]).items()},
    )


def _check_files(manifest: Manifest) -> None:
    for name in manifest.files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or str(path) != name:
            raise ArtifactError(f"file name {name!r} leads out of the artifact")
    used = [manifest.code_file, manifest.constants_file]
    used += [text.file for text in manifest.texts.values()]
    for name in used:
        if name not in manifest.files:
            raise ArtifactError(f"file {name!r} is not among the artifact's files")


def _call(row: object) -> Call:
    kernel, flops, moved, *loc = _list(row)
    return Call(_string(kernel), tuple(map(_string, loc)), _natural(flops), _natural(moved))


def _text(record: Mapping[str, Any]) -> TextRecord:
    sections = []
    for row in _list(record["sections"]):
        kernel, begin, end = _list(row)
        sections.append(Section(_string(kernel), _natural(begin), _natural(end)))
    return TextRecord(_string(record["file"]), tuple(sections))


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.80} is not a string")
    return value


def _natural(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r:.80} is not a size")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.80} is not a list")
    return value


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r:.80} is not an object")
    return value


def _one_of(value: object, *choices: str) -> str:
    if value not in choices:
        raise ValueError(f"{value!r:.80} is none of {', '.join(choices)}")
    return str(value)


def _reason(error: Exception) -> str:
    match error:
        case KeyError():
            return f"no entry {error}"
        case MlcError():
            return error.message
        case _:
            return str(error)
