"""From records to the schedules of a model: which trace each kernel is compiled with.

Of each task only the accepted record counts. The tuner's own database is asked first, then the
records that mlc ships for common processors: JSON lines in the folder `shipped`, where there are
none so far.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlc.autotune.record import MachineKey, canonical_json, digest_of_text
from mlc.autotune.record_lines import read_lines
from mlc.autotune.records import Database
from mlc.autotune.task import plain_func
from mlc.ir.graph import Graph
from mlc.ir.stmt import Func
from mlc.ir.text import print_func
from mlc.passes.schedule.trace import Trace
from mlc.passes.variant import Variant, model_key

SHIPPED = Path(__file__).parent / "shipped"

Tuning = Database | str | os.PathLike[str]
"""Where accepted records are: a database, or the path of one that exists."""


@dataclass(frozen=True, slots=True)
class TunedSchedules:
    """What was accepted for one machine.

    `traces`: the plain loops and the trace of each task, by key; `variants`: the choices for the
    graph passes, by the key of the model.
    """

    traces: Mapping[str, tuple[str, Trace]]
    variants: Mapping[str, Variant] = field(default_factory=dict)

    def __call__(self, func: Func) -> Trace | None:
        """The trace of a kernel's plain loops; None where the default stays."""
        text = print_func(plain_func(func))
        known, trace = self.traces.get(digest_of_text(text), ("", None))
        return trace if known == text else None

    def variant(self, graph: Graph) -> Variant:
        """The choices for the graph passes."""
        return self.variants.get(model_key(graph), Variant()) if self.variants else Variant()

    @property
    def digest(self) -> str:
        """SHA-256 of everything, for the keys of caches."""
        traces = {key: trace.to_json() for key, (_, trace) in self.traces.items()}
        known = [traces, {key: variant.to_json() for key, variant in self.variants.items()}]
        return hashlib.sha256(canonical_json(known).encode()).hexdigest()


def tuned_schedules(tuning: Tuning, machine: MachineKey) -> TunedSchedules:
    """What is accepted for `machine` now; `TuningError` where there is no such database."""
    traces = shipped_traces(machine)
    if isinstance(tuning, Database):
        return _accepted(tuning, machine, traces)
    with Database(tuning, read_only=True) as database:
        return _accepted(database, machine, traces)


def _accepted(
    database: Database, machine: MachineKey, shipped: Mapping[str, tuple[str, Trace]]
) -> TunedSchedules:
    decisions = database.decisions(machine)
    variants = {key: Variant.from_json(decision) for key, decision in decisions.items()}
    return TunedSchedules({**shipped, **database.accepted_traces(machine)}, variants)


def shipped_traces(machine: MachineKey, folder: Path = SHIPPED) -> dict[str, tuple[str, Trace]]:
    """Loops and trace of each task that mlc itself has accepted records of."""
    traces = {}
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for record, accepted in read_lines(file):
                if accepted and record.machine == machine:
                    traces[record.task_key] = record.func_text, record.trace
    return traces
