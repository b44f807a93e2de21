"""Which loops and statements are well-formed; `test_expressions` has what they compute."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from mlc.errors import VerifyError
from mlc.ir.dtype import F32, INDEX
from mlc.ir.expr import Const, Ramp
from mlc.ir.rewrite import map_stmt
from mlc.ir.stmt import Alloc, Buffer, For, Func, Prefetch, Seq, Stmt, Store, zero_of
from mlc.ir.text import parse_func
from mlc.ir.verify import verify_func
from tests.strategies import programs


@settings(max_examples=50)
@given(programs())
def test_programs_are_well_formed(func: Func) -> None:
    verify_func(func)


@pytest.mark.parametrize(
    "text",
    [
        "func f() { }",
        "func f(x: f32[0]) { for i in 0 { x[i] = 0.0:f32 } }",
        "func f(x: f32[]) { x[] = exp(x[]) }",
        # The last iteration is shorter: nothing is certain to leave the buffer.
        """
        func f(x: f32[49]) {
          for o in 9 { for i in min(6, 49 - o * 6) { x[o * 6 + i] = 0.0:f32 } }
        }""",
        "func f(x: f32[4]) { for i in 9 { if i < 4 { x[i] = 0.0:f32 } } }",
        "func f(x: f32[4], y: f32[9]) { for i in 9 { y[i] = select(i < 4, x[i], 0.0:f32) } }",
        "func f(x: f32[8]) { x[ramp(0, 1, 8)] = x[ramp(7, -1, 8)] + broadcast(1.0:f32, 8) }",
        "func f(x: f32[2,4]) { x[0, ramp(0, 1, 4)] = shuffle<3,2,1,0>(x[1, ramp(0, 1, 4)]) }",
        "func f(x: f32[8], y: f32[]) { y[] = reduce_add(x[ramp(0, 1, 8)]) }",
        "func f(x: f32[2,4]) { for i in 2 { prefetch x[i + 1, i * 64 - 1] } }",
        """
        func f(x: f32[2,2]) {
          alloc t: f32[2] arena {
            for parallel i in 2 { for parallel j in 2 { x[i, j] = 0.0:f32 } }
            for parallel k in 2 { alloc s: f32[2] stack { s[k] = x[k, k] } }
          }
        }""",
        """
        func f(p: f32[2] constant, y: f32[2]) {
          prepare pack(w: f32[2] constant, p: f32[2] constant) { for q in 2 { p[q] = w[q] } }
          for i in 2 { y[i] = p[i] }
        }""",
    ],
)
def test_accepted(text: str) -> None:
    verify_func(parse_func(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            """\
func f(x: f32[8]) {
  for vector i in 8 {
    for j in 2 {
      x[i] = 0.0:f32
    }
  }
}""",
            """\
