"""Which part of a buffer a loop's body touches, and which loops of a nest walk an index.

`spans_of` gives per dimension a base in variables of the loops outside and an extent; where an
index is not affine the whole dimension is taken, which is always right. `walkers_of` inverts an
index: `h*7 + w` is walked by the loops `h` and `w` as the digits of one number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlc.ir.affine import Bounds, Linear, bounds_of, linear_form, simplify, to_expr
from mlc.ir.expr import Binary, Const, Expr, Var, maximum, minimum
from mlc.ir.rewrite import free_variables, loads_in, walk
from mlc.ir.stmt import Buffer, For, Stmt
from mlc.passes.schedule.rewriting import Index


@dataclass(frozen=True, slots=True)
class Span:
    """`extent` elements of one dimension from `base` on; at most `size`, a constant.

    `depth` orders the dimensions as the loops inside walk them: the greatest is walked by the
    innermost loop; −1 where no loop inside walks the dimension.
    """

    base: Expr
    extent: Expr
    size: int
    depth: int

    def is_whole(self, dim: int) -> bool:
        """Whether this is all of a dimension of size `dim`."""
        return self.base == Const(0) and self.extent == Const(dim)


def spans_of(
    indices: Sequence[Index], shape: Sequence[int], body: Stmt, bounds: Bounds
) -> tuple[Span, ...]:
    """The part of a buffer of that `shape` that `indices` reach while the loops in `body` run."""
    inner = {part.var: part.extent for part in walk(body) if type(part) is For}
    columns = zip(*indices, strict=True)
    return tuple(
        [_span(column, dim, inner, bounds) for column, dim in zip(columns, shape, strict=True)]
    )


def relative(index: Index, spans: Sequence[Span]) -> Index:
    """Where an element of the buffer is in a buffer that holds the spans."""
    return tuple(
        [
            part - span.base if span.size > 1 else Const(0)
            for part, span in zip(index, spans, strict=True)
        ]
    )


def dense_buffer(old: Buffer, name: str, spans: Sequence[Span], scope: str) -> Buffer:
    """A buffer that holds the spans, densely, in the order in which the loops inside walk them."""
    order = sorted(range(len(spans)), key=lambda dim: (spans[dim].depth, dim))
    strides = [0] * len(spans)
    step = 1
    for dim in reversed(order):
        strides[dim] = step
        step *= spans[dim].size
    shape = tuple([span.size for span in spans])
    return Buffer(name, shape, tuple(strides), old.dtype, scope, old.dtype.bytes)


def _span(column: Sequence[Expr], dim: int, inner: Mapping[str, Expr], bounds: Bounds) -> Span:
    names = list(inner)
    used = [names.index(name) for expr in column for name in free_variables(expr) if name in inner]
    depth = max(used, default=-1)
    whole = Span(Const(0), Const(dim), dim, depth)
    parts = [_parted(linear_form(expr), inner, bounds) for expr in column]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or any(part[0].terms != known[0][0].terms for part in known):
        return whole
    low = min(outer.constant + least for outer, _, least, _ in known)
    high = max(outer.constant + most for outer, _, _, most in known)
    size = high - low + 1
    base = simplify(to_expr(Linear(known[0][0].terms, low)), bounds)
    if size >= dim:
        return whole
    moving = known[0][1]
    if all(part[1].terms == moving.terms for part in known):
        spread = max(p[0].constant for p in known) - min(p[0].constant for p in known)
        extent = simplify(_varying_extent(moving, inner, size, spread), bounds)
    else:
        extent = Const(size)
    return _inside(Span(base, extent, size, depth), dim, bounds)


def _parted(
    linear: Linear, inner: Mapping[str, Expr], bounds: Bounds
) -> tuple[Linear, Linear, int, int] | None:
    """What is fixed, what moves with the loops inside, and the range of the latter."""
    fixed: dict[Expr, int] = {}
    moving: dict[Expr, int] = {}
    low = high = 0
    for atom, coefficient in linear.terms.items():
        if loads_in(atom):
            return None
        names = free_variables(atom)
        if not any(name in inner for name in names):
            fixed[atom] = coefficient
            continue
        found = bounds_of(atom, bounds)
        if found is None or any(name not in inner for name in names):
            return None
        moving[atom] = coefficient
        ends = coefficient * found[0], coefficient * found[1]
        low, high = low + min(ends), high + max(ends)
    return Linear(fixed, linear.constant), Linear(moving), low, high


def _varying_extent(moving: Linear, inner: Mapping[str, Expr], size: int, spread: int) -> Expr:
    """1 + Σ |c|·(extent − 1) where the loops' extents depend on loops outside only; else `size`."""
    constant = 1 + spread
    varying: list[tuple[Expr, int]] = []
    for atom, coefficient in moving.terms.items():
        if type(atom) is not Var or atom.name not in inner:
            return Const(size)
        extent = inner[atom.name]
        if any(name in inner for name in free_variables(extent)):
            return Const(size)
        if isinstance(extent, Const):
            constant += (int(extent.value) - 1) * abs(coefficient)
        else:
            constant -= abs(coefficient)
            varying.append((extent, abs(coefficient)))
    if len(varying) == 1:
        return _scaled(*varying[0], constant)
    total: Expr = Const(constant)
    for extent, coefficient in varying:
        total = total + extent * coefficient
    return total


