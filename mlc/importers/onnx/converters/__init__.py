"""The converters of ONNX operators, one file per group of the ONNX documentation.

Each file has a table `CONVERTERS`: name of the operator → its converter, or a map from the version
of the operator set since which a converter holds. A converter is a function
`(builder, node) -> list of outputs`; it may give more or fewer outputs than the node names, and
what the node names beyond them is reported as unsupported.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlc.importers.onnx.converters import (
    activation,
    controlflow,
    convolution,
    einsum,
    elementwise,
    generator,
    image,
    indexing,
    logical,
    matmul,
    microsoft,
    movement,
    normalization,
    pooling,
    recurrent,
    reduction,
)
from mlc.importers.onnx.node import Converter

Table = Mapping[str, "Converter | Mapping[int, Converter]"]

_GROUPS: tuple[Table, ...] = (
    activation.CONVERTERS,
    controlflow.CONVERTERS,
    convolution.CONVERTERS,
    einsum.CONVERTERS,
    elementwise.CONVERTERS,
    generator.CONVERTERS,
    image.CONVERTERS,
    indexing.CONVERTERS,
    logical.CONVERTERS,
    matmul.CONVERTERS,
    movement.CONVERTERS,
    normalization.CONVERTERS,
    pooling.CONVERTERS,
    recurrent.CONVERTERS,
    reduction.CONVERTERS,
)

TABLES: Mapping[str, Table] = {
    "": {name: entry for group in _GROUPS for name, entry in group.items()},
    "com.microsoft": microsoft.CONVERTERS,
}
"""Domain ("" is ONNX's own) → operator → converter."""
