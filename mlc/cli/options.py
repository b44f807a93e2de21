"""The options that several commands share, and what of them makes a module.

This is the one place that reads environment variables: they give options their defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

import mlc
from mlc.cli.console import working
from mlc.errors import InputError
from mlc.runtime.module import Module
from mlc.staged.module import StagedModule


class Precision(str, Enum):
    """The precisions of `mlc.compile`."""

    exact = "exact"
    fast = "fast"


@dataclass(frozen=True)
class Shape:
    """The shape that the caller gives an input."""

    name: str
    sizes: tuple[int, ...]


def parse_shape(text: str) -> Shape:
    """`image=1,3,224,224`; nothing behind the sign is the shape of a scalar."""
    name, sign, sizes = text.rpartition("=")
    parts = sizes.split(",") if sizes else []
    if not sign or not name or not all(part.strip().isdecimal() for part in parts):
        raise typer.BadParameter(f"'{text}' is not of the form name=1,3,224,224")
    return Shape(name, tuple(map(int, parts)))


ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file.")]

ModulePath = Annotated[
    Path,
    typer.Argument(metavar="MODEL|ARTIFACT", help="An ONNX file, or what 'mlc compile' wrote."),
]

_PANEL = "Compilation"

TargetName = Annotated[
    str,
    typer.Option(
        "--target", "-t", envvar="MLC_TARGET",
        help="What to compile for: host, x86, arm, a CPU or a triple; see 'mlc target'.",
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip

Shapes = Annotated[
    list[Shape] | None,
    typer.Option(
        "--shape", "-s", parser=parse_shape, metavar="NAME=1,3,224,224",
        help="The shape of an input that the model leaves open; repeatable.",
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip

Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", "-j", min=1, envvar="MLC_THREADS", show_default="all processors",
        help="Threads that a call uses.",
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip

PrecisionName = Annotated[
    Precision,
    typer.Option(
        envvar="MLC_PRECISION",
        help="exact: nothing that rounds otherwise than plain sums, no shorter exp, tanh, erf.",
        rich_help_panel=_PANEL,
    ),
]

Dump = Annotated[
    Path | None,
    typer.Option(
        envvar="MLC_DUMP", metavar="DIR",
        help="Write every stage here: graphs, loops, LLVM IR, assembly, reasons, times.",
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip

Cache = Annotated[
    bool,
    typer.Option(
        "--cache/--no-cache",
        envvar="MLC_CACHE",
        help="Keep what was compiled.",
        rich_help_panel=_PANEL,
    ),
]

CacheFolder = Annotated[
    Path | None,
    typer.Option(
        envvar="MLC_CACHE_FOLDER", metavar="DIR", show_default="the user's",
        help="Where to keep it.",
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip

Tuning = Annotated[
    Path | None,
    typer.Option(
        "--tuning", envvar="MLC_TUNING", metavar="FILE",
        help="Compile with what 'mlc tune' found: the database that it names.",
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip

CheckBounds = Annotated[
    bool,
    typer.Option(
        "--check-bounds", envvar="MLC_CHECK_BOUNDS",
        help="The code checks each access to memory: slow, to find bugs of the compiler.",
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip

Seed = Annotated[int, typer.Option(min=0, help="For the random arrays of inputs not given.")]


@dataclass(frozen=True)
class Settings:
    """How to compile."""

    target: str = "host"
    shapes: list[Shape] | None = None
    threads: int | None = None
    precision: Precision = Precision.fast
    dump: Path | None = None
    cache: bool = True
    cache_folder: Path | None = None
    check_bounds: bool = False
    tuning: Path | None = None

    def shape_mapping(self) -> dict[str, tuple[int, ...]]:
        """The shapes by input."""
        return {shape.name: shape.sizes for shape in self.shapes or ()}

    def compile(self, model: Path) -> Module | StagedModule:
        """Compile an ONNX file for this machine, or get ready to compile it in stages."""
        with working(f"compiling {model.name}"):
            return mlc.compile(
                model,
                self.target,
                shapes=self.shape_mapping(),
                num_threads=self.threads,
                precision=self.precision.value,
                dump=self.dump,
                cache=(self.cache_folder or True) if self.cache else False,
                check_bounds=self.check_bounds,
                tuning=self.tuning,
            )

    def compile_whole(self, model: Path, what: str) -> Module:
        """Compile an ONNX file as a whole, to be `what`: "saved"."""
        return whole(self.compile(model), what)

    def open(self, path: Path) -> Module | StagedModule:
        """Compile an ONNX file, or load an artifact."""
        if not path.is_dir():
            return self.compile(path)
        if self.shapes:
            raise InputError(
                f"'{path}' is compiled already, for its own shapes",
                hint="give --shape together with the ONNX file",
            )
        with working(f"loading {path.name}"):
            return mlc.load(path, num_threads=self.threads)


def whole(module: Module | StagedModule, what: str) -> Module:
    """The module of a model that is compiled as a whole; `MlcError` where it cannot be `what`."""
    if isinstance(module, StagedModule):
        module.refuse(what)
    return module
