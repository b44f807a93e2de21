"""What passes between a process and its workers: a JSON object and bytes, over a socket.

A frame is two lengths (8 bytes each, little-endian), the JSON text, and the bytes.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

Header = dict[str, Any]

_LENGTHS = struct.Struct("<QQ")
_LONGEST = 1 << 34
_PIECE = 1 << 20


class ClosedError(Exception):
    """The other side is gone."""


def send(channel: socket.socket, header: Header, blob: bytes = b"") -> None:
    """Write a frame; `ClosedError` where nobody reads it, `TimeoutError` after the time limit."""
    text = json.dumps(header).encode()
    try:
        channel.sendall(_LENGTHS.pack(len(text), len(blob)) + text)
        channel.sendall(blob)
    except TimeoutError:
        raise
    except OSError as error:
        raise ClosedError(str(error)) from None


def receive(channel: socket.socket, deadline: float | None = None) -> tuple[Header, bytes]:
    """Read a frame; `ClosedError` at the end, `TimeoutError` at `deadline` (of `monotonic`)."""
    text_length, blob_length = _LENGTHS.unpack(_read(channel, _LENGTHS.size, deadline))
    if text_length > _LONGEST or blob_length > _LONGEST:
        raise ClosedError("what came is not a frame")
    header = json.loads(_read(channel, text_length, deadline))
    return header, bytes(_read(channel, blob_length, deadline))


def _read(channel: socket.socket, size: int, deadline: float | None) -> bytearray:
    data = bytearray()
    while len(data) < size:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            channel.settimeout(left)
        try:
            part = channel.recv(min(_PIECE, size - len(data)))
        except TimeoutError:
            raise
        except OSError as error:
            raise ClosedError(str(error)) from None
        if not part:
            raise ClosedError("the other side is gone")
        data += part
    return data
