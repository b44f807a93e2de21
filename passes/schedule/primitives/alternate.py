"""Run a loop forwards and backwards in turn."""

from __future__ import annotations

from mlc.ir.expr import Binary, Const, Expr, Var
from mlc.ir.rewrite import free_variables, walk
from mlc.ir.stmt import For
from mlc.passes.schedule.dependence import Carried, carried_by
from mlc.passes.schedule.location import RefusalError, find_loop, ranges_of_loops
from mlc.passes.schedule.rewriting import substitute
from mlc.passes.schedule.schedule import Schedule, primitive


@primitive
def alternate(schedule: Schedule, loop: str, around: str) -> Schedule:
    """Run `loop` backwards in every second iteration of the loop `around` it.

    What the end of one iteration has read is still in cache when the next begins there. Refused
    where `loop` carries a dependence, where an extent inside depends on it, and for loops that are
    neither serial nor parallel or whose extent is not constant.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func sums(x: f32[8], y: f32[4]) {
    ...   for t in 4 {
    ...     for i in 8 {
    ...       y[t] = y[t] + x[i]
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(alternate(Schedule(func), "i", "t").func))
    func sums(x: f32[8], y: f32[4]) {
      for t in 4 {
        for i in 8 {
          y[t] = y[t] + x[t % 2 * 7 + i - t % 2 * i * 2]
        }
      }
    }
    """
    body = schedule.func.body
    place = find_loop(body, loop)
    old = place.stmt
    if all(not isinstance(part, For) or part.var != around for part in place.parents):
        raise RefusalError(f"loop '{loop}' is not inside loop '{around}'", "not-inside", loop)
    if old.kind not in ("serial", "parallel"):
        raise RefusalError(f"loop '{loop}' is {old.kind}", "kind", loop)
    if not isinstance(old.extent, Const):
        raise RefusalError(f"the extent of loop '{loop}' is not constant", "extent", loop)
    for part in walk(old.body):
        if isinstance(part, For) and loop in free_variables(part.extent):
            reason = f"the extent of loop '{part.var}' depends on loop '{loop}'"
            raise RefusalError(reason, "extent", part.var)
    bounds = ranges_of_loops(body)
    carried, buffer = carried_by(old, bounds)
    if carried is Carried.DEPENDENCE:
        reason = f"loop '{loop}' carries a dependence through '{buffer}'"
        raise RefusalError(reason, "dependence", loop)
    backwards = Binary("mod", Var(around), Const(2))
    last = int(old.extent.value) - 1
    position: Expr = Var(loop) + backwards * last - backwards * Var(loop) * 2
    inside = substitute(old.body, {loop: position}, bounds)
    return schedule.with_body(place.replaced(For(loop, old.extent, old.kind, inside)))
