"""What the compiler itself is made of, as far as it decides what code comes out.

A release is known by its version; a checkout that is being worked on is not, so that the sources
count too: code compiled by yesterday's compiler is never mistaken for today's.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_DISTRIBUTIONS = ("mlc-compiler", "llvmlite")
_PACKAGE = Path(__file__).parent


def versions() -> dict[str, str]:
    """The versions of all that takes part in a compilation."""
    return {name: _version(name) for name in _DISTRIBUTIONS} | {"python": platform.python_version()}


@functools.cache
def sources_digest(package: Path = _PACKAGE) -> str:
    """SHA-256 of the names, sizes and times of change of a package's Python files.

    Links are followed, once each.
    """
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(package, followlinks=True):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(files):
            if name.endswith(".py"):
                path = Path(folder, name)
                status = path.stat()
                row = (str(path.relative_to(package)), status.st_size, status.st_mtime_ns)
                digest.update(repr(row).encode())
    return digest.hexdigest()


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
