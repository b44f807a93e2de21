"""Finds the converter of an operator: by domain, name and version of the operator set."""

from __future__ import annotations

from collections.abc import Mapping

from mlc.importers.onnx.converters import GROUPS, TABLES
from mlc.importers.onnx.node import Converter

DOMAIN_ALIASES = {"ai.onnx": ""}

FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "": (
        "AffineGrid",
        "BlackmanWindow",
        "CausalConvWithState",
        "CenterCropPad",
        "HammingWindow",
        "HannWindow",
        "NegativeLogLikelihoodLoss",
        "RotaryEmbedding",
        "SoftmaxCrossEntropyLoss",
        "SwiGLU",
    ),
    "ai.onnx.preview": ("FlexAttention",),
}
"""Domain → operators without converter that come as the functions that ONNX's schemas make them."""


def find_converter(domain: str, op_type: str, opset: int) -> Converter | None:
    """The converter for the newest version of the operator that is not newer than `opset`."""
    entry = TABLES.get(domain, {}).get(op_type)
    if entry is None or not isinstance(entry, Mapping):
        return entry
    versions = [since for since in entry if since <= opset]
    return entry[max(versions)] if versions else None


def is_known(domain: str, op_type: str) -> bool:
    """Whether some version of the operator is converted."""
    return op_type in TABLES.get(domain, {})


def supported_operators() -> list[tuple[str, str]]:
    """Domain ("" is ONNX's own) and name of every operator that is converted, sorted."""
    tables = (*TABLES.items(), *FUNCTIONS.items())
    return sorted((domain, name) for domain, table in tables for name in table)


def operators_by_group() -> dict[str, list[str]]:
    """The same by group: ONNX's own by what they do, the others by domain."""
    groups = {**GROUPS, **{domain: table for domain, table in TABLES.items() if domain}}
    functions = [name for table in FUNCTIONS.values() for name in table]
    return {
        **{group: sorted(table) for group, table in groups.items()},
        "functions": sorted(functions),
    }
