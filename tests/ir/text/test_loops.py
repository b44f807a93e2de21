from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.errors import ParseError
from mlc.ir.dtype import BOOL, F16, F32, I8, INDEX, U8
from mlc.ir.expr import (
    Binary,
    Broadcast,
    Call,
    Cast,
    Const,
    Load,
    Ramp,
    Select,
    Shuffle,
    Unary,
    Var,
)
from mlc.ir.stmt import Alloc, Buffer, For, Func, If, Store, seq, zero_of
from mlc.ir.text import parse_expr, parse_func, parse_stmt, print_expr, print_func, print_stmt
from tests.strategies import buffers, expressions, programs, texts

BUFFERS = st.lists(buffers(), max_size=2, unique_by=lambda buffer: buffer.name)


@settings(max_examples=60)
@given(BUFFERS.flatmap(lambda known: st.tuples(st.just(known), expressions(known))))
def test_expressions_round_trip(case) -> None:
    known, expr = case
    assert parse_expr(print_expr(expr), known) == expr


@settings(max_examples=25)
@given(texts())
def test_functions_round_trip(func: Func) -> None:
    assert parse_func(print_func(func)) == func


@settings(max_examples=30)
@given(programs())
def test_programs_round_trip(func: Func) -> None:
    assert parse_func(print_func(func)) == func


i, j = Var("i"), Var("j")
X = Buffer.dense("x", (4, 8), F32)


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (Binary("sub", i, Binary("sub", j, Const(1))), "i - (j - 1)"),
        (Binary("sub", Binary("sub", i, j), Const(-1)), "i - j - -1"),
        (Binary("mul", Binary("add", i, j), Const(2)), "(i + j) * 2"),
        (Binary("mod", Binary("floordiv", i, Const(2)), j), "i // 2 % j"),
        (Unary("neg", Const(3)), "-(3)"),
        (Unary("neg", Binary("add", i, j)), "-(i + j)"),
        (Unary("not", Binary("lt", i, j)), "!(i < j)"),
        (Binary("and", Binary("lt", i, j), Binary("ge", i, Const(0))), "i < j & i >= 0"),
        (Binary("eq", Binary("lt", i, j), Const(True, BOOL)), "(i < j) == true"),
        (Binary("max", i, Binary("rem", i, j)), "max(i, rem(i, j))"),
        (Cast(Load(X, (i, Ramp(j, Const(1), 8))), F16), "cast<f16>(x[i, ramp(j, 1, 8)])"),
        (Select(Var("c", BOOL), Const(1.5, F32), zero_of(F32)), "select(c:bool, 1.5:f32, 0.0:f32)"),
        (
            Shuffle((Broadcast(Const(3, I8), 2), Var("v", I8)), (2, 0)),
            "shuffle<2,0>(broadcast(3:i8, 2), v:i8)",
        ),
        (Call("exp", (Const(1e-05, F32),), F32), "exp(1e-05:f32)"),
        (Call("isnan", (Const(float("inf"), F32),), BOOL), "isnan(inf:f32)"),
        (Call("exp", (Const(1, U8),), F32), "exp<f32>(1:u8)"),
        (Var("layer 1/x"), '"layer 1/x"'),
        (Binary("lt", Var("exp"), Var("for")), '"exp" < "for"'),
    ],
)
def test_what_expressions_look_like(expr, text: str) -> None:
    assert print_expr(expr) == text
    assert parse_expr(text, [X]) == expr


def test_what_a_function_looks_like() -> None:
    y = Buffer("y", (8, 4), (1, 8), F32, align=32)
    acc = Buffer.dense("acc", (4,), F32, "register")
    w = Buffer.dense("w", (4,), F32, "constant")
    clear = For("z", Const(4), "unroll", Store(acc, (Var("z"),), zero_of(F32)))
    guarded = If(
        Binary("lt", i, Const(3)), Store(y, (i, j), Load(acc, (j,))), Store(y, (i, j), zero_of(F32))
    )
    body = For(
        "i", Const(8), "parallel", Alloc(acc, seq([clear, For("j", i + 1, "serial", guarded)]))
    )
    prepare = Func(
        "pack",
        (X, w),
        For("p", Const(4), "serial", Store(w, (Var("p"),), Load(X, (Var("p"), Const(0))))),
    )
    func = Func("conv relu", (X, w, y), body, ("conv1", 'the "relu"'), (prepare,))
    text = """\
func "conv relu"(
  x: f32[4,8],
  w: f32[4] constant,
  y: f32[8,4] strides[1,8] align 32,
) loc("conv1", "the \\"relu\\"") {
  prepare pack(x: f32[4,8], w: f32[4] constant) {
    for p in 4 {
      w[p] = x[p, 0]
    }
  }
  for parallel i in 8 {
    alloc acc: f32[4] register {
      for unroll z in 4 {
        acc[z] = 0.0:f32
      }
      for j in i + 1 {
        if i < 3 {
          y[i, j] = acc[j]
        } else {
          y[i, j] = 0.0:f32
        }
      }
    }
  }
}"""
    assert print_func(func) == text
    assert parse_func(text) == func


