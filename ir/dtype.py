"""Element types: the names both IRs print, and what NumPy calls them.

Every value, buffer and expression carries one of the `DType` constants below; there are no others.
Storage types hold narrow numbers that are moved and converted, never computed with; each element
takes a byte, of which types of fewer bits use the lowest.
"""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np

from mlc.errors import DtypeError


@dataclass(frozen=True, slots=True)
class DType:
    """An element type: `name` as printed, `kind`, and `bits`.

    Kinds are "float", "int", "uint", "bool" and "storage".
    """

    name: str
    kind: str
    bits: int

    @property
    def bytes(self) -> int:
        """Bytes that one element takes in memory."""
        return max(1, self.bits // 8)

    @property
    def is_float(self) -> bool:
        """Whether this is a floating-point type."""
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        """Whether this is a signed or unsigned integer type (bool is not)."""
        return self.kind in ("int", "uint")

    @property
    def is_storage(self) -> bool:
        """Whether elements are only stored, moved and converted."""
        return self.kind == "storage"

    @property
    def numpy(self) -> np.dtype:
        """The NumPy dtype of the same values."""
        return _TO_NUMPY[self.name]

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name.upper()

    def __hash__(self) -> int:
        return hash(self.name)


F64 = DType("f64", "float", 64)
F32 = DType("f32", "float", 32)
F16 = DType("f16", "float", 16)
BF16 = DType("bf16", "float", 16)
I64 = DType("i64", "int", 64)
I32 = DType("i32", "int", 32)
I16 = DType("i16", "int", 16)
I8 = DType("i8", "int", 8)
U64 = DType("u64", "uint", 64)
U32 = DType("u32", "uint", 32)
U16 = DType("u16", "uint", 16)
U8 = DType("u8", "uint", 8)
BOOL = DType("bool", "bool", 8)
I4 = DType("i4", "storage", 4)
U4 = DType("u4", "storage", 4)
I2 = DType("i2", "storage", 2)
U2 = DType("u2", "storage", 2)
F8E4M3FN = DType("f8e4m3fn", "storage", 8)
F8E4M3FNUZ = DType("f8e4m3fnuz", "storage", 8)
F8E5M2 = DType("f8e5m2", "storage", 8)
F8E5M2FNUZ = DType("f8e5m2fnuz", "storage", 8)
F8E8M0 = DType("f8e8m0", "storage", 8)
F4E2M1 = DType("f4e2m1", "storage", 4)

INDEX = I64
"""The type of loop variables and of every index expression."""

_COMPUTED = (F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL)
_STORED = (I4, U4, I2, U2, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F8E8M0, F4E2M1)

DTYPES: dict[str, DType] = {dtype.name: dtype for dtype in (*_COMPUTED, *_STORED)}

_TO_NUMPY: dict[str, np.dtype] = {
    "f64": np.dtype(np.float64),
    "f32": np.dtype(np.float32),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "i64": np.dtype(np.int64),
    "i32": np.dtype(np.int32),
    "i16": np.dtype(np.int16),
    "i8": np.dtype(np.int8),
    "u64": np.dtype(np.uint64),
    "u32": np.dtype(np.uint32),
    "u16": np.dtype(np.uint16),
    "u8": np.dtype(np.uint8),
    "bool": np.dtype(np.bool_),
    "i4": np.dtype(ml_dtypes.int4),
    "u4": np.dtype(ml_dtypes.uint4),
    "i2": np.dtype(ml_dtypes.int2),
    "u2": np.dtype(ml_dtypes.uint2),
    "f8e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
    "f8e4m3fnuz": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "f8e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "f8e5m2fnuz": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "f8e8m0": np.dtype(ml_dtypes.float8_e8m0fnu),
    "f4e2m1": np.dtype(ml_dtypes.float4_e2m1fn),
}
_FROM_NUMPY = {value: DTYPES[name] for name, value in _TO_NUMPY.items()}


def dtype_of(array_dtype: np.dtype) -> DType:
    """Return the `DType` of a NumPy dtype; raises `DtypeError` where there is none."""
    found = _FROM_NUMPY.get(np.dtype(array_dtype).newbyteorder("="))
    if found is None:
        raise DtypeError(f"no element type for NumPy dtype {array_dtype}")
    return found
