"""The node tests that come with `onnx`, for every operator with a converter.

A case whose graph has an operator without converter does not count. Every other case must agree
with the stored outputs, or be refused for the reason that a table below gives.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from types import ModuleType

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.case.test_case import TestCase as Case
from onnx.backend.test.loader import load_model_tests

from mlc.errors import ShapeError, UnsupportedError
from mlc.importers.onnx import import_model
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
    logical,
    matmul,
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
    training,
    trees,
    unpooling,
)
from mlc.importers.onnx.reading import OLDEST_OPSET
from mlc.importers.onnx.registry import FUNCTIONS, is_known
from mlc.importers.onnx.tensors import DTYPES
from mlc.ir.graph import Graph
from mlc.ir.interpret import run_graph

GROUPS = (
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
    logical,
    matmul,
    movement,
    normalization,
    pooling,
    quantization,
    random,
    recurrent,
    reduction,
    selection,
    regions,
    reversal,
    sampling,
    signal,
    training,
    trees,
    unpooling,
)

REFUSED = {}

DIFFERENT = {
    # Random numbers are no others' random numbers.
    "test_bernoulli",
    "test_bernoulli_double",
    "test_bernoulli_double_expanded",
    "test_bernoulli_expanded",
    "test_bernoulli_seed",
    "test_bernoulli_seed_expanded",
    # What should be zeros are rounding errors of NumPy's transform in single precision.
    "test_dft_inverse",
    "test_dft_inverse_opset19",
}

MOST_ROUNDINGS = 8
"""Half-precision results may differ by this many units in the last place: sums in other orders."""


def _counts(case: Case) -> bool:
    """Whether a case has only tensors of our element types and operators that are converted."""
    model = case.model
    infos = [*model.graph.input, *model.graph.output]
    return (
        all(_is_converted(node) for node in model.graph.node)
        and all(info.type.tensor_type.elem_type in DTYPES for info in infos)
        and all(e.version >= OLDEST_OPSET for e in model.opset_import if not e.domain)
        and not _casts_to_foreign_type(model)
    )


def _is_converted(node: onnx.NodeProto) -> bool:
    known = is_known(node.domain, node.op_type)
    return known or node.op_type in FUNCTIONS.get(node.domain, ())


def _casts_to_foreign_type(model: onnx.ModelProto) -> bool:
    return any(
        attribute.i not in DTYPES
        for node in model.graph.node
        if node.op_type == "Cast"
        for attribute in node.attribute
        if attribute.name == "to"
    )


@lru_cache
def _cases() -> dict[str, list[Case]]:
    """Operator of the first node → cases."""
    table: dict[str, list[Case]] = {}
    for case in load_model_tests(kind="node"):
        if _counts(case):
            table.setdefault(case.model.graph.node[0].op_type, []).append(case)
    return table


def _array(tensor: object) -> np.ndarray:
    return np.asarray(
        numpy_helper.to_array(tensor) if isinstance(tensor, onnx.TensorProto) else tensor
    )


def _imported(model: onnx.ModelProto, inputs: list[np.ndarray]) -> Graph:
    """Import; what has to be known at import becomes an initializer: first all but the first."""
    for first in (len(inputs), 1, 0):
        fixed = onnx.ModelProto()
        fixed.CopyFrom(model)
        for info, array in list(zip(model.graph.input, inputs, strict=True))[first:]:
            fixed.graph.initializer.append(numpy_helper.from_array(array, info.name))
        try:
            return import_model(fixed)
        except (ShapeError, UnsupportedError) as error:
            last = error
    raise last


def _run(case: Case) -> None:
    model = case.model
    for stored_inputs, stored_outputs in case.data_sets:
        inputs = [_array(tensor) for tensor in stored_inputs]
        graph = _imported(model, inputs)
        named = {info.name: a for info, a in zip(model.graph.input, inputs, strict=True)}
        results = run_graph(graph, {value.name: named[value.name] for value in graph.inputs})
        for found, stored in zip(results.values(), stored_outputs, strict=True):
            _compare(case, found, _array(stored))


def _compare(case: Case, found: np.ndarray, wanted: np.ndarray) -> None:
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    if found.dtype.kind not in "fV":
        np.testing.assert_array_equal(found, wanted)
        return
    last_place = float(ml_dtypes.finfo(found.dtype).eps) if found.dtype.itemsize == 2 else 0.0
    np.testing.assert_allclose(
        found.astype(np.float64),
        wanted.astype(np.float64),
        rtol=max(case.rtol, MOST_ROUNDINGS * last_place),
        atol=case.atol,
    )


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__.rsplit(".", 1)[-1])
@pytest.mark.filterwarnings("ignore")
def test_group(group: ModuleType) -> None:
    _check(group.CONVERTERS)


@pytest.mark.filterwarnings("ignore")
def test_functions() -> None:
    _check([name for names in FUNCTIONS.values() for name in names])


def _check(op_types: Iterable[str]) -> None:
    """Run the cases whose first node is one of these operators."""
    failures, count = [], 0
    for case in [case for op_type in op_types for case in _cases().get(op_type, ())]:
        if case.name in DIFFERENT:
            continue
        count += 1
        try:
            _run(case)
        except UnsupportedError as error:
            if REFUSED.get(case.name, "nothing") not in str(error):
                failures.append(f"{case.name}: {error}")
        except Exception as error:  # every case is to be reported, whatever it raises
            failures.append(f"{case.name}: {type(error).__name__}: {str(error).strip()[:300]}")
        else:
            if case.name in REFUSED:
                failures.append(f"{case.name}: is named as refused, but agrees")
    assert count, "no case at all"
    assert not failures, "\n".join([f"{len(failures)} of {count} cases:", *failures])


def test_exceptions_are_cases() -> None:
    names = {case.name for cases in _cases().values() for case in cases}
    assert names >= REFUSED.keys() | DIFFERENT
