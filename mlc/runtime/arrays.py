"""The user's arrays: brought to the form compiled code takes, or refused with a clear error.

Compiled code takes dense, row-major, aligned arrays of exactly the port's type. An array that is
so already is passed as it is; one whose elements merely lie elsewhere is copied; one of another
dtype or shape is an `InputError`, never converted in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from mlc.errors import InputError
from mlc.runtime.signature import Port

Array = np.ndarray[Any, Any]


def is_ready(array: object, port: Port) -> TypeGuard[Array]:
    """Whether `array` plainly fits `port`; a quick test, `to_input` decides about the others."""
    return (
        type(array) is np.ndarray
        and array.dtype == port.numpy_dtype
        and array.shape == port.shape
        and array.flags.carray
    )


def to_input(value: object, port: Port) -> Array:
    """`value` as a dense array for `port`; without a copy where its layout allows."""
    where = f"input {port.name!r}"
    array = as_array(value, where)
    _check_type(array, port, where)
    return np.require(array, requirements=["C_CONTIGUOUS", "ALIGNED"]).view(np.ndarray)


def check_output(value: object, port: Port) -> Array:
    """`value`, when results can be written into it for `port`."""
    where = f"output {port.name!r}"
    if not isinstance(value, np.ndarray):
        raise InputError(f"{where}: {_kind(value)} given, a NumPy array is needed")
    _check_type(value, port, where)
    if not value.flags.c_contiguous:
        raise InputError(f"{where}: the array is not contiguous")
    if not value.flags.aligned:
        raise InputError(f"{where}: the array is not aligned")
    if not value.flags.writeable:
        raise InputError(f"{where}: the array is read-only")
    return value


def check_no_overlap(
    inputs: Iterable[tuple[Port, Array]], outputs: Sequence[tuple[Port, Array]]
) -> None:
    """Refuse outputs that share memory with an input or with each other."""
    others = [(f"input {port.name!r}", array) for port, array in inputs]
    for port, output in outputs:
        where = f"output {port.name!r}"
        for other, array in others:
            if np.may_share_memory(output, array):
                raise InputError(f"{where}: the array overlaps {other}")
        others.append((where, output))


def output_names_hint(ports: Sequence[Port]) -> str:
    """Say what the outputs are called."""
    return f"the module gives {_list('output', [port.name for port in ports])}"


def arrange(
    positional: Sequence[object], named: Mapping[str, object], positions: Mapping[str, int]
) -> list[object]:
    """The inputs in port order, out of positional and named ones; all are needed, none is extra."""
    names = list(positions)
    if len(positional) > len(names):
        raise InputError(
            f"{_count(len(positional), 'array')} given, the module takes {len(names)}",
            hint=_known(names),
        )
    unknown = [name for name in named if name not in positions]
    if unknown:
        raise InputError(f"unknown {_list('input', unknown)}", hint=_known(names))
    given = dict(zip(names, positional, strict=False))
    twice = [name for name in named if name in given]
    if twice:
        raise InputError(f"{_list('input', twice)} given twice, by position and by name")
    given.update(named)
    missing = [name for name in names if name not in given]
    if missing:
        raise InputError(f"missing {_list('input', missing)}", hint=_known(names))
    return [given[name] for name in names]


def as_array(value: object, where: str) -> Array:
    """A view of any array-like object; `InputError` when it is none."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack__"):
        return _from_dlpack(value, where)
    try:
        return np.asarray(memoryview(value))  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):
        raise InputError(
            f"{where}: {_kind(value)} given, an array is needed",
            hint="give a NumPy array, or an object with the buffer protocol or DLPack",
        ) from None


def _from_dlpack(value: Any, where: str) -> Array:
    try:
        return np.from_dlpack(value)
    except (TypeError, ValueError, BufferError, RuntimeError) as error:
        # DLPack as NumPy reads it lacks the narrow types; some arrays convert themselves.
        if hasattr(value, "__array__"):
            return _converted(value, where)
        kind = type(value).__name__
        raise InputError(f"{where}: NumPy cannot read this {kind}: {error}") from None


def _converted(value: Any, where: str) -> Array:
    try:
        return np.asarray(value)
    except (TypeError, ValueError, BufferError, RuntimeError) as error:
        kind = type(value).__name__
        raise InputError(f"{where}: NumPy cannot read this {kind}: {error}") from None


def _check_type(array: Array, port: Port, where: str) -> None:
    check_dtype(array, port.numpy_dtype, where)
    if array.shape != port.shape:
        raise InputError(f"{where}: shape {array.shape}, expected {port.shape}")


def check_dtype(array: Array, expected: np.dtype[Any], where: str) -> None:
    """Raise `InputError` where `array` has another element type."""
    if array.dtype != expected:
        raise InputError(
            f"{where}: dtype {_dtype_name(array.dtype)}, expected {expected}",
            hint=f"array.astype({str(expected)!r}) converts",
        )


def _dtype_name(dtype: np.dtype[Any]) -> str:
    return dtype.name if dtype.isnative else f"{dtype.name} in foreign byte order"


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiouAEIOU" else f"a {name}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _list(noun: str, names: Sequence[str]) -> str:
    return f"{noun}{'' if len(names) == 1 else 's'} {', '.join(map(repr, names))}"


def _known(names: Sequence[str]) -> str:
    return f"the module takes {_list('input', names)}" if names else "the module takes no inputs"
