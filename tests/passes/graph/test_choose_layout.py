"""choose-layout: regions of channels-last, views that stay views, copies where memory must move."""

from __future__ import annotations

from textwrap import dedent

from mlc.ir.graph import Graph
from mlc.ir.text import parse_graph
from mlc.passes.graph.choose_layout import ChooseLayout
from tests.passes.graph.rewriting import assert_rewrites, assert_unchanged, decided, ops, rewrite

POOL = "{kernel = (2, 2), strides = (1, 1), before = (0, 0), after = (0, 0), dilations = (1, 1)}"
CONV = "{strides = (1, 1), before = (0, 0), after = (0, 0), dilations = (1, 1)}"


def layouts(graph: Graph) -> dict[str, str]:
    """The layout of every value that a node makes."""
    return {
        value.name: str(value.type.memory_layout) for node in graph.nodes for value in node.outputs
    }


def test_a_region_is_channels_last_and_its_output_row_major() -> None:
    assert_rewrites(
        ChooseLayout(),
        f"""graph g(%x: f32[1,3,6,6], %w: f32[8,3,1,1], %b: f32[8,1,1]) -> (%z) {{
          %c: f32[1,8,6,6] = conv(%x, %w) {CONV}
          %a: f32[1,8,6,6] = add(%c, %b)
          %z: f32[1,8,5,5] = max_pool(%a) {POOL}
        }}""",
        f"""graph g(%x: f32[1,3,6,6], %w: f32[8,3,1,1], %b: f32[8,1,1]) -> (%z) {{
          %c: f32[1,8,6,6]@NHWC = conv(%x, %w) {CONV}
          %a: f32[1,8,6,6]@NHWC = add(%c, %b)
          %p: f32[1,8,5,5]@NHWC = max_pool(%a) {POOL}
          %z: f32[1,8,5,5] = identity(%p)
        }}""",
    )


def test_a_row_major_input_with_many_channels_is_copied_once() -> None:
    text = f"""graph g(%x: f32[1,8,6,6], %w: f32[8,8,1,1]) -> (%z) {{
      %c: f32[1,8,6,6] = conv(%x, %w) {CONV}
      %p: f32[1,8,5,5] = max_pool(%x) {POOL}
      %m: f32[1,8,1,1] = reduce_mean(%c) {{axes = (2, 3), keepdims = true}}
      %z: f32[1,8,5,5] = add(%p, %m)
    }}"""
    result = rewrite(text, ChooseLayout())
    assert ops(result) == ["identity", "conv", "max_pool", "reduce_mean", "add", "identity"]
    assert decided([ChooseLayout()], parse_graph(dedent(text))) == {
        "x": "copied: 1152 bytes from row-major to NHWC: conv needs it",
        "z": "copied: 800 bytes from NHWC to row-major: it is an output of the model",
    }


def test_a_pad_reorders_on_the_way() -> None:
    text = f"""graph g(%x: f32[1,8,4,4], %w: f32[8,8,3,3]) -> (%z) {{
      %p: f32[1,8,6,6] = pad(%x) {{before = (0, 0, 1, 1), after = (0, 0, 1, 1)}}
      %c: f32[1,8,4,4] = conv(%p, %w) {CONV}
      %z: f32[1,8,1,1] = reduce_mean(%c) {{axes = (2, 3), keepdims = true}}
    }}"""
    result = rewrite(text, ChooseLayout())
    assert ops(result) == ["pad", "conv", "reduce_mean"]
    assert layouts(result) == {"p": "NHWC", "c": "NHWC", "z": "NCHW"}


def test_a_channels_first_flatten_is_copied_a_single_pixel_is_not() -> None:
    large = f"""graph g(%x: f32[1,3,3,3], %w: f32[4,3,1,1]) -> (%f) {{
      %c: f32[1,4,3,3] = conv(%x, %w) {CONV}
      %f: f32[1,36] = reshape(%c) {{shape = (1, 36)}}
    }}"""
    assert ops(rewrite(large, ChooseLayout())) == ["conv", "identity", "reshape"]
    pixel = f"""graph g(%x: f32[1,3,3,3], %w: f32[4,3,3,3]) -> (%f) {{
      %c: f32[1,4,1,1] = conv(%x, %w) {CONV}
      %f: f32[1,4] = reshape(%c) {{shape = (1, 4)}}
    }}"""
    assert_unchanged(ChooseLayout(), pixel)


def test_patches_to_tokens_are_views() -> None:
    text = f"""graph g(%x: f32[2,3,4,4], %w: f32[8,3,1,1]) -> (%y) {{
      %c: f32[2,8,4,4] = conv(%x, %w) {CONV}
      %r: f32[2,8,16] = reshape(%c) {{shape = (2, 8, 16)}}
      %t: f32[2,16,8] = transpose(%r) {{perm = (0, 2, 1)}}
      %y: f32[2,16,8] = softmax(%t) {{axis = 2}}
    }}"""
    result = rewrite(text, ChooseLayout())
    assert ops(result) == ["conv", "reshape", "transpose", "softmax"]
    assert layouts(result) == {"c": "NHWC", "r": "NWC", "t": "NCW", "y": "NCW"}


def test_a_product_writes_what_the_views_after_it_ask_for() -> None:
    text = """graph g(%a: f32[1,2,5,3], %b: f32[1,2,3,4]) -> (%y) {
      %m: f32[1,2,5,4] = matmul(%a, %b)
      %t: f32[1,5,2,4] = transpose(%m) {perm = (0, 2, 1, 3)}
      %y: f32[1,5,8] = reshape(%t) {shape = (1, 5, 8)}
    }"""
    result = rewrite(text, ChooseLayout())
    assert ops(result) == ["matmul", "transpose", "reshape"]
    assert result.nodes[0].output.type.memory_layout.order == (0, 2, 1, 3)
    assert result.nodes[1].output.type.layout is None


def test_shuffled_channels_are_copied_to_channels_last() -> None:
    text = f"""graph g(%x: f32[1,3,3,3], %w: f32[4,3,1,1], %v: f32[4,4,1,1]) -> (%z) {{
      %c: f32[1,4,3,3] = conv(%x, %w) {CONV}
      %r: f32[1,2,2,3,3] = reshape(%c) {{shape = (1, 2, 2, 3, 3)}}
      %t: f32[1,2,2,3,3] = transpose(%r) {{perm = (0, 2, 1, 3, 4)}}
      %s: f32[1,4,3,3] = reshape(%t) {{shape = (1, 4, 3, 3)}}
      %d: f32[1,4,3,3] = conv(%s, %v) {CONV}
      %z: f32[1,4,1,1] = reduce_mean(%d) {{axes = (2, 3), keepdims = true}}
    }}"""
    result = rewrite(text, ChooseLayout())
    expected = ["conv", "reshape", "transpose", "identity", "reshape", "conv", "reduce_mean"]
    assert ops(result) == expected
    assert layouts(result)["s"] == "NHWC"


def test_row_major_graphs_are_left_alone() -> None:
    assert_unchanged(
        ChooseLayout(),
        """graph g(%x: f32[2,5,3], %w: f32[3,4]) -> (%y) {
          %m: f32[2,5,4] = matmul(%x, %w)
          %y: f32[2,5,4] = relu(%m)
        }""",
    )
