"""The operator table: what an operator is, and the one place to look one up.

Each operator is defined once, in a file of `mlc/ir/operators/`: arity, attributes, type inference,
NumPy reference, kind for fusion and computation as loops. `operators()` collects them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from mlc.ir.graph import Attr
from mlc.ir.stmt import Buffer, Stmt
from mlc.ir.types import TensorType


class Kind(Enum):
    """How an operator behaves under fusion.

    ELEMENTWISE  each output element depends on the same element of each input (after broadcasting)
    BROADCAST    output elements repeat input elements
    INJECTIVE    each output element depends on one element of one input, at another index
    REDUCTION    an output element depends on many input elements, without products of two inputs
    CONTRACTION  sums of products of two inputs: matmul, convolution
    OPAQUE       anything else: never fused
    """

    ELEMENTWISE = "elementwise"
    BROADCAST = "broadcast"
    INJECTIVE = "injective"
    REDUCTION = "reduction"
    CONTRACTION = "contraction"
    OPAQUE = "opaque"


Attrs = Mapping[str, Attr]
Infer = Callable[[Sequence[TensorType], Attrs], tuple[TensorType, ...]]
Reference = Callable[[Sequence[np.ndarray], Attrs], tuple[np.ndarray, ...]]
LowerLoops = Callable[[Sequence[Buffer], Sequence[Buffer], Attrs, str], Stmt]


@dataclass(frozen=True)
class Operator:
    """One operator.

    `arity`: least and greatest number of inputs (None: any). `attributes`: name → default,
    `REQUIRED` where there is none. `infer` raises `ShapeError`/`DtypeError` with a message that
    names the operator. `loops(inputs, outputs, attrs, prefix)` gives the plain computation: nests
    that store into `outputs`. All names of variables and temporaries start with `prefix`. The
    loops that run over the output's logical axes are named `{prefix}i0, i1, …`, over reduced axes
    `{prefix}r0, …`; a reduction is two nests, first the one that sets the initial value (loops
    `{prefix}z0, …`), then the one that updates with `out[i] = out[i] op value`. Temporaries are
    `Alloc(…, scope="arena")` around the nests.
    """

    name: str
    kind: Kind
    arity: tuple[int, int | None]
    infer: Infer
    reference: Reference
    loops: LowerLoops
    attributes: Mapping[str, Any] = field(default_factory=dict)


REQUIRED = object()
"""Marks an attribute without default."""
