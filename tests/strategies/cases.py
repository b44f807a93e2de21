"""A case of an operator, and the shapes and values that cases are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from mlc.errors import DtypeError, ShapeError
from mlc.ir.dtype import BF16, BOOL, DTYPES, F16, F32, F64, I32, I64, DType, dtype_of
from mlc.ir.operators import OPERATORS
from mlc.ir.types import TensorType

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]

FLOATS = (F32, F64, F16, BF16)
ALL_DTYPES = tuple(dtype for dtype in DTYPES.values() if not dtype.is_storage)
NUMBERS = (F32, F32, F32, F64, F16, BF16, I32, I64, DTYPES["u8"])
"""Types to multiply, the usual one most often."""
MOST_ELEMENTS = 4000


@dataclass(frozen=True)
class Case:
    """An operator, its inputs and attributes."""

    op: str
    inputs: tuple[Array, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def types(self) -> list[TensorType]:
        """The types of the inputs."""
        return [TensorType(array.shape, dtype_of(array.dtype)) for array in self.inputs]

    @property
    def outputs(self) -> tuple[TensorType, ...]:
        """The types of the outputs."""
        return OPERATORS[self.op].infer(self.types, self.attrs)

    @property
    def expected(self) -> tuple[Array, ...]:
        """What the operator's reference computes."""
        return OPERATORS[self.op].reference(self.inputs, self.attrs)


_dims = st.one_of(st.integers(1, 5), st.sampled_from([0, 1, 7, 8, 16, 17, 33, 40]))


@st.composite
def shapes(draw: st.DrawFn, least: int = 0, most: int = 4) -> Shape:
    """A shape, often with room for vectors, seldom empty."""
    shape = tuple(draw(st.lists(_dims, min_size=least, max_size=most)))
    assume(math.prod(shape) <= MOST_ELEMENTS)
    return shape


@st.composite
def values(draw: st.DrawFn, shape: Shape, dtype: DType, *, special: bool = False) -> Array:
    """Small whole numbers and halves; with `special` also zeros of both signs, NaN, infinities."""
    random = np.random.default_rng(draw(st.integers(0, 99)))
    if dtype is BOOL:
        return random.random(shape) < 0.5
    low = 0 if dtype.kind == "uint" else -4
    numbers = random.integers(low, 5, shape)
    if not dtype.is_float:
        return numbers.astype(dtype.numpy)
    result = np.asarray(numbers * 0.5, dtype.numpy)
    if special and draw(st.booleans()):
        odd = np.array([np.nan, np.inf, -np.inf, -0.0, 1e3], dtype.numpy)
        places = random.random(shape) < 0.2
        result = np.where(places, random.choice(odd, shape), result)
    return result


def any_axis(draw: st.DrawFn, shape: Shape) -> int:
    """One of the axes, of which there is at least one."""
    return draw(st.integers(0, len(shape) - 1))


def accepted(op: str, attrs: Mapping[str, Any], *shapes: Shape) -> list[DType]:
    """The element types that an operator takes, all inputs being of one type."""
    found = []
    for dtype in ALL_DTYPES:
        try:
            OPERATORS[op].infer([TensorType(shape, dtype) for shape in shapes], attrs)
        except DtypeError:
            continue
        except ShapeError:
            assume(False)
        found.append(dtype)
    return found
