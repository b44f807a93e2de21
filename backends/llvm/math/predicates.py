"""Questions about floats, answered by a mask of `i1`."""

from __future__ import annotations

import math

from mlc.backends.llvm.math.vector import Vector


def emit_isnan(v: Vector, x: str) -> str:
    """Whether x is NaN."""
    return v.compare("uno", x, x)


def emit_isinf(v: Vector, x: str) -> str:
    """Whether x is infinite, of either sign."""
    return v.compare("oeq", v.absolute(x), v.number(math.inf))
