"""What the templates make of small kernels: the expected loops, for given knobs."""

from __future__ import annotations

from textwrap import dedent

from mlc.backends.llvm.targets import resolve
from mlc.ir.text import print_stmt
from mlc.passes.lower.group import Group
from mlc.passes.schedule.templates.base import Knobs, Machine
from mlc.passes.schedule.templates.select import schedule_group, template_for
from tests.passes.schedule.templates.single import group_of

AVX2 = resolve("x86-64-v3")
LAST = (0, 2, 3, 1)
WINDOW = {"strides": (1, 1), "before": (0, 0), "after": (0, 0), "dilations": (1, 1)}


def becomes(group: Group, template: str, knobs: Knobs, expected: str, threads: int = 1) -> None:
    """The named template takes the group, and makes the expected loops of it."""
    assert template_for(group).name == template
    boxes = template_for(group).spaces(group, Machine(AVX2, threads))
    assert any(knobs.keys() <= box.keys() for box in boxes)
    schedule = schedule_group(group, AVX2, threads, knobs)
    assert print_stmt(schedule.func.body) == dedent(expected).strip()


def test_product() -> None:
    group = group_of(
        "matmul",
        [(13, 8), (8, 24)],
        {"transpose_a": False, "transpose_b": False},
        constants=[1],
    )
    becomes(
        group,
        "contraction",
        {"rows": 6, "columns": 16, "order": "columns"},
        """
        for n1_i1_o in 2 {
          for n1_i0_o in 3 {
            alloc t0: f32[6,16] register {
              for unroll n0_z0 in min(6, 13 - n1_i0_o * 6) {
                for vector n0_z1 in min(16, 24 - n1_i1_o * 16) {
                  t0[n0_z0, n0_z1] = 0.0:f32
                }
              }
              for n0_r0 in 8 {
                for unroll n0_i0 in min(6, 13 - n1_i0_o * 6) {
                  for vector n0_i1 in min(16, 24 - n1_i1_o * 16) {
                    t0[n0_i0, n0_i1] = t0[n0_i0, n0_i1] + in0[n1_i0_o * 6 + n0_i0, n0_r0] * \
in1_packed[n1_i1_o, n0_r0, n0_i1]
                  }
                }
              }
              for unroll n1_i0_i in min(6, 13 - n1_i0_o * 6) {
                for vector n1_i1_i in min(16, 24 - n1_i1_o * 16) {
                  out0[n1_i0_o * 6 + n1_i0_i, n1_i1_o * 16 + n1_i1_i] = t0[n1_i0_i, n1_i1_i]
                }
              }
            }
          }
        }
        """,
    )


def test_depthwise_convolution() -> None:
    group = group_of(
        "conv",
        [(1, 16, 7, 7), (16, 1, 3, 3)],
        {**WINDOW, "groups": 16},
        [LAST, None, LAST],
        constants=[1],
    )
    becomes(
        group,
        "window",
        {"rows": 3, "vectors": 2},
        """
        for n1_i0 in 1 {
          for n1_i2 in 5 {
            for dense_o in 1 {
              for row_o in 2 {
                alloc t0: f32[1,16,1,3] strides[48,1,48,16] register {
                  for unroll n0_z3 in min(3, 5 - row_o * 3) {
                    for vector n0_z1 in 16 {
                      t0[0, n0_z1, 0, n0_z3] = 0.0:f32
                    }
                  }
                  for unroll n0_r0 in 1 {
                    for unroll n0_r1 in 3 {
                      for unroll n0_r2 in 3 {
                        for unroll n0_i3 in min(3, 5 - row_o * 3) {
                          for vector n0_i1 in 16 {
                            t0[0, n0_i1, 0, n0_i3] = t0[0, n0_i1, 0, n0_i3] + \
in0[0, n0_i1 + n0_r0, n0_r1 + n1_i2, row_o * 3 + n0_i3 + n0_r2] * \
in1_packed[0, n0_r0, n0_r1, n0_r2, n0_i1]
                          }
                        }
                      }
                    }
                  }
                  for unroll row_i in min(3, 5 - row_o * 3) {
                    for vector dense_i in 16 {
                      out0[n1_i0, dense_o * 16 + dense_i, n1_i2, row_o * 3 + row_i] = \
t0[0, dense_o * 16 + dense_i, 0, row_i]
                    }
                  }
                }
              }
            }
          }
        }
        """,
    )


