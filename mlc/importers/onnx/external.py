"""External data of ONNX tensors: bytes that lie in other files of the model's folder.

The location comes from an untrusted file: it must be a relative path that stays inside the folder,
also after symbolic links are followed, and name a regular file. Offset and length are checked
against the file's size before anything is read. Files are mapped, not read.
"""

from __future__ import annotations

import mmap
import os
import stat
from pathlib import Path

import onnx

from mlc.errors import ModelError


class ExternalFiles:
    """Maps the files of one model's folder, which is None for a model that is not on disk."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._maps: dict[Path, mmap.mmap | bytes] = {}

    def view(self, tensor: onnx.TensorProto, size: int) -> memoryview:
        """The `size` bytes of `tensor`, mapped; raises `ModelError` where they are not there."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        data = self._open(tensor.name, entries.get("location", ""))
        offset = _count(tensor.name, entries, "offset", 0)
        length = _count(tensor.name, entries, "length", size)
        if length != size:
            raise ModelError(
                f"tensor '{tensor.name}' takes {size} bytes, its external data has {length}"
            )
        if offset + length > len(data):
            raise ModelError(
                f"external data of tensor '{tensor.name}' ends at byte {offset + length}, "
                f"the file '{entries['location']}' has {len(data)}"
            )
        return memoryview(data)[offset : offset + length]

    def _open(self, name: str, location: str) -> mmap.mmap | bytes:
        if self._folder is None:
            raise ModelError(
                f"tensor '{name}' lies in the external file '{location}'",
                hint="give the model's path, so that the files beside it are found",
            )
        path = _confined(name, self._folder, location)
        if path not in self._maps:
            self._maps[path] = _map(name, location, path)
        return self._maps[path]


def _confined(name: str, folder: Path, location: str) -> Path:
    """The real path of `location` below `folder`."""
    parts = location.replace("\\", "/").split("/")
    drive = len(parts[0]) == 2 and parts[0].endswith(":")
    if not location or "\0" in location or not parts[0] or drive or ".." in parts:
        raise ModelError(
            f"external data of tensor '{name}' is at '{location}', which is no path inside the "
            "model's folder"
        )
    root = folder.resolve()
    path = (root / location).resolve()
    if not path.is_relative_to(root):
        raise ModelError(
            f"external data of tensor '{name}' is at '{location}', which leads out of the "
            "model's folder"
        )
    return path


def _map(name: str, location: str, path: Path) -> mmap.mmap | bytes:
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ModelError(f"external data of tensor '{name}': '{location}' is no file")
            if status.st_size == 0:
                return b""
            return mmap.mmap(descriptor, status.st_size, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ModelError(
            f"external data of tensor '{name}': cannot read '{location}': {error.strerror}"
        ) from error


def _count(name: str, entries: dict[str, str], key: str, default: int) -> int:
    text = entries.get(key)
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ModelError(f"external data of tensor '{name}': {key} '{text}' is no size")
    return int(text)
