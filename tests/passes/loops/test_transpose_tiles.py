"""Square tiles that are read along their rows and written along their columns."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.ir.expr import Load, Shuffle
from mlc.ir.interpret import run_func
from mlc.ir.rewrite import walk, walk_exprs
from mlc.ir.stmt import Func, Store
from mlc.ir.text import parse_func, print_func
from mlc.ir.verify import verify_func
from mlc.passes.loops.pipeline import finish_loops
from mlc.passes.loops.transpose_tiles import transpose_tiles


def turn(side: int, value: str, dtype: str = "f32", read: str = "x") -> Func:
    return parse_func(
        f"""
        func turn({read}: {dtype}[16,24], b: {dtype}[16], y: {dtype}[24,16]) {{
          for o in {24 // side} {{
            for p in {16 // side} {{
              for unroll i in {side} {{
                for vector j in {side} {{
                  y[o*{side} + i, p*{side} + j] = {value}
                }}
              }}
            }}
          }}
        }}""".replace("{0}", f"p*{side} + j, o*{side} + i").replace("{1}", f"p*{side} + j")
    )


@pytest.mark.parametrize("dtype", ["f32", "i8"])
@pytest.mark.parametrize("side", [2, 4, 8])
def test_transposed_by_shuffles_of_whole_rows(side: int, dtype: str) -> None:
    func = turn(side, "x[{0}] + b[{1}]", dtype)
    x = np.arange(16 * 24).reshape(16, 24)
    b = np.arange(16) * 3
    arrays = [a.astype(func.params[0].dtype.numpy) for a in (x, b, np.zeros((24, 16)))]
    after = finish_loops(func)
    verify_func(after)
    run_func(after, arrays)
    np.testing.assert_array_equal(arrays[2], arrays[0].T + arrays[1])
    loads = [e for e in walk_exprs(after.body) if type(e) is Load and e.buffer.name == "x"]
    assert {load.lanes for load in loads} == {side}
    assert all(len(e.vectors) == 2 for e in walk_exprs(after.body) if type(e) is Shuffle)


def test_the_tile_is_read_before_anything_is_written() -> None:
    body = transpose_tiles(turn(4, "x[{0}] * x[{0}]")).body
    stores = [part.buffer.name for part in walk(body) if isinstance(part, Store)]
    assert stores == ["x_tile_i"] * 4 + ["y"]


@pytest.mark.parametrize(
    "value",
    [
        "b[{1}]",
        "y[{0}] + b[{1}]",
        "select(i < 2, x[{0}], 0.0:f32)",
        "x[{1}, (o*4 + i) // 2]",
        "x[{1}, o*4 + 2*i]",
    ],
)
def test_what_is_not_a_plain_transposition_stays(value: str) -> None:
    func = turn(4, value)
    assert transpose_tiles(func) is func, print_func(transpose_tiles(func))
