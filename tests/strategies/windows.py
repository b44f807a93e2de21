"""Cases of operators that slide a window over an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from tests.strategies.cases import NUMBERS, Case, accepted, values


def _window(draw: st.DrawFn, spatial: Sequence[int]) -> dict[str, Any]:
    kernel = tuple(draw(st.integers(1, 3)) for _ in spatial)
    sides = [tuple(draw(st.integers(0, k - 1)) for k in kernel) for _ in range(2)]
    dilations = tuple(draw(st.sampled_from([1, 1, 2])) for _ in spatial)
    whole = zip(spatial, kernel, dilations, *sides, strict=True)
    assume(all(dim + low + high >= (k - 1) * d + 1 for dim, k, d, low, high in whole))
    return {
        "kernel": kernel,
        "strides": tuple(draw(st.integers(1, 2)) for _ in spatial),
        "before": sides[0],
        "after": sides[1],
        "dilations": dilations,
    }


_spatial = st.lists(st.sampled_from([1, 2, 3, 5, 7, 9, 14]), min_size=1, max_size=2).map(tuple)
_channels = st.sampled_from([1, 2, 3, 4, 8, 12, 16, 17, 24])


@st.composite
def _pool(draw: st.DrawFn, op: str) -> Case:
    shape = (draw(st.integers(1, 2)), draw(_channels), *draw(_spatial))
    attrs = _window(draw, shape[2:])
    if op == "avg_pool":
        attrs["include_pad"] = draw(st.booleans())
    if op == "max_pool_places":
        attrs["column_major"] = draw(st.booleans())
    dtype = draw(st.sampled_from(accepted(op, attrs, shape)))
    return Case(op, (draw(values(shape, dtype)),), attrs)


@st.composite
def _conv(draw: st.DrawFn, op: str) -> Case:
    spatial = draw(_spatial)
    attrs = _window(draw, spatial)
    kernel = attrs.pop("kernel")
    groups = draw(st.sampled_from([1, 1, 1, 2, 8, 17]))
    inner = draw(st.sampled_from([1, 1, 3, 4])) if groups > 1 else draw(_channels)
    outer = draw(st.sampled_from([1, 1, 2, 3])) if groups > 1 else draw(_channels)
    image = (draw(st.integers(1, 2)), groups * inner, *spatial)
    weight = (groups * outer, inner, *kernel)
    attrs["groups"] = groups
    if op == "conv_transpose":
        weight = (groups * inner, outer, *kernel)
        attrs["output_padding"] = tuple(draw(st.integers(0, s - 1)) for s in attrs["strides"])
        sizes = zip(*(attrs[k] for k in ("strides", "before", "after", "dilations")), strict=True)
        made = [
            (dim - 1) * s + (k - 1) * d + 1 - low - high
            for dim, k, (s, low, high, d) in zip(spatial, kernel, sizes, strict=True)
        ]
        assume(min(made) > 0)
    dtype = draw(st.sampled_from(NUMBERS))
    return Case(op, (draw(values(image, dtype)), draw(values(weight, dtype))), attrs)


WINDOWS: Mapping[str, Callable[[str], st.SearchStrategy[Case]]] = {
    "max_pool": _pool,
    "avg_pool": _pool,
    "max_pool_places": _pool,
    "conv": _conv,
    "conv_transpose": _conv,
}
"""Operator → its cases."""
