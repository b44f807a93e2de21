"""features: width, names, determinism, and figures that can be counted by hand."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest

from mlc.autotune.features import FEATURE_NAMES, FEATURES, features
from mlc.autotune.features.access import AccessTable
from mlc.autotune.features.arithmetic import Operations, count_operations
from mlc.autotune.space import TaskSpace, candidate_of
from mlc.backends.llvm.targets import resolve
from mlc.ir.expr import Load
from mlc.ir.rewrite import walk
from mlc.ir.stmt import Func, Store
from mlc.ir.text import parse_func
from mlc.passes.schedule.templates.base import Machine
from tests.autotune.test_space import GROUPS, task_of

AVX2 = Machine(resolve("haswell"), 2)

TILE = """
func product(x: f32[12,64], w: f32[2,64,16] constant, y: f32[12,32]) {
  for parallel p in 2 {
    for r in 2 {
      alloc acc: f32[6,16] register {
        for unroll zi in 6 {
          for vector zj in 16 {
            acc[zi, zj] = 0.0:f32
          }
        }
        for k in 64 {
          for unroll i in 6 {
            for vector j in 16 {
              acc[i, j] = acc[i, j] + x[r * 6 + i, k] * w[p, k, j]
            }
          }
        }
        for unroll oi in 6 {
          for vector oj in 16 {
            y[r * 6 + oi, p * 16 + oj] = acc[oi, oj]
          }
        }
      }
    }
  }
}
"""


def named(func: Func, machine: Machine = AVX2) -> dict[str, float]:
    values = features(func, machine)
    assert values.dtype == np.float32
    assert values.shape == (len(FEATURE_NAMES),)
    assert np.isfinite(values).all()
    return dict(zip(FEATURE_NAMES, map(float, values), strict=True))


def test_names_are_unique_and_have_a_meaning() -> None:
    assert len(FEATURES) == len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert all(FEATURES.values())


def test_a_register_tile_counted_by_hand() -> None:
    found = named(parse_func(TILE))
    runs = 2 * 2 * 64 * 6 * 2  # tiles, depth, rows, vectors of eight
    assert found["block0.runs"] == pytest.approx(math.log2(1 + runs), rel=1e-6)
    assert found["block0.accumulators"] == pytest.approx(math.log2(1 + 12), rel=1e-6)
    assert found["block0.reduces"] == 1
    assert found["block0.fused"] == 1
    assert found["block0.lane_efficiency"] == 1
    assert found["block0.innermost"] == pytest.approx(math.log2(65), rel=1e-6)
    assert found["block0.narrow_loads"] == pytest.approx(6 / 12)
    assert found["block0.wide_loads"] == pytest.approx(2 / 12)
    assert found["block0.stores"] == 0
    assert found["threads.imbalance"] == 1
    assert found["threads.serial_share"] == 0
    assert found["memory.touched"] == pytest.approx(
        math.log2(1 + 4 * (12 * 64 + 2 * 64 * 16 + 12 * 32)), rel=1e-6
    )


def test_prefetches_are_seen_and_are_no_work() -> None:
    ahead = TILE.replace("for k in 64 {", "for k in 64 { prefetch w[p + 1, 0, r * 512 + k * 8]")
    found, plain = named(parse_func(ahead)), named(parse_func(TILE))
    touched = 4 * (12 * 64 + 2 * 64 * 16 + 12 * 32)
    assert found.pop("memory.prefetched") == pytest.approx(2 * 2 * 64 * 64 / touched)
    assert plain.pop("memory.prefetched") == 0
    assert found == plain


def test_what_is_written_counts_as_touched_once() -> None:
    copy = parse_func("func f(x: f32[64], y: f32[64]) { for i in 64 { y[i] = x[i] } }")
    assert named(copy)["memory.touched"] == pytest.approx(math.log2(1 + 512), rel=1e-6)


def test_a_loop_that_does_not_fit_the_cache_fetches_again() -> None:
    """Sixteen passes over 4 KiB stay in the first-level cache, over 4 MiB in none but the third."""
    text = """
    func f(x: f32[{n}], y: f32[16]) {{
      for i in 16 {{
        for k in {n} {{
          y[i] = y[i] + x[k]
        }}
      }}
    }}
    """
    small, large = (named(parse_func(text.format(n=n))) for n in (1 << 10, 1 << 20))
    assert small["memory.refetched_l1"] == pytest.approx(1, rel=1e-3)
    assert large["memory.refetched_l1"] == pytest.approx(math.log2(17), rel=1e-3)
    assert large["memory.refetched_l2"] == pytest.approx(math.log2(17), rel=1e-3)
    assert large["memory.refetched_l3"] == pytest.approx(1, rel=1e-3)


def test_operations_by_kind() -> None:
    text = """
    func f(x: f32[8], n: i64[8], y: f32[8]) {
      for i in 8 {
        y[i] = exp(x[i] * x[i] + 1.0:f32) / sqrt(max(x[i // 2], 0.0:f32)) - x[i]
      }
    }
    """
    (store,) = [part for part in walk(parse_func(text).body) if isinstance(part, Store)]
    found, loads = Operations(), list[Load]()
    count_operations(store.value, found, loads)
    assert found == Operations(fused=1, simple=1, divisions=2, choices=1, calls=1)
    assert len(loads) == 4


def test_steps_of_quotients_and_remainders() -> None:
    text = "func f(x: f32[4,8], y: f32[32]) { for i in 32 { y[i] = x[i // 8, i % 8] } }"
    (store,) = [part for part in walk(parse_func(text).body) if isinstance(part, Store)]
    load = store.value
    access = AccessTable().access(load.buffer, load.index, False)  # type: ignore[attr-defined]
    assert access.strides["i"] == 1
    access.widen("i", 32)
    assert access.elements() == 32
    assert access.lines() == 2


@pytest.mark.parametrize("name", GROUPS)
def test_points_of_every_template_have_finite_features_of_one_width(name: str) -> None:
    task = task_of(GROUPS[name])
    space, rng = TaskSpace(task, AVX2), random.Random(0)
    for knobs in [space.default, *[space.sample(rng) for _ in range(10)]]:
        candidate = candidate_of(task, knobs, AVX2)
        if candidate is not None:
            first = named(candidate.schedule.func)
            assert first == named(candidate.schedule.func)


EDGES = """
func product(x: f32[13,64], w: f32[64,8] constant, y: f32[13,8]) {
  for r in 3 {
    alloc acc: f32[6,8] register {
      for k in 64 {
        for unroll i in min(6, 13 - r * 6) {
          for vector j in 8 {
            acc[i, j] = acc[i, j] + x[r * 6 + i, k] * w[k, j]
          }
        }
      }
      for unroll oi in min(6, 13 - r * 6) {
        for vector oj in 8 {
          y[r * 6 + oi, oj] = acc[oi, oj]
        }
      }
    }
  }
}
"""


def test_tiles_at_the_edge_take_their_own_time() -> None:
    """Two tiles of six rows, which their additions bound, and one row, which its latency does."""
    found = named(parse_func(EDGES))
    assert found["block0.runs"] == pytest.approx(math.log2(1 + 13 * 64), rel=1e-6)
    assert found["block0.accumulators"] == pytest.approx(math.log2(1 + 6), rel=1e-6)
    whole, edge = 6 * 64 * AVX2.target.fma_latency / 6, 64 * AVX2.target.fma_latency
    assert found["block0.edge"] == pytest.approx(edge / (2 * whole + edge))
    assert named(parse_func(TILE))["block0.edge"] == 0


def test_quotients_are_computed_where_they_change() -> None:
    text = """
    func f(x: f32[4,8,64], y: f32[32]) {{
      for r in 8 {{
        for k in 64 {{
          for unroll i in 4 {{
            y[r * 4 + i] = y[r * 4 + i] + x[{index}, k]
          }}
        }}
      }}
    }}
    """
    crossing = named(parse_func(text.format(index="(r * 4 + i) // 8, (r * 4 + i) % 8")))
    along = named(parse_func(text.format(index="r // 2, r % 2 * 4 + i")))
    runs = 8 * 64 * 4
    assert crossing["block0.quotients"] == pytest.approx(2 * 8 * 4 / runs)
    assert along["block0.quotients"] == pytest.approx(2 * 8 / runs)
    assert crossing["block0.pointers"] == pytest.approx(math.log2(1 + 4 + 1 + 1))
    assert along["block0.pointers"] == pytest.approx(math.log2(1 + 1 + 1 + 1))


def test_rows_a_page_apart_share_a_set_of_the_cache() -> None:
    near, far = TILE, TILE.replace("x: f32[12,64]", "x: f32[12,64] strides[1024,1]")
    assert named(parse_func(near))["block0.conflicts"] == pytest.approx(math.log2(1 + 1 / 8))
    assert named(parse_func(far))["block0.conflicts"] == pytest.approx(math.log2(1 + 6 / 8))


def test_more_rows_in_a_set_than_it_has_ways_stall() -> None:
    """Sixteen rows a page apart need two fillings of a set of eight ways; side by side, none."""
    text = """
    func f(x: f32[16,8] strides[{apart},1], y: f32[16]) {{
      for k in 8 {{
        for unroll i in 16 {{
          y[i] = y[i] + x[i, k]
        }}
      }}
    }}
    """
    near, far = (named(parse_func(text.format(apart=apart))) for apart in (8, 1024))
    assert near["cycles.stall_cycles"] == 0
    assert far["cycles.stall_over_cycles"] > 0
    assert far["cycles.sum_cycles"] > near["cycles.sum_cycles"]


def test_names_of_the_model_do_not_count_and_the_target_does() -> None:
    func = parse_func(TILE)
    assert named(replace(func, name="other", loc=("node",))) == named(func)
    wide = named(func, Machine(resolve("znver4"), 2))
    assert wide["target.lanes"] == 16
    assert wide["block0.runs"] < named(func)["block0.runs"]
