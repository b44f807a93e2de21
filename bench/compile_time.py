"""What compiling costs: time per pass, time from the cache, and memory.

    python -m bench.compile_time --model resnet50

Each in a fresh process: importing the compiler (for the memory that is not the model's), compiling
with an empty cache, and finding the result in the cache. The seconds of the latter two do not
include those of the import; their memory does.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import mlc
from bench import zoo
from bench.fresh_process import in_fresh_process, peak_memory

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Cost:
    """Seconds, and the most memory in bytes that the whole process ever held."""

    seconds: float
    peak: int


def main(
    model: Annotated[str, typer.Option(help="A model of the zoo.")] = "resnet50",
    threads: Annotated[int, typer.Option(help="Threads of the compiled model.")] = 1,
) -> None:
    """Measure what compiling one model costs."""
    path = zoo.build(model)
    with tempfile.TemporaryDirectory() as folder:
        cache, dump = Path(folder) / "cache", Path(folder) / "dump"
        idle = in_fresh_process(_timed, _import_only)
        cold = in_fresh_process(_timed, _compile, path, threads, cache, None)
        warm = in_fresh_process(_timed, _compile, path, threads, cache, None)
        in_fresh_process(_timed, _compile, path, threads, None, dump)
        passes = json.loads((dump / "timing.json").read_text())
    weights = path.stat().st_size
    table = Table(title=f"compiling {model} ({weights / MEBIBYTE:.0f} MiB of weights)")
    for heading in ("", "seconds", "peak memory, MiB", "of the weights"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, cost in (("import", idle), ("cold", cold), ("from the cache", warm)):
        share = f"{cost.peak / weights:.1f}×"
        table.add_row(name, f"{cost.seconds:.2f}", f"{cost.peak / MEBIBYTE:.0f}", share)
    console = Console()
    console.print(table)
    console.print(_pass_table(passes))


def _pass_table(passes: list[dict[str, Any]]) -> Table:
    """The slowest passes first; those under a millisecond are left out."""
    table = Table(title="seconds per pass")
    table.add_column("pass")
    table.add_column("seconds", justify="right")
    for row in sorted(passes, key=lambda row: -float(row["seconds"])):
        if row["seconds"] >= 1e-3:
            table.add_row(row["name"], f"{row['seconds']:.3f}")
    return table


def _import_only() -> None:
    # A name that is looked up on first use: this loads the compiler.
    _ = mlc.compile


def _compile(path: Path, threads: int, cache: Path | None, dump: Path | None) -> None:
    mlc.compile(path, target="host", num_threads=threads, cache=cache or False, dump=dump)


def _timed(function: Callable[..., None], *arguments: Any) -> Cost:
    if function is not _import_only:
        _import_only()
    started = time.perf_counter()
    function(*arguments)
    return Cost(time.perf_counter() - started, peak_memory())


if __name__ == "__main__":
    typer.run(main)
