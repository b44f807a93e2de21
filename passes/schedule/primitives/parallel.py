"""Mark a loop to be shared out among threads."""

from __future__ import annotations

from itertools import pairwise

from mlc.ir.expr import Const
from mlc.ir.rewrite import walk
from mlc.ir.stmt import Alloc, For, If, Stmt
from mlc.passes.schedule.dependence import Carried, carried_by
from mlc.passes.schedule.location import RefusalError, find_loop, ranges_of_loops
from mlc.passes.schedule.schedule import Schedule, primitive


@primitive
def parallel(schedule: Schedule, loop: str) -> Schedule:
    """Let threads share the iterations of `loop`.

    The loop stands at the top of the function, in serial loops there, which then wait for all
    threads in every iteration, or directly inside a parallel loop. Its iterations write disjoint
    elements. Refused where it carries anything, reductions too, where its extent is not constant,
    and where temporaries inside live in the arena, or around it on the stack.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func relu(x: f32[8], y: f32[8]) {
    ...   for i in 8 {
    ...     y[i] = max(x[i], 0.0:f32)
    ...   }
    ... }''')
    >>> print(print_func(parallel(Schedule(func), "i").func))
    func relu(x: f32[8], y: f32[8]) {
      for parallel i in 8 {
        y[i] = max(x[i], 0.0:f32)
      }
    }
    """
    place = find_loop(schedule.func.body, loop)
    old = place.stmt
    if old.kind != "serial":
        raise RefusalError(f"loop '{loop}' is {old.kind}, not serial", "kind", loop)
    if not isinstance(old.extent, Const):
        raise RefusalError(f"the extent of loop '{loop}' is not constant", "extent", loop)
    _check_around(loop, (*place.parents, old))
    for part in walk(old.body):
        if isinstance(part, Alloc) and part.buffer.scope == "arena":
            reason = f"'{part.buffer.name}' inside loop '{loop}' lives in the arena"
            raise RefusalError(reason, "shared-temporary", part.buffer.name)
        if isinstance(part, For) and part.kind == "parallel":
            raise RefusalError(f"loop '{part.var}' inside is parallel already", "kind", part.var)
    carried, buffer = carried_by(old, ranges_of_loops(schedule.func.body))
    if carried is not Carried.NOTHING:
        reason = f"iterations of loop '{loop}' touch the same elements of '{buffer}'"
        raise RefusalError(reason, carried.value, loop)
    return schedule.with_body(place.replaced(For(loop, old.extent, "parallel", old.body)))


def _check_around(loop: str, path: tuple[Stmt, ...]) -> None:
    shared = False
    for part, below in pairwise(path):
        match part:
            case For(var, _, kind, _) if kind != "parallel":
                if shared or kind != "serial":
                    raise RefusalError(f"loop '{loop}' is inside loop '{var}'", "not-top", loop)
                continue
            case For(var) if not isinstance(below, For):
                reason = f"loop '{loop}' is not directly inside parallel loop '{var}'"
                raise RefusalError(reason, "not-top", loop)
            case For():
                shared = True
            case Alloc(buffer) if buffer.scope != "arena":
                reason = f"'{buffer.name}' around loop '{loop}' lives on the {buffer.scope}"
                raise RefusalError(reason, "shared-temporary", loop)
            case If():
                raise RefusalError(f"loop '{loop}' is inside a condition", "not-top", loop)
