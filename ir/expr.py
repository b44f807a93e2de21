"""Expressions of the loop IR: scalars, and vectors once loops are vectorised.

Expressions are immutable values compared by structure. Index arithmetic is written with Python's
operators (`+ - * // %`), which fold constants; `==` compares structure, so comparisons in the IR
are spelled `Binary("lt", a, b)`. Integer `floordiv` and `mod` round towards minus infinity; `div`
is true division of floats and truncating division of integers.

What is asked about an expression again and again (its hash, its variables) is kept in it: schedules
share most of their expressions with those they were made from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlc.ir.dtype import BOOL, INDEX, DType
from mlc.ir.remembered import hash_of

if TYPE_CHECKING:
    from mlc.ir.stmt import Buffer

ARITHMETIC = ("add", "sub", "mul", "div", "floordiv", "mod", "rem", "min", "max")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
LOGICAL = ("and", "or", "xor", "shl", "shr")
BINARY_OPERATORS = frozenset(ARITHMETIC + COMPARISONS + LOGICAL)
UNARY_OPERATORS = frozenset(("neg", "not", "abs", "sqrt", "floor", "ceil", "round", "trunc"))


class Expr:
    """Base of all expressions: an element type `dtype` in `lanes` lanes (1: a scalar)."""

    __slots__ = ("_hash", "_linear", "_loads", "_variables")

    @property
    def dtype(self) -> DType:
        """Element type."""
        raise NotImplementedError

    @property
    def lanes(self) -> int:
        """Vector length; 1 for a scalar."""
        return 1

    def __add__(self, other: ExprLike) -> Expr:
        return add(self, as_expr(other))

    def __radd__(self, other: ExprLike) -> Expr:
        return add(as_expr(other), self)

    def __sub__(self, other: ExprLike) -> Expr:
        return sub(self, as_expr(other))

    def __rsub__(self, other: ExprLike) -> Expr:
        return sub(as_expr(other), self)

    def __mul__(self, other: ExprLike) -> Expr:
        return mul(self, as_expr(other))

    def __rmul__(self, other: ExprLike) -> Expr:
        return mul(as_expr(other), self)

    def __floordiv__(self, other: ExprLike) -> Expr:
        return floordiv(self, as_expr(other))

    def __mod__(self, other: ExprLike) -> Expr:
        return mod(self, as_expr(other))


ExprLike = Expr | int


@dataclass(frozen=True, slots=True)
class Const(Expr):
    """A number of type `type`."""

    value: int | float | bool
    type: DType = INDEX

    @property
    def dtype(self) -> DType:
        return self.type

    def __hash__(self) -> int:
        return hash(self.value)


@dataclass(frozen=True, slots=True)
class Var(Expr):
    """A loop variable or a dimension symbol; names are unique within a function."""

    name: str
    type: DType = INDEX

    @property
    def dtype(self) -> DType:
        return self.type

    def __str__(self) -> str:
        return self.name

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    """`op` of two expressions of one element type and one vector length."""

    op: str
    left: Expr
    right: Expr

    __hash__ = hash_of("op", "left", "right")

    @property
    def dtype(self) -> DType:
        return BOOL if self.op in COMPARISONS else self.left.dtype

    @property
    def lanes(self) -> int:
        return self.left.lanes


@dataclass(frozen=True, slots=True)
class Unary(Expr):
    """`op` of one expression."""

    op: str
    operand: Expr

    __hash__ = hash_of("op", "operand")

    @property
    def dtype(self) -> DType:
        return self.operand.dtype

    @property
    def lanes(self) -> int:
        return self.operand.lanes


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """A function of `mlc.ir.functions` applied element by element (or a horizontal reduction)."""

    function: str
    args: tuple[Expr, ...]
    type: DType

    __hash__ = hash_of("function", "args")

    @property
    def dtype(self) -> DType:
        return self.type

    @property
    def lanes(self) -> int:
        return 1 if self.function.startswith("reduce_") else self.args[0].lanes


@dataclass(frozen=True, slots=True)
class Cast(Expr):
    """Conversion to `type`: float to int truncates, anything to bool is `!= 0`."""

    operand: Expr
    type: DType

    __hash__ = hash_of("operand", "type")

    @property
    def dtype(self) -> DType:
        return self.type

    @property
    def lanes(self) -> int:
        return self.operand.lanes


@dataclass(frozen=True, slots=True)
class Select(Expr):
    """`on_true` where `condition` holds, else `on_false`; a scalar one reads only the arm taken."""

    condition: Expr
    on_true: Expr
    on_false: Expr

    __hash__ = hash_of("condition", "on_true", "on_false")

    @property
    def dtype(self) -> DType:
        return self.on_true.dtype

    @property
    def lanes(self) -> int:
        return self.on_true.lanes


@dataclass(frozen=True, slots=True)
class Load(Expr):
    """The element of `buffer` at a logical `index`; a vector where one index is a `Ramp`."""

    buffer: Buffer
    index: tuple[Expr, ...]

    __hash__ = hash_of("buffer", "index")

    @property
    def dtype(self) -> DType:
        return self.buffer.dtype

    @property
    def lanes(self) -> int:
        return max((part.lanes for part in self.index), default=1)


@dataclass(frozen=True, slots=True)
class Ramp(Expr):
    """The vector `base, base + stride, …` of `length` lanes."""

    base: Expr
    stride: Expr
    length: int

    __hash__ = hash_of("base", "stride", "length")

    @property
    def dtype(self) -> DType:
        return self.base.dtype

    @property
    def lanes(self) -> int:
        return self.length


@dataclass(frozen=True, slots=True)
class Broadcast(Expr):
    """A scalar repeated in `length` lanes."""

    operand: Expr
    length: int

    __hash__ = hash_of("operand", "length")

    @property
    def dtype(self) -> DType:
        return self.operand.dtype

    @property
    def lanes(self) -> int:
        return self.length


@dataclass(frozen=True, slots=True)
class Shuffle(Expr):
    """Lanes picked by number out of `vectors` laid end to end."""

    vectors: tuple[Expr, ...]
    picks: tuple[int, ...]

    __hash__ = hash_of("vectors", "picks")

    @property
    def dtype(self) -> DType:
        return self.vectors[0].dtype

    @property
    def lanes(self) -> int:
        return len(self.picks)


def as_expr(value: ExprLike) -> Expr:
    """Return an expression unchanged, an int as an index constant."""
    return value if isinstance(value, Expr) else Const(value)


def index(value: int) -> Const:
    """An index constant."""
    return Const(value)


def _is(expr: Expr, value: int) -> bool:
    return isinstance(expr, Const) and expr.type is INDEX and expr.value == value


def _both(left: Expr, right: Expr) -> tuple[int, int] | None:
    if isinstance(left, Const) and isinstance(right, Const) and left.type is INDEX is right.type:
        return int(left.value), int(right.value)
    return None


def add(left: Expr, right: Expr) -> Expr:
    """Sum; index constants fold."""
    if both := _both(left, right):
        return Const(both[0] + both[1])
    if _is(left, 0):
        return right
    return left if _is(right, 0) else Binary("add", left, right)


def sub(left: Expr, right: Expr) -> Expr:
    """Difference; index constants fold."""
    if both := _both(left, right):
        return Const(both[0] - both[1])
    return left if _is(right, 0) else Binary("sub", left, right)


def mul(left: Expr, right: Expr) -> Expr:
    """Product; index constants fold."""
    if both := _both(left, right):
        return Const(both[0] * both[1])
    if _is(left, 0) or _is(right, 1):
        return left
    return right if _is(right, 0) or _is(left, 1) else Binary("mul", left, right)


def floordiv(left: Expr, right: Expr) -> Expr:
    """Quotient rounded down; index constants fold."""
    if (both := _both(left, right)) and both[1]:
        return Const(both[0] // both[1])
    return left if _is(right, 1) else Binary("floordiv", left, right)


def mod(left: Expr, right: Expr) -> Expr:
    """Remainder of `floordiv`; index constants fold."""
    if (both := _both(left, right)) and both[1]:
        return Const(both[0] % both[1])
    return Const(0) if _is(right, 1) else Binary("mod", left, right)


def minimum(left: Expr, right: Expr) -> Expr:
    """The smaller; index constants fold."""
    if both := _both(left, right):
        return Const(min(both))
    same = left.dtype is INDEX and left == right
    return left if same else Binary("min", left, right)


def maximum(left: Expr, right: Expr) -> Expr:
    """The larger; index constants fold."""
    if both := _both(left, right):
        return Const(max(both))
    same = left.dtype is INDEX and left == right
    return left if same else Binary("max", left, right)
