"""Permute perfectly nested loops."""

from __future__ import annotations

from mlc.ir.affine import Bounds
from mlc.ir.rewrite import free_variables
from mlc.ir.stmt import For
from mlc.passes.schedule.dependence import Carried, carried_by
from mlc.passes.schedule.location import (
    RefusalError,
    find_loop,
    ranges_of_loops,
    rebuild_spine,
    spine,
)
from mlc.passes.schedule.schedule import Schedule, primitive


@primitive
def reorder(schedule: Schedule, *loops: str) -> Schedule:
    """Put perfectly nested loops in the order given, outermost first.

    Loops between them that are not named stay where they are. Refused unless every loop that is
    moved or passed carries nothing, or only a reduction (sums may be re-associated), and where an
    extent depends on a loop that would come further inside.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func rows(x: f32[4,8], y: f32[4]) {
    ...   for i in 4 {
    ...     for k in 8 {
    ...       y[i] = y[i] + x[i, k]
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(reorder(Schedule(func), "k", "i").func))
    func rows(x: f32[4,8], y: f32[4]) {
      for k in 8 {
        for i in 4 {
          y[i] = y[i] + x[i, k]
        }
      }
    }
    """
    if len(set(loops)) < len(loops):
        raise RefusalError(f"a loop is named twice in {', '.join(loops)}", "named-twice")
    if len(loops) < 2:
        raise RefusalError("needs two loops or more", "too-few")
    body = schedule.func.body
    places = [find_loop(body, name) for name in loops]
    top = min(places, key=lambda place: len(place.parents))
    chain, _ = spine(top.stmt)
    old = [loop.var for loop in chain]
    for name in loops:
        if name not in old:
            reason = f"loop '{name}' is not perfectly nested in loop '{top.stmt.var}'"
            raise RefusalError(reason, "not-perfect", name)
    last = max(old.index(name) for name in loops)
    by_name = {loop.var: loop for loop in chain}
    queue = iter(loops)
    new = [by_name[next(queue)] if loop.var in loops else loop for loop in chain[: last + 1]]
    changed = [number for number, loop in enumerate(new) if loop is not chain[number]]
    if not changed:
        return schedule
    moved = new[changed[0] : changed[-1] + 1]
    _check(moved, new, ranges_of_loops(body))
    return schedule.with_body(top.replaced(rebuild_spine(new, chain[last].body)))


def _check(moved: list[For], new: list[For], bounds: Bounds) -> None:
    seen: set[str] = set()
    names = {loop.var for loop in new}
    for loop in new:
        early = (free_variables(loop.extent) & names) - seen
        if early:
            reason = f"the extent of loop '{loop.var}' depends on loop '{min(early)}'"
            raise RefusalError(f"{reason}, which would come inside", "extent", loop.var)
        seen.add(loop.var)
    for loop in moved:
        if loop.kind in ("parallel", "vector"):
            raise RefusalError(f"loop '{loop.var}' is {loop.kind} and stays", "kind", loop.var)
        carried, buffer = carried_by(loop, bounds)
        if carried is Carried.DEPENDENCE:
            reason = f"loop '{loop.var}' carries a dependence through '{buffer}'"
            raise RefusalError(reason, "dependence", loop.var)
