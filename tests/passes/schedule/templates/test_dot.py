"""dot: a few rows against columns that lie densely along the depth."""

from __future__ import annotations

import pytest

from mlc.ir.expr import Load
from mlc.ir.rewrite import walk, walk_exprs
from mlc.ir.stmt import Alloc
from mlc.passes.schedule.templates.dot import MOST_ROWS
from mlc.passes.schedule.templates.select import template_for
from tests.passes.schedule.templates.single import check, group_of, scheduled

TRANSPOSED = {"transpose_a": False, "transpose_b": True}
PLAIN = {"transpose_a": False, "transpose_b": False}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((2, 3, 1, 64), (2, 3, 129, 64)),
        ((3, 70), (37, 70)),
        ((4, 2, 33), (1, 19, 33)),
        ((1, 1000), (1, 1000)),
    ],
)
def test_products_of_few_rows(left: tuple[int, ...], right: tuple[int, ...], threads: int) -> None:
    group = group_of("matmul", [left, right], TRANSPOSED)
    assert template_for(group).name == "dot"
    check(group, threads)


def test_knobs_from_the_space() -> None:
    group = group_of("matmul", [(3, 40), (21, 40)], TRANSPOSED)
    for rows, columns in [(1, 1), (2, 16), (4, 3)]:
        check(group, knobs={"rows": rows, "columns": columns})


def test_nothing_is_packed_and_all_is_read_by_vectors() -> None:
    func = scheduled(group_of("matmul", [(1, 64), (40, 64)], TRANSPOSED), "x86-64-v3")
    assert not any(isinstance(p, Alloc) and p.buffer.scope == "arena" for p in walk(func.body))
    loads = [e for e in walk_exprs(func.body) if type(e) is Load and e.buffer.name == "in1"]
    assert {load.lanes for load in loads} == {8}


def test_a_view_that_lies_along_the_depth_is_one_too() -> None:
    assert template_for(group_of("matmul", [(2, 32), (32, 9)], PLAIN, [None, (1, 0)])).name == "dot"


def test_others_keep_their_template() -> None:
    groups = [
        group_of("matmul", [(MOST_ROWS + 1, 32), (9, 32)], TRANSPOSED),
        group_of("matmul", [(1, 32), (32, 9)], PLAIN),
        group_of("matmul", [(1, 32), (9, 32)], TRANSPOSED, constants=[1]),
        group_of("matmul", [(1, 8), (9, 8)], TRANSPOSED),
        group_of("matmul", [(2, 32), (9, 32)], TRANSPOSED, [(1, 0)]),
    ]
    assert {template_for(group).name for group in groups} == {"contraction"}
