"""Say where a temporary lives."""

from __future__ import annotations

from dataclasses import replace

from mlc.ir.rewrite import walk
from mlc.ir.stmt import Buffer, For, Stmt
from mlc.passes.schedule.location import RefusalError, find_alloc
from mlc.passes.schedule.schedule import Schedule, primitive
from mlc.passes.schedule.storage import REGISTER_BYTES, STACK_BYTES, with_buffer

LIMITS = {"stack": STACK_BYTES, "register": REGISTER_BYTES}


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
    if scope not in ("arena", "stack", "register"):
        raise RefusalError(f"a temporary cannot live in '{scope}'", "bad-scope", buffer)
    place = find_alloc(schedule.func.body, buffer)
    old = place.stmt.buffer
    bytes_taken = old.span * old.dtype.bytes
    if scope in LIMITS and bytes_taken > LIMITS[scope]:
        reason = f"'{buffer}' takes {bytes_taken} bytes, more than the {LIMITS[scope]} of a {scope}"
        raise RefusalError(reason, "too-large", buffer)
    if scope == "arena":
        around = next((part for part in place.parents if _is_parallel(part)), None)
        if around is not None:
            raise RefusalError(f"'{buffer}' is inside a parallel loop", "parallel", buffer)
    elif any(_is_parallel(part) for part in walk(place.stmt)):
        raise RefusalError(f"'{buffer}' is outside of a parallel loop", "parallel", buffer)
    new: Buffer = replace(old, scope=scope)
    return Schedule(with_buffer(schedule.func, new), schedule.trace)


def _is_parallel(stmt: Stmt) -> bool:
    return isinstance(stmt, For) and stmt.kind == "parallel"
