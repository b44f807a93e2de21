"""One measured candidate, and the machine for which its time holds."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlc.autotune.measurement import MeasureInput, Measurement
from mlc.fingerprint import versions
from mlc.passes.schedule.templates.base import Knobs
from mlc.passes.schedule.trace import Trace
from mlc.target import Target

_COMPILERS = ("mlc-compiler", "llvmlite")


@dataclass(frozen=True, slots=True)
class MachineKey:
    """What measured times hold for; two machines with equal keys share records.

    `exact` tells records made under "exact" precision from others; `versions` are those of what
    makes the code.
    """

    triple: str
    cpu: str
    features: str
    threads: int
    exact: bool
    versions: str

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def text(self) -> str:
        """All of it as JSON."""
        return json.dumps(self.to_json())

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
    """A measured candidate. `knobs`: the point of the space that it is, if it is one.

    `func_text` are the plain loops of which `task_key` is made; `created` in seconds since 1970.
    """

    task_key: str
    func_text: str
    machine: MachineKey
    trace: Trace
    measurement: Measurement
    knobs: Knobs | None = None
    created: float = 0.0

    @staticmethod
    def of(item: MeasureInput, measurement: Measurement, knobs: Knobs | None = None) -> Record:
        """The record of what was measured just now."""
        machine = machine_key(item.target, item.threads, item.exact)
        text, trace = item.func_text, item.trace
        return Record(item.task_key, text, machine, trace, measurement, knobs, time.time())

    @property
    def ok(self) -> bool:
        """Whether there is a time."""
        return self.measurement.ok

    def to_json(self) -> dict[str, Any]:
        """A value that `json.dumps` takes; all but the plain loops."""
        return {
            "task": self.task_key,
            "machine": self.machine.to_json(),
            "trace": self.trace.to_json(),
            "measurement": self.measurement.to_json(),
            "knobs": None if self.knobs is None else dict(self.knobs),
            "created": self.created,
        }


def digest_of_text(func_text: str) -> str:
    """The task key that belongs to plain loops.

    >>> digest_of_text("")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(func_text.encode()).hexdigest()


def canonical_json(value: Mapping[str, Any] | list[Any]) -> str:
    """Equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
