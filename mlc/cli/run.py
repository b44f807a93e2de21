"""mlc run: one call of a model, on arrays from files or random ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from mlc.cli import arrays, options
from mlc.cli.console import output


def run(
    model: options.ModulePath,
    input_file: arrays.InputFiles = None,
    seed: options.Seed = 0,
    output_file: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the outputs as .npz."),
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="Show the largest elements of each output.")] = 0,
    target: options.TargetName = "host",
    shape: options.Shapes = None,
    threads: options.Threads = None,
    precision: options.PrecisionName = options.Precision.fast,
    cache: options.Cache = True,
    cache_folder: options.CacheFolder = None,
    tuning: options.Tuning = None,
    check_bounds: options.CheckBounds = False,
) -> None:
    """Run a model once and describe its outputs."""
    settings = options.Settings(
        target, shape, threads, precision, None, cache, cache_folder, check_bounds, tuning
    )
    module = settings.open(model)
    feeds = arrays.gather_inputs(module.inputs, input_file or (), seed)
    results = module.run(feeds)
    console = output()
    for port in module.outputs:
        array = results[port.name]
        console.print(f"{port}{_summary(array)}", markup=False, highlight=False, soft_wrap=True)
        _print_top(console, array, top)
    if output_file is not None:
        arrays.write_outputs(output_file, results)


def _summary(array: arrays.Array) -> str:
    """Smallest, mean and largest element."""
    if not array.size:
        return " (empty)"
    wide = array.astype(np.float64)
    return f" (min {wide.min():.6g}, mean {wide.mean():.6g}, max {wide.max():.6g})"


def _print_top(console: Console, array: arrays.Array, count: int) -> None:
    """The largest elements, each with its index."""
    flat = array.astype(np.float64).ravel()
    for place in np.argsort(-flat, kind="stable")[:count]:
        index = ", ".join(map(str, np.unravel_index(place, array.shape)))
        console.print(f"  [{index}] {flat[place]:.6g}", markup=False, highlight=False)
