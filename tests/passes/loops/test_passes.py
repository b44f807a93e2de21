"""The passes between a schedule and code generation keep what functions compute."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.expr import Const, Load, Ramp
from mlc.ir.rewrite import walk, walk_exprs
from mlc.ir.stmt import For, Func, If, Store
from mlc.ir.text import parse_func, print_func
from mlc.ir.verify import verify_func
from mlc.passes.loops.demote_registers import demote_registers
from mlc.passes.loops.pipeline import LOOP_PASSES, finish_loops
from mlc.passes.loops.simplify import simplify_func
from mlc.passes.loops.specialise_tails import specialise_tails
from mlc.passes.loops.vectorize_loops import vectorize_loops
from mlc.passes.schedule.primitives import parallel, reorder, split, unroll, vectorize
from mlc.passes.schedule.schedule import Schedule
from tests.passes.schedule.kernels import KERNELS
from tests.passes.schedule.steps import random_schedule, results
from tests.strategies import programs

Pass = Callable[[Func], Func]


def turns(loop_pass: Pass, before: str, after: str) -> None:
    """One text becomes the other."""
    assert print_func(loop_pass(parse_func(before))) == print_func(parse_func(after))


def all_keep_results(scheduled: Func, plain: Func) -> None:
    """After each pass the function still computes the same."""
    wanted, func = results(plain, plain), scheduled
    for loop_pass in LOOP_PASSES:
        func = loop_pass(func)
        for name, array in results(func, plain).items():
            np.testing.assert_array_equal(array, wanted[name], err_msg=loop_pass.__name__)
    assert not [p for p in walk(func.body) if isinstance(p, For) and p.kind == "vector"]
    for part in walk(func.body):
        if isinstance(part, For):
            assert part.extent not in (Const(0), Const(1))
            assert part.kind != "unroll" or isinstance(part.extent, Const)
        assert not (isinstance(part, If) and isinstance(part.condition, Const))


@settings(max_examples=25)
@given(programs(), st.data())
def test_random_schedules(func: Func, data: st.DataObject) -> None:
    all_keep_results(random_schedule(data, func).func, func)


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=5)
@given(st.data())
def test_usual_kernels(name: str, data: st.DataObject) -> None:
    func = KERNELS[name]
    all_keep_results(random_schedule(data, func, 16).func, func)


@pytest.mark.parametrize("extent", [1, 2, 7, 8, 9, 100, 131])
@pytest.mark.parametrize("factor", [1, 4, 8, 70])
def test_tails_of_every_length(extent: int, factor: int) -> None:
    func = parse_func(
        f"func f(x: f32[{extent}], y: f32[{extent}]) "
        f"{{ for i in {extent} {{ y[i] = x[i] + 1.0:f32 }} }}"
    )
    tiled = split(Schedule(func), "i", factor, names=("o", "v"))
    all_keep_results(vectorize(tiled, "v").func, func)
    all_keep_results(unroll(tiled, "v").func, func)


def test_simplify_resolves_what_ranges_decide() -> None:
    turns(
        simplify_func,
        """func f(x: f32[8], y: f32[8]) {
          for a in 1 { for o in 2 { for i in 4 {
            if o * 4 + i < 8 { y[(o * 4 + i) % 8] = x[a + o * 4 + i] } else { y[0] = 0.0:f32 }
          } } }
          for none in 0 { y[none] = 0.0:f32 }
        }""",
        """func f(x: f32[8], y: f32[8]) {
          for o in 2 { for i in 4 { y[o * 4 + i] = x[o * 4 + i] } }
        }""",
    )


def test_specialise_tails_makes_two_versions() -> None:
    turns(
        specialise_tails,
        """func f(x: f32[49], y: f32[49]) {
          for o in 9 { for unroll i in min(6, 49 - o * 6) { y[o * 6 + i] = x[o * 6 + i] } }
        }""",
        """func f(x: f32[49], y: f32[49]) {
          for o in 9 {
            if o < 8 {
              for unroll i in 6 { y[o * 6 + i] = x[o * 6 + i] }
            } else {
              y[48] = x[48]
            }
          }
        }""",
    )


def test_specialise_tails_keeps_parallel_loops_together() -> None:
    turns(
        specialise_tails,
        """func f(x: f32[20,3], y: f32[20,3]) {
          for parallel o in 3 { for parallel c in 3 {
            for unroll i in min(8, 20 - o * 8) { y[o * 8 + i, c] = x[o * 8 + i, c] }
          } }
        }""",
        """func f(x: f32[20,3], y: f32[20,3]) {
          for parallel o in 3 { for parallel c in 3 {
            if o < 2 {
              for unroll i in 8 { y[o * 8 + i, c] = x[o * 8 + i, c] }
            } else {
              for unroll i_o in 4 { y[i_o + 16, c] = x[i_o + 16, c] }
            }
          } }
        }""",
    )


def test_specialise_tails_ends_unrolled_loops_early() -> None:
    turns(
        specialise_tails,
        """func f(x: f32[20], y: f32[20]) {
          for unroll o in 3 { for vector i in min(8, 20 - o * 8) { y[o * 8 + i] = x[o * 8 + i] } }
        }""",
        """func f(x: f32[20], y: f32[20]) {
          for unroll o in 2 { for vector i in 8 { y[o * 8 + i] = x[o * 8 + i] } }
          for vector i_o in 4 { y[i_o + 16] = x[i_o + 16] }
        }""",
    )


def test_tails_in_two_shared_loops() -> None:
    func = parse_func(
        """func f(x: f32[20,11], y: f32[20,11]) {
          for i in 20 { for j in 11 { y[i, j] = x[i, j] * 2.0:f32 } }
        }"""
    )
    schedule = split(Schedule(func), "i", 8, names=("io", "ii"))
    schedule = split(schedule, "j", 4, names=("jo", "ji"))
    schedule = reorder(schedule, "io", "jo", "ii", "ji")
    schedule = parallel(parallel(schedule, "io"), "jo")
    schedule = vectorize(unroll(schedule, "ii"), "ji")
    all_keep_results(schedule.func, func)
    finished = finish_loops(schedule.func)
    verify_func(finished)
    kinds = [part.kind for part in walk(finished.body) if isinstance(part, For)]
    assert kinds[:2] == ["parallel", "parallel"]


def test_specialise_tails_leaves_serial_loops() -> None:
    text = """func f(x: f32[49], y: f32[49]) {
      for o in 9 { for i in min(6, 49 - o * 6) { y[o * 6 + i] = x[o * 6 + i] } }
    }"""
    func = parse_func(text)
    assert specialise_tails(func) is func


def test_vectorize_cuts_into_powers_of_two() -> None:
    func = vectorize_loops(
        parse_func(
            "func f(x: f32[11], s: f32[1], y: f32[11]) "
            "{ for vector v in 11 { y[v] = x[v] * s[0] } }"
        )
    )
    ramps = [part.index[0] for part in walk(func.body) if isinstance(part, Store)]
    assert [(getattr(r, "base", r), getattr(r, "length", 1)) for r in ramps] == [
        (Const(0), 8),
        (Const(8), 2),
        (Const(10), 1),
    ]


def test_vectorize_keeps_a_prefetch_that_is_the_same_in_all_lanes() -> None:
    turns(
        vectorize_loops,
        "func f(x: f32[8], y: f32[8]) { for vector v in 8 { prefetch x[64] y[v] = x[v] } }",
        "func f(x: f32[8], y: f32[8]) { prefetch x[64] y[ramp(0, 1, 8)] = x[ramp(0, 1, 8)] }",
    )


def test_vectorize_adds_lanes_up() -> None:
    func = vectorize_loops(
        parse_func("func f(x: f32[8], y: f32[1]) { for vector v in 8 { y[0] = y[0] + x[v] } }")
    )
    assert "reduce_add" in print_func(func)


@pytest.mark.parametrize(
    "body",
    [
        "y[v] = select(v < n[0], x[v + 1], 0.0:f32)",  # the arm not taken may lie outside
        "y[n[v] % 2] = y[n[v] % 2] + x[v]",  # several lanes may add to one element
        "if v < 3 { y[v] = x[v] }",
    ],
)
def test_what_has_no_vector_form_stays_a_loop(body: str) -> None:
    text = f"func f(x: f32[4], n: i64[4], y: f32[4]) {{ for vector v in 4 {{ {body} }} }}"
    func = vectorize_loops(parse_func(text))
    assert print_func(func) == print_func(parse_func(text.replace("vector ", "")))


def accumulators(body: str) -> str:
    """Where a register buffer ends up whose accesses are `body`."""
    func = demote_registers(
        parse_func(f"func f(x: f32[64], y: f32[64]) {{ alloc t: f32[8] register {{ {body} }} }}")
    )
    return str(func.body.buffer.scope)


@pytest.mark.parametrize(
    ("body", "scope"),
    [
        ("t[0] = x[0] y[0] = t[0]", "register"),
        ("for unroll i in 8 { t[i] = x[i] } for unroll j in 8 { y[j] = t[j] }", "register"),
        ("for i in 8 { t[i] = x[i] } for unroll j in 8 { y[j] = t[j] }", "stack"),
    ],
)
def test_registers_that_are_told_apart_stay(body: str, scope: str) -> None:
    assert accumulators(body.replace("] y", "]\n y")) == scope


def test_vectors_that_overlap_go_to_the_stack() -> None:
    text = """func f(x: f32[64], y: f32[64]) {{
      alloc t: f32[8] register {{
        for vector v in 8 {{ t[v] = x[v] }}
        for vector w in {} {{ y[w] = t[w] }}
      }}
    }}"""
    for length, scope in ((8, "register"), (4, "stack")):
        func = demote_registers(vectorize_loops(parse_func(text.format(length))))
        assert func.body.buffer.scope == scope
        assert any(isinstance(e, Ramp) for e in walk_exprs(func.body))
        assert {e.buffer.scope for e in walk_exprs(func.body) if isinstance(e, Load)} >= {scope}


def test_a_loop_that_shrinks_from_turn_to_turn_is_not_unrolled() -> None:
    func = parse_func(
        """func f(x: f32[4,4], y: f32[4,4]) {
          for i in 4 { for unroll j in 4 - i { y[i, j] = x[i, j] } }
        }"""
    )
    all_keep_results(func, func)
