"""Operators of com.microsoft against onnxruntime."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

import mlc
from mlc.importers.onnx import import_model
from mlc.importers.onnx.converters.microsoft import CONVERTERS
from mlc.ir.interpret import run_graph
from tests.importers.node_case import Array, Case, byte, f32, i8, real, small, u8, whole

PAIR = (u8(2, 3, 4), f32(0.02), byte(100), u8(3, 4, seed=1), f32(0.05), byte(7))
ONE = (u8(2, 3, 5, 6), f32(0.03), byte(120))
TO = (f32(0.02), byte(90))
BERT = (real(2, 5, 8), real(8, 24, seed=1), real(24, seed=2))
MHA = (real(2, 3, 8), real(2, 5, 8, seed=1), real(2, 5, 12, seed=2))
CACHE = real(2, 2, 2, 3, 4, seed=4)
CONV = (real(1, 4, 6, 6), real(6, 2, 3, 3, seed=1), real(6, seed=2))
LSTM = (
    real(5, 2, 8) * f32(0.5),
    i8(2, 8, 16),
    i8(2, 4, 16, seed=1),
    real(2, 32, seed=2),
    None,
    real(2, 2, 4, seed=3),
    real(2, 2, 4, seed=4),
    None,
    np.array([0.004, 0.003], np.float32),
    np.array([0, 0], np.int8),
    np.array([0.002, 0.003], np.float32),
    np.array([0, 0], np.int8),
)

ANGLES = (real(12, 8, seed=8), real(12, 8, seed=9))
PROMPT = [real(2, 3, 64), real(2, 3, 32, seed=1), real(2, 3, 32, seed=2)]
BUFFER = [real(2, 2, 7, 16, seed=3), real(2, 2, 7, 16, seed=4)]
TOKEN = [real(2, 1, 64), real(2, 1, 32, seed=1), real(2, 1, 32, seed=2)]


def lengths(*numbers: int) -> Array:
    return np.array(numbers, np.int32)


GROUPED = [
    ([*PROMPT, None, None, lengths(2, 2), lengths(3)], {}),
    ([*PROMPT, None, None, lengths(2, 2), lengths(3), *ANGLES], {"do_rotary": 1}),
    ([*TOKEN, *BUFFER, lengths(7, 7), lengths(8), *ANGLES], {"do_rotary": 1, "scale": 0.2}),
    ([*TOKEN, *BUFFER, lengths(3, 5), lengths(6)], {"softcap": 5.0}),
    ([*TOKEN, *BUFFER, lengths(7, 7), lengths(8)], {"local_window_size": 3}),
    ([real(2, 3, 128), None, None, None, None, lengths(2, 2), lengths(3)], {}),
]

CASES = [
    Case("BiasGelu", [real(2, 4), real(4, seed=1)]),
    Case("FastGelu", [real(2, 4), real(4, seed=1)], atol=1e-4),
    Case("Gelu", [real(2, 4)]),
    Case("QuickGelu", [real(2, 4)], {"alpha": 1.5}),
    Case("FusedMatMul", [real(2, 3, 4), real(2, 5, 4, seed=1)], {"transB": 1, "alpha": 0.5}),
    Case("FusedMatMul", [real(3, 2, 4), real(2, 4, 5, seed=1)], {"transBatchA": 1}),
    Case(
        "FusedMatMul",
        [real(4, 2, 3), real(4, 2, 5, seed=1)],
        {"transBatchA": 1, "transA": 1, "transBatchB": 1},
    ),
    Case("TransposeMatMul", [real(3, 4), real(5, 4, seed=1)], {"transB": 1}),
    Case(
        "FusedGemm",
        [real(3, 4), real(4, 5, seed=1), real(5, seed=2)],
        {"activation": "LeakyRelu", "activation_alpha": 0.3},
    ),
    Case("FusedConv", CONV, {"group": 2, "pads": [1] * 4, "activation": "Relu"}),
    Case(
        "FusedConv",
        [*CONV, real(1, 6, 4, 4, seed=3)],
        {"group": 2, "activation": "Relu"},
    ),
    Case("FusedConv", CONV, {"group": 2, "activation": "Clip", "activation_params": [-0.5, 0.5]}),
    Case("NhwcMaxPool", [u8(1, 6, 7, 3)], {"kernel_shape": [3, 3], "pads": [1] * 4}),
    Case(
        "SkipLayerNormalization",
        [real(2, 3, 8), real(2, 3, 8, seed=1), real(8, seed=2), real(8, seed=3), real(8, seed=4)],
        {"epsilon": 1e-5},
        outputs=4,
    ),
    Case(
        "SkipSimplifiedLayerNormalization",
        [real(2, 3, 8), real(2, 3, 8, seed=1), real(8, seed=2)],
        {"epsilon": 1e-5},
    ),
    Case("SimplifiedLayerNormalization", [real(2, 3, 8), real(8, seed=1)], domain=""),
    Case(
        "EmbedLayerNormalization",
        [
            whole("int32", 2, 4, low=0, high=9),
            whole("int32", 2, 4, low=0, high=2),
            real(9, 8),
            real(6, 8, seed=1),
            real(2, 8, seed=2),
            real(8, seed=3),
            real(8, seed=4),
            np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32),
        ],
        outputs=2,
    ),
    Case("Attention", BERT, {"num_heads": 2}),
    Case("Attention", BERT, {"num_heads": 2, "unidirectional": 1, "scale": 0.3}),
    Case(
        "Attention",
        [*BERT, whole("int32", 2, 5, low=0, high=2)],
        {"num_heads": 2, "mask_filter_value": -50.0},
    ),
    Case("Attention", [*BERT, whole("int32", 2, 5, 5, low=0, high=2)], {"num_heads": 2}),
    Case("Attention", [*BERT, np.array([3, 5], np.int32)], {"num_heads": 2}),
    Case("Attention", [*BERT, np.array([5, 4, 1, 0], np.int32)], {"num_heads": 2}),
    Case(
        "Attention",
        [*BERT, None, CACHE],
        {"num_heads": 2, "unidirectional": 1},
        outputs=2,
    ),
    Case("Attention", [*BERT, None, None, real(2, 2, 5, 5, seed=5)], {"num_heads": 2}),
    Case(
        "Attention",
        [real(2, 5, 8), real(8, 28, seed=1), real(28, seed=2)],
        {"num_heads": 2, "qkv_hidden_sizes": [8, 8, 12]},
    ),
    Case("MultiHeadAttention", MHA, {"num_heads": 2}),
    Case("MultiHeadAttention", [*MHA, real(28, seed=3)], {"num_heads": 2}),
    Case(
        "MultiHeadAttention",
        [*MHA, None, np.array([[1, 1, 0, 1, 0], [1, 1, 1, 1, 1]], np.int32)],
        {"num_heads": 2},
    ),
    Case(
        "MultiHeadAttention",
        [
            real(2, 3, 8),
            real(2, 3, 8, seed=1),
            real(2, 3, 8, seed=2),
            None,
            None,
            real(1, 2, 3, 6, seed=5),
            CACHE[0],
            CACHE[1],
        ],
        {"num_heads": 2},
        outputs=3,
    ),
    Case(
        "MultiHeadAttention",
        [real(2, 3, 8), real(2, 2, 5, 4, seed=1), real(2, 2, 5, 4, seed=2)],
        {"num_heads": 2},
    ),
    *(
        Case(
            "RotaryEmbedding",
            [real(2, 3, 16), places, real(10, 4, seed=1), real(10, 4, seed=2)],
            {"interleaved": interleaved},
        )
        for interleaved in (0, 1)
        for places in (np.array([4]), np.array([[0, 1, 2], [5, 3, 1]]))
    ),
    Case(
        "RotaryEmbedding",
        [real(2, 3, 16), np.array([2]), real(10, 2, seed=1), real(10, 2, seed=2)],
        {"num_heads": 2, "rotary_embedding_dim": 4},
    ),
    Case(
        "RotaryEmbedding",
        [real(2, 4, 3, 8), np.array([2]), real(10, 4, seed=1), real(10, 4, seed=2)],
    ),
    *(
        Case(
            "GroupQueryAttention",
            inputs,
            {"num_heads": 4, "kv_num_heads": 2, **extra},
            3,
            fixed=(6,),
        )
        for inputs, extra in GROUPED
    ),
    Case("QLinearAdd", [*PAIR, *TO], atol=1),
    Case("QLinearMul", [*PAIR, *TO], atol=1),
    Case("QLinearSigmoid", [*ONE, f32(0.004), byte(0)]),
    Case("QLinearLeakyRelu", [*ONE, *TO], {"alpha": 0.1}),
    Case("QLinearAveragePool", [*ONE, *TO], {"kernel_shape": [3, 3], "pads": [1] * 4}, atol=1),
    Case(
        "QLinearAveragePool",
        [*ONE, *TO],
        {"kernel_shape": [2, 2], "strides": [2, 2], "channels_last": 1},
        atol=1,
    ),
    Case("QLinearGlobalAveragePool", [*ONE, *TO], atol=1),
    Case("QLinearGlobalAveragePool", [*ONE, *TO], {"channels_last": 1}, atol=1),
    Case("QLinearConcat", [*TO, *PAIR[:3], u8(2, 5, 4), f32(0.1), byte(3)], {"axis": 1}),
    Case("QLinearSoftmax", [*ONE, f32(1 / 256), byte(0)], {"opset": 13, "axis": -1}, atol=1),
    Case("QLinearSoftmax", [*ONE, f32(1 / 256), byte(0)], {"opset": 12, "axis": 2}, atol=1),
    Case(
        "QLinearWhere",
        [
            np.array([True, False, True, False]),
            *PAIR[:3],
            u8(2, 3, 4, seed=3),
            f32(0.1),
            byte(3),
            *TO,
        ],
    ),
    Case("DequantizeLinear", [whole("uint16", 3, 4), f32(0.1), byte(9, "uint16")]),
    Case("QuantizeLinear", [real(3, 4), f32(0.001), byte(-9, "int16")]),
    Case(
        "MatMulIntegerToFloat",
        [u8(3, 40), small(40, 5), f32(0.1), real(5), byte(9), i8(5, seed=2), real(5, seed=3)],
        atol=0.01,
    ),
    Case(
        "DynamicQuantizeMatMul",
        [real(3, 40), small(40, 5), f32(0.1), byte(2, "int8"), real(5)],
    ),
    Case(
        "QGemm",
        [
            u8(3, 40),
            f32(0.02),
            byte(100),
            small(5, 40),
            f32(0.03),
            byte(3, "int8"),
            whole("int32", 5, low=-900, high=900),
            f32(0.5),
            byte(128),
        ],
        {"transB": 1},
        atol=1,
    ),
    Case(
        "QGemm",
        [u8(3, 40), f32(0.02), byte(100), small(40, 5), real(5) ** 2, i8(5), None],
        {"alpha": 2.0},
        atol=0.01,
    ),
    Case("MatMulInteger16", [whole("int16", 3, 4, high=99), whole("int16", 4, 5, high=99)]),
    Case(
        "QAttention",
        [
            u8(2, 5, 8),
            small(8, 24),
            real(24),
            f32(0.01),
            f32(0.02),
            np.array([3, 5], np.int32),
            byte(128),
            byte(1, "int8"),
        ],
        {"num_heads": 2},
        atol=1e-4,
    ),
    *(
        Case(
            "MatMulNBits",
            [real(3, 40), u8(6, 3, 8, seed=1), real(6 * 3, seed=2), zeros, None, bias],
            {"K": 40, "N": 6, "block_size": 16, "bits": 4},
            atol=1e-3,
        )
        for zeros, bias in ((None, None), (u8(6 * 2, seed=3), real(6, seed=4)))
    ),
    Case(
        "MatMulNBits",
        [real(3, 32), u8(6, 2, 16, seed=1), real(6 * 2, seed=2)],
        {"K": 32, "N": 6, "block_size": 16, "bits": 8},
        atol=0.1,
    ),
    Case(
        "GatherBlockQuantized",
        [u8(7, 16), whole("int64", 2, 3, low=0, high=7), real(7, 2), u8(7, 1)],
        {"block_size": 16, "bits": 4},
    ),
    Case("DynamicQuantizeLSTM", LSTM, {"hidden_size": 4, "direction": "bidirectional"}, 3, 0.02),
]


COMPILED = {
    "Attention", "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "FusedConv", "MatMulNBits",
    "QAttention", "QGemm", "QLinearAveragePool", "QLinearConcat", "QLinearSoftmax",
    "RotaryEmbedding",
}  # fmt: skip
"""Operators whose cases run as compiled code; those of the others run by the references."""


def _named(case: Case) -> str:
    return case.op_type


@pytest.mark.parametrize("case", CASES, ids=_named)
def test_agrees_with_onnxruntime(case: Case) -> None:
    model = case.model()
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    wanted = session.run(None, case.feeds())
    if case.op_type in COMPILED:
        found = mlc.compile(model, cache=False).run(case.feeds())
    else:
        found = run_graph(import_model(model), case.feeds())
    for got, want in zip(found.values(), wanted, strict=True):
        assert got.dtype == want.dtype
        assert got.shape == want.shape
        np.testing.assert_allclose(
            got.astype(np.float64), want.astype(np.float64), rtol=1e-4, atol=case.atol
        )


WITHOUT_PEER = [
    (
        Case("BiasAdd", [real(2, 6, 32), real(32, seed=1), real(2, 6, 32, seed=2)]),
        real(2, 6, 32) + real(32, seed=1) + real(2, 6, 32, seed=2),
    ),
    (
        Case("MulInteger", [u8(3, 4), byte(3), u8(4, seed=1), byte(5)]),
        (u8(3, 4).astype(np.int32) - 3) * (u8(4, seed=1).astype(np.int32) - 5),
    ),
    (
        Case("ReduceSumInteger", [i8(3, 4, 5)], {"axes": [0, -1], "keepdims": 0}),
        i8(3, 4, 5).sum((0, 2), dtype=np.int32),
    ),
    (
        Case("ReduceSumInteger", [u8(3, 4)], {"axes": [0], "keepdims": 1}),
        u8(3, 4).sum(0, dtype=np.uint32, keepdims=True),
    ),
    (
        Case("QLinearReduceMean", [*ONE, f32(0.03), byte(120)], {"axes": [1], "keepdims": 0}),
        np.rint(ONE[0].astype(np.float32).mean(1)).astype(np.uint8),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("case", "wanted"), WITHOUT_PEER)
def test_agrees_with_numpy(case: Case, wanted: Array) -> None:
    """Operators that onnxruntime lacks on processors."""
    (found,) = run_graph(import_model(case.model()), case.feeds()).values()
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_products_do_not_saturate() -> None:
    """Of u8 and i8, where some processors add pairs of products in 16 bits."""
    a, b = np.full((2, 64), 255, np.uint8), np.full((64, 3), -128, np.int8)
    case = Case("MatMulIntegerToFloat", [a, b, f32(1), f32(1), byte(0)])
    (found,) = mlc.compile(case.model(), cache=False).run(case.feeds()).values()
    np.testing.assert_array_equal(found, np.full((2, 3), -255.0 * 128 * 64))


def test_halves_of_a_gated_unit() -> None:
    x, bias = real(2, 3, 640), real(640, seed=1)
    case = Case("BiasSplitGelu", [x, bias])
    (found,) = mlc.compile(case.model(), cache=False).run(case.feeds()).values()
    gelu = Case("Gelu", [(x + bias)[..., 320:]])
    (gate,) = mlc.compile(gelu.model(), cache=False).run(gelu.feeds()).values()
    np.testing.assert_allclose(found, (x + bias)[..., :320] * gate, rtol=1e-5, atol=1e-6)


def test_every_operator_has_a_case() -> None:
    cases = [*CASES, *(case for case, _ in WITHOUT_PEER)]
    elsewhere = {"LayerNormalization", "BiasSplitGelu"}
    assert {case.op_type for case in cases} | elsewhere >= CONVERTERS.keys()
