"""What passes are given beside the IR, and where they leave their reasons.

A `Context` belongs to one compilation. It carries the target and the verification level down, and
collects what people ask about afterwards: the reason of every decision (`fusion.txt`), the time of
every pass (`timing.json`), and a dump of the IR after every pass that changed it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from mlc.ir.graph import Loc
from mlc.ir.text import Digests
from mlc.passes.dump import DumpFolder
from mlc.target import Target

VerifyLevel = Literal["off", "changed", "all"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Something a pass did or refused to do, and why.

    `subject` says what it was about (a value, or `a + b`); `verdict` is one word ("fused",
    "refused", "chosen", …). The reason is kept as a template and its arguments; nothing is
    formatted until somebody reads it.
    """

    pass_name: str
    subject: str
    verdict: str
    reason: str
    arguments: tuple[object, ...] = ()

    def __str__(self) -> str:
        reason = self.reason.format(*self.arguments) if self.arguments else self.reason
        return f"{self.pass_name}: {self.subject}: {self.verdict}: {reason}"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one pass or stage took, in seconds, and whether it changed anything."""

    name: str
    seconds: float
    changed: bool = True


@dataclass(slots=True)
class Context:
    """The state of one compilation that is not the program itself.

    `verify`: run the verifier never, after passes that changed something, or after all of them.
    `dump`: where each stage is written, or None. `digests`: those of constants printed so far.
    """

    target: Target | None = None
    verify: VerifyLevel = "changed"
    dump: DumpFolder | None = None
    decisions: list[Decision] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    stages: int = 0
    digests: Digests = field(default_factory=Digests)

    def decide(
        self, pass_name: str, subject: str, verdict: str, reason: str, *arguments: object
    ) -> None:
        """Note a decision; `reason` is a template for `str.format` over `arguments`."""
        self.decisions.append(Decision(pass_name, subject, verdict, reason, arguments))

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note the time that the body of the `with` statement takes."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.timings.append(Timing(name, time.perf_counter() - start))

    def end_stage(self, name: str, render: Callable[[], str], *, changed: bool = True) -> None:
        """Count a stage; write `NN-name.mlc` if it changed something and a dump was asked for."""
        self.stages += 1
        if changed and self.dump is not None:
            self.dump.write(f"{self.stages:02d}-{name}.mlc", render())

    def write_reports(self) -> None:
        """Write `fusion.txt` and `timing.json` where a dump was asked for."""
        if self.dump is None:
            return
        self.dump.write("fusion.txt", "".join(f"{decision}\n" for decision in self.decisions))
        rows = [
            {"name": timing.name, "seconds": round(timing.seconds, 6), "changed": timing.changed}
            for timing in self.timings
        ]
        self.dump.write("timing.json", json.dumps(rows, indent=1) + "\n")


def origin(loc: Loc, otherwise: str) -> str:
    """The model's nodes as one word for a report; `otherwise` where none is known."""
    if not loc:
        return otherwise
    return loc[0] if len(loc) == 1 else f"{loc[0]}…{loc[-1]}"
