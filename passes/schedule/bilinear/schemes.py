"""Products of matrices of blocks that take fewer products of blocks than the plain one.

Each is named by the blocks of its rows × depth × columns: the left matrix has rows × depth of them,
the right one depth × columns. Blocks of a matrix are numbered row by row.

- `2x2x2`: 7 products for 8. Strassen, Gaussian Elimination is not Optimal, 1969.
- `2x4x4`, `4x2x4`, `4x4x2`: 26 products for 32, the number of Hopcroft and Kerr, On Minimizing the
  Number of Multiplications Necessary for Matrix Multiplication, 1971. The products are our own,
  found by random flips (Kauers and Moosbauer, Flip Graphs for Matrix Multiplication, 2022) and
  exchanges of basis that left ever fewer terms.
- `4x4x4`: 49 products for 64, Strassen's for blocks of blocks.

With m × k × n blocks and r products, sums of r / mk of the left matrix are made and r / kn of the
right one, and r / mn products for each result: which of these to keep small depends on the sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlc.passes.schedule.bilinear.problem import NOTHING, Matrix, Transforms


@dataclass(frozen=True, slots=True)
class Cut:
    """How many blocks the rows, the depth and the columns have, and how they are multiplied."""

    rows: int
    depth: int
    columns: int
    transforms: Transforms


@dataclass(frozen=True, slots=True)
class Scheme:
    """Blocks, and blocks of blocks; elements `i, j` are a block and its place in it."""

    outer: Cut
    inner: Cut

    @property
    def rows(self) -> int:
        """Blocks of the rows."""
        return self.outer.rows * self.inner.rows

    @property
    def depth(self) -> int:
        """Blocks of the depth."""
        return self.outer.depth * self.inner.depth

    @property
    def columns(self) -> int:
        """Blocks of the columns."""
        return self.outer.columns * self.inner.columns

    @property
    def products(self) -> int:
        """Products of blocks."""
        return self.outer.transforms.products * self.inner.transforms.products

    @property
    def saving(self) -> float:
        """How many times fewer products these are than the plain ones."""
        return self.rows * self.depth * self.columns / self.products

    def left(self, i: int, j: int) -> tuple[int, int]:
        """Which block of the rows and which of the depth an element is."""
        row, depth = divmod(i, self.outer.depth)
        inner_row, inner_depth = divmod(j, self.inner.depth)
        return row * self.inner.rows + inner_row, depth * self.inner.depth + inner_depth

    def right(self, i: int, j: int) -> tuple[int, int]:
        """Which block of the depth and which of the columns an element is."""
        depth, column = divmod(i, self.outer.columns)
        inner_depth, inner_column = divmod(j, self.inner.columns)
        return depth * self.inner.depth + inner_depth, column * self.inner.columns + inner_column

    def result(self, a: int, b: int) -> tuple[int, int]:
        """Which block of the rows and which of the columns a result is."""
        row, column = divmod(a, self.outer.columns)
        inner_row, inner_column = divmod(b, self.inner.columns)
        return row * self.inner.rows + inner_row, column * self.inner.columns + inner_column


_SIGNS = {"0": 0.0, "+": 1.0, "-": -1.0}

_STRASSEN = (
    "+00+ +00+ +00+",
    "00++ +000 00+-",
    "+000 0+0- 0+0+",
    "000+ -0+0 +0+0",
    "++00 000+ -+00",
    "-0+0 ++00 000+",
    "0+0- 00++ +000",
)
"""Of each product the sum of left blocks, that of right ones, and the results it is added to.

Numbered as in the paper.
"""

_HOPCROFT_KERR = (
    "+0000000 00+0000000-00000 0+++0000",
    "+0000000 ++0--000-0000000 +0000000",
    "0+000000 00000+0-0+0-0000 000-0000",
    "000+0000 000000000000000+ 00++00--",
    "0000+000 0+00000000000-00 00000+++",
    "0000+000 +0+--0000000-000 0000+000",
    "00000+00 000000+-000000+- 0000000-",
    "000000+0 00000000000+0000 0-0-0+0+",
    "+0+00000 0000+000+0000000 +0-0-0+0",
    "0+-00000 0000+0000-0+++00 0+000-00",
    "00+000+0 00+-0+000+-00000 0+0+0000",
    "000+000+ 0+0-00+000000-+0 000000++",
    "0000+00+ 0000+0000000+000 -+00+-00",
    "00000+0- 0000+000+0+000-+ 00-000+0",
    "+0+000+0 00+-000000-00000 0-0-+0-0",
    "0+--0000 000000000000++00 -0000000",
    "0+-000-0 00000+000+0-0000 0+0+0-00",
    "000++00+ 0+0-000000000-00 +-0000--",
    "000+0-0+ 000000+0000000+- 00+000--",
    "00000+-- 00000000+0+00000 0000-000",
    "+0+0+0+0 00+-000000000000 0000-0+0",
    "+0+00+0- 0000+000+0+00000 00+0+0-0",
    "+00++00+ 0+0-000000000000 -+000000",
    "0+-0+00+ 0000+0000000++00 +-000+00",
    "0+-00+-0 00000+0000000000 00000+00",
    "0+0-0+0- 000000+000000000 00+00000",
)
"""Of 2 × 4 by 4 × 4 blocks, as above."""


def _sums(texts: Iterable[str]) -> Matrix:
    return tuple(tuple(_SIGNS[sign] for sign in text) for text in texts)


def _cut(rows: int, depth: int, columns: int, products: Iterable[str]) -> Cut:
    left, right, result = zip(*(product.split() for product in products), strict=True)
    output = tuple(zip(*_sums(result), strict=True))
    return Cut(rows, depth, columns, Transforms(output, _sums(right), _sums(left)))


def _transposed(text: str, columns: int) -> str:
    return "".join(text[column::columns] for column in range(columns))


def _rotated(products: Iterable[str], columns: int) -> Sequence[str]:
    """Products of m × k × n blocks as such of n × m × k: the trace of ABC is that of CAB."""
    parts = [product.split() for product in products]
    return [
        f"{_transposed(result, columns)} {left} {_transposed(right, columns)}"
        for left, right, result in parts
    ]


_PLAIN = Cut(1, 1, 1, NOTHING)
_HALVES = _cut(2, 2, 2, _STRASSEN)
_FEW_ROWS = _cut(2, 4, 4, _HOPCROFT_KERR)
_SHALLOW = _cut(4, 2, 4, _rotated(_HOPCROFT_KERR, 4))
_NARROW = _cut(4, 4, 2, _rotated(_rotated(_HOPCROFT_KERR, 4), 4))

SCHEMES: Mapping[str, Scheme] = {
    "2x2x2": Scheme(_HALVES, _PLAIN),
    "4x4x4": Scheme(_HALVES, _HALVES),
    "2x4x4": Scheme(_FEW_ROWS, _PLAIN),
    "4x2x4": Scheme(_SHALLOW, _PLAIN),
    "4x4x2": Scheme(_NARROW, _PLAIN),
}
"""By name."""
