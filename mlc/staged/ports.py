"""What a model of open shapes takes and gives, and whether arrays fit it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlc.errors import InputError
from mlc.ir.dtype import DType
from mlc.runtime.arrays import as_array, check_dtype
from mlc.staged.held import Array, Held


@dataclass(frozen=True)
class OpenPort:
    """One input or output: its name, kind, element type and shape.

    `kind` is "tensor", "string" (a tensor of strings), "sequence", "optional" or "map". A dimension
    is a number or the name of a symbol; `shape` is None where not even the rank is known, `dtype`
    where the kind is no tensor or the model does not say.
    """

    name: str
    kind: str
    dtype: DType | None
    shape: tuple[int | str, ...] | None

    def __str__(self) -> str:
        what = str(self.dtype) if self.dtype is not None else self.kind
        if self.shape is None:
            return f"{self.name}: {what}" + ("[…]" if self.kind in ("tensor", "string") else "")
        return f"{self.name}: {what}[{','.join(map(str, self.shape))}]"


def bound_inputs(ports: Sequence[OpenPort], values: Sequence[object]) -> list[Held]:
    """The values as compiled code takes them.

    Raises `InputError` where a value is of another kind, dtype, rank or size than its port says,
    and where one symbol stands for two sizes.
    """
    symbols: dict[str, tuple[int, str]] = {}
    held: list[Held] = []
    for port, value in zip(ports, values, strict=True):
        where = f"input '{port.name}'"
        taken = _TAKE[port.kind](value, port, where)
        if isinstance(taken, np.ndarray):
            _check_shape(taken.shape, port, where, symbols)
        held.append(taken)
    return held


def _tensor(value: object, port: OpenPort, where: str) -> Held:
    array = as_array(value, where)
    if port.dtype is not None:
        check_dtype(array, port.dtype.numpy, where)
    if array.flags.carray and type(array) is np.ndarray:
        return array
    dense: Array = np.require(array, requirements=["C_CONTIGUOUS", "ALIGNED"]).view(np.ndarray)
    return dense


def _strings(value: object, port: OpenPort, where: str) -> Held:
    array = np.asarray(value)
    if array.dtype.kind not in "OUT":
        raise InputError(f"{where}: dtype {array.dtype}, strings are needed")
    return array.astype(object)


def _sequence(value: object, port: OpenPort, where: str) -> Held:
    if not isinstance(value, list | tuple):
        raise InputError(f"{where}: {type(value).__name__} given, a list is needed")
    return list(value)


def _map(value: object, port: OpenPort, where: str) -> Held:
    if not isinstance(value, dict):
        raise InputError(f"{where}: {type(value).__name__} given, a dict is needed")
    return value


def _optional(value: object, port: OpenPort, where: str) -> Held:
    if value is None or isinstance(value, list | dict):
        return value
    return as_array(value, where)


_TAKE: dict[str, Callable[[object, OpenPort, str], Held]] = {
    "tensor": _tensor,
    "string": _strings,
    "sequence": _sequence,
    "map": _map,
    "optional": _optional,
}


def _check_shape(
    shape: tuple[int, ...], port: OpenPort, where: str, symbols: dict[str, tuple[int, str]]
) -> None:
    """Compare with the port; notes in `symbols` what each symbol is, and where that was seen."""
    if port.shape is None:
        return
    expected = f"({', '.join(map(str, port.shape))}{',' if len(port.shape) == 1 else ''})"
    if len(shape) != len(port.shape):
        raise InputError(f"{where}: shape {shape} has {len(shape)} axes, expected {expected}")
    for axis, (size, dim) in enumerate(zip(shape, port.shape, strict=True)):
        if isinstance(dim, int):
            if size != dim:
                raise InputError(f"{where}: dimension {axis} is {size}, expected {dim}")
            continue
        known, seen = symbols.setdefault(dim, (size, f"dimension {axis} of {where}"))
        if size != known:
            raise InputError(
                f"{where}: dimension {axis} ('{dim}') is {size}, but '{dim}' is {known}",
                hint=f"{known} is the size of {seen}",
            )
