"""Decision trees as ONNX writes them, in its two forms, brought into one.

Holds after: nodes are numbered across all trees, every branch leads to a node and downwards, and a
leaf leads to itself. A test for membership in a set is a chain of tests for equality.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx.node import NodeView

_MODES = ("le", "lt", "ge", "gt", "eq", "ne")
_MEMBER = 6
_NAMES = {
    "BRANCH_LEQ": "le",
    "BRANCH_LT": "lt",
    "BRANCH_GTE": "ge",
    "BRANCH_GT": "gt",
    "BRANCH_EQ": "eq",
    "BRANCH_NEQ": "ne",
}


@dataclass
class Forest:
    """Nodes by number; `leaves` gives the targets and weights of those that are leaves."""

    roots: list[int] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    on_true: list[int] = field(default_factory=list)
    on_false: list[int] = field(default_factory=list)
    missing: list[bool] = field(default_factory=list)
    leaves: dict[int, list[tuple[int, float]]] = field(default_factory=dict)

    def add(self, mode: str, feature: int, split: float, missing: bool) -> int:
        """A node that leads to itself so far; gives its number."""
        number = len(self.modes)
        self.modes.append(mode)
        self.features.append(feature)
        self.splits.append(split)
        self.on_true.append(number)
        self.on_false.append(number)
        self.missing.append(missing)
        return number

    def add_leaf(self, votes: Sequence[tuple[int, float]]) -> int:
        """A leaf with its targets and weights."""
        number = self.add(_MODES[0], 0, 0.0, False)
        self.leaves[number] = list(votes)
        return number

    def check(self, features: int, targets: int) -> int:
        """Check every number in the trees; gives the depth of the deepest."""
        count = len(self.modes)
        ends = [*self.roots, *self.on_true, *self.on_false]
        if not self.roots or not all(0 <= end < count for end in ends):
            raise ModelError("a branch of a tree leads to no node")
        if not all(0 <= feature < features for feature in self.features):
            raise ModelError(f"a tree tests a feature beyond the {features} there are")
        votes = [target for leaf in self.leaves.values() for target, _ in leaf]
        if not all(0 <= target < targets for target in votes):
            raise ModelError(f"a leaf votes for a target beyond the {targets} there are")
        depth, level = 0, set(self.roots)
        while level := self._below(level):
            depth += 1
            if depth > count:
                raise ModelError("a tree has no end")
        return depth

    def _below(self, level: set[int]) -> set[int]:
        inner = level - self.leaves.keys()
        return {end for number in inner for end in (self.on_true[number], self.on_false[number])}


def read_forest(node: NodeView) -> Forest:
    """The trees of TreeEnsemble, since version 5 of the domain."""
    features = node.integers("nodes_featureids")
    modes, splits = node.tensor("nodes_modes").reshape(-1), node.tensor("nodes_splits").reshape(-1)
    count = len(features)
    missing = node.integers("nodes_missing_value_tracks_true", (0,) * count)
    targets, weights = node.integers("leaf_targetids"), node.tensor("leaf_weights").reshape(-1)
    ends = [_ends(node, way, count) for way in ("true", "false")]
    if not len(modes) == len(splits) == len(missing) == count or len(targets) != len(weights):
        raise ModelError("TreeEnsemble: the lists of nodes or leaves differ in length")
    forest = Forest(roots=list(node.integers("tree_roots")))
    for feature, split, flag in zip(features, splits, missing, strict=True):
        forest.add(_MODES[0], feature, float(split), bool(flag))
    for target, weight in zip(targets, weights, strict=True):
        forest.add_leaf([(target, float(weight))])
    sets = _member_sets(node)
    for number, mode in enumerate(int(mode) for mode in modes):
        forest.on_true[number], forest.on_false[number] = ends[0][number], ends[1][number]
        if mode == _MEMBER:
            _expand_member(forest, number, sets.pop(0) if sets else [])
        elif mode < len(_MODES):
            forest.modes[number] = _MODES[mode]
        else:
            raise ModelError(f"TreeEnsemble: there is no mode {mode}")
    return forest


def _ends(node: NodeView, way: str, count: int) -> list[int]:
    """Where branches lead to: leaves are numbered behind the inner nodes."""
    ids, are_leaves = node.integers(f"nodes_{way}nodeids"), node.integers(f"nodes_{way}leafs")
    if len(ids) != count or len(are_leaves) != count:
        raise ModelError(f"TreeEnsemble: there are not {count} branches for {way}")
    return [end + count if leaf else end for end, leaf in zip(ids, are_leaves, strict=True)]


def _member_sets(node: NodeView) -> list[list[float]]:
    """The sets of the nodes that test for membership: each ends with a NaN."""
    sets: list[list[float]] = [[]]
    if node.has("membership_values"):
        for value in node.tensor("membership_values").reshape(-1):
            if np.isnan(value):
                sets.append([])
            else:
                sets[-1].append(float(value))
    return sets[:-1]


def _expand_member(forest: Forest, number: int, members: list[float]) -> None:
    """One node for each member: who is not the first may be the second."""
    yes, no = forest.on_true[number], forest.on_false[number]
    feature, missing = forest.features[number], forest.missing[number]
    forest.modes[number], forest.splits[number] = "eq", members[0] if members else np.nan
    for member in members[1:]:
        further = forest.add("eq", feature, member, missing)
        forest.on_false[number], forest.on_true[further] = further, yes
        number = further
    forest.on_false[number] = no


def read_numbered_forest(node: NodeView, votes: str) -> Forest:
    """The trees of TreeEnsembleRegressor and -Classifier, whose nodes are numbered in each tree.

    `votes` is the prefix of the lists about leaves: target or class.
    """
    trees, ids = node.integers("nodes_treeids"), node.integers("nodes_nodeids")
    keys = list(zip(trees, ids, strict=True))
    count = len(keys)
    features, modes = node.integers("nodes_featureids"), node.texts("nodes_modes")
    splits = numbers_of(node, "nodes_values")
    missing = node.integers("nodes_missing_value_tracks_true", (0,) * count)
    ends = [node.integers(f"nodes_{way}nodeids") for way in ("true", "false")]
    if {len(part) for part in (features, modes, splits, missing, *ends)} != {count}:
        raise ModelError(f"{node.op_type}: the lists of nodes differ in length")
    numbers = {key: number for number, key in enumerate(keys)}
    if len(numbers) != count:
        raise ModelError(f"{node.op_type}: two nodes of a tree have one number")
    by_leaf = _votes_by_leaf(node, votes)
    forest = Forest()
    for key, mode, feature, split, flag in zip(keys, modes, features, splits, missing, strict=True):
        if mode != "LEAF" and mode not in _NAMES:
            raise UnsupportedError(f"{node.op_type}: mode {mode} is not supported")
        number = forest.add(_NAMES.get(mode, _MODES[0]), feature, split, bool(flag))
        if mode == "LEAF":
            forest.leaves[number] = by_leaf.get(key, [])
            forest.features[number] = 0
            continue
        yes, no = (numbers.get((key[0], way[number]), -1) for way in ends)
        forest.on_true[number], forest.on_false[number] = yes, no
    first: dict[int, int] = {}
    for number, tree in enumerate(trees):
        first.setdefault(tree, number)
    forest.roots = list(first.values())
    return forest


def _votes_by_leaf(node: NodeView, votes: str) -> dict[tuple[int, int], list[tuple[int, float]]]:
    """(tree, node) → targets and weights."""
    lists = (node.integers(f"{votes}_{what}") for what in ("treeids", "nodeids", "ids"))
    found = defaultdict(list)
    for tree, number, target, weight in zip(
        *lists, numbers_of(node, f"{votes}_weights"), strict=True
    ):
        found[tree, number].append((target, weight))
    return found


def numbers_of(node: NodeView, name: str) -> list[float]:
    """A list that is an attribute of numbers, or a tensor of wider ones."""
    if node.has(f"{name}_as_tensor"):
        return [float(number) for number in node.tensor(f"{name}_as_tensor").reshape(-1)]
    return list(node.numbers(name, ()))
