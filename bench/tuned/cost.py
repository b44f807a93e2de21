"""What the tuner itself costs: its part of the wall time, and what it holds on to."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import mlc
from bench.tuned.common import equal_trials, fresh_database, host, path_of, representative
from mlc.autotune.measure.measurer import Measurer
from mlc.autotune.measurement import MeasureOptions
from mlc.autotune.tuner import Tuner
from mlc.tuning import parse_duration

_WARM_UP = 0.2


def overhead(model: str, threads: int, budget: str, folder: Path, seed: int) -> dict[str, Any]:
    """Where the wall time of one tuning goes."""
    database = folder / "overhead.sqlite"
    report = mlc.tune(
        path_of(model), "host", parse_duration(budget), database=database, num_threads=threads,
        seed=seed,
    )  # fmt: skip
    spent = report.spending
    return {
        "model": model,
        "threads": threads,
        "trials": report.trials,
        "wall": spent.wall,
        "build": spent.build,
        "run": spent.run,
        "measuring": spent.measuring,
        "settling": spent.settling,
        "overhead": spent.overhead,
        "overhead_share": spent.overhead_share,
    }


def leak(models: list[str], number: int, threads: int, trials: int, seed: int) -> dict[str, Any]:
    """Memory and open files of this process and its children while many candidates are measured.

    Candidates are timed shortly: what is looked for does not depend on it. The growth is taken
    after the first fifth, when caches and the model have reached their size.
    """
    options = MeasureOptions(repeats=1, min_repeat_ms=0.1)
    samples: list[dict[str, float]] = []

    def note(tuner: Tuner) -> None:
        gc.collect()
        samples.append({"trials": tuner.trials, **held(os.getpid())})

    tasks = representative(models, threads, number)
    with Measurer(options) as measurer, fresh_database() as database:
        per_task = -(-trials // len(tasks))
        equal_trials(tasks, host(threads), database, measurer, "evolutionary", per_task, seed, note)
    steady = samples[int(_WARM_UP * len(samples)) :]
    first, last = steady[0], steady[-1]
    measured = max(1, last["trials"] - first["trials"])
    return {
        "trials": last["trials"],
        "bytes_per_trial": (last["bytes"] - first["bytes"]) / measured,
        "child_bytes_per_trial": (last["child_bytes"] - first["child_bytes"]) / measured,
        "files": last["files"] - first["files"],
        "processes": last["processes"] - first["processes"],
        "samples": samples,
    }


def held(process: int) -> dict[str, float]:
    """Resident bytes and open files of a process; bytes and number of its children."""
    children = children_of(process)
    return {
        "bytes": _resident(process),
        "child_bytes": sum(map(_resident, children)),
        "files": len(list(Path(f"/proc/{process}/fd").iterdir())),
        "processes": len(children),
    }


def children_of(process: int) -> list[int]:
    """The processes that a process started, and those that they did."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *children_of(int(child))]
    return found


def _resident(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
