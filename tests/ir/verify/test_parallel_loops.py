"""Where parallel loops may stand."""

from __future__ import annotations

import pytest

from mlc.errors import VerifyError
from mlc.ir.text import parse_func
from mlc.ir.verify import verify_func


def test_in_each_step_of_serial_loops() -> None:
    verify_func(
        parse_func("""
        func f(x: f32[2,3,4]) {
          for t in 2 {
            alloc s: f32[1] arena {
              s[0] = 0.0:f32
              for parallel i in 3 { for parallel j in 4 { x[t, i, j] = s[0] } }
            }
          }
        }""")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            """\
func f(x: f32[8]) {
  for unroll i in 8 {
    for parallel j in 8 {
      x[j] = 0.0:f32
    }
  }
}""",
            """\
f: parallel loop 'j' does not stand at the top
  2 |   for unroll i in 8 {
  3 |     for parallel j in 8 {
    |                  ^
  4 |       x[j] = 0.0:f32""",
        ),
        (
            """\
func f(x: f32[8]) {
  for parallel i in 2 {
    for k in 2 {
      for parallel j in 2 {
        x[i * 4 + k * 2 + j] = 0.0:f32
      }
    }
  }
}""",
            """\
f: parallel loop 'j' does not stand at the top
  3 |     for k in 2 {
  4 |       for parallel j in 2 {
    |                    ^
  5 |         x[i * 4 + k * 2 + j] = 0.0:f32""",
        ),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(VerifyError) as caught:
        verify_func(parse_func(text))
    assert str(caught.value) == message