# Lanes of four vectors gather the greatest and the sum, the powers between them are kept.
SOFTMAX = """
for n1_i0 in 6 {
  alloc n0_max: f32[1] register {
    n0_max[0] = -inf:f32
    alloc n0_max_lanes: f32[32] register {
      for vector n0_max_r0_z in 32 {
        n0_max_lanes[n0_max_r0_z] = -inf:f32
      }
      for n0_max_r0_o in 2 {
        for vector n0_max_r0_i in min(32, 50 - n0_max_r0_o * 32) {
          n0_max_lanes[n0_max_r0_i] = max(n0_max_lanes[n0_max_r0_i], \
in0[n1_i0, n0_max_r0_o * 32 + n0_max_r0_i])
        }
      }
      for vector n0_max_r0_l in 32 {
        n0_max[0] = max(n0_max[0], n0_max_lanes[n0_max_r0_l])
      }
    }
    alloc n0_powers: f32[1,50] register {
      for n0_exp_i1_s in 2 {
        for vector n0_exp_i1_v in min(32, 50 - n0_exp_i1_s * 32) {
          n0_powers[0, n0_exp_i1_s * 32 + n0_exp_i1_v] = \
exp(in0[n1_i0, n0_exp_i1_s * 32 + n0_exp_i1_v] - n0_max[0])
        }
      }
      alloc n0_sum: f32[1] register {
        n0_sum[0] = 0.0:f32
        alloc n0_sum_lanes: f32[32] register {
          for vector n0_sum_r0_z in 32 {
            n0_sum_lanes[n0_sum_r0_z] = 0.0:f32
          }
          for n0_sum_r0_o in 2 {
            for vector n0_sum_r0_i in min(32, 50 - n0_sum_r0_o * 32) {
              n0_sum_lanes[n0_sum_r0_i] = n0_sum_lanes[n0_sum_r0_i] + \
n0_powers[0, n0_sum_r0_o * 32 + n0_sum_r0_i]
            }
          }
          for vector n0_sum_r0_l in 32 {
            n0_sum[0] = n0_sum[0] + n0_sum_lanes[n0_sum_r0_l]
          }
        }
        n0_sum[0] = 1.0:f32 / n0_sum[0]
        for n1_i1_s in 2 {
          for vector n1_i1_v in min(32, 50 - n1_i1_s * 32) {
            out0[n1_i0, n1_i1_s * 32 + n1_i1_v] = \
n0_powers[0, n1_i1_s * 32 + n1_i1_v] * n0_sum[0]
          }
        }
      }
    }
  }
}
"""


def test_softmax() -> None:
    group = group_of("softmax", [(6, 50)], {"axis": 1})
    becomes(group, "reduction", {"vectors": 4}, SOFTMAX)


def test_elementwise_becomes_one_loop_of_vectors() -> None:
    becomes(
        group_of("relu", [(3, 4, 40)], {}),
        "elementwise",
        {"vectors": 2},
        """
        for n0_i0_n0_i1_n0_i2_o in 30 {
          for vector n0_i0_n0_i1_n0_i2_v in 16 {
            out0[n0_i0_n0_i1_n0_i2_o * 16 + n0_i0_n0_i1_n0_i2_v] = \
max(in0[n0_i0_n0_i1_n0_i2_o * 16 + n0_i0_n0_i1_n0_i2_v], 0.0:f32)
          }
        }
        """,
        threads=2,
    )


def test_threads_share_the_outermost_loops() -> None:
    group = group_of("relu", [(64, 1000)], {})
    schedule = schedule_group(group, AVX2, 4)
    kinds = {name: loop.kind for name, loop in schedule.loops().items()}
    assert "parallel" in kinds.values()
    assert "parallel" not in [loop.kind for loop in schedule_group(group, AVX2, 1).loops().values()]
