"""mlc inspect: a model's text at any stage, whole or for one kernel."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import Annotated

import typer
from rich.markup import escape

from mlc.cli import options
from mlc.cli.console import output, print_stage, table
from mlc.runtime.module import Module


class Stage(str, Enum):
    """The stages of `Module.ir`."""

    graph = "graph"
    optimized = "optimized"
    loops = "loops"
    llvm = "llvm"
    asm = "asm"


def inspect(
    model: options.ModulePath,
    stage: Annotated[
        Stage, typer.Option(help="From the imported model to machine code.")
    ] = Stage.optimized,
    kernel: Annotated[
        str | None, typer.Option("--kernel", "-k", help="Only this kernel's part.")
    ] = None,
    list_kernels: Annotated[
        bool, typer.Option("--list", "-l", help="List the kernels instead.")
    ] = False,
    target: options.TargetName = "host",
    shape: options.Shapes = None,
    threads: options.Threads = None,
    precision: options.PrecisionName = options.Precision.fast,
    cache: options.Cache = True,
    cache_folder: options.CacheFolder = None,
    tuning: options.Tuning = None,
) -> None:
    """Print a model's intermediate representation, or its machine code."""
    settings = options.Settings(
        target, shape, threads, precision, None, cache, cache_folder, tuning=tuning
    )
    module = options.whole(settings.open(model), "shown")
    if list_kernels:
        _print_kernels(module)
    else:
        print_stage(module.ir(stage.value, kernel), stage.value)


def _print_kernels(module: Module) -> None:
    """Each kernel: how often it is called, and for which nodes of the model first."""
    calls = module.compiled.calls
    counts = Counter(call.kernel for call in calls)
    nodes = {call.kernel: " + ".join(call.loc) for call in reversed(calls)}
    rows = table("kernel", "calls", "nodes", numbers=("calls",))
    for symbol in module.kernels:
        rows.add_row(symbol, str(counts[symbol]), escape(nodes[symbol]))
    output().print(rows)
