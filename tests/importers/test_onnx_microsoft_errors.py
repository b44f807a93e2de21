"""What operators of com.microsoft are refused for."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.importers.onnx import survey
from tests.importers.node_case import Case, byte, f32, real, u8

BERT = (real(2, 5, 8), real(8, 24, seed=1), real(24, seed=2))
CONV = (real(1, 4, 6, 6), real(6, 2, 3, 3, seed=1), real(6, seed=2))
TO = (f32(0.02), byte(90))
ZEROS = np.zeros(2, np.int32)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            Case("FusedConv", CONV, {"group": 2, "activation": "Elu"}),
            "FusedConv: activation Elu is not supported",
        ),
        (
            Case("FusedConv", CONV, {"group": 2, "activation": "Relu", "activation_params": [1.0]}),
            "FusedConv: Relu takes 0 parameters",
        ),
        (Case("Attention", BERT, {"num_heads": 3}), "Attention: a width of 8 is not 3 heads"),
        (
            Case("Attention", BERT, {"num_heads": 2, "qkv_hidden_sizes": [8, 8, 9]}),
            "Attention: [8, 8, 9] do not make up a width of 24",
        ),
        (
            Case("Attention", BERT, {"num_heads": 2, "do_rotary": 1}),
            "Attention: do_rotary = 1 is not supported",
        ),
        (
            Case("Attention", [*BERT, np.zeros(8, np.int32)], {"num_heads": 2}),
            "Attention: a mask i32[8] is not supported",
        ),
        (
            Case("MatMulNBits", [real(3, 40), u8(6, 2, 8), real(12)],
                 {"K": 40, "N": 6, "block_size": 16}),
            "MatMulNBits: weights u8[6,2,8] do not fit 6 by 40",
        ),
        (
            Case("QLinearConcat", [*TO, *TO], {"axis": 0}),
            "QLinearConcat: 4 inputs are not parts of three",
        ),
        (
            Case(
                "GroupQueryAttention",
                [real(2, 3, 65), None, None, None, None, ZEROS, np.array(3, np.int32)],
                {"num_heads": 4, "kv_num_heads": 2},
                fixed=(6,),
            ),
            "GroupQueryAttention: f32[2,3,65] is not 4 + 2 * 2 heads",
        ),
        (
            Case(
                "RotaryEmbedding",
                [real(2, 3, 4), np.array([0]), real(9, 4), real(9, 4)],
                {"num_heads": 1},
            ),
            "RotaryEmbedding: heads of 4 do not have 4 pairs",
        ),
        (
            Case("BiasSplitGelu", [real(2, 3, 5), real(5)]),
            "BiasSplitGelu: f32[2,3,5] does not split into halves",
        ),
    ],
)  # fmt: skip
def test_refused(case: Case, message: str) -> None:
    (row,) = survey(case.model())
    assert not row.supported
    assert f"{case.op_type}: {row.reason}" == message
