"""Where a model's time goes, and what holds each kernel back: `mlc bench --explain`."""

from __future__ import annotations

from collections.abc import Iterable

from rich.markup import escape

from mlc.cli.console import output, table
from mlc.runtime.profile import Profile, ProfileRow
from mlc.runtime.roofline import Limits, Rate

_FIGURES = ("µs", "share", "GFLOP/s", "of peak", "GB/s", "of memory")
_LONGEST_LIST = 60


def print_explanation(profile: Profile, limits: Limits) -> None:
    """A row per call of a kernel, the slowest first; then the whole, and what the limits allow."""
    figures = table(*_FIGURES, "bound by", "kernel", "nodes", numbers=_FIGURES)
    for row in sorted(profile, key=lambda row: -row.nanoseconds):
        cells = rate_cells(_rate(row, limits))
        figures.add_row(*_times(row.nanoseconds, row.share), *cells, row.kernel, _nodes(row.loc))
    whole = total(profile, limits)
    figures.add_row(*_times(profile.total_nanoseconds, 1.0), *rate_cells(whole), "all", "")
    console = output()
    console.print()
    console.print(figures)
    allowed = roofline_seconds(profile, limits)
    console.print(
        f"\nThis machine reaches {limits.flops / 1e9:.1f} GFLOP/s, and reads "
        f"{limits.bytes / 1e9:.1f} GB/s from memory.\n"
        f"These limits allow {allowed * 1e6:.1f} µs: "
        f"{allowed / (whole.seconds or float('inf')):.0%} of the time. "
        "What stays in a cache need not wait for memory.",
        highlight=False,
    )


def total(profile: Iterable[ProfileRow], limits: Limits) -> Rate:
    """All calls together."""
    rows = list(profile)
    seconds = sum(row.nanoseconds for row in rows) / 1e9
    return Rate(sum(row.flops for row in rows), sum(row.bytes for row in rows), seconds, limits)


def roofline_seconds(profile: Iterable[ProfileRow], limits: Limits) -> float:
    """The sum of what each kernel takes at least: kernels run one after the other."""
    return sum(limits.seconds(row.flops, row.bytes) for row in profile)


def rate_cells(rate: Rate) -> tuple[str, str, str, str, str]:
    """Operations and bytes per second, each with its share of the limit; which limit binds."""
    return (
        f"{rate.gigaflops:.1f}",
        f"{rate.of_peak:.0%}",
        f"{rate.gigabytes:.1f}",
        f"{rate.of_bandwidth:.0%}",
        rate.bound,
    )


def _rate(row: ProfileRow, limits: Limits) -> Rate:
    return Rate(row.flops, row.bytes, row.nanoseconds / 1e9, limits)


def _times(nanoseconds: float, share: float) -> tuple[str, str]:
    return f"{nanoseconds / 1e3:.1f}", f"{share:.1%}"


def _nodes(loc: tuple[str, ...]) -> str:
    text = " + ".join(loc)
    return escape(text if len(text) <= _LONGEST_LIST else text[: _LONGEST_LIST - 1] + "…")
