"""Strassen's algorithm: the matrices, the primitive against the plain loops, and its refusals."""

from __future__ import annotations

import math

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
from mlc.passes.schedule.bilinear.schemes import SCHEMES, Cut
from mlc.passes.schedule.primitives import strassen
from mlc.passes.schedule.replay import replay
from mlc.passes.schedule.schedule import Schedule
from tests.backends.harness import run_compiled
from tests.passes.schedule.kernels import nest

Arrays = dict[str, np.ndarray]


def product(rows: tuple[int, ...], depth: int, columns: int) -> Func:
    """`y = max(x @ w + b, 0) + r` as plain loops."""
    out, rank = (*rows, columns), len(rows)
    shape = f"f32[{','.join(map(str, out))}]"
    read = ",".join(f"i{n}" for n in range(rank))
    names = f"{' '.join(f'i{n}' for n in range(rank + 1))} k"
    update = f"acc[{read},i{rank}] = acc[{read},i{rank}] + x[{read},k] * w[k,i{rank}]"
    z, j = (",".join(f"{letter}{n}" for n in range(rank + 1)) for letter in "zj")
    return parse_func(
        f"""func product(x: f32[{",".join(map(str, rows))},{depth}],
          w: f32[{depth},{columns}] constant, b: f32[{columns}], r: {shape}, y: {shape}) {{
        alloc acc: {shape} arena {{"""
        + nest("z", out, f"acc[{z}] = 0.0:f32")
        + nest(names, (*out, depth), update)
        + nest("j", out, f"y[{j}] = max(acc[{j}] + b[j{rank}], 0.0:f32) + r[{j}]")
        + "} }"
    )


def convolution(
    batch: int, channels: int, filters: int, size: tuple[int, int], stride: int, kernel: int = 1
) -> Func:
    """`y = max(conv(x, w) + b, 0) + r` as plain loops, images channels-last, `size` results."""
    high, wide = ((extent - 1) * stride + kernel for extent in size)
    out = (batch, filters, *size)
    area, columns = math.prod(size), size[1]
    results = f"f32[{batch},{filters},{size[0]},{size[1]}]"
    last = f"strides[{area * filters},1,{columns * filters},{filters}]"
    x_last = f"strides[{high * wide * channels},1,{wide * channels},{channels}]"
    update = "acc[{0}] = acc[{0}] + x[n,c,h*{1}+i,v*{1}+j] * w[o,c,i,j]".format("n,o,h,v", stride)
    j = "j0,j1,j2,j3"
    return parse_func(
        f"""func conv(x: f32[{batch},{channels},{high},{wide}] {x_last},
          w: f32[{filters},{channels},{kernel},{kernel}] constant, b: f32[{filters}],
          r: {results} {last}, y: {results} {last}) {{
        alloc acc: {results} arena {{"""
        + nest("z", out, "acc[z0,z1,z2,z3] = 0.0:f32")
        + nest("n o h v c i j", (*out, channels, kernel, kernel), update)
        + nest("j", out, f"y[{j}] = max(acc[{j}] + b[j1], 0.0:f32) + r[{j}]")
        + "} }"
    )


def small_integers(func: Func) -> Arrays:
    """Arguments on which every sum is exact, in whatever order it is taken."""
    generator = np.random.default_rng(len(func.params[0].shape))
    made = {p.name: generator.integers(-4, 5, p.shape).astype(np.float32) for p in func.params}
    return made | {"y": np.zeros(func.params[-1].shape, np.float32)}


def reference(arrays: Arrays, stride: int = 1) -> np.ndarray:
    """What `product` computes, or `convolution` where the weights have four dimensions."""
    x, w, b, r = (arrays[name].astype(np.float64) for name in "xwbr")
    if w.ndim == 2:
        total = x @ w + b
    else:
        windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))
        total = np.einsum("nchwrs,ocrs->nohw", windows[:, :, ::stride, ::stride], w)
        total += b[:, None, None]
    return np.array(np.maximum(total, 0) + r)


