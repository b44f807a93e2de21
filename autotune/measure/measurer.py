"""Measures candidates one after the other, each in processes of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from mlc.autotune.measurement import Comparison, MeasureInput, MeasureOptions, Measurement


class Executor(Protocol):
    """What is needed of an executor: any of `concurrent.futures`, or a `distributed.Client`."""

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Call `function` somewhere else, some time."""


class Measurer:
    """Measures candidates on this machine, or wherever `executor` calls functions."""

    def __init__(
        self, options: MeasureOptions = MeasureOptions(), *, executor: Executor | None = None
    ) -> None:
        self.options = options
        self._executor = executor

    def measure(self, inputs: Sequence[MeasureInput]) -> Iterator[tuple[int, Measurement]]:
        """Each candidate's number and measurement, as they come."""
        raise NotImplementedError

    def compare(self, default: MeasureInput, leader: MeasureInput, rounds: int = 20) -> Comparison:
        """Time two candidates of one task in turns."""
        raise NotImplementedError

    def close(self) -> None:
        """End all processes."""

    def __enter__(self) -> Measurer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
