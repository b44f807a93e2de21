"""prefetch: the tiles together ask for every line of the next panel, and for hardly any twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from mlc.errors import ScheduleError
from mlc.ir.affine import simplify
from mlc.ir.expr import Const, Expr
from mlc.ir.rewrite import sub_statements, substitute_expr
from mlc.ir.stmt import For, Func, Prefetch, Stmt
from mlc.ir.text import parse_func, print_func
from mlc.passes.schedule.primitives import cache_read, pack, prefetch, split
from mlc.passes.schedule.schedule import Schedule

FLOATS_OF_A_LINE = 16

PRODUCT = """
func product(x: f32[{rows},{depth}], w: f32[3,{depth},{columns}] constant, y: f32[{rows},{all}]) {{
  for p in 3 {{
    for r in {rows} {{
      for k in {depth} {{
        for vector j in {columns} {{
          y[r, p * {columns} + j] = y[r, p * {columns} + j] + x[r, k] * w[p, k, j]
        }}
      }}
    }}
  }}
}}"""

CONVOLUTION = """
func conv(x: f32[4,8,3,5], w: f32[2,3,5,8,16], y: f32[4,32]) {
  for p in 2 {
    for r in 4 {
      for a in 3 {
        for b in 5 {
          for c in 8 {
            for vector j in 16 {
              y[r, p * 16 + j] = y[r, p * 16 + j] + x[r, c, a, b] * w[p, a, b, c, j]
            }
          }
        }
      }
    }
  }
}"""


def matrices(rows: int, depth: int, columns: int) -> Schedule:
    sizes = {"rows": rows, "depth": depth, "columns": columns, "all": 3 * columns}
    return Schedule(parse_func(PRODUCT.format(**sizes)))


def value_of(expr: Expr, at: Mapping[str, Expr]) -> int:
    value = simplify(substitute_expr(expr, at), {})
    assert isinstance(value, Const)
    return int(value.value)


def lines(stmt: Stmt, at: Mapping[str, Expr]) -> Iterator[int]:
    """The lines that are asked for, in order, when some loops stand still."""
    if isinstance(stmt, Prefetch):
        places = [value_of(part, at) for part in stmt.index]
        offset = sum(a * b for a, b in zip(places, stmt.buffer.strides, strict=True))
        assert offset % FLOATS_OF_A_LINE == 0
        yield offset // FLOATS_OF_A_LINE
    if isinstance(stmt, For) and stmt.kind == "vector":
        return
    steps = [at]
    if isinstance(stmt, For) and stmt.var not in at:
        steps = [{**at, stmt.var: Const(n)} for n in range(value_of(stmt.extent, at))]
    for step in steps:
        for part in sub_statements(stmt):
            yield from lines(part, step)


def lines_in_panel(func: Func, panel: int) -> Counter[int]:
    return Counter(lines(func.body, {"p": Const(panel)}))


@pytest.mark.parametrize(
    ("rows", "depth", "columns", "step"),
    [(2, 64, 16, 2), (3, 60, 32, 2), (4, 66, 16, 3), (5, 40, 48, 1), (2, 32, 64, 4)],
)
def test_the_next_panel_is_fetched_whole(rows: int, depth: int, columns: int, step: int) -> None:
    schedule = split(matrices(rows, depth, columns), "k", step, names=("k_o", "k_i"))
    func = prefetch(schedule, "w", "r", "k_o").func
    size = depth * columns // FLOATS_OF_A_LINE
    for panel in range(3):
        found = lines_in_panel(func, panel)
        assert set(found.values()) == {1}
        assert set(range((panel + 1) * size, (panel + 2) * size)) <= found.keys()
        assert min(found) == (panel + 1) * size
        steps = rows * -(-depth // step)
        assert len(found) - size < steps  # not a line more at each step than it takes


def test_several_loops_over_the_reduction() -> None:
    schedule = split(Schedule(parse_func(CONVOLUTION)), "c", 4)
    found = lines_in_panel(prefetch(schedule, "w", "r", "c_o").func, 0)
    assert sorted(found.elements()) == list(range(120, 240))


def test_packing_takes_prefetches_along() -> None:
    """The index stays the same place in its rows; what it is a hint for is the packed buffer."""
    schedule = prefetch(matrices(2, 64, 16), "w", "r", "k")
    packed = pack(schedule, "w", {}, [0, 1, 2], name="q")
    text = print_func(packed.func)
    assert "prefetch q[p + 1, 0, r * 1024 + k * 16]" in text
    assert "prefetch w[" not in text


def test_what_is_staged_is_still_prefetched_from_where_it_comes() -> None:
    schedule = prefetch(matrices(2, 64, 16), "w", "r", "k")
    staged = cache_read(schedule, "w", "p", "stack", name="t")
    text = print_func(staged.func)
    assert "prefetch w[p + 1, 0, r * 1024 + k * 16]" in text
    assert "x[r, k] * t[" in text


def test_too_many_lines_at_a_time_are_refused() -> None:
    schedule = split(matrices(2, 64, 64), "k", 32, names=("k_o", "k_i"))
    with pytest.raises(ScheduleError) as caught:
        prefetch(schedule, "w", "r", "k_o")
    assert str(caught.value) == (
        "prefetch: each step of loop 'k_o' would fetch 64 lines, more than 16\n"
        "    3 |     for r in 2 {\n"
        "    4 |       for k_o in 2 {\n"
        "      |           ^^^\n"
        "    5 |         for k_i in 32 {"
    )
