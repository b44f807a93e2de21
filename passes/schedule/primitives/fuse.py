"""Fuse two loops into one."""

from __future__ import annotations

from mlc.ir.expr import Const, Var
from mlc.ir.stmt import For
from mlc.passes.schedule.location import RefusalError, find_loop, fresh, names_in, ranges_of_loops
from mlc.passes.schedule.rewriting import substitute
from mlc.passes.schedule.schedule import Schedule, primitive


@primitive
def fuse(schedule: Schedule, outer: str, inner: str, *, name: str | None = None) -> Schedule:
    """Make one loop, called `name` or `outer_inner`, of two perfectly nested ones.

    Refused where `inner` is not directly inside `outer`, where an extent is not constant, and for
    loops that are not serial.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func copy(x: f32[49], y: f32[7,7]) {
    ...   for h in 7 {
    ...     for w in 7 {
    ...       y[h, w] = x[h * 7 + w]
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(fuse(Schedule(func), "h", "w").func))
    func copy(x: f32[49], y: f32[7,7]) {
      for h_w in 49 {
        y[h_w // 7, h_w % 7] = x[h_w]
      }
    }
    """
    body = schedule.func.body
    place = find_loop(body, outer)
    first, second = place.stmt, place.stmt.body
    if not isinstance(second, For) or second.var != inner:
        find_loop(body, inner)
        reason = f"loop '{inner}' is not directly inside loop '{outer}'"
        raise RefusalError(reason, "not-perfect", inner)
    counts = []
    for loop in (first, second):
        if loop.kind != "serial":
            raise RefusalError(f"loop '{loop.var}' is {loop.kind}, not serial", "kind", loop.var)
        if not isinstance(loop.extent, Const):
            reason = f"the extent of loop '{loop.var}' is not constant"
            raise RefusalError(reason, "extent", loop.var)
        counts.append(int(loop.extent.value))
    fused = fresh(name or f"{outer}_{inner}", names_in(body))
    total, width = counts[0] * counts[1], max(1, counts[1])
    bounds = ranges_of_loops(body)
    bounds[fused] = 0, max(0, total - 1)
    parts = {outer: Var(fused) // width, inner: Var(fused) % width}
    inside = substitute(second.body, parts, bounds)
    return schedule.with_body(place.replaced(For(fused, Const(total), "serial", inside)))
