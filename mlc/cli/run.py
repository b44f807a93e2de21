"""mlc run: one call of a model, on arrays from files or random ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeGuard

import numpy as np
import typer
from rich.console import Console

from mlc.cli import arrays, options
from mlc.cli.console import output
from mlc.errors import MlcError
from mlc.ir.dtype import dtype_of
from mlc.staged.held import Held


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
    for name, value in results.items():
        shown = _shown(name, value)
        console.print(shown, markup=False, highlight=False, soft_wrap=True)
        if _is_numbers(value):
            _print_top(console, value, top)
    if output_file is not None:
        arrays.write_outputs(output_file, _only_numbers(results))


def _is_numbers(value: Held) -> TypeGuard[arrays.Array]:
    return isinstance(value, np.ndarray) and value.dtype != object


def _only_numbers(results: Mapping[str, Held]) -> dict[str, arrays.Array]:
    """The results as a file takes them."""
    for name, value in results.items():
        if not _is_numbers(value):
            raise MlcError(f"output '{name}' is no array of numbers, it cannot be written")
    return {name: value for name, value in results.items() if _is_numbers(value)}


def _shown(name: str, value: Held) -> str:
    """Name, type and shape of a result, and what it holds in short."""
    if isinstance(value, np.ndarray):
        dtype = "string" if value.dtype == object else str(dtype_of(value.dtype))
        head = f"{name}: {dtype}[{','.join(map(str, value.shape))}]"
        return head + (_summary(value) if _is_numbers(value) else f" {value.ravel()[:8].tolist()}")
    if isinstance(value, list | dict):
        return f"{name}: {len(value)} elements"
    return f"{name}: nothing"


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
