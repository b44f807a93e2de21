"""The neutral element of each operator that reduces."""

from __future__ import annotations

import math

import numpy as np

from mlc.ir.dtype import DType


def neutral_element(op: str, dtype: DType) -> int | float | bool:
    """What `op` (add, mul, max, min, or, and) leaves the other operand alone with.

    >>> from mlc.ir.dtype import F32, I8
    >>> neutral_element("max", F32), neutral_element("max", I8)
    (-inf, -128)
    """
    if op in ("or", "and") and dtype.kind != "bool":
        return 0 if op == "or" else -1 if dtype.kind == "int" else 2**dtype.bits - 1
    if dtype.is_float:
        return {"add": 0.0, "mul": 1.0, "max": -math.inf, "min": math.inf}[op]
    if dtype.kind == "bool":
        return op in ("and", "min", "mul")
    limits = np.iinfo(dtype.numpy)
    return {"add": 0, "mul": 1, "max": int(limits.min), "min": int(limits.max)}[op]
