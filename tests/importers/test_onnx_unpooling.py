"""MaxUnpool, Col2Im and ReverseSequence."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.errors import ModelError
from tests.importers.one_node import reference_node, run_node

RNG = np.random.default_rng(0)


def test_max_unpool_undoes_max_pool() -> None:
    x = RNG.standard_normal((2, 3, 6, 8)).astype(np.float32)
    window = {"kernel_shape": [2, 2], "strides": [2, 2]}
    pooled, places = run_node("MaxPool", [x], outputs=2, **window)
    (got,) = run_node("MaxUnpool", [pooled, places], **window)
    kept = got != 0
    np.testing.assert_array_equal(got[kept], x[kept])
    assert kept.sum() == pooled.size


def test_max_unpool_fills_up_to_the_output_shape() -> None:
    x, places = np.array([[[5.0, 6.0]]]), np.array([[[1, 2]]])
    given = [x, places, np.array([1, 1, 7])]
    (got,) = run_node("MaxUnpool", given, fixed=[2], kernel_shape=[2], strides=[2])
    np.testing.assert_array_equal(got, [[[0, 5, 6, 0, 0, 0, 0]]])


GEOMETRIES = [
    {},
    {"strides": [2, 3]},
    {"pads": [1, 0, 2, 1]},
    {"dilations": [1, 2], "pads": [0, 1, 0, 1], "strides": [2, 1]},
]


@pytest.mark.parametrize("attributes", GEOMETRIES)
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_col2im(attributes: dict[str, list[int]], dtype: str) -> None:
    image, block = np.array([6, 7]), np.array([2, 3])
    pads = np.array(attributes.get("pads", [0, 0, 0, 0]))
    extents = (block - 1) * attributes.get("dilations", 1) + 1
    room = image + pads[:2] + pads[2:] - extents
    columns = int(np.prod(room // attributes.get("strides", 1) + 1))
    x = RNG.integers(-9, 10, (2, 3 * 6, columns)).astype(dtype)
    (got,) = run_node("Col2Im", [x, image, block], fixed=[1, 2], **attributes)
    (wanted,) = reference_node("Col2Im", [x, image, block], fixed=[1, 2], **attributes)
    np.testing.assert_array_equal(got, wanted)


def test_col2im_refuses_columns_that_do_not_fit() -> None:
    given = [np.zeros((1, 4, 5)), np.array([3, 3]), np.array([2, 2])]
    with pytest.raises(ModelError) as caught:
        run_node("Col2Im", given, fixed=[1, 2])
    assert caught.value.message == "Col2Im: blocks at [2, 2] positions are not 5 columns"


@pytest.mark.parametrize("time", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_reverse_sequence(time: int, dtype: str) -> None:
    x = RNG.integers(0, 99, (4, 5, 2)).astype(dtype)
    lengths = RNG.integers(0, x.shape[time] + 1, x.shape[1 - time])
    (got,) = run_node("ReverseSequence", [x, lengths], time_axis=time, batch_axis=1 - time)
    wanted = np.moveaxis(x, time, 1).copy()
    for row, length in zip(wanted, lengths, strict=True):
        row[:length] = row[:length][::-1].copy()
    np.testing.assert_array_equal(got, np.moveaxis(wanted, 1, time))
