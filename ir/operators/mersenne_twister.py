"""mersenne_twister: numbers in [0, 1) of 53 bits, the very ones that NumPy's `RandomState` draws.

The generator's state is 624 words; each number takes two of them, in order: the loops are serial.
Source: Matsumoto and Nishimura, "Mersenne Twister", 1998 (the version of 2002 with its seeding).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.build import Index, compare, nest
from mlc.ir.dtype import F64, I64, U32
from mlc.ir.expr import Binary, Cast, Const, Expr, Load, Select, Var, as_expr
from mlc.ir.operator import REQUIRED, Attrs, Kind
from mlc.ir.operators.definition import define, integer, integers
from mlc.ir.stmt import Alloc, Buffer, For, If, Stmt, Store, seq
from mlc.ir.types import TensorType

_WORDS = 624
_OFFSET = 397
_PAIRS = _WORDS // 2
_TEMPERING = (("shr", 11, 0xFFFFFFFF), ("shl", 7, 0x9D2C5680), ("shl", 15, 0xEFC60000))
"""Shift, its bits, and the mask of what is then mixed in; a last shift by 18 follows."""


def _infer(inputs: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    shape = integers(attrs, "shape")
    if min(shape, default=0) < 0:
        raise ShapeError(f"shape {shape} is negative")
    integer(attrs, "seed")
    return (TensorType(shape, F64),)


def _seed(attrs: Attrs) -> int:
    return integer(attrs, "seed") & 0xFFFFFFFF


def _reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
    generator = np.random.RandomState(_seed(attrs))
    return (np.asarray(generator.random_sample(integers(attrs, "shape"))),)


def _word(number: int) -> Const:
    return Const(number, U32)


def _mixed(x: Expr, shift: str, bits: int, mask: int = 0xFFFFFFFF) -> Expr:
    """`x` with itself, shifted and masked, mixed in."""
    return Binary("xor", x, Binary("and", Binary(shift, x, _word(bits)), _word(mask)))


def _loops(inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str) -> Stmt:
    """`{prefix}s0` seeds; `{prefix}block` renews all words by `{prefix}k0`, then draws."""
    (out,) = outputs
    state = Buffer.dense(f"{prefix}state", (_WORDS,), U32, "arena")
    total = math.prod(out.shape)
    block = Var(f"{prefix}block")

    def seed(i: Index) -> Stmt:
        last = _mixed(Load(state, i), "shr", 30)
        place = i[0] + 1
        value = Binary("add", Binary("mul", last, _word(1812433253)), Cast(place, U32))
        return Store(state, (place,), value)

    def renew(i: Index) -> Stmt:
        (k,) = i
        upper = Binary("and", Load(state, i), _word(0x80000000))
        lower = Binary("and", Load(state, (_wrapped(k + 1),)), _word(0x7FFFFFFF))
        both = Binary("or", upper, lower)
        odd = compare("ne", Binary("and", both, _word(1)), _word(0))
        twist = Select(odd, _word(0x9908B0DF), _word(0))
        other = Load(state, (_wrapped(k + _OFFSET),))
        halved = Binary("shr", both, _word(1))
        return Store(state, i, Binary("xor", Binary("xor", other, halved), twist))

    def draw(i: Index) -> Stmt:
        flat = block * _PAIRS + i[0]
        high = _tempered(Load(state, (i[0] * 2,)), 5)
        low = _tempered(Load(state, (i[0] * 2 + 1,)), 6)
        whole = Binary("add", Binary("mul", high, Const(2.0**26, F64)), low)
        number = Binary("mul", whole, Const(2.0**-53, F64))
        return If(compare("lt", flat, total), Store(out, _unflattened(flat, out.shape), number))

    first = Store(state, (as_expr(0),), _word(_seed(attrs)))
    blocks = For(
        block.name,
        as_expr(-(-total // _PAIRS)),
        "serial",
        seq((nest(f"{prefix}k", (_WORDS,), renew), nest(f"{prefix}i", (_PAIRS,), draw))),
    )
    return Alloc(state, seq((first, nest(f"{prefix}s", (_WORDS - 1,), seed), blocks)))


def _wrapped(place: Expr) -> Expr:
    return Select(compare("lt", place, _WORDS), place, place - _WORDS)


def _tempered(word: Expr, dropped: int) -> Expr:
    """The word tempered, without its lowest bits, as f64."""
    for shift, bits, mask in _TEMPERING:
        word = _mixed(word, shift, bits, mask)
    return Cast(Binary("shr", _mixed(word, "shr", 18), _word(dropped)), F64)


def _unflattened(flat: Expr, shape: Sequence[int]) -> Index:
    index: list[Expr] = []
    for extent in reversed(shape):
        index.append(Binary("mod", flat, Const(extent, I64)))
        flat = Binary("floordiv", flat, Const(extent, I64))
    return tuple(reversed(index))


MERSENNE_TWISTER = define(
    "mersenne_twister", Kind.OPAQUE, 0, _infer, _reference, _loops, shape=REQUIRED, seed=REQUIRED
)

OPERATORS = (MERSENNE_TWISTER,)
"""What this file defines."""
