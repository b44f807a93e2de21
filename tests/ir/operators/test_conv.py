"""conv and conv_transpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.ir.affine import linear_form
from mlc.ir.expr import Binary, Select, Var
from mlc.ir.rewrite import loads_of, walk_exprs
from tests.ir.operators.harness import (
    check,
    infer,
    loop_names,
    loops_of,
    refusal,
    sample,
    tensor_type,
)
from tests.ir.operators.peer import onnx_node


def plain(rank: int, **given_attrs: Any) -> dict[str, Any]:
    """The attributes of a window without padding, stride or dilation, but for those given."""
    ones, zeros = (1,) * rank, (0,) * rank
    return {"strides": ones, "before": zeros, "after": zeros, "dilations": ones} | given_attrs


def onnx_window(attrs: dict[str, Any]) -> dict[str, Any]:
    return {
        "strides": attrs["strides"],
        "pads": (*attrs["before"], *attrs["after"]),
        "dilations": attrs["dilations"],
        "group": attrs["groups"],
    }


@st.composite
def windows(draw: st.DrawFn, rank: int) -> tuple[tuple[int, ...], dict[str, Any]]:
    """A kernel shape and window attributes."""

    def entries(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    attrs = {
        "strides": entries(1, 3),
        "before": entries(0, 1),
        "after": entries(0, 2),
        "dilations": entries(1, 2),
        "groups": draw(st.sampled_from([1, 2])),
    }
    return entries(1, 3), attrs


@settings(max_examples=25)
@given(st.data(), st.integers(1, 2), st.integers(0, 99))
def test_conv_matches_onnxruntime(data: st.DataObject, rank: int, seed: int) -> None:
    kernel, attrs = data.draw(windows(rank))
    rng = np.random.default_rng(seed)
    x = sample(rng, (2, 4, *(6, 5)[:rank]))
    w = sample(rng, (6, 4 // attrs["groups"], *kernel))
    (got,) = check("conv", x, w, atol=1e-5, **attrs)
    (peer,) = onnx_node("Conv", [x, w], **onnx_window(attrs))
    np.testing.assert_allclose(got, peer, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise(multiplier: int) -> None:
    rng = np.random.default_rng(0)
    x, w = sample(rng, (1, 3, 5, 5)), sample(rng, (3 * multiplier, 1, 3, 3))
    attrs = plain(2, before=(1, 1), after=(1, 1), groups=3)
    (got,) = check("conv", x, w, atol=1e-5, **attrs)
    (peer,) = onnx_node("Conv", [x, w], **onnx_window(attrs))
    np.testing.assert_allclose(got, peer, rtol=1e-5, atol=1e-5)


def test_three_spatial_axes_of_integers() -> None:
    rng = np.random.default_rng(0)
    x, w = sample(rng, (1, 2, 3, 4, 3), "int32"), sample(rng, (2, 2, 2, 1, 2), "int32")
    (got,) = check("conv", x, w, **plain(3))
    assert got[0, 1, 1, 2, 0] == np.sum(x[0, :, 1:3, 2:3, 0:2] * w[1])


def test_conv_without_padding_is_affine() -> None:
    types = [tensor_type("f32[1,4,9,9]"), tensor_type("f32[6,4,3,3]")]
    func = loops_of("conv", types, **plain(2, strides=(2, 2)))
    assert loop_names(func)[4:] == ["p_i0", "p_i1", "p_i2", "p_i3", "p_r0", "p_r1", "p_r2"]
    assert not any(isinstance(expr, Select) for expr in walk_exprs(func.body))
    _, element, weight = loads_of(func.body)
    assert element.index[:2] == (Var("p_i0"), Var("p_r0"))
    assert linear_form(element.index[2]).terms == {Var("p_i2"): 2, Var("p_r1"): 1}
    assert weight.index == (Var("p_i1"), Var("p_r0"), Var("p_r1"), Var("p_r2"))


def test_depthwise_reads_the_channel_it_writes() -> None:
    func = loops_of(
        "conv", [tensor_type("f32[1,8,9]"), tensor_type("f32[8,1,3]")], **plain(1, groups=8)
    )
    _, element, _ = loads_of(func.body)
    assert linear_form(element.index[1]).terms == {Var("p_i1"): 1, Var("p_r0"): 1}


def test_conv_tests_only_the_sides_that_are_padded() -> None:
    func = loops_of(
        "conv",
        [tensor_type("f32[1,1,9,9]"), tensor_type("f32[1,1,3,3]")],
        **plain(2, before=(1, 0), after=(0, 2)),
    )
    tests = [e.op for e in walk_exprs(func.body) if isinstance(e, Binary) and e.op in ("ge", "lt")]
    assert tests == ["ge", "lt"]


@settings(max_examples=25)
@given(st.data(), st.integers(1, 2), st.integers(0, 99))
def test_conv_transpose_matches_onnxruntime(data: st.DataObject, rank: int, seed: int) -> None:
    kernel, attrs = data.draw(windows(rank))
    extra = tuple(data.draw(st.integers(0, stride - 1)) for stride in attrs["strides"])
    rng = np.random.default_rng(seed)
    x = sample(rng, (2, 4, *(4, 3)[:rank]))
    w = sample(rng, (4, 3, *kernel))
    reach = [(k - 1) * d for k, d in zip(kernel, attrs["dilations"], strict=True)]
    attrs["before"] = tuple(min(b, r) for b, r in zip(attrs["before"], reach, strict=True))
    attrs["after"] = tuple(min(a, r) for a, r in zip(attrs["after"], reach, strict=True))
    (got,) = check("conv_transpose", x, w, atol=1e-5, output_padding=extra, **attrs)
    (peer,) = onnx_node("ConvTranspose", [x, w], output_padding=extra, **onnx_window(attrs))
    np.testing.assert_allclose(got, peer, rtol=1e-4, atol=1e-4)


def test_inference() -> None:
    attrs = plain(2, strides=(2, 2), before=(3, 3), after=(3, 3))
    assert infer("conv", "f32[1,3,224,224]", "f32[64,3,7,7]", **attrs) == "f32[1,64,112,112]"


BAD = [
    (
        "ShapeError: conv: weights f32[8,4,3,3] do not fit f32[1,3,9,9] in 1 groups",
        ["f32[1,3,9,9]", "f32[8,4,3,3]"],
        plain(2),
    ),
    (
        "ShapeError: conv: 3 channels do not divide into 2 groups",
        ["f32[1,3,9,9]", "f32[8,3,3,3]"],
        plain(2, groups=2),
    ),
    (
        "ShapeError: conv: f32[1,3,9,9] and weights f32[8,3,3] differ in rank",
        ["f32[1,3,9,9]", "f32[8,3,3]"],
        plain(2),
    ),
    (
        "ShapeError: conv: a window of 3 does not fit a padded dimension of 2",
        ["f32[1,3,2,9]", "f32[8,3,3,3]"],
        plain(2),
    ),
    (
        "ShapeError: conv: the shape of f32[n,3,9,9] must be known",
        ["f32[n,3,9,9]", "f32[8,3,3,3]"],
        plain(2),
    ),
    (
        "ShapeError: conv: kernel (3, 3), strides (1, 0) and dilations (1, 1) must be positive",
        ["f32[1,3,9,9]", "f32[8,3,3,3]"],
        plain(2, strides=(1, 0)),
    ),
    (
        "ShapeError: conv: attribute before has 1 entries, expected 2",
        ["f32[1,3,9,9]", "f32[8,3,3,3]"],
        plain(2, before=(1,)),
    ),
]


@pytest.mark.parametrize(("message", "types", "attrs"), BAD)
def test_refusals(message: str, types: list[str], attrs: dict[str, Any]) -> None:
    assert refusal("conv", *types, **attrs) == message


def test_conv_transpose_refusals() -> None:
    attrs = plain(1, output_padding=(0,))
    assert refusal("conv_transpose", "f32[1,3,9]", "f32[4,3,3]", **attrs) == (
        "ShapeError: conv_transpose: weights f32[4,3,3] do not fit f32[1,3,9] in 1 groups"
    )
    attrs = plain(1, output_padding=(0,), before=(5,), after=(5,))
    assert refusal("conv_transpose", "f32[1,3,2]", "f32[3,3,3]", **attrs) == (
        "ShapeError: conv_transpose: f32[1,3,2] leaves an output of shape (-6,)"
    )
