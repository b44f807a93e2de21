"""What of a model is supported: one row per node, and the error that lists all that is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlc.errors import UnsupportedError


@dataclass(frozen=True)
class SurveyRow:
    """One node of the model.

    `types` are those of its inputs ("?" where not known, "-" where left out); `reason` says why it
    is not supported, or which shape has to be given to tell; else "".
    """

    node: str
    op: str
    domain: str
    opset: int
    types: tuple[str, ...]
    supported: bool
    reason: str = ""

    def __str__(self) -> str:
        operator = f"{self.domain}.{self.op}" if self.domain else self.op
        types = ", ".join(self.types)
        return f"{self.node}: {operator} (opset {self.opset}; {types}): {self.reason}"


def unsupported_error(rows: Sequence[SurveyRow]) -> UnsupportedError | None:
    """The error that lists every unsupported node; None where there is none."""
    items = [str(row) for row in rows if not row.supported]
    if not items:
        return None
    nodes = "1 node of the model is" if len(items) == 1 else f"{len(items)} nodes of the model are"
    return UnsupportedError(f"{nodes} not supported", items=items)
