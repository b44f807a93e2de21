"""reduction: the default share of the threads, and results in any layout."""

from __future__ import annotations

import pytest

from mlc.backends.llvm.targets import resolve
from mlc.passes.schedule.templates.base import Machine
from mlc.passes.schedule.templates.reduction import Reduction
from tests.passes.schedule.templates.single import Order, check, group_of

AVX2 = resolve("x86-64-v3")
LAST: Order = (0, 2, 3, 1)
IMAGE = {"axes": (2, 3), "keepdims": True}


def default(shape: tuple[int, ...], threads: int) -> int:
    group = group_of("reduce_mean", [shape], IMAGE, [LAST, LAST])
    return int(Reduction().default(group, Machine(AVX2, threads))["vectors"])


@pytest.mark.parametrize(
    ("channels", "threads", "vectors"),
    [(96, 1, 4), (96, 2, 2), (1280, 2, 4), (8, 4, 2), (64, 8, 2), (0, 2, 4)],
)
def test_threads_get_equal_shares(channels: int, threads: int, vectors: int) -> None:
    assert default((1, channels, 20, 30), threads) == vectors


@pytest.mark.parametrize("order", [None, LAST])
@pytest.mark.parametrize("threads", [1, 2])
def test_mean_over_an_image(order: Order, threads: int) -> None:
    check(group_of("reduce_mean", [(2, 37, 24, 31)], IMAGE, [order, order]), threads)


@pytest.mark.parametrize("shape", [(1, 50_257), (40, 1000), (3, 2, 7)])
def test_softmax(shape: tuple[int, ...]) -> None:
    check(group_of("softmax", [shape], {"axis": len(shape) - 1}), threads=2)
