"""Measures candidates on this machine, or wherever an executor calls functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, final

from mlc.autotune.measure.busy import Busy
from mlc.autotune.measure.remote import answer, comparison_of, measurements_of, request_for
from mlc.autotune.measure.station import Station
from mlc.autotune.measurement import Comparison, MeasureInput, Measurement, MeasureOptions
from mlc.errors import TuningError
from mlc.limits import Probe
from mlc.runtime.roofline import Limits
from mlc.target import Target


class Executor(Protocol):
    """What is needed of an executor: any of `concurrent.futures`, or a `distributed.Client`."""

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Any:
        """Call `function` somewhere else, some time; the future has `result()`."""


@final
class Measurer:
    """Measures candidates; close it to end its processes.

    Without an `executor`, candidates are built and run on this machine, the runs one by one. With
    one, each candidate is a call of a function that measures it where it is called. `command` runs
    programs of another architecture, for example `("qemu-aarch64",)`: then candidates are compiled
    here and only run by it, once for each sample. `builders` and `overlap`: see `Station`.
    """

    def __init__(
        self,
        options: MeasureOptions | None = None,
        *,
        executor: Executor | None = None,
        command: Sequence[str] = (),
        builders: int | None = None,
        overlap: bool = False,
    ) -> None:
        self.options = options or MeasureOptions()
        self._executor = executor
        self._command = tuple(command)
        self._busy = Busy()
        self._station: Station | None = None
        if executor is None:
            self._station = Station(
                self.options, builders=builders, command=command, overlap=overlap, busy=self._busy
            )

    def measure(self, inputs: Sequence[MeasureInput]) -> Iterator[tuple[int, Measurement]]:
        """Each candidate's number and measurement: in order here, as they come elsewhere.

        Here the first are built from now on, and run as they are asked for.
        Raises `TuningError` when no worker can be started; what is wrong with a candidate is the
        status of its measurement.
        """
        if self._station is not None:
            return self._station.measure(inputs)
        assert self._executor is not None
        return self._measure_elsewhere(self._executor, inputs)

    def compare(self, default: MeasureInput, leader: MeasureInput, rounds: int = 20) -> Comparison:
        """Time two candidates of one task in turns; the leader is accepted if it is faster.

        Raises `TuningError` when they are not of one task, target and number of threads.
        """
        if _subject(default) != _subject(leader):
            raise TuningError("only candidates of one task and machine can be compared")
        if self._station is not None:
            return self._station.compare(default, leader, rounds)
        assert self._executor is not None
        request = request_for([default, leader], self.options, self._command, rounds)
        return comparison_of(self._executor.submit(answer, request).result())

    def limits(self, target: Target, threads: int) -> Limits | None:
        """What this machine reaches at best with code for `target`; None where others measure."""
        if self._station is None or self._command:
            return None
        return Probe(threads, target).measure()

    @property
    def busy_seconds(self) -> float:
        """How long candidates were built or run so far."""
        return self._busy.seconds

    @property
    def builders(self) -> int:
        """How many candidates are built at a time on this machine."""
        return 0 if self._station is None else self._station.builders.count

    def pids(self) -> list[int]:
        """The numbers of this machine's worker processes."""
        if self._station is None:
            return []
        return self._station.builders.pids() + self._station.runners.pids()

    def close(self) -> None:
        """Kill all workers of this machine; an executor is its owner's to shut down."""
        if self._station is not None:
            self._station.close()

    def __enter__(self) -> Measurer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _measure_elsewhere(
        self, executor: Executor, inputs: Sequence[MeasureInput]
    ) -> Iterator[tuple[int, Measurement]]:
        futures = [
            executor.submit(answer, request_for([item], self.options, self._command))
            for item in inputs
        ]
        try:
            for number, future in enumerate(futures):
                with self._busy:
                    found = _outcome(future)
                yield number, found
        finally:
            for future in futures:
                future.cancel()


def _subject(item: MeasureInput) -> tuple[str, Target, int, bool]:
    return item.task_key, item.target, item.threads, item.exact


def _outcome(future: Any) -> Measurement:
    try:
        (found,) = measurements_of(future.result())
    except Exception as error:  # of any kind: it is the executor's
        return Measurement("lost", message=f"{type(error).__name__}: {error}")
    return found
