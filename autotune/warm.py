"""What other models and other machines taught: samples for the cost model, seeds for the search.

Records hold loops and steps, no features: describing one takes milliseconds, so that only so many
are read, as evenly from all tasks as they come, the fastest and the slowest of each among them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from mlc.autotune.extents import extents_of
from mlc.autotune.features import features
from mlc.autotune.learner import Learner
from mlc.autotune.records import Database, MachineKey, Record, machine_key
from mlc.autotune.seeds import KEPT, Seed, Seeds
from mlc.backends.llvm.targets import resolve
from mlc.errors import ParseError, ScheduleError, TargetError
from mlc.ir.text import parse_func
from mlc.passes.schedule.apply_trace import apply_trace
from mlc.passes.schedule.templates.base import Machine

_PER_TASK = 48

Origin = tuple[str, MachineKey]


def warm_up(
    learner: Learner,
    seeds: Seeds,
    database: Database,
    machine: Machine,
    own_tasks: Collection[str],
    most: int = 600,
    per_task: int = _PER_TASK,
) -> int:
    """Read records of other tasks or machines; gives how many were of use.

    At most about `most` are, and `per_task` of each task and machine.
    """
    here = machine_key(machine.target, machine.threads, machine.exact)
    groups: dict[Origin, list[Record]] = {}
    for record in database.records():
        foreign = record.machine != here or record.task_key not in own_tasks
        if foreign and record.measurement.ok:
            groups.setdefault((record.task_key, record.machine), []).append(record)
    share = min(per_task, max(2, most // max(1, len(groups))))
    used = 0
    for (task_key, origin), records in groups.items():
        where = "" if origin == here else origin.digest
        device = machine if origin == here else _machine_of(origin, machine)
        ranked = sorted(records, key=_seconds)
        _seed(seeds, task_key, ranked[:KEPT], where)
        if used < most and learner.model is not None:
            used += _teach(learner, task_key + where, spaced(ranked, share), device)
    return used


def spaced(ranked: Sequence[Record], number: int) -> list[Record]:
    """Some of a ranking, evenly from the first to the last."""
    if len(ranked) <= number:
        return list(ranked)
    step = (len(ranked) - 1) / (number - 1)
    return [ranked[round(index * step)] for index in range(number)]


def _teach(learner: Learner, name: str, records: Iterable[Record], machine: Machine) -> int:
    used = 0
    plain = None
    for record in records:
        try:
            plain = plain or parse_func(record.func_text)
            scheduled = apply_trace(plain, record.trace).func
        except (ParseError, ScheduleError):
            continue
        learner.add(name, features(scheduled, machine), _seconds(record))
        used += 1
    return used


def _seed(seeds: Seeds, task_key: str, best: Sequence[Record], where: str) -> None:
    try:
        extents = extents_of(parse_func(best[0].func_text))
    except ParseError:
        return
    for record in best:
        if record.knobs:
            seeds.add(Seed(task_key, extents, record.knobs, _seconds(record)), where)


def _seconds(record: Record) -> float:
    seconds = record.measurement.seconds
    assert seconds is not None
    return seconds


def _machine_of(origin: MachineKey, otherwise: Machine) -> Machine:
    """The machine of foreign records, by this version's table of processors."""
    try:
        target = resolve(f"{origin.triple}:{origin.cpu}")
    except TargetError:
        target = otherwise.target
    return replace(otherwise, target=target, threads=origin.threads, exact=origin.exact)
