"""The nests that write a temporary: whether they may move, and what is left of them for a piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlc.ir.affine import Bounds, simplify
from mlc.ir.expr import Const, Expr, Var, maximum, minimum
from mlc.ir.rewrite import free_variables, substitute_expr, walk
from mlc.ir.stmt import For, Stmt
from mlc.passes.schedule.dependence import accesses_of, read_buffers, written_buffers
from mlc.passes.schedule.location import RefusalError, fresh, range_of_loop, spine
from mlc.passes.schedule.region import Span, Walkers, ends_within, walkers_of
from mlc.passes.schedule.rewriting import substitute

Head = tuple[str, Expr] | None
"""The loop that takes the place of another: name and extent; None where it goes."""


def check_move(statements: Sequence[Stmt], producers: Sequence[int], to: int, buffer: str) -> None:
    """Refuse unless the `producers` (positions in the block) may run at position `to`."""
    if not producers:
        raise RefusalError(f"nothing writes '{buffer}'", "writers", buffer)
    if to in producers:
        raise RefusalError(f"'{buffer}' is written in the nest that reads it", "writers", buffer)
    if producers[-1] > to:
        raise RefusalError(f"'{buffer}' is written after it is read", "order", buffer)
    sources: set[str] = set()
    for position in producers:
        nest = statements[position]
        others = written_buffers(nest) - {buffer}
        if others:
            reason = f"a nest that writes '{buffer}' also writes '{min(others)}'"
            raise RefusalError(reason, "other-writes", buffer)
        if any(type(part) is For and part.kind == "parallel" for part in walk(nest)):
            raise RefusalError(f"a nest that writes '{buffer}' is parallel", "kind", buffer)
        sources |= read_buffers(nest) - {buffer}
    for part in statements[producers[0] : to + 1]:
        clash = sources & written_buffers(part)
        if clash:
            reason = f"'{min(clash)}', which '{buffer}' is made of, is written before it is read"
            raise RefusalError(reason, "overwritten", buffer)


def restrict(
    nest: Stmt,
    buffer: str,
    shape: Sequence[int],
    spans: Sequence[Span],
    bounds: Bounds,
    taken: set[str],
) -> Stmt:
    """The nest, computing only the `spans` of the buffer of that `shape`; indices stay absolute."""
    chain, body = spine(nest)
    walkers: Sequence[Walkers | None] = [None] * len(shape)
    indices = {access.index for access in accesses_of(nest) if access.buffer.name == buffer}
    if len(indices) == 1:
        walkers = walkers_of(next(iter(indices)), chain)
    replacement: dict[str, Expr] = {}
    heads: dict[str, Head] = {}
    local = dict(bounds)
    for dim, (span, walker) in enumerate(zip(spans, walkers, strict=True)):
        single = span.depth < 0 and span.extent == Const(1)
        if walker is None or not walker.digits:
            if span.is_whole(shape[dim]):
                continue
            reason = f"dimension {dim} of '{buffer}' is not walked by loops one to one"
            raise RefusalError(reason, "not-invertible", buffer)
        if span.is_whole(shape[dim]) and not single and len(walker.digits) == 1:
            continue
        start, extent = _cut(span, walker, shape[dim], bounds)
        names = [loop.var for loop in chain if any(loop.var == d[0] for d in walker.digits)]
        single = single and extent == Const(1)
        name = names[0] if len(names) == 1 else fresh("_".join(names), taken)
        local[name] = range_of_loop(extent, bounds) or (0, span.size - 1)
        replacement |= walker.solve(start if single else start + Var(name))
        heads |= dict.fromkeys(names, None)
        heads[names[0]] = None if single else (name, extent)
    return _rebuilt(chain, body, heads, replacement, local)


def _cut(span: Span, walker: Walkers, dim: int, bounds: Bounds) -> tuple[Expr, Expr]:
    """The span without what the nest does not write: its first index and its extent."""
    first, last = walker.offset, walker.offset + walker.count
    start, extent = span.base, span.extent
    if first > 0:
        start = simplify(maximum(span.base, Const(first)), bounds)
        extent = simplify(span.base + extent - start, bounds)
    if last < dim and not ends_within(start, extent, last, bounds):
        extent = simplify(minimum(extent, Const(last) - start), bounds)
    return start, extent


def _rebuilt(
    chain: Sequence[For],
    body: Stmt,
    heads: Mapping[str, Head],
    replacement: Mapping[str, Expr],
    bounds: Bounds,
) -> Stmt:
    body = substitute(body, replacement, bounds)
    for loop in reversed(chain):
        if loop.var not in heads:
            extent = loop.extent
            if free_variables(extent) & replacement.keys():
                extent = simplify(substitute_expr(extent, replacement), bounds)
            body = For(loop.var, extent, loop.kind, body)
            continue
        head = heads[loop.var]
        if head is not None:
            body = For(head[0], head[1], loop.kind, body)
    return body
