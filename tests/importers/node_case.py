"""Cases of one node with arrays for its inputs, and arrays to make them of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper

from tests.importers.one_node import node_model

Array = np.ndarray


def real(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def whole(kind: str, *shape: int, seed: int = 0, low: int | None = None, high: int = 0) -> Array:
    """Integers below `high`, or of the whole range of a type."""
    limits, random = np.iinfo(kind), np.random.default_rng(seed)
    low = limits.min if low is None else low
    return random.integers(low, high or limits.max + 1, shape).astype(kind)


def u8(*shape: int, seed: int = 0) -> Array:
    return whole("uint8", *shape, seed=seed)


def i8(*shape: int, seed: int = 0) -> Array:
    return whole("int8", *shape, seed=seed)


def small(*shape: int, seed: int = 0) -> Array:
    """Integers whose products onnxruntime does not saturate on any processor."""
    return whole("int8", *shape, seed=seed, low=-60, high=60)


@dataclass(frozen=True)
class Case:
    """One node: its inputs (None is left out), attributes, and how many outputs it names.

    Inputs at the places `fixed` are initializers.
    """

    op_type: str
    inputs: Sequence[Array | None]
    attributes: dict[str, object] = field(default_factory=dict)
    outputs: int = 1
    atol: float = 1e-5
    domain: str = "com.microsoft"
    fixed: Sequence[int] = ()

    def model(self) -> onnx.ModelProto:
        model, _ = node_model(
            self.op_type,
            self.inputs,
            fixed=self.fixed,
            outputs=self.outputs,
            domain=self.domain,
            opset=1 if self.domain else 17,
        )
        attributes = [helper.make_attribute(*entry) for entry in self.attributes.items()]
        model.graph.node[0].attribute.extend(attributes)
        return model

    def feeds(self) -> dict[str, Array]:
        return {
            f"x{k}": array
            for k, array in enumerate(self.inputs)
            if array is not None and k not in self.fixed
        }


def f32(number: float) -> Array:
    return np.array(number, np.float32)


def byte(number: int, kind: str = "uint8") -> Array:
    return np.array(number, kind)
