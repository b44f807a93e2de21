"""Replace a direct 3×3 convolution by Winograd's."""

from __future__ import annotations

from functools import partial

from mlc.passes.schedule.bilinear.assemble import assemble
from mlc.passes.schedule.bilinear.nests import Tiling
from mlc.passes.schedule.bilinear.winograd import winograd_of
from mlc.passes.schedule.schedule import Schedule, primitive


@primitive
def winograd(
    schedule: Schedule,
    buffer: str,
    outputs: int,
    *,
    rows: int,
    columns: int,
    lanes: int,
    chunk: int,
    strip: int = 0,
    threads: int = 1,
) -> Schedule:
    """Compute the convolution that writes the temporary `buffer` as F(outputs×outputs, 3×3).

    The nest that sets `buffer` to zero, the one that adds products to it and the one that reads it
    become, for each `chunk` of tiles: the input transform, one matrix product per element of a
    transformed tile (register tiles of `rows` tiles × `columns` filters), and the output transform,
    which ends in what the reading nest did. Products and output transform go over the filters in
    strips of so many panels of `columns`, or over all at once (0). The weights are transformed by a
    `prepare` function. Transforms take `lanes` channels at a time. With `threads` above one, shares
    of the chunks run in parallel, or where there are fewer than four for each thread, the input
    transform and then shares of the strips.

    Of what comes out the example shows one element of the input transform and one result.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func conv(x: f32[1,8,4,4], w: f32[8,8,3,3] constant,
    ...     y: f32[1,8,2,2]) {
    ...   alloc acc: f32[1,8,2,2] arena {
    ...     for z0 in 1 { for z1 in 8 { for z2 in 2 { for z3 in 2 {
    ...       acc[z0, z1, z2, z3] = 0.0:f32
    ...     } } } }
    ...     for n in 1 { for o in 8 { for h in 2 { for v in 2 {
    ...       for c in 8 { for i in 3 { for j in 3 {
    ...         acc[n, o, h, v] = acc[n, o, h, v] + x[n, c, h + i, v + j] * w[o, c, i, j]
    ...       } } }
    ...     } } } }
    ...     for a in 1 { for b in 8 { for d in 2 { for e in 2 {
    ...       y[a, b, d, e] = max(acc[a, b, d, e], 0.0:f32)
    ...     } } } }
    ...   }
    ... }''')
    >>> made = winograd(Schedule(func), "acc", 2, rows=1, columns=8, lanes=8, chunk=1)
    >>> lines = [line.strip() for line in print_func(made.func).splitlines()]
    >>> shown = "winograd_v[0, 5", "y[o_tile, o_block * 8 + o_lane, 1, 1]"
    >>> for line in lines:
    ...     if line.startswith(shown):
    ...         print(line)
    winograd_v[0, 5, v_tile, v_block * 8 + v_lane] = v_middle[1, 1, v_lane] + v_middle[1, 2, v_lane]
    y[o_tile, o_block * 8 + o_lane, 1, 1] = max(o_result[1, 1, o_lane], 0.0:f32)

    Results are rounded otherwise than those of the plain sums. Refused where the nest is not a 3×3
    convolution of stride 1 or 2 (in both directions), where the weights are not constant or not
    floating-point (the transforms multiply by fractions), or where `buffer` is read by more than
    one plain nest.
    """
    problem_of = partial(winograd_of, outputs=outputs)
    tiling = Tiling(rows, columns, lanes)
    return assemble(schedule, buffer, problem_of, tiling, chunk, strip, threads)
