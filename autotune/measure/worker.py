"""A worker process: takes jobs from a socket, one after the other, until the other side is gone.

Whatever a candidate does to it, the process that asked only sees the socket close. Should that
process die instead, a job that never ends is ended by the alarm.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import socket
from collections.abc import Mapping

from mlc.autotune.measure.frames import ClosedError, Header, receive, send
from mlc.autotune.measure.jobs import JOBS
from mlc.autotune.measurement import Status
from mlc.errors import MlcError

_GRACE_SECONDS = 2.0

_BLAMED: Mapping[str, Status] = {
    "build": "build-error",
    "oracle": "build-error",
    "run": "crash",
    "compare": "crash",
}
"""What a job that raised an error says of the candidate."""


def serve(channel: socket.socket) -> None:
    """Say hello, then answer jobs until the socket is closed."""
    send(channel, {"status": "ok"})
    while True:
        header, blob = receive(channel)
        signal.setitimer(signal.ITIMER_REAL, header["limit_seconds"] + _GRACE_SECONDS)
        answer, result = _perform(header, blob)
        signal.setitimer(signal.ITIMER_REAL, 0)
        send(channel, answer, result)


def _perform(header: Header, blob: bytes) -> tuple[Header, bytes]:
    try:
        return JOBS[header["job"]](header, blob)
    except MemoryError as error:
        return {"status": "out-of-memory", "message": str(error) or "no memory"}, b""
    except MlcError as error:
        return {"status": _BLAMED[header["job"]], "message": error.message}, b""
    except Exception as error:  # a bug of the compiler is found here, and must not stop the tuning
        message = f"{type(error).__name__}: {error}"
        return {"status": _BLAMED[header["job"]], "message": message}, b""


def main(descriptor: int, memory_bytes: int) -> None:
    """Serve the socket that was inherited, with an address space of so many bytes at most."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    with socket.socket(fileno=descriptor) as channel, contextlib.suppress(ClosedError):
        serve(channel)
