"""nests: copies in any memory order go by vectors or by tiles that are transposed in registers."""

from __future__ import annotations

import pytest

from mlc.backends.llvm.targets import resolve
from mlc.ir.expr import Load, Shuffle
from mlc.ir.rewrite import walk_exprs
from mlc.ir.text import parse_func
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import Machine
from mlc.passes.schedule.templates.nests import schedule_nests
from tests.passes.schedule.templates.single import check, group_of, scheduled


def loads_of_input(shape: tuple[int, ...], order: tuple[int, ...]) -> set[int]:
    func = scheduled(group_of("relu", [shape], {}, [order]), "x86-64-v3")
    return {e.lanes for e in walk_exprs(func.body) if type(e) is Load and e.buffer.name == "in0"}


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((64, 48), (1, 0)),
        ((37, 41), (1, 0)),
        ((5, 3), (1, 0)),
        ((1, 28, 4, 14, 14), (0, 3, 4, 2, 1)),
        ((2, 19, 7, 9), (0, 2, 3, 1)),
        ((6, 34, 5), (2, 1, 0)),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_any_memory_order(shape: tuple[int, ...], order: tuple[int, ...], threads: int) -> None:
    check(group_of("relu", [shape], {}, [order]), threads)


@pytest.mark.parametrize(("shape", "order"), [((64, 48), (1, 0)), ((1, 8, 3, 16), (0, 2, 3, 1))])
def test_tiles_are_read_by_whole_vectors(shape: tuple[int, ...], order: tuple[int, ...]) -> None:
    assert loads_of_input(shape, order) == {8}


def test_axes_of_length_one_do_not_hide_the_order() -> None:
    """The 48 elements are one dense loop: vectors of 16 and nothing else."""
    assert loads_of_input((1, 1, 4, 12), (2, 3, 0, 1)) == {16}


def test_packing_at_run_time_is_transposed_by_shuffles() -> None:
    attrs = {"transpose_a": False, "transpose_b": True}
    group = group_of("matmul", [(2, 40, 32), (2, 48, 32)], attrs)
    func = scheduled(group, "x86-64-v3")
    assert any(type(e) is Shuffle for e in walk_exprs(func.body))
    check(group)
    check(group_of("matmul", [(40, 33), (37, 33)], attrs), threads=2)


def test_dimensions_are_merged_where_every_nest_walks_them_alike() -> None:
    """The frame of y is part of its last two dimensions: merged, its rows would be lost."""
    func = parse_func("""func frame(x: f32[9,8], y: f32[9,10], z: f32[9,8]) {
      for a in 9 { for b in 1 { y[a, b] = 0.0:f32 } }
      for i in 9 { for j in 8 { y[i, j + 2] = x[i, j] } }
      for k in 9 { for l in 8 { z[k, l] = x[k, l] + y[k, l] } }
    }""")
    done = schedule_nests(Schedule(func), Machine(resolve("x86-64-v3"), 1)).func
    assert [buffer.shape for buffer in done.params] == [(9, 8), (9, 10), (9, 8)]
    plain = parse_func("""func plain(x: f32[9,8], z: f32[9,8]) {
      for k in 9 { for l in 8 { z[k, l] = x[k, l] } }
    }""")
    done = schedule_nests(Schedule(plain), Machine(resolve("x86-64-v3"), 1)).func
    assert [buffer.shape for buffer in done.params] == [(72,), (72,)]
