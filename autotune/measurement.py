"""What is measured, and what comes out: plain data that travels between processes as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from mlc.autotune.task import plain_func, task_key
from mlc.errors import TuningError
from mlc.ir.stmt import Func
from mlc.ir.text import print_func
from mlc.passes.schedule.trace import Trace
from mlc.target import Target

Status = Literal["ok", "build-error", "crash", "timeout", "wrong", "out-of-memory", "lost"]
"""How a measurement ended.

ok             it ran, and its results are right
build-error    the trace was refused, or no code could be made of it
crash          the process that built or ran it died of it
timeout        it took too long, and was killed
wrong          it ran, but its results differ from those of the plain loops
out-of-memory  it needed more memory than a candidate may have
lost           the worker went away for a reason of its own, twice
"""

STATUSES: tuple[str, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class MeasureInput:
    """A candidate: the plain loops of a task, and the steps that schedule them.

    `func_text` is the text of the plain loops, of which `task_key` is made; `threads` share the
    kernel; `exact` forbids algorithms that round otherwise than plain sums.
    """

    task_key: str
    func_text: str
    trace: Trace
    target: Target
    threads: int = 1
    exact: bool = False

    @staticmethod
    def of(
        func: Func, trace: Trace, target: Target, threads: int = 1, *, exact: bool = False
    ) -> MeasureInput:
        """The candidate that `trace` makes of the plain loops `func`."""
        text = print_func(plain_func(func))
        return MeasureInput(task_key(func), text, trace, target, threads, exact)

    def to_json(self) -> dict[str, Any]:
        """A value that `json.dumps` takes."""
        return {
            "task_key": self.task_key,
            "func_text": self.func_text,
            "trace": self.trace.to_json(),
            "target": asdict(self.target),
            "threads": self.threads,
            "exact": self.exact,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> MeasureInput:
        """Read what `to_json` gave, on the other side of a pipe."""
        return MeasureInput(
            str(value["task_key"]),
            str(value["func_text"]),
            Trace.from_json(value["trace"]),
            Target(**value["target"]),
            int(value["threads"]),
            bool(value["exact"]),
        )


@dataclass(frozen=True, slots=True)
class Measurement:
    """How long one call of a candidate takes, or why that is not known.

    `seconds`: the shortest per call, None unless the status is "ok"; `spread`: the distance between
    the quartiles as a part of the median; `samples`: of how many timings; `build_seconds` and
    `run_seconds`: what measuring cost; `message`: the reason of a failure, or a remark.
    """

    status: Status
    seconds: float | None = None
    spread: float = 0.0
    samples: int = 0
    build_seconds: float = 0.0
    run_seconds: float = 0.0
    message: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise TuningError(f"there is no status '{self.status}' of a measurement")
        if (self.seconds is not None) != self.ok:
            raise TuningError(f"a measurement with status '{self.status}' took {self.seconds}")

    @property
    def ok(self) -> bool:
        """Whether there is a time."""
        return self.status == "ok"

    def to_json(self) -> dict[str, Any]:
        """A value that `json.dumps` takes."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Measurement:
        """Read what `to_json` gave; raises `TuningError` for a status that there is not."""
        known = {part.name for part in fields(Measurement)}
        return Measurement(**{name: part for name, part in value.items() if name in known})


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """How to measure.

    `repeats` timings of at least `min_repeat_ms` each, after calls that are not counted (or, with
    `cold`, single calls with caches evicted before each); five at least, but no more than fill that
    time together. Many short ones, because other programs disturb a short one seldom.

    `working_set_bytes`: so many bytes of constants are read before the same are read again, as in a
    model with so many weights; 0 reads the same in every call.

    A candidate whose first calls take more than `abandon_factor` times the best of its task is not
    timed further (0: always timed).
    Building and running each have their limit in seconds, after which the process is killed;
    `memory_bytes` bounds the address space of a worker. `check`: whether results are compared.
    `seed`: of the arrays that candidates are given.
    """

    repeats: int = 25
    min_repeat_ms: float = 1.0
    cold: bool = False
    working_set_bytes: int = 32 << 20
    abandon_factor: float = 3.0
    build_limit_seconds: float = 15.0
    run_limit_seconds: float = 15.0
    memory_bytes: int = 6 << 30
    check: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """An interleaved re-measurement of a leader and the default.

    `speedup`: the median over rounds of the default's time by the leader's; `accepted`: whether
    the leader is faster beyond doubt.
    """

    default: Measurement
    leader: Measurement
    speedup: float = 0.0
    accepted: bool = False
    rounds: tuple[tuple[float, float], ...] = field(default=(), repr=False)
