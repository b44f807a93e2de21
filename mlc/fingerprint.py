"""What the compiler itself is made of, as far as it decides what code comes out.

A release is known by its version; a checkout that is being worked on is not, so that the sources
count too: code compiled by yesterday's compiler is never mistaken for today's.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_DISTRIBUTIONS = ("mlc-compiler", "llvmlite")
_PACKAGE = Path(__file__).parent


def versions() -> dict[str, str]:
    """The versions of all that takes part in a compilation."""
    return {name: _version(name) for name in _DISTRIBUTIONS} | {"python": platform.python_version()}


@functools.cache
def sources_digest(package: Path = _PACKAGE) -> str:
    """SHA-256 of the places, sizes and times of change of a package's Python files."""
    digest = hashlib.sha256()
    for source in _sources(package):
        status = source.stat()
        digest.update(f"{source.path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _sources(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """The Python files in a folder and below, in order; links are followed."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                yield entry
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _sources(entry.path)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
