"""forest."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ir.operators.harness import check, refusal

RNG = np.random.default_rng(0)
NAMES = ("le", "lt", "ge", "gt", "eq", "ne")


def random_trees(trees: int, depth: int, features: int) -> list[np.ndarray]:
    """Complete trees: the children of node k of a tree are 2k + 1 and 2k + 2."""
    size = 2 ** (depth + 1) - 1
    inner = np.arange(size) < 2**depth - 1
    no = np.where(inner, 2 * np.arange(size) + 1, np.arange(size))
    branches = np.stack([no, np.where(inner, no + 1, no)], axis=1)
    starts = np.arange(trees) * size
    count = trees * size
    return [
        starts,
        RNG.integers(0, features, count),
        RNG.integers(-2, 3, count).astype(np.float32),
        (starts[:, None, None] + branches).reshape(-1, 2),
        RNG.integers(0, len(NAMES), count),
        RNG.random(count) < 0.5,
    ]


def test_rows_go_down_as_they_should() -> None:
    x = RNG.integers(-2, 3, (20, 4)).astype(np.float32)
    x[RNG.random(x.shape) < 0.1] = np.nan
    roots, features, splits, branches, tests, missing = random_trees(3, 4, 4)
    (got,) = check(
        "forest", x, roots, features, splits, branches, tests, missing, comparisons=NAMES, depth=4
    )
    compare = [np.less_equal, np.less, np.greater_equal, np.greater, np.equal, np.not_equal]
    for row, found in zip(x, got, strict=True):
        for node, end in zip(roots, found, strict=True):
            for _ in range(4):
                value = row[features[node]]
                yes = compare[tests[node]](value, splits[node]) or (
                    missing[node] and np.isnan(value)
                )
                node = branches[node, int(yes)]
            assert node == end


@pytest.mark.parametrize("name", NAMES)
def test_one_comparison_needs_no_tests(name: str) -> None:
    x = np.array([[1.0], [2], [3], [np.nan]])
    trees = [
        np.array([0]), np.zeros(3, np.int64), np.array([2.0, 0, 0]),
        np.array([[1, 2], [1, 1], [2, 2]]), np.zeros(3, np.int64), np.zeros(3, np.bool_),
    ]  # fmt: skip
    (got,) = check("forest", x, *trees, comparisons=(name,), depth=1)
    wanted = {
        "le": [2, 2, 1, 1], "lt": [2, 1, 1, 1], "ge": [1, 2, 2, 1], "gt": [1, 1, 2, 1],
        "eq": [1, 2, 1, 1], "ne": [2, 1, 2, 2],
    }  # fmt: skip
    assert got[:, 0].tolist() == wanted[name]


def test_refusals() -> None:
    nodes = ["i64[3]", "f32[3]", "i64[3,2]", "i64[3]", "bool[3]"]
    message = refusal("forest", "f32[5,2]", "i64[1]", *nodes, comparisons=("less",), depth=1)
    assert message == (
        "ShapeError: forest: comparisons ('less',) are not some of le, lt, ge, gt, eq, ne"
    )
    nodes[2] = "i64[2,2]"
    message = refusal("forest", "f32[5,2]", "i64[1]", *nodes, comparisons=("le",), depth=1)
    assert message == "ShapeError: forest: i64[2,2] does not fit nodes i64[3]"
