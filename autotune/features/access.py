"""How an access moves through memory: what it steps by per loop, and what it reaches in a nest.

Indices need not be linear. A quotient steps by a share of its variable, a remainder as its
variable does, a minimum as the side that moves; what depends on data is taken to reach everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlc.ir.affine import linear_form
from mlc.ir.expr import Binary, Const, Expr, Load, Var
from mlc.ir.rewrite import free_variables, walk_expr
from mlc.ir.stmt import Buffer

LINE = 64
"""Bytes of a cache line."""

_FAR = 1 << 20
"""Elements that an index which depends on data is taken to move by."""

Steps = Mapping[str, float]


@dataclass(slots=True, eq=False)
class Access:
    """Reads or writes of a buffer at indices that differ by constants only.

    `steps`: per dimension, elements per iteration of each loop on the average; `strides`: elements
    of memory from one iteration of a loop to the next; `low`: per dimension, the smallest constant;
    `reach`: per dimension, elements between the first and the last inside the loops seen so far;
    `order`: the dimensions by rising stride; `key`: equal for accesses that step alike; `count`:
    how many there are.
    """

    buffer: Buffer
    write: bool
    irregular: bool
    steps: tuple[Steps, ...]
    strides: Mapping[str, int]
    low: list[int]
    reach: list[float]
    order: tuple[int, ...]
    key: tuple[object, ...]
    count: int = 1

    def copy(self) -> Access:
        """The same access, to be widened by itself."""
        return replace(self, low=list(self.low), reach=list(self.reach))

    def join(self, other: Access) -> None:
        """Reach what another access that steps alike reaches too."""
        self.count += other.count
        for dim, (low, reach) in enumerate(zip(other.low, other.reach, strict=True)):
            start = min(low, self.low[dim])
            self.reach[dim] = max(low + reach, self.low[dim] + self.reach[dim]) - start
            self.low[dim] = start

    def moves_with(self, loop: str) -> bool:
        """Whether another iteration of the loop is another element."""
        return any(loop in steps for steps in self.steps)

    def widen(self, loop: str, extent: float) -> None:
        """Count a loop around what was seen so far."""
        for dim, steps in enumerate(self.steps):
            step = steps.get(loop)
            if step:
                most = self.buffer.shape[dim] - 1
                self.reach[dim] = min(most, self.reach[dim] + step * (extent - 1))

    def lines(self) -> float:
        """Distinct cache lines that are touched, alignment left out."""
        run, count, dense = 1.0, 1.0, 1
        for dim in self.order:
            reached = self.reach[dim] + 1
            if self.buffer.strides[dim] == dense:
                run *= reached
                dense = dense * self.buffer.shape[dim] if reached == self.buffer.shape[dim] else -1
            else:
                count *= reached
        return count * max(1.0, run * self.buffer.dtype.bytes / LINE)

    def elements(self) -> float:
        """Distinct elements that are touched."""
        count = 1.0
        for reach in self.reach:
            count *= reach + 1
        return count


class AccessTable:
    """Makes accesses; indices that differ by constants only are analysed once."""

    def __init__(self) -> None:
        self._dims: dict[Expr, _Dimension] = {}
        self._orders: dict[tuple[int, ...], tuple[int, ...]] = {}

    def access(self, buffer: Buffer, index: Sequence[Expr], write: bool) -> Access:
        """The access of one load or store."""
        dims = [self._dims.get(part) or self._analyse(part) for part in index]
        strides: dict[str, int] = {}
        for dim, stride in zip(dims, buffer.strides, strict=True):
            for name, step in dim.near.items():
                strides[name] = strides.get(name, 0) + int(step) * stride
        order = self._orders.get(buffer.strides)
        if order is None:
            order = tuple(sorted(range(len(buffer.strides)), key=lambda d: abs(buffer.strides[d])))
            self._orders[buffer.strides] = order
        return Access(
            buffer,
            write,
            any(dim.irregular for dim in dims),
            tuple([dim.steps for dim in dims]),
            strides,
            [dim.constant for dim in dims],
            [0.0] * len(dims),
            order,
            (buffer.name, write, *[dim.key for dim in dims]),
        )

    def _analyse(self, index: Expr) -> _Dimension:
        found = self._dims[index] = _dimension(index)
        return found


@dataclass(slots=True)
class _Dimension:
    """An index: average steps, steps from one iteration to the next, a constant.

    `irregular`: it depends on data; `key`: the steps, to compare.
    """

    steps: dict[str, float]
    near: dict[str, float]
    constant: int = 0
    irregular: bool = False
    key: tuple[object, ...] = ()


def _dimension(index: Expr) -> _Dimension:
    if type(index) is Var:
        name = index.name
        return _Dimension({name: 1.0}, {name: 1.0}, key=(name,))
    linear = linear_form(index)
    found = _Dimension({}, {}, linear.constant)
    for atom, factor in linear.terms.items():
        part = _atom(atom)
        found.irregular |= part.irregular
        for name, step in part.steps.items():
            found.steps[name] = found.steps.get(name, 0.0) + abs(step * factor)
        for name, step in part.near.items():
            found.near[name] = found.near.get(name, 0.0) + step * factor
    found.key = tuple(found.steps.items())
    return found


def _atom(atom: Expr) -> _Dimension:
    match atom:
        case Var(name=name):
            return _Dimension({name: 1.0}, {name: 1.0})
        case Binary("floordiv", left, Const(value=value)) if value > 0:
            inner = _dimension(left)
            steps = {name: step / value for name, step in inner.steps.items()}
            near = {name: step // value for name, step in inner.near.items()}
            return _Dimension(steps, near, irregular=inner.irregular)
        case Binary("mod", left, Const(value=value)) if value > 0:
            inner = _dimension(left)
            near = {name: step % value for name, step in inner.near.items()}
            return _Dimension(inner.steps, near, irregular=inner.irregular)
        case Binary("min" | "max", left, right):
            return _dimension(left if free_variables(left) else right)
    data = any(type(part) is Load for part in walk_expr(atom))
    names = free_variables(atom)
    return _Dimension(
        dict.fromkeys(names, float(_FAR) if data else 1.0),
        dict.fromkeys(names, float(_FAR) if data else 1.0),
        irregular=data,
    )
