"""Split a loop in two."""

from __future__ import annotations

from mlc.ir.affine import simplify
from mlc.ir.expr import Const, Expr, Var, minimum
from mlc.ir.stmt import For
from mlc.passes.schedule.location import (
    RefusalError,
    find_loop,
    fresh,
    names_in,
    range_of_loop,
    ranges_of_loops,
)
from mlc.passes.schedule.rewriting import substitute
from mlc.passes.schedule.schedule import Schedule, primitive


@primitive
def split(
    schedule: Schedule, loop: str, factor: int, *, names: tuple[str, str] | None = None
) -> Schedule:
    """Split `loop` into an outer one and an inner one of `factor` iterations.

    They are called `names`, or the old name with `_o` and `_i`. Where the factor does not divide
    the extent, the inner extent of the last round is smaller: tails are extents, not guards.
    Refused for a factor below one and for loops that are not serial.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func relu(x: f32[49], y: f32[49]) {
    ...   for i in 49 {
    ...     y[i] = max(x[i], 0.0:f32)
    ...   }
    ... }''')
    >>> print(print_func(split(Schedule(func), "i", 6).func))
    func relu(x: f32[49], y: f32[49]) {
      for i_o in 9 {
        for i_i in min(6, 49 - i_o * 6) {
          y[i_o * 6 + i_i] = max(x[i_o * 6 + i_i], 0.0:f32)
        }
      }
    }
    """
    body = schedule.func.body
    place = find_loop(body, loop)
    old = place.stmt
    if factor < 1:
        raise RefusalError(f"factor {factor} of loop '{loop}' is not positive", "bad-factor", loop)
    if old.kind != "serial":
        raise RefusalError(f"loop '{loop}' is {old.kind}, not serial", "kind", loop)
    taken = names_in(body)
    outer, inner = (fresh(name, taken) for name in names or (f"{loop}_o", f"{loop}_i"))
    bounds = ranges_of_loops(body)
    rounds = simplify((old.extent + (factor - 1)) // factor, bounds)
    outer_range = range_of_loop(rounds, bounds)
    if outer_range is not None:
        bounds[outer] = outer_range
    start = Var(outer) * factor
    divides = isinstance(old.extent, Const) and int(old.extent.value) % factor == 0
    left: Expr = Const(factor) if divides else minimum(Const(factor), old.extent - start)
    length = simplify(left, bounds)
    bounds[inner] = 0, factor - 1
    inside = substitute(old.body, {loop: start + Var(inner)}, bounds)
    new = For(outer, rounds, "serial", For(inner, length, "serial", inside))
    return schedule.with_body(place.replaced(new))
