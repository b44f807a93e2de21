"""The matrices of Winograd's minimal filtering F(m, r), built from interpolation points.

`y = A^T [(G g) * (B^T d)]` computes m outputs of a filter g of r taps from m + r - 1 inputs d with
as many products (Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray, Fast
Algorithms for Convolutional Neural Networks, 2016). The construction is Toom and Cook's:
polynomials are multiplied through their values at m + r - 2 points and at infinity. The points 0,
1, -1, 1/2, -2 round half as much as 0, ±1, ±2 for m = 4.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from fractions import Fraction

from mlc.passes.schedule.bilinear.problem import Matrix, Transforms

_POINTS = tuple(Fraction(*pair) for pair in ((0, 1), (1, 1), (-1, 1), (1, 2), (-2, 1)))


@functools.cache
def transforms(outputs: int, taps: int) -> Transforms:
    """The matrices of F(`outputs`, `taps`).

    >>> transforms(2, 3).output
    ((1.0, 1.0, 1.0, 0.0), (0.0, 1.0, -1.0, 1.0))
    """
    size = outputs + taps - 1
    points = _POINTS[: size - 1]
    output = [[point**row for point in points] for row in range(outputs)]
    for number, row in enumerate(output):
        row.append(Fraction(int(number == outputs - 1)))
    filters = [[point**tap / _spread(points, point) for tap in range(taps)] for point in points]
    filters.append([Fraction(int(tap == taps - 1)) for tap in range(taps)])
    inputs = [_polynomial([p for p in points if p != point], size) for point in points]
    inputs.append(_polynomial(points, size))
    return Transforms(_floats(output), _floats(filters), _floats(inputs))


def _spread(points: Sequence[Fraction], point: Fraction) -> Fraction:
    product = Fraction(1)
    for other in points:
        if other != point:
            product *= point - other
    return product


def _polynomial(roots: Sequence[Fraction], size: int) -> list[Fraction]:
    """Coefficients of the product of `x - root`, lowest first, filled up to `size`."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        scaled = [-root * c for c in coefficients] + [Fraction(0)]
        coefficients = [a + b for a, b in zip(shifted, scaled, strict=True)]
    return coefficients + [Fraction(0)] * (size - len(coefficients))


def _floats(matrix: Sequence[Sequence[Fraction]]) -> Matrix:
    return tuple(tuple(float(value) for value in row) for row in matrix)
