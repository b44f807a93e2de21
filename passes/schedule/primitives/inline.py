"""Compute a temporary where it is read."""

from __future__ import annotations

from mlc.ir.expr import Expr
from mlc.ir.rewrite import substitute_expr
from mlc.ir.stmt import Stmt, Store
from mlc.passes.schedule.dependence import accesses_of, read_buffers, written_buffers
from mlc.passes.schedule.location import (
    RefusalError,
    block,
    find_alloc,
    flatten,
    ranges_of_loops,
    spine,
)
from mlc.passes.schedule.region import walkers_of
from mlc.passes.schedule.rewriting import Index, replace_loads
from mlc.passes.schedule.schedule import Schedule, primitive


@primitive
def inline(schedule: Schedule, buffer: str) -> Schedule:
    """Put the value of a temporary into every expression that reads it; the temporary goes.

    The temporary is written by one nest with one store, whose index is walked by the loops of the
    nest one to one. Refused where something the value is made of is written between the nest and a
    reader.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func relu_of_sum(x: f32[8], y: f32[8], z: f32[8]) {
    ...   alloc t: f32[8] arena {
    ...     for i in 8 {
    ...       t[i] = x[i] + y[i]
    ...     }
    ...     for j in 8 {
    ...       z[j] = max(t[j], 0.0:f32)
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(inline(Schedule(func), "t").func))
    func relu_of_sum(x: f32[8], y: f32[8], z: f32[8]) {
      for j in 8 {
        z[j] = max(x[j] + y[j], 0.0:f32)
      }
    }
    """
    place = find_alloc(schedule.func.body, buffer)
    buffers, statements = flatten(place.stmt.body)
    writers = [part for part in statements if buffer in written_buffers(part)]
    if len(writers) != 1:
        reason = f"'{buffer}' is written by {len(writers)} nests, not one"
        raise RefusalError(reason, "writers", buffer)
    chain, store = spine(writers[0])
    if not isinstance(store, Store):
        reason = f"the nest that writes '{buffer}' is more than loops around one store"
        raise RefusalError(reason, "writers", buffer)
    if buffer in read_buffers(writers[0]):
        raise RefusalError(f"the nest that writes '{buffer}' reads it", "recurrence", buffer)
    walkers = walkers_of(store.index, chain)
    walked = {var for one in walkers if one is not None for var, _, _ in one.digits}
    if None in walkers or walked != {loop.var for loop in chain}:
        reason = f"the index that '{buffer}' is written at is not its loops one to one"
        raise RefusalError(reason, "not-invertible", buffer)
    _check_readers(statements, writers[0], buffer)
    value = store.value

    def at(index: Index) -> Expr:
        solution: dict[str, Expr] = {}
        for walker, position in zip(walkers, index, strict=True):
            if walker is not None:
                solution |= walker.solve(position)
        return substitute_expr(value, solution)

    bounds = ranges_of_loops(schedule.func.body)
    readers = [
        replace_loads(part, buffer, at, bounds) for part in statements if part is not writers[0]
    ]
    return schedule.with_body(place.replaced(block(buffers, readers)))


def _check_readers(statements: list[Stmt], writer: Stmt, buffer: str) -> None:
    sources = read_buffers(writer)
    overwritten: set[str] = set()
    for part in statements[statements.index(writer) + 1 :]:
        overwritten |= written_buffers(part)
        clash = sources & overwritten
        if clash and any(access.buffer.name == buffer for access in accesses_of(part)):
            reason = f"'{min(clash)}', which '{buffer}' is made of, is written before it is read"
            raise RefusalError(reason, "overwritten", buffer)
