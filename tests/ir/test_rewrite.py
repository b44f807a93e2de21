"""Traversal and rebuilding: sharing what did not change, and copies that mean the same."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from mlc.ir.dtype import F32, INDEX
from mlc.ir.expr import Binary, Const, Expr, Load, Var
from mlc.ir.interpret import run_func
from mlc.ir.rewrite import (
    buffers_of,
    free_variables,
    loads_in,
    loads_of,
    map_expr,
    map_exprs,
    map_loads,
    map_stmt,
    mentions,
    replace_buffers,
    stores_of,
    substitute,
    walk,
    walk_exprs,
    with_suffix,
)
from mlc.ir.stmt import Alloc, Buffer, For, Func, Stmt
from mlc.ir.text import parse_func, print_func
from tests.strategies import arguments_for, programs

EXAMPLE = """
func f(x: f32[8], y: f32[8]) {
  for o in 2 {
    alloc t: f32[4] stack {
      for i in 4 {
        t[i] = x[o * 4 + i] + 1.0:f32
      }
      for j in 4 {
        if j < 3 {
          y[o * 4 + j] = t[j]
        } else {
          y[o * 4 + j] = x[7]
        }
      }
    }
  }
}"""


def example() -> Func:
    return parse_func(EXAMPLE)


def body_text(stmt: Stmt) -> str:
    func = example()
    return print_func(Func("f", func.params, stmt))


@settings(max_examples=20)
@given(programs())
def test_what_does_not_change_is_the_same_object(func: Func) -> None:
    assert map_stmt(func.body, lambda stmt: stmt) is func.body
    assert map_exprs(func.body, lambda expr: map_expr(expr, lambda part: part)) is func.body
    assert substitute(func.body, {}) is func.body


@settings(max_examples=20)
@given(programs())
def test_parts_that_do_not_change_are_shared(func: Func) -> None:
    loops = [part for part in walk(func.body) if isinstance(part, For)]
    if not loops:
        return

    def turn(stmt: Stmt) -> Stmt:
        if stmt is loops[-1]:
            return For(stmt.var, stmt.extent, "unroll", stmt.body)
        return stmt

    old = {id(part) for part in walk(func.body)}
    new = [part for part in walk(map_stmt(func.body, turn)) if id(part) not in old]
    assert sum(part.kind == "unroll" for part in new if isinstance(part, For)) == 1
    assert all(any(p is loops[-1] for p in walk(o)) for o in walk(func.body) if id(o) not in old)


@settings(max_examples=15)
@given(programs())
def test_a_copy_with_a_suffix_computes_the_same_under_other_names(func: Func) -> None:
    copy = Func(func.name, func.params, with_suffix(func.body, "_2"))
    for part in walk(copy.body):
        if isinstance(part, For):
            assert part.var.endswith("_2")
        if isinstance(part, Alloc):
            assert part.buffer.name.endswith("_2")
    first, second = arguments_for(func), arguments_for(func)
    run_func(func, first)
    run_func(copy, second)
    np.testing.assert_array_equal(first["y"], second["y"])


def test_with_suffix_renames_everything_it_declares() -> None:
    text = body_text(with_suffix(example().body, "_b"))
    assert text == print_func(
        parse_func(
            EXAMPLE.replace("for o", "for o_b")
            .replace("for i", "for i_b")
            .replace("for j", "for j_b")
            .replace("alloc t", "alloc t_b")
            .replace("o * 4", "o_b * 4")
            .replace("+ i]", "+ i_b]")
            .replace("+ j]", "+ j_b]")
            .replace("t[i]", "t_b[i_b]")
            .replace("t[j]", "t_b[j_b]")
            .replace("if j", "if j_b")
        )
    )


def test_substitute_reaches_indices_extents_and_conditions() -> None:
    (outer,) = [part for part in walk(example().body) if isinstance(part, For) and part.var == "o"]
    text = body_text(substitute(outer.body, {"o": Const(1), "j": Var("j") + 1}))
    assert "x[i + 4]" in text or "x[4 + i]" in text
    assert "if j + 1 < 3" in text
    assert "t[j + 1]" in text


def test_indices_of_constants_fold() -> None:
    folded = map_expr(Var("i") * 4 + 3, lambda e: Const(2) if e == Var("i") else e)
    assert folded == Const(11)


def test_replace_buffers_reaches_stores_loads_and_allocations() -> None:
    wide = Buffer.dense("t", (9,), F32, "arena")
    made = Func("f", example().params, replace_buffers(example().body, {"t": wide}))
    assert buffers_of(made)["t"] == wide
    assert all(load.buffer == wide for load in loads_of(made.body) if load.buffer.name == "t")
    assert all(store.buffer == wide for store in stores_of(made.body) if store.buffer.name == "t")
    assert sum(store.buffer == wide for store in stores_of(made.body)) == 1


def test_walking_meets_every_expression() -> None:
    found = [expr for expr in walk_exprs(example().body) if isinstance(expr, Load)]
    assert [load.buffer.name for load in found] == ["x", "t", "x"]
    conditions = [e for e in walk_exprs(example().body) if isinstance(e, Binary) and e.op == "lt"]
    assert conditions == [Binary("lt", Var("j"), Const(3))]


def test_free_variables_are_those_read() -> None:
    expr: Expr = Load(Buffer.dense("x", (8,), F32), (Var("o") * 4 + Var("i"),))
    assert free_variables(expr) == {"o", "i"}


def test_loads_are_found_and_changed_inside_indices_and_without_any() -> None:
    table, scalar = Buffer.dense("t", (8,), INDEX), Buffer.dense("s", (), F32)
    inner = Load(table, (Var("i"),))
    outer = Load(Buffer.dense("x", (8,), F32), (inner,))
    expr = Binary("add", outer, Load(scalar, ()))
    assert loads_in(expr) == (outer, inner, Load(scalar, ()))
    assert loads_in(inner) == (inner,)
    seen: list[str] = []

    def change(load: Load) -> Expr:
        seen.append(load.buffer.name)
        return Const(3) if load.dtype is INDEX else load

    changed = map_loads(expr, ("t", "x"), change)
    assert seen == ["t", "x"]
    assert changed == Binary("add", Load(outer.buffer, (Const(3),)), Load(scalar, ()))


def test_only_statements_that_mention_a_name_are_visited() -> None:
    body = example().body
    assert mentions(body) == {"o", "i", "j", "t", "x", "y"}
    visited: list[Expr] = []

    def change(expr: Expr) -> Expr:
        visited.append(expr)
        return expr

    assert map_exprs(body, change, ("i",)) is body
    assert Var("i") in visited
    assert Binary("lt", Var("j"), Const(3)) not in visited
    visited.clear()
    assert map_exprs(body, change, ("nobody",)) is body
    assert visited == []
