"""The matrices of Winograd's minimal filtering F(m, r), built from interpolation points.

`y = A^T [(G g) * (B^T d)]` computes m outputs of a filter g of r taps from m + r - 1 inputs d with
as many products (Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray, Fast
Algorithms for Convolutional Neural Networks, 2016). The construction is Toom and Cook's:
polynomials are multiplied through their values at m + r - 2 points and at infinity. The points
decide how much is rounded: 0, ±1, 1/2, -2 half as much as 0, ±1, ±2 for m = 4 and r = 3, and 0, -1,
1/2, 2 two thirds of 0, ±1, 1/2 for r = 2.

A filter of stride s is a sum of s filters without: phase p has the taps p, p + s, … and reads the
inputs p, p + s, …. Each is filtered minimally by itself, so that s m + r - s products do, as many
as there are inputs: 2 m + 1 instead of 3 m for three taps and a stride of two.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from fractions import Fraction

from mlc.passes.schedule.bilinear.problem import Matrix, Transforms

_HALF = Fraction(1, 2)
_POINTS: Mapping[int, tuple[int | Fraction, ...]] = {
    1: (0,),
    2: (0, 1),
    3: (0, 1, -1),
    4: (0, -1, _HALF, 2),
    5: (0, 1, -1, _HALF, -2),
}
"""By how many there are."""


@functools.cache
def transforms(outputs: int, taps: int, stride: int = 1) -> Transforms:
    """The matrices of F(`outputs`, `taps`), for a `stride` of those of its phases.

    >>> transforms(2, 3).output
    ((1.0, 1.0, 1.0, 0.0), (0.0, 1.0, -1.0, 1.0))

    F(2, 2) filters with the first and last of three taps, and F(2, 1) with the middle one:

    >>> transforms(2, 3, stride=2).output
    ((1.0, 1.0, 0.0, 1.0, 0.0), (0.0, 1.0, 1.0, 0.0, 1.0))
    """
    size = (outputs - 1) * stride + taps
    output: list[list[float]] = [[] for _ in range(outputs)]
    filters: list[list[float]] = []
    inputs: list[list[float]] = []
    for phase in range(min(stride, taps)):
        part = _minimal(outputs, len(range(phase, taps, stride)))
        for row, more in zip(output, part.output, strict=True):
            row += more
        filters += [_spaced(row, phase, stride, taps) for row in part.filter]
        inputs += [_spaced(row, phase, stride, size) for row in part.input]
    return Transforms(*(tuple(map(tuple, matrix)) for matrix in (output, filters, inputs)))


def _spaced(row: Sequence[float], first: int, step: int, size: int) -> list[float]:
    """The row in every `step`-th of `size` places from the `first` on, zeros elsewhere."""
    spaced = [0.0] * size
    spaced[first : first + step * len(row) : step] = row
    return spaced


def _minimal(outputs: int, taps: int) -> Transforms:
    """F(`outputs`, `taps`)."""
    if taps == 1:
        same = tuple(tuple(float(a == b) for b in range(outputs)) for a in range(outputs))
        return Transforms(same, ((1.0,),) * outputs, same)
    size = outputs + taps - 1
    points = tuple(map(Fraction, _POINTS[size - 1]))
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
