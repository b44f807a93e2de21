"""Where parts of copies are made: expected places, and what must stay where it is."""

from __future__ import annotations

from textwrap import dedent

import pytest

from mlc.ir.text import parse_graph
from mlc.ir.verify import verify_graph
from mlc.passes.lower.placement import place_parts

Places = dict[str, tuple[str, int, tuple[int, ...]]]


def places(text: str) -> Places:
    """The placed values by name: root, offset and strides."""
    graph = parse_graph(dedent(text))
    verify_graph(graph)
    found = place_parts(graph)
    return {v.name: (view.root.name, view.offset, view.strides) for v, view in found.items()}


def test_parts_of_a_concat() -> None:
    assert places(
        """
        graph g(%x: f32[4,2], %y: f32[4,3]) -> (%z) {
          %a: f32[4,2] = relu(%x)
          %b: f32[4,3] = relu(%y)
          %c: f32[4,5] = concat(%a, %b) {axis = 1}
          %z: f32[4,5] = tanh(%c)
        }"""
    ) == {"a": ("c", 0, (5, 1)), "b": ("c", 2, (5, 1))}


def test_channels_last_parts() -> None:
    assert places(
        """
        graph g(%x: f32[1,2,3,3], %y: f32[1,4,3,3]) -> (%z) {
          %a: f32[1,2,3,3]@NHWC = relu(%x)
          %b: f32[1,4,3,3]@NHWC = relu(%y)
          %c: f32[1,6,3,3]@NHWC = concat(%a, %b) {axis = 1}
          %z: f32[1,6,3,3] = tanh(%c)
        }"""
    ) == {"a": ("c", 0, (54, 1, 18, 6)), "b": ("c", 2, (54, 1, 18, 6))}


def test_a_chain_of_concats_has_one_memory() -> None:
    assert places(
        """
        graph g(%x: f32[4,2]) -> (%z) {
          %a: f32[4,2] = relu(%x)
          %b: f32[4,2] = tanh(%a)
          %ab: f32[4,4] = concat(%a, %b) {axis = 1}
          %c: f32[4,4] = tanh(%ab)
          %abc: f32[4,8] = concat(%ab, %c) {axis = 1}
          %z: f32[4,8] = tanh(%abc)
        }"""
    ) == {
        "ab": ("abc", 0, (8, 1)),
        "c": ("abc", 4, (8, 1)),
        "a": ("abc", 0, (8, 1)),
        "b": ("abc", 2, (8, 1)),
    }


def test_concats_of_the_same_neighbours_share_them() -> None:
    assert places(
        """
        graph g(%x: f32[4,2]) -> (%z) {
          %a: f32[4,2] = relu(%x)
          %b: f32[4,2] = tanh(%a)
          %ab: f32[4,4] = concat(%a, %b) {axis = 1}
          %c: f32[4,4] = tanh(%ab)
          %abc: f32[4,8] = concat(%a, %b, %c) {axis = 1}
          %z: f32[4,8] = tanh(%abc)
        }"""
    ) == {
        "a": ("abc", 0, (8, 1)),
        "b": ("abc", 2, (8, 1)),
        "c": ("abc", 4, (8, 1)),
        "ab": ("abc", 0, (8, 1)),
    }


def test_neighbours_that_were_cut_apart_are_whole_again() -> None:
    assert places(
        """
        graph g(%x: f32[4,4]) -> (%z) {
          %a: f32[4,4] = relu(%x)
          %l: f32[4,3] = slice(%a) {starts = (0, 0), sizes = (4, 3), steps = (1, 1)}
          %r: f32[4,1] = slice(%a) {starts = (0, 3), sizes = (4, 1), steps = (1, 1)}
          %c: f32[4,4] = concat(%l, %r) {axis = 1}
          %z: f32[4,4] = tanh(%c)
        }"""
    ) == {"c": ("a", 0, (4, 1))}


def test_memory_that_is_shown_by_a_concat_is_not_moved_afterwards() -> None:
    assert places(
        """
        graph g(%x: f32[4,4]) -> (%y, %z) {
          %a: f32[4,4] = relu(%x)
          %d: f32[4,8] = concat(%a, %x) {axis = 1}
          %y: f32[4,8] = tanh(%d)
          %l: f32[4,3] = slice(%a) {starts = (0, 0), sizes = (4, 3), steps = (1, 1)}
          %r: f32[4,1] = slice(%a) {starts = (0, 3), sizes = (4, 1), steps = (1, 1)}
          %c: f32[4,4] = concat(%l, %r) {axis = 1}
          %z: f32[4,4] = tanh(%c)
        }"""
    ) == {"c": ("a", 0, (4, 1))}


def test_a_part_behind_views() -> None:
    assert places(
        """
        graph g(%x: f32[6,4], %y: f32[4,2]) -> (%z) {
          %a: f32[6,4]@1.0 = relu(%x)
          %r: f32[2,3,4]@2.0.1 = reshape(%a) {shape = (2, 3, 4)}
          %t: f32[4,2,3] = transpose(%r) {perm = (2, 0, 1)}
          %s: f32[4,6] = reshape(%t) {shape = (4, 6)}
          %b: f32[4,2] = relu(%y)
          %c: f32[4,8] = concat(%b, %s) {axis = 1}
          %z: f32[4,8] = tanh(%c)
        }"""
    ) == {"a": ("c", 2, (1, 8)), "b": ("c", 0, (8, 1))}


