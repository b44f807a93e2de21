"""Trees, linear models and features of ai.onnx.ml against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

from mlc.errors import ModelError, UnsupportedError
from mlc.importers.onnx import import_model
from mlc.ir.interpret import run_graph
from tests.importers.one_node import node_model, reference_node, run_node

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((9, 4)).astype(np.float32)
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO")


def agrees(
    op_type: str, inputs: list[np.ndarray], outputs: int = 1, opset: int = 3, **attributes: Any
) -> None:
    model, feeds = node_model(
        op_type, inputs, outputs=outputs, opset=opset, domain="ai.onnx.ml", **attributes
    )
    for entry in model.opset_import:
        entry.version = entry.version if entry.domain else 17
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    peer = session.run(None, feeds)
    for got, wanted in zip(run_graph(import_model(model), feeds).values(), peer, strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def numbered_trees(count: int, depth: int = 3) -> dict[str, Any]:
    """Complete trees in the older form, whose modes differ from tree to tree."""
    modes = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"]
    size, inner = 2 ** (depth + 1) - 1, 2**depth - 1
    nodes = [(tree, number) for tree in range(count) for number in range(size)]
    return {
        "nodes_treeids": [tree for tree, _ in nodes],
        "nodes_nodeids": [number for _, number in nodes],
        "nodes_featureids": [int(RNG.integers(0, 4)) if n < inner else 0 for _, n in nodes],
        "nodes_values": [float(RNG.standard_normal()) if n < inner else 0.0 for _, n in nodes],
        "nodes_modes": [modes[t % 4] if n < inner else "LEAF" for t, n in nodes],
        "nodes_truenodeids": [2 * n + 1 if n < inner else 0 for _, n in nodes],
        "nodes_falsenodeids": [2 * n + 2 if n < inner else 0 for _, n in nodes],
    }


def votes(prefix: str, trees: dict[str, Any], targets: list[int]) -> dict[str, Any]:
    """Each leaf votes for each target."""
    leaves = [
        (tree, number, target)
        for tree, number, mode in zip(
            trees["nodes_treeids"], trees["nodes_nodeids"], trees["nodes_modes"], strict=True
        )
        if mode == "LEAF"
        for target in targets
    ]
    return {
        f"{prefix}_treeids": [tree for tree, _, _ in leaves],
        f"{prefix}_nodeids": [number for _, number, _ in leaves],
        f"{prefix}_ids": [target for _, _, target in leaves],
        f"{prefix}_weights": [float(RNG.uniform(0.05, 0.2)) for _ in leaves],
    }


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
@pytest.mark.parametrize("targets", [1, 3])
def test_tree_regressors(aggregate: str, targets: int) -> None:
    trees = numbered_trees(5)
    agrees(
        "TreeEnsembleRegressor", [ROWS], n_targets=targets, aggregate_function=aggregate,
        base_values=[0.25] * targets, **trees, **votes("target", trees, list(range(targets))),
    )  # fmt: skip


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_tree_classifiers(transform: str) -> None:
    trees = numbered_trees(4)
    agrees(
        "TreeEnsembleClassifier", [ROWS], outputs=2, classlabels_int64s=[7, -1, 30],
        post_transform=transform, **trees, **votes("class", trees, [0, 1, 2]),
    )  # fmt: skip


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC"])
def test_classifiers_of_two_classes(transform: str) -> None:
    trees = numbered_trees(4)
    leaves = votes("class", trees, [0])
    leaves["class_weights"] = [w - 0.12 for w in leaves["class_weights"]]
    agrees(
        "TreeEnsembleClassifier", [ROWS], outputs=2, classlabels_int64s=[0, 1],
        post_transform=transform, **trees, **leaves,
    )  # fmt: skip


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_linear_classifiers(transform: str) -> None:
    agrees(
        "LinearClassifier", [ROWS], outputs=2, opset=1,
        coefficients=RNG.standard_normal(12).tolist(), intercepts=[0.1] * 3,
        classlabels_ints=[5, 6, 7], post_transform=transform,
    )  # fmt: skip


def test_probit() -> None:
    agrees(
        "LinearClassifier", [ROWS], outputs=2, opset=1, coefficients=[0.0] * 12,
        intercepts=[0.2, 0.55, 0.9], classlabels_ints=[5, 6, 7], post_transform="PROBIT",
    )  # fmt: skip


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_one_score_is_that_of_the_second_class(transform: str) -> None:
    # The peer takes a score that is not transformed for a probability; ONNX's reference does not.
    options: dict[str, Any] = {
        "outputs": 2, "opset": 1, "domain": "ai.onnx.ml", "post_transform": transform,
        "coefficients": [1.0, -2.0, 0.5, 0.25], "intercepts": [0.1], "classlabels_ints": [5, 6],
    }  # fmt: skip
    found = run_node("LinearClassifier", [ROWS], **options)
    wanted = reference_node("LinearClassifier", [ROWS], **options)
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-5)


@pytest.mark.parametrize("targets", [1, 2])
def test_linear_regressors(targets: int) -> None:
    agrees(
        "LinearRegressor", [ROWS], opset=1, targets=targets,
        coefficients=RNG.standard_normal(4 * targets).tolist(), intercepts=[0.5] * targets,
    )  # fmt: skip


@pytest.mark.parametrize("kernel", ["LINEAR", "POLY", "RBF", "SIGMOID"])
@pytest.mark.parametrize("one_class", [0, 1])
def test_support_vector_regressors(kernel: str, one_class: int) -> None:
    agrees(
        "SVMRegressor", [ROWS], opset=1, kernel_type=kernel, kernel_params=[0.3, 0.1, 2.0],
        support_vectors=RNG.standard_normal(12).tolist(), n_supports=3, rho=[0.2],
        coefficients=[0.5, -1.0, 0.75], one_class=one_class,
    )  # fmt: skip


def test_support_vector_regressors_without_vectors_are_linear() -> None:
    options = {
        "coefficients": [0.5, -1.0, 0.75, 2.0],
        "rho": [0.2],
        "kernel_params": [0.0, 0.0, 0.0],
    }
    agrees("SVMRegressor", [ROWS], opset=1, **options)


@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes"),
    [
        ("Scaler", [ROWS], {"offset": [0.5], "scale": [2.0]}),
        ("Scaler", [ROWS], {"offset": [0.5, 1, 2, 3], "scale": [2.0, 1, 3, 4]}),
        ("Normalizer", [np.abs(ROWS)], {"norm": "MAX"}),
        ("Normalizer", [ROWS], {"norm": "L1"}),
        ("Normalizer", [ROWS], {"norm": "L2"}),
        ("Binarizer", [ROWS], {"threshold": 0.25}),
        ("ArrayFeatureExtractor", [ROWS, np.array([[2, 0]])], {}),
        ("FeatureVectorizer", [ROWS, ROWS[:, :2]], {"inputdimensions": [4, 2]}),
        ("OneHotEncoder", [np.array([[3, 1], [9, 5]])], {"cats_int64s": [1, 3, 5], "zeros": 1}),
        (
            "Imputer",
            [np.where(ROWS < 0, np.nan, ROWS)],
            {"imputed_value_floats": [1.0, 2, 3, 4], "replaced_value_float": np.nan},
        ),
        (
            "Imputer",
            [np.array([[3, 1], [-1, 5]])],
            {"imputed_value_int64s": [8], "replaced_value_int64": -1},
        ),
    ],
)
def test_features(op_type: str, inputs: list[np.ndarray], attributes: dict[str, Any]) -> None:
    agrees(op_type, inputs, opset=1, **attributes)


def refused(kind: type[Exception], **changes: Any) -> str:
    trees = numbered_trees(1, depth=1)
    attributes = {**trees, **votes("target", trees, [0]), **changes}
    model, _ = node_model(
        "TreeEnsembleRegressor", [ROWS], opset=3, domain="ai.onnx.ml", n_targets=1, **attributes
    )
    with pytest.raises(kind) as caught:
        import_model(model)
    return str(caught.value)


def test_broken_trees() -> None:
    where = "\n  at: TreeEnsembleRegressor:y0"
    nowhere = refused(ModelError, nodes_truenodeids=[9, 0, 0])
    assert nowhere == f"a branch of a tree leads to no node{where}"
    assert refused(ModelError, nodes_truenodeids=[0, 0, 0]) == f"a tree has no end{where}"
    beyond = refused(ModelError, nodes_featureids=[4, 0, 0])
    assert beyond == f"a tree tests a feature beyond the 4 there are{where}"
    unknown = refused(UnsupportedError, nodes_modes=["BRANCH_NEAR", "LEAF", "LEAF"])
    assert "mode BRANCH_NEAR is not supported" in unknown
