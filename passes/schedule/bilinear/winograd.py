"""The numbers of a Winograd convolution, read off the plain loops it replaces."""

from __future__ import annotations

from dataclasses import dataclass

from mlc.ir.expr import Binary, Const, Expr, Load, Var, index, minimum
from mlc.ir.stmt import Buffer, For, Stmt, Store
from mlc.passes.schedule.bilinear.problem import Place, Transforms
from mlc.passes.schedule.bilinear.winograd_matrices import transforms
from mlc.passes.schedule.location import RefusalError, spine

TAPS = 3


@dataclass(frozen=True, slots=True)
class Winograd:
    """A 3×3 convolution of stride 1 in tiles of `outputs` × `outputs` results.

    `source` is [N, C, H + 2, W + 2], `weights` [O, C, 3, 3], `accumulator` [N, O, H, W]. Elements
    of a tile are counted by rows and columns of the image.
    """

    source: Buffer
    weights: Buffer
    accumulator: Buffer
    outputs: int

    name = "winograd"

    @property
    def sides(self) -> tuple[Transforms, Transforms]:
        """Rows and columns alike."""
        made = transforms(self.outputs, TAPS)
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

        Beyond the image it is the last element: only results nobody asked for depend on it.
        """
        image, top, left = self.corner(tile)
        last_row, last_column = self.source.shape[2] - 1, self.source.shape[3] - 1
        place = (image, channel, minimum(top + i, index(last_row)))
        return Load(self.source, (*place, minimum(left + j, index(last_column))))

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
    `acc[n, o, h, w] += x[n, c, h + i, w + j] * w[o, c, i, j]` over a 3×3 kernel.
    """
    chain, store = spine(update)
    match store:
        case Store(
            accumulator,
            (Var(), Var(), Var(), Var()) as out,
            Binary("add", Load(old, again), Binary("mul", Load() as left, Load() as right)),
        ) if old.name == accumulator.name and again == out:
            extents = _extents(chain)
            if extents[5:] == [TAPS, TAPS]:
                channel, row, column = (Var(loop.var) for loop in chain[4:])
                wanted = (out[0], channel, out[2] + row, out[3] + column)
                if left.index == wanted and right.index == (out[1], channel, row, column):
                    return Winograd(left.buffer, right.buffer, accumulator, outputs)
    raise RefusalError("not a 3×3 convolution of stride 1 without padding", "not-winograd")


def _extents(chain: list[For] | tuple[For, ...]) -> list[int]:
    return [int(loop.extent.value) if isinstance(loop.extent, Const) else 0 for loop in chain]