f: vector loop 'i' holds the loop 'j'
  1 | func f(x: f32[8]) {
  2 |   for vector i in 8 {
    |              ^
  3 |     for j in 2 {""",
        ),
        (
            """\
func f(x: f32[8]) {
  x[0] = x[ramp(0, 1, 4)]
}""",
            """\
f: 4 lanes are stored to 1 places
  1 | func f(x: f32[8]) {
  2 |   x[0] = x[ramp(0, 1, 4)]
    |          ^
  3 | }""",
        ),
        (
            """\
func f() {
  alloc t: f32[8] register {
    prefetch t[0]
  }
}""",
            """\
f: 't' has scope register and cannot be prefetched
  2 |   alloc t: f32[8] register {
  3 |     prefetch t[0]
    |     ^
  4 |   }""",
        ),
        (
            """\
func f(x: f32[8]) {
  x[0] = 1
}""",
            """\
f: a value of i64 is stored to 'x' of f32
  1 | func f(x: f32[8]) {
  2 |   x[0] = 1
    |          ^
  3 | }""",
        ),
        (
            """\
func f(x: f32[8]) {
  for i in 8 { x[i] = 1.0:f32 }
  for i in 8 { x[i] = 1.0:f32 }
}""",
            """\
f: the name 'i' is used twice
  4 |   }
  5 |   for i in 8 {
    |       ^
  6 |     x[i] = 1.0:f32""",
        ),
        (
            """\
func f(x: f32[8]) {
  if 1 { x[0] = 1.0:f32 }
}""",
            """\
f: a condition is i64, not bool
  1 | func f(x: f32[8]) {
  2 |   if 1 {
    |      ^
  3 |     x[0] = 1.0:f32""",
        ),
        (
            """\
func f(x: f32[8]) {
  for i in 2.0:f32 { x[0] = 1.0:f32 }
}""",
            """\
f: the extent of loop 'i' is f32, not i64
  1 | func f(x: f32[8]) {
  2 |   for i in 2.0:f32 {
    |            ^
  3 |     x[0] = 1.0:f32""",
        ),
        (
            """\
func f(x: f32[8]) {
  for i in -1 { x[0] = 1.0:f32 }
}""",
            """\
f: loop 'i' has extent -1
  1 | func f(x: f32[8]) {
  2 |   for i in -1 {
    |            ^
  3 |     x[0] = 1.0:f32""",
        ),
        (
            """\
func f(x: f32[8]) {
  alloc t: f32[8] param { t[0] = 1.0:f32 }
}""",
            """\
f: 't' has scope param, not arena or stack or register
  1 | func f(x: f32[8]) {
  2 |   alloc t: f32[8] {
    |   ^
  3 |     t[0] = 1.0:f32""",
        ),
        (
            """\
func f(x: f32[8] align 24) { }""",
            """\
f: 'x' is aligned to 24, not a power of two
  1 | func f(x: f32[8] align 24) {
    | ^
  2 | }""",
        ),
        (
            """\
func f(x: f32[8] constant) {
  x[0] = 1.0:f32
}""",
            """\
f: 'x' is constant and cannot be stored to
  1 | func f(x: f32[8] constant) {
  2 |   x[0] = 1.0:f32
    |   ^
  3 | }""",
        ),
        (
            "func f(x: f32[8]) { prepare p(w: f32[8] constant) { } }",
            "f: the last parameter of 'p' is no constant of it",
        ),
        (
            "func f(w: f32[8] constant) { prepare p(x: f32[8], w: f32[8] constant) { } }",
            "f: 'p' reads 'x', which is no constant",
        ),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(VerifyError) as caught:
        verify_func(parse_func(text))
    assert str(caught.value) == message


X = Buffer.dense("x", (8,), F32)
STORE = Store(X, (Const(0),), zero_of(F32))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (Seq((STORE,)), "a sequence holds one statement"),
        (Seq((STORE, Seq((STORE, STORE)))), "a sequence holds a sequence"),
        (For("i", Const(2), "sideways", STORE), "loop 'i' has kind 'sideways'"),
        (
            Alloc(Buffer("t", (8,), (8, 1), F32, "stack"), STORE),
            "'t' has 1 axes and 2 strides",
        ),
        (Alloc(Buffer("t", (-8,), (1,), F32, "stack"), STORE), "'t' has a negative dimension"),
        (Prefetch(X, (Ramp(Const(0), Const(1), 4),)), "4 places of 'x' are prefetched at once"),
    ],
)
def test_refused_without_text(body: Stmt, message: str) -> None:
    with pytest.raises(VerifyError) as caught:
        verify_func(Func("f", (X,), body))
    assert caught.value.message == f"f: {message}"


def test_the_whole_function_is_checked() -> None:
    func = parse_func("func f(x: f32[8]) { if true { for i in 8 { x[i] = 0.0:f32 } } else { } }")

    def spoil(stmt: Stmt) -> Stmt:
        return (
            Store(stmt.buffer, (Const(0, INDEX),) * 2, stmt.value) if type(stmt) is Store else stmt
        )

    verify_func(func)
    with pytest.raises(VerifyError):
        verify_func(replace(func, body=map_stmt(func.body, spoil)))
