"""What expressions may be: their types, lanes, indices, and the names they read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlc.errors import VerifyError
from mlc.ir.dtype import F32, F64
from mlc.ir.expr import Binary, Call, Const, Load, Unary, Var
from mlc.ir.stmt import Buffer, For, Func, Stmt, Store, zero_of
from mlc.ir.text import parse_func
from mlc.ir.verify import verify_func


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            """\
func conv_relu(x: f32[4], y: f32[4,4]) loc("conv1", "relu1") {
  for i in 5 {
    y[0, 3] = x[i - 1]
  }
}""",
            """\
conv_relu: an index of 'x' reaches -1 on an axis of 4
  at: conv1, relu1
  2 |   for i in 5 {
  3 |     y[0, 3] = x[i - 1]
    |               ^
  4 |   }""",
        ),
        (
            """\
func f(x: f32[8,8]) {
  for i in 2 {
    for j in 3 {
      x[i * 4 + j, j * 4] = 0.0:f32
    }
  }
}""",
            """\
f: an index of 'x' reaches 8 on an axis of 8
  3 |     for j in 3 {
  4 |       x[i * 4 + j, j * 4] = 0.0:f32
    |       ^
  5 |     }""",
        ),
        (
            """\
func f(x: f32[8]) {
  x[ramp(4, 1, 8)] = broadcast(0.0:f32, 8)
}""",
            """\
f: an index of 'x' reaches 11 on an axis of 8
  1 | func f(x: f32[8]) {
  2 |   x[ramp(4, 1, 8)] = broadcast(0.0:f32, 8)
    |   ^
  3 | }""",
        ),
        (
            """\
func f(x: f32[8]) {
  for i in 8 {
    x[i] = x[i] + 1.0:f64
  }
}""",
            """\
f: operands differ: f32 and f64
  2 |   for i in 8 {
  3 |     x[i] = x[i] + 1.0:f64
    |            ^
  4 |   }""",
        ),
        (
            """\
func f(x: f32[8]) {
  for i in 8 {
    x[i] = exp(x[i] * cast<f32>(i)) & x[0]
  }
}""",
            """\
f: 'and' does not apply to f32
  2 |   for i in 8 {
  3 |     x[i] = exp(x[i] * cast<f32>(i)) & x[0]
    |            ^
  4 |   }""",
        ),
        (
            """\
func f(x: f32[8]) {
  x[x[0]] = 1.0:f32
}""",
            """\
f: an index of 'x' is f32, not i64
  1 | func f(x: f32[8]) {
  2 |   x[x[0]] = 1.0:f32
    |     ^
  3 | }""",
        ),
        (
            """\
func f(x: f32[8]) {
  x[0, 1] = 1.0:f32
}""",
            """\
f: 'x' has 1 axes, its index 2 parts
  1 | func f(x: f32[8]) {
  2 |   x[0, 1] = 1.0:f32
    |   ^
  3 | }""",
        ),
        (
            """\
func f(x: f32[8]) {
  for i in 8 { x[i] = 1.0:f32 }
  x[i] = 1.0:f32
}""",
            """\
f: variable 'i' is not in scope
  4 |   }
  5 |   x[i] = 1.0:f32
    |     ^
  6 | }""",
        ),
        (
            """\
func f(x: f32[8]) {
  x[0] = select(x[0] < x[1], 1.0:f32, 1.0:f64)
}""",
            """\
f: operands differ: f32 and f64
  1 | func f(x: f32[8]) {
  2 |   x[0] = select(x[0] < x[1], 1.0:f32, 1.0:f64)
    |          ^
  3 | }""",
        ),
        (
            """\
func f(x: f32[8]) {
  x[ramp(0, 1, 2)] = shuffle<0,9>(x[ramp(0, 1, 8)])
}""",
            """\
f: a shuffle picks lane 9 of 8
  1 | func f(x: f32[8]) {
  2 |   x[ramp(0, 1, 2)] = shuffle<0,9>(x[ramp(0, 1, 8)])
    |                      ^
  3 | }""",
        ),
        (
            """\
func f(x: f32[8]) {
  x[0] = broadcast(broadcast(1.0:f32, 4), 4)
}""",
            """\
f: what is broadcast is 4 x f32, not a scalar
  1 | func f(x: f32[8]) {
  2 |   x[0] = broadcast(broadcast(1.0:f32, 4), 4)
    |          ^
  3 | }""",
        ),
        (
            """\
func f(x: i32[8]) {
  x[0] = exp(x[1])
}""",
            """\
f: exp does not apply to i32
  1 | func f(x: i32[8]) {
  2 |   x[0] = exp(x[1])
    |          ^
  3 | }""",
        ),
        (
            """\
func f(x: f32[8]) {
  x[0] = exp<f64>(x[1])
}""",
            """\
f: exp of f32 gives f32, not f64
  1 | func f(x: f32[8]) {
  2 |   x[0] = exp<f64>(x[1])
    |          ^
  3 | }""",
        ),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(VerifyError) as caught:
        verify_func(parse_func(text))
    assert str(caught.value) == message


X = Buffer.dense("x", (8,), F32)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (Store(replace(X, name="z"), (Const(0),), zero_of(F32)), "buffer 'z' is not in scope"),
        (
            Store(replace(X, align=64), (Const(0),), zero_of(F32)),
            "buffer 'x' is not the one declared with that name",
        ),
        (
            Store(X, (Const(0),), Call("sinc", (zero_of(F32),), F32)),
            "there is no function 'sinc'",
        ),
        (Store(X, (Const(0),), Call("exp", (), F32)), "exp takes 1 arguments, 0 are given"),
        (
            Store(X, (Const(0),), Binary("nand", zero_of(F32), zero_of(F32))),
            "there is no binary operator 'nand'",
        ),
        (Store(X, (Const(0),), Unary("cube", zero_of(F32))), "there is no unary operator 'cube'"),
        (
            Store(X, (Const(0),), Const("1", F32)),
            "a constant of type f32 has a value of another kind",
        ),
        (
            For("i", Const(2), "serial", Store(X, (Const(0),), Var("i", F32))),
            "loop variable 'i' is used as f32, not i64",
        ),
        (
            Store(X, (Const(0),), Load(replace(X, dtype=F64), (Const(0),))),
            "buffer 'x' is not the one declared with that name",
        ),
    ],
)
def test_refused_without_text(body: Stmt, message: str) -> None:
    with pytest.raises(VerifyError) as caught:
        verify_func(Func("f", (X,), body))
    assert caught.value.message == f"f: {message}"
