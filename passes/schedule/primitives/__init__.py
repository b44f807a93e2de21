"""The schedule primitives: one file each, with what it does, when it is refused, and how."""

from mlc.passes.schedule.primitives.alternate import alternate
from mlc.passes.schedule.primitives.cache_read import cache_read
from mlc.passes.schedule.primitives.cache_write import cache_write
from mlc.passes.schedule.primitives.compute_at import compute_at
from mlc.passes.schedule.primitives.fission import fission
from mlc.passes.schedule.primitives.fuse import fuse
from mlc.passes.schedule.primitives.inline import inline
from mlc.passes.schedule.primitives.merge_dims import merge_dims
from mlc.passes.schedule.primitives.pack import pack
from mlc.passes.schedule.primitives.parallel import parallel
from mlc.passes.schedule.primitives.partition import partition
from mlc.passes.schedule.primitives.prefetch import prefetch
from mlc.passes.schedule.primitives.reorder import reorder
from mlc.passes.schedule.primitives.rfactor import rfactor
from mlc.passes.schedule.primitives.set_scope import set_scope
from mlc.passes.schedule.primitives.split import split
from mlc.passes.schedule.primitives.split_dim import split_dim
from mlc.passes.schedule.primitives.strassen import strassen
from mlc.passes.schedule.primitives.tile import tile
from mlc.passes.schedule.primitives.unroll import unroll
from mlc.passes.schedule.primitives.vectorize import vectorize
from mlc.passes.schedule.primitives.winograd import winograd

_ALL = (
    alternate,
    cache_read,
    cache_write,
    compute_at,
    fission,
    fuse,
    inline,
    merge_dims,
    pack,
    parallel,
    partition,
    prefetch,
    reorder,
    rfactor,
    set_scope,
    split,
    split_dim,
    strassen,
    tile,
    unroll,
    vectorize,
    winograd,
)

PRIMITIVES = {function.__name__: function for function in _ALL}
"""Every primitive by name, for replay."""

__all__ = [
    "PRIMITIVES",
    "alternate",
    "cache_read",
    "cache_write",
    "compute_at",
    "fission",
    "fuse",
    "inline",
    "merge_dims",
    "pack",
    "parallel",
    "partition",
    "prefetch",
    "reorder",
    "rfactor",
    "set_scope",
    "split",
    "split_dim",
    "strassen",
    "tile",
    "unroll",
    "vectorize",
    "winograd",
]
