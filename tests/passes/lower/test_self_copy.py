"""Copies of memory onto itself vanish; what is left of partial copies remains."""

from __future__ import annotations

from textwrap import dedent

import pytest

from mlc.ir.rewrite import walk
from mlc.ir.stmt import Func, Store, seq
from mlc.ir.text import parse_graph
from mlc.passes.lower.group import lower_group
from mlc.passes.lower.storage import bind_storage


def kernel(text: str, name: str) -> Func:
    """The plain loops of the node that computes a value."""
    graph = parse_graph(dedent(text))
    node = next(node for node in graph.nodes if node.outputs[0].name == name)
    return lower_group(node, graph, bind_storage(graph), graph.constants).func


def stores(func: Func) -> list[str]:
    """The loads that are stored as they are, and `?` for everything else."""
    found = [part.value for part in walk(func.body) if isinstance(part, Store)]
    return [getattr(getattr(value, "buffer", None), "name", "?") for value in found]


@pytest.mark.parametrize("shape", ["4,2", "1,2", "4,1,2"])
def test_a_concat_whose_parts_are_in_place_does_nothing(shape: str) -> None:
    axis = shape.count(",")
    func = kernel(
        f"""
        graph g(%x: f32[{shape}], %y: f32[{shape}]) -> (%z) {{
          %a: f32[{shape}] = relu(%x)
          %b: f32[{shape}] = relu(%y)
          %c: f32[{shape[:-1]}4] = concat(%a, %b) {{axis = {axis}}}
          %z: f32[{shape[:-1]}4] = tanh(%c)
        }}""",
        "c",
    )
    assert func.body == seq(())
    assert func.params == ()


def test_the_other_parts_are_copied() -> None:
    func = kernel(
        """
        graph g(%x: f32[4,2], %y: f32[4,2]) -> (%z) {
          %a: f32[4,2] = relu(%x)
          %c: f32[4,6] = concat(%y, %a, %x) {axis = 1}
          %z: f32[4,6] = tanh(%c)
        }""",
        "c",
    )
    assert stores(func) == ["in0", "in2"]
    assert [(param.name, param.strides) for param in func.params] == [
        ("in0", (2, 1)),
        ("in2", (2, 1)),
        ("out0", (6, 1)),
    ]


def test_a_pad_around_what_is_in_place_writes_the_frame() -> None:
    func = kernel(
        """
        graph g(%x: f32[3,4]) -> (%z) {
          %a: f32[3,4] = relu(%x)
          %p: f32[5,6] = pad(%a) {before = (1, 1), after = (1, 1), value = 7.0}
          %z: f32[5,6] = tanh(%p)
        }""",
        "p",
    )
    assert stores(func) == ["?"] * 4
    assert [param.name for param in func.params] == ["out0"]


def test_a_part_that_is_written_twice_is_copied_once() -> None:
    func = kernel(
        """
        graph g(%x: f32[4,2]) -> (%z) {
          %a: f32[4,2] = relu(%x)
          %c: f32[4,4] = concat(%a, %a) {axis = 1}
          %z: f32[4,4] = tanh(%c)
        }""",
        "c",
    )
    assert stores(func) == ["in0"]
