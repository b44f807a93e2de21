"""Replace a matrix product by one of blocks, with fewer products."""

from __future__ import annotations

from functools import partial

from mlc.passes.schedule.bilinear.assemble import assemble
from mlc.passes.schedule.bilinear.nests import Tiling
from mlc.passes.schedule.bilinear.strassen import strassen_of
from mlc.passes.schedule.schedule import Schedule, primitive


@primitive
def strassen(
    schedule: Schedule,
    buffer: str,
    blocks: str,
    *,
    rows: int,
    columns: int,
    lanes: int,
    chunk: int,
    strip: int = 0,
    threads: int = 1,
) -> Schedule:
    """Compute the product that writes the temporary `buffer` with fewer multiplications.

    It is one of matrices, or a convolution: its rows are places, its depth positions of the kernel
    and channels. Rows, depth (the channels) and columns are cut into `blocks`, a name in `SCHEMES`:
    with "2x2x2" 7 products of blocks do for 8. The nest that sets `buffer` to zero, the one that
    adds products to it and the one that reads it become, for each `chunk` of rows of a block: sums
    of blocks of the rows, one matrix product for each of them (register tiles of `rows` ×
    `columns`), and sums of these products, which end in what the reading nest did. Products and the
    last sums go over the columns in strips of so many panels of `columns`, or over all at once (0).
    The sums of the weights are made by a `prepare` function. Sums take `lanes` elements at a time.
    With `threads` above one, shares of the chunks run in parallel, or where there are fewer than
    four for each thread, the first sums and then shares of the strips.

    Of what comes out the example shows a sum of blocks of the rows, and a result.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func product(x: f32[4,16], w: f32[16,16] constant, y: f32[4,16]) {
    ...   alloc acc: f32[4,16] arena {
    ...     for z0 in 4 { for z1 in 16 { acc[z0, z1] = 0.0:f32 } }
    ...     for i in 4 { for j in 16 { for k in 16 {
    ...       acc[i, j] = acc[i, j] + x[i, k] * w[k, j]
    ...     } } }
    ...     for a in 4 { for b in 16 { y[a, b] = max(acc[a, b], 0.0:f32) } }
    ...   }
    ... }''')
    >>> made = strassen(Schedule(func), "acc", "2x2x2", rows=2, columns=8, lanes=8, chunk=2)
    >>> lines = [line.strip() for line in print_func(made.func).splitlines()]
    >>> for line in lines:
    ...     target, equal, value = line.partition(" = ")
    ...     if target.startswith(("v_middle[6", "y[o_tile, o_block * 8 + o_lane + 8")):
    ...         print(value)
    x[v_tile, v_block * 8 + v_lane + 8] - x[v_tile + 2, v_block * 8 + v_lane + 8]
    max(o_result[1, 0, o_lane], 0.0:f32)

    Results are rounded otherwise than those of the plain sums: an error is small beside the largest
    elements, not beside each. Refused where the nest is not a product of two matrices, where there
    is no such scheme or the columns or the depth cannot be cut so, where the right side is not
    constant or not floating-point, or where `buffer` is read by more than one plain nest.
    """
    problem_of = partial(strassen_of, blocks=blocks)
    tiling = Tiling(rows, columns, lanes)
    return assemble(schedule, buffer, problem_of, tiling, chunk, strip, threads)
