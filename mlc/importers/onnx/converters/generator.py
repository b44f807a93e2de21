"""Tensors out of attributes and shapes alone."""

from __future__ import annotations

import numpy as np

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.node import Converter, NodeView
from mlc.importers.onnx.symbolic import dim_of, product
from mlc.importers.onnx.tensors import check_size, dtype_from_onnx
from mlc.ir.affine import simplify
from mlc.ir.dtype import I64
from mlc.ir.expr import as_expr
from mlc.ir.graph import Value
from mlc.ir.types import Dim

_FILL_LIMIT = 1 << 31
"""Equal elements of more bytes than this are not written out as a constant."""


def _constant(builder: Builder, node: NodeView) -> list[Value]:
    name = node.proto.output[0]
    if len(node.attributes) != 1:
        raise ModelError(f"Constant: {len(node.attributes)} attributes, expected 1")
    (kind,) = node.attributes
    match kind:
        case "value":
            array = node.tensor("value")
        case "value_float":
            array = np.array(node.number(kind), np.float32)
        case "value_floats":
            array = np.array(node.numbers(kind), np.float32)
        case "value_int":
            array = np.array(node.integer(kind), np.int64)
        case "value_ints":
            array = np.array(node.integers(kind), np.int64)
        case _:
            raise UnsupportedError(f"Constant: {kind} is not supported")
    return [builder.constant(array, name)]


def _constant_of_shape(builder: Builder, node: NodeView) -> list[Value]:
    shape = builder.required_dims(node.input(0), "ConstantOfShape: the shape")
    value = node.tensor("value") if node.has("value") else np.zeros(1, np.float32)
    if value.size != 1:
        raise ModelError(f"ConstantOfShape: value has {value.size} elements, expected 1")
    sizes = [dim for dim in shape if isinstance(dim, int)]
    scalar = builder.constant(value.reshape(()))
    size = check_size(sizes, scalar.type.dtype, "ConstantOfShape: the result")
    if len(sizes) == len(shape) and size <= _FILL_LIMIT:
        return [builder.constant(np.full(sizes, value.item(), value.dtype), node.proto.output[0])]
    return [builder.expand(scalar, shape)]


def _shape(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    start, end = node.integer("start", 0), node.integer("end", x.type.rank)
    return [builder.dimensions(x.type.shape[start:end])]


def _size(builder: Builder, node: NodeView) -> list[Value]:
    total = builder.dimensions([product(node.input(0).type.shape)])
    return [builder.reshape(total, ())]


def _range(builder: Builder, node: NodeView) -> list[Value]:
    """start, start + step, … below the limit; evaluated, or counted up to a symbolic limit."""
    operands = node.present()
    dtype = operands[0].type.dtype
    known = [builder.elements(value) for value in operands]
    if any(elements is None or elements.size != 1 for elements in known):
        raise builder.unresolved("Range: its limits", *operands)
    start, limit, step = (elements.item() for elements in known if elements is not None)
    if step == 0:
        raise ModelError("Range: the step is 0")
    count: Dim
    if all(isinstance(number, int | float) for number in (start, limit, step)):
        count = max(int(np.ceil((limit - start) / step)), 0)
        check_size([count], dtype, "Range: the result")
    elif dtype.is_integer and step == 1:
        count = dim_of(simplify(as_expr(limit) - as_expr(start), {}))
    else:
        raise builder.unresolved("Range: its limits", *operands)
    counted = builder.iota((count,), 0, dtype)
    stepped = builder.scaled(counted, step)
    if not isinstance(start, int | float):
        raise builder.unresolved("Range: its start", *operands)
    return [builder.shifted(stepped, start)]


def _eye_like(builder: Builder, node: NodeView) -> list[Value]:
    x = node.input(0)
    dtype = x.type.dtype
    if node.has("dtype"):
        dtype = dtype_from_onnx(node.integer("dtype"), "EyeLike: dtype")
    if x.type.rank != 2:
        raise ModelError(f"EyeLike: input {x.type} must be a matrix")
    rows, columns = x.type.shape
    row = builder.iota((rows, 1), 0, I64)
    column = builder.iota((1, columns), 1, I64)
    diagonal = builder.emit("equal", builder.shifted(row, node.integer("k", 0)), column)
    return [builder.cast(diagonal, dtype)]


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "EyeLike": _eye_like,
    "Range": _range,
    "Shape": _shape,
    "Size": _size,
}
