"""The numbers of a Winograd convolution, read off the plain loops it replaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlc.ir.expr import Binary, Const, Expr, Load, Var, index, minimum
from mlc.ir.stmt import Buffer, For, Stmt, Store
from mlc.passes.schedule.bilinear.problem import Place, Transforms
from mlc.passes.schedule.bilinear.winograd_matrices import transforms
from mlc.passes.schedule.location import RefusalError, spine

TAPS = 3
_STRIDES = (1, 2)


@dataclass(frozen=True, slots=True)
class Winograd:
    """A 3×3 convolution in tiles of `outputs` × `outputs` results.

    `source` is [N, C, (H - 1) * stride + 3, (W - 1) * stride + 3] or larger, `weights` [O, C, 3, 3]
    and `accumulator` [N, O, H, W]. Elements of a tile are counted by rows and columns of the image.
    """

    source: Buffer
    weights: Buffer
    accumulator: Buffer
    outputs: int
    stride: int

    name = "winograd"

    @property
    def sides(self) -> tuple[Transforms, Transforms]:
        """Rows and columns alike."""
        made = transforms(self.outputs, TAPS, self.stride)
        return made, made

    @property
    def channels(self) -> int:
        """Input channels."""
        return self.weights.shape[1]

    @property
    def filters(self) -> int:
        """Output channels."""
        return self.weights.shape[0]

    @property
    def grid(self) -> tuple[int, int]:
        """Tiles down and across an image."""
        height, width = self.accumulator.shape[2:]
        return -(-height // self.outputs), -(-width // self.outputs)

    @property
    def tiles(self) -> int:
        """Tiles of all images."""
        down, across = self.grid
        return self.accumulator.shape[0] * down * across

    def corner(self, tile: Expr) -> tuple[Expr, Expr, Expr]:
        """Image, first row and first column of the results of a tile."""
        down, across = self.grid
        row = tile // across % down
        return tile // (down * across), row * self.outputs, tile % across * self.outputs

    def load(self, channel: Expr, tile: Expr, i: int, j: int) -> Expr:
        """An input of a tile.

        Beyond what any result asked for depends on, it is the last element that one does.
        """
        image, top, left = self.corner(tile)
        height, width = self.accumulator.shape[2:]
        row, column = self._read(top, i, height), self._read(left, j, width)
        return Load(self.source, (image, channel, row, column))

    def _read(self, first: Expr, tap: int, results: int) -> Expr:
        last = (results - 1) * self.stride + TAPS - 1
        return minimum(first * self.stride + tap, index(last))

    def weight(self, number: Expr, channel: Expr, i: int, j: int) -> Expr:
        """A tap of a filter."""
        return Load(self.weights, (number, channel, index(i), index(j)))

    def place(self, number: Expr, tile: Expr, a: int, b: int) -> tuple[Place, Expr | None]:
        """A result, which may be beyond the image."""
        height, width = self.accumulator.shape[2:]
        image, top, left = self.corner(tile)
        row, column = top + a, left + b
        inside = Binary("and", Binary("lt", row, index(height)), Binary("lt", column, index(width)))
        return (image, number, row, column), inside


def winograd_of(update: Stmt, outputs: int) -> Winograd:
    """Read a direct convolution off its update nest.

    Raises `RefusalError` where the nest is anything but
    `acc[n, o, h, w] += x[n, c, h * s + i, w * s + j] * w[o, c, i, j]` over a 3×3 kernel, where the
    stride s is 1 or 2.
    """
    chain, store = spine(update)
    match store:
        case Store(
            accumulator,
            (Var(), Var(), Var(), Var()) as out,
            Binary("add", Load(old, again), Binary("mul", Load() as left, Load() as right)),
        ) if old.name == accumulator.name and again == out:
            stride = _stride_of(left, right, out, chain)
            if stride is not None:
                return Winograd(left.buffer, right.buffer, accumulator, outputs, stride)
    message = "not a 3×3 convolution of stride 1×1 or 2×2 without padding"
    raise RefusalError(message, "not-winograd")


def _stride_of(source: Load, weight: Load, out: Place, chain: Sequence[For]) -> int | None:
    if _extents(chain)[5:] != [TAPS, TAPS]:
        return None
    number, filter_, top, left = out
    channel, row, column = (Var(loop.var) for loop in chain[4:])
    if weight.index != (filter_, channel, row, column):
        return None
    reads = {s: (number, channel, top * s + row, left * s + column) for s in _STRIDES}
    return next((stride for stride, read in reads.items() if source.index == read), None)


def _extents(chain: Sequence[For]) -> list[int]:
    return [int(loop.extent.value) if isinstance(loop.extent, Const) else 0 for loop in chain]
