"""How an access moves through memory: what it steps by per loop, and what it reaches in a nest.

Indices need not be linear. A quotient steps by a share of its variable, a remainder as its
variable does, a minimum as the side that moves; what depends on data is taken to reach everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

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
    `order`: the dimensions by rising stride; `quotients`: the divisions in the indices, each with
    the loops that change it; `key`: equal for accesses that step alike; `count`: how many there
    are.
    """

    buffer: Buffer
    write: bool
    irregular: bool
    steps: tuple[Steps, ...]
    strides: Mapping[str, int]
    low: list[int]
    reach: list[float]
    order: tuple[int, ...]
    quotients: Mapping[Expr, frozenset[str]]
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
        self._numbers: dict[object, int] = {}
        self._found: dict[int, tuple[_Form, int]] = {}
        self._forms: dict[object, _Form] = {}
        self._patterns: dict[tuple[object, ...], _Pattern] = {}

    def access(self, buffer: Buffer, index: Sequence[Expr], write: bool) -> Access:
        """The access of one load or store."""
        forms: list[_Form] = []
        low: list[int] = []
        for part in index:
            form, constant = self._analysed(part)
            forms.append(form)
            low.append(constant)
        key = (buffer.name, write, *map(id, forms))
        found = self._patterns.get(key)
        if found is None:
            found = self._patterns[key] = _pattern(buffer, forms)
        return Access(
            buffer,
            write,
            found.irregular,
            found.steps,
            found.strides,
            low,
            [0.0] * len(low),
            found.order,
            found.quotients,
            key,
        )

    def loads_in(self, index: Sequence[Expr]) -> list[Load]:
        """Loads that stand in indices: which element is read depends on them."""
        return [load for part in index for load in self._analysed(part)[0].loads]

    def _analysed(self, index: Expr) -> tuple[_Form, int]:
        """An index by what moves it, the same object for equal ones, and its constant."""
        if type(index) is Const:
            return _UNMOVED, int(index.value)
        number = self._number(index)
        found = self._found.get(number)
        if found is None:
            form, constant = _form(index)
            key = (tuple(form.near.items()), tuple(form.quotients), form.loads)
            found = self._found[number] = self._forms.setdefault(key, form), constant
        return found

    def _number(self, expr: Expr) -> int:
        """A number, the same for equal expressions: quicker than their own hash and equality."""
        key: object
        if type(expr) is Binary:
            key = (expr.op, self._number(expr.left), self._number(expr.right))
        elif type(expr) is Var:
            key = expr.name
        else:
            key = expr.value if type(expr) is Const else expr
        return self._numbers.setdefault(key, len(self._numbers))


@dataclass(slots=True, eq=False)
class _Form:
    """An index but for its constant: average steps, steps from one iteration to the next.

    `quotients`: divisions and the like, with the loops that change them; `loads`: what it depends
    on, where that is data.
    """

    steps: dict[str, float]
    near: dict[str, float]
    quotients: dict[Expr, frozenset[str]] = field(default_factory=dict)
    loads: tuple[Load, ...] = ()


_UNMOVED = _Form({}, {})


@dataclass(slots=True, eq=False)
class _Pattern:
    """What accesses that step alike share, see `Access`."""

    irregular: bool
    steps: tuple[Steps, ...]
    strides: Mapping[str, int]
    order: tuple[int, ...]
    quotients: Mapping[Expr, frozenset[str]]


def _pattern(buffer: Buffer, forms: Sequence[_Form]) -> _Pattern:
    strides: dict[str, int] = {}
    quotients: dict[Expr, frozenset[str]] = {}
    for form, stride in zip(forms, buffer.strides, strict=True):
        quotients |= form.quotients
        for name, step in form.near.items():
            strides[name] = strides.get(name, 0) + int(step) * stride
    order = sorted(range(len(buffer.strides)), key=lambda dim: abs(buffer.strides[dim]))
    irregular = any(form.loads for form in forms)
    steps = tuple([form.steps for form in forms])
    return _Pattern(irregular, steps, strides, tuple(order), quotients)


def _form(index: Expr) -> tuple[_Form, int]:
    if type(index) is Var:
        return _Form({index.name: 1.0}, {index.name: 1.0}), 0
    linear = linear_form(index)
    found = _Form({}, {})
    for atom, factor in linear.terms.items():
        part = _atom(atom)
        found.quotients |= part.quotients
        found.loads += part.loads
        for name, step in part.steps.items():
            found.steps[name] = found.steps.get(name, 0.0) + abs(step * factor)
        for name, step in part.near.items():
            found.near[name] = found.near.get(name, 0.0) + step * factor
    return found, linear.constant


def _atom(atom: Expr) -> _Form:
    match atom:
        case Var(name=name):
            return _Form({name: 1.0}, {name: 1.0})
        case Binary("floordiv" | "mod" as op, left, Const(value=value)) if value > 0:
            inner, _ = _form(left)
            quotients = {**inner.quotients, atom: frozenset(inner.steps)}
            if op == "mod":
                near = {name: step % value for name, step in inner.near.items()}
                return _Form(inner.steps, near, quotients, inner.loads)
            steps = {name: step / value for name, step in inner.steps.items()}
            near = {name: step // value for name, step in inner.near.items()}
            return _Form(steps, near, quotients, inner.loads)
        case Binary("min" | "max", left, right):
            inner, _ = _form(left if free_variables(left) else right)
            return replace(inner, quotients={**inner.quotients, atom: frozenset(inner.steps)})
    loads = tuple([part for part in walk_expr(atom) if type(part) is Load])
    names = free_variables(atom)
    step = float(_FAR) if loads else 1.0
    return _Form(dict.fromkeys(names, step), dict.fromkeys(names, step), loads=loads)
