"""Guards of windows: where they go, and that loops without them compute the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.expr import Expr, Load, Select
from mlc.ir.interpret import run_func
from mlc.ir.rewrite import sub_statements, walk, walk_exprs
from mlc.ir.stmt import For, Func, If, Stmt, Store
from mlc.ir.text import parse_func, print_func
from mlc.ir.verify import verify_func
from mlc.passes.loops.hoist_guards import hoist_guards
from mlc.passes.loops.peel_borders import MAX_BORDERS, peel_borders
from mlc.passes.loops.pipeline import finish_loops

STARTS = {"max": "-inf:f32", "add": "0.0:f32"}


def pool(op: str, rows: int, tile: int, kernel: int, stride: int, pad: int, channels: int) -> Func:
    """A window over rows of channels, `tile` positions at a time, padded at both ends."""
    out = (rows + 2 * pad - kernel) // stride + 1
    place = f"(o*{tile} + i)*{stride} + r - {pad}"
    guard = f"{place} >= 0 & {place} < {rows}"
    extent = tile if out % tile == 0 else f"min({tile}, {out} - o*{tile})"
    acc = f"y[o*{tile} + i, c]"
    combine = {"max": "{0} = max({0}, {1})", "add": "{0} = {0} + {1}"}[op]
    update = combine.format(acc, f"select({guard}, x[{place}, c], {STARTS[op]})")
    return parse_func(f"""
        func pool(x: f32[{rows},{channels}], y: f32[{out},{channels}]) {{
          for z in {out} {{ for zc in {channels} {{ y[z, zc] = {STARTS[op]} }} }}
          for o in {-(-out // tile)} {{
            for unroll r in {kernel} {{
              for unroll i in {extent} {{ for vector c in {channels} {{ {update} }} }}
            }}
          }}
        }}""")


def sums(channels: int, tile: int, reach: int) -> Func:
    """Each result is the sum of its neighbours along the dense axis, as in lrn."""
    place = f"o*{tile} + v + r - {reach}"
    value = f"select({place} >= 0 & {place} < {channels}, x[{place}] * x[{place}], 0.0:f32)"
    return parse_func(f"""
        func sums(x: f32[{channels}], y: f32[{channels}]) {{
          for z in {channels} {{ y[z] = 0.0:f32 }}
          for o in {-(-channels // tile)} {{
            for unroll r in {2 * reach + 1} {{
              for vector v in min({tile}, {channels} - o*{tile}) {{
                y[o*{tile} + v] = y[o*{tile} + v] + {value}
              }}
            }}
          }}
        }}""")


def results(func: Func) -> np.ndarray:
    shapes = [buffer.shape for buffer in func.params]
    data = np.random.default_rng(0).standard_normal(shapes[0]).astype(np.float32)
    arrays = [data, np.full(shapes[1], np.nan, np.float32)]
    run_func(func, arrays)
    return arrays[1]


@st.composite
def pools(draw: st.DrawFn) -> Func:
    kernel = draw(st.integers(1, 5))
    pad = draw(st.integers(0, kernel - 1))
    rows = draw(st.integers(max(1, kernel - 2 * pad), 30))
    sizes = (rows, draw(st.integers(1, 6)), kernel, draw(st.integers(1, 3)), pad)
    return pool(draw(st.sampled_from(["max", "add"])), *sizes, draw(st.integers(1, 9)))


@settings(max_examples=60)
@given(pools() | st.builds(sums, st.integers(1, 40), st.integers(1, 16), st.integers(0, 4)))
def test_the_same_is_computed(func: Func) -> None:
    wanted = results(func)
    for run in (hoist_guards, peel_borders, lambda f: peel_borders(hoist_guards(f)), finish_loops):
        after = run(func)
        verify_func(after)
        np.testing.assert_allclose(results(after), wanted, rtol=1e-5)


def guarded_loads(stmt: Stmt) -> Iterator[Expr]:
    return (e for e in walk_exprs(stmt) if isinstance(e, Select) and _reads(e))


def _reads(expr: Select) -> bool:
    return isinstance(expr.on_true, Load)


def middle_of(func: Func) -> Stmt:
    """What runs where no border is near: the version of a branch that holds unrolled loops."""
    (loop,) = (part for part in sub_statements(func.body) if getattr(part, "var", "") == "o")
    versions = [part for part in walk(loop) if isinstance(part, For) and part.kind == "unroll"]
    assert versions, print_func(func)
    return versions[0]


def test_the_middle_has_no_guards_and_borders_are_decided() -> None:
    before = pool("max", rows=32, tile=4, kernel=3, stride=1, pad=1, channels=8)
    func = peel_borders(hoist_guards(before))
    assert not list(guarded_loads(func.body))
    assert not any(isinstance(part, If) for part in walk(middle_of(func)))
    branches = [part for part in walk(func.body) if isinstance(part, If)]
    assert len(branches) == 2, "the first tile, the middle, the last tile"


def test_windows_wholly_in_the_padding_cost_nothing() -> None:
    before = pool("add", rows=8, tile=8, kernel=3, stride=1, pad=1, channels=4)
    func = peel_borders(hoist_guards(before))
    updates = [part for part in walk(func.body) if isinstance(part, Store)][1:]
    assert len(updates) == 8 * 3 - 2


def test_too_many_borders_keep_their_guards() -> None:
    wide = pool("max", rows=40, tile=1, kernel=5, stride=1, pad=MAX_BORDERS // 2 + 1, channels=2)
    after = peel_borders(hoist_guards(wide))
    loops = [part.var for part in walk(after.body) if isinstance(part, For)]
    assert loops.count("o") == 1
    assert sum(isinstance(part, If) for part in walk(after.body)) == 1


@pytest.mark.parametrize("channels", [16, 17, 37, 64])
def test_guards_along_vectors_become_shuffles(channels: int) -> None:
    func = finish_loops(sums(channels, tile=16, reach=2))
    assert not any(isinstance(e, Select) for e in walk_exprs(func.body))
    assert "shuffle" in print_func(func)


def test_a_guard_over_an_outer_loop_alone_is_not_worth_a_version() -> None:
    func = parse_func("""func f(x: f32[9,8], y: f32[8,8]) {
      for h in 8 { for o in 2 { for unroll r in 2 { for unroll i in 4 {
        y[h, o*4 + i] = y[h, o*4 + i] + select(h + r >= 1, x[h + r - 1, o*4 + i], 0.0:f32)
      } } } }
    }""")
    hoisted = hoist_guards(func)
    assert peel_borders(hoisted) == hoisted
    (branch,) = (part for part in walk(hoisted.body) if isinstance(part, If))
    assert isinstance(branch.then, For)
    assert branch.then.var == "i"


def test_what_the_loop_itself_writes_is_tested_inside() -> None:
    func = parse_func("""
        func first(x: f32[8], count: i64[1], y: i64[2]) {
          for i in 8 {
            if count[0] < 2 & x[i] > 0.0:f32 {
              y[count[0]] = i
              count[0] = count[0] + 1
            }
          }
        }""")
    x = np.ones(8, np.float32)
    for changed in (func, hoist_guards(func)):
        count, y = np.zeros(1, np.int64), np.zeros(2, np.int64)
        run_func(changed, [x, count, y])
        assert (count.tolist(), y.tolist()) == ([2], [0, 1])


def test_a_test_that_keeps_another_from_reading_stays_around_it() -> None:
    func = parse_func("""
        func guarded(x: bool[3], y: f32[8,2]) {
          for i in 8 { for j in 2 { if i < 3 { if x[i] { y[i, j] = 1.0:f32 } } } }
        }""")
    y = np.zeros((8, 2), np.float32)
    run_func(hoist_guards(func), [np.array([True, False, True]), y])
    assert y[:, 0].tolist() == [1, 0, 1, 0, 0, 0, 0, 0]
