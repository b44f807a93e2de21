"""ONNX tensors as NumPy arrays, and ONNX element types as ours.

The number of bytes that a tensor's dimensions promise is checked against what the file holds before
anything is allocated. Raw data is not copied.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.detach import Span
from mlc.importers.onnx.weights import WeightFiles
from mlc.ir.dtype import (
    BF16,
    BOOL,
    F4E2M1,
    F8E4M3FN,
    F8E4M3FNUZ,
    F8E5M2,
    F8E5M2FNUZ,
    F8E8M0,
    F16,
    F32,
    F64,
    I2,
    I4,
    I8,
    I16,
    I32,
    I64,
    U2,
    U4,
    U8,
    U16,
    U32,
    U64,
    DType,
)

MAX_BYTES = 1 << 40
"""No tensor may take more bytes than this; larger ones are taken for broken headers."""

DTYPES: dict[int, DType] = {
    TensorProto.DOUBLE: F64,
    TensorProto.FLOAT: F32,
    TensorProto.FLOAT16: F16,
    TensorProto.BFLOAT16: BF16,
    TensorProto.INT64: I64,
    TensorProto.INT32: I32,
    TensorProto.INT16: I16,
    TensorProto.INT8: I8,
    TensorProto.UINT64: U64,
    TensorProto.UINT32: U32,
    TensorProto.UINT16: U16,
    TensorProto.UINT8: U8,
    TensorProto.BOOL: BOOL,
    TensorProto.INT4: I4,
    TensorProto.UINT4: U4,
    TensorProto.INT2: I2,
    TensorProto.UINT2: U2,
    TensorProto.FLOAT8E4M3FN: F8E4M3FN,
    TensorProto.FLOAT8E4M3FNUZ: F8E4M3FNUZ,
    TensorProto.FLOAT8E5M2: F8E5M2,
    TensorProto.FLOAT8E5M2FNUZ: F8E5M2FNUZ,
    TensorProto.FLOAT8E8M0: F8E8M0,
    TensorProto.FLOAT4E2M1: F4E2M1,
}

_FIELDS: dict[str, str] = {
    "f64": "double_data",
    "f32": "float_data",
    "i64": "int64_data",
    "u64": "uint64_data",
    "u32": "uint64_data",
}
"""The typed field that holds the elements; every type not named here lies in `int32_data`."""


def dtype_from_onnx(code: int, what: str) -> DType:
    """The element type with ONNX number `code`; `what` names its owner in the error."""
    found = DTYPES.get(code)
    if found is not None:
        return found
    if code == TensorProto.UNDEFINED:
        raise ModelError(f"{what} has no element type")
    if code not in TensorProto.DataType.values():
        raise ModelError(f"{what} has element type number {code}, which ONNX does not define")
    name = TensorProto.DataType.Name(code).lower()
    raise UnsupportedError(f"{what} has element type {name}, which is not supported")


def check_size(shape: Sequence[int], dtype: DType, what: str) -> int:
    """Bytes of a tensor; raises `ModelError` for negative dimensions and above `MAX_BYTES`."""
    if any(dim < 0 for dim in shape):
        raise ModelError(f"{what} has a negative dimension: {_shown(shape)}")
    size = math.prod(shape) * dtype.bytes
    if size > MAX_BYTES:
        raise ModelError(f"{what} is too large: {dtype}{_shown(shape)} takes {size} bytes")
    return size


def array_from_onnx(
    tensor: onnx.TensorProto, files: WeightFiles, span: Span | None = None
) -> np.ndarray:
    """The read-only array that `tensor` holds: shape `tensor.dims`, native byte order.

    `span` is where its raw data lies in the model's file if that is not in the message. Raises
    `ModelError` where dimensions and data contradict each other, `UnsupportedError` for element
    types that mlc lacks.
    """
    what = f"tensor '{tensor.name}'"
    dtype = dtype_from_onnx(tensor.data_type, what)
    shape = tuple(tensor.dims)
    check_size(shape, dtype, what)
    count = math.prod(shape)
    size = _stored_bytes(count, dtype)
    if tensor.HasField("segment"):
        raise UnsupportedError(f"{what} is stored in segments, which is not supported")
    if tensor.data_location == TensorProto.EXTERNAL:
        array = _from_bytes(files.external(tensor, size), dtype, count)
    elif span is not None:
        _check_length(what, dtype, shape, size, span[1])
        array = _from_bytes(files.own(span), dtype, count)
    elif tensor.HasField("raw_data"):
        data = tensor.raw_data
        _check_length(what, dtype, shape, size, len(data))
        array = _from_bytes(data, dtype, count)
    else:
        array = _from_field(tensor, dtype, count, what)
    array = array.reshape(shape)
    array.flags.writeable = False
    return array


def _check_length(what: str, dtype: DType, shape: Sequence[int], wanted: int, found: int) -> None:
    if found != wanted:
        raise ModelError(f"{what}: {dtype}{_shown(shape)} takes {wanted} bytes, not {found}")


def _stored_bytes(count: int, dtype: DType) -> int:
    """Bytes of that many elements in a file, where types of fewer bits than 8 are packed."""
    return -(-count * dtype.bits // 8) if dtype.bits < 8 else count * dtype.bytes


def _unpacked(data: np.ndarray, dtype: DType, count: int) -> np.ndarray:
    """One element per byte, out of bytes that hold several, the first in the lowest bits."""
    shifts = np.arange(0, 8, dtype.bits, dtype=np.uint8)
    fields: np.ndarray = (data[:, np.newaxis] >> shifts) & np.uint8((1 << dtype.bits) - 1)
    unpacked: np.ndarray = fields.reshape(-1)[:count].view(dtype.numpy)
    return unpacked


def _from_bytes(data: bytes | np.ndarray, dtype: DType, count: int) -> np.ndarray:
    if dtype.bits < 8:
        return _unpacked(np.frombuffer(data, np.uint8), dtype, count)
    array = np.frombuffer(data, dtype.numpy)
    # ONNX stores little-endian.
    return array.byteswap() if sys.byteorder == "big" else array


def _from_field(tensor: onnx.TensorProto, dtype: DType, count: int, what: str) -> np.ndarray:
    elements = getattr(tensor, _FIELDS.get(dtype.name, "int32_data"))
    entries = _stored_bytes(count, dtype) if dtype.bits < 8 else count
    if len(elements) != entries:
        raise ModelError(
            f"{what}: {dtype}{_shown(tuple(tensor.dims))} has {count} elements, "
            f"the file holds {len(elements) * count // max(entries, 1)}"
        )
    if dtype.bits < 8:
        return _unpacked(np.array(elements, np.int64).astype(np.uint8), dtype, count)
    if dtype.is_storage:
        return np.array(elements, np.int64).astype(np.uint8).view(dtype.numpy)
    if dtype in (F16, BF16):
        return np.array(elements, np.int64).astype(np.uint16).view(dtype.numpy)
    if dtype.is_float:
        return np.array(elements, dtype.numpy)
    wide = np.array(elements, np.uint64 if dtype.kind == "uint" and dtype.bits > 16 else np.int64)
    return wide.astype(dtype.numpy)


def _shown(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"
