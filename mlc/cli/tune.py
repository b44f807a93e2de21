"""mlc tune: search faster schedules for a model's kernels, by measuring."""

from __future__ import annotations

import shlex
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mlc.autotune.report.save import check_report_path, save_report
from mlc.cli import options
from mlc.cli.console import output
from mlc.cli.tuning_progress import watching
from mlc.errors import TuningError
from mlc.tuning import parse_duration, tune

_PANEL = "Search"


class Strategy(str, Enum):
    """How candidates are chosen."""

    evolutionary = "evolutionary"
    annealing = "annealing"
    random = "random"
    grid = "grid"
    model = "model"


def duration(text: str) -> float:
    """`10m`, `1h30m`, `45s`, `45`."""
    try:
        return parse_duration(text)
    except TuningError as error:
        raise typer.BadParameter(error.message) from None


Budget = Annotated[
    float | None,
    typer.Option(
        "--budget", "-b", parser=duration, metavar="10m",
        show_default="10m, unless --trials is given", help="Time for all of it.",
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip
Trials = Annotated[
    int | None, typer.Option(min=1, help="The most measurements.", rich_help_panel=_PANEL)
]
StrategyName = Annotated[
    Strategy, typer.Option(help="How candidates are chosen.", rich_help_panel=_PANEL)
]
DatabasePath = Annotated[
    Path | None,
    typer.Option(
        envvar="MLC_DATABASE", metavar="FILE", show_default="the user's",
        help="Where measurements are kept.", rich_help_panel=_PANEL,
    ),
]  # fmt: skip
Records = Annotated[
    list[Path] | None,
    typer.Option(
        "--from", metavar="FILE",
        help="Measurements of other models or machines to learn from; repeatable.",
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip
Workers = Annotated[
    str | None,
    typer.Option(
        metavar="tcp://HOST:PORT", help="A Dask scheduler whose workers measure.",
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip
Emulator = Annotated[
    str | None,
    typer.Option(
        metavar="COMMAND", help="What runs programs of another architecture: qemu-aarch64.",
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip
Seed = Annotated[int, typer.Option(min=0, help="Of all chance.", rich_help_panel=_PANEL)]
Reports = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE", help="Write what happened: drawings as .html, figures as .json; repeatable."
    ),
]


def tune_model(
    model: options.ModelPath,
    budget: Budget = None,
    trials: Trials = None,
    strategy: StrategyName = Strategy.evolutionary,
    database: DatabasePath = None,
    records: Records = None,
    workers: Workers = None,
    emulator: Emulator = None,
    seed: Seed = 0,
    report: Reports = None,
    target: options.TargetName = "host",
    shape: options.Shapes = None,
    threads: options.Threads = None,
    precision: options.PrecisionName = options.Precision.fast,
) -> None:
    """Search faster schedules for a model's kernels, by measuring candidates on this machine.

    Ctrl-C ends the search and keeps what was found; another run goes on from there. Afterwards
    'mlc compile --tuning FILE' compiles with what was found.
    """
    settings = options.Settings(target, shape, threads, precision)
    for path in report or ():
        check_report_path(path)
    with watching(model.name) as watch:
        outcome = tune(
            model,
            target,
            budget,
            trials=trials,
            database=database,
            seed=seed,
            shapes=settings.shape_mapping(),
            num_threads=threads,
            precision=precision.value,
            strategy=strategy.value,
            records=records or (),
            workers=workers,
            command=shlex.split(emulator or ""),
            watch=watch,
        )
    output().print(str(outcome), markup=False, highlight=False, soft_wrap=True)
    hint = f"mlc compile {model} --tuning {outcome.database}"
    output().print(f"compile with: {hint}", markup=False, highlight=False, soft_wrap=True)
    for path in report or ():
        save_report(outcome, path)
