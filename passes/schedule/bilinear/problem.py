"""What a bilinear algorithm is to the loop nests that run it: matrices, and where elements are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mlc.ir.expr import Expr
from mlc.ir.stmt import Buffer

Matrix = tuple[tuple[float, ...], ...]

Place = tuple[Expr, ...]
"""An index of the accumulator."""


@dataclass(frozen=True, slots=True)
class Transforms:
    """`y = output [(filter g) * (input d)]`, elementwise: as many products as `input` has rows.

    `output` is A^T [results, products], `filter` is G [products, weights], `input` is B^T
    [products, inputs].
    """

    output: Matrix
    filter: Matrix
    input: Matrix

    @property
    def products(self) -> int:
        """How many products are computed."""
        return len(self.input)


NOTHING = Transforms(((1.0,),), ((1.0,),), ((1.0,),))
"""One product of what is given."""


class Problem(Protocol):
    """A computation in tiles.

    Each reads elements `i, j` of the input for every channel, multiplies them by elements of the
    weights, and writes results `a, b` for every filter. `sides` transform the first and the second
    number of an element; the products of a tile are those of one side times those of the other.
    """

    def __hash__(self) -> int:
        """Problems are told from each other by their numbers."""

    @property
    def name(self) -> str:
        """Of the algorithm, for buffers and functions."""

    @property
    def source(self) -> Buffer:
        """What the tiles read."""

    @property
    def weights(self) -> Buffer:
        """What they are multiplied by; constant."""

    @property
    def accumulator(self) -> Buffer:
        """What held the results of the plain loops."""

    @property
    def sides(self) -> tuple[Transforms, Transforms]:
        """The matrices."""

    @property
    def channels(self) -> int:
        """Terms of each product's sum."""

    @property
    def filters(self) -> int:
        """Results of each product, for a tile."""

    @property
    def tiles(self) -> int:
        """How many tiles there are."""

    def load(self, channel: Expr, tile: Expr, i: int, j: int) -> Expr:
        """An input of a tile."""

    def weight(self, number: Expr, channel: Expr, i: int, j: int) -> Expr:
        """A weight of filter `number`."""

    def place(self, number: Expr, tile: Expr, a: int, b: int) -> tuple[Place, Expr | None]:
        """Where a result of filter `number` belongs, and the condition that it was asked for."""


def products(problem: Problem) -> int:
    """How many matrix products are computed."""
    first, second = problem.sides
    return first.products * second.products
