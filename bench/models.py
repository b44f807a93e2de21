"""Whole models, mlc beside the engines that people use.

    python -m bench.models --threads 1 --only resnet50 --only mobilenetv2

Every engine runs in a process of its own. Its outputs are checked against onnxruntime's before
anything is timed; then the engines take turns, round by round, so that a machine that slows down
slows all of them. Times are medians; the last column is the speed of mlc relative to the best of
the others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import zoo
from bench.race import Row, installed_engines, race
from bench.report import caption, race_cells, race_line, write_figures

DEFAULT_MODELS = [name for name in zoo.ENTRIES if name != "tiny_mlp"]


def main(
    only: Annotated[list[str] | None, typer.Option(help="A model of the zoo; repeatable.")] = None,
    engine: Annotated[list[str] | None, typer.Option(help="An engine; repeatable.")] = None,
    threads: Annotated[int, typer.Option(help="Threads that each engine may use.")] = 1,
    batch: Annotated[int, typer.Option(help="Samples per call.")] = 1,
    rounds: Annotated[int, typer.Option(help="Turns that each engine takes.")] = 5,
    seconds: Annotated[float, typer.Option(help="Length of one turn.")] = 1.0,
    output: Annotated[Path | None, typer.Option(help="Write the figures as JSON too.")] = None,
) -> None:
    """Time mlc and its peers on whole models."""
    engines = engine or installed_engines()
    console = Console()
    rows: list[Row] = []
    for model in track(only or DEFAULT_MODELS, "measuring", console=console):
        rows.append(measure(model, engines, threads, batch, rounds, seconds))
        console.print(race_line(model, rows[-1], engines))
        if output is not None:
            write_figures(output, {"threads": threads, "batch": batch, "rows": rows})
    console.print(_table(rows, engines, threads, batch))


def measure(
    model: str, engines: list[str], threads: int, batch: int, rounds: int, seconds: float
) -> Row:
    """One row: milliseconds per engine, or why there are none."""
    path, feeds = zoo.build(model, batch), zoo.inputs(model, batch)
    return {"model": model, **race(path, feeds, engines, threads, rounds, seconds)}


def _table(rows: list[Row], engines: list[str], threads: int, batch: int) -> Table:
    table = Table(title=f"milliseconds per call, {threads} thread(s), batch {batch}")
    for heading in ("model", *engines, "speed of mlc"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for row in rows:
        table.add_row(row["model"], *race_cells(row, engines))
    table.caption = caption(rows)
    return table


if __name__ == "__main__":
    typer.run(main)
