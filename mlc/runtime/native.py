"""Compiled code in this process: where its functions are, and how a shared object gets here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from mlc.errors import ArtifactError
from mlc.runtime.abi import ffi

RUN = "mlc_run"
POOL_CREATE = "mlc_pool_create"
POOL_DESTROY = "mlc_pool_destroy"
LOOP = "mlc_loop"

OUT_OF_BOUNDS = 1
"""What `mlc_run` returns when an access would have left its buffer."""


class LoadedCode(Protocol):
    """Machine code in this process; it is freed with this object."""

    def address(self, symbol: str) -> int:
        """Where `symbol` lies; an `MlcError` when there is no such symbol."""


ObjectLoader = Callable[[bytes], LoadedCode]
"""Brings relocatable object code into this process."""


class SharedObject:
    """A shared object that the system's loader opened; closed with this Python object."""

    def __init__(self, path: Path) -> None:
        try:
            self._library = ffi.dlopen(str(path), ffi.RTLD_NOW | ffi.RTLD_LOCAL)
        except OSError as error:
            raise ArtifactError(f"cannot load {path.name}: {error}") from None

    def address(self, symbol: str) -> int:
        """Where `symbol` lies; `ArtifactError` when the code does not export it."""
        try:
            return int(ffi.cast("uintptr_t", ffi.addressof(self._library, symbol)))
        except (AttributeError, ffi.error):
            raise ArtifactError(f"the code does not export {symbol}") from None
