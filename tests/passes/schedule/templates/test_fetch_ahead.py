"""fetch_ahead: how the reduction is cut, and what compiled kernels with prefetches compute."""

from __future__ import annotations

import pytest

from mlc.errors import ScheduleError
from mlc.ir.rewrite import walk
from mlc.ir.stmt import Prefetch, Stmt
from mlc.ir.text import parse_func, print_func
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.fetch_ahead import fetch_ahead
from tests.passes.schedule.templates.single import check, group_of, scheduled

LAST = (0, 2, 3, 1)
PLAIN = {"transpose_a": False, "transpose_b": False}
CONV = {
    "strides": (1, 1),
    "before": (0, 0),
    "after": (0, 0),
    "dilations": (1, 1),
    "groups": 1,
}
TILE = {"rows": 4, "columns": 32, "order": "columns", "prefetch": True}
WINOGRAD = {"template": "convolution", "algorithm": "winograd2", "chunk": 20}

GROUPS = {
    "product": group_of("matmul", [(13, 96), (96, 80)], PLAIN, constants=[1]),
    "batched rows": group_of("matmul", [(2, 9, 64), (64, 70)], PLAIN, constants=[1]),
    "pointwise": group_of(
        "conv", [(1, 72, 5, 6), (70, 72, 1, 1)], CONV, [LAST, None, LAST], constants=[1]
    ),
    "window": group_of(
        "conv", [(2, 20, 7, 6), (40, 20, 3, 3)], CONV, [LAST, None, LAST], constants=[1]
    ),
    "winograd": group_of(
        "conv", [(1, 32, 10, 9), (40, 32, 3, 3)], CONV, [LAST, None, LAST], constants=[1]
    ),
}


def prefetches(stmt: Stmt) -> list[Prefetch]:
    return [part for part in walk(stmt) if isinstance(part, Prefetch)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("unrolled", [1, 4])
@pytest.mark.parametrize("name", GROUPS)
def test_kernels_that_prefetch_compute_the_same(name: str, unrolled: int, threads: int) -> None:
    knobs = {**TILE, "unroll": unrolled, "shared": 2}
    if name == "winograd":
        knobs = {**TILE, **WINOGRAD}
    elif name in ("pointwise", "window"):
        knobs |= {"template": "contraction", "algorithm": "implicit_gemm"}
    assert prefetches(scheduled(GROUPS[name], "host", threads, knobs).body)
    check(GROUPS[name], threads, knobs)


def test_rows_outside_read_no_panel_again() -> None:
    knobs = {**TILE, "order": "rows"}
    assert not prefetches(scheduled(GROUPS["product"], "host", 1, knobs).body)


def product(rows: int, depth: int, columns: int) -> Schedule:
    return Schedule(
        parse_func(
            f"""func f(x: f32[{rows},{depth}], w: f32[3,{depth},{columns}] constant,
                       y: f32[{rows},{3 * columns}]) {{
              for p in 3 {{ for r in {rows} {{ for k in {depth} {{ for vector j in {columns} {{
                y[r, p * {columns} + j] = y[r, p * {columns} + j] + x[r, k] * w[p, k, j]
              }} }} }} }}
            }}"""
        )
    )


@pytest.mark.parametrize(
    ("rows", "depth", "columns", "steps", "fetched"),
    [
        # 49 rows in nine tiles: a line for each eight steps, as 512 lines are 9 * 57.
        (9, 512, 16, "for unroll k_s in 8 {", ["r * 1024 + k_p * 16"]),
        # As many lines as steps of both tiles together: nothing to cut.
        (2, 512, 32, "for k in 512 {", ["r * 8192 + k * 16"]),
        # Two lines a step for three tiles are two for each three steps.
        (3, 96, 32, "for unroll k_s in 3 {", ["r * 1024 + k_p * 32", "r * 1024 + k_p * 32 + 16"]),
        # Few lines for many tiles: long steps stay a loop.
        (64, 256, 16, "for k_s in 64 {", ["r * 64 + k_p * 16"]),
    ],
)
def test_steps(rows: int, depth: int, columns: int, steps: str, fetched: list[str]) -> None:
    func = fetch_ahead(product(rows, depth, columns), "w", "r").func
    assert steps in print_func(func)
    lines = [line.strip() for line in print_func(func).splitlines() if "prefetch" in line]
    assert lines == [f"prefetch w[p + 1, 0, {place}]" for place in fetched]


def test_no_loop_over_the_reduction() -> None:
    func = parse_func("func f(w: f32[8], y: f32[8]) { for i in 8 { y[i] = w[i] } }")
    with pytest.raises(ScheduleError) as caught:
        fetch_ahead(Schedule(func), "w", "i")
    assert caught.value.message == "no loop of steps reads 'w' in 'i'"
