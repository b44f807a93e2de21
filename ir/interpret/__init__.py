"""A slow, exact interpreter of both IRs: the oracle of every test."""

from mlc.ir.interpret.graphs import run_graph
from mlc.ir.interpret.loops import run_func, run_prepared

__all__ = ["run_func", "run_graph", "run_prepared"]
