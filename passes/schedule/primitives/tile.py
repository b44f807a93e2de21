"""Split several loops and put the inner parts inside."""

from __future__ import annotations

from collections.abc import Sequence

from mlc.passes.schedule.location import RefusalError
from mlc.passes.schedule.primitives.reorder import reorder
from mlc.passes.schedule.primitives.split import split
from mlc.passes.schedule.schedule import Schedule, primitive


@primitive
def tile(schedule: Schedule, loops: Sequence[str], factors: Sequence[int]) -> Schedule:
    """Cut perfectly nested loops into tiles: first the loops over tiles, then those inside a tile.

    The same as `split` of each loop by its factor, then `reorder`; refused where these are.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func turn(x: f32[8,8], y: f32[8,8]) {
    ...   for i in 8 {
    ...     for j in 8 {
    ...       y[i, j] = x[j, i]
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(tile(Schedule(func), ["i", "j"], [4, 2]).func))
    func turn(x: f32[8,8], y: f32[8,8]) {
      for i_o in 2 {
        for j_o in 4 {
          for i_i in 4 {
            for j_i in 2 {
              y[i_o * 4 + i_i, j_o * 2 + j_i] = x[j_o * 2 + j_i, i_o * 4 + i_i]
            }
          }
        }
      }
    }
    """
    if len(loops) != len(factors) or not loops:
        reason = f"{len(loops)} loops do not go with {len(factors)} factors"
        raise RefusalError(reason, "bad-factor")
    outer, inner = [], []
    for loop, factor in zip(loops, factors, strict=True):
        before = schedule.loops().keys()
        schedule = split(schedule, loop, factor)
        first, second = [name for name in schedule.loops() if name not in before]
        outer.append(first)
        inner.append(second)
    return reorder(schedule, *outer, *inner) if len(loops) > 1 else schedule
