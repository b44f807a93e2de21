"""Several worker processes of one kind, handed out one by one; one that died is replaced."""

from __future__ import annotations

import queue
import threading

from mlc.autotune.measure.frames import Header
from mlc.autotune.measure.process import WorkerDiedError, WorkerProcess
from mlc.errors import TuningError


class Workers:
    """At most `count` processes, started when they are first needed. Safe for several threads."""

    def __init__(self, count: int, memory_bytes: int) -> None:
        self.count = count
        self._memory_bytes = memory_bytes
        self._idle: queue.LifoQueue[WorkerProcess | None] = queue.LifoQueue()
        self._all: set[WorkerProcess] = set()
        self._lock = threading.Lock()
        self._closed = False
        for _ in range(count):
            self._idle.put(None)

    def call(
        self, header: Header, blob: bytes = b"", *, limit_seconds: float, retire: bool = False
    ) -> tuple[Header, bytes]:
        """The answer of some worker to a job.

        A worker that was killed from outside is not the job's fault: the next one tries. What else
        ends a worker raises `WorkerDiedError`. `retire`: the worker does not go on after an answer
        other than "ok", because its memory may be damaged.
        """
        try:
            return self._call(header, blob, limit_seconds, retire)
        except WorkerDiedError as error:
            if error.status != "lost" or self._closed:
                raise
        return self._call(header, blob, limit_seconds, retire)

    def pids(self) -> list[int]:
        """The numbers of the processes there are."""
        with self._lock:
            return [worker.pid for worker in self._all]

    def close(self) -> None:
        """Kill all processes. Running calls raise `WorkerDiedError`."""
        with self._lock:
            self._closed = True
            workers, self._all = self._all, set()
        for worker in workers:
            worker.kill()

    def _call(
        self, header: Header, blob: bytes, limit_seconds: float, retire: bool
    ) -> tuple[Header, bytes]:
        worker = self._idle.get()
        try:
            if worker is None:
                worker = self._start()
            answer = worker.request(header, blob, limit_seconds)
            if retire and answer[0]["status"] != "ok":
                self._end(worker)
                worker = None
            return answer
        except BaseException:
            # Whatever came of it, an interrupt included: the answer may still be on its way.
            if worker is not None:
                self._end(worker)
                worker = None
            raise
        finally:
            self._idle.put(worker)

    def _start(self) -> WorkerProcess:
        with self._lock:
            if self._closed:
                raise TuningError("the measurer is closed")
            try:
                worker = WorkerProcess(self._memory_bytes)
            except OSError as error:
                raise TuningError(f"cannot start a worker: {error.strerror}") from None
            self._all.add(worker)
            return worker

    def _end(self, worker: WorkerProcess) -> None:
        worker.kill()
        with self._lock:
            self._all.discard(worker)
