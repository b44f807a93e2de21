"""The tuner's front door: `tune`."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_data_path

from mlc.api import import_graph, resolve_options, runs_here
from mlc.autotune.fleet import connected
from mlc.autotune.measure.measurer import Executor, Measurer
from mlc.autotune.measurement import MeasureOptions
from mlc.autotune.records import Database
from mlc.autotune.session import Job, Watch, ignore, tune_graph
from mlc.autotune.tuner import Settings
from mlc.autotune.tuning_report import TuningReport
from mlc.errors import TuningError
from mlc.ir.graph import Graph
from mlc.runtime.arrays import Array
from mlc.target import Target

if TYPE_CHECKING:
    import onnx

DEFAULT_BUDGET = "10m"

_SECONDS_FOR_VARIANTS = 240.0

_CACHES_FILLED = 4
"""Other things are in the last cache, too, and not always the oldest makes way."""

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


def tune(
    model: str | os.PathLike[str] | bytes | onnx.ModelProto | Graph,
    target: str | Target = "host",
    budget: str | float | None = None,
    *,
    trials: int | None = None,
    database: Database | str | os.PathLike[str] | None = None,
    seed: int = 0,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
    num_threads: int | None = None,
    precision: str = "fast",
    inputs: Mapping[str, Array] | None = None,
    strategy: str = "evolutionary",
    records: Sequence[str | os.PathLike[str]] = (),
    workers: str | None = None,
    executor: Executor | None = None,
    command: Sequence[str] = (),
    measure: MeasureOptions | None = None,
    watch: Watch = ignore,
) -> TuningReport:
    """Search faster schedules for the kernels of a model, by measuring.

    model, target, shapes, num_threads, precision: as `mlc.compile` takes them; only a compilation
        with equal ones profits.
    budget: seconds, or text like "10m" or "1h30m", for all of it; ten minutes where neither it nor
        `trials` is given.
    trials: the most measurements.
    database: where measurements are kept: a `Database`, a path, or None for the user's own.
    seed: of all chance; equal measurements then give equal searches.
    inputs: arrays by input name to time the model with; random ones otherwise.
    strategy: "evolutionary", "annealing", "random", "grid", or "model", which measures of each task
        only what a model that learnt from earlier records finds best.
    records: files of JSON lines with measurements of other machines or models, to learn from.
    workers: the address of a Dask scheduler whose workers measure, such as "tcp://127.0.0.1:8786".
    executor: measures candidates elsewhere: anything with `submit` as in `concurrent.futures`.
    command: what runs programs of another architecture, such as ("qemu-aarch64",).
    measure: how; by default as often as seems right, with as many constants as the model has.
    watch: called with a `State` whenever something has changed.

    Ctrl-C ends the search, what was found so far is still compared and kept; a second Ctrl-C ends
    that too. A later call goes on from the records. `mlc.compile(…, tuning=database)` then compiles
    with what was found. Raises a subclass of `MlcError`, as `mlc.compile` does.
    """
    resolved, options = resolve_options(target, num_threads, precision, False)
    seconds = None if budget is None else parse_duration(budget)
    if seconds is None and trials is None:
        seconds = parse_duration(DEFAULT_BUDGET)
    if trials is not None and trials < 1:
        raise TuningError(f"trials is {trials}, at least 1 is needed")
    graph = import_graph(model, shapes, "changed")
    settings = Settings(seconds=seconds, trials=trials, strategy=strategy, seed=seed)
    here = runs_here(resolved)
    if not here and executor is None and workers is None and not command:
        raise TuningError(
            f"code for '{resolved.name}' cannot run here",
            hint="name workers that can run it, or an emulator",
        )
    long = (seconds or math.inf) >= _SECONDS_FOR_VARIANTS and trials is None
    job = Job(graph, resolved, options, settings, feeds=inputs, runs_here=here, variants=long)
    with ExitStack() as stack:
        store = open_database(database)
        if store is not database:
            stack.callback(store.close)
        for path in records:
            store.import_lines(Path(path))
        if workers is not None:
            executor = stack.enter_context(connected(workers))
        measure = measure or MeasureOptions(working_set_bytes=_working_set(graph, resolved))
        measurer = stack.enter_context(Measurer(measure, executor=executor, command=command))
        report = tune_graph(job, store, measurer, watch)
    return replace(report, database=str(store.path))


def _working_set(graph: Graph, target: Target) -> int:
    """Bytes of constants that a model reads between two calls of a kernel; more make no difference.

    Those that fit the last cache stay there in a model, too. The others come from memory, however
    many there are: schedules that hold more of them must not look faster than they are.
    """
    constants = sum(array.nbytes for array in graph.constants.values())
    return min(constants, _CACHES_FILLED * target.l3_bytes)


def default_database() -> Path:
    """Where the user's measurements are kept."""
    return user_data_path("mlc", appauthor=False) / "tuning.sqlite"


def open_database(database: Database | str | os.PathLike[str] | None) -> Database:
    """The database at a path, the user's own for None; a `Database` is returned as it is.

    Raises `TuningError` where it cannot be opened.
    """
    if isinstance(database, Database):
        return database
    if database is not None:
        return Database(Path(database))
    path = default_database()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise TuningError(f"cannot make the folder {path.parent}: {error.strerror}") from None
    return Database(path)


def parse_duration(duration: str | float) -> float:
    """Seconds of "10m", "1h30m", "45s", "45", or a number of seconds.

    >>> parse_duration("1h30m"), parse_duration("2m5s"), parse_duration(7)
    (5400.0, 125.0, 7.0)
    """
    if isinstance(duration, str):
        parts = _DURATION.fullmatch(duration.strip())
        numbers: list[Any] = [] if parts is None else list(parts.groups())
        if not any(numbers):
            raise TuningError(
                f"'{duration}' is no duration", hint="write 45s, 10m or 1h30m, or seconds"
            )
        hours, minutes, rest = (float(number or 0) for number in numbers)
        duration = 3600 * hours + 60 * minutes + rest
    if not duration > 0:
        raise TuningError(f"the budget is {duration} seconds, more than none is needed")
    return float(duration)
