"""Local rewrites of one node: `ALL` maps an operator to the functions to try, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlc.passes.graph.rewrites import arithmetic, movement, reductions
from mlc.passes.graph.rewrites.rule import Rule

ALL: Mapping[str, Sequence[Rule]] = {**arithmetic.RULES, **movement.RULES, **reductions.RULES}
