"""Whole models, mlc beside the engines that people use.

    python -m bench.models --threads 1 --only resnet50 --only mobilenetv2

Every engine runs in a process of its own. Its outputs are checked against onnxruntime's before
anything is timed; then the engines take turns, round by round, so that a machine that slows down
slows all of them. Times are medians; the last column is the speed of mlc relative to the best of
the others.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import zoo
from bench.engines import ENGINES
from bench.worker import Job, Worker

REFERENCE = "onnxruntime"
LARGEST_ERROR = 1e-3  # of the output's range; the tests hold mlc to a tenth of this
DEFAULT_MODELS = [name for name in zoo.ENTRIES if name != "tiny_mlp"]

Row = dict[str, Any]


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
    engines = engine or [name for name, each in ENGINES.items() if each.installed]
    console = Console()
    rows: list[Row] = []
    for model in track(only or DEFAULT_MODELS, "measuring", console=console):
        rows.append(measure(model, engines, threads, batch, rounds, seconds))
        console.print(_line(rows[-1], engines))
        if output is not None:
            _write(output, rows, threads, batch)
    console.print(_table(rows, engines, threads, batch))


def _write(output: Path, rows: list[Row], threads: int, batch: int) -> None:
    machine = platform.processor() or platform.machine()
    document = {"machine": machine, "threads": threads, "batch": batch, "rows": rows}
    unfinished = output.with_name(f".{output.name}.unfinished")
    unfinished.write_text(json.dumps(document, indent=1))
    unfinished.replace(output)


def measure(
    model: str, engines: list[str], threads: int, batch: int, rounds: int, seconds: float
) -> Row:
    """One row: milliseconds per engine, or why there are none."""
    path = zoo.build(model, batch)
    workers = {name: Worker(Job(name, model, batch, threads, path)) for name in engines}
    try:
        _check(workers)
        for _ in range(rounds):
            for worker in workers.values():
                worker.round(seconds)
        return {
            "model": model,
            "milliseconds": {
                name: worker.milliseconds() for name, worker in workers.items() if not worker.error
            },
            "errors": {name: worker.error for name, worker in workers.items() if worker.error},
            "seconds_to_load": {name: worker.seconds_to_load for name, worker in workers.items()},
        }
    finally:
        for worker in workers.values():
            worker.close()


def _check(workers: dict[str, Worker]) -> None:
    """An engine whose outputs differ from the reference is not timed."""
    if REFERENCE not in workers:
        return
    expected = workers[REFERENCE].outputs
    for worker in workers.values():
        if worker.error:
            continue
        for right, left in zip(expected, worker.outputs, strict=True):
            difference = np.abs(left.reshape(right.shape).astype(np.float64) - right).max()
            error = float(difference / max(np.ptp(right), 1e-30))
            if not error <= LARGEST_ERROR:
                worker.error = f"wrong by {error:.1e} of the output's range"


def speed(row: Row) -> float | None:
    """The best peer's time over mlc's: above 1, mlc is the faster one."""
    times = dict(row["milliseconds"])
    ours = times.pop("mlc", None)
    return min(times.values()) / ours if ours and times else None


def _cells(row: Row, engines: list[str]) -> list[str]:
    times, errors = row["milliseconds"], row["errors"]
    cells = [f"{times[name]:.3f}" if name in times else f"[red]{errors[name]}" for name in engines]
    ratio = speed(row)
    return [row["model"], *cells, "" if ratio is None else f"{ratio:.2f}×"]


def _line(row: Row, engines: list[str]) -> str:
    name, *cells = _cells(row, engines)
    pairs = zip([*engines, "speed"], cells, strict=True)
    return f"{name}: " + ", ".join(
        f"{key} {cell}[/]" if "[red]" in cell else f"{key} {cell}" for key, cell in pairs
    )


def _table(rows: list[Row], engines: list[str], threads: int, batch: int) -> Table:
    table = Table(title=f"milliseconds per call, {threads} thread(s), batch {batch}")
    for heading in ("model", *engines, "speed of mlc"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for row in rows:
        table.add_row(*_cells(row, engines))
    ratios = [ratio for row in rows if (ratio := speed(row))]
    if ratios:
        mean = float(np.exp(np.mean(np.log(ratios))))
        table.caption = f"geometric mean of the speed: {mean:.2f}×"
    return table


if __name__ == "__main__":
    typer.run(main)
