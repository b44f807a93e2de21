"""What a compiled module takes and gives: named, typed, dense arrays of fixed shape."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from mlc.errors import DtypeError, MlcError, ShapeError

MAX_RANK = 32
"""More axes than this NumPy does not take."""

MAX_BYTES = 1 << 47
"""No array is larger than the address space of a process."""

_NUMPY_NAMES = {
    "f64": "float64",
    "f32": "float32",
    "f16": "float16",
    "i64": "int64",
    "i32": "int32",
    "i16": "int16",
    "i8": "int8",
    "u64": "uint64",
    "u32": "uint32",
    "u16": "uint16",
    "u8": "uint8",
    "bool": "bool",
}

_EXTENSIONS = {
    "bf16": "bfloat16",
    "i4": "int4",
    "u4": "uint4",
    "i2": "int2",
    "u2": "uint2",
    "f8e4m3fn": "float8_e4m3fn",
    "f8e4m3fnuz": "float8_e4m3fnuz",
    "f8e5m2": "float8_e5m2",
    "f8e5m2fnuz": "float8_e5m2fnuz",
    "f8e8m0": "float8_e8m0fnu",
    "f4e2m1": "float4_e2m1fn",
}
"""Element types that NumPy has from `ml_dtypes`; each takes whole bytes there."""


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The NumPy dtype of an element type's name; `DtypeError` where there is none."""
    if name in _EXTENSIONS:
        return _extension(name)
    if name not in _NUMPY_NAMES:
        raise DtypeError(f"unknown element type {name!r}")
    return np.dtype(_NUMPY_NAMES[name])


@dataclass(frozen=True)
class Port:
    """One input or output: its name, element type (`f32`, `i64`, …) and shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        where = f"port {self.name!r}"
        if len(self.shape) > MAX_RANK:
            raise ShapeError(f"{len(self.shape)} axes, at most {MAX_RANK} work", node=where)
        if any(size < 0 for size in self.shape):
            raise ShapeError(f"negative size in shape {self.shape}", node=where)
        if self.nbytes > MAX_BYTES:
            raise ShapeError(f"shape {self.shape} takes {self.nbytes} bytes", node=where)

    @cached_property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The element type as NumPy's."""
        return numpy_dtype(self.dtype)

    @cached_property
    def nbytes(self) -> int:
        """Bytes of the dense array."""
        return math.prod(self.shape) * self.numpy_dtype.itemsize

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{','.join(map(str, self.shape))}]"

    def to_json(self) -> dict[str, Any]:
        """As plain data, for `parse_port`."""
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}


def parse_port(data: object) -> Port:
    """Make a port of untrusted plain data; `MlcError` says what is wrong with it."""
    match data:
        case {"name": str(name), "dtype": str(dtype), "shape": [*sizes]} if all(
            type(size) is int for size in sizes
        ):
            return Port(name, dtype, tuple(sizes))
        case _:
            raise MlcError(f"not a port: {data!r:.80}")


def check_unique_names(ports: Sequence[Port], kind: str) -> Mapping[str, int]:
    """The position of each port by its name; `MlcError` when two share one."""
    positions: dict[str, int] = {}
    for position, port in enumerate(ports):
        if port.name in positions:
            raise MlcError(f"two {kind}s are named {port.name!r}")
        positions[port.name] = position
    return positions


def _extension(name: str) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = np.dtype(getattr(import_module("ml_dtypes"), _EXTENSIONS[name]))
    except ImportError:
        raise DtypeError(f"{name} arrays need the package ml_dtypes") from None
    return dtype
