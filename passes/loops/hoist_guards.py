"""hoist-guards: a reduction that adds nothing where its input ends skips what lies outside.

    acc[i] = max(acc[i], select(c, x[…], -inf))   →   if c { acc[i] = max(acc[i], x[…]) }

and the branch moves out of every loop that its condition does not depend on, so that a kernel
row in the padding is skipped whole.

Holds before and after: the function computes the same (a sum may lose the sign of a zero). After:
a guarded reduction is a branch around the reduction, unless the guard differs between the lanes of
a vector.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func pool(x: f32[4,8], y: f32[4,8]) {
    ...   for h in 4 {
    ...     for r in 3 {
    ...       for vector v in 8 {
    ...         y[h, v] = y[h, v] + select(h + r - 1 >= 0 & v < 7, x[h + r - 1, v], 0.0:f32)
    ...       }
    ...     }
    ...   }
    ... }''')
    >>> print(print_func(hoist_guards(func)))
    func pool(x: f32[4,8], y: f32[4,8]) {
      for h in 4 {
        for r in 3 {
          if h + r - 1 >= 0 {
            for vector v in 8 {
              y[h, v] = y[h, v] + select(v < 7, x[h + r - 1, v], 0.0:f32)
            }
          }
        }
      }
    }
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from mlc.ir.build import all_of
from mlc.ir.expr import Binary, Const, Expr, Load, Select
from mlc.ir.reductions import neutral_element
from mlc.ir.rewrite import free_variables, map_stmt, stores_of, walk, walk_expr
from mlc.ir.stmt import For, Func, If, Stmt, Store


def hoist_guards(func: Func) -> Func:
    """Turn guarded reductions into branches, as far out as they go."""
    vectors = {part.var for part in walk(func.body) if type(part) is For and part.kind == "vector"}

    def change(stmt: Stmt) -> Stmt:
        if isinstance(stmt, Store):
            return _without_guard(stmt, vectors)
        return _out_of_loop(stmt) if isinstance(stmt, For) else stmt

    body = map_stmt(func.body, change)
    return func if body is func.body else replace(func, body=body)


def _without_guard(store: Store, vectors: Collection[str]) -> Stmt:
    """The branch for a guarded reduction; tests that differ between lanes stay in the guard."""
    match store:
        case Store(
            buffer,
            index,
            Binary(op, Load(read, place) as old, Select(test, value, Const() as rest)),
        ) if read.name == buffer.name and place == index and _is_neutral(op, rest):
            tests = _conjuncts(test)
            uniform = [part for part in tests if not free_variables(part) & set(vectors)]
            lanes = all_of(part for part in tests if part not in uniform)
            kept = value if lanes is None else Select(lanes, value, rest)
            return _guarded(uniform, Store(buffer, index, Binary(op, old, kept)))
    return store


def _is_neutral(op: str, value: Const) -> bool:
    return op in ("add", "max", "min") and value.value == neutral_element(op, value.type)


def _out_of_loop(loop: For) -> Stmt:
    """Move the tests that a loop does not touch around it; inside a parallel loop they stay."""
    tests, inner = _opened(loop.body)
    written = {store.buffer.name for store in stores_of(inner)}
    outer = [
        test
        for test in tests
        if loop.var not in free_variables(test) and written.isdisjoint(_read_buffers(test))
    ]
    if not outer or loop.kind == "parallel":
        return loop
    kept = [test for test in tests if test not in outer]
    return _guarded(outer, For(loop.var, loop.extent, loop.kind, _guarded(kept, inner)))


def _opened(stmt: Stmt) -> tuple[list[Expr], Stmt]:
    """The tests around a statement, and what they guard.

    Together they are made at once, so that one that reads memory is not joined to those that may
    keep it from reading beyond a buffer.
    """
    tests: list[Expr] = []
    while isinstance(stmt, If) and stmt.otherwise is None:
        if tests and _read_buffers(stmt.condition):
            break
        tests += _conjuncts(stmt.condition)
        stmt = stmt.then
    return tests, stmt


def _read_buffers(test: Expr) -> set[str]:
    return {part.buffer.name for part in walk_expr(test) if isinstance(part, Load)}


def _conjuncts(test: Expr) -> list[Expr]:
    match test:
        case Binary("and", left, right):
            return [*_conjuncts(left), *_conjuncts(right)]
    return [test]


def _guarded(tests: Sequence[Expr], stmt: Stmt) -> Stmt:
    together = all_of(tests)
    return stmt if together is None else If(together, stmt)
