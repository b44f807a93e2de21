"""How elementwise operators are made out of a scalar expression and a NumPy function.

All of them broadcast as NumPy does and lower to one nest `{prefix}i…` over the output's axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mlc.ir.build import Index, broadcast_load, nest
from mlc.ir.dtype import DType
from mlc.ir.expr import Expr
from mlc.ir.operator import Attrs, LowerLoops, Reference
from mlc.ir.operators.definition import broadcast_dims, require_class, same_dtype
from mlc.ir.stmt import Buffer, Stmt, Store
from mlc.ir.types import TensorType

Scalar = Callable[[Sequence[Expr], Attrs], Expr]
"""One output element out of the elements of the inputs."""


def elementwise_loops(scalar: Scalar) -> LowerLoops:
    """The nest `{prefix}i…` that computes `scalar` for every element."""

    def loops(
        inputs: Sequence[Buffer], outputs: Sequence[Buffer], attrs: Attrs, prefix: str
    ) -> Stmt:
        (out,) = outputs

        def store(index: Index) -> Stmt:
            operands = [broadcast_load(buffer, index, out.shape) for buffer in inputs]
            return Store(out, index, scalar(operands, attrs))

        return nest(f"{prefix}i", out.shape, store)

    return loops


def infer_elementwise(
    inputs: Sequence[TensorType], accepted: str, result: DType | None = None
) -> tuple[TensorType, ...]:
    """Equal element types of class `accepted`; the output has the same one, or `result`."""
    dtype = same_dtype(inputs)
    require_class(dtype, accepted)
    return (TensorType(broadcast_dims([tensor.shape for tensor in inputs]), result or dtype),)


def in_double(function: Callable[..., np.ndarray]) -> Reference:
    """A reference computed in float64 and rounded once to the inputs' type."""

    def reference(inputs: Sequence[np.ndarray], attrs: Attrs) -> tuple[np.ndarray, ...]:
        result = function(*[array.astype(np.float64) for array in inputs], attrs)
        return (np.asarray(result).astype(inputs[0].dtype),)

    return reference
