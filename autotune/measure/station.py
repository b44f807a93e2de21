"""The measuring station of one machine: workers that build, and one that runs.

A run has the processor for itself: nothing is built meanwhile, unless `overlap` says that there are
processors to spare.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mlc.autotune.measure.busy import Busy
from mlc.autotune.measure.frames import Header
from mlc.autotune.measure.process import WorkerDiedError
from mlc.autotune.measure.workers import Workers
from mlc.autotune.measurement import (
    Comparison,
    MeasureInput,
    Measurement,
    MeasureOptions,
    Status,
)
from mlc.errors import TuningError
from mlc.runtime.threads import available_processors

_BUILDS_PER_WORKER = 4
_ORACLE_LIMIT_SECONDS = 120.0
_LEAST_SPEEDUP = 1.01
_ROUNDS_WON = 0.75


class Station:
    """Builds and runs candidates in processes of this machine.

    `builders`: how many build at a time, as many as there are processors unless given. `command`:
    what runs programs of another architecture; see `mlc.autotune.measure.emulated`. `busy`: entered
    while anything is built or run.
    """

    def __init__(
        self,
        options: MeasureOptions,
        *,
        builders: int | None = None,
        command: Sequence[str] = (),
        overlap: bool = False,
        busy: Busy | None = None,
    ) -> None:
        self.options = options
        self._busy = busy or Busy()
        count = builders or available_processors()
        self._batch = _BUILDS_PER_WORKER * count
        self._overlap = overlap
        self._command = list(command)
        self.builders = Workers(count, options.memory_bytes)
        self.runners = Workers(1, options.memory_bytes)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="mlc-build")
        self._folder = tempfile.TemporaryDirectory(prefix="mlc-measure-")
        self._alone = threading.Lock()
        self._closed = False
        self._oracles = threading.Lock()
        self._hopeless: dict[str, WorkerDiedError] = {}
        self._best: dict[tuple[Any, ...], float] = {}

    def measure(self, inputs: Sequence[MeasureInput]) -> Iterator[tuple[int, Measurement]]:
        """Number and measurement of each candidate, in order.

        The first are built from now on, and run as they are asked for.
        """
        if self._closed:
            raise TuningError("the measurer is closed")
        return self._measured(inputs, self._submit(inputs[: self._batch]))

    def _submit(self, batch: Sequence[MeasureInput]) -> list[Future[_Build]]:
        return [self._threads.submit(self._build, item) for item in batch]

    def _measured(
        self, inputs: Sequence[MeasureInput], builds: list[Future[_Build]]
    ) -> Iterator[tuple[int, Measurement]]:
        for start in range(0, len(inputs), self._batch):
            batch = inputs[start : start + self._batch]
            builds = builds if start == 0 else self._submit(batch)
            try:
                if not self._overlap:
                    wait(builds)
                for number, (item, build) in enumerate(zip(batch, builds, strict=True), start):
                    yield number, self._run(item, build.result())
            finally:
                _cancel(builds)

    def compare(self, default: MeasureInput, leader: MeasureInput, rounds: int) -> Comparison:
        """Time two candidates of one task in turns, in one process."""
        builds = [self._build(default), self._build(leader)]
        if not all(build.ok for build in builds):
            first, second = (_not_run(build) for build in builds)
            return Comparison(first, second)
        header = {
            **self._asked(default),
            "job": "compare",
            "rounds": rounds,
            "candidates": [{"candidate": b.candidate, "bytes": len(b.code)} for b in builds],
        }
        answer, seconds = self._ask_runner(header, b"".join(build.code for build in builds))
        if answer["status"] != "ok":
            both = Measurement(answer["status"], run_seconds=seconds, message=answer["message"])
            return Comparison(both, both)
        return _judge(answer["rows"], builds, seconds)

    def close(self) -> None:
        """Kill all workers."""
        self._closed = True
        self.builders.close()
        self.runners.close()
        self._threads.shutdown(cancel_futures=True)
        self._folder.cleanup()

    def _build(self, item: MeasureInput) -> _Build:
        with self._busy:
            return self._build_now(item)

    def _build_now(self, item: MeasureInput) -> _Build:
        started = time.perf_counter()
        try:
            if self.options.check:
                self._ensure_oracle(item)
                started = time.perf_counter()
            answer, code = self.builders.call(
                {"job": "build", "input": item.to_json()},
                limit_seconds=self.options.build_limit_seconds,
            )
        except WorkerDiedError as error:
            answer, code = {"status": error.status, "message": f"build: {error.message}"}, b""
        return _Build(answer, code, time.perf_counter() - started)

    def _ensure_oracle(self, item: MeasureInput) -> None:
        """See that what the task must compute is in the folder."""
        path = self._oracle_path(item)
        with self._oracles:
            if path.exists():
                return
            if item.task_key in self._hopeless:
                raise self._hopeless[item.task_key]
            try:
                self._write_oracle(item, path)
            except WorkerDiedError as error:
                if error.status != "lost":
                    self._hopeless[item.task_key] = error
                raise

    def _write_oracle(self, item: MeasureInput, path: Path) -> None:
        header = {
            "job": "oracle",
            "path": str(path),
            "func_text": item.func_text,
            "seed": self.options.seed,
        }
        answer, _ = self.builders.call(header, limit_seconds=_ORACLE_LIMIT_SECONDS)
        if answer["status"] != "ok":
            raise WorkerDiedError(answer["status"], f"the plain loops: {answer['message']}")

    def _run(self, item: MeasureInput, build: _Build) -> Measurement:
        if not build.ok:
            return _not_run(build)
        key = (item.task_key, item.target, item.threads)
        header = {
            **self._asked(item),
            "job": "run",
            "candidate": build.candidate,
            "best": self._best.get(key),
        }
        answer, spent = self._ask_runner(header, build.code)
        found = Measurement(
            answer["status"],
            seconds=answer.get("seconds"),
            spread=answer.get("spread", 0.0),
            samples=answer.get("samples", 0),
            build_seconds=build.seconds,
            run_seconds=spent,
            message=answer["message"],
        )
        if found.seconds is not None:
            self._best[key] = min(found.seconds, self._best.get(key, found.seconds))
        return found

    def _asked(self, item: MeasureInput) -> Header:
        return {
            "input": item.to_json(),
            "options": asdict(self.options),
            "path": str(self._oracle_path(item)),
            "command": self._command,
        }

    def _ask_runner(self, header: Header, code: bytes) -> tuple[Header, float]:
        with self._alone, self._busy:
            started = time.perf_counter()
            try:
                answer, _ = self.runners.call(
                    header, code, limit_seconds=self.options.run_limit_seconds, retire=True
                )
            except WorkerDiedError as error:
                answer = {"status": error.status, "message": error.message}
            return answer, time.perf_counter() - started

    def _oracle_path(self, item: MeasureInput) -> Path:
        return Path(self._folder.name, f"{item.task_key}.npz")


class _Build:
    """What came of building a candidate."""

    def __init__(self, answer: Header, code: bytes, seconds: float) -> None:
        self.status: Status = answer["status"]
        self.message = answer.get("message", "")
        self.candidate = answer.get("candidate")
        self.code = code
        self.seconds = seconds

    @property
    def ok(self) -> bool:
        return self.status == "ok"


def _not_run(build: _Build) -> Measurement:
    status: Status = "lost" if build.ok else build.status
    message = "the other candidate could not be built" if build.ok else build.message
    return Measurement(status, build_seconds=build.seconds, message=message)


def _judge(
    rounds: Sequence[Sequence[float]], builds: Sequence[_Build], run_seconds: float
) -> Comparison:
    """Whether the leader won by more than chance gives: clearly, and in most of the rounds."""
    table = np.array(rounds)
    default, leader = (
        _column(column, build, run_seconds) for column, build in zip(table.T, builds, strict=True)
    )
    ratios = table[:, 0] / table[:, 1]
    speedup = float(np.median(ratios))
    accepted = speedup >= _LEAST_SPEEDUP and float(np.mean(ratios > 1)) >= _ROUNDS_WON
    return Comparison(default, leader, speedup, accepted, tuple(map(tuple, table.tolist())))


def _column(samples: np.ndarray, build: _Build, run_seconds: float) -> Measurement:
    low, middle, high = map(float, np.percentile(samples, [25, 50, 75]))
    spread = (high - low) / middle
    shortest = float(samples.min())
    return Measurement("ok", shortest, spread, len(samples), build.seconds, run_seconds)


def _cancel(builds: Sequence[Future[_Build]]) -> None:
    for build in builds:
        build.cancel()
