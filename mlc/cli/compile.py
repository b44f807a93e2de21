"""mlc compile: an ONNX file to an artifact that loads without the compiler."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlc.api import compile_only, runs_here
from mlc.backends.llvm.link import link_shared
from mlc.backends.llvm.targets import resolve
from mlc.cli import options
from mlc.cli.console import output, working
from mlc.runtime.artifact_writer import write_artifact
from mlc.runtime.compiled import Compiled


def compile_model(
    model: options.ModelPath,
    output_folder: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", show_default="the model's name with .mlc",
            help="Where to write the artifact.",
        ),
    ] = None,
    target: options.TargetName = "host",
    shape: options.Shapes = None,
    threads: options.Threads = None,
    precision: options.PrecisionName = options.Precision.fast,
    dump: options.Dump = None,
    cache: options.Cache = True,
    cache_folder: options.CacheFolder = None,
    tuning: options.Tuning = None,
    check_bounds: options.CheckBounds = False,
) -> None:  # fmt: skip
    """Compile a model and write it as a folder: native code, weights and a manifest."""
    settings = options.Settings(
        target, shape, threads, precision, dump, cache, cache_folder, check_bounds, tuning
    )
    folder = output_folder or Path(model.stem + ".mlc")
    resolved = resolve(target)
    if runs_here(resolved):
        module = settings.compile_whole(model, "saved")
        with working(f"writing {folder}"):
            module.save(folder)
        compiled = module.compiled
    else:
        compiled = _compile_for_another_machine(model, folder, settings)
    console = output()
    console.print(f"{folder}: {_size(folder)} for {resolved}", markup=False, soft_wrap=True)
    for port in compiled.inputs:
        console.print(f"  takes {port}", markup=False, soft_wrap=True)
    for port in compiled.outputs:
        console.print(f"  gives {port}", markup=False, soft_wrap=True)


def _compile_for_another_machine(model: Path, folder: Path, settings: options.Settings) -> Compiled:
    with working(f"compiling {model.name} for {settings.target}"):
        compiled = compile_only(
            model,
            settings.target,
            shapes=settings.shape_mapping(),
            num_threads=settings.threads or 1,
            precision=settings.precision.value,
            dump=settings.dump,
            check_bounds=settings.check_bounds,
            tuning=settings.tuning,
        )
    with working(f"writing {folder}"):
        write_artifact(compiled, folder, linker=link_shared)
    return compiled


def _size(folder: Path) -> str:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{size / 1e6:.1f} MB"
