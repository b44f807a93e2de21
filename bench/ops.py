"""Operators one by one, mlc beside the engines that people use, and beside the machine's limits.

    python -m bench.ops --only matmul --only conv --threads 1 --threads 2 --json ops.json

As in `bench.models`, results are checked before anything is timed, and the engines take turns. The
limits are measured before each case; the best of the run counts. Operations are those of the plain
algorithm, bytes those of inputs, weights and outputs, each once. More than 100 % of the memory's
speed is possible: small cases stay in the caches. Inputs and outputs lie as ONNX has them, so that
each convolution pays for its change of layout, which a whole model pays once.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import onnx
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.op_cases import CASES, GROUPS, Case
from bench.race import Row, installed_engines, race
from bench.report import caption, race_cells, race_line, write_figures
from mlc.api import compile_only
from mlc.cli.explain import rate_cells
from mlc.ir.dtype import F32
from mlc.ir.work import Work
from mlc.limits import Probe
from mlc.runtime.roofline import Limits, Rate

_FIGURES = ("GFLOP/s", "of peak", "GB/s", "of memory", "bound by")


def main(
    only: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(GROUPS)}; repeatable.")
    ] = None,
    engine: Annotated[list[str] | None, typer.Option(help="An engine; repeatable.")] = None,
    threads: Annotated[list[int] | None, typer.Option(help="Threads; repeatable.")] = None,
    rounds: Annotated[int, typer.Option(help="Turns that each engine takes.")] = 5,
    seconds: Annotated[float, typer.Option(help="Length of one turn.")] = 0.2,
    json: Annotated[Path | None, typer.Option(help="Write the figures as JSON too.")] = None,
) -> None:
    """Time single operators in mlc and its peers."""
    cases = chosen(only or ())
    engines = engine or installed_engines()
    console = Console()
    rows: list[Row] = []
    for count in threads or [1]:
        probe = Probe(count)
        measured: list[Row] = []
        for case in track(cases, f"measuring, {count} thread(s)", console=console):
            limits = asdict(probe.measure())
            measured.append(measure(case, engines, count, rounds, seconds))
            measured = [{**row, "limits": limits} for row in measured]
            console.print(race_line(f"{case.group} {case.name}", measured[-1], engines))
            if json is not None:
                write_figures(json, {"rows": rows + measured})
        console.print(_table(measured, engines, count))
        rows += measured


def chosen(groups: Sequence[str]) -> list[Case]:
    """The cases of some groups, all where none is named."""
    unknown = [name for name in groups if name not in GROUPS]
    if unknown:
        raise typer.BadParameter(f"'{unknown[0]}' is none of {', '.join(GROUPS)}")
    return [case for case in CASES if not groups or case.group in groups]


def measure(case: Case, engines: Sequence[str], threads: int, rounds: int, seconds: float) -> Row:
    """One row without the limits: the race and the work."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "operator.onnx"
        onnx.save(case.model(), path)
        work = work_of_case(case)
        result = race(path, case.feeds(), engines, threads, rounds, seconds)
    return {
        "operator": case.group,
        "case": case.name,
        "threads": threads,
        "flops": work.flops,
        "bytes": work.bytes,
        **result,
    }


def work_of_case(case: Case) -> Work:
    """The operations of its kernels, and the bytes of its arrays."""
    compiled = compile_only(case.model().SerializeToString(), "host")
    shapes = (*case.inputs, *case.weights, compiled.outputs[0].shape)
    elements = sum(math.prod(shape) for shape in shapes)
    return Work(sum(call.flops for call in compiled.calls), elements * F32.bytes)


def rate_of(row: Row, engine: str = "mlc") -> Rate | None:
    """The speed of an engine beside the limits; None where it failed."""
    milliseconds = row["milliseconds"].get(engine)
    if milliseconds is None:
        return None
    return Rate(row["flops"], row["bytes"], milliseconds / 1e3, Limits(**row["limits"]))


def _table(rows: Sequence[Row], engines: Sequence[str], threads: int) -> Table:
    table = Table(title=f"milliseconds per call, {threads} thread(s)", caption=caption(rows))
    for heading in ("operator", "case", *engines, "speed of mlc", *_FIGURES):
        left = heading in ("operator", "case", "bound by")
        table.add_column(heading, justify="left" if left else "right")
    for row in rows:
        rate = rate_of(row)
        figures = rate_cells(rate) if rate else [""] * len(_FIGURES)
        table.add_row(row["operator"], row["case"], *race_cells(row, engines), *figures)
    return table


if __name__ == "__main__":
    typer.run(main)
