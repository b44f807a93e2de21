"""What a loop carries from one iteration to another.

A loop carries nothing where any two of its iterations touch different elements of every buffer
that is written inside (buffers allocated inside are private). Two accesses are kept apart by one
dimension, or by all of them taken together as digits of one number: `(m // 7, m % 7)` is `m`. The
answers err on the safe side.

A loop carries a *reduction* where all it carries goes through stores of the form
`b[i] = b[i] op value` with one associative and commutative `op`; sums may be re-associated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from math import gcd

from mlc.ir.affine import Bounds, Linear, Range, bounds_of, linear_form, simplify
from mlc.ir.expr import Binary, Const, Expr, Load, Var
from mlc.ir.remembered import remembered
from mlc.ir.rewrite import free_variables, loads_in, statement_exprs, walk
from mlc.ir.stmt import Alloc, Buffer, For, Stmt, Store
from mlc.passes.schedule.rewriting import Index

REDUCTIONS = frozenset(("add", "mul", "min", "max", "and", "or"))
"""Associative and commutative operators."""

_REMEMBERED = 2048
"""How many pairs of indices are remembered."""


class Carried(Enum):
    """What goes from iteration to iteration of a loop."""

    NOTHING = "nothing"
    REDUCTION = "reduction"
    DEPENDENCE = "dependence"


@dataclass(frozen=True, slots=True)
class Access:
    """A load or a store: the buffer, the index, and the store it stands in, where there is one."""

    buffer: Buffer
    index: Index
    is_store: bool
    store: Store | None


@dataclass(frozen=True, slots=True)
class Tail:
    """A loop cut to what a split leaves it: `inner` stays below `total - factor * outer`."""

    outer: Var
    inner: Var
    factor: int
    total: int


@dataclass(frozen=True, slots=True)
class Inside:
    """The loops inside a loop: their variables, and those that are tails of another of them."""

    names: frozenset[str]
    tails: tuple[Tail, ...]


def loops_inside(loop: For) -> Inside:
    """The loops in the body of `loop`."""
    loops = [part for part in walk(loop.body) if type(part) is For]
    names = frozenset(part.var for part in loops)
    tails = [tail for part in loops for tail in _tails(part) if tail.outer.name in names]
    return Inside(names, tuple(tails))


def _tails(loop: For) -> list[Tail]:
    """`loop` as a tail, where its extent is `total - factor * outer`, or the minimum with it."""
    match loop.extent:
        case Const():
            return []
        case Binary("min", left, right):
            limits = [left, right]
        case extent:
            limits = [extent]
    found = []
    for limit in limits:
        form = linear_form(limit)
        match list(form.terms.items()):
            case [(Var() as outer, factor)] if factor < 0:
                found.append(Tail(outer, Var(loop.var), -factor, form.constant))
    return found


def accesses_of(stmt: Stmt) -> list[Access]:
    """Every load and store in a statement."""
    found: list[Access] = []
    for part in walk(stmt):
        store = part if isinstance(part, Store) else None
        if store is not None:
            found.append(Access(store.buffer, store.index, True, store))
        for expr in statement_exprs(part):
            found += [Access(load.buffer, load.index, False, store) for load in loads_in(expr)]
    return found


def touched_by(stmt: Stmt) -> Mapping[str, list[Access]]:
    """Every load and store of a statement by buffer, but for those of buffers allocated inside."""
    # A store's accesses hold the store: kept in it, they would keep each other in memory.
    return _by_buffer(stmt) if isinstance(stmt, Store) else _touched_inside(stmt)


@remembered("_touched")
def _touched_inside(stmt: Stmt) -> Mapping[str, list[Access]]:
    if isinstance(stmt, For) and isinstance(stmt.extent, Const):
        return touched_by(stmt.body)
    return _by_buffer(stmt)


def _by_buffer(stmt: Stmt) -> dict[str, list[Access]]:
    private = private_buffers(stmt)
    table: dict[str, list[Access]] = {}
    for access in accesses_of(stmt):
        if access.buffer.name not in private:
            table.setdefault(access.buffer.name, []).append(access)
    return table


def private_buffers(stmt: Stmt) -> set[str]:
    """Names of the buffers allocated inside a statement."""
    return {part.buffer.name for part in walk(stmt) if type(part) is Alloc}


def written_buffers(stmt: Stmt) -> set[str]:
    """Names of the buffers that a statement writes for others to see."""
    stored = {part.buffer.name for part in walk(stmt) if type(part) is Store}
    return stored - private_buffers(stmt)


def read_buffers(stmt: Stmt) -> set[str]:
    """Names of the buffers that a statement reads and does not allocate."""
    loaded = {a.buffer.name for a in accesses_of(stmt) if not a.is_store}
    return loaded - private_buffers(stmt)


def reduction_operator(store: Store) -> str | None:
    """`op` where the store is `b[i] = b[i] op value` and `value` does not read `b`."""
    value = store.value
    if not isinstance(value, Binary) or value.op not in REDUCTIONS:
        return None
    for old, other in ((value.left, value.right), (value.right, value.left)):
        if isinstance(old, Load) and old.buffer.name == store.buffer.name:
            reads = {load.buffer.name for load in loads_in(other)}
            same = old.index == store.index and store.buffer.name not in reads
            return value.op if same else None
    return None


def carried_by(loop: For, bounds: Bounds) -> tuple[Carried, str]:
    """What `loop` carries, and the buffer it goes through ("" where nothing is carried)."""
    if bounds.get(loop.var) == (0, 0):
        return Carried.NOTHING, ""
    inner = loops_inside(loop)
    verdict = Carried.NOTHING, ""
    for name, group in touched_by(loop.body).items():
        if not _conflicts(group, group, loop, inner, bounds):
            continue
        if not _is_reduction(group):
            return Carried.DEPENDENCE, name
        verdict = Carried.REDUCTION, name
    return verdict


def conflict_between(first: Stmt, second: Stmt, loop: For, bounds: Bounds) -> str | None:
    """A buffer of which different iterations of two statements in `loop` touch one element."""
    inner = loops_inside(loop)
    left, right = touched_by(first), touched_by(second)
    for name in left.keys() & right.keys():
        if _conflicts(left[name], right[name], loop, inner, bounds):
            return name
    return None


def _conflicts(
    left: list[Access], right: list[Access], loop: For, inner: Inside, bounds: Bounds
) -> bool:
    seen: set[tuple[Index, Index]] = set()
    for one in left:
        for other in right:
            if not (one.is_store or other.is_store):
                continue
            pair = one.index, other.index
            if pair in seen or (other.index, one.index) in seen:
                continue
            seen.add(pair)
            if not _apart(one.index, other.index, loop, inner, bounds):
                return True
    return False


def _is_reduction(group: Iterable[Access]) -> bool:
    """Whether all accesses to a buffer belong to stores that reduce with one operator."""
    operators = set()
    for access in group:
        operators.add(None if access.store is None else reduction_operator(access.store))
        if access.store is not None and access.store.buffer.name != access.buffer.name:
            return False
    return len(operators) == 1 and None not in operators


def _apart(left: Index, right: Index, loop: For, inner: Inside, bounds: Bounds) -> bool:
    """Whether the two indices, at different iterations of `loop`, are always different."""
    names = frozenset().union(*map(free_variables, left), *map(free_variables, right))
    tails = tuple([tail for tail in inner.tails if tail.inner.name in names])
    ranges = tuple([(name, bounds[name]) for name in names if name in bounds])
    return _are_apart(left, right, loop.var, Inside(names & inner.names, tails), ranges)


@lru_cache(_REMEMBERED)
def _are_apart(
    left: Index, right: Index, var: str, inner: Inside, ranges: tuple[tuple[str, Range], ...]
) -> bool:
    """The same, of nothing but what it depends on: schedules ask it of the same few indices."""
    bounds = dict(ranges)
    pairs = list(zip(left, right, strict=True))
    if any(_separates(a, b, var, inner, bounds) for a, b in pairs):
        return True
    touching = sum(var in free_variables(a) for a in left)
    if touching < 2:
        return False
    joined = _as_one_number(pairs, bounds)
    return joined is not None and _separates(*joined, var, inner, bounds)


def _as_one_number(pairs: list[tuple[Expr, Expr]], bounds: Bounds) -> tuple[Expr, Expr] | None:
    """Both indices as numbers in which every dimension is a digit."""
    first: Expr = Const(0)
    second: Expr = Const(0)
    radix = 1
    for left, right in reversed(pairs):
        one, other = bounds_of(left, bounds), bounds_of(right, bounds)
        if one is None or other is None:
            return None
        first, second = left * radix + first, right * radix + second
        radix *= max(one[1], other[1]) - min(one[0], other[0]) + 1
    return simplify(first, bounds), simplify(second, bounds)


def _separates(left: Expr, right: Expr, var: str, inner: Inside, bounds: Bounds) -> bool:
    """Whether `left` at one iteration and `right` at another can never be equal.

    With `left = c*v + small + big` and `right = c*v' + small' + big'`, where the small parts differ
    by less than `c` and the big parts by multiples of more than `c*(v - v') + small - small'` can
    reach, equality needs `v = v'`.
    """
    first, second = linear_form(left), linear_form(right)
    walking = Var(var)
    step = first.terms.get(walking, 0)
    extent = bounds.get(var)
    if step == 0 or second.terms.get(walking, 0) != step or extent is None:
        return False
    low = high = first.constant - second.constant
    spread = 0
    for sign, form, other in ((1, first, second.terms), (-1, second, first.terms)):
        terms, reached = _without_tails(form, inner.tails, abs(step))
        ends = sign * reached[0], sign * reached[1]
        low, high = low + min(ends), high + max(ends)
        for atom, coefficient in terms.items():
            if atom == walking:
                continue
            found = _range_inside(atom, var, inner, bounds)
            if found is None:
                if not _fixed(atom, var, inner) or other.get(atom, 0) != coefficient:
                    return False
            elif abs(coefficient) > abs(step) and found[0] != found[1]:
                spread = gcd(spread, coefficient)
            else:
                ends = sign * coefficient * found[0], sign * coefficient * found[1]
                low, high = low + min(ends), high + max(ends)
    reach = abs(step) * (extent[1] - extent[0]) + max(-low, high)
    return -abs(step) < low <= high < abs(step) and (spread == 0 or reach < spread)


def _without_tails(form: Linear, tails: Iterable[Tail], step: int) -> tuple[dict[Expr, int], Range]:
    """The terms other than `c * (factor * outer + inner)` of tails, and the range of those.

    Such a sum stays below `c * total`, less than the ranges of the two loops alone would tell.
    Parts with `c` above `step` stay: they count as big, whatever their range.
    """
    terms, low, high = dict(form.terms), 0, 0
    for tail in tails:
        coefficient = terms.get(tail.inner, 0)
        if 0 < abs(coefficient) <= step and terms.get(tail.outer) == coefficient * tail.factor:
            del terms[tail.inner], terms[tail.outer]
            reached = coefficient * (tail.total - 1)
            low, high = low + min(reached, 0), high + max(reached, 0)
    return terms, (low, high)


def _fixed(atom: Expr, var: str, inner: Inside) -> bool:
    """Whether the value of `atom` is the same in all iterations."""
    return not loads_in(atom) and not (free_variables(atom) & (inner.names | {var}))


def _range_inside(atom: Expr, var: str, inner: Inside, bounds: Bounds) -> Range | None:
    """The range of an atom that moves with the loops inside but not with `var`."""
    names = free_variables(atom)
    if var in names or not names & inner.names:
        return None
    return bounds_of(atom, bounds)
