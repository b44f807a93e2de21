"""explicit-padding: one pad for each padding of a value, shared with elementwise users."""

from __future__ import annotations

from mlc.passes.graph.explicit_padding import ExplicitPadding
from tests.passes.graph.rewriting import assert_rewrites, assert_unchanged, ops, rewrite

SAME = "strides = (1,), before = (1,), after = (1,), dilations = (1,)"
VALID = "strides = (1,), before = (0,), after = (0,), dilations = (1,)"
FRAME = '{before = (0, 0, 1), after = (0, 0, 1), value = 0.0, mode = "constant"}'


def test_pads_once_for_two_convolutions() -> None:
    assert_rewrites(
        ExplicitPadding(),
        f"""graph g(%x: f32[1,2,8], %w: f32[3,2,3], %v: f32[4,2,3]) -> (%y, %z) {{
          %y: f32[1,3,8] = conv(%x, %w) {{{SAME}}}
          %z: f32[1,4,8] = conv(%x, %v) {{{SAME}}}
        }}""",
        f"""graph g(%x: f32[1,2,8], %w: f32[3,2,3], %v: f32[4,2,3]) -> (%y, %z) {{
          %p: f32[1,2,10] = pad(%x) {FRAME}
          %y: f32[1,3,8] = conv(%p, %w) {{{VALID}}}
          %z: f32[1,4,8] = conv(%p, %v) {{{VALID}}}
        }}""",
    )


def test_elementwise_users_read_the_middle() -> None:
    assert_rewrites(
        ExplicitPadding(),
        f"""graph g(%x: f32[1,2,8], %w: f32[2,2,3]) -> (%z) {{
          %r: f32[1,2,8] = relu(%x)
          %y: f32[1,2,8] = conv(%r, %w) {{{SAME}}}
          %z: f32[1,2,8] = add(%y, %r)
        }}""",
        f"""graph g(%x: f32[1,2,8], %w: f32[2,2,3]) -> (%z) {{
          %r: f32[1,2,8] = relu(%x)
          %p: f32[1,2,10] = pad(%r) {FRAME}
          %m: f32[1,2,8] = slice(%p) {{starts = (0, 0, 1), sizes = (1, 2, 8), steps = (1, 1, 1)}}
          %y: f32[1,2,8] = conv(%p, %w) {{{VALID}}}
          %z: f32[1,2,8] = add(%y, %m)
        }}""",
    )


def test_sharing_is_an_option() -> None:
    text = f"""graph g(%x: f32[1,2,8], %w: f32[2,2,3]) -> (%z) {{
      %r: f32[1,2,8] = relu(%x)
      %y: f32[1,2,8] = conv(%r, %w) {{{SAME}}}
      %z: f32[1,2,8] = add(%y, %r)
    }}"""
    assert ops(rewrite(text, ExplicitPadding(share=False))) == ["relu", "pad", "conv", "add"]


def test_a_reader_that_is_not_elementwise_prevents_sharing() -> None:
    text = f"""graph g(%x: f32[1,2,8], %w: f32[2,2,3], %v: f32[2,2,1]) -> (%y, %z) {{
      %r: f32[1,2,8] = relu(%x)
      %y: f32[1,2,8] = conv(%r, %w) {{{SAME}}}
      %z: f32[1,2,8] = conv(%r, %v) {{{VALID}}}
    }}"""
    result = rewrite(text, ExplicitPadding())
    assert ops(result) == ["relu", "pad", "conv", "conv"]
    assert result.nodes[3].inputs[0] is result.nodes[0].output


def test_an_output_of_the_model_is_not_shared() -> None:
    text = f"""graph g(%x: f32[1,2,8], %w: f32[2,2,3]) -> (%r, %z) {{
      %r: f32[1,2,8] = relu(%x)
      %y: f32[1,2,8] = conv(%r, %w) {{{SAME}}}
      %z: f32[1,2,8] = add(%y, %r)
    }}"""
    assert "slice" not in ops(rewrite(text, ExplicitPadding()))


def test_uneven_padding() -> None:
    text = """graph g(%x: f32[1,2,8], %w: f32[2,2,4]) -> (%y) {
      %y: f32[1,2,8] = conv(%x, %w)
        {strides = (1,), before = (1,), after = (2,), dilations = (1,)}
    }"""
    assert ops(rewrite(text, ExplicitPadding())) == ["pad", "conv"]


def test_leaves_pooling_alone() -> None:
    assert_unchanged(
        ExplicitPadding(),
        f"""graph g(%x: f32[1,2,8]) -> (%y) {{
          %y: f32[1,2,8] = max_pool(%x) {{kernel = (3,), {SAME}}}
        }}""",
    )
