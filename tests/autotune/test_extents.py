"""The extents of tasks, by which similar ones are found."""

from __future__ import annotations

import pytest

from mlc.autotune.extents import Extents, extents_of
from mlc.ir.text import parse_func
from tests.autotune.fakes import tasks


def test_a_product_of_matrices() -> None:
    product = tasks()[0]
    assert product.template == "contraction"
    assert extents_of(product.func) == Extents(16, 24, 32, 1)


def test_loops_without_iterations_have_extents() -> None:
    assert extents_of(parse_func("func empty(y: f32[1]) {\n}")) == Extents(1, 1, 1, 1)


def test_octaves_add_up_over_the_axes() -> None:
    assert Extents(8, 8, 4, 1).apart(Extents(32, 4, 4, 1)) == pytest.approx(3.0)