def check_interpreted(plain: Func, made: Schedule, wanted: np.ndarray) -> None:
    """The schedule is sound, can be written and read again, and gives exactly what is wanted."""
    verify_func(made.func)
    assert parse_func(print_func(made.func)) == made.func
    assert replay(plain, made.trace).func == made.func
    arrays = small_integers(plain)
    run_prepared(made.func, arrays)
    np.testing.assert_array_equal(arrays["y"], wanted)


def blocks_of(matrix: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The blocks of a matrix, row by row."""
    return np.stack([b for band in np.split(matrix, rows) for b in np.split(band, columns, axis=1)])


def multiplied(left: np.ndarray, right: np.ndarray, cut: Cut) -> np.ndarray:
    """The product by a scheme of one level, block by block."""
    lefts = blocks_of(left, cut.rows, cut.depth)
    rights = blocks_of(right, cut.depth, cut.columns)
    sums = np.tensordot(cut.transforms.input, lefts, 1)
    parts = sums @ np.tensordot(cut.transforms.filter, rights, 1)
    return np.tensordot(cut.transforms.output, parts, 1)


@pytest.mark.parametrize("blocks", SCHEMES)
def test_each_level_of_a_scheme_multiplies_exactly(blocks: str) -> None:
    generator = np.random.default_rng(len(blocks))
    for cut in (SCHEMES[blocks].outer, SCHEMES[blocks].inner):
        for _ in range(20):
            left = generator.integers(-9, 10, (3 * cut.rows, 2 * cut.depth))
            right = generator.integers(-9, 10, (2 * cut.depth, 5 * cut.columns))
            wanted = blocks_of(left @ right, cut.rows, cut.columns)
            np.testing.assert_array_equal(multiplied(left, right, cut), wanted)


@pytest.mark.parametrize(
    ("blocks", "products"),
    [("2x2x2", 7), ("4x4x4", 49), ("2x4x4", 26), ("4x2x4", 26), ("4x4x2", 26)],
)
def test_a_scheme_has_the_blocks_of_its_name_and_fewer_products(blocks: str, products: int) -> None:
    scheme = SCHEMES[blocks]
    assert f"{scheme.rows}x{scheme.depth}x{scheme.columns}" == blocks
    assert scheme.products == products
    assert scheme.saving == scheme.rows * scheme.depth * scheme.columns / products > 1


def test_elements_are_blocks_and_places_in_them() -> None:
    scheme = SCHEMES["4x4x4"]
    assert [scheme.left(1, j) for j in range(4)] == [(0, 2), (0, 3), (1, 2), (1, 3)]
    assert [scheme.right(2, j) for j in range(4)] == [(2, 0), (2, 1), (3, 0), (3, 1)]
    assert [scheme.result(3, j) for j in range(4)] == [(2, 2), (2, 3), (3, 2), (3, 3)]
    assert [SCHEMES["2x4x4"].left(i, 0) for i in (3, 4)] == [(0, 3), (1, 0)]


TILINGS = st.fixed_dictionaries(
    {
        "rows": st.integers(1, 3),
        "columns": st.sampled_from([2, 4]),
        "lanes": st.sampled_from([2, 4]),
        "chunk": st.integers(1, 6),
        "strip": st.integers(0, 3),
        "threads": st.sampled_from([1, 2]),
    }
)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.one_of(st.tuples(st.integers(1, 21)), st.tuples(st.integers(1, 3), st.integers(1, 6))),
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    blocks=st.sampled_from(sorted(SCHEMES)),
    tiling=TILINGS,
)
def test_products_agree_with_the_plain_loops(
    rows: tuple[int, ...], sizes: tuple[int, int], blocks: str, tiling: dict[str, int]
) -> None:
    scheme = SCHEMES[blocks]
    depth, columns = sizes[0] * scheme.depth, sizes[1] * scheme.columns
    plain = product(rows, depth, columns)
    wanted = reference(small_integers(plain))
    check_interpreted(plain, strassen(Schedule(plain), "acc", blocks, **tiling), wanted)


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 2),
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.sampled_from([1, 2]),
    kernel=st.sampled_from([1, 3]),
    blocks=st.sampled_from(sorted(SCHEMES)),
    tiling=TILINGS,
)
def test_convolutions_agree_with_the_plain_loops(
    batch: int,
    sizes: tuple[int, int],
    size: tuple[int, int],
    stride: int,
    kernel: int,
    blocks: str,
    tiling: dict[str, int],
) -> None:
    scheme = SCHEMES[blocks]
    channels, filters = sizes[0] * scheme.depth, sizes[1] * scheme.columns
    plain = convolution(batch, channels, filters, size, stride, kernel)
    wanted = reference(small_integers(plain), stride)
    check_interpreted(plain, strassen(Schedule(plain), "acc", blocks, **tiling), wanted)


@pytest.mark.parametrize(
    ("plain", "stride"),
    [
        (product((7,), 6, 8), 1),
        (product((2, 3), 4, 6), 1),
        (convolution(2, 4, 6, (3, 2), 1), 1),
        (convolution(1, 4, 6, (2, 3), 2), 2),
        (convolution(1, 4, 6, (2, 3), 2, kernel=3), 2),
    ],
)
def test_plain_loops_are_the_reference(plain: Func, stride: int) -> None:
    arrays = small_integers(plain)
    run_func(plain, arrays)
    np.testing.assert_array_equal(arrays["y"], reference(arrays, stride))


COMPILED = {
    "odd rows": (product((37,), 24, 40), 1),
    "batches in rows": (product((2, 3, 11), 32, 36), 1),
    "pointwise": (convolution(2, 20, 44, (5, 7), 1), 1),
    "strided": (convolution(1, 16, 24, (6, 5), 2), 2),
    "kernel": (convolution(1, 32, 24, (5, 6), 2, kernel=3), 2),
    "few rows": (product((3,), 16, 16), 1),
}


@pytest.mark.parametrize("blocks", ["4x4x4", "2x4x4"])
@pytest.mark.parametrize(("threads", "chunk"), [(1, 3), (1, 64), (3, 1), (3, 5)])
@pytest.mark.parametrize("name", COMPILED)
def test_compiled_code_agrees(name: str, threads: int, chunk: int, blocks: str) -> None:
    plain, stride = COMPILED[name]
    tiling = {"rows": 6, "columns": 16, "lanes": 8, "chunk": chunk, "threads": threads}
    func = finish_loops(strassen(Schedule(plain), "acc", blocks, **tiling).func)
    arrays = small_integers(plain)
    values = {name: array for name, array in arrays.items() if name != "y"}
    y = run_compiled(func, values, threads=threads)["y"]
    np.testing.assert_array_equal(y, reference(arrays, stride))


@pytest.mark.parametrize("blocks", SCHEMES)
def test_errors_are_small_beside_the_largest_elements(blocks: str) -> None:
    plain = product((64,), 256, 64)
    generator = np.random.default_rng(len(blocks))
    shapes = {param.name: param.shape for param in plain.params if param.name != "y"}
    values = {n: generator.standard_normal(s).astype(np.float32) for n, s in shapes.items()}
    tiling = {"rows": 6, "columns": 16, "lanes": 8, "chunk": 8}
    y = run_compiled(finish_loops(strassen(Schedule(plain), "acc", blocks, **tiling).func), values)
    wanted = reference(values)
    assert np.abs(y["y"] - wanted).max() < 3e-6 * np.abs(wanted).max()


def workspaces(rows: int, blocks: str, chunk: int, threads: int) -> list[Buffer]:
    tiling = {"rows": 2, "columns": 8, "lanes": 8, "chunk": chunk, "threads": threads}
    func = strassen(Schedule(product((rows,), 16, 16)), "acc", blocks, **tiling).func
    allocated = [part.buffer for part in walk(func.body) if isinstance(part, Alloc)]
    return [buffer for buffer in allocated if buffer.scope == "arena"]


def test_the_temporary_makes_way_for_sums_and_products() -> None:
    for blocks, products in (("2x2x2", 7), ("2x4x4", 26), ("4x4x4", 49)):
        names = {buffer.name for buffer in workspaces(16, blocks, 64, 1)}
        assert names == {"strassen_v", "strassen_m"}
        assert {buffer.shape[1] for buffer in workspaces(16, blocks, 64, 1)} == {products}


def test_sums_of_weights_leave_nothing_undefined() -> None:
    """Also where the last strip has fewer columns: what is saved with a model is all written."""
    plain = product((4,), 8, 12)
    tiling = {"rows": 2, "columns": 4, "lanes": 4, "chunk": 2, "strip": 2}
    (prepare,) = strassen(Schedule(plain), "acc", "2x2x2", **tiling).func.prepare
    weights, packed = prepare.params
    assert packed.shape == (1, 7, 2, 4, 4)  # six columns of a half in panels of four
    arrays = {
        weights.name: np.ones(weights.shape, np.float32),
        packed.name: np.full(packed.shape, np.nan, np.float32),
    }
    run_func(prepare, arrays)
    assert not np.isnan(arrays[packed.name]).any()
    assert not arrays[packed.name][..., 1, :, 2:].any()


def test_the_chunks_of_a_share_reuse_its_workspace() -> None:
    assert [buffer.shape[0] for buffer in workspaces(128, "2x2x2", 2, 2)] == [8, 8]  # of 32 chunks
    assert [buffer.shape[0] for buffer in workspaces(128, "2x2x2", 2, 1)] == [1, 1]


def refusal(func: Func, blocks: str = "2x2x2", buffer: str = "acc") -> str:
    with pytest.raises(ScheduleError) as caught:
        strassen(Schedule(func), buffer, blocks, rows=2, columns=4, lanes=4, chunk=4)
    return str(caught.value).splitlines()[0]


def changed(func: Func, *changes: tuple[str, str]) -> Func:
    """The function with other text in some places."""
    text = print_func(func)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_func(text)


NO_PRODUCT = "strassen: not a product of two matrices"


def test_refuses_weights_that_are_not_constant() -> None:
    func = changed(product((4,), 4, 4), ("] constant,", "],"))
    assert refusal(func) == "strassen: 'w' is not constant"


def test_refuses_constants_on_the_left() -> None:
    func = changed(product((4,), 6, 4), ("x[i0, k] * w[k, i1]", "w[k, i1] * x[i0, k]"))
    assert refusal(func) == "strassen: 'x' is not constant"


def test_refuses_integers() -> None:
    func = changed(product((4,), 4, 4), ("f32", "i32"), ("0.0:", "0:"))
    assert refusal(func) == "strassen: 'w' is i32, not floating-point"


def test_refuses_a_matrix_for_each_batch() -> None:
    func = changed(
        product((2, 4), 4, 4), ("w: f32[4,4]", "w: f32[2,4,4]"), ("w[k, i2]", "w[i0, k, i2]")
    )
    assert refusal(func) == NO_PRODUCT


@pytest.mark.parametrize(
    "other",
    [
        "max(acc[i0, i1], x[i0, k] * w[k, i1])",
        "acc[i0, i1] + (x[i0, k] + w[k, i1])",
        "acc[i0, i1] + x[i0, k] * w[k, 0]",
        "acc[i0, i1] + x[i0, 0] * w[k, i1]",
        "acc[i0, i1] + x[i0, i1] * w[k, i1]",
        "acc[i0, i1] + x[i0, k] * w[i0, i1]",
    ],
)
def test_refuses_other_updates(other: str) -> None:
    plain = "acc[i0, i1] + x[i0, k] * w[k, i1]"
    assert refusal(changed(product((4,), 4, 4), (plain, other))) == NO_PRODUCT


@pytest.mark.parametrize(
    ("depth", "columns", "blocks", "reason"),
    [
        (4, 5, "2x2x2", "5 columns of 4 cannot be cut into 2x2x2 blocks"),
        (7, 4, "2x2x2", "4 columns of 7 cannot be cut into 2x2x2 blocks"),
        (8, 6, "4x4x4", "6 columns of 8 cannot be cut into 4x4x4 blocks"),
        (10, 4, "2x4x4", "4 columns of 10 cannot be cut into 2x4x4 blocks"),
        (4, 4, "3x3x3", "no scheme for '3x3x3' blocks"),
    ],
)
def test_refuses_what_cannot_be_cut(depth: int, columns: int, blocks: str, reason: str) -> None:
    assert refusal(product((4,), depth, columns), blocks) == f"strassen: {reason}"


def test_refuses_a_second_reader() -> None:
    again = nest("l", (4, 4), "r[l0, l1] = acc[l0, l1]")
    text = print_func(product((4,), 4, 4))
    place = text.index("for j0")
    message = "strassen: 'acc' has not two writing nests and one reading nest"
    assert refusal(parse_func(text[:place] + again + text[place:])) == message


def test_refuses_readers_of_several_elements() -> None:
    func = changed(product((4,), 4, 4), ("max(acc[j0, j1]", "max(acc[j0, j1] + acc[j1, j0]"))
    assert refusal(func) == "strassen: the nest that reads 'acc' has no plain form"


def test_refuses_readers_of_a_part() -> None:
    func = changed(product((4,), 4, 4), ("max(acc[j0, j1]", "max(acc[j0, 0]"))
    assert refusal(func) == "strassen: 'acc' is not read element by element"


CALLED_ALIKE = "for v_tile in 8 { b[v_tile] = 0.0:f32 } for j0 in 8 {"
BETWEEN = "for q in 8 { x[q, 0] = 0.0:f32 } for j0 in 8 {"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[z0, z1] = 0.0:f32", "[z0, z1] = 1.0:f32", "'acc' does not start as zeros"),
        ("[z0, z1] = 0.0:f32", "[z0, z1] = b[z1]", "'acc' does not start as zeros"),
        ("for z1 in 8", "for z1 in 6", "'acc' does not start as zeros"),
        ("for i0 in 8", "for i0 in 6", "not every element of 'acc' is added to"),
        ("for i1 in 8", "for i1 in 6", "not every element of 'acc' is added to"),
        ("for i1 in 8", "for i1 in i0 + 1", "not a product of two matrices"),
        ("for k in 8", "for k in i0 + 1", "not a product of two matrices"),
        ("for j0 in 8", "for j0 in 5", "'acc' is not read element by element"),
        ("for j1 in 8", "for j1 in 6", "'acc' is not read element by element"),
        ("+ x[i0, k]", "+ acc[i0, k]", "'acc' is read and written"),
        ("y[j0, j1] =", "x[j1, j0] =", "'x' is read and written"),
        ("for j0 in 8 {", BETWEEN, "'x' is written before the reader"),
        ("+ r[j0, j1]", "+ w[j0, j1]", "'w' is read elsewhere, too"),
        (
            "+ r[j0, j1]",
            "+ y[j1, j0]",
            "iterations of loop 'j0' touch the same elements of 'y'",
        ),
        ("y[j0, j1] =", "y[0, j1] =", "iterations of loop 'j0' touch the same elements of 'y'"),
        ("for j0 in 8 {", CALLED_ALIKE, "there is a 'v_tile' already"),
    ],
)
def test_refuses_nests_that_do_otherwise(old: str, new: str, reason: str) -> None:
    assert refusal(changed(product((8,), 8, 8), (old, new))) == f"strassen: {reason}"


def test_refuses_what_is_not_allocated() -> None:
    assert refusal(product((4,), 4, 4), buffer="y") == "strassen: no temporary 'y'"
