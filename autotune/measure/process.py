"""The handle of a worker process: ask it something, and kill it when it takes too long.

Workers are started afresh, not forked, each in a session of its own: killing one kills all that it
started, and an interrupt from the keyboard does not reach it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import mlc
from mlc.autotune.measure.frames import ClosedError, Header, receive, send
from mlc.autotune.measurement import Status

_PACKAGE = str(Path(mlc.__file__).parent.parent)
_WORKER = """\
import sys
sys.path.insert(0, sys.argv[1])
from mlc.autotune.measure.worker import main
main(*map(int, sys.argv[2:]))
"""
"""A worker runs this very package, wherever it lies."""

_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_NO_MEMORY = ("out of memory", "bad_alloc", "MemoryError", "Cannot allocate memory")
_SHOWN = 200
_WAIT_SECONDS = 5.0
_START_SECONDS = 60.0


class WorkerDiedError(Exception):
    """The worker is gone; `status` says of what."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status: Status = status
        self.message = message


class WorkerProcess:
    """One worker. It is started at once, and ready after some hundred milliseconds."""

    def __init__(self, memory_bytes: int) -> None:
        self._ready = False
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed by kill)
        self._ending = threading.Lock()
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-c", _WORKER, _PACKAGE,
                    str(theirs.fileno()), str(memory_bytes),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def request(self, header: Header, blob: bytes, limit_seconds: float) -> tuple[Header, bytes]:
        """Send a job and wait for the answer; the time that a worker takes to start is extra.

        Raises `WorkerDiedError` when there is none in time, and when the worker died; it is of no
        use any more in both cases.
        """
        try:
            if not self._ready:
                receive(self._channel, time.monotonic() + _START_SECONDS)
                self._ready = True
            deadline = time.monotonic() + limit_seconds
            self._channel.settimeout(limit_seconds)
            send(self._channel, {**header, "limit_seconds": limit_seconds}, blob)
            return receive(self._channel, deadline)
        except TimeoutError:
            self.kill()
            message = f"killed after {limit_seconds:g} s"
            raise WorkerDiedError("timeout", message) from None
        except ClosedError:
            raise self._cause_of_death() from None

    def kill(self) -> None:
        """End the worker and all that it started, at once."""
        with self._ending:
            if self._said.closed:
                return
            if self._process.returncode is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._channel.close()
            self._said.close()

    def _cause_of_death(self) -> WorkerDiedError:
        try:
            code = self._process.wait(_WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            code = 0
        try:
            said = self._last_words()
        except ValueError:
            return WorkerDiedError("lost", "the measurer was closed")
        self.kill()
        if any(word in said for word in _NO_MEMORY):
            return WorkerDiedError("out-of-memory", said)
        if -code in _FROM_OUTSIDE:
            return WorkerDiedError("lost", f"killed from outside by {signal.Signals(-code).name}")
        how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return WorkerDiedError("crash", f"{how}: {said}" if said else how)

    def _last_words(self) -> str:
        size = self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, size - 4096))
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:_SHOWN] if lines else ""
