"""Operations in an expression, by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from mlc.ir.expr import Binary, Call, Cast, Expr, Load, Select, Unary
from mlc.ir.rewrite import children

_DIVISIONS = frozenset(("div", "rem", "sqrt", "mod", "floordiv"))
_CHOICES = frozenset(("min", "max", "abs", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not"))


@dataclass(slots=True)
class Operations:
    """Operations per element.

    `fused`: multiply-adds; `simple`: other additions and multiplications of floats; `divisions`:
    with square roots; `choices`: comparisons, minima, selections; `calls`: functions such as
    `exp`; `casts`; `integers`: arithmetic on whole numbers. Indices are not counted.
    """

    fused: float = 0.0
    simple: float = 0.0
    divisions: float = 0.0
    choices: float = 0.0
    calls: float = 0.0
    casts: float = 0.0
    integers: float = 0.0

    def add(self, other: Operations, factor: float = 1.0) -> None:
        """Add `factor` times the operations of another expression."""
        for name in NAMES:
            setattr(self, name, getattr(self, name) + factor * getattr(other, name))


NAMES = tuple(field.name for field in fields(Operations))


def count_operations(expr: Expr, found: Operations, loads: list[Load]) -> None:
    """Add the operations of an expression to `found`, and to `loads` what it reads."""
    if type(expr) is Load:
        loads.append(expr)
        return
    visit = _COUNTERS.get(type(expr))
    if visit is not None:
        visit(expr, found)
    for part in children(expr):
        count_operations(part, found, loads)


def _binary(expr: Binary, found: Operations) -> None:
    if expr.op in _CHOICES:
        found.choices += 1
    elif not expr.left.dtype.is_float:
        found.integers += 1
    elif expr.op in _DIVISIONS:
        found.divisions += 1
    elif expr.op in ("add", "sub") and (_is_product(expr.left) or _is_product(expr.right)):
        found.fused += 1
        found.simple -= 1  # the product, which is counted by itself
    else:
        found.simple += 1


def _is_product(expr: Expr) -> bool:
    return type(expr) is Binary and expr.op == "mul" and expr.left.dtype.is_float


def _unary(expr: Unary, found: Operations) -> None:
    if expr.op in _DIVISIONS:
        found.divisions += 1
    elif expr.op in _CHOICES:
        found.choices += 1
    else:
        found.simple += 1


def _call(expr: Call, found: Operations) -> None:
    found.calls += 1


def _cast(expr: Cast, found: Operations) -> None:
    found.casts += 1


def _select(expr: Select, found: Operations) -> None:
    found.choices += 1


_COUNTERS: Mapping[type, Callable[..., None]] = {
    Binary: _binary,
    Unary: _unary,
    Call: _call,
    Cast: _cast,
    Select: _select,
}
