"""What loops carry."""

from __future__ import annotations

import pytest

from mlc.ir.text import parse_func
from mlc.passes.schedule.dependence import Carried, carried_by
from mlc.passes.schedule.location import find_loop, ranges_of_loops


def carried(text, loop):
    body = parse_func(text).body
    return carried_by(find_loop(body, loop).stmt, ranges_of_loops(body))


def nest(store, **extents):
    heads = "".join(f"for {name} in {extent} {{ " for name, extent in extents.items())
    params = "x: f32[500], y: f32[500], z: f32[20,20], n: i64[20]"
    return f"func f({params}) {{ {heads} {store} {'}' * len(extents)} }}"


@pytest.mark.parametrize(
    ("store", "loop"),
    [
        ("y[a * 6 + b] = x[a]", "a"),
        ("y[a * 6 + b] = x[a]", "b"),
        ("y[b * 5 + a] = x[a]", "a"),
        ("y[a * 6 + b] = y[a * 6 + b] + 1.0:f32", "b"),
        ("z[(a * 6 + b) // 7, (a * 6 + b) % 7] = x[a]", "a"),
        ("z[(a * 6 + b) // 7, (a * 6 + b) % 7] = x[a]", "b"),
        ("z[a, n[b]] = x[b]", "a"),
        ("alloc t: f32[1] stack { t[0] = x[a] y[a * 6 + b] = t[0] }", "a"),
    ],
)
def test_nothing(store, loop):
    assert carried(nest(store, a=5, b=6), loop) == (Carried.NOTHING, "")


@pytest.mark.parametrize(
    ("store", "loop"),
    [
        ("y[a] = y[a] + x[b]", "b"),
        ("y[a] = max(x[b], y[a])", "b"),
        ("y[(a * 6 + b) // 3] = y[(a * 6 + b) // 3] * x[b]", "a"),
        ("y[0] = y[0] + x[a]", "a"),
    ],
)
def test_reductions(store, loop):
    assert carried(nest(store, a=5, b=6), loop) == (Carried.REDUCTION, "y")


@pytest.mark.parametrize(
    ("store", "loop"),
    [
        ("y[a * 5 + b] = x[a]", "a"),
        ("y[a] = x[b]", "b"),
        ("y[a + 1] = y[a] + x[a]", "a"),
        ("y[a] = x[b] - y[a]", "b"),
        ("y[a] = y[a] + y[b]", "b"),
        ("y[n[a]] = x[a]", "a"),
        ("y[a % 3] = x[a]", "a"),
        ("y[a] = 0.0:f32 y[a] = y[a] + x[b]", "b"),
        ("y[a] = y[a] + x[b] y[a] = max(y[a], x[b])", "b"),
    ],
)
def test_dependences(store, loop):
    assert carried(nest(store, a=5, b=6), loop) == (Carried.DEPENDENCE, "y")


def test_a_loop_that_runs_once_carries_nothing():
    assert carried(nest("y[a + 1] = y[a]", a=1), "a") == (Carried.NOTHING, "")


SPLIT = """func f(x: f32[500], y: f32[500]) {{
  for g in 4 {{
    for o in {outer} {{
      for i in min(32, {total} - o * 32) {{
        y[g * {step} + o * 32 + i] = x[i]
      }}
    }}
  }}
}}"""


@pytest.mark.parametrize(("total", "outer"), [(28, 1), (60, 2), (68, 3), (96, 3)])
@pytest.mark.parametrize("loop", ["g", "o"])
def test_what_a_split_leaves_stays_below_the_whole(total, outer, loop):
    text = SPLIT.format(total=total, outer=outer, step=total)
    assert carried(text, loop) == (Carried.NOTHING, "")


@pytest.mark.parametrize(("total", "outer"), [(28, 1), (60, 2), (68, 3)])
def test_a_split_that_reaches_the_next_whole(total, outer):
    text = SPLIT.format(total=total, outer=outer, step=total - 1)
    assert carried(text, "g") == (Carried.DEPENDENCE, "y")


def test_a_split_in_a_larger_digit_keeps_smaller_ones_apart():
    text = """func f(x: f32[500], z: f32[24,4,8]) {
      for m in 8 {
        for o in 1 {
          for i in 24 - o * 32 {
            for k in 4 {
              z[o * 32 + i, m // 2, m % 2 * 4 + k] = x[i]
            }
          }
        }
      }
    }"""
    assert carried(text, "m") == (Carried.NOTHING, "")
