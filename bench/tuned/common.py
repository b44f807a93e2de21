"""What the measurements of the tuner share: models, tasks, searches of equal length, output."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import zoo
from bench.report import write_figures
from mlc.autotune.extract import extract_tasks
from mlc.autotune.measure.measurer import Measurer
from mlc.autotune.measurement import MeasureOptions
from mlc.autotune.records import Database
from mlc.autotune.session import make_learner
from mlc.autotune.task import Task
from mlc.autotune.task_tuner import Measures
from mlc.autotune.tuner import Settings, Tuner
from mlc.backends.llvm.targets import resolve
from mlc.importers.onnx import import_model
from mlc.passes.schedule.templates.base import Machine

MODELS = ("resnet50", "mobilenetv2", "bert_base")


def path_of(model: str) -> Path:
    """The ONNX file of a model of the zoo; a path stays one."""
    path = Path(model)
    return path if path.suffix == ".onnx" else zoo.build(model)


def host(threads: int) -> Machine:
    """This machine."""
    return Machine(resolve("host"), threads)


def tasks_of(model: str, threads: int) -> list[Task]:
    """The tasks of a model on this machine."""
    machine = host(threads)
    return extract_tasks(import_model(path_of(model), None), machine.target, threads)


def representative(models: Sequence[str], threads: int, number: int) -> list[Task]:
    """The tasks with most work of some models in turn, each once."""
    queues = [
        sorted(tasks_of(model, threads), key=lambda task: -task.count * task.work.flops)
        for model in models
    ]
    chosen: dict[str, Task] = {}
    for rank in range(max(map(len, queues))):
        for queue in queues:
            if rank < len(queue) and len(chosen) < number:
                chosen.setdefault(queue[rank].key, queue[rank])
    return list(chosen.values())


@contextmanager
def measuring(options: MeasureOptions | None = None) -> Iterator[Measurer]:
    """A measurer of this machine."""
    with Measurer(options) as measurer:
        yield measurer


def equal_trials(
    tasks: Sequence[Task],
    machine: Machine,
    database: Database,
    measurer: Measures,
    strategy: str,
    trials: int,
    seed: int = 0,
    after_round: Callable[[Tuner], None] = lambda tuner: None,
    prepare: Callable[[Tuner], None] = lambda tuner: None,
    batch: int = 8,
    *,
    from_default: bool = True,
) -> Tuner:
    """Search all tasks with one strategy, round by round in turn, so many trials for each."""
    settings = Settings(strategy=strategy, batch=batch, seed=seed, from_default=from_default)
    tuner = Tuner(tasks, machine, database, measurer, make_learner(settings), settings)
    prepare(tuner)
    tuner.resume()
    for _ in range(-(-trials // batch)):
        for each in tuner.tasks:
            if not each.finished:
                tuner.round(each)
        after_round(tuner)
    return tuner


@contextmanager
def fresh_database() -> Iterator[Database]:
    """A database that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder, Database(Path(folder) / "t.sqlite") as database:
        yield database


def name_of(task: Task) -> str:
    """A task in few words."""
    return f"{task.template}: {' + '.join(task.locs)}"[:44]


def show(title: str, heading: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; the first column is text, the others numbers."""
    table = Table(title=title)
    for number, name in enumerate(heading):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def write(output: Path | None, figures: dict[str, Any]) -> None:
    """Write JSON where a file was named."""
    if output is not None:
        write_figures(output, figures)
