"""Mark a loop to be run in vector lanes."""

from __future__ import annotations

from mlc.ir.affine import bounds_of
from mlc.ir.rewrite import free_variables, walk
from mlc.ir.stmt import For, If
from mlc.passes.schedule.dependence import Carried, carried_by
from mlc.passes.schedule.location import RefusalError, find_loop, ranges_of_loops
from mlc.passes.schedule.schedule import Schedule, primitive


@primitive
def vectorize(schedule: Schedule, loop: str) -> Schedule:
    """Run the iterations of an innermost loop as lanes of vectors.

    The loop carries nothing, or a reduction: `b[i] = b[i] op v[l]` over the loop `l` becomes a
    horizontal reduction. Refused where the loop has loops inside, carries a dependence, or where a
    condition inside depends on it.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func relu(x: f32[8], y: f32[8]) {
    ...   for i in 8 {
    ...     y[i] = max(x[i], 0.0:f32)
    ...   }
    ... }''')
    >>> print(print_func(vectorize(Schedule(func), "i").func))
    func relu(x: f32[8], y: f32[8]) {
      for vector i in 8 {
        y[i] = max(x[i], 0.0:f32)
      }
    }
    """
    place = find_loop(schedule.func.body, loop)
    old = place.stmt
    if old.kind != "serial":
        raise RefusalError(f"loop '{loop}' is {old.kind}, not serial", "kind", loop)
    for part in walk(old.body):
        if isinstance(part, For):
            reason = f"loop '{loop}' is not innermost: loop '{part.var}' is inside"
            raise RefusalError(reason, "not-innermost", loop)
        if isinstance(part, If) and loop in free_variables(part.condition):
            raise RefusalError(f"a condition depends on loop '{loop}'", "condition", loop)
    bounds = ranges_of_loops(schedule.func.body)
    if bounds_of(old.extent, bounds) is None:
        raise RefusalError(f"the extent of loop '{loop}' has no bound", "extent", loop)
    carried, buffer = carried_by(old, bounds)
    if carried is Carried.DEPENDENCE:
        reason = f"loop '{loop}' carries a dependence through '{buffer}'"
        raise RefusalError(reason, "dependence", loop)
    return schedule.with_body(place.replaced(For(loop, old.extent, "vector", old.body)))
