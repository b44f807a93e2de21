"""Staging a piece of a buffer in a temporary: which piece, and the nests that copy it."""

from __future__ import annotations

from dataclasses import dataclass

from mlc.ir.affine import Bounds, simplify
from mlc.ir.expr import Const, Expr, Load, Var
from mlc.ir.rewrite import buffers_of
from mlc.ir.stmt import Buffer, Func, Stmt, Store, loops
from mlc.passes.schedule.dependence import accesses_of, private_buffers
from mlc.passes.schedule.location import (
    Location,
    RefusalError,
    find_loop,
    fresh,
    names_in,
    range_of_loop,
    ranges_of_loops,
)
from mlc.passes.schedule.region import Span, dense_buffer, relative, spans_of
from mlc.passes.schedule.rewriting import Index, rewrite_accesses
from mlc.passes.schedule.storage import check_scope


@dataclass(frozen=True, slots=True)
class Stage:
    """A buffer, the piece of it that the body at a place touches, and the temporary for it."""

    old: Buffer
    new: Buffer
    spans: tuple[Span, ...]
    place: Location[Stmt]
    bounds: Bounds

    def replaced_in(self, stmt: Stmt) -> Stmt:
        """The statement with all accesses to the buffer going to the temporary."""

        def moved(index: Index) -> Index:
            return relative(index, self.spans)

        return rewrite_accesses(stmt, self.old.name, self.new, moved, self.bounds)

    def copy(self, prefix: str, taken: set[str], *, out: bool) -> Stmt:
        """The nest that copies the piece into the temporary, or `out` of it."""
        here: list[Expr] = [Const(0)] * len(self.spans)
        nest: list[tuple[str, Expr]] = []
        order = sorted(range(len(self.spans)), key=lambda dim: (self.spans[dim].depth, dim))
        for dim in order:
            span = self.spans[dim]
            if span.depth >= 0 or span.extent != Const(1):
                name = fresh(f"{prefix}{dim}", taken)
                nest.append((name, span.extent))
                here[dim] = Var(name)
        bounds = dict(self.bounds)
        for name, extent in nest:
            bounds[name] = range_of_loop(extent, bounds) or (0, 0)
        there = [
            simplify(span.base + part, bounds) for span, part in zip(self.spans, here, strict=True)
        ]
        if out:
            return loops(nest, Store(self.old, tuple(there), Load(self.new, tuple(here))))
        return loops(nest, Store(self.new, tuple(here), Load(self.old, tuple(there))))


def stage(
    func: Func, buffer: str, loop: str | None, scope: str, name: str | None, taken: set[str]
) -> Stage:
    """The stage for what the body of `loop`, or of the function, touches of `buffer`."""
    old = buffers_of(func).get(buffer)
    if old is None:
        raise RefusalError(f"no buffer '{buffer}'", "no-such-buffer")
    place: Location[Stmt] = Location(func.body, ())
    if loop is not None:
        around = find_loop(func.body, loop)
        if around.stmt.kind in ("vector", "unroll"):
            raise RefusalError(f"loop '{loop}' is {around.stmt.kind}", "kind", loop)
        place = Location(around.stmt.body, (*around.parents, around.stmt))
    body = place.stmt
    where = f"inside loop '{loop}'" if loop is not None else "in the function"
    if buffer in private_buffers(body):
        raise RefusalError(f"'{buffer}' is a temporary {where}", "private", buffer)
    indices = [access.index for access in accesses_of(body) if access.buffer.name == buffer]
    if not indices:
        raise RefusalError(f"'{buffer}' is not touched {where}", "no-reads", buffer)
    bounds = ranges_of_loops(func.body)
    if loop is None:
        spans = tuple([Span(Const(0), Const(dim), dim, n) for n, dim in enumerate(old.shape)])
    else:
        spans = spans_of(indices, old.shape, body, bounds)
    taken |= names_in(func.body) | {param.name for param in func.params}
    new = dense_buffer(old, fresh(name or f"{buffer}_cache", taken), spans, scope)
    check_scope(new, place.parents, body)
    return Stage(old, new, spans, place, bounds)
