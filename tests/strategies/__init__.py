"""Hypothesis strategies: random expressions, loop functions and graphs."""

from tests.strategies.form import buffers, expressions, graph_texts, texts
from tests.strategies.graphs import feeds_for, graphs
from tests.strategies.programs import arguments_for, array_for, programs

__all__ = [
    "arguments_for",
    "array_for",
    "buffers",
    "expressions",
    "feeds_for",
    "graph_texts",
    "graphs",
    "programs",
    "texts",
]
