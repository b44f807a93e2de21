"""Statements of the loop IR, buffers and functions.

A `Func` is one kernel. Loop variables run from 0 to `extent - 1`; names of variables and buffers
are unique within a function. Indices are logical: the strides of the buffer place them in memory.

Buffer scopes:
  param     given by the caller: an input, an output, or an intermediate of the model's arena
  constant  given by the caller, contents known when the model is compiled
  arena     allocated in the arena of the model for the time of the call
  stack     allocated on the stack of the thread that runs the surrounding iteration
  register  every index is constant once loops are unrolled; the back end keeps it in registers
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlc.ir.dtype import DType
from mlc.ir.expr import Const, Expr, ExprLike, as_expr
from mlc.ir.remembered import hash_of

SCOPES = ("param", "constant", "arena", "stack", "register")
LOOP_KINDS = ("serial", "parallel", "vector", "unroll")


@dataclass(frozen=True, slots=True)
class Buffer:
    """A strided array: `shape` and `strides` in elements, `align` of its start in bytes."""

    name: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: DType
    scope: str = "param"
    align: int = 4

    @staticmethod
    def dense(name: str, shape: Sequence[int], dtype: DType, scope: str = "param") -> Buffer:
        """A row-major buffer without gaps."""
        strides, step = [], 1
        for dim in reversed(shape):
            strides.append(step)
            step *= dim
        return Buffer(name, tuple(shape), tuple(reversed(strides)), dtype, scope, dtype.bytes)

    @property
    def elements(self) -> int:
        """Number of logical elements."""
        return math.prod(self.shape)

    @property
    def span(self) -> int:
        """Elements of memory from the first to the last, gaps included."""
        if 0 in self.shape:
            return 0
        return 1 + sum((d - 1) * s for d, s in zip(self.shape, self.strides, strict=True))

    def __hash__(self) -> int:
        return hash(self.name)


class Stmt:
    """Base of all statements."""

    __slots__ = ("_hash", "_inside", "_mentions", "_text", "_touched")


@dataclass(frozen=True, slots=True)
class Store(Stmt):
    """Write `value` at a logical `index`; a vector where one index is a `Ramp`."""

    buffer: Buffer
    index: tuple[Expr, ...]
    value: Expr

    __hash__ = hash_of("buffer", "index", "value")


@dataclass(frozen=True, slots=True)
class Prefetch(Stmt):
    """Ask for the cache line at `index` ahead of its use; a hint, which changes no value.

    The strides place the index, which may leave its dimensions and the buffer: that cannot fault.
    """

    buffer: Buffer
    index: tuple[Expr, ...]

    __hash__ = hash_of("buffer", "index")


@dataclass(frozen=True, slots=True)
class For(Stmt):
    """Run `body` with `var` = 0 … extent − 1. Kind: serial, parallel, vector or unroll."""

    var: str
    extent: Expr
    kind: str
    body: Stmt

    __hash__ = hash_of("var", "extent", "kind", "body")


@dataclass(frozen=True, slots=True)
class If(Stmt):
    """Run `then` where `condition` holds, else `otherwise` if there is one."""

    condition: Expr
    then: Stmt
    otherwise: Stmt | None = None

    __hash__ = hash_of("condition", "then", "otherwise")


@dataclass(frozen=True, slots=True)
class Seq(Stmt):
    """Statements one after the other; never nested in another `Seq`, never of length one."""

    body: tuple[Stmt, ...]

    __hash__ = hash_of("body")


@dataclass(frozen=True, slots=True)
class Alloc(Stmt):
    """`buffer`, with undefined contents, lives for the time of `body`."""

    buffer: Buffer
    body: Stmt

    __hash__ = hash_of("buffer", "body")


@dataclass(frozen=True, slots=True)
class Func:
    """A kernel: parameters in the order of the call, a body, and the model nodes it computes.

    `prepare` are functions of constants alone (their last parameter is what they write, a
    `constant` parameter of this function); they run once, when the model is compiled.
    """

    name: str
    params: tuple[Buffer, ...]
    body: Stmt
    loc: tuple[str, ...] = ()
    prepare: tuple[Func, ...] = ()


def seq(statements: Iterable[Stmt]) -> Stmt:
    """One statement out of many: flattens nested `Seq`s; a single statement stays itself."""
    flat: list[Stmt] = []
    for stmt in statements:
        flat.extend(stmt.body if isinstance(stmt, Seq) else (stmt,))
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))


def loops(names_and_extents: Iterable[tuple[str, ExprLike]], body: Stmt) -> Stmt:
    """Wrap `body` in serial loops, outermost first."""
    for name, extent in reversed(list(names_and_extents)):
        body = For(name, as_expr(extent), "serial", body)
    return body


def zero_of(dtype: DType) -> Const:
    """The zero of an element type."""
    return Const({"float": 0.0, "storage": 0.0, "bool": False}.get(dtype.kind, 0), dtype)
