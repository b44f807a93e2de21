"""Winograd's algorithm: the matrices, the primitive against the plain loops, and its refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.errors import ScheduleError
from mlc.ir.interpret import run_func, run_prepared
from mlc.ir.rewrite import walk
from mlc.ir.stmt import Alloc, Buffer, Func
from mlc.ir.text import parse_func, print_func
from mlc.ir.verify import verify_func
from mlc.passes.loops.pipeline import finish_loops
from mlc.passes.schedule.bilinear.winograd_matrices import transforms
from mlc.passes.schedule.primitives import winograd
from mlc.passes.schedule.schedule import Schedule
from tests.backends.harness import run_compiled


def convolution(
    batch: int,
    channels: int,
    filters: int,
    height: int,
    width: int,
    stride: int = 1,
    spare: tuple[int, int] = (0, 0),
) -> Func:
    """`y = max(conv(x, w) + b, 0)` as plain loops, x and y channels-last.

    Of x the last `spare` rows and columns are read by nothing.
    """
    high, wide = (
        (n - 1) * stride + 3 + more for n, more in zip((height, width), spare, strict=True)
    )
    x_strides = f"{high * wide * channels},1,{wide * channels},{channels}"
    y_strides = f"{height * width * filters},1,{width * filters},{filters}"
    shape = f"{batch},{filters},{height},{width}"
    step = "" if stride == 1 else f" * {stride}"
    return parse_func(f"""
    func conv(x: f32[{batch},{channels},{high},{wide}] strides[{x_strides}],
        w: f32[{filters},{channels},3,3] constant, b: f32[{filters}],
        y: f32[{shape}] strides[{y_strides}]) {{
      alloc acc: f32[{shape}] arena {{
        for z0 in {batch} {{ for z1 in {filters} {{ for z2 in {height} {{ for z3 in {width} {{
          acc[z0, z1, z2, z3] = 0.0:f32
        }} }} }} }}
        for i0 in {batch} {{ for i1 in {filters} {{ for i2 in {height} {{ for i3 in {width} {{
          for c in {channels} {{ for r in 3 {{ for s in 3 {{
            acc[i0, i1, i2, i3] = acc[i0, i1, i2, i3]
              + x[i0, c, i2{step} + r, i3{step} + s] * w[i1, c, r, s]
          }} }} }}
        }} }} }} }}
        for j0 in {batch} {{ for j1 in {filters} {{ for j2 in {height} {{ for j3 in {width} {{
          y[j0, j1, j2, j3] = max(acc[j0, j1, j2, j3] + b[j1], 0.0:f32)
        }} }} }} }}
      }}
    }}""")


def arguments(func: Func) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(len(func.params))
    made = {p.name: generator.standard_normal(p.shape).astype(np.float32) for p in func.params}
    return made | {"y": np.zeros(func.params[-1].shape, np.float32)}


def reference(arrays: dict[str, np.ndarray], stride: int) -> np.ndarray:
    x, w = arrays["x"].astype(np.float64), arrays["w"].astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    height, width = arrays["y"].shape[2:]
    windows = windows[:, :, ::stride, ::stride][:, :, :height, :width]
    total = np.einsum("nchwrs,ocrs->nohw", windows, w)
    return np.maximum(total + arrays["b"][:, None, None], 0)


@pytest.mark.parametrize(
    ("taps", "stride"), [(1, 1), (2, 1), (3, 1), (2, 2), (3, 2), (4, 2), (5, 2), (3, 3), (5, 3)]
)
@pytest.mark.parametrize("outputs", [1, 2, 3, 4])
def test_transforms_filter_exactly(outputs: int, taps: int, stride: int) -> None:
    """On small integers every step is exact but for the divisions in G."""
    made = transforms(outputs, taps, stride)
    generator = np.random.default_rng(outputs)
    size = (outputs - 1) * stride + taps
    assert made.products == size
    data, given_taps = generator.integers(-4, 5, size), generator.integers(-4, 5, taps)
    spread = (np.array(made.filter) @ given_taps) * (np.array(made.input) @ data)
    wanted = [data[i * stride :][:taps] @ given_taps for i in range(outputs)]
    np.testing.assert_allclose(np.array(made.output) @ spread, wanted, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(*(st.integers(1, high) for high in (2, 5, 6, 9, 9))),
    stride=st.sampled_from([1, 2]),
    spare=st.tuples(st.integers(0, 1), st.integers(0, 1)),
    outputs=st.sampled_from([2, 4]),
    chunk=st.integers(1, 6),
    tile=st.tuples(st.integers(1, 3), st.sampled_from([2, 4])),
    threads=st.sampled_from([1, 2]),
)
def test_agrees_with_the_plain_loops(
    shape: tuple[int, int, int, int, int],
    stride: int,
    spare: tuple[int, int],
    outputs: int,
    chunk: int,
    tile: tuple[int, int],
    threads: int,
) -> None:
    plain = convolution(*shape, stride, spare)
    knobs = {"rows": tile[0], "columns": tile[1], "lanes": 4, "chunk": chunk, "threads": threads}
    func = winograd(Schedule(plain), "acc", outputs, **knobs).func
    verify_func(func)
    assert parse_func(print_func(func)) == func
    arrays = arguments(plain)
    high, wide = (n - more for n, more in zip(arrays["x"].shape[2:], spare, strict=True))
    arrays["x"][:, :, high:] = np.nan
    arrays["x"][:, :, :, wide:] = np.nan
    run_prepared(func, arrays)
    np.testing.assert_allclose(arrays["y"], reference(arrays, stride), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("outputs", [2, 4])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [(1, 16, 24, 8, 8), (2, 20, 33, 7, 10), (1, 17, 16, 30, 30)])
def test_compiled_code_agrees(
    shape: tuple[int, int, int, int, int], stride: int, threads: int, outputs: int
) -> None:
    plain = convolution(*shape, stride, (stride - 1, stride - 1))
    knobs = {"rows": 6, "columns": 16, "lanes": 8, "chunk": 5, "threads": threads}
    func = finish_loops(winograd(Schedule(plain), "acc", outputs, **knobs).func)
    arrays = arguments(plain)
    given_arrays = {name: array for name, array in arrays.items() if name != "y"}
    y = run_compiled(func, given_arrays, threads=threads)["y"]
    wanted = reference(arrays, stride)
    error = np.sqrt(np.mean((y - wanted) ** 2) / np.mean(wanted**2))
    assert error < 3e-6


@pytest.mark.parametrize("outputs", [2, 4])
def test_every_access_is_inside(outputs: int) -> None:
    plain = convolution(1, 2, 3, 3, 5, 2, (1, 0))
    knobs = {"rows": 2, "columns": 4, "lanes": 4, "chunk": 2}
    func = finish_loops(winograd(Schedule(plain), "acc", outputs, **knobs).func)
    arrays = arguments(plain)
    wanted = reference(arrays, 2)
    del arrays["y"]
    y = run_compiled(func, arrays, check_bounds=True)["y"]
    np.testing.assert_allclose(y, wanted, rtol=2e-5, atol=2e-5)


def workspaces(shape: tuple[int, int, int, int, int], threads: int) -> list[Buffer]:
    knobs = {"rows": 2, "columns": 8, "lanes": 8, "chunk": 4, "threads": threads}
    func = winograd(Schedule(convolution(*shape)), "acc", 4, **knobs).func
    allocated = [part.buffer for part in walk(func.body) if isinstance(part, Alloc)]
    return [buffer for buffer in allocated if buffer.scope == "arena"]


@pytest.mark.parametrize("channels", [16, 64, 256])
def test_elements_of_a_tile_meet_in_no_set_of_the_cache(channels: int) -> None:
    for buffer in workspaces((1, channels, channels, 16, 16), 1):
        lines, rest = divmod(4 * buffer.strides[1], 64)
        assert len({element * lines % 64 for element in range(36)}) == 36
        assert rest == 0


def test_the_chunks_of_a_share_reuse_its_workspace() -> None:
    shape = (1, 16, 16, 64, 64)  # 64 chunks of 4 tiles
    assert [buffer.shape[0] for buffer in workspaces(shape, 2)] == [8, 8]
    assert [buffer.shape[0] for buffer in workspaces(shape, 1)] == [1, 1]


def refusal(func: Func) -> str:
    with pytest.raises(ScheduleError) as caught:
        winograd(Schedule(func), "acc", 4, rows=2, columns=4, lanes=4, chunk=4)
    return str(caught.value).splitlines()[0]


def test_refuses_weights_that_are_not_constant() -> None:
    func = convolution(1, 2, 4, 4, 4)
    weights = replace(func.params[1], scope="param")
    text = print_func(func).replace("] constant,", "],")
    assert weights in parse_func(text).params
    assert refusal(parse_func(text)) == "winograd: 'w' is not constant"


def test_refuses_integers() -> None:
    text = print_func(convolution(1, 4, 4, 6, 6)).replace("f32", "i32").replace("0.0:", "0:")
    assert refusal(parse_func(text)) == "winograd: 'w' is i32, not floating-point"


@pytest.mark.parametrize(
    "read",
    [
        "i2 * 3 + r, i3 * 3 + s",
        "i2 * 2 + r, i3 + s",
        "i2, i3 + s",
        "i2 + r * 2, i3 + s * 2",
        "i2 + r + 1, i3 + s",
    ],
)
def test_refuses_other_strides(read: str) -> None:
    text = print_func(convolution(1, 2, 4, 4, 4))
    other = text.replace("i2 + r, i3 + s", read)
    assert other != text
    message = "winograd: not a 3×3 convolution of stride 1×1 or 2×2 without padding"
    assert refusal(parse_func(other)) == message


@pytest.mark.parametrize("stride", [1, 2])
def test_plain_loops_are_the_reference(stride: int) -> None:
    func = convolution(1, 2, 3, 4, 5, stride)
    arrays = arguments(func)
    run_func(func, arrays)
    np.testing.assert_allclose(arrays["y"], reference(arrays, stride), rtol=1e-5, atol=1e-5)
