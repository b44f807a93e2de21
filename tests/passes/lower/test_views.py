"""Views are what NumPy sees through the same strides."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.dtype import F32
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.operators import OPERATORS
from mlc.ir.types import TensorType
from mlc.passes.lower.views import View, bind_views, reshape_strides, view_of
from tests.strategies.cases import Case
from tests.strategies.operators import operator_cases

Array = np.ndarray[Any, np.dtype[Any]]


def seen(memory: Array, view: View, shape: tuple[int, ...]) -> Array:
    """A view of memory; NumPy refuses one that leaves it."""
    strides = tuple(stride * memory.itemsize for stride in view.strides)
    offset = view.offset * memory.itemsize
    return np.ndarray(shape, memory.dtype, memory, offset, strides)


@pytest.mark.parametrize("op", ["transpose", "slice", "expand", "reshape"])
@settings(max_examples=25)
@given(st.data())
def test_views_show_what_the_operators_compute(op: str, data: st.DataObject) -> None:
    case: Case = data.draw(operator_cases(op))
    (array,), (wanted,) = case.inputs, case.expected
    order = data.draw(st.permutations(range(array.ndim)))
    source = Value("x", case.types[0])
    memory = np.ascontiguousarray(array.transpose(order))
    strides = np.empty(array.ndim, int)
    strides[list(order)] = np.array(memory.strides, int) // array.itemsize
    views = {source: View(source, 0, tuple(map(int, strides)))}
    node = Node(op, (source,), (Value("y", case.outputs[0]),), case.attrs)
    view = view_of(node, views)
    if view is None:
        assert op == "reshape"
        return
    assert view.root is source
    if wanted.size:
        found = seen(memory.reshape(-1), view, wanted.shape)
        np.testing.assert_array_equal(found, wanted)


@st.composite
def reshapes(draw: st.DrawFn) -> tuple[Array, tuple[int, ...]]:
    """An array with odd strides, and another shape for its elements."""
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 2, 3, 4, 6]), max_size=4)))
    array = np.arange(math.prod(shape) * 8).reshape(*shape, 8)[..., draw(st.integers(0, 7))]
    array = array if draw(st.booleans()) else np.arange(math.prod(shape)).reshape(shape)
    array = array.transpose(draw(st.permutations(range(array.ndim))))
    rest, target = array.size, []
    while rest > 1:
        divisors = [d for d in range(1, rest + 1) if rest % d == 0]
        target.append(draw(st.sampled_from(divisors)))
        rest //= target[-1]
    ones = draw(st.integers(0, 2))
    return array, tuple(draw(st.permutations([*target, *[1] * ones])))


@settings(max_examples=50)
@given(reshapes())
def test_reshapes_without_a_copy_are_those_that_numpy_finds(
    case: tuple[Array, tuple[int, ...]],
) -> None:
    array, target = case
    strides = tuple(stride // array.itemsize for stride in array.strides)
    found = reshape_strides(array.shape, strides, target)
    try:
        wanted = array.reshape(target, copy=False)
    except TypeError:  # an older NumPy
        view = array.view()
        try:
            view.shape = target
        except AttributeError:
            view = None
        wanted = view
    except ValueError:
        wanted = None
    assert (found is None) == (wanted is None)
    if found is not None:
        in_bytes = tuple(stride * array.itemsize for stride in found)
        shown = np.lib.stride_tricks.as_strided(array, target, in_bytes)
        np.testing.assert_array_equal(shown, array.reshape(target))


def chain(*ops: tuple[str, dict[str, Any]]) -> Graph:
    """Operators one after the other on a tensor of 4 × 6."""
    value = start = Value("x", TensorType((4, 6), F32))
    nodes = []
    for number, (op, attrs) in enumerate(ops):
        (made,) = OPERATORS[op].infer([value.type], attrs)
        nodes.append(Node(op, (value,), (Value(f"v{number}", made),), attrs))
        value = nodes[-1].output
    return Graph("g", (start,), (value,), tuple(nodes))


def test_views_of_views_are_views_of_the_root() -> None:
    graph = chain(
        ("slice", {"starts": (1, 4), "sizes": (3, 3), "steps": (1, -2)}),
        ("transpose", {"perm": (1, 0)}),
        ("reshape", {"shape": (3, 1, 3)}),
        ("expand", {"shape": (3, 5, 3)}),
    )
    assert bind_views(graph)[graph.outputs[0]] == View(graph.inputs[0], 10, (-2, 0, 6))


def test_what_computes_is_a_root() -> None:
    graph = chain(("transpose", {"perm": (1, 0)}), ("relu", {}), ("reshape", {"shape": (24,)}))
    views = bind_views(graph)
    assert views[graph.outputs[0]] == View(graph.nodes[1].output, 0, (1,))


def test_a_reshape_that_needs_a_copy_is_a_root() -> None:
    graph = chain(("transpose", {"perm": (1, 0)}), ("reshape", {"shape": (24,)}))
    assert bind_views(graph)[graph.outputs[0]] == View(graph.outputs[0], 0, (1,))
