"""The node tests that come with `onnx`, compiled: every pass and the code generator on each."""

from __future__ import annotations

from types import ModuleType

import ml_dtypes
import numpy as np
import pytest

from mlc.errors import UnsupportedError
from mlc.ir.graph import Graph
from mlc.ir.interpret import run_graph
from tests.backends.models import Running, compiled
from tests.importers.test_onnx_conformance import GROUPS, REFUSED, _array, _cases, _imported


def compare(found: np.ndarray, wanted: np.ndarray) -> None:
    """The compiled code against the interpreter, which is itself held to the stored outputs."""
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    if found.dtype.kind not in "fV" or "int" in found.dtype.name:  # int4 and its like are "V"
        np.testing.assert_array_equal(found, wanted)
        return
    tolerance = max(1e-5, 32 * float(ml_dtypes.finfo(found.dtype).eps))
    exact = wanted.astype(np.float64)
    scale = float(np.abs(exact[np.isfinite(exact)]).max(initial=0.0))
    np.testing.assert_allclose(found.astype(np.float64), exact, tolerance, tolerance * scale)


def check(graph: Graph, feeds: dict[str, np.ndarray], threads: int) -> None:
    wanted = run_graph(graph, feeds)
    found = Running(compiled(graph, "host", threads))(feeds)
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        compare(found[name], array)


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__.rsplit(".", 1)[-1])
@pytest.mark.filterwarnings("ignore")
def test_group(group: ModuleType) -> None:
    failures, count = [], 0
    for case in [case for op_type in group.CONVERTERS for case in _cases().get(op_type, ())]:
        if case.name in REFUSED:
            continue
        for stored, _ in case.data_sets:
            inputs = [_array(tensor) for tensor in stored]
            try:
                graph = _imported(case.model, inputs)
            except UnsupportedError:
                continue
            infos = zip(case.model.graph.input, inputs, strict=True)
            named = {info.name: array for info, array in infos}
            count += 1
            try:
                check(graph, {v.name: named[v.name] for v in graph.inputs}, 1 + count % 2)
            except Exception as error:  # every case is to be reported, whatever it raises
                failures.append(f"{case.name}: {type(error).__name__}: {str(error).strip()[:300]}")
    assert count, "no case at all"
    assert not failures, "\n".join([f"{len(failures)} of {count} cases:", *failures])
