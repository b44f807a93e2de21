"""Classifiers whose labels are strings become classifiers of numbers, whose labels are looked up.

Before: a node of ai.onnx.ml has `classlabels_strings`, and its first output is strings. After: it
has the labels' positions instead, and a LabelEncoder makes strings of them. So the scores, and
what depends on them alone, are compiled like any other model.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import helper

_NUMBERS = {
    "LinearClassifier": "classlabels_ints",
    "SVMClassifier": "classlabels_ints",
    "TreeEnsembleClassifier": "classlabels_int64s",
}
"""Classifier → its attribute for labels that are integers."""

DOMAIN = "ai.onnx.ml"


def with_numbered_labels(graph: onnx.GraphProto, opset: int) -> onnx.GraphProto:
    """The graph with classifiers of numbers: itself where no label is a string.

    `opset` is the version of ai.onnx.ml.
    """
    if not any(_labels(node) for node in graph.node):
        return graph
    copy = onnx.GraphProto()
    copy.CopyFrom(graph)
    del copy.node[:]
    for node in graph.node:
        copy.node.extend(_numbered(node, opset))
    return copy


def _labels(node: onnx.NodeProto) -> list[bytes]:
    """The labels of a classifier that are strings; none for any other node."""
    if node.domain != DOMAIN or node.op_type not in _NUMBERS:
        return []
    found = (entry.strings for entry in node.attribute if entry.name == "classlabels_strings")
    return [label for strings in found for label in strings]


def _numbered(node: onnx.NodeProto, opset: int) -> Iterator[onnx.NodeProto]:
    labels = _labels(node)
    if not labels:
        yield node
        return
    positions = list(range(len(labels)))
    classifier = onnx.NodeProto()
    classifier.CopyFrom(node)
    kept = [entry for entry in node.attribute if entry.name != "classlabels_strings"]
    del classifier.attribute[:]
    classifier.attribute.extend(kept)
    classifier.attribute.append(helper.make_attribute(_NUMBERS[node.op_type], positions))
    if not node.output or not node.output[0]:
        yield classifier
        return
    classifier.output[0] = f"{node.output[0]}/position"
    yield classifier
    named = {"keys_int64s": positions, "values_strings": labels}
    yield helper.make_node(
        "LabelEncoder",
        [classifier.output[0]],
        [node.output[0]],
        name=f"{node.name}/labels" if node.name else None,
        domain=DOMAIN,
        **({"classes_strings": labels} if opset < 2 else named),
    )
