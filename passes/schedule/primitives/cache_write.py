"""Write a piece of a buffer by way of a temporary."""

from __future__ import annotations

from mlc.ir.affine import simplify
from mlc.ir.expr import Const, Expr, Var
from mlc.ir.stmt import For, Stmt, Store
from mlc.passes.schedule.dependence import accesses_of, read_buffers, written_buffers
from mlc.passes.schedule.location import RefusalError, block, flatten, spine
from mlc.passes.schedule.region import walkers_of
from mlc.passes.schedule.schedule import Schedule, primitive
from mlc.passes.schedule.staging import Stage, stage
from mlc.passes.schedule.storage import is_parallel


@primitive
def cache_write(
    schedule: Schedule, buffer: str, loop: str | None, scope: str, *, name: str | None = None
) -> Schedule:
    """Let the body of `loop` write a temporary instead of `buffer`, and copy it back at its end.

    Without `loop`, the whole buffer is copied at the end of the function. The temporary is called
    `name` or `buffer_cache`; the loops of the copy are `name_out0, …`. Unless the first thing that
    happens to the piece is that all of it is set, it is copied in first, by loops `name_in0, …`.
    Refused inside parallel loops, and where the temporary does not fit in `scope`.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func rows(x: f32[4,8], y: f32[4]) {
    ...   for i in 4 {
    ...     y[i] = 0.0:f32
    ...     for k in 8 {
    ...       y[i] = y[i] + x[i, k]
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(cache_write(Schedule(func), "y", "i", "register").func))
    func rows(x: f32[4,8], y: f32[4]) {
      for i in 4 {
        alloc y_cache: f32[1] register {
          y_cache[0] = 0.0:f32
          for k in 8 {
            y_cache[0] = y_cache[0] + x[i, k]
          }
          y[i] = y_cache[0]
        }
      }
    }
    """
    taken: set[str] = set()
    made = stage(schedule.func, buffer, loop, scope, name, taken)
    body = made.place.stmt
    if buffer not in written_buffers(body):
        raise RefusalError(f"'{buffer}' is not written where it would be cached", "read", buffer)
    around = next((part for part in made.place.parents if is_parallel(part)), None)
    if isinstance(around, For):
        reason = f"'{buffer}' is written inside parallel loop '{around.var}'"
        raise RefusalError(reason, "parallel", around.var)
    parts = [made.replaced_in(body), made.copy(f"{made.new.name}_out", taken, out=True)]
    if not _is_set_first(body, made):
        parts.insert(0, made.copy(f"{made.new.name}_in", taken, out=False))
    return schedule.with_body(made.place.replaced(block((made.new,), parts)))


def _is_set_first(body: Stmt, made: Stage) -> bool:
    """Whether the first statement that touches the piece sets all of it."""
    name = made.old.name
    for part in flatten(body)[1]:
        if any(access.buffer.name == name for access in accesses_of(part)):
            chain, store = spine(part)
            if not isinstance(store, Store) or name in read_buffers(part):
                return False
            return _covers(store, chain, made)
    return False


def _covers(store: Store, chain: list[For], made: Stage) -> bool:
    """Whether the loops walk the piece from end to end."""
    index: list[Expr] = [
        simplify(part - span.base, made.bounds)
        for part, span in zip(store.index, made.spans, strict=True)
    ]
    extents = {loop.var: loop.extent for loop in chain}
    walked = walkers_of(tuple(index), chain)
    uses = [part.name for part in index if isinstance(part, Var)]
    for part, span, walker in zip(index, made.spans, walked, strict=True):
        if isinstance(part, Var) and uses.count(part.name) == 1:
            if extents.get(part.name) != span.extent:
                return False
        elif walker is None or walker.offset or Const(walker.count) != span.extent:
            return False
    return True
