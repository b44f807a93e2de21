"""Widespread operators of onnxruntime's own domain, com.microsoft.

Semantics are those of onnxruntime's documentation of its contributed operators; sums of products of
integers are exact where onnxruntime saturates.
"""

from __future__ import annotations

from mlc.importers.onnx.converters.microsoft import (
    activation,
    attention,
    blocks,
    group_query,
    normalization,
    products,
    quantized,
    quantized_products,
    rotary,
)
from mlc.importers.onnx.node import Converter

CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    **activation.CONVERTERS,
    **attention.CONVERTERS,
    **blocks.CONVERTERS,
    **group_query.CONVERTERS,
    **normalization.CONVERTERS,
    **products.CONVERTERS,
    **quantized.CONVERTERS,
    **quantized_products.CONVERTERS,
    **rotary.CONVERTERS,
}
