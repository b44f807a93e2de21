"""The types of a model's inputs: what the file declares, with the caller's `shapes` put in.

A dimension that the file leaves open stays a symbol, named by the file or after the input and axis;
one name is one symbol in all inputs, so that fixing it in one fixes it everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx

from mlc.errors import InputError, ModelError, ShapeError, UnsupportedError
from mlc.importers.onnx.tensors import check_size, dtype_from_onnx
from mlc.ir.expr import Var
from mlc.ir.types import Dim, TensorType

Shapes = Mapping[str, Sequence[int | str]]


@dataclass(frozen=True)
class Declared:
    """What a file and the caller say of an input or output.

    `kind` is "tensor", or what else ONNX has: "sequence", "optional", "map". `elem_type` is ONNX's
    number of the element type, 0 where there is none; `shape` is None where nobody gives it.
    """

    name: str
    kind: str
    elem_type: int
    shape: tuple[Dim, ...] | None


def declared_inputs(inputs: Sequence[onnx.ValueInfoProto], shapes: Shapes) -> list[Declared]:
    """What is known of every input.

    `shapes` fixes dimensions by input: a number, or the name of a symbol. Raises `InputError` for a
    name or shape that does not fit the model.
    """
    names = [value.name for value in inputs]
    if not isinstance(shapes, Mapping):
        raise InputError("shapes is no mapping", hint="give shapes={'name': (1, 3, …)}")
    for name in shapes:
        if name not in names:
            known = ", ".join(f"'{known}'" for known in names) or "none"
            raise InputError(f"shapes names '{name}', which is no input", hint=f"inputs: {known}")
    declared: dict[str, tuple[Dim, ...] | None] = {}
    bound: dict[str, Dim] = {}
    for value in inputs:
        dims = _dims(value)
        given = shapes.get(value.name)
        if given is not None:
            dims = _bind(value.name, dims, given, bound)
        declared[value.name] = dims
    found = []
    for value in inputs:
        dims = declared[value.name]
        shape = None if dims is None else tuple(_resolve(dim, bound) for dim in dims)
        found.append(Declared(value.name, _kind(value), value.type.tensor_type.elem_type, shape))
    return found


def declared_output(value: onnx.ValueInfoProto) -> Declared:
    """What the file says of an output."""
    return Declared(value.name, _kind(value), value.type.tensor_type.elem_type, _dims(value))


def input_types(inputs: Sequence[onnx.ValueInfoProto], shapes: Shapes) -> dict[str, TensorType]:
    """Name → type of every input; see `declared_inputs`.

    Raises `ShapeError` for an input whose rank nobody gives, `UnsupportedError` for one that is no
    tensor.
    """
    types = {}
    for value in declared_inputs(inputs, shapes):
        what = f"input '{value.name}'"
        if value.kind != "tensor":
            raise UnsupportedError(f"{what} is not a tensor but {value.kind}")
        if value.shape is None:
            raise ShapeError(
                f"{what} has no shape in the model", hint=f"give shapes={{{value.name!r}: (…)}}"
            )
        dtype = dtype_from_onnx(value.elem_type, what)
        check_size([dim for dim in value.shape if isinstance(dim, int)], dtype, what)
        types[value.name] = TensorType(value.shape, dtype)
    return types


def _kind(value: onnx.ValueInfoProto) -> str:
    return (value.type.WhichOneof("value") or "no type").removesuffix("_type")


def _dims(value: onnx.ValueInfoProto) -> tuple[Dim, ...] | None:
    """The shape in the file; None where there is none."""
    if not value.type.HasField("tensor_type"):
        return None
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(
        _dimension(dim, f"{value.name}_{axis}") for axis, dim in enumerate(tensor.shape.dim)
    )


def _dimension(dim: onnx.TensorShapeProto.Dimension, default: str) -> Dim:
    """A number, or a symbol; exporters also write unknown dimensions as -1, "-1", "?" or "None"."""
    if dim.HasField("dim_value"):
        return dim.dim_value if dim.dim_value >= 0 else Var(_symbol(default))
    text = dim.dim_param.strip()
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    if text in ("", "?", "None") or text.startswith("-"):
        return Var(_symbol(default))
    return Var(_symbol(text))


def _symbol(text: str) -> str:
    """A name that the IR's text can hold."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII)
    return name if not name[:1].isdigit() else f"d{name}"


def _bind(
    name: str, dims: tuple[Dim, ...] | None, given: Sequence[int | str], bound: dict[str, Dim]
) -> tuple[Dim, ...]:
    """The shape that the caller gives, checked against the file; notes what symbols become."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InputError(f"shapes gives input '{name}' {given!r}, which is no shape")
    wanted = tuple(_given(name, dim) for dim in given)
    if dims is None:
        return wanted
    shown = f"({', '.join(map(str, given))})"
    if len(dims) != len(wanted):
        raise InputError(
            f"shapes gives input '{name}' {len(wanted)} dimensions, the model {len(dims)}"
        )
    for axis, (dim, new) in enumerate(zip(dims, wanted, strict=True)):
        if isinstance(dim, int):
            # Some exporters write an unknown dimension as zero.
            if dim not in (0, new):
                raise InputError(
                    f"shapes gives input '{name}' the shape {shown}, "
                    f"but the model fixes axis {axis} to {dim}"
                )
        elif isinstance(dim, Var) and bound.setdefault(dim.name, new) != new:
            raise InputError(
                f"shapes gives input '{name}' the shape {shown}, "
                f"but {dim.name} is {bound[dim.name]} elsewhere"
            )
    return wanted


def _given(name: str, dim: int | str) -> Dim:
    if isinstance(dim, str):
        return Var(_symbol(dim))
    try:
        number = dim.__index__()
    except AttributeError:
        number = -1
    if number < 0:
        raise InputError(f"shapes gives input '{name}' the dimension {dim!r}")
    return number


def _resolve(dim: Dim, bound: Mapping[str, Dim]) -> Dim:
    return bound.get(dim.name, dim) if isinstance(dim, Var) else dim


def check_declared(value: onnx.ValueInfoProto, found: TensorType) -> None:
    """Raise `ModelError` where a declared output contradicts what was inferred."""
    tensor = value.type.tensor_type
    if tensor.elem_type and dtype_from_onnx(tensor.elem_type, value.name) is not found.dtype:
        declared = dtype_from_onnx(tensor.elem_type, value.name)
        raise ModelError(f"output '{value.name}' is declared as {declared}, but is {found.dtype}")
