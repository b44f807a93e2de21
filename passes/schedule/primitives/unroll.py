"""Mark a loop to be written out."""

from __future__ import annotations

from mlc.ir.affine import bounds_of
from mlc.ir.rewrite import walk
from mlc.ir.stmt import For
from mlc.passes.schedule.location import RefusalError, find_loop, ranges_of_loops
from mlc.passes.schedule.schedule import Schedule, primitive

MAX_UNROLL = 256


@primitive
def unroll(schedule: Schedule, loop: str) -> Schedule:
    """Write the iterations of `loop` one after the other in the code.

    Refused where the extent has no constant bound, or one above 256, and for loops with parallel
    loops inside.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func relu(x: f32[8], y: f32[8]) {
    ...   for i in 8 {
    ...     y[i] = max(x[i], 0.0:f32)
    ...   }
    ... }''')
    >>> print(print_func(unroll(Schedule(func), "i").func))
    func relu(x: f32[8], y: f32[8]) {
      for unroll i in 8 {
        y[i] = max(x[i], 0.0:f32)
      }
    }
    """
    place = find_loop(schedule.func.body, loop)
    old = place.stmt
    if old.kind != "serial":
        raise RefusalError(f"loop '{loop}' is {old.kind}, not serial", "kind", loop)
    for part in walk(old.body):
        if isinstance(part, For) and part.kind == "parallel":
            raise RefusalError(f"loop '{part.var}' inside is parallel", "kind", part.var)
    found = bounds_of(old.extent, ranges_of_loops(schedule.func.body))
    if found is None:
        raise RefusalError(f"the extent of loop '{loop}' has no bound", "extent", loop)
    if found[1] > MAX_UNROLL:
        reason = f"loop '{loop}' has {found[1]} iterations, more than {MAX_UNROLL}"
        raise RefusalError(reason, "too-large", loop)
    return schedule.with_body(place.replaced(For(loop, old.extent, "unroll", old.body)))
