"""One engine with one model in a process of its own, so that no engine disturbs another.

The parent asks for one round after the other; between rounds the process sleeps.
"""

from __future__ import annotations

import multiprocessing
import time
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from bench.engines import ENGINES, Feeds, Run
from bench.zoo.builder import Array

CLEAN = 0.97
"""A call on one thread counts when it had the core for this share of the time."""


@dataclass(frozen=True)
class Job:
    """What a worker measures."""

    engine: str
    path: Path
    threads: int
    feeds: Feeds


@dataclass(frozen=True)
class Sample:
    """Milliseconds per call, by the clock and of the processor."""

    wall: float
    processor: float


@dataclass
class Worker:
    """The parent's side. `outputs` are those of the first call; `error` says why there are none."""

    job: Job
    seconds_to_load: float = 0.0
    outputs: list[Array] = field(default_factory=list)
    error: str | None = None
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self.job), daemon=True)
        self._process.start()
        theirs.close()
        answer = self._receive()
        if answer is not None:
            self.seconds_to_load, self.outputs = answer

    def round(self, seconds: float) -> None:
        """Run for about so long, at least three times."""
        if self.error is None:
            self._connection.send(seconds)
            self.samples += self._receive() or []

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(10)
        self._process.kill()

    def milliseconds(self) -> float:
        """The median; on one thread, of the calls that nobody interrupted, if there are five."""
        clean = [each.wall for each in self.samples if each.processor >= CLEAN * each.wall]
        if self.job.threads > 1 or len(clean) < 5:
            clean = [each.wall for each in self.samples]
        return median(clean)

    def _receive(self) -> Any:
        try:
            error, answer = self._connection.recv()
        except EOFError:
            self._process.join()
            error, answer = f"the process died, exit code {self._process.exitcode}", None
        self.error = error
        return answer


def _serve(connection: Connection, job: Job) -> None:
    """The child's side: load, then answer each number of seconds with samples."""
    try:
        started = time.perf_counter()
        run = ENGINES[job.engine].load(job.path, job.feeds, job.threads)
        loaded = time.perf_counter() - started
        outputs = [output.copy() for output in run()]
    except Exception as error:
        traceback.print_exc()
        connection.send((f"{type(error).__name__}: {str(error).splitlines()[0]}", None))
        return
    connection.send((None, (loaded, outputs)))
    while True:
        try:
            seconds = connection.recv()
        except EOFError:
            return
        connection.send((None, _measure(run, seconds)))


def _measure(run: Run, seconds: float) -> list[Sample]:
    """Warm up for a tenth of the time, then sample; very short calls are timed in groups."""
    warm_until = time.perf_counter() + seconds / 10
    group = 0
    while group == 0 or time.perf_counter() < warm_until:
        started = time.perf_counter()
        run()
        group = max(1, int(1e-3 / (time.perf_counter() - started)))
    samples: list[Sample] = []
    until = time.perf_counter() + seconds
    while len(samples) < 3 or time.perf_counter() < until:
        processor, wall = time.process_time(), time.perf_counter()
        for _ in range(group):
            run()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        samples.append(Sample(wall / group * 1e3, processor / group * 1e3))
    return samples
