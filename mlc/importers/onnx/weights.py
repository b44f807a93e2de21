"""The files that hold a model's weights: the model's own, and external ones in its folder.

The location of external data comes from an untrusted file: it must be a relative path that stays
inside the folder, also after symbolic links are followed, and name a regular file. Offset and
length are checked against the file's size before anything is allocated. Files are read into the
arrays directly; they are not mapped, since a mapped file that somebody truncates kills the process.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import onnx

from mlc.errors import ModelError
from mlc.importers.onnx.detach import Span


class WeightFiles:
    """Reads tensors from the model at `path`, which is None for a model that is not on disk.

    `statuses` tells of each file that was read, by the path that led to it, what it was when it was
    opened first.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.statuses: dict[Path, os.stat_result] = {}

    def own(self, span: Span) -> np.ndarray:
        """Bytes of the model's own file."""
        if self._path is None:
            raise ModelError("the model is not on disk")
        array, status = _read(self._path, *span, f"'{self._path}'")
        self.statuses.setdefault(self._path, status)
        return array

    def external(self, tensor: onnx.TensorProto, size: int) -> np.ndarray:
        """The `size` bytes of external data of `tensor`; raises `ModelError` for bad entries."""
        what = f"external data of tensor '{tensor.name}'"
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        if self._path is None:
            raise ModelError(
                f"tensor '{tensor.name}' lies in the external file '{location}'",
                hint="give the model's path, so that the files beside it are found",
            )
        path = _confined(self._path.parent, location, what)
        offset = _count(entries, "offset", 0, what)
        length = _count(entries, "length", size, what)
        if length != size:
            raise ModelError(
                f"tensor '{tensor.name}' takes {size} bytes, its external data has {length}"
            )
        array, status = _read(path, offset, size, f"{what}: '{location}'")
        self.statuses.setdefault(self._path.parent / location, status)
        return array


def _confined(folder: Path, location: str, what: str) -> Path:
    """The real path of `location` below `folder`."""
    parts = location.replace("\\", "/").split("/")
    drive = len(parts[0]) == 2 and parts[0].endswith(":")
    if not location or "\0" in location or not parts[0] or drive or ".." in parts:
        raise ModelError(f"{what} is at '{location}', which is no path inside the model's folder")
    root = folder.resolve()
    path = (root / location).resolve()
    if not path.is_relative_to(root):
        raise ModelError(f"{what} is at '{location}', which leads out of the model's folder")
    return path


def _read(path: Path, offset: int, size: int, what: str) -> tuple[np.ndarray, os.stat_result]:
    """`size` bytes of a file as an array of its own, and the status of the file."""
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer.
        with open(path, "rb", buffering=0, opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ModelError(f"{what} is no file")
            if offset + size > status.st_size:
                raise ModelError(f"{what} has {status.st_size} bytes, not {offset + size}")
            array = np.empty(size, np.uint8)
            file.seek(offset)
            unread = array.data
            while unread and (count := file.readinto(unread)):
                unread = unread[count:]
    except OSError as error:
        raise ModelError(f"{what} cannot be read: {error.strerror}") from error
    if unread:
        raise ModelError(f"{what} changed while it was read")
    return array, status


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _count(entries: dict[str, str], key: str, default: int, what: str) -> int:
    text = entries.get(key)
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ModelError(f"{what}: {key} '{text}' is no size")
    return int(text)
