"""random_uniform: numbers in [0, 1) that depend on a seed and on their position alone.

A hash of the position, whitened with the seed, gives 24 bits of each number; so elements can be
made in any order and by any number of threads, and equal seeds give equal numbers everywhere. The
hash is `lowbias32`: Wellons, "Prospecting for Hash Functions", 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, nest
from mlc.ir.dtype import F32, I64, U32
from mlc.ir.expr import Binary, Cast, Const, Expr
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import define, integer, integers
from mlc.ir.stmt import Buffer, Stmt, Store
from mlc.ir.types import TensorType

_ROUNDS = ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1))
"""Of each round: by how many bits what is left is shifted onto itself, then the factor."""

_BITS = 24


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    shape = integers(attrs, "shape")
    if min(shape, default=0) < 0:
        raise ShapeError(f"shape {shape} is negative")
    integer(attrs, "seed")
    return (TensorType(shape, F32),)


def _hashed(numbers: np.ndarray) -> np.ndarray:
    for shift, factor in _ROUNDS:
        numbers = (numbers ^ (numbers >> np.uint32(shift))) * np.uint32(factor)
    return numbers


def _whitening(attrs: Attrs) -> int:
    """What the seed adds to every position."""
    seed = np.array([integer(attrs, "seed") & 0xFFFFFFFF], np.uint32)
    return int(_hashed(seed + np.uint32(1)).item())


def _reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    shape = integers(attrs, "shape")
    places = np.arange(np.prod(shape, dtype=np.int64)).astype(np.uint32)
    bits = _hashed(places + np.uint32(_whitening(attrs))) >> np.uint32(32 - _BITS)
    return ((bits.astype(np.float32) * np.float32(2.0**-_BITS)).reshape(shape),)


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    (out,) = outputs
    whitening = Const(_whitening(attrs), U32)

    def store(i: Index) -> Stmt:
        place: Expr = Const(0, I64)
        for part, extent in zip(i, out.shape, strict=True):
            place = place * extent + part
        bits: Expr = Binary("add", Cast(place, U32), whitening)
        for shift, factor in _ROUNDS:
            mixed = Binary("xor", bits, Binary("shr", bits, Const(shift, U32)))
            bits = Binary("mul", mixed, Const(factor, U32)) if factor != 1 else mixed
        fraction = Cast(Binary("shr", bits, Const(32 - _BITS, U32)), F32)
        return Store(out, i, Binary("mul", fraction, Const(2.0**-_BITS, F32)))

    return nest(f"{prefix}i", out.shape, store)


RANDOM_UNIFORM = define(
    "random_uniform", Kind.INJECTIVE, 0, _infer, _reference, _loops, shape=REQUIRED, seed=REQUIRED
)

OPERATORS = (RANDOM_UNIFORM,)
"""What this file defines."""
