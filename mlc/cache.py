"""The compile cache: modules compiled before, found by what they were compiled from.

An entry is an artifact whose folder's name is its key. Entries appear by atomic rename and are
checked when loaded; one that is damaged is removed and counts as absent. Their weights are checked
anew only when something may have changed them: see `mlc.stamp`. The folder is the user's alone,
because what lies in it is run. The entries used least recently go when the whole grows over its
bound.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from mlc.errors import ArtifactError, CacheError
from mlc.file_state import FileState
from mlc.recall import note, recalled
from mlc.runtime.artifact import load
from mlc.runtime.artifact_writer import Linker, is_artifact, write_artifact
from mlc.runtime.compiled import Compiled
from mlc.runtime.manifest import MANIFEST, Manifest
from mlc.runtime.module import Module
from mlc.runtime.native import ObjectLoader
from mlc.stamp import Stamp

DEFAULT_MAX_BYTES = 8 << 30
"""Bound on the size of a cache folder, unless told otherwise."""

_KEY = re.compile(r"[0-9a-f]{64}")
_LEFTOVER_AGE_SECONDS = 24 * 3600
_ATTEMPTS = 4
"""To store an entry: another process may take away or put there what was looked at just before."""


def cache_key(parts: Mapping[str, str | bytes]) -> str:
    """SHA-256 of named parts: the IR's text, the constants' digest, target, options, versions.

    >>> cache_key({"target": "x86"}) == cache_key({"target": "x86"})
    True
    >>> cache_key({"a": "bc"}) == cache_key({"ab": "c"})
    False
    """
    digest = hashlib.sha256()
    for name in sorted(parts):
        part = parts[name]
        for field in (name.encode(), part.encode() if isinstance(part, str) else part):
            digest.update(len(field).to_bytes(8, "little"))
            digest.update(field)
    return digest.hexdigest()


def open_cache(
    folder: str | os.PathLike[str] | None = None, max_bytes: int = DEFAULT_MAX_BYTES
) -> CompileCache | None:
    """The cache in `folder`, or in the user's cache folder.

    Compiling must work where nothing can be cached: when the user's cache folder cannot be used,
    there is a warning, and None is returned. A folder that was asked for raises `CacheError`.
    """
    if folder is not None:
        return CompileCache(Path(folder), max_bytes)
    default = user_cache_path("mlc", appauthor=False) / "modules"
    try:
        return CompileCache(default, max_bytes, required=False)
    except CacheError as error:
        _warn(error)
        return None


def _warn(error: CacheError) -> None:
    warnings.warn(f"compiling without a cache: {error}", RuntimeWarning, stacklevel=3)


class CompileCache:
    """A folder of artifacts by key. Raises `CacheError` when the folder cannot be used.

    Where the cache is not `required`, failing to store is a warning.
    """

    def __init__(
        self, folder: Path, max_bytes: int = DEFAULT_MAX_BYTES, *, required: bool = True
    ) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.required = required
        _prepare(folder)

    def load(
        self,
        key: str,
        *,
        num_threads: int | None = None,
        object_loader: ObjectLoader | None = None,
        linker: Linker | None = None,
    ) -> Module | None:
        """The module stored under `key`; None when there is none that is whole."""
        entry = self._entry(key)
        if not entry.is_dir():
            return None
        try:
            module = load(
                entry,
                num_threads,
                object_loader=object_loader,
                linker=linker,
                known=_stamp(entry),
            )
        except ArtifactError:
            _remove(entry)
            return None
        _touch(entry)
        return module

    def store(self, key: str, compiled: Compiled, linker: Linker | None = None) -> None:
        """Keep `compiled` under `key`, with all texts but assembly, which costs a compilation.

        Raises `CacheError` when it cannot be written, for want of space for example.
        """
        entry = self._entry(key)
        texts = compiled.texts.without("asm")
        for attempt in range(1, _ATTEMPTS + 1):
            if not is_artifact(entry):
                _remove(entry)
            try:
                _leave_stamp(entry, write_artifact(compiled, entry, linker=linker, texts=texts))
                break
            except ArtifactError as error:
                if is_artifact(entry):  # another process stored it in the same moment
                    break
                if attempt == _ATTEMPTS:
                    self._report(CacheError(error.message))
        self._evict(keep=entry)

    def recall(self, question: str) -> str | None:
        """The key noted for a question, where the files behind it are as they were."""
        return recalled(self._notes, question) if _KEY.fullmatch(question) else None

    def note(self, question: str, files: Mapping[Path, FileState], key: str) -> None:
        """Note that a question, a `cache_key`, led to `key` after those files were read."""
        note(self._notes, question, files, key)

    @property
    def _notes(self) -> Path:
        return self.folder / "notes"

    def clear(self) -> None:
        """Remove every entry."""
        for entry in self._entries():
            _remove(entry.path)
        _remove(self._notes)

    @property
    def bytes(self) -> int:
        """The size of all entries."""
        return sum(entry.bytes for entry in self._entries())

    def _report(self, error: CacheError) -> None:
        if self.required:
            raise error
        _warn(error)

    def _entry(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise CacheError(f"not a cache key: {key!r}")
        return self.folder / key

    def _entries(self) -> list[_Entry]:
        return [
            _measure(path)
            for path in self.folder.iterdir()
            if _KEY.fullmatch(path.name) or _is_leftover(path)
        ]

    def _evict(self, keep: Path) -> None:
        """Remove the entries used least recently until the rest fits, but never `keep`."""
        entries = sorted(self._entries(), key=lambda entry: entry.last_use)
        total = sum(entry.bytes for entry in entries)
        for entry in entries:
            if total <= self.max_bytes:
                break
            if entry.path != keep:
                _remove(entry.path)
                total -= entry.bytes


@dataclass(frozen=True)
class _Entry:
    """A folder of the cache: its size, and when it was used last (seconds since 1970)."""

    path: Path
    bytes: int
    last_use: float


def _prepare(folder: Path) -> None:
    """Make the folder, for this user alone, and see that it can be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise CacheError(f"cannot use the cache folder {folder}: {error.strerror}") from None
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        raise CacheError(
            f"the cache folder {folder} belongs to another user",
            hint="compiled code is run from it; choose a folder of your own",
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheError(
            f"other users can write to the cache folder {folder}",
            hint=f"compiled code is run from it; chmod 700 {folder}",
        )
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise CacheError(f"cannot write to the cache folder {folder}")


def _remove(path: Path) -> None:
    """Remove a folder or a file; another process may do so in the same moment."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _stamp(entry: Path) -> Stamp:
    return Stamp(entry / "stamp")


def _leave_stamp(entry: Path, manifest: Manifest) -> None:
    """Spare the first load too what writing computed; another process may just have removed it."""
    name = manifest.constants_file
    with contextlib.suppress(OSError):
        _stamp(entry).learn((entry / name).stat(), manifest.files[name].digest)


def _touch(entry: Path) -> None:
    """Note that the entry was used; another process may just have removed it."""
    with contextlib.suppress(OSError):
        os.utime(entry / MANIFEST)


def _is_leftover(path: Path) -> bool:
    """Whether this is what a process that died while writing left behind, long ago."""
    try:
        age = time.time() - path.lstat().st_mtime
    except OSError:
        return False
    return path.name.startswith(".") and age > _LEFTOVER_AGE_SECONDS


def _measure(path: Path) -> _Entry:
    """Size and last use, of what is left: another process may be removing it."""
    size, last_use = 0, 0.0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                status = Path(folder, name).lstat()
            except OSError:
                continue
            size += status.st_size
            if name == MANIFEST:
                last_use = status.st_mtime
    return _Entry(path, size, last_use)
