"""View one dimension of a buffer as two."""

from __future__ import annotations

from dataclasses import replace

from mlc.ir.rewrite import buffers_of
from mlc.passes.schedule.location import RefusalError
from mlc.passes.schedule.rewriting import Index
from mlc.passes.schedule.schedule import Schedule, primitive
from mlc.passes.schedule.storage import with_buffer


@primitive
def split_dim(schedule: Schedule, buffer: str, dim: int, inner: int) -> Schedule:
    """View dimension `dim` of a buffer as two, the second of size `inner`; nothing is moved.

    Parameters too: only what the function says of them changes. Refused where `inner` does not
    divide the size. The reverse of `merge_dims`.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func relu(x: f32[49], y: f32[49]) {
    ...   for h in 7 {
    ...     for w in 7 {
    ...       y[h * 7 + w] = max(x[h * 7 + w], 0.0:f32)
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(split_dim(Schedule(func), "y", 0, 7).func))
    func relu(x: f32[49], y: f32[7,7]) {
      for h in 7 {
        for w in 7 {
          y[h, w] = max(x[h * 7 + w], 0.0:f32)
        }
      }
    }
    """
    old = buffers_of(schedule.func).get(buffer)
    if old is None:
        raise RefusalError(f"no buffer '{buffer}'", "no-such-buffer")
    if not 0 <= dim < len(old.shape):
        raise RefusalError(f"'{buffer}' has no dimension {dim}", "no-such-dimension", buffer)
    size, stride = old.shape[dim], old.strides[dim]
    if inner < 1 or size % inner:
        reason = f"{inner} does not divide the size {size} of dimension {dim} of '{buffer}'"
        raise RefusalError(reason, "bad-factor", buffer)
    new = replace(
        old,
        shape=(*old.shape[:dim], size // inner, inner, *old.shape[dim + 1 :]),
        strides=(*old.strides[:dim], stride * inner, stride, *old.strides[dim + 1 :]),
    )

    def parted(index: Index) -> Index:
        at = index[dim]
        return (*index[:dim], at // inner, at % inner, *index[dim + 1 :])

    return Schedule(with_buffer(schedule.func, new, parted), schedule.trace)
