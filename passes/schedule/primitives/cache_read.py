"""Read a piece of a buffer out of a temporary."""

from __future__ import annotations

from mlc.passes.schedule.dependence import written_buffers
from mlc.passes.schedule.location import RefusalError, block
from mlc.passes.schedule.schedule import Schedule, primitive
from mlc.passes.schedule.staging import stage


@primitive
def cache_read(
    schedule: Schedule, buffer: str, loop: str | None, scope: str, *, name: str | None = None
) -> Schedule:
    """Copy what the body of `loop` reads of `buffer` into a temporary, and read that.

    Without `loop`, the whole buffer is copied at the start of the function. The temporary is called
    `name` or `buffer_cache`; it is dense, in the order in which the loops inside walk it. The loops
    of the copy are `name_in0, …`. Refused where the buffer is written inside, or the temporary does
    not fit in `scope`.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func blur(x: f32[50], y: f32[48]) {
    ...   for o in 6 {
    ...     for i in 8 {
    ...       y[o * 8 + i] = x[o * 8 + i] + x[o * 8 + i + 2]
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(cache_read(Schedule(func), "x", "o", "stack").func))
    func blur(x: f32[50], y: f32[48]) {
      for o in 6 {
        alloc x_cache: f32[10] stack {
          for x_cache_in0 in 10 {
            x_cache[x_cache_in0] = x[o * 8 + x_cache_in0]
          }
          for i in 8 {
            y[o * 8 + i] = x_cache[i] + x_cache[i + 2]
          }
        }
      }
    }
    """
    taken: set[str] = set()
    made = stage(schedule.func, buffer, loop, scope, name, taken)
    body = made.place.stmt
    if buffer in written_buffers(body):
        raise RefusalError(f"'{buffer}' is written where it would be cached", "written", buffer)
    copy = made.copy(f"{made.new.name}_in", taken, out=False)
    new = block((made.new,), (copy, made.replaced_in(body)))
    return schedule.with_body(made.place.replaced(new))