def _scaled(extent: Expr, factor: int, offset: int) -> Expr:
    """`extent * factor + offset`, with minima outside: so tails keep the form of tails."""
    if isinstance(extent, Binary) and extent.op == "min":
        left, right = _scaled(extent.left, factor, offset), _scaled(extent.right, factor, offset)
        return minimum(left, right)
    return extent * factor + offset


def _inside(span: Span, dim: int, bounds: Bounds) -> Span:
    """The span cut to `[0, dim)`, unless it lies inside for sure."""
    base, extent = span.base, span.extent
    found = bounds_of(base, bounds)
    if found is None or found[0] < 0:
        extent = simplify(base + extent - maximum(base, Const(0)), bounds)
        base = simplify(maximum(base, Const(0)), bounds)
    if not ends_within(base, extent, dim, bounds):
        extent = simplify(minimum(extent, Const(dim) - base), bounds)
    return Span(base, extent, span.size, span.depth)


def ends_within(base: Expr, extent: Expr, limit: int, bounds: Bounds) -> bool:
    """Whether `base + extent ≤ limit` for sure; `6*o + min(6, 49 - 6*o)` is seen to be ≤ 49."""
    if isinstance(extent, Binary) and extent.op == "min":
        return ends_within(base, extent.left, limit, bounds) or ends_within(
            base, extent.right, limit, bounds
        )
    found = bounds_of(simplify(base + extent, bounds), bounds)
    return found is not None and found[1] <= limit


@dataclass(frozen=True, slots=True)
class Walkers:
    """The loops that walk one dimension, as digits: (variable, weight, extent), heaviest first.

    The index is `offset + Σ weight * variable`.
    """

    digits: tuple[tuple[str, int, int], ...]
    offset: int

    @property
    def count(self) -> int:
        """How many elements are walked."""
        return self.digits[0][1] * self.digits[0][2] if self.digits else 1

    def solve(self, index: Expr) -> dict[str, Expr]:
        """The variables at which the walked index is `index`."""
        position = index - self.offset
        solution: dict[str, Expr] = {var: Const(0) for var, _, _ in self.digits}
        walking = [digit for digit in self.digits if digit[2] > 1] or self.digits[:1]
        for number, (var, weight, extent) in enumerate(walking):
            digit = position // weight
            solution[var] = digit % extent if number > 0 else digit
        return solution


def walkers_of(index: Index, chain: Sequence[For]) -> list[Walkers | None]:
    """Per dimension the loops of `chain` that walk it, or None where they are no clean digits.

    A loop that walks two dimensions is a walker of neither.
    """
    extents = {loop.var: int(loop.extent.value) for loop in chain if isinstance(loop.extent, Const)}
    found = [_digits(linear_form(expr), extents) for expr in index]
    uses = [name for expr in index for name in free_variables(expr)]
    return [
        None
        if walkers is None or any(uses.count(var) > 1 for var, _, _ in walkers.digits)
        else walkers
        for walkers in found
    ]


def _digits(linear: Linear, extents: Mapping[str, int]) -> Walkers | None:
    digits, units = [], []
    weight = 1
    for atom, coefficient in sorted(linear.terms.items(), key=lambda term: term[1]):
        if type(atom) is not Var or atom.name not in extents:
            return None
        extent = extents[atom.name]
        if extent == 1:
            units.append(atom.name)
            continue
        if coefficient != weight:
            return None
        digits.append((atom.name, weight, extent))
        weight *= extent
    digits += [(name, weight, 1) for name in units]
    return Walkers(tuple(reversed(digits)), linear.constant)
