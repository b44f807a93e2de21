"""vectorize-loops: replace vector loops by vector expressions.

Holds before: vector loops have constant extents. After: no vector loop is left; a loop of extent
10 has become the vectors of 8 and of 2 lanes. A loop whose body has no vector form (a guarded
load that might leave its buffer, say) becomes a serial one, so the result is the same in any
case.

    for v in 8 vector { y[v] = x[v] * s[0] }
    →
    y[ramp(0, 1, 8)] = x[ramp(0, 1, 8)] * broadcast(s[0], 8)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mlc.ir.affine import Range, bounds_of, linear_form, simplify
from mlc.ir.dtype import INDEX
from mlc.ir.expr import (
    Binary,
    Broadcast,
    Call,
    Cast,
    Const,
    Expr,
    Load,
    Ramp,
    Select,
    Shuffle,
    Unary,
    Var,
)
from mlc.ir.rewrite import (
    children,
    depends_on,
    free_variables,
    rebuild,
    rebuild_stmt,
    substitute_expr,
    walk_expr,
)
from mlc.ir.stmt import For, Func, If, Prefetch, Seq, Stmt, Store, seq

MAX_LANES = 64
_REDUCTIONS = {"add": "reduce_add", "mul": "reduce_mul", "max": "reduce_max", "min": "reduce_min"}


class _NoVectorFormError(Exception):
    """Raised inside this pass alone: the loop stays scalar."""


def vectorize_loops(func: Func) -> Func:
    """Replace every vector loop of a function."""
    body = _visit(func.body, {})
    return func if body is func.body else replace(func, body=body)


def _visit(stmt: Stmt, bounds: dict[str, Range]) -> Stmt:
    if isinstance(stmt, For):
        known = bounds_of(stmt.extent, bounds)
        if stmt.kind == "vector":
            return _vector_loop(stmt, bounds)
        if known is not None:
            bounds = {**bounds, stmt.var: (0, known[1] - 1)}
    return rebuild_stmt(stmt, lambda part: _visit(part, bounds), lambda e: e, lambda b: b)


def _vector_loop(loop: For, bounds: dict[str, Range]) -> Stmt:
    serial = For(loop.var, loop.extent, "serial", loop.body)
    if not isinstance(loop.extent, Const):
        return serial
    extent = int(loop.extent.value)
    try:
        return seq(
            _Vectorizer(loop.var, start, lanes, bounds).statement(loop.body)
            for start, lanes in _chunks(extent)
        )
    except _NoVectorFormError:
        return serial


def _chunks(extent: int) -> list[tuple[int, int]]:
    """Cut an extent into powers of two, the largest first: 24 → [(0, 16), (16, 8)]."""
    chunks, start, lanes = [], 0, MAX_LANES
    while start < extent:
        if start + lanes <= extent:
            chunks.append((start, lanes))
            start += lanes
        else:
            lanes //= 2
    return chunks


@dataclass
class _Vectorizer:
    """Rewrites the body of one loop for the iterations `start … start + lanes - 1`."""

    var: str
    start: int
    lanes: int
    bounds: dict[str, Range]

    def statement(self, stmt: Stmt) -> Stmt:
        match stmt:
            case Store():
                return self.store(stmt)
            case Prefetch(index=index) if all(map(self.is_uniform, index)):
                return stmt
            case Seq(body=body):
                return seq(self.statement(part) for part in body)
            case For(var, extent, kind, body) if self.is_uniform(extent) and kind != "vector":
                known = bounds_of(extent, self.bounds)
                inner = self.bounds if known is None else {**self.bounds, var: (0, known[1] - 1)}
                nested = _Vectorizer(self.var, self.start, self.lanes, inner)
                return For(var, extent, kind, nested.statement(body))
            case If(condition, then, otherwise) if self.is_uniform(condition):
                other = None if otherwise is None else self.statement(otherwise)
                return If(condition, self.statement(then), other)
        raise _NoVectorFormError

    def is_uniform(self, expr: Expr) -> bool:
        return not depends_on(expr, self.var)

    def store(self, stmt: Store) -> Stmt:
        index = tuple(self.expr(part) for part in stmt.index)
        if any(part.lanes > 1 for part in index) or self.lanes == 1:
            if self.lanes > 1 and not _lanes_differ(index) and _reads_buffer(stmt):
                raise _NoVectorFormError
            return Store(stmt.buffer, index, self.wide(self.expr(stmt.value)))
        match stmt.value:
            case Binary(op, Load(buffer, place) as old, value) if (
                op in _REDUCTIONS and buffer.name == stmt.buffer.name and place == stmt.index
            ):
                vector = self.wide(self.expr(value))
                total = Call(_REDUCTIONS[op], (vector,), stmt.buffer.dtype)
                return Store(stmt.buffer, stmt.index, Binary(op, old, total))
        if self.is_uniform(stmt.value):
            return stmt
        raise _NoVectorFormError

    def expr(self, expr: Expr) -> Expr:
        """The vector form; stays scalar where the expression is the same in every lane."""
        if self.is_uniform(expr):
            return expr
        if self.lanes == 1:
            return simplify(substitute_expr(expr, {self.var: Const(self.start)}), self.bounds)
        if expr.dtype is INDEX and (ramp := self.ramp(expr)) is not None:
            return ramp
        return _FORMS[type(expr)](self, expr)

    def wide(self, expr: Expr) -> Expr:
        return expr if expr.lanes == self.lanes else Broadcast(expr, self.lanes)

    def ramp(self, expr: Expr) -> Expr | None:
        linear = linear_form(expr)
        stride = linear.terms.get(Var(self.var), 0)
        others = (atom for atom in linear.terms if atom != Var(self.var))
        if any(depends_on(atom, self.var) for atom in others):
            return None
        base = simplify(substitute_expr(expr, {self.var: Const(self.start)}), self.bounds)
        return Ramp(base, Const(stride), self.lanes)

    def binary(self, expr: Binary) -> Expr:
        return Binary(expr.op, self.wide(self.expr(expr.left)), self.wide(self.expr(expr.right)))

    def select(self, expr: Select) -> Expr:
        decided = self.decided_lanes(expr.condition)
        if decided is not None:
            return self.choose_lanes(decided, expr)
        condition = self.expr(expr.condition)
        arms = [self.wide(self.expr(arm)) for arm in (expr.on_true, expr.on_false)]
        if condition.lanes > 1 and not all(map(self.reads_inside, (expr.on_true, expr.on_false))):
            raise _NoVectorFormError
        return Select(condition, *arms)

    def decided_lanes(self, condition: Expr) -> list[bool] | None:
        """Whether a condition over this loop alone holds, lane by lane."""
        if free_variables(condition) != {self.var}:
            return None
        found = []
        for lane in range(self.start, self.start + self.lanes):
            known = simplify(substitute_expr(condition, {self.var: Const(lane)}), {})
            if not isinstance(known, Const):
                return None
            found.append(bool(known.value))
        return found

    def choose_lanes(self, decided: Sequence[bool], expr: Select) -> Expr:
        """A selection known for each lane: one of its arms, or a shuffle of both."""
        if len(set(decided)) == 1:
            return self.expr(expr.on_true if decided[0] else expr.on_false)
        arms = (self.wide(self.moved_inside(arm)) for arm in (expr.on_true, expr.on_false))
        picks = [lane if first else lane + self.lanes for lane, first in enumerate(decided)]
        return Shuffle(tuple(arms), tuple(picks))

    def moved_inside(self, expr: Expr) -> Expr:
        """The vector form of an arm, with vectors that begin or end outside moved inside.

        Lanes that are inside are shuffled back to their places; the others hold anything.
        """
        if self.reads_inside(expr):
            return self.expr(expr)
        if not isinstance(expr, Load):
            return rebuild(expr, tuple([self.wide(self.moved_inside(p)) for p in children(expr)]))
        index = [self.expr(part) for part in expr.index]
        moving = [axis for axis, part in enumerate(index) if part.lanes > 1]
        match [index[axis] for axis in moving]:
            case [Ramp(Const(value=base), Const(value=1), lanes)]:
                last = expr.buffer.shape[moving[0]] - lanes
                if last >= 0:
                    inside = min(max(int(base), 0), last)
                    index[moving[0]] = Ramp(Const(inside), Const(1), lanes)
                    picks = (lane + int(base) - inside for lane in range(lanes))
                    within = tuple([min(max(pick, 0), lanes - 1) for pick in picks])
                    return Shuffle((Load(expr.buffer, tuple(index)),), within)
        raise _NoVectorFormError

    def reads_inside(self, expr: Expr) -> bool:
        """Whether every load is inside its buffer whatever the condition says."""
        bounds = {**self.bounds, self.var: (self.start, self.start + self.lanes - 1)}
        for part in walk_expr(expr):
            if type(part) is Load:
                for place, size in zip(part.index, part.buffer.shape, strict=True):
                    known = bounds_of(simplify(place, bounds), bounds)
                    if known is None or known[0] < 0 or known[1] >= size:
                        return False
        return True


def _lanes_differ(index: tuple[Expr, ...]) -> bool:
    """Whether every lane is another element for certain."""
    return any(isinstance(part, Ramp) and part.stride != Const(0) for part in index)


def _reads_buffer(store: Store) -> bool:
    """Whether a store depends on what is in its buffer: several updates of one element add up."""
    loads = (part for part in walk_expr(store.value) if type(part) is Load)
    return any(load.buffer.name == store.buffer.name for load in loads)


_FORMS: dict[type, Callable[..., Expr]] = {
    Binary: _Vectorizer.binary,
    Unary: lambda v, e: Unary(e.op, v.expr(e.operand)),
    Cast: lambda v, e: Cast(v.expr(e.operand), e.type),
    Call: lambda v, e: Call(e.function, tuple(v.wide(v.expr(a)) for a in e.args), e.type),
    Select: _Vectorizer.select,
    Load: lambda v, e: Load(e.buffer, tuple(v.expr(part) for part in e.index)),
}
