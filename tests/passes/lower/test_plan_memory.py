"""One arena: buffers that are alive together never overlap, and not much is wasted."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from mlc.ir.program import ALIGNMENT
from mlc.passes.lower.plan_memory import LiveRange, plan_memory


@st.composite
def live_ranges(draw: st.DrawFn) -> list[LiveRange]:
    found = []
    for key in range(draw(st.integers(0, 12))):
        first = draw(st.integers(0, 9))
        size = draw(st.one_of(st.integers(0, 300), st.sampled_from([64, 128, 1024])))
        found.append(LiveRange(key, size, first, first + draw(st.integers(0, 4))))
    return found


@given(live_ranges())
def test_no_two_live_buffers_overlap(ranges: list[LiveRange]) -> None:
    offsets, size = plan_memory(ranges)
    assert offsets.keys() == {item.key for item in ranges}
    for item in ranges:
        assert offsets[item.key] % ALIGNMENT == 0
        assert 0 <= offsets[item.key] <= offsets[item.key] + item.size <= size
    for one, other in combinations(ranges, 2):
        if one.first <= other.last and other.first <= one.last:
            starts = offsets[one.key], offsets[other.key]
            ends = starts[0] + one.size, starts[1] + other.size
            assert ends[0] <= starts[1] or ends[1] <= starts[0] or 0 in (one.size, other.size)


@given(live_ranges())
def test_the_arena_is_no_larger_than_all_buffers_side_by_side(ranges: list[LiveRange]) -> None:
    _, size = plan_memory(ranges)
    assert size <= sum(-(-item.size // ALIGNMENT) * ALIGNMENT for item in ranges)


def test_a_chain_takes_the_memory_of_two_buffers() -> None:
    ranges = [LiveRange(step, 1000, step, step + 1) for step in range(10)]
    assert plan_memory(ranges)[1] == 2 * 1024


def test_a_small_buffer_fills_the_gap_between_large_ones() -> None:
    ranges = [
        LiveRange("below", 1024, 0, 3),
        LiveRange("gone", 512, 0, 1),
        LiveRange("above", 256, 0, 3),
        LiveRange("late", 512, 2, 3),
    ]
    offsets, size = plan_memory(ranges)
    assert offsets["late"] == offsets["gone"]
    assert size == 1024 + 512 + 256
