"""The schedule primitives: one file each, with what it does, when it is refused, and how."""

from mlc.passes.schedule.primitives.compute_at import compute_at
from mlc.passes.schedule.primitives.fuse import fuse
from mlc.passes.schedule.primitives.inline import inline
from mlc.passes.schedule.primitives.merge_dims import merge_dims
from mlc.passes.schedule.primitives.pack import pack
from mlc.passes.schedule.primitives.parallel import parallel
from mlc.passes.schedule.primitives.reorder import reorder
from mlc.passes.schedule.primitives.set_scope import set_scope
from mlc.passes.schedule.primitives.split import split
from mlc.passes.schedule.primitives.unroll import unroll
from mlc.passes.schedule.primitives.vectorize import vectorize

_ALL = (
    compute_at,
    fuse,
    inline,
    merge_dims,
    pack,
    parallel,
    reorder,
    set_scope,
    split,
    unroll,
    vectorize,
)

PRIMITIVES = {function.__name__: function for function in _ALL}
"""Every primitive by name, for replay."""

__all__ = [
    "PRIMITIVES",
    "compute_at",
    "fuse",
    "inline",
    "merge_dims",
    "pack",
    "parallel",
    "reorder",
    "set_scope",
    "split",
    "unroll",
    "vectorize",
]
