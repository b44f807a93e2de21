"""The error for what must be known when a node is imported."""

from __future__ import annotations

from collections.abc import Sequence

from mlc.errors import ShapeError
from mlc.ir.graph import Value


class NeedsValue(ShapeError):  # noqa: N818 (what it says is its name)
    """A converter needs the elements of `values`, which are computed when the model runs.

    Where the model runs in stages, the node waits for the stage after the one that computes them.
    """

    def __init__(self, message: str, values: Sequence[Value], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.values = tuple(values)
