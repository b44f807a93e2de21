"""Index arithmetic: linear forms, ranges, and the simplifier of every index in the loop IR.

An index is brought to the form `c0 + c1*a1 + c2*a2 + …` where the atoms `a` are variables or what
is not linear (a quotient, a remainder, a minimum). `bounds` maps variable names to inclusive
ranges; with them quotients, remainders, minima and comparisons are resolved where they are
decided.

Schedules ask for the same few forms over and over, so that what was found is remembered: the linear
form in the expression itself, simplified expressions in a table of bounded size.

    >>> from mlc.ir.expr import Var
    >>> o, i = Var("o"), Var("i")
    >>> simplify((o * 16 + i) // 16, {"i": (0, 15)})
    Var(name='o', type=I64)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

from mlc.ir.dtype import BOOL, INDEX
from mlc.ir.expr import (
    COMPARISONS,
    Binary,
    Const,
    Expr,
    Load,
    Select,
    Unary,
    Var,
    add,
    maximum,
    minimum,
    mul,
    sub,
)
from mlc.ir.remembered import remembered
from mlc.ir.rewrite import children, free_variables, rebuild

Range = tuple[int, int]
Bounds = Mapping[str, Range]


_REMEMBERED = 4096
"""How many simplified expressions are remembered."""


@dataclass(slots=True)
class Linear:
    """`constant + Σ terms[atom] * atom`; no term is zero. Shared, so never changed in place."""

    terms: Mapping[Expr, int]
    constant: int = 0

    def plus(self, other: Linear, factor: int = 1) -> Linear:
        """`self + factor * other`."""
        terms = dict(self.terms)
        for atom, coefficient in other.terms.items():
            total = terms.get(atom, 0) + factor * coefficient
            if total:
                terms[atom] = total
            else:
                terms.pop(atom, None)
        return Linear(terms, self.constant + factor * other.constant)

    def times(self, factor: int) -> Linear:
        """`factor * self`."""
        if factor == 0:
            return Linear({})
        return Linear({a: c * factor for a, c in self.terms.items()}, self.constant * factor)


def linear_form(expr: Expr) -> Linear:
    """The linear form of an index expression; what is not linear is an atom, left as it is."""
    if type(expr) is Const:
        return Linear({}, int(expr.value))
    if type(expr) is Binary and _is_linear(expr):
        return _linear_form(expr)
    return Linear({expr: 1})


def _is_linear(expr: Binary) -> bool:
    if expr.op == "mul":
        return type(expr.left) is Const or type(expr.right) is Const
    return expr.op == "add" or expr.op == "sub"


@remembered("_linear")
def _linear_form(expr: Binary) -> Linear:
    match expr:
        case Binary("mul", other, Const(value=factor)) | Binary("mul", Const(value=factor), other):
            return linear_form(other).times(int(factor))
    sign = 1 if expr.op == "add" else -1
    return linear_form(expr.left).plus(linear_form(expr.right), sign)


def to_expr(linear: Linear) -> Expr:
    """The expression of a linear form: larger coefficients first, the constant last.

    Where every coefficient is negative the constant leads: `49 - 6*o`.
    """
    leads = linear.constant > 0 and all(c < 0 for c in linear.terms.values())
    result: Expr = Const(linear.constant if leads else 0)
    for atom, coefficient in sorted(linear.terms.items(), key=_term_order):
        if coefficient < 0:
            result = sub(result, mul(atom, Const(-coefficient)))
        else:
            result = add(result, mul(atom, Const(coefficient)))
    if leads:
        return result
    if linear.constant < 0 and linear.terms:
        return sub(result, Const(-linear.constant))
    return add(result, Const(linear.constant))


def _term_order(term: tuple[Expr, int]) -> tuple[int, str]:
    atom, coefficient = term
    return -coefficient, atom.name if type(atom) is Var else "~"


def bounds_of(expr: Expr, bounds: Bounds) -> Range | None:
    """Inclusive range of an index expression, or None where nothing is known.

    >>> bounds_of(Var("i") * 4 + 3, {"i": (0, 7)})
    (3, 31)
    """
    match expr:
        case Const(value=value):
            return int(value), int(value)
        case Var(name=name):
            return bounds.get(name)
        case Binary("add" | "sub" | "mul"):
            return _range_of_linear(linear_form(expr), bounds, expr)
        case Binary(op, left, right):
            a, b = bounds_of(left, bounds), bounds_of(right, bounds)
            combine = _RANGES.get(op)
            return combine(a, b) if combine else None
        case Select(_, on_true, on_false):
            a, b = bounds_of(on_true, bounds), bounds_of(on_false, bounds)
            return None if a is None or b is None else (min(a[0], b[0]), max(a[1], b[1]))
    return None


def _range_of_linear(linear: Linear, bounds: Bounds, whole: Expr) -> Range | None:
    low = high = linear.constant
    for atom, coefficient in linear.terms.items():
        part = None if atom is whole or atom == whole else bounds_of(atom, bounds)
        if part is None:
            return None
        ends = (part[0] * coefficient, part[1] * coefficient)
        low, high = low + min(ends), high + max(ends)
    return low, high


def _range_floordiv(a: Range | None, b: Range | None) -> Range | None:
    if a is None or b is None or b[0] != b[1] or b[0] <= 0:
        return None
    return a[0] // b[0], a[1] // b[0]


def _range_mod(a: Range | None, b: Range | None) -> Range | None:
    if b is None or b[0] != b[1] or b[0] <= 0:
        return None
    if a is not None and a[0] // b[0] == a[1] // b[0]:
        return a[0] % b[0], a[1] % b[0]
    return 0, b[0] - 1


def _range_min(a: Range | None, b: Range | None) -> Range | None:
    return None if a is None or b is None else (min(a[0], b[0]), min(a[1], b[1]))


def _range_max(a: Range | None, b: Range | None) -> Range | None:
    return None if a is None or b is None else (max(a[0], b[0]), max(a[1], b[1]))


_RANGES: dict[str, Callable[[Range | None, Range | None], Range | None]] = {
    "floordiv": _range_floordiv,
    "mod": _range_mod,
    "min": _range_min,
    "max": _range_max,
}


def simplify(expr: Expr, bounds: Bounds) -> Expr:
    """Simplify every index expression in `expr`; other arithmetic is left alone.

    >>> m = Var("m")
    >>> simplify(m // 7 * 7 + m % 7, {"m": (0, 48)})
    Var(name='m', type=I64)
    """
    kind = type(expr)
    if kind is Var or kind is Const:
        return expr
    if kind is Binary and expr.dtype is INDEX and expr.lanes == 1:
        return _simplified(expr, tuple([(n, bounds.get(n)) for n in free_variables(expr)]))
    new = rebuild(expr, tuple([simplify(part, bounds) for part in children(expr)]))
    return _decided(new, bounds)


@lru_cache(_REMEMBERED)
def _simplified(expr: Expr, ranges: tuple[tuple[str, Range | None], ...]) -> Expr:
    """An index expression simplified under the ranges of its variables, None where not known."""
    return to_expr(_normal(expr, {name: known for name, known in ranges if known is not None}))


def _decided(expr: Expr, bounds: Bounds) -> Expr:
    """Resolve comparisons of indices, and logic and selections over constants."""
    match expr:
        case Binary(op, left, right) if op in COMPARISONS and left.dtype is INDEX:
            decided = _compare(op, left, right, bounds)
            return expr if decided is None else Const(decided, BOOL)
        case Binary("and", Const(value=value), other) | Binary(
            "and", other, Const(value=value)
        ) if other.dtype is BOOL:
            return other if value else Const(False, BOOL)
        case Binary("or", Const(value=value), other) | Binary("or", other, Const(value=value)) if (
            other.dtype is BOOL
        ):
            return Const(True, BOOL) if value else other
        case Unary("not", Const(value=value)) if expr.dtype is BOOL:
            return Const(not value, BOOL)
        case Select(Const(value=value), on_true, on_false):
            return on_true if value else on_false
    return expr


def _compare(op: str, left: Expr, right: Expr, bounds: Bounds) -> bool | None:
    difference = _normal(sub(left, right), bounds)
    found = _range_of_linear(difference, bounds, Const(0))
    if found is None:
        return None
    low, high = found
    always = {"lt": high < 0, "le": high <= 0, "gt": low > 0, "ge": low >= 0}
    never = {"lt": low >= 0, "le": low > 0, "gt": high <= 0, "ge": high < 0}
    equal, unequal = low == high == 0, low > 0 or high < 0
    always |= {"eq": equal, "ne": unequal}
    never |= {"eq": unequal, "ne": equal}
    return True if always[op] else False if never[op] else None


def _normal(expr: Expr, bounds: Bounds) -> Linear:
    """The linear form of a scalar index expression with every atom simplified."""
    match expr:
        case Const(value=value):
            return Linear({}, int(value))
        case Binary("add", left, right):
            return join(_normal(left, bounds).plus(_normal(right, bounds)))
        case Binary("sub", left, right):
            return join(_normal(left, bounds).plus(_normal(right, bounds), -1))
        case Binary("mul", left, right):
            return _product(_normal(left, bounds), _normal(right, bounds))
        case Binary("floordiv", left, Const(value=value)) if value > 0:
            return _quotient(_normal(left, bounds), int(value), bounds)
        case Binary("mod", left, Const(value=value)) if value > 0:
            return _remainder(_normal(left, bounds), int(value), bounds)
        case Binary("min" | "max" as op, left, right):
            return _extremum(op, _normal(left, bounds), _normal(right, bounds), bounds)
        case Var():
            return Linear({expr: 1})
        case Load(buffer, index):
            return Linear({Load(buffer, tuple([simplify(part, bounds) for part in index])): 1})
    simple = _decided(rebuild(expr, tuple([simplify(p, bounds) for p in children(expr)])), bounds)
    return Linear({simple: 1}) if not isinstance(simple, Const) else Linear({}, int(simple.value))


def _product(left: Linear, right: Linear) -> Linear:
    if not right.terms:
        return left.times(right.constant)
    if not left.terms:
        return right.times(left.constant)
    return Linear({mul(to_expr(left), to_expr(right)): 1})


def _split(linear: Linear, divisor: int) -> tuple[Linear, Linear]:
    """`linear = divisor * first + second`, as much as possible in the first."""
    whole, rest = {}, {}
    for atom, coefficient in linear.terms.items():
        if coefficient % divisor == 0:
            whole[atom] = coefficient // divisor
        else:
            rest[atom] = coefficient
    quotient, remainder = divmod(linear.constant, divisor)
    return Linear(whole, quotient), Linear(rest, remainder)


def _coarse_part(linear: Linear, divisor: int, bounds: Bounds) -> tuple[int, Linear, Linear] | None:
    """`linear = step * upper + lower` with 0 <= lower < step, where step divides `divisor`.

    Then `linear // divisor` is `upper // (divisor / step)`: a tile of 7 in rows of 14 has its row
    number from the number of the tile alone.
    """
    steps = {gcd(coefficient, divisor) for coefficient in linear.terms.values()}
    for step in sorted(steps - {1}, reverse=True):
        upper, lower = _split(linear, step)
        found = _range_of_linear(lower, bounds, Const(0))
        if found is not None and found[0] >= 0 and found[1] < step:
            return step, upper, lower
    return None


def _quotient(linear: Linear, divisor: int, bounds: Bounds) -> Linear:
    whole, rest = _split(linear, divisor)
    found = _range_of_linear(rest, bounds, Const(0))
    if found is not None and found[0] // divisor == found[1] // divisor:
        return Linear(whole.terms, whole.constant + found[0] // divisor)
    coarse = _coarse_part(rest, divisor, bounds)
    if coarse is not None:
        step, upper, _ = coarse
        return whole.plus(_quotient(upper, divisor // step, bounds))
    if len(rest.terms) == 1 and rest.constant == 0:
        ((atom, coefficient),) = rest.terms.items()
        match atom:
            case Binary("floordiv", inner, Const(value=value)) if coefficient == 1:
                return whole.plus(_quotient(linear_form(inner), divisor * int(value), bounds))
    if divisor == 1:
        return whole.plus(rest)
    return whole.plus(Linear({Binary("floordiv", to_expr(rest), Const(divisor)): 1}))


def _remainder(linear: Linear, divisor: int, bounds: Bounds) -> Linear:
    _, rest = _split(linear, divisor)
    found = _range_of_linear(rest, bounds, Const(0))
    if found is not None and found[0] // divisor == found[1] // divisor:
        return rest.plus(Linear({}, -(found[0] // divisor) * divisor))
    if len(rest.terms) == 1 and rest.constant == 0:
        ((atom, coefficient),) = rest.terms.items()
        match atom:
            case Binary("mod", inner, Const(value=value)) if (
                coefficient == 1 and value % divisor == 0
            ):
                return _remainder(linear_form(inner), divisor, bounds)
    coarse = _coarse_part(rest, divisor, bounds)
    if coarse is not None:
        step, upper, lower = coarse
        return _remainder(upper, divisor // step, bounds).times(step).plus(lower)
    return Linear({Binary("mod", to_expr(rest), Const(divisor)): 1})


def _extremum(op: str, left: Linear, right: Linear, bounds: Bounds) -> Linear:
    found = _range_of_linear(left.plus(right, -1), bounds, Const(0))
    if found is not None:
        if found[1] <= 0:
            return left if op == "min" else right
        if found[0] >= 0:
            return right if op == "min" else left
    make = minimum if op == "min" else maximum
    return linear_form(make(to_expr(left), to_expr(right)))


def join(linear: Linear) -> Linear:
    """Put quotients and remainders of one expression together again.

    `c*(x // c) + x % c` is `x`; `c*((y + x // c) % d) + x % c` is `(c*y + x) % (c*d)`. A remainder
    may have become simpler than its quotient: that of `6*o + i` by 2 is `i % 2`.
    """
    for atom, coefficient in linear.terms.items():
        match atom:
            case Binary("floordiv", inner, Const(value=value)) if coefficient % value == 0:
                factor = coefficient // int(value)
                rest = _remainder(linear_form(inner), int(value), {}).times(factor)
                if rest.terms and rest.terms.items() <= linear.terms.items():
                    others = linear.plus(Linear({atom: -coefficient})).plus(rest, -1)
                    return join(others.plus(linear_form(inner), factor))
            case Binary("mod", inner, Const(value=value)) if value > 1:
                divisor = int(value)
                joined = _join_one(linear, atom, coefficient, inner, divisor)
                if joined is not None:
                    return join(joined)
    return linear


def _join_one(
    linear: Linear, atom: Expr, coefficient: int, inner: Expr, divisor: int
) -> Linear | None:
    quotient = _quotient(linear_form(inner), divisor, {})
    if len(quotient.terms) != 1 or quotient.constant:
        return None
    ((high, factor),) = quotient.terms.items()
    if factor != 1:
        return None
    if linear.terms.get(high) == coefficient * divisor:
        rest = linear.plus(Linear({atom: -coefficient, high: -coefficient * divisor}))
        return rest.plus(linear_form(inner), coefficient)
    for other, other_coefficient in linear.terms.items():
        match other:
            case Binary("mod", low, Const(value=value)) if (
                other_coefficient == coefficient * divisor
            ):
                form = linear_form(low)
                if form.terms.get(high) != 1:
                    continue
                whole = form.plus(Linear({high: -1})).times(divisor).plus(linear_form(inner))
                rest = linear.plus(Linear({atom: -coefficient, other: -other_coefficient}))
                return rest.plus(_remainder(whole, divisor * int(value), {}), coefficient)
    return None
