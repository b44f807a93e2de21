"""What the definitions of operators share: `define`, typed access to attributes, shape checks.

`define` wraps the three functions of an operator: attributes that a node leaves out take their
defaults before any of them runs, `infer` checks the number of inputs, and its errors begin with the
operator's name. So the functions themselves see complete attributes and never name the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlc.errors import DtypeError, ShapeError, VerifyError
from mlc.ir.dtype import DType
from mlc.ir.operator import REQUIRED, Attrs, Infer, Kind, LowerLoops, Operator, Reference
from mlc.ir.stmt import Buffer, Stmt
from mlc.ir.types import Dim, TensorType


def define(
    name: str,
    kind: Kind,
    arity: int | tuple[int, int | None],
    infer: Infer,
    reference: Reference,
    loops: LowerLoops,
    **attributes: Any,
) -> Operator:
    """Make an `Operator`; `attributes` gives defaults, `REQUIRED` where there is none."""
    least, most = (arity, arity) if isinstance(arity, int) else arity

    def complete(attrs: Attrs) -> Attrs:
        for key, default in attributes.items():
            if default is REQUIRED and key not in attrs:
                raise VerifyError(f"{name}: attribute {key} is missing")
        return {**attributes, **attrs}

    def checked_infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
        if len(inputs) < least or (most is not None and len(inputs) > most):
            raise VerifyError(f"{name}: {len(inputs)} inputs, expected {_count(least, most)}")
        attrs = complete(attrs)
        try:
            return infer(inputs, attrs)
        except (ShapeError, DtypeError, VerifyError) as error:
            raise type(error)(f"{name}: {error.message}", hint=error.hint) from None

    def quiet_reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
        with np.errstate(all="ignore"):
            return tuple(np.asarray(part) for part in reference(inputs, complete(attrs)))

    def complete_loops(
        inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
    ) -> Stmt:
        return loops(inputs, outputs, complete(attrs), prefix)

    return Operator(
        name, kind, (least, most), checked_infer, quiet_reference, complete_loops, attributes
    )


def _count(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {least}"
    return str(least) if least == most else f"{least} to {most}"


def _typed(attrs: Attrs, name: str, accepted: type | tuple[type, ...], wanted: str) -> Any:
    value = attrs[name]
    if not isinstance(value, accepted):
        raise VerifyError(f"attribute {name} must be {wanted}, not {value!r}")
    return value


def integer(attrs: Attrs, name: str) -> int:
    """An attribute that is an integer."""
    return int(_typed(attrs, name, int, "an integer"))


def real(attrs: Attrs, name: str) -> float:
    """An attribute that is a number."""
    value: float = _typed(attrs, name, (int, float), "a number")
    return value


def flag(attrs: Attrs, name: str) -> bool:
    """An attribute that is true or false."""
    return bool(_typed(attrs, name, int, "a boolean"))


def dtype_attr(attrs: Attrs, name: str) -> DType:
    """An attribute that is an element type."""
    value: DType = _typed(attrs, name, DType, "an element type")
    return value


def choice(attrs: Attrs, name: str, choices: Sequence[str]) -> str:
    """An attribute that is one of a few words."""
    value = attrs[name]
    if value not in choices:
        raise VerifyError(f"attribute {name} must be one of {', '.join(choices)}, not {value!r}")
    return str(value)


def _sequence(attrs: Attrs, name: str, accepted: type | tuple[type, ...], wanted: str) -> Any:
    value: tuple[Any, ...] = _typed(attrs, name, tuple, wanted)
    if not all(isinstance(part, accepted) for part in value):
        raise VerifyError(f"attribute {name} must be {wanted}, not {value!r}")
    return value


def integers(attrs: Attrs, name: str, count: int | None = None) -> tuple[int, ...]:
    """An attribute that is a tuple of integers, of length `count` where one is given."""
    value: tuple[int, ...] = _sequence(attrs, name, int, "a tuple of integers")
    if count is not None and len(value) != count:
        raise ShapeError(f"attribute {name} has {len(value)} entries, expected {count}")
    return value


def reals(attrs: Attrs, name: str) -> tuple[float, ...]:
    """An attribute that is a tuple of numbers."""
    value: tuple[float, ...] = _sequence(attrs, name, (int, float), "a tuple of numbers")
    return value


def words(attrs: Attrs, name: str) -> tuple[str, ...]:
    """An attribute that is a tuple of strings."""
    value: tuple[str, ...] = _sequence(attrs, name, str, "a tuple of strings")
    return value


def axis_attr(attrs: Attrs, rank: int, name: str = "axis") -> int:
    """An attribute that is a non-negative axis of a tensor of `rank` axes."""
    axis = integer(attrs, name)
    if not 0 <= axis < rank:
        raise ShapeError(f"{name} {axis} is not an axis of a tensor of rank {rank}")
    return axis


def static(*types: TensorType) -> tuple[tuple[int, ...], ...]:
    """The shapes as numbers; `ShapeError` where a dimension is not known."""
    for tensor in types:
        if not tensor.is_static:
            raise ShapeError(f"the shape of {tensor} must be known")
    return tuple(tensor.static_shape for tensor in types)


def known(dim: Dim) -> int:
    """A dimension as a number; `ShapeError` where it is not known."""
    if not isinstance(dim, int):
        raise ShapeError(f"the dimension {dim} must be known")
    return dim


def same_dtype(types: Sequence[TensorType]) -> DType:
    """The one element type of all inputs; `DtypeError` where they differ."""
    dtypes = [tensor.dtype for tensor in types]
    if any(dtype is not dtypes[0] for dtype in dtypes):
        raise DtypeError(f"inputs differ in element type: {', '.join(map(str, dtypes))}")
    return dtypes[0]


_CLASSES: dict[str, Callable[[DType], bool]] = {
    "any": lambda dtype: True,
    "number": lambda dtype: dtype.is_float or dtype.is_integer,
    "comparable": lambda dtype: not dtype.is_storage,
    "float": lambda dtype: dtype.is_float,
    "integer": lambda dtype: dtype.is_integer,
    "bool": lambda dtype: dtype.kind == "bool",
}


def require_class(dtype: DType, wanted: str) -> None:
    """Check that `dtype` is of a class: one of the names in `_CLASSES`."""
    if not _CLASSES[wanted](dtype):
        raise DtypeError(f"element type {dtype}, expected {wanted}")


def require_rank(tensor: TensorType, least: int) -> None:
    """Check that a tensor has at least `least` axes."""
    if tensor.rank < least:
        raise ShapeError(f"input {tensor} needs at least {least} axes")


def broadcast_dims(shapes: Sequence[tuple[Dim, ...]]) -> tuple[Dim, ...]:
    """NumPy's broadcast of shapes; symbolic dimensions must be equal, or meet a 1."""
    rank = max((len(shape) for shape in shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    result: list[Dim] = []
    for dims in zip(*padded, strict=True):
        wide = [dim for dim in dims if dim != 1]
        if any(dim != wide[0] for dim in wide):
            shown = " and ".join(_shape_text(shape) for shape in shapes)
            raise ShapeError(f"shapes {shown} do not broadcast")
        result.append(wide[0] if wide else 1)
    return tuple(result)


def broadcasts_to(shape: tuple[Dim, ...], wanted: tuple[Dim, ...]) -> bool:
    """Whether NumPy broadcasts `shape` to exactly `wanted`."""
    wide = wanted[len(wanted) - len(shape) :]
    return len(shape) <= len(wanted) and all(
        dim in (1, other) for dim, other in zip(shape, wide, strict=True)
    )


def _shape_text(shape: tuple[Dim, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"
