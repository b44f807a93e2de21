"""The operator table: `OPERATORS` maps each name to its one definition."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType

from mlc.ir.operator import Operator
from mlc.ir.operators import (
    arg_reduce,
    cast,
    conv,
    determinant,
    elementwise_binary,
    elementwise_unary,
    forest,
    gather,
    generate,
    join,
    linear_attention,
    matmul,
    mersenne_twister,
    movement,
    normalization,
    pool,
    pool_places,
    random,
    recurrent_layers,
    reduce,
    resize,
    roi_align,
    roi_pool,
    sample,
    scan,
    scatter,
    select_places,
    softmax,
    suppress,
    top_k,
)

_FILES = (
    elementwise_unary,
    cast,
    elementwise_binary,
    movement,
    join,
    generate,
    random,
    mersenne_twister,
    gather,
    forest,
    scatter,
    select_places,
    top_k,
    suppress,
    resize,
    sample,
    roi_align,
    roi_pool,
    reduce,
    arg_reduce,
    scan,
    softmax,
    normalization,
    pool,
    pool_places,
    matmul,
    determinant,
    conv,
    recurrent_layers,
    linear_attention,
)

OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {operator.name: operator for operator in chain.from_iterable(f.OPERATORS for f in _FILES)}
)
"""Every operator by name."""
