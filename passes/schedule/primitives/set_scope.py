"""Say where a temporary lives."""

from __future__ import annotations

from dataclasses import replace

from mlc.passes.schedule.location import find_alloc
from mlc.passes.schedule.schedule import Schedule, primitive
from mlc.passes.schedule.storage import check_scope, with_buffer


@primitive
def set_scope(schedule: Schedule, buffer: str, scope: str) -> Schedule:
    """Let a temporary live in the `arena`, on the `stack` or in a `register`.

    Refused where it is too large, for temporaries outside of parallel loops that are not in the
    arena, and for temporaries of the arena inside.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func twice(x: f32[8], y: f32[8]) {
    ...   for i in 8 {
    ...     alloc t: f32[1] stack {
    ...       t[0] = x[i] + x[i]
    ...       y[i] = t[0]
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(set_scope(Schedule(func), "t", "register").func))
    func twice(x: f32[8], y: f32[8]) {
      for i in 8 {
        alloc t: f32[1] register {
          t[0] = x[i] + x[i]
          y[i] = t[0]
        }
      }
    }
    """
    place = find_alloc(schedule.func.body, buffer)
    new = replace(place.stmt.buffer, scope=scope)
    check_scope(new, place.parents, place.stmt.body)
    return Schedule(with_buffer(schedule.func, new), schedule.trace)
