"""contraction: the register tile of the default."""

from __future__ import annotations

import pytest

from mlc.backends.llvm.targets import resolve
from mlc.passes.schedule.templates.base import Machine
from mlc.passes.schedule.templates.contraction import Contraction
from tests.passes.schedule.templates.single import group_of

WAYS = 8


@pytest.mark.parametrize(
    ("channels", "stride", "collide"), [(1024, 1, True), (512, 2, True), (512, 1, False)]
)
def test_rows_a_page_apart_fit_the_ways_of_a_set(channels: int, stride: int, collide: bool) -> None:
    """What lies between two rows is the stride of the convolution times that of the input."""
    last = (0, 2, 3, 1)
    attrs = {"strides": (stride,) * 2, "before": (0, 0), "after": (0, 0), "dilations": (1, 1)}
    shapes = [(1, channels, 12 * stride, 12 * stride), (512, channels, 1, 1)]
    group = group_of("conv", shapes, {**attrs, "groups": 1}, [last, None, last], constants=[1])
    knobs = Contraction().default(group, Machine(resolve("x86-64-v2"), 1))
    assert (int(knobs["rows"]) <= WAYS) == collide
