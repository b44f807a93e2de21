"""Memory that inference takes: mlc beside the engines that people use.

    python -m bench.memory --only resnet50 --only vgg19

Every engine loads and runs one model in a process of its own; the figure is the most memory that
the process held, less what it held before the model was loaded. mlc loads what `mlc compile` wrote,
as a program in use does; the others load the ONNX file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

import mlc
from bench import zoo
from bench.engines import ENGINES, Feeds
from bench.fresh_process import in_fresh_process, peak_memory
from bench.models import DEFAULT_MODELS
from bench.race import installed_engines
from bench.report import write_figures

MEBIBYTE = 1 << 20


def main(
    only: Annotated[list[str] | None, typer.Option(help="A model of the zoo; repeatable.")] = None,
    engine: Annotated[list[str] | None, typer.Option(help="An engine; repeatable.")] = None,
    batch: Annotated[int, typer.Option(help="Samples per call.")] = 1,
    output: Annotated[Path | None, typer.Option(help="Write the figures as JSON too.")] = None,
) -> None:
    """Compare the peak memory of inference on one thread."""
    engines = engine or installed_engines()
    console = Console()
    table = Table(title=f"peak memory of inference in MiB, 1 thread, batch {batch}")
    for heading in ("model", "weights", *engines):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    rows = []
    for model in track(only or DEFAULT_MODELS, "measuring", console=console):
        path, feeds = zoo.build(model, batch), zoo.inputs(model, batch)
        peaks = {name: peak_of(name, path, feeds) for name in engines}
        weights = path.stat().st_size
        rows.append({"model": model, "weights": weights, "peak": peaks})
        table.add_row(model, *(f"{size / MEBIBYTE:.0f}" for size in (weights, *peaks.values())))
    console.print(table)
    if output is not None:
        write_figures(output, {"batch": batch, "rows": rows})


def peak_of(engine: str, path: Path, feeds: Feeds) -> int:
    """The bytes that loading and running a model takes at most."""
    if engine != "mlc":
        return in_fresh_process(_grown, _run_engine, engine, path, feeds)
    with tempfile.TemporaryDirectory() as folder:
        artifact = Path(folder) / "model"
        in_fresh_process(_grown, _compile, path, artifact)
        return in_fresh_process(_grown, _run_artifact, artifact, feeds)


def _compile(path: Path, artifact: Path) -> None:
    mlc.compile(path, num_threads=1, cache=False).save(artifact)


def _run_artifact(artifact: Path, feeds: Feeds) -> None:
    module = mlc.load(artifact)
    for _ in range(2):
        module.run(feeds)


def _run_engine(engine: str, path: Path, feeds: Feeds) -> None:
    run = ENGINES[engine].load(path, feeds, 1)
    for _ in range(2):
        run()


def _grown(function: Callable[..., None], *arguments: Any) -> int:
    before = peak_memory()
    function(*arguments)
    return peak_memory() - before


if __name__ == "__main__":
    typer.run(main)
