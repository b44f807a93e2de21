"""window: results over a small window have no tests inside, in any layout."""

from __future__ import annotations

from typing import Any

import pytest

from mlc.ir.expr import Select
from mlc.ir.rewrite import walk_exprs
from tests.passes.schedule.templates.single import Order, check, group_of, scheduled

LAST: Order = (0, 2, 3, 1)


def window(kernel: int, stride: int, before: int, after: int) -> dict[str, Any]:
    two = {"strides": stride, "before": before, "after": after, "dilations": 1, "kernel": kernel}
    return {name: (value, value) for name, value in two.items()}


@pytest.mark.parametrize("op", ["max_pool", "avg_pool"])
@pytest.mark.parametrize("order", [None, LAST])
@pytest.mark.parametrize(
    ("shape", "attrs"),
    [
        ((1, 20, 17, 23), window(3, 1, 1, 1)),
        ((2, 3, 12, 12), window(3, 2, 0, 1)),
        ((1, 40, 7, 7), window(3, 1, 1, 1)),
        ((1, 9, 11, 10), window(5, 1, 2, 2)),
        ((1, 16, 30, 30), window(2, 2, 0, 0)),
    ],
)
def test_pooling(op: str, order: Order, shape: tuple[int, ...], attrs: dict[str, Any]) -> None:
    check(group_of(op, [shape], attrs, [order, order]), threads=2)


@pytest.mark.parametrize("order", [None, LAST])
@pytest.mark.parametrize("channels", [3, 20, 64, 96])
@pytest.mark.parametrize("beta", [0.75, 0.6])
def test_lrn(order: Order, channels: int, beta: float) -> None:
    attrs = {"size": 5, "alpha": 0.1, "beta": beta, "bias": 1.0}
    check(group_of("lrn", [(1, channels, 5, 6)], attrs, [order, order]))


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("max_pool", window(3, 1, 1, 1)),
        ("avg_pool", window(3, 2, 1, 1)),
        ("lrn", {"size": 5, "alpha": 0.1, "beta": 0.75, "bias": 1.0}),
    ],
)
def test_channels_last_needs_no_selection(op: str, attrs: dict[str, Any]) -> None:
    group = group_of(op, [(1, 48, 28, 28)], attrs, [LAST, LAST])
    func = scheduled(group, "x86-64-v3")
    assert not any(type(e) is Select for e in walk_exprs(func.body))


@pytest.mark.parametrize(("channels", "kernel", "stride"), [(24, 3, 1), (33, 5, 2), (8, 3, 2)])
def test_depthwise(channels: int, kernel: int, stride: int) -> None:
    attrs = {**window(kernel, stride, 0, 0), "groups": channels}
    del attrs["kernel"]
    shapes = [(2, channels, 15, 18), (channels, 1, kernel, kernel)]
    check(group_of("conv", shapes, attrs, [LAST, None, LAST]), threads=2)
