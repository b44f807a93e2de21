"""Arrays of the command line: read from files, or made up; and written."""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from mlc.errors import InputError, MlcError
from mlc.runtime.signature import Port
from mlc.staged.ports import OpenPort

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class InputFile:
    """A file with an array for the input `name`; without one, for the only input or for several."""

    name: str | None
    path: Path


def parse_input(text: str) -> InputFile:
    """`image=cat.npy`, `cat.npy` or `feeds.npz`."""
    name, sign, path = text.partition("=")
    if sign and not (name and path):
        raise typer.BadParameter(f"'{text}' is not of the form name=file.npy")
    return InputFile(name, Path(path)) if sign else InputFile(None, Path(text))


InputFiles = Annotated[
    list[InputFile] | None,
    typer.Option(
        "--input", "-i", parser=parse_input, metavar="NAME=FILE",
        help="An array (.npy), or several by name (.npz); repeatable. The others are random.",
    ),
]  # fmt: skip


AnyPort = Port | OpenPort


def gather_inputs(
    ports: Sequence[AnyPort], files: Sequence[InputFile], seed: int
) -> dict[str, Array]:
    """An array for each input: from a file, else random; `InputError` where its shape is open."""
    feeds: dict[str, Array] = {}
    for file in files:
        feeds |= _read(file, ports)
    generator = np.random.default_rng(seed)
    return feeds | {
        port.name: random_array(port, generator) for port in ports if port.name not in feeds
    }


def random_array(port: AnyPort, generator: np.random.Generator) -> Array:
    """Normal floats; integers 0 and 1, which are valid as tokens, masks and positions alike."""
    dtype, shape = _dense_type(port)
    if dtype.kind in "biu":
        return generator.integers(0, 2, shape).astype(dtype)
    return np.asarray(generator.standard_normal(shape, np.float32)).astype(dtype)


def _dense_type(port: AnyPort) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Element type and shape of the arrays that a port takes."""
    if isinstance(port, Port):
        return port.numpy_dtype, port.shape
    sizes = tuple(dim for dim in port.shape or () if isinstance(dim, int))
    if port.dtype is None or port.shape is None or len(sizes) < len(port.shape):
        raise InputError(
            f"input {port} is open",
            hint=f"give --shape {port.name}=… or --input {port.name}=file.npy",
        )
    return port.dtype.numpy, sizes


def write_outputs(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write an .npz file, whole or not at all."""
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            np.savez(file, allow_pickle=False, **arrays)
        temporary.chmod(0o644)  # as any other new file, not for the user alone
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise MlcError(f"cannot write '{path}': {error.strerror}") from None


def _read(file: InputFile, ports: Sequence[AnyPort]) -> dict[str, Array]:
    try:
        content = np.load(file.path, mmap_mode="r", allow_pickle=False)
        if not isinstance(content, np.ndarray):
            with content:
                return _chosen(dict(content), file)
    except OSError as error:
        raise InputError(f"cannot read '{file.path}': {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"'{file.path}' is no .npy or .npz file: {error}") from None
    if file.name is not None:
        return {file.name: content}
    if len(ports) != 1:
        names = ", ".join(f"'{port.name}'" for port in ports) or "none"
        raise InputError(
            f"'{file.path}' could be for any input",
            hint=f"write name={file.path}; the inputs are {names}",
        )
    return {ports[0].name: content}


def _chosen(arrays: dict[str, Array], file: InputFile) -> dict[str, Array]:
    """What of an .npz file is meant: all of it, or the array of the input's name."""
    if file.name is None:
        return arrays
    if file.name not in arrays:
        names = ", ".join(f"'{name}'" for name in arrays) or "none"
        raise InputError(f"'{file.path}' has no array '{file.name}'", hint=f"it has {names}")
    return {file.name: arrays[file.name]}
