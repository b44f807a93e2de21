"""The schedule that fast kernels are made of: a tile of results in registers, weights packed."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.ir.text import print_stmt
from mlc.ir.verify import verify_func
from mlc.passes.schedule.primitives import (
    compute_at,
    fuse,
    inline,
    merge_dims,
    pack,
    parallel,
    reorder,
    set_scope,
    split,
    unroll,
    vectorize,
)
from mlc.passes.schedule.replay import replay
from mlc.passes.schedule.schedule import Schedule
from tests.passes.schedule.kernels import convolution, matmul
from tests.passes.schedule.steps import backwards, results


def tiled_convolution(func, rows, columns):
    """Rows are places of the picture, columns are filters."""
    schedule = inline(inline(Schedule(func), "t1"), "t2")
    schedule = merge_dims(schedule, "acc", 2)
    schedule = fuse(schedule, "l2", "l3", name="m")
    schedule = split(schedule, "m", rows, names=("mo", "mi"))
    schedule = split(schedule, "l1", columns, names=("co", "ci"))
    schedule = reorder(schedule, "l0", "co", "mo", "mi", "ci")
    schedule = compute_at(schedule, "acc", "mo")
    schedule = set_scope(schedule, "acc", "register")
    schedule = reorder(schedule, "z2_z3", "z1")
    schedule = reorder(schedule, "r0", "r1", "r2", "i2_i3", "i1")
    for row, column in (("z2_z3", "z1"), ("i2_i3", "i1"), ("mi", "ci")):
        schedule = vectorize(unroll(schedule, row), column)
    schedule = pack(schedule, "w", {0: columns}, [(0, "outer"), 1, 2, 3, (0, "inner")])
    return parallel(parallel(schedule, "l0"), "co")


def tiled_matmul(func, rows, columns):
    schedule = split(Schedule(func), "j0", rows, names=("mo", "mi"))
    schedule = split(schedule, "j1", columns, names=("co", "ci"))
    schedule = reorder(schedule, "co", "mo", "mi", "ci")
    schedule = compute_at(schedule, "acc", "mo")
    schedule = set_scope(schedule, "acc", "register")
    schedule = reorder(schedule, "k", "i0", "i1")
    for row, column in (("z0", "z1"), ("i0", "i1"), ("mi", "ci")):
        schedule = vectorize(unroll(schedule, row), column)
    schedule = pack(schedule, "w", {1: columns}, [(1, "outer"), 0, (1, "inner")])
    return parallel(schedule, "co")


def same(func, schedule):
    verify_func(schedule.func)
    wanted = results(func, func)
    assert replay(func, schedule.trace).func == schedule.func
    for made in (schedule.func, backwards(schedule.func)):
        np.testing.assert_array_equal(results(made, func)["y"], wanted["y"])


@pytest.mark.parametrize(
    ("batch", "filters", "size"),
    [(1, 12, 5), (2, 8, 6), (1, 3, 2), (3, 17, 1)],
    ids=["tails in both", "no tails", "less than a tile", "one place"],
)
def test_convolution(batch, filters, size):
    func = convolution(batch, 2, filters, size, 2)
    same(func, tiled_convolution(func, 6, 8))


@pytest.mark.parametrize(("rows", "columns"), [(13, 21), (6, 32), (1, 1), (5, 40)])
def test_matmul(rows, columns):
    func = matmul(rows, columns)
    same(func, tiled_matmul(func, 6, 16))


def test_convolution_has_the_expected_loops():
    schedule = tiled_convolution(convolution(1, 3, 24, 7), 6, 16)
    assert print_stmt(schedule.func.body) == (
        "for parallel l0 in 1 {\n"
        "  for parallel co in 2 {\n"
        "    for mo in 9 {\n"
        "      alloc acc: f32[1,16,6] strides[96,1,16] register {\n"
        "        for unroll z2_z3 in min(6, 49 - mo * 6) {\n"
        "          for vector z1 in min(16, 24 - co * 16) {\n"
        "            acc[0, z1, z2_z3] = 0.0:f32\n"
        "          }\n"
        "        }\n"
        "        for r0 in 3 {\n"
        "          for r1 in 3 {\n"
        "            for r2 in 3 {\n"
        "              for unroll i2_i3 in min(6, 49 - mo * 6) {\n"
        "                for vector i1 in min(16, 24 - co * 16) {\n"
        "                  acc[0, i1, i2_i3] = acc[0, i1, i2_i3] + "
        "x[0, r0, r1 + (mo * 6 + i2_i3) // 7, r2 + (mo * 6 + i2_i3) % 7] * "
        "w_packed[co, r0, r1, r2, i1]\n"
        "                }\n"
        "              }\n"
        "            }\n"
        "          }\n"
        "        }\n"
        "        for unroll mi in min(6, 49 - mo * 6) {\n"
        "          for vector ci in min(16, 24 - co * 16) {\n"
        "            y[l0, co * 16 + ci, (mo * 6 + mi) // 7, (mo * 6 + mi) % 7] = "
        "max(acc[0, ci, mi] + b[co * 16 + ci] + "
        "r[l0, co * 16 + ci, (mo * 6 + mi) // 7, (mo * 6 + mi) % 7], 0.0:f32)\n"
        "          }\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}"
    )
