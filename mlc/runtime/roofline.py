"""How near a kernel comes to what the machine can do: the roofline model.

Source: S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model",
Communications of the ACM 52 (2009).
"""

from __future__ import annotations

from dataclasses import dataclass

NEAR = 0.5
"""A limit explains the time of what reaches this share of it."""
FROM_CACHE = 1.25
"""What moves bytes so many times faster than memory found them in a cache."""


@dataclass(frozen=True)
class Limits:
    """What a machine reaches at best: operations on floats, and bytes from memory, per second."""

    flops: float
    bytes: float

    def seconds(self, flops: int, moved: int) -> float:
        """The least time for `flops` operations and `moved` bytes, side by side."""
        return max(flops / self.flops, moved / self.bytes)


@dataclass(frozen=True)
class Rate:
    """The speed of `flops` operations and `bytes` moved in `seconds`, beside the limits.

    What finds its data in a cache may move more bytes than memory delivers.
    """

    flops: int
    bytes: int
    seconds: float
    limits: Limits

    @property
    def gigaflops(self) -> float:
        """Thousands of millions of operations per second."""
        return self.flops / self._time / 1e9

    @property
    def gigabytes(self) -> float:
        """Thousands of millions of bytes per second."""
        return self.bytes / self._time / 1e9

    @property
    def of_peak(self) -> float:
        """Share of the arithmetic limit."""
        return self.flops / self._time / self.limits.flops

    @property
    def of_bandwidth(self) -> float:
        """Share of the memory limit."""
        return self.bytes / self._time / self.limits.bytes

    @property
    def bound(self) -> str:
        """The limit that explains the time: "compute" or "memory".

        "cache" where data came faster than memory gives it, and arithmetic is not the limit
        either; "overhead" where nothing explains the time.
        """
        if self.of_bandwidth > FROM_CACHE:
            return "compute" if self.of_peak >= NEAR else "cache"
        if max(self.of_peak, self.of_bandwidth) < NEAR:
            return "overhead"
        return "compute" if self.of_peak >= self.of_bandwidth else "memory"

    @property
    def _time(self) -> float:
        return self.seconds or float("inf")
