"""Weights in fewer bits than the arithmetic, behind Cast, Sub and Mul."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

import mlc
from tests.importers.evaluate import parse
from tests.trained.engines import Both


@pytest.mark.parametrize("batch", [1, 5])
def test_linear_layer_of_bytes(batch: int) -> None:
    """Each column has its own scale, which is itself a half."""
    random = np.random.default_rng(0)
    weight = random.integers(-127, 128, (24, 10)).astype(np.int8)
    scale = random.uniform(0.001, 0.01, (1, 10)).astype(np.float16)
    model = parse(
        "g (float[batch,24] x) => (float[batch,10] y) {"
        "  wide = Cast<to = 1>(weight)  scale_wide = Cast<to = 1>(scale)"
        "  scaled = Mul(wide, scale_wide)  y = MatMul(x, scaled) }"
    )
    model.graph.initializer.append(numpy_helper.from_array(weight, "weight"))
    model.graph.initializer.append(numpy_helper.from_array(scale, "scale"))
    x = random.standard_normal((batch, 24)).astype(np.float32)
    found = mlc.compile(model, num_threads=1, cache=False)(x)
    wanted = x.astype(np.float64) @ (weight * scale.astype(np.float64))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_convolution_of_unsigned_bytes() -> None:
    """Bytes around a zero point, less it and scaled; the same weights feed two layers."""
    random = np.random.default_rng(1)
    weight = random.integers(0, 256, (8, 8, 3, 3)).astype(np.uint8)
    model = parse(
        "g (float[1,8,h,w] x) => (float[1,8,h,w] y) {"
        "  wide = Cast<to = 1>(weight)"
        "  zero = Constant<value_float = 128.0>()  scale = Constant<value_float = 0.004>()"
        "  centred = Sub(wide, zero)  scaled = Mul(centred, scale)"
        "  inner = Conv<pads = [1, 1, 1, 1]>(x, scaled)"
        "  y = Conv<pads = [1, 1, 1, 1]>(inner, scaled) }"
    )
    model.graph.initializer.append(numpy_helper.from_array(weight, "weight"))
    both = Both(model)
    for height, width in ((6, 9), (12, 5)):
        both({"x": random.standard_normal((1, 8, height, width)).astype(np.float32)})