def test_the_middle_of_a_pad() -> None:
    assert places(
        """
        graph g(%x: f32[3,4]) -> (%z) {
          %a: f32[3,4] = relu(%x)
          %p: f32[5,6] = pad(%a) {before = (1, 1), after = (1, 1)}
          %z: f32[5,6] = tanh(%p)
        }"""
    ) == {"a": ("p", 7, (6, 1))}


def test_a_concat_in_the_middle_of_a_pad() -> None:
    assert places(
        """
        graph g(%x: f32[3,4]) -> (%z) {
          %a: f32[3,4] = relu(%x)
          %b: f32[3,4] = tanh(%x)
          %c: f32[3,8] = concat(%a, %b) {axis = 1}
          %p: f32[5,8] = pad(%c) {before = (1, 0), after = (1, 0)}
          %z: f32[5,8] = tanh(%p)
        }"""
    ) == {"c": ("p", 8, (8, 1)), "a": ("p", 8, (8, 1)), "b": ("p", 12, (8, 1))}


@pytest.mark.parametrize(("columns", "placed"), [(4, {"a": ("p", 7, (6, 1))}), (5, {})])
def test_a_pad_leaves_alone_what_a_wide_contraction_reads(columns: int, placed: Places) -> None:
    text = f"""
        graph g(%x: f32[3,4], %w: f32[4,{columns}]) -> (%z, %y) {{
          %a: f32[3,4] = relu(%x)
          %y: f32[3,{columns}] = matmul(%a, %w)
          %p: f32[5,6] = pad(%a) {{before = (1, 1), after = (1, 1)}}
          %z: f32[5,6] = tanh(%p)
        }}"""
    assert places(text) == placed


def test_a_pad_takes_in_what_others_read_through_views() -> None:
    assert places(
        """
        graph g(%x: f32[3,4]) -> (%z, %y) {
          %a: f32[3,4] = relu(%x)
          %t: f32[4,3]@1.0 = transpose(%a) {perm = (1, 0)}
          %y: f32[4,3] = tanh(%t)
          %p: f32[5,6] = pad(%a) {before = (1, 1), after = (1, 1)}
          %z: f32[5,6] = tanh(%p)
        }"""
    ) == {"a": ("p", 7, (6, 1))}


def test_an_output_that_is_a_copy() -> None:
    assert places(
        """
        graph g(%x: f32[3,4]) -> (%y, %z) {
          %a: f32[3,4] = relu(%x)
          %y: f32[3,4] = tanh(%a)
          %r: f32[4,3] = reshape(%a) {shape = (4, 3)}
          %z: f32[4,3] = identity(%r)
        }"""
    ) == {"a": ("z", 0, (4, 1))}


STAYS = {
    "an input, a constant": """
        graph g(%x: f32[4,2]) -> (%z) {
          const %k: f32[4,2] = [1, 2, 3, 4, 5, 6, 7, 8]
          %c: f32[4,4] = concat(%x, %k) {axis = 1}
          %z: f32[4,4] = tanh(%c)
        }""",
    "an output of the model": """
        graph g(%x: f32[4,2]) -> (%a, %z) {
          %a: f32[4,2] = relu(%x)
          %c: f32[4,4] = concat(%a, %x) {axis = 1}
          %z: f32[4,4] = tanh(%c)
        }""",
    "a slice of something larger": """
        graph g(%x: f32[4,4]) -> (%z) {
          %a: f32[4,4] = relu(%x)
          %s: f32[4,2] = slice(%a) {starts = (0, 1), sizes = (4, 2), steps = (1, 1)}
          %c: f32[4,6] = concat(%s, %x) {axis = 1}
          %z: f32[4,6] = tanh(%c)
        }""",
    "its rows would no longer be dense": """
        graph g(%x: f32[4,1]) -> (%z) {
          %a: f32[4,1] = relu(%x)
          %c: f32[4,2] = concat(%a, %x) {axis = 1}
          %z: f32[4,2] = tanh(%c)
        }""",
    "another memory order": """
        graph g(%x: f32[4,2]) -> (%z) {
          %a: f32[4,2] = relu(%x)
          %c: f32[4,4]@1.0 = concat(%a, %x) {axis = 1}
          %z: f32[4,4] = tanh(%c)
        }""",
    "a reshape of it would no longer be a view": """
        graph g(%x: f32[4,2]) -> (%z, %y) {
          %a: f32[4,2] = relu(%x)
          %f: f32[8] = reshape(%a) {shape = (8,)}
          %y: f32[8] = tanh(%f)
          %c: f32[4,4] = concat(%a, %x) {axis = 1}
          %z: f32[4,4] = tanh(%c)
        }""",
    "reflected borders are no copies": """
        graph g(%x: f32[3,4]) -> (%z) {
          %a: f32[3,4] = relu(%x)
          %p: f32[5,4] = pad(%a) {before = (1, 0), after = (1, 0), mode = "reflect"}
          %z: f32[5,4] = tanh(%p)
        }""",
}


@pytest.mark.parametrize("text", STAYS.values(), ids=list(STAYS))
def test_what_stays_where_it_is(text: str) -> None:
    assert not places(text)


def test_a_value_is_placed_once() -> None:
    assert places(
        """
        graph g(%x: f32[4,2]) -> (%z, %y) {
          %a: f32[4,2] = relu(%x)
          %b: f32[4,4] = concat(%x, %a) {axis = 1}
          %y: f32[4,4] = tanh(%b)
          %c: f32[4,6] = concat(%a, %x, %a) {axis = 1}
          %z: f32[4,6] = tanh(%c)
        }"""
    ) == {"a": ("c", 0, (6, 1))}
