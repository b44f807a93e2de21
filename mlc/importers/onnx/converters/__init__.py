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
    attention,
    controlflow,
    convolution,
    einsum,
    elementwise,
    features,
    generator,
    image,
    indexing,
    integer_products,
    linear,
    logical,
    matmul,
    microsoft,
    movement,
    normalization,
    pooling,
    quantization,
    random,
    recurrent,
    reduction,
    regions,
    reversal,
    sampling,
    selection,
    signal,
    support_vectors,
    text,
    traditional,
    training,
    trees,
    unpooling,
)
from mlc.importers.onnx.node import Converter

Table = Mapping[str, "Converter | Mapping[int, Converter]"]

GROUPS: Mapping[str, Table] = {
    "activation": activation.CONVERTERS,
    "attention": attention.CONVERTERS,
    "control flow": controlflow.CONVERTERS,
    "convolution": convolution.CONVERTERS,
    "einsum": einsum.CONVERTERS,
    "elementwise": elementwise.CONVERTERS,
    "generators": generator.CONVERTERS,
    "image": image.CONVERTERS,
    "indexing": indexing.CONVERTERS,
    "integer products": integer_products.CONVERTERS,
    "logical": logical.CONVERTERS,
    "matrix products": matmul.CONVERTERS,
    "movement": movement.CONVERTERS,
    "normalization": normalization.CONVERTERS,
    "pooling": {**pooling.CONVERTERS, **unpooling.CONVERTERS},
    "quantization": quantization.CONVERTERS,
    "random": random.CONVERTERS,
    "recurrent": {**recurrent.CONVERTERS, **reversal.CONVERTERS},
    "reduction": reduction.CONVERTERS,
    "selection": selection.CONVERTERS,
    "sampling": {**sampling.CONVERTERS, **regions.CONVERTERS},
    "signal": signal.CONVERTERS,
    "text": text.CONVERTERS,
}
"""Group → ONNX's own operators in it → converter."""

TABLES: Mapping[str, Table] = {
    "": {name: entry for group in GROUPS.values() for name, entry in group.items()},
    "ai.onnx.ml": {
        **traditional.CONVERTERS,
        **features.CONVERTERS,
        **linear.CONVERTERS,
        **support_vectors.CONVERTERS,
        **trees.CONVERTERS,
    },
    "ai.onnx.preview.training": training.CONVERTERS,
    "com.microsoft": microsoft.CONVERTERS,
}
"""Domain ("" is ONNX's own) → operator → converter."""
