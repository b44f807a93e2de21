"""Which layout each operator of a graph had better use, given what a change of layout costs.

Every operator that has a choice runs in one of two layouts, channels-last or row-major, at a known
cost each. Between two neighbours that choose differently somebody must reorder the value. The
cheapest choice for the whole graph is a minimum cut: channels-last is the side of the source,
row-major that of the sink, and each cost is the capacity of the edge that is cut when it is paid.
It is exact for any graph, branches and joins included.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from mlc.errors import TuningError

_SOURCE, _SINK = object(), object()

Costs = Mapping[str, tuple[float, float]]
"""Seconds of an operator, by the name of what it writes: channels-last, and row-major."""

Changes = Mapping[tuple[str, str], float]
"""Seconds that it takes to reorder what lies between two operators."""


def choose_row_major(costs: Costs, changes: Changes) -> frozenset[str]:
    """The operators that had better be row-major.

    Raises `TuningError` where networkx is not installed.

    >>> costs = {"a": (1.0, 2.0), "b": (5.0, 1.0), "c": (1.0, 1.5)}
    >>> sorted(choose_row_major(costs, {("a", "b"): 0.5, ("b", "c"): 0.5}))
    ['b']
    >>> sorted(choose_row_major(costs, {("a", "b"): 0.5, ("b", "c"): 0.7}))
    ['b', 'c']
    >>> sorted(choose_row_major(costs, {("a", "b"): 9.0, ("b", "c"): 9.0}))
    ['a', 'b', 'c']
    """
    networkx = _networkx()
    graph = networkx.DiGraph()
    graph.add_nodes_from((_SOURCE, _SINK))
    for name, (channels_last, row_major) in costs.items():
        graph.add_edge(_SOURCE, name, capacity=_whole(row_major))
        graph.add_edge(name, _SINK, capacity=_whole(channels_last))
    for (first, second), seconds in changes.items():
        if first in costs and second in costs:
            graph.add_edge(first, second, capacity=_whole(seconds))
            graph.add_edge(second, first, capacity=_whole(seconds))
    _, (_, row_major_side) = networkx.minimum_cut(graph, _SOURCE, _SINK)
    return frozenset(name for name in row_major_side if name is not _SINK)


def _whole(seconds: float) -> int:
    """Picoseconds: flows are exact in whole numbers. What takes for ever takes an hour."""
    return round(min(seconds, 3600.0) * 1e12)


def _networkx() -> Any:
    try:
        return importlib.import_module("networkx")
    except ImportError:
        raise TuningError(
            "choosing layouts needs networkx", hint="pip install 'mlc-compiler[tune]'"
        ) from None
