"""The constants area as a safetensors file that can be mapped and used where it lies.

The file holds one U8 tensor, `constants`. Its header is padded with spaces, as the format allows,
so that the data starts on a cache line of the file, and so of a mapping of it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from mlc.errors import ArtifactError
from mlc.runtime.memory import ALIGNMENT, Bytes, map_file

TENSOR = "constants"
_LENGTH_BYTES = 8


def header(size: int) -> bytes:
    """What stands before `size` bytes of data; its length is a multiple of the alignment."""
    entry = {TENSOR: {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    text = json.dumps(entry, separators=(",", ":")).encode()
    padding = -(_LENGTH_BYTES + len(text)) % ALIGNMENT
    text += b" " * padding
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text


def map_constants(path: Path, size: int) -> tuple[Bytes, os.stat_result]:
    """Map the `size` bytes of data, and tell the status of their file.

    Raises `ArtifactError` when the file is not what `header` begins.
    """
    expected = header(size)
    if path.stat().st_size != len(expected) + size:
        raise ArtifactError(f"{path.name} does not hold {size} bytes of constants")
    mapped, status = map_file(path)
    if mapped[: len(expected)].tobytes() != expected:
        raise ArtifactError(f"{path.name} has an unexpected header")
    return mapped[len(expected) :], status
