"""The pieces that `compute_at` moves: halos, tails, borders and chains of temporaries."""

from __future__ import annotations

import numpy as np

from mlc.ir.text import parse_func, print_stmt
from mlc.ir.verify import verify_func
from mlc.passes.schedule.primitives import compute_at, split
from mlc.passes.schedule.schedule import Schedule
from tests.passes.schedule.kernels import pooling, softmax
from tests.passes.schedule.steps import results


def same(schedule, func):
    verify_func(schedule.func)
    np.testing.assert_array_equal(results(schedule.func, func)["y"], results(func, func)["y"])


def lines(schedule):
    return [line.strip() for line in print_stmt(schedule.func.body).splitlines()]


def test_halo_of_a_window_with_tails():
    func = pooling(2, 9)
    schedule = split(Schedule(func), "j1", 2, names=("jo", "ji"))
    schedule = compute_at(compute_at(schedule, "t", "jo"), "xp", "jo")
    same(schedule, func)
    # Two rows of the result need rows 4*jo to 4*jo + 4; the last one of five needs three.
    assert "alloc xp: f32[1,5,11] stack {" in lines(schedule)
    assert "for p1 in min(5, 11 - jo * 4) {" in lines(schedule)
    assert "t[0, i1, i2] = max(t[0, i1, i2], xp[0, i1 * 2 + r0, i2 * 2 + r1])" in lines(schedule)


def test_chain_of_temporaries_row_by_row():
    func = softmax(4, 9)
    schedule = Schedule(func)
    for buffer in ("s", "e", "m"):
        schedule = compute_at(schedule, buffer, "g0")
    same(schedule, func)
    declared = [line for line in lines(schedule) if line.startswith("alloc")]
    assert declared == [
        "alloc m: f32[1,1] stack {",
        "alloc e: f32[1,9] stack {",
        "alloc s: f32[1,1] stack {",
    ]
    assert lines(schedule)[0] == "for g0 in 4 {"


def test_a_nest_that_writes_a_part_is_cut_to_the_piece():
    func = parse_func(
        """func border(x: f32[7], y: f32[9]) {
          alloc p: f32[9] arena {
            for a in 9 { p[a] = 0.0:f32 }
            for b in 7 { p[b + 1] = x[b] }
            for c in 9 { y[c] = p[c] }
          }
        }"""
    )
    schedule = compute_at(split(Schedule(func), "c", 4), "p", "c_o")
    same(schedule, func)
    assert "alloc p: f32[4] stack {" in lines(schedule)
    assert "x[b + max(c_o * 4, 1) - 1]" in print_stmt(schedule.func.body)


def test_what_is_read_in_two_directions_is_computed_whole():
    func = parse_func(
        """func fold(x: f32[9], y: f32[9]) {
          alloc p: f32[9] arena {
            for a in 9 { p[a] = x[a] * 2.0:f32 }
            for c in 9 { y[c] = p[c] + p[8 - c] }
          }
        }"""
    )
    schedule = compute_at(split(Schedule(func), "c", 4), "p", "c_o")
    same(schedule, func)
    assert "for a in 9 {" in lines(schedule)


def test_loops_that_walk_one_dimension_become_one():
    func = parse_func(
        """func flat(x: f32[7,7], y: f32[49]) {
          alloc p: f32[49] arena {
            for h in 7 { for w in 7 { p[h * 7 + w] = x[h, w] * 2.0:f32 } }
            for m in 49 { y[m] = p[m] }
          }
        }"""
    )
    schedule = compute_at(split(Schedule(func), "m", 6), "p", "m_o")
    same(schedule, func)
    assert "for h_w in min(6, 49 - m_o * 6) {" in lines(schedule)
    assert "p[h_w] = x[(m_o * 6 + h_w) // 7, (m_o * 6 + h_w) % 7] * 2.0:f32" in lines(schedule)


def test_a_large_piece_stays_in_the_arena():
    func = parse_func(
        """func wide(x: f32[2,70000], y: f32[2,70000]) {
          alloc p: f32[2,70000] arena {
            for a in 2 { for b in 70000 { p[a, b] = x[a, b] } }
            for c in 2 { for d in 70000 { y[c, d] = p[c, d] } }
          }
        }"""
    )
    assert "alloc p: f32[1,70000] arena {" in lines(compute_at(Schedule(func), "p", "c"))
