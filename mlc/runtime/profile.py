"""Where the time of a call goes: one row per kernel call, named by the model's nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlc.runtime.compiled import Call

_MAX_LOC_WIDTH = 72


@dataclass(frozen=True)
class ProfileRow:
    """One kernel call: symbol, nodes, nanoseconds (median over the runs), share of the whole.

    `flops` and `bytes` are those of `Call`.
    """

    kernel: str
    loc: tuple[str, ...]
    nanoseconds: float
    share: float
    flops: int = 0
    bytes: int = 0


class Profile:
    """The rows in the order of the calls. `str()` is a table, the slowest first."""

    def __init__(self, calls: Sequence[Call], nanoseconds: Sequence[float]) -> None:
        self.total_nanoseconds = float(sum(nanoseconds))
        whole = self.total_nanoseconds or 1.0
        self.rows = tuple(
            ProfileRow(
                call.kernel, call.loc, float(time), float(time) / whole, call.flops, call.bytes
            )
            for call, time in zip(calls, nanoseconds, strict=True)
        )

    def __getitem__(self, index: int) -> ProfileRow:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[ProfileRow]:
        return iter(self.rows)

    def __str__(self) -> str:
        ordered = sorted(self.rows, key=lambda row: -row.nanoseconds)
        cells = [("time", "share", "kernel", "nodes")]
        cells += [
            (_time(row.nanoseconds), f"{row.share:.1%}", row.kernel, _nodes(row.loc))
            for row in ordered
        ]
        cells.append((_time(self.total_nanoseconds), "100.0%", "all", ""))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join(
            f"{time:>{widths[0]}}  {share:>{widths[1]}}  {kernel:<{widths[2]}}  {nodes}".rstrip()
            for time, share, kernel, nodes in cells
        )


def _time(nanoseconds: float) -> str:
    return f"{nanoseconds / 1000:.1f} µs"


def _nodes(loc: Sequence[str]) -> str:
    text = " + ".join(loc)
    return text if len(text) <= _MAX_LOC_WIDTH else text[: _MAX_LOC_WIDTH - 1] + "…"
