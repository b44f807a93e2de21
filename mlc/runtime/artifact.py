"""Load a saved module.

Before: a folder that may be damaged. After: a module whose files are what was written, or an
`ArtifactError`. The digests guard against accidents, not against malice: an artifact holds machine
code, so load only what you would run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from mlc.errors import ArtifactError, MlcError
from mlc.runtime.artifact_writer import Linker
from mlc.runtime.compiled import OBJECT, Code, Compiled
from mlc.runtime.digest import KnownDigest, block_digest
from mlc.runtime.manifest import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    FileRecord,
    Manifest,
    TextRecord,
    decode_manifest,
)
from mlc.runtime.memory import Bytes
from mlc.runtime.module import Module
from mlc.runtime.native import LoadedCode, ObjectLoader, SharedObject
from mlc.runtime.processor import check_machine
from mlc.runtime.safetensors_area import header, map_constants
from mlc.runtime.texts import Sections, Source, Texts

_DEFAULT_OBJECT_LOADER = ("mlc.backends.llvm.machine", "load_object")


def load(
    path: str | os.PathLike[str],
    num_threads: int | None = None,
    *,
    object_loader: ObjectLoader | None = None,
    linker: Linker | None = None,
    known: KnownDigest | None = None,
) -> Module:
    """Load what `Module.save` wrote.

    `num_threads` None takes the number it was compiled with. An artifact that was saved where there
    was no linker holds a relocatable object: `object_loader` brings it into this process, by
    default the compiler's, when that is installed. `known` may spare the digest of the constants.
    Raises `ArtifactError`.
    """
    folder = Path(path)
    try:
        compiled, code_path = read_artifact(folder, known)
        code: LoadedCode
        check_machine(compiled.machine)
        if compiled.code.kind == OBJECT:
            code = (object_loader or _default_object_loader())(compiled.code.data)
        else:
            code = SharedObject(code_path)
        return Module(compiled, code, num_threads=num_threads, linker=linker)
    except ArtifactError as error:
        if error.node is None:
            error.node = str(folder)
        raise


def read_artifact(folder: Path, known: KnownDigest | None = None) -> tuple[Compiled, Path]:
    """Check and read an artifact, without running anything; also where its code is."""
    manifest = _read_manifest(folder)
    for name, record in manifest.files.items():
        _check_file(folder, name, record)
    code_path = folder / manifest.code_file
    try:
        constants = _read_constants(folder, manifest, known)
        code = code_path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read the artifact: {error.strerror}") from None
    _check_digest(manifest.code_file, manifest.files[manifest.code_file], code)
    try:
        compiled = Compiled(
            name=manifest.name,
            machine=manifest.machine,
            inputs=manifest.inputs,
            outputs=manifest.outputs,
            code=Code(manifest.code_kind, code),
            calls=manifest.calls,
            constants=constants,
            arena_bytes=manifest.arena_bytes,
            num_threads=manifest.num_threads,
            texts=_texts(folder, manifest),
            versions=manifest.versions,
        )
    except MlcError as error:
        raise ArtifactError(f"{MANIFEST} is malformed: {error.message}") from None
    return compiled, code_path


def _read_manifest(folder: Path) -> Manifest:
    try:
        with (folder / MANIFEST).open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise ArtifactError(f"no artifact here: {MANIFEST}: {error.strerror}") from None
    if len(data) > MAX_MANIFEST_BYTES:
        raise ArtifactError(f"{MANIFEST} is larger than {MAX_MANIFEST_BYTES} bytes")
    return decode_manifest(data)


def _check_file(folder: Path, name: str, record: FileRecord) -> None:
    """The file is there, is a plain file inside the folder, and has its size."""
    path = folder / name
    try:
        status = path.lstat()
        inside = path.resolve(strict=True).is_relative_to(folder.resolve())
    except OSError as error:
        raise ArtifactError(f"file {name!r}: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode) or not inside:
        raise ArtifactError(f"file {name!r} is not a plain file of the artifact")
    if status.st_size != record.size:
        raise ArtifactError(f"file {name!r} has {status.st_size} bytes, {record.size} expected")


def _check_digest(name: str, record: FileRecord, *parts: bytes | memoryview) -> None:
    if block_digest(*parts) != record.digest:
        raise ArtifactError(f"file {name!r} is damaged: its digest does not fit")


def _read_constants(folder: Path, manifest: Manifest, known: KnownDigest | None) -> Bytes:
    name, size = manifest.constants_file, manifest.constants_bytes
    record = manifest.files[name]
    constants, status = map_constants(folder / name, size)
    if known is None or not known.vouches(status, record.digest):
        _check_digest(name, record, header(size), constants.data)
        if known is not None:
            known.learn(status, record.digest)
    return constants


def _texts(folder: Path, manifest: Manifest) -> Texts:
    sources: Mapping[str, Source] = {
        stage: _text_reader(folder / record.file, record, manifest.files[record.file])
        for stage, record in manifest.texts.items()
    }
    return Texts(sources)


def _text_reader(path: Path, text: TextRecord, record: FileRecord) -> Callable[[], Sections]:
    """Reads and checks a text when somebody asks for it."""

    def read() -> Sections:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ArtifactError(f"file {text.file!r}: {error.strerror}") from None
        _check_digest(text.file, record, data)
        content = data.decode(errors="replace")
        return {part.kernel: content[part.begin : part.end] for part in text.sections}

    return read


def _default_object_loader() -> ObjectLoader:
    """The compiler's own, where it is installed."""
    module, name = _DEFAULT_OBJECT_LOADER
    try:
        loader: ObjectLoader = getattr(import_module(module), name)
    except ImportError as error:
        raise ArtifactError(
            f"the artifact holds a relocatable object, which only the compiler loads ({error})",
            hint="install mlc-compiler with llvmlite, or save the model where there is a linker",
        ) from None
    return loader
