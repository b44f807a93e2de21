"""Write a compiled model as a folder, whole or not at all.

    manifest.json              what it is, and a digest of every other file
    model-<digest>.so or .o    the code
    constants.safetensors      the packed constants, ready to be mapped
    ir/<stage>.<suffix>        the texts

The folder is written beside its place under a temporary name, and renamed when complete. The code
file's name follows its content: the system's loader gives a library that is open already for
another file of the same name.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlc.errors import ArtifactError
from mlc.runtime.compiled import OBJECT, SHARED, Code, Compiled
from mlc.runtime.digest import block_digest
from mlc.runtime.manifest import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    FileRecord,
    Manifest,
    Section,
    TextRecord,
    decode_manifest,
)
from mlc.runtime.safetensors_area import header
from mlc.runtime.texts import Sections, Texts

Linker = Callable[[bytes, str], bytes | None]
"""Makes a shared object of relocatable code for a triple; None when there is no linker."""

_CODE_SUFFIX = {OBJECT: ".o", SHARED: ".so"}
_TEXT_SUFFIX = {"llvm": ".ll", "asm": ".s"}
_CONSTANTS = "constants.safetensors"
_SEPARATOR = "\n"


def write_artifact(
    compiled: Compiled,
    path: str | os.PathLike[str],
    *,
    linker: Linker | None = None,
    texts: Texts | None = None,
) -> Manifest:
    """Write `compiled` to the folder `path`, with all of its texts or only `texts`.

    Gives the manifest it wrote. An artifact at `path` is replaced, an empty folder filled. Raises
    `ArtifactError` when anything else is there, or when the folder cannot be written.
    """
    target = Path(path)
    _check_replaceable(target)
    try:
        _make_folder(target.parent)
        with tempfile.TemporaryDirectory(
            prefix=f".{target.name}-", dir=target.parent, ignore_cleanup_errors=True
        ) as scratch:
            folder = Path(scratch, "new")
            folder.mkdir()
            code = _linked(compiled, linker)
            manifest = _write_files(compiled, folder, code, texts or compiled.texts)
            _put_in_place(folder, target, Path(scratch, "old"))
            return manifest
    except OSError as error:
        raise ArtifactError(f"cannot write {target}: {error.strerror or error}") from None


def is_artifact(path: Path) -> bool:
    """Whether the folder has a manifest of ours, in whatever state the rest is."""
    try:
        with (path / MANIFEST).open("rb") as file:
            decode_manifest(file.read(MAX_MANIFEST_BYTES))
    except (OSError, ArtifactError):
        return False
    return True


def _check_replaceable(target: Path) -> None:
    try:
        empty = target.is_dir() and not target.is_symlink() and not any(target.iterdir())
        free = empty or not os.path.lexists(target) or is_artifact(target)
    except OSError as error:
        raise ArtifactError(f"cannot write {target}: {error.strerror}") from None
    if not free:
        raise ArtifactError(
            f"{target} exists and is no mlc artifact", hint="choose another path, or remove it"
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None


def _linked(compiled: Compiled, linker: Linker | None) -> Code:
    code = compiled.code
    if linker is None or code.kind == SHARED:
        return code
    shared = linker(code.data, compiled.machine.triple)
    return code if shared is None else Code(SHARED, shared)


def _write_files(compiled: Compiled, folder: Path, code: Code, texts: Texts) -> Manifest:
    digest = hashlib.sha256(code.data).hexdigest()
    code_file = f"model-{digest[:16]}{_CODE_SUFFIX[code.kind]}"
    constants = compiled.constants
    files: dict[str, FileRecord] = {
        code_file: _write(folder / code_file, code.data),
        _CONSTANTS: _write(folder / _CONSTANTS, header(constants.size), constants.data),
    }
    manifest = Manifest(
        name=compiled.name,
        machine=compiled.machine,
        inputs=compiled.inputs,
        outputs=compiled.outputs,
        calls=compiled.calls,
        arena_bytes=compiled.arena_bytes,
        num_threads=compiled.num_threads,
        code_kind=code.kind,
        code_file=code_file,
        constants_file=_CONSTANTS,
        constants_bytes=constants.size,
        texts=_write_texts(texts, folder, files),
        files=files,
        versions=compiled.versions,
    )
    _write(folder / MANIFEST, manifest.encode())
    return manifest


def _write_texts(
    texts: Texts, folder: Path, files: dict[str, FileRecord]
) -> Mapping[str, TextRecord]:
    records = {}
    for stage in texts.stages:
        name = f"ir/{stage}{_TEXT_SUFFIX.get(stage, '.mlc')}"
        content, sections = _join(texts.sections(stage))
        (folder / name).parent.mkdir(exist_ok=True)
        files[name] = _write(folder / name, content.encode())
        records[stage] = TextRecord(name, sections)
    return records


def _join(sections: Sections) -> tuple[str, tuple[Section, ...]]:
    records, begin = [], 0
    for kernel, text in sections.items():
        records.append(Section(kernel, begin, begin + len(text)))
        begin += len(text) + len(_SEPARATOR)
    return _SEPARATOR.join(sections.values()), tuple(records)


def _write(path: Path, *parts: Any) -> FileRecord:
    with path.open("xb") as file:
        for part in parts:
            file.write(part)
    return FileRecord(sum(map(len, parts)), block_digest(*parts))


def _put_in_place(folder: Path, target: Path, old: Path) -> None:
    """Rename `folder` to `target`; what was there moves to `old`, and comes back on failure."""
    replaced = os.path.lexists(target)
    if replaced:
        target.replace(old)
    try:
        folder.replace(target)
    except OSError:
        if replaced:
            old.replace(target)
        raise
