"""Make two loops of one."""

from __future__ import annotations

from collections.abc import Sequence

from mlc.ir.expr import Var
from mlc.ir.stmt import Buffer, For, Stmt, seq
from mlc.passes.schedule.dependence import accesses_of, conflict_between
from mlc.passes.schedule.location import (
    RefusalError,
    block,
    find_loop,
    flatten,
    fresh,
    names_in,
    ranges_of_loops,
)
from mlc.passes.schedule.rewriting import substitute
from mlc.passes.schedule.schedule import Schedule, primitive


@primitive
def fission(schedule: Schedule, loop: str, *, after: int = 1, name: str | None = None) -> Schedule:
    """Run the first `after` statements of `loop` for all iterations, then the others in a new loop.

    The new loop is called `name`, or the old name with a number. Refused where different iterations
    of the two parts touch the same elements, or share a temporary.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func two(x: f32[8], y: f32[8], z: f32[8]) {
    ...   for i in 8 {
    ...     y[i] = x[i] + x[i]
    ...     z[i] = y[i] * x[i]
    ...   }
    ... }''')
    >>> print(print_func(fission(Schedule(func), "i").func))
    func two(x: f32[8], y: f32[8], z: f32[8]) {
      for i in 8 {
        y[i] = x[i] + x[i]
      }
      for i2 in 8 {
        z[i2] = y[i2] * x[i2]
      }
    }
    """
    body = schedule.func.body
    place = find_loop(body, loop)
    old = place.stmt
    if old.kind != "serial":
        raise RefusalError(f"loop '{loop}' is {old.kind}, not serial", "kind", loop)
    buffers, statements = flatten(old.body)
    if not 0 < after < len(statements):
        reason = f"loop '{loop}' has {len(statements)} statements, none after {after}"
        raise RefusalError(reason, "bad-factor", loop)
    first, second = statements[:after], statements[after:]
    used = [{a.buffer.name for part in half for a in accesses_of(part)} for half in (first, second)]
    shared = next((b.name for b in buffers if b.name in used[0] and b.name in used[1]), None)
    if shared is not None:
        raise RefusalError(f"both parts use the temporary '{shared}'", "shared-temporary", shared)
    bounds = ranges_of_loops(body)
    conflict = conflict_between(seq(first), seq(second), old, bounds)
    if conflict is not None:
        reason = f"the parts of loop '{loop}' depend on each other through '{conflict}'"
        raise RefusalError(reason, "dependence", loop)
    other = fresh(name or loop, names_in(body))
    if loop in bounds:
        bounds[other] = bounds[loop]
    rest = substitute(_half(buffers, second, used[1]), {loop: Var(other)}, bounds)
    parts = (
        For(loop, old.extent, "serial", _half(buffers, first, used[0])),
        For(other, old.extent, "serial", rest),
    )
    return schedule.with_body(place.replaced(seq(parts)))


def _half(buffers: Sequence[Buffer], statements: Sequence[Stmt], used: set[str]) -> Stmt:
    return block([buffer for buffer in buffers if buffer.name in used], statements)
