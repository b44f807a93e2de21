"""What a tuning found, task by task, and where its time went: plain data, with tables to print."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mlc.autotune.metrics import pairwise_accuracy
from mlc.autotune.task_tuner import TaskTuner, Trial

_LONGEST_NAME = 36


@dataclass(frozen=True)
class TaskRow:
    """One task. Times are seconds of one call; None where nothing was measured.

    `before` and `after` are the seconds of all its calls inside the model, with the default and
    with what was accepted; `trials` those of this run, `recalled` those of earlier ones.
    """

    key: str
    template: str
    locs: tuple[str, ...]
    count: int
    flops: int
    limit_seconds: float
    default_seconds: float | None
    best_seconds: float | None
    knobs: Mapping[str, int | str | bool] | None
    trials: tuple[Trial, ...]
    recalled: int
    statuses: Mapping[str, int]
    accepted: bool
    before: float | None = None
    after: float | None = None

    @property
    def name(self) -> str:
        """The model's nodes, shortened."""
        text = " + ".join(self.locs) or self.template
        return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"

    @property
    def speedup(self) -> float:
        """The default's time by the best, measured alone."""
        if self.default_seconds is None or self.best_seconds is None:
            return 1.0
        return self.default_seconds / self.best_seconds

    @property
    def gigaflops(self) -> float:
        """The rate of the best."""
        return self.flops / self.best_seconds / 1e9 if self.best_seconds else 0.0

    @property
    def accuracy(self) -> float | None:
        """The share of pairs of trials whose order the model had told; None for fewer than two."""
        pairs = [
            (trial.score, trial.seconds)
            for trial in self.trials
            if trial.score is not None and trial.seconds is not None
        ]
        if len(pairs) < 2:
            return None
        scores, seconds = zip(*pairs, strict=True)
        return pairwise_accuracy(scores, seconds)


@dataclass(frozen=True)
class Spending:
    """Where the seconds of a run went.

    `wall`: all of it; `build` and `run`: sums over candidates (several are built at a time);
    `measuring`: while any candidate was built or run; `settling`: races at the end, of tasks
    and of the whole model; `overhead`: the rest, which is the tuner's own.
    """

    wall: float
    build: float
    run: float
    measuring: float
    settling: float

    @property
    def overhead(self) -> float:
        """Seconds in which nothing was built or run for measuring."""
        return max(0.0, self.wall - min(self.measuring, self.build + self.run) - self.settling)

    @property
    def overhead_share(self) -> float:
        """The overhead as a part of all."""
        return self.overhead / self.wall if self.wall else 0.0


@dataclass(frozen=True)
class TuningReport:
    """The outcome of `mlc.tune`.

    `default_seconds` and `tuned_seconds`: of one call of the whole model, None where it cannot run
    here; `weight_bytes`: of its constants with the default schedules and with those chosen, zeros
    where it stays as it is; `database`: where the records are, for `mlc.compile(…, tuning=…)`.
    """

    model: str
    target: str
    threads: int
    tasks: tuple[TaskRow, ...]
    default_seconds: float | None
    tuned_seconds: float | None
    spending: Spending
    stopped_because: str
    decision: str
    database: str = ""
    strategy: str = ""
    variant: str = ""
    notes: tuple[str, ...] = field(default=())
    weight_bytes: tuple[int, int] = (0, 0)

    @property
    def speedup(self) -> float:
        """How much faster the model became; 1 where the default stays."""
        if not self.default_seconds or not self.tuned_seconds:
            return 1.0
        return self.default_seconds / self.tuned_seconds

    @property
    def trials(self) -> int:
        """Measurements of this run."""
        return sum(len(row.trials) for row in self.tasks)

    @property
    def overhead_share(self) -> float:
        """The tuner's own part of the wall time."""
        return self.spending.overhead_share

    @property
    def statuses(self) -> dict[str, int]:
        """How the measurements ended."""
        total: dict[str, int] = {}
        for row in self.tasks:
            for status, number in row.statuses.items():
                total[status] = total.get(status, 0) + number
        return total

    def table(self) -> list[tuple[str, ...]]:
        """A heading, and a row per task, those that take longest by default first."""
        heading = (
            "trials",
            "default µs",
            "best µs",
            "GFLOP/s",
            "speed-up",
            "used",
            "calls",
            "task",
        )
        ordered = sorted(self.tasks, key=lambda row: -row.count * (row.default_seconds or 0.0))
        return [heading, *map(_cells, ordered)]

    def to_json(self) -> dict[str, Any]:
        """A value that `json.dumps` takes, figures worked out."""
        tasks = [
            {**asdict(row), "speedup": row.speedup, "gigaflops": row.gigaflops}
            for row in self.tasks
        ]
        figures = {
            "speedup": self.speedup,
            "trials": self.trials,
            "statuses": self.statuses,
            "overhead_share": self.overhead_share,
        }
        ready: dict[str, Any] = json_ready({**asdict(self), "tasks": tasks, **figures})
        return ready

    def __str__(self) -> str:
        lines = _aligned(self.table())
        outcomes = ", ".join(f"{number} {status}" for status, number in self.statuses.items())
        lines.append(
            f"\n{self.trials} trials ({outcomes or 'none'}) in {self.spending.wall:.1f} s, "
            f"{self.overhead_share:.0%} of it the tuner's own; stopped: {self.stopped_because}"
        )
        if self.default_seconds and self.tuned_seconds:
            lines.append(
                f"{self.model}: {self.default_seconds * 1e3:.3f} ms → "
                f"{self.tuned_seconds * 1e3:.3f} ms, {self.speedup:.2f}× ({self.decision})"
            )
        before, after = self.weight_bytes
        if before != after:
            lines.append(f"weights: {before / 1e6:.1f} MB → {after / 1e6:.1f} MB")
        return "\n".join([*lines, *self.notes])


def row_of(
    tuner: TaskTuner, accepted: bool, before: float | None = None, after: float | None = None
) -> TaskRow:
    """The row of a task that was tuned."""
    best = tuner.best
    return TaskRow(
        key=tuner.task.key,
        template=tuner.task.template,
        locs=tuner.task.locs,
        count=tuner.task.count,
        flops=tuner.task.work.flops,
        limit_seconds=tuner.progress.limit,
        default_seconds=tuner.default_seconds,
        best_seconds=best.seconds if best else None,
        knobs=best.proposal.knobs if best else None,
        trials=tuple(tuner.trials),
        recalled=tuner.recalled,
        statuses=dict(tuner.statuses),
        accepted=accepted,
        before=before,
        after=after,
    )


def json_ready(value: Any) -> Any:
    """The same value without tuples and without numbers that JSON lacks.

    >>> json_ready({"a": (1, float("inf"))})
    {'a': [1, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): json_ready(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [json_ready(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _cells(row: TaskRow) -> tuple[str, ...]:
    return (
        str(len(row.trials)),
        _microseconds(row.default_seconds),
        _microseconds(row.best_seconds),
        f"{row.gigaflops:.1f}",
        f"{row.speedup:.2f}×",
        "yes" if row.accepted else "",
        str(row.count),
        row.name,
    )


def _microseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1e6:.1f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [f"{cell:>{width}}" for cell, width in zip(row[:-1], widths, strict=False)] + [row[-1]]
        )
        for row in rows
    ]