def test_not_a_number_round_trips() -> None:
    text = print_expr(Const(float("nan"), F16))
    parsed = parse_expr(text)
    assert text == "nan:f16"
    assert isinstance(parsed, Const)
    assert parsed.value != parsed.value
    assert parsed.type is F16


def test_edited_text_parses() -> None:
    edited = """
    # a hand-written one: white space and comments mean nothing
    x[ i,j ]   =
        1.0:f32 +x[i ,0]   # a // b is a division
    x[0, 0] = 2.0:f32
    """
    first = Store(X, (i, j), Binary("add", Const(1.0, F32), Load(X, (i, Const(0)))))
    second = Store(X, (Const(0), Const(0)), Const(2.0, F32))
    assert parse_stmt(edited, [X]) == seq([first, second])
    assert print_stmt(seq([first, second])) == "x[i, j] = 1.0:f32 + x[i, 0]\nx[0, 0] = 2.0:f32"


def test_index_constants_keep_the_type_object_that_index_arithmetic_looks_for() -> None:
    parsed = parse_expr("3 + i:i64")
    assert parsed.left.type is INDEX
    assert parsed.right.type is INDEX


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "func f(x: f32[4]) {\n  for i in 4 {\n    x[i] = z[i]\n  }\n}",
            (
                "no buffer 'z' is in scope here\n"
                "  at: line 3, column 12\n"
                "  2 |   for i in 4 {\n"
                "  3 |     x[i] = z[i]\n"
                "    |            ^"
            ),
        ),
        (
            "func f(x: f33[4]) { }",
            (
                "expected an element type such as f32, found 'f33'\n"
                "  at: line 1, column 11\n"
                "  1 | func f(x: f33[4]) { }\n"
                "    |           ^"
            ),
        ),
        (
            "func f(x: f32[4] strides[1,2]) { }",
            (
                "1 dimensions have 2 strides\n"
                "  at: line 1, column 25\n"
                "  1 | func f(x: f32[4] strides[1,2]) { }\n"
                "    |                         ^"
            ),
        ),
        (
            "func f() {",
            (
                "expected '}', found the end of the text\n"
                "  at: line 1, column 11\n"
                "  1 | func f() {\n"
                "    |           ^"
            ),
        ),
        (
            "func f() { for i in 2.5 { } } func",
            (
                "expected nothing more, found 'func'\n"
                "  at: line 1, column 31\n"
                "  1 | func f() { for i in 2.5 { } } func\n"
                "    |                               ^"
            ),
        ),
        (
            "func f(x: f32[]) { x[] = sinc(1.0:f32) }",
            (
                "unknown function 'sinc'\n"
                "  at: line 1, column 26\n"
                "  1 | func f(x: f32[]) { x[] = sinc(1.0:f32) }\n"
                "    |                          ^"
            ),
        ),
        (
            "func f(x: f32[]) { x[] = max(1.0:f32) }",
            (
                "expected 2 arguments here, not 1\n"
                "  at: line 1, column 29\n"
                "  1 | func f(x: f32[]) { x[] = max(1.0:f32) }\n"
                "    |                             ^"
            ),
        ),
        (
            "func f() { $ }",
            (
                "unexpected character '$'\n"
                "  at: line 1, column 12\n"
                "  1 | func f() { $ }\n"
                "    |            ^"
            ),
        ),
        (
            'func "\\q"() { }',
            (
                "this string has an escape that means nothing\n"
                "  at: line 1, column 6\n"
                '  1 | func "\\q"() { }\n'
                "    |      ^"
            ),
        ),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_func(text)
    assert str(caught.value) == message


def test_deep_nesting_is_refused_politely() -> None:
    with pytest.raises(ParseError) as caught:
        parse_expr("(" * 100_000)
    assert str(caught.value) == "the text is nested too deeply"


def test_numbers_of_endless_length_are_refused_politely() -> None:
    with pytest.raises(ParseError) as caught:
        parse_expr("1" * 5000)
    assert caught.value.message == "this number is too long"
