"""View two neighbouring dimensions of a buffer as one."""

from __future__ import annotations

from dataclasses import replace

from mlc.ir.rewrite import buffers_of
from mlc.passes.schedule.location import RefusalError
from mlc.passes.schedule.rewriting import Index
from mlc.passes.schedule.schedule import Schedule, primitive
from mlc.passes.schedule.storage import with_buffer


@primitive
def merge_dims(schedule: Schedule, buffer: str, dim: int) -> Schedule:
    """View dimensions `dim` and `dim + 1` of a buffer as one; its elements stay where they are.

    Parameters too: only what the function says of them changes. Refused where the strides do not
    make one step of both.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func relu(x: f32[3,7,7], y: f32[3,7,7]) {
    ...   for c in 3 {
    ...     for m in 49 {
    ...       y[c, m // 7, m % 7] = max(x[c, m // 7, m % 7], 0.0:f32)
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(merge_dims(Schedule(func), "y", 1).func))
    func relu(x: f32[3,7,7], y: f32[3,49]) {
      for c in 3 {
        for m in 49 {
          y[c, m] = max(x[c, m // 7, m % 7], 0.0:f32)
        }
      }
    }
    """
    old = buffers_of(schedule.func).get(buffer)
    if old is None:
        raise RefusalError(f"no buffer '{buffer}'", "no-such-buffer")
    if not 0 <= dim < len(old.shape) - 1:
        reason = f"'{buffer}' has no dimensions {dim} and {dim + 1}"
        raise RefusalError(reason, "no-such-dimension", buffer)
    (first, second), (step, stride) = old.shape[dim : dim + 2], old.strides[dim : dim + 2]
    if first != 1 and second != 1 and step != second * stride:
        reason = f"dimensions {dim} and {dim + 1} of '{buffer}' have strides {step} and {stride}"
        raise RefusalError(f"{reason}: they do not make one", "strides", buffer)
    one = step if second == 1 else stride
    new = replace(
        old,
        shape=(*old.shape[:dim], first * second, *old.shape[dim + 2 :]),
        strides=(*old.strides[:dim], one, *old.strides[dim + 2 :]),
    )

    def merged(index: Index) -> Index:
        return (*index[:dim], index[dim] * second + index[dim + 1], *index[dim + 2 :])

    return Schedule(with_buffer(schedule.func, new, merged), schedule.trace)
