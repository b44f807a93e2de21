"""What was measured, kept for the next time: SQLite, safe for several processes at once.

A record is known by its task (the SHA-256 of the plain loops, verified by equality of their text)
and by its machine (triple, CPU, features, threads, precision and versions). What `add` was given is
on disk when it returns. Of each task and machine one record may be accepted: the one that a final
comparison found faster than the default; only accepted records decide how a model is compiled.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from mlc.autotune.measurement import MeasureInput, Measurement
from mlc.errors import MlcError, ScheduleError, TuningError
from mlc.fingerprint import versions
from mlc.passes.schedule.trace import Trace
from mlc.target import Target

SCHEMA_VERSION = 1

_BUSY_SECONDS = 30.0
_COMPILERS = ("mlc-compiler", "llvmlite")


@dataclass(frozen=True, slots=True)
class MachineKey:
    """What measured times hold for; two machines with equal keys share records."""

    triple: str
    cpu: str
    features: str
    threads: int
    exact: bool
    versions: str

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, in hexadecimal."""
        return hashlib.sha256(json.dumps(self.to_json()).encode()).hexdigest()

    def to_json(self) -> list[Any]:
        """A value that `json.dumps` takes."""
        return [self.triple, self.cpu, self.features, self.threads, self.exact, self.versions]


def machine_key(target: Target, threads: int, exact: bool = False) -> MachineKey:
    """The key of records for `target`, made by this version of the compiler."""
    made_by = versions()
    known = " ".join(f"{name} {made_by[name]}" for name in _COMPILERS)
    return MachineKey(target.triple, target.cpu, target.features, threads, exact, known)


@dataclass(frozen=True, slots=True)
class Record:
    """A measured candidate. `knobs`: the point of the space that it is, if it is one."""

    task_key: str
    func_text: str
    machine: MachineKey
    trace: Trace
    measurement: Measurement
    knobs: Mapping[str, int | str | bool] | None = None
    created: float = 0.0

    @staticmethod
    def of(
        item: MeasureInput,
        measurement: Measurement,
        knobs: Mapping[str, int | str | bool] | None = None,
    ) -> Record:
        """The record of what was measured just now."""
        machine = machine_key(item.target, item.threads, item.exact)
        text, trace = item.func_text, item.trace
        return Record(item.task_key, text, machine, trace, measurement, knobs, time.time())


class Database:
    """Records in a file (or in memory, for the path ":memory:").

    Every method raises `TuningError` when the file is damaged, locked for long, or cannot grow.
    """

    def __init__(self, path: str | Path, *, max_bytes: int | None = None) -> None:
        raise NotImplementedError

    def add(self, record: Record) -> int:
        """Keep a record; it is on disk when this returns. Gives its number."""
        raise NotImplementedError

    def add_all(self, records: Iterable[Record]) -> list[int]:
        """Keep several records, all or none of them."""
        raise NotImplementedError

    def records(
        self, task_key: str | None = None, machine: MachineKey | None = None
    ) -> Iterator[Record]:
        """The records of a task, of a machine, of both, or all, in the order they were added."""
        raise NotImplementedError

    def best(self, task_key: str, machine: MachineKey) -> Record | None:
        """The fastest record of a task, accepted or not."""
        raise NotImplementedError

    def accept(self, record: Record) -> None:
        """Let `record` decide how its task is compiled for its machine."""
        raise NotImplementedError

    def reject(self, task_key: str, machine: MachineKey) -> None:
        """Let the default decide again."""
        raise NotImplementedError

    def accepted(self, task_key: str, func_text: str, machine: MachineKey) -> Trace | None:
        """The trace that decides how a task is compiled, if one was accepted."""
        raise NotImplementedError

    def decide(self, model_key: str, machine: MachineKey, decision: Mapping[str, Any]) -> None:
        """Keep a decision about a whole model, such as the variant of its graph."""
        raise NotImplementedError

    def decision(self, model_key: str, machine: MachineKey) -> dict[str, Any] | None:
        """What was decided about a whole model."""
        raise NotImplementedError

    def export_lines(self, path: str | Path) -> int:
        """Write every record as a line of JSON; gives their number."""
        raise NotImplementedError

    def import_lines(self, path: str | Path) -> int:
        """Add the records of such a file after checking them; gives their number."""
        raise NotImplementedError
