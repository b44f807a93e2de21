"""Work is counted by element, whatever the loops look like."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from mlc.ir.dtype import F32
from mlc.ir.operators import OPERATORS
from mlc.ir.stmt import Buffer, Func
from mlc.ir.text import parse_func
from mlc.ir.types import TensorType
from mlc.ir.work import Work, work_of

CONV = {"strides": (1, 1), "before": (0, 0), "after": (0, 0), "dilations": (1, 1), "groups": 1}


def operator(op: str, shapes: list[tuple[int, ...]], **attrs: Any) -> Work:
    """The work of the plain loops of one operator."""
    types = OPERATORS[op].infer([TensorType(shape, F32) for shape in shapes], attrs)
    inputs = [Buffer.dense(f"in{n}", shape, F32) for n, shape in enumerate(shapes)]
    outputs = [Buffer.dense(f"out{n}", t.static_shape, F32) for n, t in enumerate(types)]
    body = OPERATORS[op].loops(inputs, outputs, attrs, "n_")
    return work_of(Func(op, (*inputs, *outputs), body))


def text(source: str) -> Work:
    return work_of(parse_func(dedent(source)))


def test_a_product_of_matrices() -> None:
    m, k, n = 5, 7, 11
    work = operator("matmul", [(m, k), (k, n)], transpose_a=False, transpose_b=False)
    assert work == Work(2 * m * k * n, 4 * (m * k + k * n + m * n))


def test_a_convolution() -> None:
    work = operator("conv", [(1, 3, 8, 8), (4, 3, 3, 3)], **CONV)
    assert work == Work(2 * 4 * 6 * 6 * 27, 4 * (3 * 64 + 4 * 27 + 4 * 36))


def test_a_strided_convolution_leaves_pixels_out() -> None:
    work = operator("conv", [(1, 3, 8, 8), (4, 3, 1, 1)], **{**CONV, "strides": (2, 2)})
    assert work.bytes == 4 * (3 * 16 + 4 * 3 + 4 * 16)


def test_a_depthwise_convolution() -> None:
    work = operator("conv", [(1, 6, 8, 8), (6, 1, 3, 3)], **{**CONV, "groups": 6})
    assert work == Work(2 * 6 * 36 * 9, 4 * (6 * 64 + 6 * 9 + 6 * 36))


def test_each_element_once() -> None:
    assert operator("relu", [(4, 8)]) == Work(32, 2 * 32 * 4)
    assert operator("add", [(4, 8), (8,)]) == Work(32, 4 * (32 + 8 + 32))


def test_moving_elements_takes_no_arithmetic() -> None:
    assert operator("transpose", [(4, 8)], perm=(1, 0)) == Work(0, 2 * 32 * 4)


SUMS = """
func sums(x: f32[4,8], y: f32[4]) {
  alloc t: f32[4] arena {
    for i in 4 {
      t[i] = 0.0:f32
    }
    for i2 in 4 {
      for r in 8 {
        t[i2] = t[i2] + x[i2, r]
      }
    }
    for i3 in 4 {
      y[i3] = t[i3] * x[i3, 0]
    }
  }
}
"""


def test_temporaries_and_what_is_read_again_are_free() -> None:
    assert text(SUMS) == Work(36, 4 * (32 + 4))


def test_what_was_written_is_in_the_cache() -> None:
    twice = """
        func twice(x: f32[8], y: f32[8], z: f32[8]) {
          for i in 8 {
            y[i] = x[i] + x[i]
          }
          for j in 8 {
            z[j] = y[j] * y[j]
          }
        }
        """
    assert text(twice) == Work(16, 4 * 3 * 8)


def test_a_table_is_read_where_it_is_asked() -> None:
    gather = """
        func gather(table: f32[1000,4], index: i64[2], y: f32[2,4]) {
          for i in 2 {
            for j in 4 {
              y[i, j] = table[index[i], j]
            }
          }
        }
        """
    assert text(gather) == Work(0, 4 * 8 + 8 * 2 + 4 * 8)


@pytest.mark.parametrize(
    ("value", "flops"),
    [("x[i] + x[i] * x[i]", 2), ("exp(x[i])", 1), ("cast<f32>(index[i] + 1)", 0)],
    ids=["arithmetic", "call", "integers"],
)
def test_operations_on_floats_count(value: str, flops: int) -> None:
    source = f"""
        func f(x: f32[8], index: i64[8], y: f32[8]) {{
          for i in 8 {{
            y[i] = {value}
          }}
        }}
        """
    assert text(source).flops == 8 * flops


def test_no_iterations_no_work() -> None:
    assert operator("relu", [(0, 8)]) == Work()
