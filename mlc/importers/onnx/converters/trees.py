"""Decision trees of ai.onnx.ml: which leaves a row ends in, and what these vote for."""

from __future__ import annotations

import numpy as np

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.builder import Builder
from mlc.importers.onnx.converters.scores import POST_TRANSFORMS, transformed, two_classes
from mlc.importers.onnx.forests import Forest, numbers_of, read_forest, read_numbered_forest
from mlc.importers.onnx.node import Converter, NodeView
from mlc.ir.dtype import F32, F64, I64, DType
from mlc.ir.graph import Value
from mlc.ir.operators.forest import COMPARISONS

_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
"""In the order of their numbers."""


def _tree_ensemble(builder: Builder, node: NodeView) -> list[Value]:
    aggregate = node.integer("aggregate_function", 1)
    transform = node.integer("post_transform", 0)
    if not 0 <= aggregate < len(_AGGREGATES) or not 0 <= transform < len(POST_TRANSFORMS):
        raise ModelError(f"TreeEnsemble: there is no function {aggregate} or {transform}")
    x, targets = node.input(0), node.integer("n_targets")
    forest = read_forest(node)
    votes = _votes(builder, x, forest, targets, _AGGREGATES[aggregate])
    return [transformed(builder, votes, POST_TRANSFORMS[transform])]


def _regressor(builder: Builder, node: NodeView) -> list[Value]:
    forest = read_numbered_forest(node, "target")
    aggregate = node.text("aggregate_function", "SUM")
    if aggregate not in _AGGREGATES:
        raise ModelError(f"TreeEnsembleRegressor: aggregate_function '{aggregate}' is unknown")
    x = _rows(builder, node)
    votes = _votes(builder, x, forest, node.integer("n_targets", 1), aggregate)
    votes = _with_base(builder, node, votes)
    result = transformed(builder, votes, node.text("post_transform", "NONE"))
    return [builder.cast(result, F32)]


def _classifier(builder: Builder, node: NodeView) -> list[Value]:
    """Labels and scores; where all leaves vote for one of two classes, the other has the rest."""
    if node.has("classlabels_strings"):
        raise UnsupportedError("TreeEnsembleClassifier: labels that are strings")
    labels = builder.integers(node.integers("classlabels_int64s"))
    count = labels.type.elements
    forest = read_numbered_forest(node, "class")
    votes = [vote for leaf in forest.leaves.values() for vote in leaf]
    name = node.text("post_transform", "NONE")
    x = _rows(builder, node)
    if count != 2 or len({target for target, _ in votes}) != 1:
        summed = _with_base(builder, node, _votes(builder, x, forest, count, "SUM"))
        best = builder.emit("arg_max", summed, axis=1, keepdims=False, last=False)
        scores = transformed(builder, summed, name)
        return [builder.emit("gather", labels, best, axis=0), builder.cast(scores, F32)]
    for number, leaf in forest.leaves.items():
        forest.leaves[number] = [(0, weight) for _, weight in leaf]
    score = _with_base(builder, node, _votes(builder, x, forest, 1, "SUM"))
    # Weights that are all positive are taken for probabilities, as onnxruntime has it.
    probability = all(weight >= 0 for _, weight in votes)
    limit = builder.scalar(0.5 if probability else 0, score.type.dtype)
    second = builder.cast(builder.emit("greater", score, limit), I64)
    label = builder.emit("gather", labels, builder.reshape(second, score.type.shape[:1]), axis=0)
    scores = two_classes(builder, score, name, probability=probability)
    return [label, builder.cast(scores, F32)]


def _rows(builder: Builder, node: NodeView) -> Value:
    """The input as floats."""
    x = node.input(0)
    return x if x.type.dtype.is_float else builder.cast(x, F32)


def _with_base(builder: Builder, node: NodeView, votes: Value) -> Value:
    base = numbers_of(node, "base_values")
    if not base:
        return votes
    if len(base) not in (1, votes.type.shape[1]):
        raise ModelError(f"{node.op_type}: {len(base)} base values for {votes.type}")
    return builder.emit("add", votes, _array(builder, base, votes.type.dtype))


def _array(builder: Builder, numbers: object, dtype: DType) -> Value:
    return builder.constant(np.array(numbers, np.float64).astype(dtype.numpy))


def _votes(builder: Builder, x: Value, forest: Forest, targets: int, aggregate: str) -> Value:
    """What the leaves of all trees say of each target: `[N, targets]`."""
    if x.type.rank == 1:
        x = builder.reshape(x, (1, *x.type.shape))
    if x.type.rank != 2 or not x.type.is_static:
        raise builder.unresolved(f"the size of the rows {x.type}")
    if targets < 1:
        raise ModelError(f"there must be a target, not {targets}")
    rows, features = x.type.static_shape
    leaves = _leaves(builder, x, forest, forest.check(features, targets))
    op, start = {"MIN": ("min", np.inf), "MAX": ("max", -np.inf)}.get(aggregate, ("add", 0.0))
    width = max((len(leaf) for leaf in forest.leaves.values()), default=1) or 1
    places = np.zeros((len(forest.modes), width), np.int64)
    weights = np.full(places.shape, start)
    for number, leaf in forest.leaves.items():
        for column, (target, weight) in enumerate(leaf):
            places[number, column], weights[number, column] = target, weight
    shape = (rows, len(forest.roots) * width)
    chosen = builder.emit("gather", builder.constant(places), leaves, axis=0)
    spoken = builder.emit("gather", _array(builder, weights, x.type.dtype), leaves, axis=0)
    limits = np.finfo(np.float64 if x.type.dtype is F64 else np.float32)
    unsaid = np.clip(start, limits.min, limits.max)
    votes = builder.emit(
        "scatter_elements",
        builder.full((rows, targets), float(unsaid), x.type.dtype),
        builder.reshape(chosen, shape),
        builder.reshape(spoken, shape),
        axis=1,
        reduction=op,
    )
    return builder.scaled(votes, 1 / len(forest.roots)) if aggregate == "AVERAGE" else votes


def _leaves(builder: Builder, x: Value, forest: Forest, depth: int) -> Value:
    """The node that each row ends in, in each tree: `[N, trees]`."""
    used = {mode for n, mode in enumerate(forest.modes) if n not in forest.leaves}
    comparisons = tuple(name for name in COMPARISONS if name in used) or ("le",)
    tests = [comparisons.index(mode) if mode in comparisons else 0 for mode in forest.modes]
    return builder.emit(
        "forest",
        x,
        builder.integers(forest.roots),
        builder.integers(forest.features),
        _array(builder, forest.splits, x.type.dtype),
        builder.constant(np.array([forest.on_false, forest.on_true], np.int64).T.copy()),
        builder.integers(tests),
        builder.constant(np.array(forest.missing, np.bool_)),
        comparisons=comparisons,
        depth=depth,
    )


CONVERTERS: dict[str, Converter | dict[int, Converter]] = {
    "TreeEnsemble": _tree_ensemble,
    "TreeEnsembleClassifier": _classifier,
    "TreeEnsembleRegressor": _regressor,
}
