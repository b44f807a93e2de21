"""The operator table: `OPERATORS` maps each name to its one definition."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType

from mlc.ir.operator import Operator
from mlc.ir.operators import (
    conv,
    elementwise_binary,
    elementwise_unary,
    generate,
    join,
    matmul,
    movement,
    pool,
    reduce,
)

_FILES = (
    elementwise_unary,
    elementwise_binary,
    movement,
    join,
    generate,
    reduce,
    pool,
    matmul,
    conv,
)

OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {operator.name: operator for operator in chain.from_iterable(f.OPERATORS for f in _FILES)}
)
"""Every operator by name."""
