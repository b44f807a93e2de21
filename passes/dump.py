"""The folder that a compilation writes its stages to; every file appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlc.errors import DumpError


@dataclass(frozen=True, slots=True)
class DumpFolder:
    """A folder for dumps. Raises `DumpError` where it cannot be made or written."""

    path: Path

    def prepare(self) -> None:
        """Make the folder now, so that an impossible one is known before the work is done."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DumpError(
                f"cannot use the dump folder '{self.path}': {error.strerror}",
                hint="give dump= a folder that you may write to",
            ) from error

    def write(self, name: str, text: str) -> None:
        """Write a text file by way of a temporary file beside it."""
        self.write_bytes(name, text.encode())

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a file by way of a temporary file beside it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.path, prefix=f".{name}.")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(temporary).replace(self.path / name)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise DumpError(
                f"cannot write '{name}' to the dump folder '{self.path}': {error.strerror}",
                hint="give dump= a folder that you may write to",
            ) from error
