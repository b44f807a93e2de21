"""The arrays that the candidates of a task are given: random, and the same for all of them.

Floats lie in [-1, 1). Integers that the kernel uses as indices stay inside what they index; no
integer is zero where it need not be, for it may be a divisor.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from mlc.ir.expr import Expr, Load
from mlc.ir.rewrite import loads_of, stores_of, walk_expr
from mlc.ir.stmt import Buffer, Func

Array = np.ndarray[Any, np.dtype[Any]]

_LARGEST_INTEGER = 100


def random_arguments(func: Func, seed: int) -> dict[str, Array]:
    """An array for each parameter that the plain loops read and do not write, by name."""
    written = {store.buffer.name for store in stores_of(func.body)}
    end = _end_of_integers(func)
    return {
        buffer.name: _random(buffer, end, [seed, zlib.crc32(buffer.name.encode())])
        for buffer in func.params
        if buffer.name not in written
    }


def _random(buffer: Buffer, end: int, seed: list[int]) -> Array:
    generator = np.random.default_rng(seed)
    if buffer.dtype.is_float:
        narrow: Array = generator.random(buffer.shape, np.float32)
        narrow = narrow * np.float32(2) - np.float32(1)
        return narrow.astype(buffer.dtype.numpy, copy=False)
    if buffer.dtype.kind == "bool":
        return generator.integers(0, 2, buffer.shape).astype(np.bool_)
    whole = generator.integers(min(1, end - 1), end, buffer.shape)
    return whole.astype(buffer.dtype.numpy)


def _end_of_integers(func: Func) -> int:
    """One more than the largest integer that is valid wherever loaded values are indices."""
    places = [(load.buffer, load.index) for load in loads_of(func.body)]
    places += [(store.buffer, store.index) for store in stores_of(func.body)]
    return min(
        (
            max(1, dim)
            for buffer, index in places
            for part, dim in zip(index, buffer.shape, strict=True)
            if _depends_on_data(part)
        ),
        default=_LARGEST_INTEGER,
    )


def _depends_on_data(index: Expr) -> bool:
    return any(type(part) is Load for part in walk_expr(index))
