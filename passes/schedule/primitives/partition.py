"""Cut the range of a loop in two."""

from __future__ import annotations

from mlc.ir.affine import Bounds, bounds_of, simplify
from mlc.ir.expr import Const, Var
from mlc.ir.rewrite import map_exprs
from mlc.ir.stmt import For, Stmt, seq
from mlc.passes.schedule.location import (
    RefusalError,
    find_loop,
    fresh,
    names_in,
    range_of_loop,
    ranges_of_loops,
)
from mlc.passes.schedule.rewriting import renamed, substitute
from mlc.passes.schedule.schedule import Schedule, primitive


@primitive
def partition(schedule: Schedule, loop: str, at: int, *, suffix: str = "_rest") -> Schedule:
    """Run the iterations of `loop` before `at` in one loop, and the rest in another.

    What is written twice has new names in the second: the old ones with `suffix`. Refused where
    `at` is not surely inside the range, and for loops that are not serial.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func relu(x: f32[49], y: f32[49]) {
    ...   for o in 9 {
    ...     for i in min(6, 49 - o * 6) {
    ...       y[o * 6 + i] = max(x[o * 6 + i], 0.0:f32)
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(partition(Schedule(func), "o", 8).func))
    func relu(x: f32[49], y: f32[49]) {
      for o in 8 {
        for i in 6 {
          y[o * 6 + i] = max(x[o * 6 + i], 0.0:f32)
        }
      }
      for o_rest in 1 {
        for i_rest in 1 {
          y[i_rest + 48] = max(x[i_rest + 48], 0.0:f32)
        }
      }
    }
    """
    body = schedule.func.body
    place = find_loop(body, loop)
    old = place.stmt
    if old.kind != "serial":
        raise RefusalError(f"loop '{loop}' is {old.kind}, not serial", "kind", loop)
    bounds = ranges_of_loops(body)
    found = bounds_of(old.extent, bounds)
    if found is None or not 0 < at < found[0]:
        raise RefusalError(f"{at} is not surely inside loop '{loop}'", "bad-factor", loop)
    first = _within(old.body, {**bounds, loop: (0, at - 1)})
    taken = names_in(body)
    name = fresh(loop + suffix, taken)
    left = simplify(old.extent - at, bounds)
    bounds[name] = range_of_loop(left, bounds) or (0, 0)
    position = Const(at) if left == Const(1) else Var(name) + at
    second = substitute(old.body, {loop: position}, bounds)
    second = renamed(_within(second, bounds), suffix, taken, bounds)
    parts = For(loop, Const(at), "serial", first), For(name, left, "serial", second)
    return schedule.with_body(place.replaced(seq(parts)))


def _within(stmt: Stmt, bounds: Bounds) -> Stmt:
    """The statement simplified under narrower bounds of the loops around it."""
    narrow = ranges_of_loops(stmt, bounds)
    return map_exprs(stmt, lambda expr: simplify(expr, narrow))
