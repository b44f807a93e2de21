"""One axis of a resize: which input elements an output position reads, and with which weights.

Along an axis, output position `i` stands for the input coordinate `(i*factor + shift) / divisor -
offset`; its value is a weighted sum of a few input elements, the taps: 1 (nearest), 2 (linear) or
4 (cubic, with Keys' kernel). Taps beyond the border take the element at the border. All in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlc.errors import ShapeError
from mlc.ir.operator import Attrs
from mlc.ir.operators.definition import choice, flag, integers, real, reals

MODES = ("nearest", "linear", "cubic")
COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "asymmetric",
    "align_corners",
)
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")

_ROUND: dict[str, Callable[[Any], Any]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


@dataclass(frozen=True)
class Coordinate:
    """The input coordinate of output position `i`: `(i*factor + shift) / divisor - offset`."""

    factor: float
    shift: float
    divisor: float
    offset: float

    @staticmethod
    def of(rule: str, old: int, new: int, scale: float) -> Coordinate:
        """The coordinate by one of ONNX's rules, for an axis of `old` elements that gets `new`.

        The exact new length `old * scale` need not be a whole number.
        """
        length = old * scale
        if math.isclose(length, new, rel_tol=1e-6):
            length = new
        if rule == "asymmetric":
            return Coordinate(1, 0, scale, 0)
        if rule == "half_pixel" or (rule == "pytorch_half_pixel" and new > 1):
            return Coordinate(1, 0.5, scale, 0.5)
        if rule == "half_pixel_symmetric":
            # The centre of the old axis comes to lie in the centre of the new one.
            return Coordinate(1, 0.5, scale, 0.5 - old / 2 * (1 - new / length))
        if rule == "align_corners" and new > 1:
            return Coordinate(old - 1, 0, length - 1, 0)
        return Coordinate(0, 0, 1, 0)


@dataclass(frozen=True)
class Axis:
    """How one axis of `old` elements becomes one of `new`."""

    old: int
    new: int
    coordinate: Coordinate
    mode: str
    rounding: str
    cubic: float
    exclude_outside: bool

    @property
    def taps(self) -> int:
        """Input elements that an output element depends on."""
        return {"nearest": 1, "linear": 2, "cubic": 4}[self.mode]

    def positions(self) -> np.ndarray:
        """Input coordinates of all output positions."""
        c = self.coordinate
        return np.asarray((np.arange(self.new) * c.factor + c.shift) / c.divisor - c.offset)

    def places(self) -> np.ndarray:
        """Places of the taps before they are brought into the axis: int64 `[taps, new]`."""
        x = self.positions()
        if self.mode == "nearest":
            return np.stack([np.asarray(_ROUND[self.rounding](x)).astype(np.int64)])
        first = np.floor(x).astype(np.int64) - (self.taps // 2 - 1)
        return np.stack([first + tap for tap in range(self.taps)])

    def clamped_places(self) -> np.ndarray:
        """Input elements that the taps read: int64 `[taps, new]`."""
        return np.asarray(np.clip(self.places(), 0, self.old - 1))

    def weights(self) -> np.ndarray:
        """Weights of the taps: float64 `[taps, new]`, each column with the sum one."""
        if self.mode == "nearest":
            return np.ones((1, self.new))
        x = self.positions()
        weights = array_weights(self.mode, self.cubic, x - np.floor(x))
        if self.exclude_outside:
            weights = np.where(self.places() == self.clamped_places(), weights, 0)
            weights = weights / weights.sum(axis=0)
        return weights


def array_weights(mode: str, a: float, t: np.ndarray) -> np.ndarray:
    """Weights of the taps, `[taps, …]`, by the distance from the one at or below a coordinate.

    `mode` is linear or cubic; `a` is the coefficient of the cubic kernel.
    """
    if mode == "linear":
        return np.stack([1 - t, t])
    near = [((a + 2) * s - (a + 3)) * s * s + 1 for s in (t, 1 - t)]
    far = [((a * s - 5 * a) * s + 8 * a) * s - 4 * a for s in (1 + t, 2 - t)]
    return np.stack([far[0], near[0], near[1], far[1]])


def resized_axes(shape: tuple[int, ...], attrs: Attrs) -> dict[int, Axis]:
    """The axes that a resize changes, by number."""
    sizes, scales = integers(attrs, "sizes", len(shape)), reals(attrs, "scales")
    if len(scales) != len(shape) or min(scales, default=1) <= 0 or min(sizes, default=0) < 0:
        raise ShapeError(f"sizes {sizes} and scales {scales} do not fit shape {shape}")
    mode, rule = choice(attrs, "mode", MODES), choice(attrs, "coordinate", COORDINATES)
    rounding = choice(attrs, "nearest", ROUNDINGS)
    cubic, exclude = real(attrs, "cubic_coefficient"), flag(attrs, "exclude_outside")
    axes = {}
    for axis, (old, new, scale) in enumerate(zip(shape, sizes, scales, strict=True)):
        if old == 0 and new > 0:
            raise ShapeError(f"axis {axis} has no elements to interpolate")
        if old != new or scale != 1:
            coordinate = Coordinate.of(rule, old, new, scale)
            axes[axis] = Axis(old, new, coordinate, mode, rounding, cubic, exclude)
    return axes
