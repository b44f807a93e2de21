"""mlc ops: the operators that mlc knows, and whether they are all that a model needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mlc.cli import options
from mlc.cli.console import output, table, working
from mlc.importers.onnx import SurveyRow, operators_by_group
from mlc.staged.check import survey
from mlc.staged.hosts import HOST_STEPS


def operators(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="An ONNX file to look at.")
    ] = None,
    shape: options.Shapes = None,
) -> None:
    """List the ONNX operators that are supported, or what a model needs of them.

    With a model, the exit code is 1 when anything in it is not supported.
    """
    if model is None:
        _print_all(output())
        return
    with working(f"reading {model.name}"):
        shapes = options.Settings(shapes=shape).shape_mapping()
        rows = survey(model, shapes or {}, HOST_STEPS)
    console = output()
    _print_needs(console, rows)
    missing = [row for row in rows if not row.supported]
    if missing:
        console.print(f"\nnot supported, {len(missing)} of {len(rows)} nodes:", highlight=False)
        for row in missing:
            console.print(f"  {row}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    console.print(f"\nall {len(rows)} nodes are supported", highlight=False)
    for reason in dict.fromkeys(row.reason for row in rows if row.reason):
        console.print(f"  but: {reason}", markup=False, highlight=False, soft_wrap=True)


def _print_all(console: Console) -> None:
    groups = operators_by_group()
    compiled = {member for members in groups.values() for member in members}
    groups["steps of the host"] = sorted({name for _, name in HOST_STEPS} - compiled)
    for name, members in groups.items():
        console.print(f"[bold]{name}[/] ({len(members)})", highlight=False)
        console.print(f"  {', '.join(members)}", highlight=False)
    console.print(f"\n{sum(map(len, groups.values()))} operators", highlight=False)


def _print_needs(console: Console, rows: Sequence[SurveyRow]) -> None:
    """Each operator of the model: how many nodes, and how many of them are supported."""
    uses = Counter((row.domain, row.op, row.opset) for row in rows)
    fine = Counter((row.domain, row.op, row.opset) for row in rows if row.supported)
    needs = table("operator", "opset", "nodes", "supported", numbers=("opset", "nodes"))
    for key, count in sorted(uses.items()):
        domain, op, opset = key
        verdict = {0: "[red]no[/]", count: "[green]yes[/]"}.get(fine[key], f"{fine[key]}")
        needs.add_row(f"{domain}.{op}" if domain else op, str(opset), str(count), verdict)
    console.print(needs)
